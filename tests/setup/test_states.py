"""Entries with what stands in AWS: removed, moved between states, held against quotas."""

from __future__ import annotations

import json
import re

import pytest
from keyless.model.account import read_account
from keyless.setup.aws_account import quotas

from tests.support.bootstrap import TFVARS
from tests.support.desk import Desk
from tests.support.entries import SECOND, keys, refused


def test_one_of_several_entries_of_a_repository_is_removed_by_its_key(without_aws: Desk) -> None:
    values = json.loads((without_aws.path / TFVARS).read_text())
    own = values["repositories"]["example-service"]
    for key in ("worker", "web"):
        name = {"github_repository": "octo-org/web", "ecr_repository": key, "role_name": key}
        values["repositories"][key] = {**own, **name}
    (without_aws.path / TFVARS).write_text(json.dumps(values))
    said = refused(without_aws, "remove", "octo-org/web")
    assert said == [
        "octo-org/web has several entries. Name one by its key:",
        "  make remove REPO=worker",
        "  make remove REPO=web",
    ]


def test_removing_an_entry_says_what_happens_to_role_and_images(shared: Desk) -> None:
    ecr = shared.emulator.client("ecr")
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": {}, "layers": []}
    text = json.dumps(manifest)
    ecr.put_image(repositoryName="web", imageManifest=text, imageTag="v1")
    shared.hub.clear()
    ended = shared.keyless("remove", "octo-org/WEB")
    assert ended.status == 0, ended.out
    assert ended.out == (
        f"Removed the entry 'web' from {TFVARS}. Nothing has changed in AWS yet:\n"
        " -  The role web-push can still be assumed by octo-org/web.\n"
        " -  The ECR repository web holds 1 image, which can still be pulled.\n"
        "To destroy both, delete the images first:\n"
        "  aws ecr delete-repository --repository-name web --region us-east-1 --force\n"
        '  make bootstrap ARGS="--allow-destroy"\n'
        "To keep both, without Terraform:\n"
        '  terraform -chdir=infra state rm "module.repository[\\"web\\"]"\n'
        "To undo the removal:\n"
        f"  git checkout --patch -- {TFVARS} && python3 .github/keyless outputs\n"
    )
    assert keys(shared) == ["api", "example-service"]
    assert not (shared.path / "services/web.json").exists()
    assert shared.changes() == []
    # Bootstrap does not begin with what would end half-way, also where it may destroy.
    words = " ".join(shared.bootstrap("--yes", "--allow-destroy").out.split())
    assert "The ECR repository web holds 1 image, so it cannot be destroyed." in words
    assert "ecr delete-repository --repository-name web --region us-east-1 --force" in words
    assert "nothing was changed in AWS: DESTROY ECR repository web DESTROY role web-push" in words
    assert "apply" not in " ".join(shared.changes())
    # The printed line lets Terraform forget both, and they stay.
    (line,) = re.findall(r"^  (terraform .* state rm .*)$", ended.out, re.MULTILINE)
    assert shared.run("sh", "-c", line).status == 0
    planned = shared.bootstrap("--plan")
    assert "\n      write the outputs into the state\n" in planned.out, planned.out
    assert ecr.describe_repositories(repositoryNames=["web"])["repositories"]


