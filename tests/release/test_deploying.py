"""A service's life: what is deployed, what is waited for, and what is said where it fails.

The steps run in this process, and botocore asks the stand-in what the AWS CLI would.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from keyless.aws import Refused

from tests.support.service import HOSTILE, PARAMETER, SECRET, TARGETS
from tests.support.stage import Stage

Make = Callable[[str], Stage]

both = pytest.mark.parametrize("target", TARGETS)


@both
def test_settings_alone_are_deployed_too_and_their_order_is_none(stage: Make, target: str) -> None:
    made = stage(target)
    made.write(environment={"B": HOSTILE, "A": ""}, secrets={"S": SECRET})
    assert f"### Deployed v1 to {made.name}" in made.after("a", "v1")
    assert values_of(made.given)["B"] == HOSTILE
    made.write(environment={"A": "", "B": HOSTILE})
    assert "already: nothing was deployed" in made.after("a", "v1")
    assert made.asked() == []
    changes: list[dict[str, Any]] = [
        {"environment": {"A": ""}},
        {"secrets": {}},
        {"secrets": {"S": PARAMETER}},
        {"cpu": 1024, "memory": 3072},
        {"max_instances": 2},
        {"port": 80},
        {"health_check_path": "/"},
    ]
    for values in changes:
        made.write(**values)
        assert "### Deployed v1" in made.after("a", "v1"), values
        assert "nothing was deployed" in made.after("a", "v1"), values
    # Another version of the same image is what runs already.
    assert f"{made.name} runs this image already, as v1: nothing" in made.after("a", "v2")
    assert made.asked() == []


def values_of(given: dict[str, Any]) -> dict[str, str]:
    """Return the variables that a service was given."""
    if "primaryContainer" in given:
        return {each["name"]: each["value"] for each in given["primaryContainer"]["environment"]}
    image = given["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]
    return dict(image["RuntimeEnvironmentVariables"])


@both
def test_a_newer_version_that_came_meanwhile_stays_and_an_older_one_does_not(
    stage: Make, target: str
) -> None:
    made = stage(target)
    made.after("a", "v1.9.0")
    made.after("c", "v1.10.0", BEFORE=f"sha256:{'a' * 64}")
    # This run began when v1.9.0 was there, and v1.10.0 came while it built.
    text = made.after("b", "v1.9.1", BEFORE=f"sha256:{'a' * 64}")
    assert f"### {made.name} runs v1.10.0, which is newer: nothing was deployed" in text
    assert made.asked() == []
    # This one is newer than what came meanwhile.
    assert "### Deployed v1.10.1" in made.after("d", "v1.10.1", BEFORE=f"sha256:{'a' * 64}")
    # This one began afterwards: somebody wants to go back.
    assert "### Deployed v1.9.0" in made.after("a", "v1.9.0", BEFORE=f"sha256:{'d' * 64}")


@both
def test_a_first_deployment_that_fails_says_what_to_do_about_it(stage: Make, target: str) -> None:
    made = stage(target)
    ends = {"ecs-express": "ROLLBACK_FAILED", "app-runner": "FAILED"}[target]
    made.aws.mood(ends=ends, reason="container exited\n::warning::with ``` 1")
    status, text = made.run("after", "a", "v1")
    assert status == 1
    assert f"{made.name} did not become healthy with this image" in text
    assert "\n::warning" not in text
    assert "- (service" in text
    assert "container exited ::warning::with ''' 1" in text
    if target == "app-runner":
        assert "aws apprunner delete-service --service-arn arn:aws:apprunner:us-east-1:" in text
        status, text = made.run("before", "a", "v1")
        assert (status, "could not be created the last time" in text) == (1, True)
        assert "### Nothing was published" in text
    else:
        assert "It runs no image." in text
        assert "### Deployed v1" in made.after("b", "v1")


@both
def test_the_step_before_notes_what_runs(stage: Make, target: str) -> None:
    made = stage(target)
    assert made.run("before", "a", "v1") == (0, f"{made.name}: does not exist yet\n")
    assert made.outputs == {"image": ""}
    made.after("a", "v1")
    status, text = made.run("before", "b", "v2")
    assert (status, text) == (0, f"{made.name}: runs sha256:{'a' * 64} (v1)\n")
    assert made.outputs == {"image": f"sha256:{'a' * 64}"}
    made.write(port=0)
    status, text = made.run("before", "b", "v2")
    assert (status, "service.json: port 0 is not a port" in text) == (1, True)
    assert "### Nothing was published" in text
    (made.root / "service.json").write_text("{")
    status, text = made.run("before", "b", "v2")
    assert (status, "service.json:1: not JSON" in text) == (1, True)


@both
def test_who_creates_it_first_is_noticed(stage: Make, target: str) -> None:
    """Two runs find nothing there; the second one's creation is refused, and it looks again."""
    made = stage(target)
    find, calls = made.service.find, []

    def blind(self: Any, image: str = "") -> Any:
        calls.append(image)
        return None if len(calls) == 2 else find(self, image)

    made.after("a", "v1")
    calls.append("")  # so that the next one sees nothing
    made.patch.setattr(made.service, "find", blind)
    text = made.after("b", "v2", BEFORE=f"sha256:{'a' * 64}")
    assert "somebody else was faster" in text
    assert "### Deployed v2" in text


