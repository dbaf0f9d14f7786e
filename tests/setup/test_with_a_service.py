"""Bootstrap, doctor and destroy where the image is run: roles, service and cluster come and go."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import Copy
from tests.rehearsal import log_in, push
from tests.standins.emulator import Emulator
from tests.standins.hub import Hub
from tests.support.bootstrap import readable
from tests.support.desk import Desk, Ended
from tests.support.entries import SECOND
from tests.support.pages import actions_for
from tests.support.service import begin_by_hand


@pytest.fixture
def desk(request: pytest.FixtureRequest, copy: Copy, emulator: Emulator, tmp_path: Path) -> Desk:
    """A desk with a fresh project whose image is run, before anything was set up."""
    return Desk(copy(deploy_to=request.param), emulator, Hub(tmp_path / "hub"))


def said(ended: Ended, start: str) -> str:
    """Return what doctor says of one thing, in one line."""
    text = re.sub(r"\n {22}(?! )", " ", ended.out)
    (line,) = [line for line in text.splitlines() if line[9:].startswith(start)]
    return " ".join(line.split())


def named(desk: Desk) -> set[str]:
    """Return the actions that the page on permissions lists for a set-up with a service."""
    ecs = desk.project.answers["deploy_to"] == "ecs-express"
    service = f"for a service on {'ECS Express Mode' if ecs else 'App Runner'}"
    return actions_for(desk.path, "to set up and to change", service)


@pytest.mark.parametrize("desk", ["ecs-express"], indirect=True)
def test_a_service_is_set_up_inspected_and_destroyed(desk: Desk) -> None:
    # What is missing is said before anything is done, and no more than that is done.
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    for kind in ("role example-service-execution", "cluster example-service"):
        assert f"      create     {kind}\n" in ended.out
    readable(ended)
    assert "Service   example-service (ecs-express), which the first image starts" in ended.out
    made = {call for call in desk.emulator.calls() if not call.startswith("/")}
    assert made - {"GetCallerIdentity"} <= named(desk)
    assert made & {"CreateCluster", "AttachRolePolicy", "PutClusterCapacityProviders"}
    assert "Nothing to do" in desk.bootstrap("--yes").out
    # After the apply a plan shows the policies twice, and is still what was said.
    desk.project.terraform("plan", "-input=false", "-out=x.tfplan", emulator=desk.emulator)
    shown = desk.project.terraform("show", "-json", "x.tfplan", emulator=desk.emulator)
    (desk.path / "infra/plan.json").write_text(shown)
    assert desk.keyless("check", "--plan", "infra/plan.json").status == 0
    (desk.path / "infra/plan.json").unlink()
    # An image that nobody has deployed is named, with what does it.
    push_image(desk, "v0.1.0", "1" * 40)
    looked = desk.doctor()
    assert said(looked, "service").startswith(
        "wrong service the service example-service does not exist, but"
    )
    assert "gh workflow run deploy.yml --ref v0.1.0" in looked.out
    # It is not taken its roles while it is there; the line that is printed deletes it.
    digest = start(desk)
    refused = desk.destroy()
    assert refused.status == 1
    assert "The service example-service exists, or is still being deleted" in refused.out
    assert digest
    (line,) = re.findall(r"^  (aws ecs delete-.*)$", refused.out, re.MULTILINE)
    done = desk.run(*shlex.split(line))
    assert done.status == 0, done.out
    desk.emulator.client("ecr").delete_repository(repositoryName="example-service", force=True)
    answers = {
        "Type example-service to destroy it: ": "example-service",
        'Type "yes" to delete it: ': "no",
    }
    gone = desk.typed(answers, "destroy")
    assert "destroy  aws_iam_role_policy.deploy" in gone.out
    roles = desk.emulator.client("iam").list_roles()["Roles"]
    assert [one["RoleName"] for one in roles if "example-service" in one["RoleName"]] == []


@pytest.mark.parametrize("desk", ["app-runner"], indirect=True)
def test_doctor_compares_what_runs_with_the_newest_image_and_import_takes_over_roles(
    desk: Desk,
) -> None:
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    made = {call for call in desk.emulator.calls() if not call.startswith("/")}
    assert made - {"GetCallerIdentity"} <= named(desk)
    push_image(desk, "v0.1.0", "1" * 40)
    digest = start(desk)
    line = said(desk.doctor(), "service")
    assert line.startswith(
        f"ok service the service example-service runs {digest} (v0.1.0) https://"
    )
    push_image(desk, "v0.2.0", "2" * 40)
    line = said(desk.doctor(), "service")
    assert line.startswith(f"wrong service the service example-service runs {digest} (v0.1.0), but")
    assert "(v0.2.0) gh workflow run deploy.yml --ref v0.2.0" in line
    moved = desk.keyless("move", "example-service", SECOND)
    assert moved.status == 1
    words = " ".join(moved.out.split())
    assert (
        "service.json runs the image of example-service. The roles of the service must stay"
        in words
    )
    (desk.path / "infra/terraform.tfstate").unlink()
    ended = desk.bootstrap("--yes", "--import")
    assert ended.status == 0, ended.out
    for kind in ("access", "instance"):
        assert f"take over  role example-service-{kind}" in ended.out


def push_image(desk: Desk, tag: str, sha: str) -> None:
    """Push an image, as nobody in particular."""
    login = log_in(desk.emulator.client("ecr"), desk.emulator)
    push(login, f"{desk.emulator.host}/example-service:{tag}", sha)


def start(desk: Desk) -> str:
    """Let the service run the one image that is there, as v0.1.0; return its digest."""
    ecr = desk.emulator.client("ecr")
    (found,) = ecr.describe_images(repositoryName="example-service")["imageDetails"]
    digest = str(found["imageDigest"])
    desk.emulator.mood(takes=0)
    target = desk.project.answers["deploy_to"]
    begin_by_hand(desk.emulator, target, "v0.1.0", f"example-service@{digest}")
    return digest
