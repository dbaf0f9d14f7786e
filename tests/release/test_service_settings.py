"""service.json: each setting that AWS would refuse is caught before a release."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from keyless.model.service_settings import APP_RUNNER_REGIONS

from local_extensions import answers
from tests.conftest import Bake, Copy
from tests.support.check import found
from tests.support.service import HOSTILE, PARAMETER, SECRET, TARGETS, settings, write


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_generated_is_accepted(bake: Bake, target: str) -> None:
    assert found(bake(deploy_to=target).path) == []


GOOD: list[dict[str, Any]] = [
    {"port": 1, "health_check_path": "/", "min_instances": 25, "max_instances": 25},
    {"environment": {"A": HOSTILE, "_b9": ""}, "secrets": {"KEY": PARAMETER, "DB": SECRET}},
    {"secrets": {"DB": f"{SECRET}:password::"}},
    {"cpu": 4096, "memory": 8192},
    {"name": "A-b_c"},
]
MULTILINE = {"environment": {"A": f"{HOSTILE}\n::error::y"}}
# What is wrong, for both targets: the rule, and what the message must name.
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no port": ({"port": 0}, "service-settings", "port 0 is not a port"),
    "text as port": ({"port": "8080"}, "cannot-be-judged", "port is '8080'"),
    "true as port": ({"port": True}, "cannot-be-judged", "port is 'True'"),
    "no name": ({"name": "a b"}, "service-settings", "'a b' is not a valid name for a service"),
    "a name with a line": (
        {"name": "abcd\n"},
        "service-settings",
        "is not a valid name for a service",
    ),
    "a path without /": ({"health_check_path": "healthz"}, "service-settings", "is not a path"),
    "a path with a space": ({"health_check_path": "/a b"}, "service-settings", "is not a path"),
    "half a vCPU too much": (
        {"cpu": 300},
        "service-settings",
        "cpu 300 is not a size that AWS offers",
    ),
    "memory that does not fit": (
        {"memory": 500},
        "service-settings",
        "memory 500 is not possible with cpu",
    ),
    "none": ({"min_instances": 0}, "service-settings", "min_instances 0 is not between 1 and 3"),
    "more least than most": (
        {"min_instances": 4},
        "service-settings",
        "4 is not between 1 and 3 (max",
    ),
    "too many": (
        {"max_instances": 1001},
        "service-settings",
        "max_instances 1001 is not between 1 and",
    ),
    "a key of AWS": (
        {"environment": {"AWS_ACCESS_KEY_ID": ""}},
        "service-settings",
        "is a key that",
    ),
    "the port as variable": ({"environment": {"PORT": "1"}}, "service-settings", "PORT is set by"),
    "half an ARN": ({"secrets": {"A": SECRET[:-7]}}, "service-settings", "A is not the ARN"),
    "a key without ::": ({"secrets": {"A": f"{SECRET}:key"}}, "service-settings", "ARN:KEY::"),
    "a number as variable": ({"environment": {"A": 1}}, "service-settings", "A is not text"),
    "a NUL": ({"environment": {"A": "x\0y"}}, "service-settings", "A is not text"),
    "a variable with -": (
        {"environment": {"A-B": ""}},
        "service-settings",
        "'A-B' is not a valid name",
    ),
    "the pipeline's own": (
        {"environment": {"IMAGE_TAG": ""}},
        "service-settings",
        "IMAGE_TAG is set",
    ),
    "too much": ({"environment": {"A": "x" * 33000}}, "service-settings", "33,015 bytes together"),
    "in both": (
        {"environment": {"A": ""}, "secrets": {"A": SECRET}},
        "service-settings",
        "A is in environment, too",
    ),
    "a secret itself": ({"secrets": {"A": "hunter2"}}, "service-settings", "A is not the ARN"),
    "all secrets": ({"secrets": {"A": f"{SECRET[:-9]}*"}}, "service-settings", "A is not the ARN"),
    "a variable of IAM": (
        {"secrets": {"A": f"{SECRET}${{x}}"}},
        "service-settings",
        "A is not the ARN",
    ),
    "a secret elsewhere": (
        {"secrets": {"A": SECRET.replace("us-east-1", "eu-west-1")}},
        "service-settings",
        "A is not the ARN of a secret, of one key in it (ARN:KEY::) or of a parameter in us-east-1",
    ),
    "a secret of another service": (
        {"secrets": {"A": SECRET.replace("secretsmanager", "ssm")}},
        "service-settings",
        "A is not the ARN",
    ),
    "a key too many": ({"colour": "red"}, "cannot-be-judged", "'colour' is not a setting"),
    "a key too few": ({"memory": None}, "cannot-be-judged", "memory is missing"),
    "another target": ({"deploy_to": "lambda"}, "cannot-be-judged", "deploy_to is 'lambda'"),
    "another entry": ({"entry": "web"}, "cannot-be-judged", "entry 'web' is not in"),
    "a list": ({"environment": ["A"]}, "cannot-be-judged", "environment is"),
    "nothing as secrets": ({"secrets": []}, "cannot-be-judged", "secrets is"),
}
ONLY: dict[str, list[tuple[dict[str, Any], str]]] = {
    "ecs-express": [({"cpu": 1024, "memory": 1024}, "memory 1024 is not possible with cpu 1024")],
    "app-runner": [
        ({"environment": {"A": "x\ny"}}, "A has several lines, which App Runner refuses"),
        ({"cpu": 512, "memory": 2048}, "memory 2048 is not possible with cpu 512"),
        ({"max_instances": 26}, "max_instances 26 is not between 1 and 25"),
        ({"cpu": 8192, "memory": 16384}, "cpu 8192 is not a size that AWS offers"),
        ({"environment": {"AWSAPPRUNNER_X": ""}}, "AWSAPPRUNNER_X is set by"),
    ],
}


@pytest.mark.parametrize("target", TARGETS)
def test_each_setting_that_aws_would_refuse_is_caught_by_its_rule(copy: Copy, target: str) -> None:
    project = copy(deploy_to=target)
    first = settings(project.path)
    for values in [*GOOD, *[MULTILINE] * (target == "ecs-express")]:
        write(project.path, **{**first, **values})
        assert found(project.path) == [], values
    for what, (values, rule, message) in WRONG.items():
        write(project.path, **{**first, **values})
        judged = found(project.path)
        assert [one for one, _ in judged] == [rule], (what, judged)
        assert judged[0][1].startswith("service.json"), what
        assert message in judged[0][1], (what, judged)
    for values, message in ONLY[target]:
        write(project.path, **{**first, **values})
        ((rule, text),) = found(project.path)
        assert (rule, message in text) == ("service-settings", True), text
    write(project.path, **first)
    (project.path / "service.json").write_text('{"port": 1, "port": 2}')
    ((rule, text),) = found(project.path)
    assert (rule, "a key appears twice" in text) == ("cannot-be-judged", True)


def test_what_runs_there_must_fit_to_image_registry_and_roles(copy: Copy) -> None:
    project = copy(deploy_to="app-runner")
    deploy = project.path / ".github/workflows/deploy.yml"
    text = deploy.read_text()
    deploy.write_text(text.replace("PLATFORM: linux/amd64", "PLATFORM: linux/arm64"))
    ((rule, message),) = found(project.path)
    assert (rule, "App Runner runs only linux/amd64" in message) == ("service-settings", True)
    deploy.write_text(text)
    values = project.path / "infra/terraform.tfvars.json"
    before = values.read_text()
    values.write_text(before.replace('"example-service-push"', '"example-service-access"'))
    assert ("service-settings", True) in [
        (
            rule,
            "would create the role example-service-access, which an entry already has" in message,
        )
        for rule, message in found(project.path)
    ]
    values.write_text(before.replace('"us-east-1"', '"cn-north-1"'))
    said = " ".join(message for _, message in found(project.path))
    assert "deploy_to app-runner is not known to work in cn-north-1" in said


def test_the_regions_of_app_runner_are_those_that_botocore_knows() -> None:
    known = botocore.session.get_session().get_available_regions("apprunner")
    assert sorted(APP_RUNNER_REGIONS) == sorted(known)
    assert sorted(answers.APP_RUNNER_REGIONS) == sorted(known)


def test_a_service_json_of_somebody_elses_is_nobodys_business(copy: Copy) -> None:
    project = copy()
    (project.path / "service.json").write_text('["mine"]')
    assert found(project.path) == []
