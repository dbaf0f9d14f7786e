"""make doctor: what it reports about a complete project, and about one it cannot inspect."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from keyless.setup.doctor import verdict
from keyless.setup.health import in_aws, versions
from keyless.setup.health.patient import Line, ok, unknown, warning, wrong

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
wrong    tools        You have no valid login to GitHub: gh reports 'To get started with GitHub CLI,
                      please run: gh auth login Alternatively, populate the GH_TOKEN environment
                      variable with a GitHub API authentication token.'.
                      gh auth login --scopes workflow

1 thing is wrong: tools. The rest was not checked.
""", id="nobody is logged in"),
    pytest.param(lambda desk: desk.hub.user(offline=True), """\
wrong    tools        GitHub cannot be reached: error connecting to api.github.com check your
                      internet connection or https://githubstatus.com. Check the network and
                      GitHub's status:
                      https://www.githubstatus.com

1 thing is wrong: tools. The rest was not checked.
""", id="GitHub cannot be reached"),
    pytest.param(lambda desk: desk.emulator.fail("GetCaller", 403, 9, "ExpiredToken"), """\
wrong    tools        You have no valid AWS credentials: ExpiredToken: the emulator was asked to
                      fail GetCallerIdentity with 403
                      unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
                      aws sso login

1 thing is wrong: tools. The rest was not checked.
""", id="the AWS credentials have expired"),
    pytest.param(lambda desk: change(desk, TFVARS, "{\n  \"aws", "{,\n  \"aws"), """\
wrong    values       infra/terraform.tfvars.json:1: not JSON (Expecting property name enclosed in
                      double quotes); correct it
                      make check

1 thing is wrong: values. The rest was not checked.
""", id="the values are no JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("breaks", "lines"), TOOLS)
def test_without_tools_logins_and_values_nothing_else_is_inspected(
    guarded: Desk, breaks: Break, lines: str
) -> None:
    breaks(guarded)
    assert guarded.doctor() == (1, lines)


def test_a_missing_program_is_reported_with_the_page_to_install_it_from(
    guarded: Desk, tmp_path: Path
) -> None:
    for program in ("git", "aws", "terraform"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    assert guarded.doctor(PATH=str(tmp_path)) == (1, """\
wrong    tools        gh is not installed, so nothing can be set up.
                      https://cli.github.com

1 thing is wrong: tools. The rest was not checked.
""")  # fmt: skip


def test_a_complete_project_is_ok_line_for_line_and_doctor_changes_nothing(guarded: Desk) -> None:
    files, commit = guarded.files(), guarded.git("rev-parse", "HEAD")
    assert guarded.doctor("--plan") == (0, f"""\
ok       tools        git, gh, aws and terraform are installed; gh and aws are logged in
ok       contract     Workflows and infra/ agree: who can publish what, where, under which tags.
ok       provider     the identity provider for GitHub has the audience sts.amazonaws.com
ok       role         the trust policy of arn:aws:iam::111122223333:role/{ROLE}
                      matches infra/
ok       registry     the tags of 111122223333.dkr.ecr.us-east-1.amazonaws.com/example-service are
                      IMMUTABLE
ok       repository   https://github.com/octo-org/example-service
ok       subject      GitHub presents repo:octo-org@123456/example-service@456789
ok       actions      GitHub Actions is switched on
ok       environment  the environment eu: prod admits tag v*
warning  refs         refs/tags/v*: anyone with write access to the repository can publish. To allow
                      only admins:
                      make bootstrap ARGS=--ruleset
ok       tags         refs/tags/v*: nobody can move or delete a published tag (ruleset 'what is
                      published stays (tag)').
ok       keys         no AWS key is stored in the repository's secrets
ok       commits      everything here is committed and on GitHub
ok       deployment   the last run, for v0.1.0 at 2026-08-03T10:00:00Z: success
                      (https://github.com/octo-org/example-service/actions/runs/4712)
ok       versions     1 of 1 version was published
warning  template     this is version 0.1.0. The template's address is not recorded, so newer
                      versions are unknown.
                      make update ARGS="--template ADDRESS"
ok       drift        AWS matches infra/

Everything is ok, apart from 2 warnings.
""")  # fmt: skip
    assert guarded.changes() == []
    assert (guarded.files(), guarded.git("rev-parse", "HEAD")) == (files, commit)
    assert guarded.git("status", "--porcelain") == ""


def test_drift_is_reported_with_its_address_and_a_failed_plan_with_its_error(guarded: Desk) -> None:
    mutable(guarded)
    drift = guarded.doctor("--plan")
    assert drift.status == 1
    assert [one.split()[1] for one in said(drift, "wrong")] == ["registry", "drift"]
    assert (
        said(drift)[-1]
        == """\
wrong    drift        AWS does not match infra/:
                      module.repository["example-service"].aws_ecr_repository.image will be updated
                      in-place
                      make bootstrap"""
    )
    guarded.edit(refs=["main"])
    failed = guarded.doctor("--plan")
    assert said(failed)[-1].startswith("unknown  drift        terraform cannot plan: Error: Inv")
    assert [one for one in said(failed) if one.startswith("ok       environment")] == []


def test_a_shared_workflow_must_be_on_github_at_the_refs_that_roles_trust(
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
    (branch, tag) = said(guarded.doctor(), "wrong    workflow")
    text = "other roles trust publish-image.yml at {}, but that ref is not on GitHub"
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
    assert said(ended, "wrong    workflow") == []
    assert [one.split()[2] for one in said(ended, "ok       workflow")] == ["shared", "publish/v1"]


@pytest.mark.parametrize(
    ("breaks", "line"),
    [
        pytest.param(
            settings(rulesets=[{
                "id": 7, "name": "releases", "target": "tag", "enforcement": "active",
                "conditions": {"ref_name": {"include": ["refs/tags/v*", "refs/tags/v*/**/*"]}},
                "rules": [{"type": "creation"}],
            }]),
            "ok       refs         refs/tags/v*: the ruleset 'releases' limits who can publish.",
            id="a ruleset",
        ),
        pytest.param(
            lambda desk: desk.hub.user(plan="free"),
            "warning  refs         refs/tags/v*: anyone with write access to the repository can"
            " publish. The\n                      repository's plan on GitHub has no rulesets, so"
            " nothing can limit that.",
            id="no rulesets on this plan",
        ),
        pytest.param(
            ran(status="in_progress"),
            "ok       deployment   the last run, for v0.1.0 at 2026-08-02T10:00:00Z: in progress\n"
            f"                      (https://github.com/{NAME}/actions/runs/4711)",
            id="a deployment that goes on",
        ),
    ],
)  # fmt: skip
def test_what_is_not_a_failure_is_reported_and_ok(guarded: Desk, breaks: Break, line: str) -> None:
    breaks(guarded)
    ended = guarded.doctor()
    assert line in said(ended)
    assert (ended.status, said(ended, "wrong")) == (0, [])


OK, WARNING = ok("provider", "..."), warning("refs", "...")
VERDICTS = [
    ([OK], "Everything is ok."),
    ([OK, WARNING], "Everything is ok, apart from 1 warning."),
    ([OK, WARNING, WARNING], "Everything is ok, apart from 2 warnings."),
    ([wrong("role", "..."), WARNING, OK], "1 thing is wrong: role."),
    ([wrong("role", "..."), wrong("tags", "..."), OK], "2 things are wrong: role, tags."),
    ([wrong("keys", "..."), wrong("keys", "..."), OK], "1 thing is wrong: keys."),
    ([unknown("role", "..."), OK], "Nothing is wrong, but 1 thing could not be checked: role."),
    (
        [unknown("role", "..."), unknown("tags", "..."), WARNING],
        "Nothing is wrong, but 2 things could not be checked: role, tags.",
    ),
    (
        [wrong("role", "..."), unknown("tags", "..."), OK],
        "1 thing is wrong: role. 1 thing could not be checked: tags.",
    ),
    ([OK, wrong("repository", "...")], "1 thing is wrong: repository. The rest was not checked."),
    (
        [unknown("repository", "..."), OK],
        "Nothing is wrong, but 1 thing could not be checked: repository.",
    ),
]


@pytest.mark.parametrize(("lines", "text"), VERDICTS)
def test_the_last_line_sums_up(lines: list[Line], text: str) -> None:
    assert verdict(lines) == text


COUNTED = [
    ([], {}, "no version is tagged yet"),
    (["v2", "v1"], {"v2": {"success"}, "v1": {"success"}}, "2 of 2 versions were published"),
    (
        ["v3", "v2", "v1"],
        {"v3": {"queued"}, "v2": {"failure"}, "v1": {"failure", "success"}},
        "1 of 3 versions was published; not ended yet: the run of v3;"
        " not successful: the run of v2",
    ),
    (["v2", "v1"], {"v2": {"success"}}, "1 of 2 versions was published; 1 has no deploy.yml"),
    (
        [f"v{number}" for number in range(7)],
        {"v0": {"cancelled"}},
        "0 of 7 versions were published; not successful: the run of v0; 6 have no run, and the"
        " newest 5 of these have no deploy.yml",
    ),
]


@pytest.mark.parametrize(("tags", "ends", "text"), COUNTED)
def test_a_version_whose_run_failed_does_not_count_as_published(
    tags: list[str], ends: dict[str, set[str]], text: str
) -> None:
    assert "; ".join(versions._counted(tags, ends)) == text


@pytest.mark.parametrize(
    ("filters", "state"), [(["latest"], "OK"), ([], "WRONG"), (["latest", "v*"], "WRONG")]
)
def test_the_tags_that_can_be_moved_are_compared_too(
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


def test_with_json_the_same_lines_are_printed_for_programs(guarded: Desk) -> None:
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
        "text": "the secret AWS_ACCESS_KEY_ID is still set. Delete it, and deactivate the key:"
        " it still works.",
        "commands": [
            "gh secret delete AWS_ACCESS_KEY_ID --repo octo-org/example-service",
            "aws iam update-access-key --status Inactive --user-name USER --access-key-id ID",
        ],
    }]  # fmt: skip


def test_with_json_values_that_cannot_be_read_are_json_too(guarded: Desk) -> None:
    (guarded.path / TFVARS).write_text("{}")
    ended = guarded.doctor("--json")
    assert ended.status == 1
    assert [line["name"] for line in json.loads(ended.out)] == ["values"]
