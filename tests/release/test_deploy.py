"""deploy.yml where the image is run: what a release leaves on ECS or App Runner, and what is read.

tests/standins/compute.py stands in for both services: it holds each request against botocore's
model and against the policies of the role, which are those of a real plan of infra/.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Copy
from tests.rehearsal import BUILD
from tests.standins.emulator import Emulator
from tests.standins.iam import allowed, listed
from tests.support.release import DEPLOY, Release, errors
from tests.support.service import TARGETS, begin_by_hand, write

RUN = "Deploy the image and wait until it is steady"
NAMES = {"ecs-express": "ECS", "app-runner": "App Runner"}
ROLLED_BACK = {"ecs-express": "ROLLBACK_SUCCESSFUL", "app-runner": "ROLLBACK_SUCCEEDED"}
Plan = Callable[[str], str]


class Running(Release):
    """A project whose image is run, with everything in AWS that its infra/ makes."""

    def __init__(self, project: Any, emulator: Emulator, plan: str) -> None:
        super().__init__(project, emulator)
        self.target = project.answers["deploy_to"]
        module = json.loads(plan)["planned_values"]["root_module"]
        iam = emulator.client("iam")
        made: dict[str, list[dict[str, Any]]] = {}
        for one in module["resources"]:
            made.setdefault(one["type"], []).append(one["values"])
        for one in made["aws_iam_role"]:
            iam.create_role(
                RoleName=one["name"], AssumeRolePolicyDocument=one["assume_role_policy"]
            )
        for one in made["aws_iam_role_policy"]:
            known = (("RoleName", "role"), ("PolicyName", "name"), ("PolicyDocument", "policy"))
            iam.put_role_policy(**{key: one[name] for key, name in known})
        for one in made.get("aws_ecs_cluster", []):
            emulator.client("ecs").create_cluster(clusterName=one["name"])
        # It asks once a second, and a busy machine has time enough.
        self.edit(DEPLOY, 'WAIT_MINUTES: "25"', 'WAIT_MINUTES: "2"')

    @property
    def service(self) -> dict[str, Any]:
        """What runs: the image, and the version that it is said to be."""
        if self.target == "ecs-express":
            arn = "arn:aws:ecs:us-east-1:111122223333:service/example-service/example-service"
            answer = self.aws.client("ecs").describe_express_gateway_service(serviceArn=arn)
            found = answer["service"]["activeConfigurations"][0]["primaryContainer"]
            variables = {each["name"]: each["value"] for each in found["environment"]}
            return {"image": found["image"], **variables}
        client = self.aws.client("apprunner")
        (one,) = client.list_services()["ServiceSummaryList"]
        found = client.describe_service(ServiceArn=one["ServiceArn"])["Service"]
        repository = found["SourceConfiguration"]["ImageRepository"]
        assert found["SourceConfiguration"]["AutoDeploymentsEnabled"] is False
        variables = repository["ImageConfiguration"]["RuntimeEnvironmentVariables"]
        return {"image": repository["ImageIdentifier"], **variables}

    def asked(self, word: str) -> list[dict[str, Any]]:
        """Return what was asked of the service in the last run, of one kind."""
        return [one for one in self.aws.requests() if one["name"].startswith(word)]

    def runs(self, version: str) -> bool:
        """Tell whether the service runs the image of a version, by its digest."""
        image = f"example-service@{self.tags[version]}"
        service = self.service
        return str(service["image"]).endswith(image) and service["IMAGE_TAG"] == version


@pytest.fixture(params=TARGETS)
def made(
    request: pytest.FixtureRequest, copy: Copy, emulator: Emulator, service_plan: Plan
) -> Running:
    """A project for each target, before its first release."""
    return Running(copy(deploy_to=request.param), emulator, service_plan(request.param))


def test_versions_are_created_kept_replaced_taken_back_and_gone_back_to(made: Running) -> None:
    """The life of a service; every call is allowed, and everything that is allowed is used."""
    needs: list[Any] = []
    made.commit("v0.1.0")
    run = made.publish()
    needs += [need for one in made.aws.requests() for need in one["needs"]]
    assert run.status == 0, run.log
    assert made.runs("v0.1.0")
    assert (len(made.asked("Create")) > 0, made.asked("Update")) == (True, [])
    assert "example-service: does not exist yet" in run.log
    assert "### Deployed v0.1.0 to example-service\n" in run.summary
    assert "| Service | <https://" in run.summary
    assert f"| Runs | `{made.tags['v0.1.0']} (v0.1.0)` |" in run.summary
    assert "| Instances | `1 to 3` |" in run.summary
    # Again: nothing is built, and nothing is deployed.
    run = made.publish(run_attempt=2)
    assert (run.status, run.outcome(BUILD)) == (0, "skipped")
    assert made.asked("Create") + made.asked("Update") == []
    assert "example-service runs v0.1.0 already: nothing was deployed" in run.summary
    # Another version.
    made.edit("app/server.py", "import os", "import os  # changed")
    made.commit("v0.2.0")
    run = made.publish("v0.2.0")
    needs += [need for one in made.aws.requests() for need in one["needs"]]
    assert run.status == 0, run.log
    assert made.runs("v0.2.0")
    assert f"deploying v0.2.0, replacing {made.tags['v0.1.0']} (v0.1.0)" in run.log
    assert f"| Before | `{made.tags['v0.1.0']}` |" in run.summary
    # One that does not answer is taken back, and the reason is that of AWS.
    made.edit("app/server.py", "# changed", "# broken")
    made.commit("v0.3.0")
    reason = "tasks failed ELB health checks in (target-group x)"
    made.aws.mood(ends=ROLLED_BACK[made.target], reason=reason)
    run = made.publish("v0.3.0")
    needs += [need for one in made.aws.requests() for need in one["needs"]]
    assert (run.status, run.outcome(RUN)) == (1, "failure")
    (error,) = errors(run)
    assert error.startswith("The image is published but not deployed::")
    assert "example-service did not become healthy with this image" in error
    assert ROLLED_BACK[made.target] in error
    assert f"It now runs {made.tags['v0.2.0']} (v0.2.0)." in error
    assert "The image must listen on port 8080 and answer /healthz with 200 (service.json)" in error
    assert f"The last events from {NAMES[made.target]}:" in run.log
    assert f"- (service example-service) {reason}" in run.log
    assert "```text\n- (service example-service) has reached" in run.summary
    assert made.runs("v0.2.0")
    assert "v0.3.0" in made.tags
    # Going back is to publish the older version again.
    run = made.publish("v0.1.0", "workflow_dispatch")
    assert (run.status, run.outcome(BUILD)) == (0, "skipped"), run.log
    assert made.runs("v0.1.0")
    every_call_is_allowed_and_everything_allowed_is_used(made, needs)


def every_call_is_allowed_and_everything_allowed_is_used(made: Running, needs: list[Any]) -> None:
    answer = made.aws.client("iam").get_role_policy(
        RoleName="example-service-push", PolicyName="deploy"
    )
    policy = answer["PolicyDocument"]
    asked = [tuple(need) for need in needs]
    assert [need for need in asked if not allowed([policy], *need)] == []
    for n, statement in enumerate(policy["Statement"]):
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            fewer = json.loads(json.dumps(policy))
            kept = [actions] if isinstance(actions, str) else actions
            fewer["Statement"][n]["Action"] = [one for one in kept if one != action] or ["x:y"]
            assert any(not allowed([fewer], *need) for need in asked), f"{action} is for nothing"
        for resource in listed(statement["Resource"]):
            fewer = json.loads(json.dumps(policy))
            kept = [one for one in listed(statement["Resource"]) if one != resource]
            fewer["Statement"][n]["Resource"] = kept
            assert any(not allowed([fewer], *need) for need in asked), f"{resource} is for nothing"
    # And nothing of what has another name, or another account.
    for action, resource, context in asked:
        if resource != "*" and ":autoscalingconfiguration/" not in resource:
            other = resource.replace("example-service", "example-service-2")
            assert not allowed([policy], action, other, context), (action, other)
            elsewhere = resource.replace("111122223333", "444455556666")
            assert not allowed([policy], action, elsewhere, context)
        if action == "iam:PassRole":
            lambdas = {"iam:passedtoservice": ["lambda.amazonaws.com"]}
            assert not allowed([policy], action, resource, lambdas)
            assert not allowed([policy], action, resource, {})


def test_what_somebody_else_deploys_is_waited_for(made: Running) -> None:
    made.aws.mood(looks=9)  # it is under way until it was seen so often
    begin_by_hand(made.aws, made.target, "v0.0.9", f"example-service@sha256:{'a' * 64}")
    made.commit("v0.1.0")
    run = made.publish()
    assert run.status == 0, run.log
    assert "waiting for somebody else: " in run.log
    assert f"deploying v0.1.0, replacing sha256:{'a' * 64} (v0.0.9)" in run.log
    assert made.runs("v0.1.0")


def test_a_permission_that_is_missing_is_named(made: Running) -> None:
    iam = made.aws.client("iam")
    role = {"RoleName": "example-service-push", "PolicyName": "deploy"}
    policy = iam.get_role_policy(**role)["PolicyDocument"]
    policy["Statement"] = [one for one in policy["Statement"] if one["Action"] != "iam:PassRole"]
    iam.put_role_policy(**role, PolicyDocument=json.dumps(policy))
    made.commit("v0.1.0")
    run = made.publish()
    assert (run.status, run.outcome(RUN)) == (1, "failure")
    (error,) = errors(run)
    assert "The role does not have permission to do this:" in error
    assert "is not authorized to perform: iam:PassRole on resource: arn:aws:iam::" in error
    assert "make bootstrap" in error
    # Without a look at the service nothing is published.
    iam.delete_role_policy(**role)
    made.commit("v0.2.0")
    run = made.publish("v0.2.0")
    (error,) = errors(run)
    assert error.startswith("Nothing was published::The role does not have permission to do this:")
    assert "v0.2.0" not in made.tags


def test_a_deployment_that_takes_too_long_ends_the_wait_and_not_the_deployment(
    made: Running,
) -> None:
    made.edit(DEPLOY, 'WAIT_MINUTES: "2"', 'WAIT_MINUTES: "0.05"')
    made.aws.mood(looks=1_000_000)  # it never ends
    made.commit("v0.1.0")
    run = made.publish()
    assert (run.status, run.outcome(RUN)) == (1, "failure")
    (error,) = errors(run)
    assert "example-service is not steady after 0 minutes" in error
    assert "IN_PROGRESS" in error
    assert "The deployment continues by itself" in error
    assert "make doctor" in error


def test_both_platforms_are_deployed_as_one_image(
    copy: Copy, emulator: Emulator, service_plan: Plan
) -> None:
    project = copy(deploy_to="ecs-express", platform="both")
    made = Running(project, emulator, service_plan("ecs-express"))
    made.commit("v0.1.0")
    run = made.publish()
    assert run.status == 0, run.log
    assert made.runs("v0.1.0")
    # Settings that cannot run stop the release before anything is built.
    write(project.path, port=0)
    made.commit("v0.2.0")
    run = made.publish("v0.2.0")
    stopped = {"look": "failure", "build-amd64": "skipped", "publish": "skipped"}
    assert {name: run.jobs[name] for name in stopped} == stopped
    assert "v0.2.0" not in made.tags