def test_an_entry_moves_between_two_states_and_aws_is_not_touched(shared: Desk) -> None:
    shared.emulator.clear()
    moved = shared.keyless("move", "api", SECOND)
    assert moved.status == 0, moved.out
    assert moved.out.startswith(
        f"Moved api from {TFVARS} to {SECOND}. Its state has moved with it."
    )
    assert shared.emulator.calls() == []
    assert (keys(shared), keys(shared, SECOND)) == (["example-service", "web"], ["api"])
    # Each state knows its own alone.
    states = {
        place: shared.run("terraform", "-chdir=infra", "state", "list", TF_WORKSPACE=place).out
        for place in ("default", "repositories-2")
    }
    assert ("api" in states["default"], "web" in states["default"]) == (False, True)
    assert ("api" in states["repositories-2"], "web" in states["repositories-2"]) == (True, False)
    # A change there is planned and applied there, and doctor looks for drift in both.
    shared.hub.rename("octo-org/api", "octo-org/api-2")
    ended = shared.bootstrap("--yes")
    assert ended.status == 0, ended.out
    where = "in AWS account 111122223333, region us-east-1"
    assert f" 2. {where}:\n      write the outputs into the state\n 3. {where} ({SECOND}):\n" in (
        ended.out
    )
    (step,) = re.findall(r"\. in AWS account .*-2.*\n((?:      .*\n)+)", ended.out)
    assert [each.split()[:3] for each in step.splitlines()] == [["change", "role", "api-push:"]]
    said = shared.doctor("--plan").out
    lines = "ok       drift        AWS matches infra/\nok       drift        AWS matches"
    assert f"{lines} {SECOND}\n" in said
    # An edit by hand that leaves the state behind is told, and so is an entry in two files, and a
    # file that is gone; a shell that names a workspace changes nothing.
    first, second = (json.loads((shared.path / path).read_text()) for path in (TFVARS, SECOND))
    both = {**first, "repositories": {**first["repositories"], **second["repositories"]}}
    (shared.path / TFVARS).write_text(json.dumps(both))
    ended = shared.bootstrap("--yes")
    assert f"{SECOND}: the entry api is also in {TFVARS}; remove one" in ended.out
    (shared.path / SECOND).unlink()
    words = " ".join(shared.bootstrap("--yes").out.split())
    assert (
        f"The state repositories-2 contains roles and ECR repositories, but {SECOND} is missing"
        in words
    )
    (shared.path / SECOND).write_text('{"repositories": {}}')
    ended = shared.bootstrap("--yes", TF_WORKSPACE="repositories-2")
    assert ended.status == 1
    words = " ".join(ended.out.split())
    assert f"'api' is in {TFVARS}, but the state of {SECOND} contains its role and its" in words
    # The printed line brings them together, and an interrupted move goes on: both states know it.
    (line,) = re.findall(r"^  make (move) KEY=api TO=(.*)$", ended.out, re.MULTILINE)
    assert shared.keyless(line[0], "api", line[1]).status == 0
    assert (keys(shared), keys(shared, SECOND)) == (["example-service", "web"], ["api"])
    shared.hub.rename("octo-org/api-2", "octo-org/api")
    two = shared.path / "infra/terraform.tfstate.d/repositories-2/terraform.tfstate"
    before = two.read_bytes()
    assert shared.keyless("move", "api", TFVARS).status == 0
    two.write_bytes(before)  # as after the first half, with the file already moved
    words = " ".join(shared.bootstrap("--yes").out.split())
    assert f"the state of {SECOND} contains its role and its ECR repository, too: a move" in words
    assert shared.keyless("move", "api", SECOND).status == 0
    moved = shared.keyless("move", "api", TFVARS)
    assert moved.status == 0, moved.out
    listed = shared.run("terraform", "-chdir=infra", "state", "list").out
    assert listed.count('module.repository["api"].aws_iam_role.push') == 1


def test_a_state_that_waits_for_the_provider_is_planned_after_it(desk: Desk) -> None:
    for number, name in enumerate(("example-service", "api"), 456789):
        desk.hub.create(f"octo-org/{name}", repository_id=number)
    assert desk.keyless("add", "octo-org/api").status == 0
    assert desk.keyless("move", "api", SECOND).status == 0
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert ended.out.count("Apply complete!") == 2
    roles = {role["RoleName"] for role in desk.emulator.client("iam").list_roles()["Roles"]}
    assert roles == {"example-service-push", "api-push"}
    assert SECOND in desk.git("ls-files")


def test_an_exceeded_quota_is_reported_by_its_name_before_a_plan(shared: Desk) -> None:
    text = json.loads((shared.path / TFVARS).read_text())
    refs = [f"refs/heads/{'release-' * 8}{n}" for n in range(25)]
    text["repositories"]["web"]["refs"] = refs
    (shared.path / TFVARS).write_text(json.dumps(text, indent=2))
    shared.hub.clear()
    ended = shared.bootstrap("--yes")
    assert ended.status == 1
    said = " ".join(ended.out.split())
    quota = r"The quota '([^']*)' of account 111122223333 is ([0-9,]+), but ([0-9,]+) would be"
    found = re.search(quota, said)
    assert found, said
    host = "token.actions.githubusercontent.com"
    subjects = [f"repo:octo-org@123456/web@6:ref:{ref}" for ref in refs]
    equal = {f"{host}:aud": ["sts.amazonaws.com"], f"{host}:sub": subjects}
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{host}"},
        "Condition": {"StringEquals": equal},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
    assert found.groups() == ("Role trust policy length", "2,048", f"{len(policy):,}")
    assert "terraform -chdir=infra plan" not in " ".join(shared.hub.calls())
    # What no account can have is the check's.
    text["repositories"]["web"]["refs"] = [f"{ref}{n}" for ref in refs for n in range(4)]
    (shared.path / TFVARS).write_text(json.dumps(text, indent=2))
    said = shared.keyless("check").out
    assert "but the quota 'Role trust policy length' is at most 8,192" in said


def test_many_roles_and_registries_are_counted_with_those_of_others(
    shared: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in shared.environment().items():
        monkeypatch.setenv(key, value)
    account = read_account(shared.path)
    found = list(quotas(account, 1000, existing_roles=0, lacking_registries=1000))
    assert [found[0], found[2]] == [  # three of each are there
        ("Roles per account", 1003, 1000),
        ("Registered repositories", 1003, 10_000),
    ]
    assert list(quotas(account, 1, existing_roles=0, lacking_registries=1)) == []