@both
def test_roles_that_are_not_there_are_made_by_bootstrap(stage: Make, target: str) -> None:
    made = stage(target)
    for kind in ("infrastructure", "access"):
        made.aws.client("iam").delete_role(RoleName=f"{made.name}-{kind}")
    status, text = made.run("after", "a", "v1")
    assert (status, "Unable to assume the service linked role or the role" in text) == (1, True)
    assert "make bootstrap" in text


@both
def test_events_that_cannot_be_read_hide_nothing(stage: Make, target: str) -> None:
    made = stage(target)
    ends = {"ecs-express": "ROLLBACK_FAILED", "app-runner": "FAILED"}[target]
    made.aws.mood(ends=ends)

    def no_events(_self: Any) -> list[str]:
        raise Refused("AccessDeniedException", "not for you")

    made.patch.setattr(made.service, "events", no_events)
    status, text = made.run("after", "a", "v1")
    assert (status, "(its events cannot be read: not for you)" in text) == (1, True)
    assert "did not become healthy" in text


@both
def test_a_moment_without_an_answer_ends_nothing_and_a_refusal_does(
    stage: Make, target: str
) -> None:
    made = stage(target)
    step, calls = made.service.step, []

    def shaky(self: Any) -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise Refused(("ThrottlingException", "")[len(calls) - 1], "slow down")
        return step(self)

    made.patch.setattr(made.service, "step", shaky)
    assert "no answer for a moment: ThrottlingException: slow down" in made.after("a", "v1")

    def refusing(_self: Any) -> Any:
        raise Refused("AccessDeniedException", "not for you")

    made.patch.setattr(made.service, "step", refusing)
    status, text = made.run("after", "b", "v2")
    assert (status, "The role does not have permission to do this: not for you." in text) == (
        1,
        True,
    )


@both
@pytest.mark.parametrize(
    ("name", "value"), [("WAIT_MINUTES", ""), ("WAIT_MINUTES", "-1"), ("DIGEST", "latest")]
)
def test_an_odd_value_of_the_job_is_named(stage: Make, target: str, name: str, value: str) -> None:
    made = stage(target)
    status, text = made.run("after", "a", "v1", **{name: value})
    assert (status, f"{name} is {value!r}" in text, made.asked()) == (1, True, [])


