"""make doctor: what it says of a whole project, and of one at which it cannot look."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from keyless.setup.health import in_aws

from tests.support.bootstrap import NAME, TFVARS
from tests.support.desk import Desk
from tests.support.doctor import (
    ROLE,
    Break,
    change,
    mutable,
    ran,
    said,
    settings,
)

TOOLS = [
    pytest.param(lambda desk: desk.hub.user(logged_in=False), """\
--  tools        GitHub does not know who you are: gh says 'To get started with GitHub CLI, please
                 run: gh auth login Alternatively, populate the GH_TOKEN environment variable with a
                 GitHub API authentication token.'.
                 gh auth login --scopes workflow
""", id="nobody is logged in"),
    pytest.param(lambda desk: desk.hub.user(offline=True), """\
--  tools        GitHub cannot be reached: error connecting to api.github.com check your internet
                 connection or https://githubstatus.com. Is there a network, and is GitHub up?
                 https://www.githubstatus.com
""", id="GitHub cannot be reached"),
    pytest.param(lambda desk: desk.emulator.fail("GetCaller", 403, 9, "ExpiredToken"), """\
--  tools        AWS does not know who you are: ExpiredToken: the emulator was asked to fail
                 GetCallerIdentity with 403
                 unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
                 aws sso login
""", id="the AWS credentials have expired"),
    pytest.param(lambda desk: change(desk, TFVARS, "{\n  \"aws", "{,\n  \"aws"), """\
--  values       infra/terraform.tfvars.json:1: not JSON (Expecting property name enclosed in double
                 quotes); correct it
                 make check
""", id="the values are no JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("breaks", "lines"), TOOLS)
def test_without_tools_logins_and_values_nothing_else_is_looked_at(
    guarded: Desk, breaks: Break, lines: str
) -> None:
    breaks(guarded)
    assert guarded.doctor() == (1, lines)


def test_a_missing_program_is_named_with_where_it_comes_from(guarded: Desk, tmp_path: Path) -> None:
    for program in ("git", "aws", "terraform"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    assert guarded.doctor(PATH=str(tmp_path)) == (1, """\
--  tools        gh is not installed, so nothing can be set up.
                 https://cli.github.com
""")  # fmt: skip


def test_a_whole_project_is_ok_line_for_line_and_looking_changes_nothing(guarded: Desk) -> None:
    files, commit = guarded.files(), guarded.git("rev-parse", "HEAD")
    assert guarded.doctor("--plan") == (0, f"""\
ok  tools        git, gh, aws and terraform are there, and gh and aws logged in
ok  contract     Workflows and infra/ agree: who may publish what, where, under which tags.
ok  provider     GitHub's, with the audience sts.amazonaws.com
ok  role         arn:aws:iam::111122223333:role/{ROLE} trusts what infra/ says
ok  registry     111122223333.dkr.ecr.us-east-1.amazonaws.com/example-service, tags IMMUTABLE
ok  repository   https://github.com/octo-org/example-service
ok  subject      GitHub presents repo:octo-org@123456/example-service@456789
ok  actions      GitHub Actions run
ok  environment  eu: prod admits tag v*
!!  refs         warning: refs/tags/v*: whoever may write to the repository can publish. To leave
                 that to admins:
                 make bootstrap ARGS=--ruleset
