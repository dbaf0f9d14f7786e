"""What runs the image, as tests set it up: its settings, and a service of somebody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.standins.emulator import Emulator

TARGETS = ["ecs-express", "app-runner"]
# One key of a secret, all of it, and a parameter.
SECRETS = {
    "A": "arn:aws:secretsmanager:us-east-1:111122223333:secret:db/main-AbCdEf:password::",
    "B": "arn:aws:secretsmanager:us-east-1:111122223333:secret:db/main-AbCdEf",
    "C": "arn:aws:ssm:us-east-1:111122223333:parameter/web/key",
}
SECRET, PARAMETER = SECRETS["B"], SECRETS["C"]
HOSTILE = 'it\'s "${HOME}" %{if} <<x>> \\ $(id) `id` ::error::x\t\U0001f680'


def settings(root: Path) -> dict[str, Any]:
    """Return what service.json says."""
    return dict(json.loads((root / "service.json").read_text()))


def write(root: Path, **values: Any) -> None:
    """Write settings: all of them, or some beside those that are there; None removes one."""
    both = {**({} if len(values) > 9 else settings(root)), **values}
    kept = {key: value for key, value in both.items() if value is not None}
    (root / "service.json").write_text(json.dumps(kept, indent=2) + "\n")


def begin_by_hand(aws: Emulator, target: str, version: str, image: str) -> None:
    """Create the service as somebody else: of the image, under a version."""
    uri = f"111122223333.dkr.ecr.us-east-1.amazonaws.com/{image}"
    role = "arn:aws:iam::111122223333:role/example-service-"
    variables = {"IMAGE_TAG": version}
    if target == "ecs-express":
        container = {"image": uri, "environment": [{"name": "IMAGE_TAG", "value": version}]}
        aws.client("ecs").create_express_gateway_service(
            serviceName="example-service",
            cluster="example-service",
            executionRoleArn=f"{role}execution",
            infrastructureRoleArn=f"{role}infrastructure",
            primaryContainer=container,
            scalingTarget={"minTaskCount": 1, "maxTaskCount": 3},
        )
        return
    runner = aws.client("apprunner")
    name = {"AutoScalingConfigurationName": "instances-1-3", "MinSize": 1, "MaxSize": 3}
    scaling = runner.create_auto_scaling_configuration(**name)["AutoScalingConfiguration"]
    repository = {
        "ImageIdentifier": uri,
        "ImageRepositoryType": "ECR",
        "ImageConfiguration": {"RuntimeEnvironmentVariables": variables},
    }
    runner.create_service(
        ServiceName="example-service",
        SourceConfiguration={
            "ImageRepository": repository,
            "AuthenticationConfiguration": {"AccessRoleArn": f"{role}access"},
        },
        InstanceConfiguration={"InstanceRoleArn": f"{role}instance"},
        AutoScalingConfigurationArn=scaling["AutoScalingConfigurationArn"],
    )
