"""A service of ECS in Express Mode: what it runs, and how another image is deployed to it.

An update is a canary deployment, which ECS rolls back by itself if the new instances are not
healthy [ECS developer guide, "Updating an Amazon ECS Express Mode service"].
"""

from __future__ import annotations

import os
from typing import Any

from keyless.aws import Refused, call
from keyless.console import Problem
from keyless.model.service import PORT_VARIABLE, VERSION_VARIABLE, Service
from keyless.paths import SERVICE_TF
from keyless.release.job_environment import apply_commands
from keyless.release.running import Progress, Running, covers, one_line

MISSING = ("ResourceNotFoundException", "ServiceNotFoundException")
# How a deployment ends; until then it is under way [ECS API, ServiceDeployment].
SUCCESSFUL, FAILED = "SUCCESSFUL", ("STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")


class ExpressService:
    """The service, and the deployment that this run has begun: a release.running.Target."""

    title = "ECS"

    def __init__(self, service: Service) -> None:
        self.service = service
        self.began = False
        self.revision = ""  # the ARN of what this run deploys
        self.deployment = ""  # the ARN of the deployment of it, as soon as ECS lists it
        self.architecture = ""  # of the processor that it runs on, once it was described

    def ask(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Return what ECS answers to an operation.

        Raises:
            Problem: the cluster is not there.
            Refused: it answers with another error, or not at all.
        """
        try:
            return call("ecs", operation, self.service.account.region, **parameters)
        except Refused as refused:
            if refused.code != "ClusterNotFoundException":
                raise
            what = f"There is no ECS cluster {self.service.name}. {SERVICE_TF} creates it."
            raise Problem(what, *apply_commands()) from refused

    def described(self) -> dict[str, Any]:
        """Return the service as ECS describes it, empty where there is none."""
        try:
            answer = self.ask(
                "describe-express-gateway-service", serviceArn=self.service.service_arn
            )
        except Refused as refused:
            if refused.code in MISSING:
                return {}
            raise
        found: dict[str, Any] = answer["service"]
        return {} if found["status"]["statusCode"] == "INACTIVE" else found

    def find(self, image: str = "") -> Running | None:
        """Return what the service runs, None where there is none; `image` is what it should run."""
        found = self.described()
        if not found:
            return None
        newest = latest(found)
        self.architecture = newest.get("cpuArchitecture", "")
        container = newest.get("primaryContainer") or {}
        pairs = container.get("environment") or []
        variables = {pair.get("name"): pair.get("value", "") for pair in pairs}
        version = one_line(variables.get(VERSION_VARIABLE, ""))
        doing = self.under_way(found)
        same = covers(newest, self.parameters(image, version))
        if same and not doing:  # one that has failed may still be listed
            listed = self.deployments(newest.get("serviceRevisionArn", ""))
            same = not listed or listed[0].get("status") not in FAILED
        paths = [path["endpoint"] for path in newest.get("ingressPaths") or []]
        return Running(
            arn=found["serviceArn"],
            image=container.get("image", ""),
            version=version,
            as_wanted=same,
            url=f"https://{paths[0].rpartition('//')[2]}" if paths else "",
            doing=doing,
        )

    def under_way(self, found: dict[str, Any]) -> str:
        """Return what is being done to a service, as it was described; empty where it is steady."""
        if found["status"]["statusCode"] == "DRAINING":
            return "it is being deleted"
        current = found.get("currentDeployment")
        if current and self.deployment_of(current)["status"] not in (SUCCESSFUL, *FAILED):
            return "a deployment is under way"
        return ""

    def removal(self) -> str:
        """Return the command that deletes the service, empty where there is none."""
        where = f"--service-arn {self.service.service_arn} --region {self.service.account.region}"
        return f"aws ecs delete-express-gateway-service {where}" if self.described() else ""

    def parameters(self, image: str, version: str) -> dict[str, Any]:
        """Return what creation and update are given, as ECS describes it later, too."""
        settings, roles = self.service.settings, self.service.roles
        pipeline = {VERSION_VARIABLE: version, PORT_VARIABLE: str(settings["port"])}
        variables = sorted({**settings["environment"], **pipeline}.items())
        secrets = sorted(settings["secrets"].items())
        return {
            "executionRoleArn": roles["execution"],
            "taskRoleArn": roles["task"],
            "healthCheckPath": settings["health_check_path"],
            "primaryContainer": {
                "image": image,
                "containerPort": settings["port"],
                "environment": [{"name": name, "value": value} for name, value in variables],
                "secrets": [{"name": name, "valueFrom": arn} for name, arn in secrets],
            },
            "cpu": str(settings["cpu"]),
            "memory": str(settings["memory"]),
            "scalingTarget": {
                "minTaskCount": settings["min_instances"],
                "maxTaskCount": settings["max_instances"],
            },
            **self.wanted_architecture(),
        }

    def wanted_architecture(self) -> dict[str, str]:
        """Return the parameter for the processor that the image is built for, by PLATFORM.

        X86_64 is the default, and an older AWS CLI does not know the parameter: it is left out
        wherever it would change nothing.
        """
        platform = os.environ.get("PLATFORM", "")
        wanted = "ARM64" if "arm64" in platform and "amd64" not in platform else "X86_64"
        differs = wanted != (self.architecture or "X86_64")
        return {"cpuArchitecture": wanted} if differs or wanted == "ARM64" else {}

    def deploy(self, running: Running | None, image: str, version: str) -> None:
        """Create the service, or update it."""
        self.began = True
        given = self.parameters(image, version)
        if running:
            answer = self.ask("update-express-gateway-service", serviceArn=running.arn, **given)
            revision = answer["service"].get("targetConfiguration") or {}
        else:
            name = self.service.name
            given["infrastructureRoleArn"] = self.service.roles["infrastructure"]
            answer = self.ask(
                "create-express-gateway-service", serviceName=name, cluster=name, **given
            )
            revision = latest(answer["service"])
        self.revision = revision.get("serviceRevisionArn", "")

    def raced(self, refused: Refused) -> bool:
        """Tell whether ECS refuses because somebody else has created or deleted the service."""
        gone = refused.code in (*MISSING, "ServiceNotActiveException")
        return gone or "not idempotent" in str(refused) or "already exists" in str(refused)

    def step(self) -> Progress:
        """Return how far the deployment is; ECS names it a moment after it was asked."""
        if not self.deployment:
            listed = self.deployments(self.revision)
            self.deployment = listed[0]["serviceDeploymentArn"] if listed else ""
        if not self.deployment:
            return Progress(False, False, "waiting for ECS to begin")
        found = self.deployment_of(self.deployment)
        status, revision = found["status"], found.get("targetServiceRevision") or {}
        ended = status in (SUCCESSFUL, *FAILED)
        text = f"deployment {status}"
        if found.get("lifecycleStage") and not ended:
            text += f", {found['lifecycleStage']}"
        if "requestedTaskCount" in revision:
            text += f": {revision.get('runningTaskCount', 0)} of {revision['requestedTaskCount']}"
            text += " instances run"
        reason = (found.get("rollback") or {}).get("reason") or found.get("statusReason")
        if reason and status != SUCCESSFUL:
            text += f" ({' '.join(str(reason).split())})"
        return Progress(ended, status == SUCCESSFUL, text)

    def deployments(self, revision: str) -> list[dict[str, Any]]:
        """Return the deployments that lead to a revision, the newest first."""
        name = self.service.name
        answer = self.ask("list-service-deployments", service=name, cluster=name, maxResults=100)
        listed = answer.get("serviceDeployments") or []
        found = [one for one in listed if one.get("targetServiceRevisionArn") == revision]
        return sorted(found, key=created_at, reverse=True)

    def deployment_of(self, arn: str) -> dict[str, Any]:
        """Return a deployment by its ARN; one that is not shown yet is pending."""
        answer = self.ask("describe-service-deployments", serviceDeploymentArns=[arn])
        return dict((answer.get("serviceDeployments") or [{"status": "PENDING"}])[0])

    def events(self) -> list[str]:
        """Return the events that ECS has recorded for the service, the newest last."""
        name = self.service.name
        answer = self.ask("describe-services", cluster=name, services=[name])
        services = answer.get("services") or [{}]
        return [event.get("message", "") for event in reversed(services[0].get("events") or [])]


def latest(service: dict[str, Any]) -> dict[str, Any]:
    """Return the newest configuration of a service as ECS describes it, empty where it has none."""
    found: list[dict[str, Any]] = service.get("activeConfigurations") or [{}]
    return max(found, key=created_at)


def created_at(described: dict[str, Any]) -> str:
    """Return when something was created, as text that sorts by time, or an empty one."""
    return str(described.get("createdAt", ""))
