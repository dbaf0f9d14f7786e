"""A service of App Runner: what it runs, and how another image is deployed to it.

App Runner pulls the image by its digest and never looks for a newer one by itself. A deployment
that fails is rolled back [App Runner developer guide, "Deploying a new application version"].
"""

from __future__ import annotations

import time
from typing import Any

from keyless.aws import Refused, call
from keyless.console import Problem
from keyless.model.service import VERSION_VARIABLE, Service
from keyless.release.job_environment import apply_commands, rerun_command
from keyless.release.running import Progress, Running, covers, one_line

# How an operation ends; until then it is under way [App Runner API, OperationSummary].
SUCCEEDED, FAILED = "SUCCEEDED", ("FAILED", "ROLLBACK_SUCCEEDED", "ROLLBACK_FAILED")
# States that nothing can be deployed in: what to say, and the operation that mends it.
STUCK = {
    "PAUSED": ("is paused, so nothing can be deployed. Resume it:", "resume"),
    "CREATE_FAILED": ("could not be created the last time. Delete it:", "delete"),
    "DELETE_FAILED": ("could not be deleted. Delete it again:", "delete"),
}


class AppRunnerService:
    """The service, and the operation that this run has begun: a release.running.Target."""

    title = "App Runner"

    def __init__(self, service: Service) -> None:
        self.service = service
        self.began = False
        self.since = 0  # when, in milliseconds since 1970
        self.arn = ""  # of the service, once it was found
        self.operation = ""  # the id of what this run has begun

    def ask(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Return what App Runner answers to an operation.

        Raises:
            Refused: it answers with an error, or not at all.
        """
        return call("apprunner", operation, self.service.account.region, **parameters)

    def described(self) -> dict[str, Any]:
        """Return the service as App Runner describes it, empty where there is none."""
        page: dict[str, Any] = {}
        seen: set[str] = set()
        while True:
            answer = self.ask("list-services", **page)
            for listed in answer["ServiceSummaryList"]:
                if listed["ServiceName"] == self.service.name and listed["Status"] != "DELETED":
                    self.arn = listed["ServiceArn"]
                    return self.described_by(self.arn)
            token = answer.get("NextToken") or ""
            if not token or token in seen:
                return {}
            seen.add(token)
            page = {"NextToken": token}

    def described_by(self, arn: str) -> dict[str, Any]:
        """Return a service by its ARN, empty where it was deleted a moment ago."""
        try:
            found = dict(self.ask("describe-service", ServiceArn=arn)["Service"])
        except Refused as refused:
            if refused.code != "ResourceNotFoundException":
                raise
            return {}
        return {} if found["Status"] == "DELETED" else found

    def find(self, image: str = "") -> Running | None:
        """Return what the service runs, None where there is none; `image` is what it should run.

        Raises:
            Problem: it is in a state that nothing can be deployed in.
        """
        found = self.described()
        if not found:
            return None
        status = found["Status"]
        if status in STUCK:
            what, word = STUCK[status]
            message = f"The service {self.service.name} {what}"
            raise Problem(message, f"aws apprunner {word}-service {self.place()}", rerun_command())
        repository = found["SourceConfiguration"].get("ImageRepository") or {}
        variables = repository.get("ImageConfiguration") or {}
        values = variables.get("RuntimeEnvironmentVariables") or {}
        version = one_line(values.get(VERSION_VARIABLE, ""))
        scaling = found.get("AutoScalingConfigurationSummary") or {}
        return Running(
            arn=self.arn,
            image=repository.get("ImageIdentifier", ""),
            version=version,
            as_wanted=covers(found, self.parameters(image, version))
            and exact(variables, self.variables(version))
            and scaling.get("AutoScalingConfigurationName") == self.service.scaling,
            url=f"https://{found['ServiceUrl']}" if found.get("ServiceUrl") else "",
            doing="an operation is under way" * (status == "OPERATION_IN_PROGRESS"),
        )

    def place(self) -> str:
        """Return the options of the AWS CLI that name the service."""
        return f"--service-arn {self.arn} --region {self.service.account.region}"

    def removal(self) -> str:
        """Return the command that deletes the service, empty where there is none."""
        return f"aws apprunner delete-service {self.place()}" if self.described() else ""

    def variables(self, version: str) -> dict[str, dict[str, str]]:
        """Return the variables and secrets of an instance."""
        settings = self.service.settings
        return {
            "RuntimeEnvironmentVariables": {**settings["environment"], VERSION_VARIABLE: version},
            "RuntimeEnvironmentSecrets": settings["secrets"],
        }

    def parameters(self, image: str, version: str) -> dict[str, Any]:
        """Return what creation and update are given, as App Runner describes it later, too."""
        settings, roles = self.service.settings, self.service.roles
        return {
            "SourceConfiguration": {
                "ImageRepository": {
                    "ImageIdentifier": image,
                    "ImageRepositoryType": "ECR",
                    "ImageConfiguration": {
                        "Port": str(settings["port"]),
                        **self.variables(version),
                    },
                },
                "AutoDeploymentsEnabled": False,
                "AuthenticationConfiguration": {"AccessRoleArn": roles["access"]},
            },
            "InstanceConfiguration": {
                "Cpu": str(settings["cpu"]),
                "Memory": str(settings["memory"]),
                "InstanceRoleArn": roles["instance"],
            },
            "HealthCheckConfiguration": {"Protocol": "HTTP", "Path": settings["health_check_path"]},
        }

    def scaling(self) -> str:
        """Return the ARN of the auto scaling configuration; make it where there is none.

        Raises:
            Problem: there is one of this name with other numbers.
        """
        name = self.service.scaling
        arn = self.service.arn("apprunner", f"autoscalingconfiguration/{name}")
        sizes = {
            "MinSize": self.service.settings["min_instances"],
            "MaxSize": self.service.settings["max_instances"],
        }
        found = self.described_scaling(arn)
        if not found:
            made = {"AutoScalingConfigurationName": name, **sizes}
            answer = self.ask("create-auto-scaling-configuration", **made)
            found = answer["AutoScalingConfiguration"]
        if not covers(found, sizes):
            has = f"{found.get('MinSize')} to {found.get('MaxSize')} instances"
            where = f"--region {self.service.account.region}"
            raise Problem(
                f"The auto scaling configuration {name} is for {has}, so somebody changed it."
                " Delete this revision of it:",
                "aws apprunner delete-auto-scaling-configuration --auto-scaling-configuration-arn"
                f" {found['AutoScalingConfigurationArn']} {where}",
                rerun_command(),
            )
        return arn

    def described_scaling(self, arn: str) -> dict[str, Any]:
        """Return an auto scaling configuration, empty where there is none.

        One that was deleted is still described, as INACTIVE.
        """
        try:
            answer = self.ask(
                "describe-auto-scaling-configuration", AutoScalingConfigurationArn=arn
            )
        except Refused as refused:
            if refused.code != "ResourceNotFoundException":
                raise
            return {}
        found = dict(answer["AutoScalingConfiguration"])
        return {} if found.get("Status") == "INACTIVE" else found

    def deploy(self, running: Running | None, image: str, version: str) -> None:
        """Create the service, or update it."""
        self.began, self.since = True, int(time.time() * 1000)
        given = {**self.parameters(image, version), "AutoScalingConfigurationArn": self.scaling()}
        if running:
            answer = self.ask("update-service", ServiceArn=running.arn, **given)
        else:
            answer = self.create(given)
            self.arn = answer["Service"]["ServiceArn"]
        self.operation = answer["OperationId"]

    def create(self, given: dict[str, Any]) -> dict[str, Any]:
        """Create the service.

        Raises:
            Problem: App Runner refuses it to this account, or to the role.
        """
        try:
            return self.ask("create-service", ServiceName=self.service.name, **given)
        except Refused as refused:
            denied = refused.code.startswith(("AccessDenied", "Subscription", "OptIn"))
            if not denied or "PassRole" in str(refused):
                raise
            raise Problem(
                f"App Runner does not create the service: {refused.said}. AWS closed App Runner to"
                " new customers on 2026-04-30. If this account never used it, use ECS Express Mode"
                " (deploy_to=ecs-express). Otherwise the policy of the role is older than infra/.",
                *apply_commands(),
            ) from refused

    def raced(self, refused: Refused) -> bool:
        """Tell whether App Runner refuses because somebody else is at work on the service."""
        return refused.code == "InvalidStateException" or "already exists" in str(refused)

    def step(self) -> Progress:
        """Return how far the operation is; App Runner lists it a moment after it was asked."""
        answer = self.ask("list-operations", ServiceArn=self.arn)
        for operation in answer["OperationSummaryList"]:
            if operation["Id"] == self.operation:
                status = operation["Status"]
                text = f"operation {operation['Type']} {status}"
                return Progress(status in (SUCCEEDED, *FAILED), status == SUCCEEDED, text)
        return Progress(False, False, "waiting for App Runner to begin")

    def events(self) -> list[str]:
        """Return what App Runner has logged of the service since this run began."""
        number = self.arn.rpartition("/")[2]
        group = f"/aws/apprunner/{self.service.name}/{number}/service"
        region = self.service.account.region
        given = {"logGroupName": group, "startTime": self.since}
        answer = call("logs", "filter-log-events", region, **given)
        return [event.get("message", "") for event in answer.get("events") or []]


def exact(described: dict[str, Any], wanted: dict[str, dict[str, str]]) -> bool:
    """Tell whether variables and secrets are those that were wanted, and no others."""
    return all((described.get(key) or {}) == wanted[key] for key in wanted)