ok  tags         refs/tags/v*: nobody can move or delete one (ruleset 'what is published stays
                 (tag)').
ok  keys         no AWS key is stored in the repository's secrets
ok  commits      everything here is committed and on GitHub
ok  deployment   v0.1.0 at 2026-08-03T10:00:00Z: success
                 (https://github.com/octo-org/example-service/actions/runs/4712)
ok  versions     1 of 1 versions have a run or an image
!!  template     warning: 0.1.0; the address of the template is not recorded, so newer ones are
                 unknown
                 make update ARGS="--template ADDRESS"
ok  drift        AWS is what infra/ says
""")  # fmt: skip
    assert guarded.changes() == []
    assert (guarded.files(), guarded.git("rev-parse", "HEAD")) == (files, commit)
    assert guarded.git("status", "--porcelain") == ""


def test_drift_is_named_by_its_address_and_a_plan_that_fails_by_its_error(guarded: Desk) -> None:
    mutable(guarded)
    drift = guarded.doctor("--plan")
    assert drift.status == 1
    assert [one.split()[1] for one in said(drift, "--")] == ["registry", "drift"]
    assert (
        said(drift)[-1]
        == """\
--  drift        AWS is not what infra/ says:
                 module.repository["example-service"].aws_ecr_repository.image will be updated
                 in-place
                 make bootstrap"""
    )
    guarded.edit(refs=["main"])
    failed = guarded.doctor("--plan")
    assert said(failed)[-1].startswith(
        "??  drift        unknown: terraform cannot plan: Error: Inv"
    )
    assert [one for one in said(failed) if one.startswith("ok  environment")] == []


def test_a_workflow_that_others_call_is_looked_for_at_the_refs_that_roles_trust(
    guarded: Desk,
) -> None:
    values = json.loads((guarded.path / TFVARS).read_text())
    for key, ref in (("web", "refs/tags/publish/v1"), ("api", "refs/heads/shared")):
        values["repositories"][key] = {
            **values["repositories"]["example-service"],
            **{"github_repository": f"octo-org/{key}", "ecr_repository": key, "role_name": key},
            "job_workflow_ref": f"{NAME}/.github/workflows/publish-image.yml@{ref}",
        }
    (guarded.path / TFVARS).write_text(json.dumps(values))
    (branch, tag) = said(guarded.doctor(), "--  workflow")
    text = "the roles of others trust publish-image.yml at {}, which GitHub has not"
    assert " ".join(branch.split()[2:]) == f"{text} git push origin shared".format(
        "refs/heads/shared"
    )
    assert " ".join(tag.split()[2:]) == (
        f"{text} git tag publish/v1 && git push origin publish/v1".format("refs/tags/publish/v1")
    )
    for line in ("git branch shared", "git push -q origin shared", "git tag publish/v1"):
        guarded.git(*line.split()[1:])
    guarded.git("push", "-q", "origin", "publish/v1")
    ended = guarded.doctor()
    assert said(ended, "--  workflow") == []
    assert [one.split()[2] for one in said(ended, "ok  workflow")] == ["shared", "publish/v1"]


@pytest.mark.parametrize(
    ("breaks", "line"),
    [
        pytest.param(
            settings(rulesets=[{
                "id": 7, "name": "releases", "target": "tag", "enforcement": "active",
                "conditions": {"ref_name": {"include": ["refs/tags/v*", "refs/tags/v*/**/*"]}},
                "rules": [{"type": "creation"}],
            }]),
            "ok  refs         refs/tags/v*: the ruleset 'releases' limits who can publish.",
            id="a ruleset",
        ),
        pytest.param(
            lambda desk: desk.hub.user(plan="free"),
            "!!  refs         warning: refs/tags/v*: whoever may write to the repository can"
            " publish. GitHub has\n                 no rulesets for it that could limit that.",
            id="no rulesets on this plan",
        ),
        pytest.param(
            ran(status="in_progress"),
            "ok  deployment   v0.1.0 at 2026-08-02T10:00:00Z: in_progress\n"
            f"                 (https://github.com/{NAME}/actions/runs/4711)",
            id="a deployment that goes on",
        ),
    ],
)  # fmt: skip
def test_what_is_no_failure_is_told_and_ok(guarded: Desk, breaks: Break, line: str) -> None:
    breaks(guarded)
    ended = guarded.doctor()
    assert line in said(ended)
    assert (ended.status, said(ended, "--")) == (0, [])


@pytest.mark.parametrize(
    ("filters", "state"), [(["latest"], "OK"), ([], "WRONG"), (["latest", "v*"], "WRONG")]
)
def test_the_tags_that_may_move_are_compared_too(
    monkeypatch: pytest.MonkeyPatch, filters: list[str], state: str
) -> None:
    """The emulator has no exclusion filters [ECR API, DescribeRepositories]."""
    entry = {"ecr_repository": "example-service"}
    patient = SimpleNamespace(entry=entry, account=SimpleNamespace(entries={"key": entry}))
    found = {
        "repositoryUri": "uri",
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [
            {"filterType": "WILDCARD", "filter": each} for each in filters
        ],
    }
    infra = SimpleNamespace(mutability="IMMUTABLE_WITH_EXCLUSION", excluded=("latest",))
    monkeypatch.setattr(in_aws, "find_registry", lambda *_: found)
    monkeypatch.setattr(in_aws, "infra_of_entries", lambda *_: {"key": infra})
    (line,) = in_aws.registry(patient)  # type: ignore[arg-type]
    assert line.state.name == state


def test_for_machines_the_same_is_json(guarded: Desk) -> None:
    guarded.hub.change(NAME, secrets=["AWS_ACCESS_KEY_ID"])
    ended = guarded.doctor("--json")
    lines = json.loads(ended.out)
    assert ended.status == 1
    assert [line["name"] for line in lines] == (
        "tools contract provider role registry repository subject actions environment refs tags"
        " keys commits deployment versions template"
    ).split()
    warned = [line["name"] for line in lines if line["state"] == "warning"]
    assert warned == ["refs", "template"]
    assert [line for line in lines if line["state"] not in ("ok", "warning")] == [{
        "name": "keys",
        "state": "wrong",
        "text": "the secret AWS_ACCESS_KEY_ID is still set,"
        " and a key lives until somebody deactivates it",
        "commands": [
            "gh secret delete AWS_ACCESS_KEY_ID --repo octo-org/example-service",
            "aws iam update-access-key --status Inactive --user-name USER --access-key-id ID",
        ],
    }]  # fmt: skip


def test_values_that_cannot_be_read_are_json_for_machines_too(guarded: Desk) -> None:
    (guarded.path / TFVARS).write_text("{}")
    ended = guarded.doctor("--json")
    assert ended.status == 1
    assert [line["name"] for line in json.loads(ended.out)] == ["values"]
