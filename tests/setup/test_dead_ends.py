"""No dead ends: each remedy that is printed is followed once, and then something else is said."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Copy
from tests.standins.emulator import ROOT, Emulator
from tests.standins.hub import Hub
from tests.support.bootstrap import NAME, TFVARS, refused
from tests.support.desk import Desk
from tests.support.doctor import admits, mutable, provider, settings, subjects
from tests.support.publishing import published, unpublished
from tests.support.remedies import commands_of, doctor_says, follow, words

DEPLOY = ".github/workflows/deploy.yml"
TEMPLATE_TOOL = "<<cookiecutter.project_slug>>/.github/keyless"


@pytest.fixture
def branch_desk(copy: Copy, emulator: Emulator, tmp_path: Path) -> Desk:
    """A desk with a project that publishes on a push to main."""
    return Desk(copy(deploy_on="branch"), emulator, Hub(tmp_path / "hub"))


def on_master(desk: Desk) -> None:
    """Let GitHub and the folder have one branch, master."""
    desk.hub.create(NAME)
    desk.git("init", "--quiet", "--initial-branch=master")
    desk.git("remote", "add", "origin", f"https://github.com/{NAME}.git")
    desk.git("add", "--all")
    desk.git("commit", "--quiet", "--message=mine")
    desk.git("push", "--quiet", "--set-upstream", "origin", "master")
    bare = desk.hub.bare(NAME)
    (bare / "HEAD").write_text("ref: refs/heads/master\n")
    desk.hub.change(NAME, default_branch="master")


def test_a_branch_that_github_lacks_is_reported_before_anything_is_done(branch_desk: Desk) -> None:
    on_master(branch_desk)
    said = words(branch_desk.bootstrap("--yes"))
    assert "A push to the branch main publishes, but octo-org/example-service has no such" in said
    assert "its default branch is master." in said
    assert branch_desk.changes() == []


@pytest.mark.parametrize("way", ["rename", "trust"])
def test_both_commands_for_a_master_branch_lead_to_a_run(branch_desk: Desk, way: str) -> None:
    on_master(branch_desk)
    first = branch_desk.bootstrap("--yes")
    printed = "\n".join(commands_of(first))
    rename, trust = re.split("# or let master publish:", printed.removesuffix("make bootstrap"))
    follow(branch_desk, rename if way == "rename" else trust)
    ended = branch_desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    branch = "main" if way == "rename" else "master"
    assert f"Anyone who can push to branch {branch}" in " ".join(ended.out.split())
    assert published(f"{branch}-1", branch_desk.git("rev-parse", "HEAD")) in ended.out
    assert f"[{branch}]" in (branch_desk.path / DEPLOY).read_text()
    assert doctor_says(branch_desk, "branch") == [
        ("ok", f"a push to refs/heads/{branch} publishes", [])
    ]
    assert doctor_says(branch_desk, "contract")[0].state == "ok"


def test_doctor_reports_a_publishing_branch_that_was_renamed(branch_desk: Desk) -> None:
    assert branch_desk.bootstrap("--yes").status == 0
    state = branch_desk.hub.state()
    (repository,) = state["repositories"].values()
    branch_desk.hub.rename_branch(repository, "main", "develop")
    branch_desk.hub.save(state)
    (line,) = doctor_says(branch_desk, "branch")
    assert (line.state, "its default branch is develop" in line.text) == ("wrong", True)
    follow(branch_desk, line.commands[1])
    assert doctor_says(branch_desk, "branch")[0].state == "ok"


SELECTED = {"github_owned_allowed": True, "verified_allowed": False, "patterns_allowed": ["x/y@*"]}


def test_actions_that_are_not_selected_are_named_and_allowed_by_the_line(ready: Desk) -> None:
    ready.hub.change(NAME, allowed_actions="selected", selected_actions=SELECTED)
    said = " ".join(refused(ready, "--yes").split())
    assert "allows only some actions, but its workflows also use hashicorp/setup-terraform" in said
    assert "actions/checkout" not in said, "GitHub's own are allowed"
    (line,) = doctor_says(ready, "actions")
    follow(ready, line.commands[0])
    allowed = ready.hub.repository(NAME)["selected_actions"]
    assert allowed["github_owned_allowed"] is True
    assert {"x/y@*", "docker/build-push-action@*"} <= {*allowed["patterns_allowed"]}
    assert doctor_says(ready, "actions")[0].state == "ok"
    assert ready.bootstrap("--yes").status == 0


@pytest.mark.parametrize(
    ("selected", "state", "text"),
    [
        (
            {**SELECTED, "verified_allowed": True},
            "ok",
            "GitHub Actions is switched on, and allows the actions that the workflows use, if"
            " aws-actions and docker and hashicorp are still verified creators",
        ),
        ({**SELECTED, "verified_allowed": True, "patterns_allowed": ["!docker/*"]}, "wrong", ""),
        ({**SELECTED, "patterns_allowed": ["*"]}, "ok", ""),
        ({**SELECTED, "patterns_allowed": ["aws-actions/*", "hashicorp/*"]}, "wrong", ""),
    ],
    ids=["verified creators", "one is blocked", "all by a pattern", "one owner lacks"],
)
def test_selected_actions_are_compared_with_those_in_use(
    ready: Desk, selected: dict[str, Any], state: str, text: str
) -> None:
    ready.hub.change(NAME, allowed_actions="selected", selected_actions=selected)
    (line,) = doctor_says(ready, "actions")
    assert line.state == state
    assert line.text.startswith(text)


CURED = [
    pytest.param(settings(workflow_state="disabled_inactivity"), "actions", id="deploy.yml is off"),
    pytest.param(settings(archived=True), "repository", id="archived"),
    pytest.param(settings(actions_enabled=False), "actions", id="Actions are switched off"),
    pytest.param(lambda desk: desk.hub.user(saml=True), "repository", id="single sign-on"),
]


@pytest.mark.parametrize(("breaks", "concern"), CURED)
def test_the_command_below_a_line_of_doctor_corrects_it(
    ready: Desk, breaks: Callable[[Desk], object], concern: str
) -> None:
    breaks(ready)
    (line,) = doctor_says(ready, concern)
    assert line.state in ("wrong", "unknown")
    first = ready.bootstrap("--yes")
    assert first.status == 1
    assert line.commands[0] in first.out
    for command in line.commands:
        follow(ready, command)
    assert [one.state for one in doctor_says(ready, concern)] == ["ok"]
    assert ready.bootstrap("--yes").status == 0


AGAIN_CURES = [
    pytest.param(provider("delete_open_id_connect_provider"), "provider", id="no provider"),
    pytest.param(subjects(f"repo:{NAME}:*"), "role", id="another trust"),
    pytest.param(mutable, "registry", id="tags that can be moved"),
    pytest.param(lambda desk: desk.hub.rename(NAME, "octo-org/new"), "repository", id="renamed"),
    pytest.param(lambda desk: desk.hub.rename(NAME, "octo-org/new"), "subject", id="its subject"),
    pytest.param(settings(environments={}), "environment", id="no environment"),
    pytest.param(admits("branch main"), "environment", id="an environment for others"),
    pytest.param(settings(rulesets=[]), "tags", id="no ruleset"),
]


@pytest.mark.parametrize(("breaks", "concern"), AGAIN_CURES)
def test_where_doctor_prints_make_bootstrap_it_corrects_the_line(
    guarded: Desk, breaks: Callable[[Desk], object], concern: str
) -> None:
    breaks(guarded)
    (line,) = doctor_says(guarded, concern)
    assert (line.state in ("wrong", "warning"), line.commands[0]) == (True, "make bootstrap")
    ended = guarded.bootstrap("--yes")
    assert ended.status == 0, ended.out
    after = doctor_says(guarded, concern)
    assert "make bootstrap" not in [command for one in after for command in one.commands]


# Problems whose only command is the one that was typed: what is different the second time.
SAME_AGAIN = {
    "files.py": "the file that somebody has edited meanwhile is read anew",
    "repositories.py": "GitHub shows the new repository by then",
    "applying.py": "what Terraform would do more is shown; and an apply goes on where it ended",
    "destroy.py": "an apply goes on where it ended; and somebody is asked at a terminal",
}


def test_a_problem_does_not_only_say_that_the_same_is_to_be_typed_again() -> None:
    folder = ROOT / TEMPLATE_TOOL / "setup"
    found = set()
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem"
            if isinstance(node, ast.Call) and named and len(node.args) > 1:
                commands = [ast.unparse(each) for each in node.args[1:]]
                found |= {path.name} if {*commands} <= {"AGAIN", "DESTROY"} else set()
    assert found == {*SAME_AGAIN}


def test_only_admins_may_ask_about_actions_and_that_is_unknown_and_not_ok(ready: Desk) -> None:
    ready.hub.change(NAME, permissions={"admin": False, "push": True, "pull": True})
    (line,) = doctor_says(ready, "actions")
    assert (line.state, "Only admins of the repository can see this" in line.text) == (
        "unknown",
        True,
    )
    assert ready.doctor().status == 2
    ended = ready.bootstrap("--yes")
    assert ended.status == 0
    assert f"It is unknown whether GitHub Actions is switched on in {NAME}" in words(ended)


def push_tag(desk: Desk, tag: str, message: str) -> None:
    desk.git("commit", "--quiet", "--allow-empty", f"--message={message}")
    desk.git("tag", tag)
    desk.git("push", "--quiet", "origin", "HEAD:main", tag)


@pytest.mark.parametrize(
    ("tag_project", "message", "released", "reason"),
    [
        (True, "Fix [skip ci]", [], "The commit message contains [skip ci]"),
        (True, "Fix", [], "more than three tags were pushed at once"),
        (False, "Fix", [], "There is no release for v0.2.0"),
        (False, "Fix", ["v0.2.0"], "a workflow has published the release with its GITHUB_TOKEN"),
    ],
    ids=["skipped", "many tags", "no release", "its own token"],
)
def test_a_version_that_started_nothing_is_reported_and_published_by_the_line(
    ready: Desk, tag_project: bool, message: str, released: list[str], reason: str
) -> None:
    if tag_project:
        path = ready.path / DEPLOY
        on = "  release:\n    types: [published]\n"
        path.write_text(path.read_text().replace(on, '  push:\n    tags: ["v*"]\n'))
        ready.git("commit", "--quiet", "--all", "--message=on tags")
    assert doctor_says(ready, "versions") == [("ok", "1 of 1 version was published", [])]
    push_tag(ready, "v0.2.0", message)
    ready.hub.change(NAME, releases=released, course={"never": True})
    (line,) = doctor_says(ready, "versions")
    assert line.state == "wrong"
    assert line.text.startswith("v0.2.0 is on GitHub, but has neither a run of deploy.yml nor")
    assert reason in line.text
    ready.hub.change(NAME, course={})
    follow(ready, line.commands[0])
    assert doctor_says(ready, "versions") == [("ok", "2 of 2 versions were published", [])]


def test_a_version_without_deploy_yml_is_from_before_and_no_failure(ready: Desk) -> None:
    unpublished(ready).git("rm", "--quiet", DEPLOY)
    push_tag(ready, "v0.0.1", "before")
    text = "0 of 1 version were published; 1 has no deploy.yml"
    assert doctor_says(ready, "versions") == [("ok", text, [])]


# What version 2 of the AWS CLI prints [AWS CLI reference, "configure export-credentials"]. The one
# that is installed from PyPI is version 1, which does not know the command.
EXPORTED = '{"Version": 1, "AccessKeyId": "test", "SecretAccessKey": "test"}'


def cli_alone(folder: Path, exporting: str = f"echo '{EXPORTED}'; exit 0") -> dict[str, str]:
    """Return an environment in which the AWS CLI has credentials, and Terraform has none."""
    folder.mkdir()
    aws = folder / "aws"
    aws.write_text(
        f'#!/bin/sh\ncase "$*" in *export-credentials*) {exporting};; esac\n'
        "export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n"
        'PATH="${PATH#*:}" exec aws "$@"\n'
    )
    aws.chmod(0o755)
    # Empty variables are none. A provider that runs already would have credentials of its own.
    gone = dict.fromkeys(
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "TF_REATTACH_PROVIDERS"), ""
    )
    return {**gone, "HOME": str(folder)}


def test_terraform_gets_the_credentials_that_the_aws_cli_alone_has(
    desk: Desk, tmp_path: Path
) -> None:
    environment = cli_alone(tmp_path / "cli")
    environment["PATH"] = f"{tmp_path / 'cli'}:{desk.environment()['PATH']}"
    alone = desk.run(
        "bash",
        "-c",
        "terraform -chdir=infra init -input=false >/dev/null && cp infra/terraform.tfvars.json x &&"
        f""" sed -i 's#"subject_prefix": null#"subject_prefix": "repo:{NAME}"#' {TFVARS} &&"""
        f" ! terraform -chdir=infra plan -input=false; mv x {TFVARS}",
        **environment,
    )
    assert "No valid credential sources found" in alone.out, "without the tool there are none"
    ended = desk.bootstrap("--yes", **environment)
    assert ended.status == 0, ended.out
    assert "terraform uses the credentials of the AWS CLI, for this run only." in ended.out
    (line,) = [one for one in desk.doctor(**environment).out.splitlines() if " tools " in one]
    assert line.startswith("ok       tools")


def test_credentials_that_are_not_exported_are_reported_before_anything_is_done(
    desk: Desk, tmp_path: Path
) -> None:
    environment = cli_alone(tmp_path / "cli", "echo 'MFA is needed' >&2; exit 255")
    environment["PATH"] = f"{tmp_path / 'cli'}:{desk.environment()['PATH']}"
    said = refused(desk, "--yes", **environment)
    assert said.startswith("The AWS CLI does not export its credentials, so Terraform would have")
    assert "MFA is needed" in said
    assert said.splitlines()[-1].startswith('  eval "$(aws configure export-credentials')


def test_version_1_of_the_aws_cli_exports_nothing_and_that_is_reported_first(
    desk: Desk, tmp_path: Path
) -> None:
    environment = cli_alone(tmp_path / "cli", "true")
    environment["PATH"] = f"{tmp_path / 'cli'}:{desk.environment()['PATH']}"
    said = refused(desk, "--yes", **environment)
    assert "it finds no valid AWS credentials" in " ".join(said.split())
    assert [call for call in desk.hub.calls() if call.startswith("gh repo create")] == []
    assert "the AWS CLI, which must be version 2" in " ".join(said.split())


def test_an_error_of_terraform_is_reported_before_the_repository_is_created(desk: Desk) -> None:
    main = desk.path / "infra/main.tf"
    main.write_text(main.read_text() + 'output "x" {\n  value = local.nothing\n}\n')
    said = refused(desk, "--yes")
    assert "local.nothing" in said


def test_an_error_of_aws_is_reported_before_the_repository_is_created(desk: Desk) -> None:
    desk.emulator.fail("DescribeRepositories", 400, 99, "AccessDeniedException")
    said = " ".join(refused(desk, "--yes").split())
    assert "Your AWS user or role does not have permission for this: AccessDeniedException" in said
    assert "Ask an administrator" in said


@pytest.mark.parametrize(
    ("user", "text", "mend"),
    [
        (
            {"no_such_owners": ["octo-org"]},
            "GitHub has no user or organisation octo-org",
            "OWNER/example-service",
        ),
        ({"people": ["octo-org"]}, "You are logged in to GitHub as octocat", "OWNER/example-ser"),
        (
            {"may_create": False},
            "You do not have permission to create private repositories in octo-org",
            "",
        ),
        (
            {"member": False},
            "You do not have permission to create private repositories in octo-org",
            "",
        ),
    ],
    ids=["no such owner", "another person's", "members may not", "no member"],
)
def test_a_repository_that_cannot_be_created_is_reported_first(
    desk: Desk, user: dict[str, Any], text: str, mend: str
) -> None:
    desk.hub.user(**user)
    said = refused(desk, "--yes")
    assert text in " ".join(said.split())
    assert mend in said.splitlines()[-1]
    if mend:
        line = said.splitlines()[-1].strip().replace("OWNER/", "octocat/")
        ended = desk.bootstrap("--plan", *line.partition('ARGS="')[2].rstrip('"').split())
        assert "create the GitHub repository octocat/example-service" in ended.out
    else:
        desk.hub.create(NAME)  # as somebody who was asked does
        assert desk.bootstrap("--yes").status == 0


def test_files_that_were_not_generated_are_listed_and_left(desk: Desk) -> None:
    (desk.path / "credentials.json").write_text('{"key": "secret"}\n')
    (desk.path / "app/more.py").write_text("more = 1\n")
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert (
        "so they are not committed, and not in a release: app/more.py, credentials.json."
        in words(ended)
    )
    listed = set(desk.git("ls-files").splitlines())
    assert not listed & {"credentials.json", "app/more.py"}
    assert listed >= {"Makefile", "app/server.py", DEPLOY, ".github/keyless/check.py", TFVARS}
    assert desk.git("status", "--short").splitlines() == ["?? app/more.py", "?? credentials.json"]


def test_everything_is_committed_where_that_is_asked_for(desk: Desk) -> None:
    (desk.path / "app/more.py").write_text("more = 1\n")
    ended = desk.bootstrap("--yes", "--all")
    assert ended.status == 0, ended.out
    assert "app/more.py" in desk.git("ls-files").splitlines()
    assert "not generated" not in ended.out


def test_an_answer_of_gh_that_is_an_error_is_never_ok(ready: Desk, tmp_path: Path) -> None:
    """Each concern on GitHub is asked, and GitHub refuses: no line may be ok about it."""
    folder = tmp_path / "refusing"
    folder.mkdir()
    gh = folder / "gh"
    gh.write_text(
        '#!/bin/sh\ncase "$*" in "api --include user"|auth*|config*)'
        f' exec {ROOT / "tests/standins/bin/gh"} "$@";; esac\n'
        'echo "gh: Server Error (HTTP 502)" >&2; exit 1\n'
    )
    gh.chmod(0o755)
    ended = ready.doctor("--json", PATH=f"{folder}:{ready.environment()['PATH']}")
    lines = {one["name"]: one["state"] for one in json.loads(ended.out)}
    asked_there = "repository subject actions refs tags keys deployment versions".split()
    assert {lines[name] for name in asked_there} == {"unknown"}
    assert ended.status == 2