def test_ecs_still_lists_what_has_failed_and_names_what_has_ended(
    stage: Make,
) -> None:
    """What the model allows: a failed configuration is listed, an ended deployment is current."""
    made = stage("ecs-express")
    made.after("a", "v1")
    made.aws.mood(ends="ROLLBACK_SUCCESSFUL")
    assert made.run("after", "b", "v2")[0] == 1
    call, said = made.call, {}

    def untidy(service: str, operation: str, region: str, /, **given: Any) -> Any:
        answer = call(service, operation, region, **given)
        if operation == "list-service-deployments":
            said["newest"] = answer["serviceDeployments"][0]
        if operation == "describe-express-gateway-service" and said:
            container = answer["service"]["activeConfigurations"][0]
            failed = json.loads(json.dumps(container, default=str).replace("a" * 64, "b" * 64))
            failed["serviceRevisionArn"] = said["newest"]["targetServiceRevisionArn"]
            failed["createdAt"] = "9"
            answer["service"]["activeConfigurations"].append(failed)
            answer["service"]["currentDeployment"] = said["newest"]["serviceDeploymentArn"]
        return answer

    call_for_newest = {"service": made.name, "cluster": made.name}
    untidy("ecs", "list-service-deployments", "us-east-1", **call_for_newest)
    made.patch.setattr(made.module, "call", untidy)
    text = made.after("b", "v2")
    assert made.asked() == ["UpdateExpressGatewayService"]
    assert "waiting for somebody else" not in text


@both
def test_what_others_have_named_is_no_command_of_the_runner(stage: Make, target: str) -> None:
    made = stage(target)
    gap = " " if target == "app-runner" else "\n"  # which App Runner refuses
    made.after("a", f"v1{gap}::error::owned{gap}##[add-mask]x")
    status, text = made.run("before", "b", "v2")
    assert status == 0
    assert "(v1 ::error::owned # #[add-mask]x)" in text
    assert "\n::" not in text


@both
def test_a_candidate_comes_before_its_release(stage: Make, target: str) -> None:
    made = stage(target)
    made.after("a", "v2.0.0-rc.1")
    before = f"sha256:{'0' * 64}"
    assert "### Deployed v2.0.0 to" in made.after("b", "v2.0.0", BEFORE=before)
    text = made.after("c", "v2.0.0-rc.2", BEFORE=before)
    assert "runs v2.0.0, which is newer: nothing was deployed" in text
    assert made.asked() == []


def test_ecs_without_its_cluster_or_for_arm64(stage: Make) -> None:
    made = stage("ecs-express")
    made.after("a", "v1", PLATFORM="linux/arm64")
    assert made.given["cpuArchitecture"] == "ARM64"
    assert "nothing was deployed" in made.after("a", "v1", PLATFORM="linux/arm64")
    made.after("b", "v2")
    assert made.given["cpuArchitecture"] == "X86_64"
    made.rename(f"x{made.name}"[:40])
    status, text = made.run("after", "a", "v1")
    assert (status, "There is no ECS cluster" in text, "make bootstrap" in text) == (1, True, True)


def test_app_runner_scaling_that_somebody_has_changed_is_named(
    stage: Make,
) -> None:
    made = stage("app-runner")
    made.write(min_instances=7, max_instances=9)
    made.aws.client("apprunner").create_auto_scaling_configuration(
        AutoScalingConfigurationName="instances-7-9", MinSize=1, MaxSize=9
    )
    status, text = made.run("after", "a", "v1")
    assert (status, "instances-7-9 is for 1 to 9 instances" in text) == (1, True)
    assert "aws apprunner delete-auto-scaling-configuration" in text
    assert not [name for name in made.asked() if name.startswith("CreateService")]


def test_app_runner_that_is_closed_to_an_account_is_named(stage: Make) -> None:
    made = stage("app-runner")
    call = made.call

    def closed(service: str, operation: str, region: str, /, **given: Any) -> Any:
        if operation == "create-service":
            raise Refused("SubscriptionRequiredException", "needs a subscription")
        return call(service, operation, region, **given)

    made.patch.setattr(made.module, "call", closed)
    status, text = made.run("after", "a", "v1")
    assert (status, "AWS closed App Runner to new customers on 2026-04-30" in text) == (1, True)
    assert "use ECS Express Mode (deploy_to=ecs-express)" in text
