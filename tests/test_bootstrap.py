"""Bootstrap: from nothing to a repository that can publish, and every situation on the way.

Real git, Terraform and AWS CLI; GitHub is tests/hub.py, AWS the emulator. Each test asserts the
commands that changed something, in order, the files, and what a person reads.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import github
from tests.desk import Desk, Ended
from tests.emulator import ROOT, emulated_aws
from tests.hub import Hub

NAME = "octo-org/example-service"
IDS = "repo:octo-org@123456/example-service@456789"
TFVARS = "infra/terraform.tfvars.json"
LOCK = "infra/.terraform.lock.hcl"
CREATE = f"gh repo create {NAME} --private"
APPLY = "terraform -chdir=infra apply -no-color -input=false plan.tfplan"
FIRST = [
    "git init --quiet --initial-branch=main",
    f"git remote add origin https://github.com/{NAME}.git",
    "git add --all",
    f"git add --force -- {TFVARS}",
    "git commit --quiet --message 'First commit'",
    "git push --quiet --set-upstream origin main:refs/heads/main",
]
AGAIN = "make bootstrap"


def refused(desk: Desk, *arguments: str, **environment: Any) -> str:
    """Run bootstrap, which must change nothing; return what it prints."""
    before = desk.files()
    desk.hub.clear()
    ended = desk.bootstrap(*arguments, **environment)
    assert ended.status == 1, ended.out
    assert desk.changes() == []
    assert desk.files() == before
    readable(ended)
    return ended.out


def readable(ended: Ended) -> None:
    """What is printed fits 100 columns where it is ours, and holds no traceback and no secret."""
    assert "Traceback" not in ended.out
    ours = [line for line in ended.out.splitlines() if not re.match(r"  |\S+: |#", line)]
    assert [line for line in ours if len(line) > 100] == []
    assert not re.search(r"gho_|ghp_|AKIA|ASIA|eyJ", ended.out)


def allowed(desk: Desk) -> None:
    """Nothing was called in AWS that the project's README does not name."""
    text = (desk.path / "README.md").read_text()
    (row,) = re.findall(r"^\| to set up and to change \| (.*) \|$", text, re.MULTILINE)
    named = set(re.findall(r"\b[A-Z]\w+", row))
    made = {call for call in desk.emulator.calls() if not call.startswith("/")}
    assert made - {"GetCallerIdentity"} <= named
    assert "PutImage" not in named


def provider(desk: Desk, *audiences: str) -> None:
    """Create GitHub's identity provider in the account, as somebody else."""
    desk.emulator.client("iam").create_open_id_connect_provider(
        Url=github.ISSUER, ClientIDList=list(audiences or [github.AUDIENCE])
    )


def role(desk: Desk, subject: str = "repo:somebody/else:ref:refs/heads/main") -> None:
    """Create a role of the expected name, as somebody else."""
    arn = f"arn:aws:iam::{desk.emulator.account}:oidc-provider/token.actions.githubusercontent.com"
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": arn},
        "Condition": {"StringEquals": {"token.actions.githubusercontent.com:sub": subject}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    desk.emulator.client("iam").create_role(
        RoleName="example-service-push", AssumeRolePolicyDocument=document
    )


# The whole way


def test_a_first_run_does_everything_in_order_and_a_second_one_nothing(desk: Desk) -> None:
    before = desk.files()
    planned = desk.bootstrap("--plan")
    assert (planned.status, desk.changes(), desk.files()) == (0, [], before)
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    readable(ended)
    assert desk.changes() == [CREATE, APPLY, *FIRST]
    steps = planned.out.partition(" -  ")[0]
    assert ended.out.startswith(steps)
    assert f"\n    {IDS}\n" in ended.out
    assert ended.out.endswith(
        "\n\n"
        "Role      arn:aws:iam::111122223333:role/example-service-push\n"
        "Registry  111122223333.dkr.ecr.us-east-1.amazonaws.com/example-service\n"
        "Trust     A job of octo-org/example-service may assume it: whoever may push a tag v*.\n"
        "\n"
        "The first image:\n"
        "  gh release create v0.1.0 --generate-notes\n"
    )
    # Of the files one value of one line is another, and the lock file is new.
    after = desk.files()
    text = before[TFVARS].replace(b'prefix": null', f'prefix": "{IDS}"'.encode())
    assert after == {**before, TFVARS: text}
    assert desk.git("status", "--short") == ""
    assert desk.git("rev-parse", "HEAD") == desk.git("ls-remote", "origin", "refs/heads/main")[:40]
    assert LOCK in desk.git("ls-files")
    trust = desk.emulator.client("iam").get_role(RoleName="example-service-push")["Role"]
    assert f"{IDS}:ref:refs/tags/v*" in str(trust["AssumeRolePolicyDocument"])

    allowed(desk)

    desk.hub.clear()
    start = time.monotonic()
    again = desk.bootstrap("--yes")
    assert time.monotonic() - start < 20
    assert (again.status, desk.changes(), desk.files()) == (0, [], after)
    assert "\nNothing to change: everything is there.\n" in again.out
    assert "To leave that to admins: make bootstrap ARGS=--ruleset" in " ".join(again.out.split())


def test_nothing_but_yes_does_it(desk: Desk) -> None:
    interrupted = (
        f"\nInterrupted. Nothing is half-written, and this goes on from there:\n  {AGAIN}\n"
    )
    for answer, status, said in (
        ("y", 1, "Nothing was changed.\n"),
        ("\x03", 130, interrupted),
        ("\x04", 1, "Nothing was changed.\n"),
    ):
        ended = desk.typed({'Do this? Only "yes" does: ': answer}, "--public")
        assert (ended.status, desk.changes()) == (status, [])
        assert ended.out.startswith(f" 1. create the GitHub repository {NAME}, public and empty\n")
        assert ended.out.endswith(said)


def test_without_a_terminal_nobody_is_asked(desk: Desk) -> None:
    said = refused(desk)
    assert said.endswith(
        "Nothing was changed: there is no terminal to ask at. To do this without:\n"
        '  make bootstrap ARGS="--yes"\n'
    )


# Tools and logins


def test_everything_that_is_missing_is_listed_at_once(desk: Desk, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "git").symlink_to("/usr/bin/git")
    (tools / "terraform").write_text('#!/bin/sh\necho \'{"terraform_version": "1.5.7"}\'\n')
    (tools / "terraform").chmod(0o755)
    said = refused(desk, PATH=str(tools), person=False)
    assert said.splitlines() == [
        "gh is not installed, so nothing can be set up.",
        "  https://cli.github.com",
        "aws is not installed, so nothing can be set up.",
        "  https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
        "git does not know who you are, so it cannot commit.",
        '  git config --global user.name "YOUR NAME"',
        "  git config --global user.email YOU@HOST",
        "terraform is 1.5.7, and infra/ needs 1.10 or newer.",
        "  https://developer.hashicorp.com/terraform/install (1.10 or newer)",
    ]
    (tools / "brew").symlink_to("/bin/true")
    said = refused(desk, PATH=str(tools), person=False)
    assert "\n  brew install awscli\n" in said


@pytest.mark.parametrize(
    ("user", "says", "mend"),
    [
        (
            {"logged_in": False},
            "GitHub does not know who you are",
            "gh auth login --scopes workflow",
        ),
        ({"bad_token": True}, "Bad credentials (HTTP 401)", "gh auth login --scopes workflow"),
        (
            {"offline": True},
            "GitHub cannot be asked: error connecting to api.github.com",
            "gh auth status",
        ),
        ({"scopes": "repo"}, "lacks the scope workflow", "gh auth refresh --scopes workflow"),
        ({"scopes": "gist"}, "scope repo and workflow", "gh auth refresh --scopes repo,workflow"),
    ],
    ids=["nobody", "old token", "offline", "no workflow", "no scopes"],
)
def test_a_login_to_github_that_does_not_do_is_told(
    desk: Desk, user: dict[str, Any], says: str, mend: str
) -> None:
    desk.hub.user(**user)
    said = refused(desk, "--yes")
    assert says in " ".join(said.split())
    assert said.endswith(f"\n  {mend}\n")


def test_a_token_that_names_no_scopes_is_tried(desk: Desk) -> None:
    desk.hub.user(scopes=None)
    assert desk.bootstrap("--plan").status == 0


def test_credentials_of_another_account_change_nothing(copy: Any, tmp_path: Path) -> None:
    with emulated_aws("444455556666", "us-east-1", tmp_path / "log") as other:
        desk = Desk(copy(), other, Hub(tmp_path / "hub"))
        said = refused(desk, "--yes")
    words = " ".join(said.split())
    assert "are those of account 444455556666 (arn:aws:iam::444455556666:root), and" in words
    assert "infra/terraform.tfvars.json names account 111122223333, so nothing may be" in words
    assert said.endswith("\n  export AWS_PROFILE=PROFILE-OF-111122223333\n")


@pytest.mark.parametrize(
    ("code", "mend"), [("ExpiredToken", "aws sso login"), ("InvalidClientTokenId", "aws configure")]
)
def test_credentials_that_aws_refuses_are_told(desk: Desk, code: str, mend: str) -> None:
    desk.emulator.fail("GetCallerIdentity", 403, 9, code)
    said = refused(desk, "--yes")
    assert f"AWS does not know who you are: {code}: " in said
    assert said.endswith(f"\n  {mend}\n")


def test_credentials_of_another_partition_change_nothing(
    copy: Any, emulator: Any, tmp_path: Path
) -> None:
    desk = Desk(copy(aws_region="cn-north-1"), emulator, Hub(tmp_path / "hub"))
    words = " ".join(refused(desk, "--yes").split())
    assert "are of the partition aws, and the region cn-north-1 lies in aws-cn" in words


# The check


def test_nothing_is_done_before_the_check_agrees(desk: Desk) -> None:
    path = desk.path / ".github/workflows/deploy.yml"
    path.write_text(path.read_text().replace('aws-region: "us-east-1"', "aws-region: eu-west-1"))
    said = refused(desk, "--yes")
    assert said.startswith(
        "The check does not agree, so nothing is applied:\n.github/workflows/dep"
    )
    assert "same-region" in said
    assert said.endswith("\n  make check\n")
    assert [call for call in desk.hub.calls() if " repos/" in call] == []


def test_a_file_that_cannot_be_read_is_one_line(desk: Desk) -> None:
    (desk.path / TFVARS).write_text('{"aws_account_id": ')
    assert refused(desk, "--yes").count("\n") == 1


# GitHub


def test_an_empty_repository_is_taken(desk: Desk) -> None:
    desk.hub.create(NAME, private=False)
    planned = desk.bootstrap("--plan")
    assert planned.out.startswith(
        f" 1. write into {TFVARS}:\n"
        f'      subject_prefix: null -> "{IDS}"\n'
        " 2. in AWS account 111122223333, region us-east-1:\n"
    )
    assert "\n 5. push main to octo-org/example-service\n" in planned.out
    assert desk.changes() == []


@pytest.mark.parametrize(
    ("settings", "says", "mend"),
    [
        (
            {"permissions": {"pull": True, "push": False}},
            *("exists, and you may not push", "gh auth status"),
        ),
        ({"archived": True}, "is archived, so nothing can be published", "gh auth status"),
        (
            {"actions_enabled": False},
            "GitHub Actions is switched off in octo-org/example-service",
            f"gh api --method PUT repos/{NAME}/actions/permissions -F enabled=true -f allowed",
        ),
        ({"allowed_actions": "local_only"}, "runs no actions of others", "allowed_actions=all"),
        (
            {"oidc": {"use_default": False, "include_claim_keys": ["repo", "job_workflow_ref"]}},
            "was customised: it holds repo, job_workflow_ref, not repository and context.",
            f"gh api --method PUT repos/{NAME}/actions/oidc/customization/sub -F use_default=true",
        ),
        (
            {"oidc": {"use_default": False}},
            "was customised: it is the one that its organisation has chosen",
            f"gh api --method PUT repos/{NAME}/actions/oidc/customization/sub -F use_default=true",
        ),
        (
            {"oidc": {"sub_claim_prefix": "repo:octo-org@1/example-service@2"}},
            f"begins with repo:octo-org@1/example-service@2, and that the repository is {IDS}.",
            f"gh api repos/{NAME}/actions/oidc/customization/sub",
        ),
        (
            {"oidc": {"use_default": True, "sub_claim_prefix": "repo:octo-org/Example-Service"}},
            "begins with repo:octo-org/Example-Service, and that",
            f"gh api repos/{NAME}/actions/oidc/customization/sub",
        ),
        ({"oidc": None}, "so it would be a guess. May you see it?", f"repos/{NAME}/actions/oidc"),
    ],
    ids=[
        *("not yours", "archived", "actions off", "actions of others off", "customised"),
        *("of the organisation", "other ids", "other case", "silent on a new repository"),
    ],
)  # fmt: skip
def test_a_repository_that_cannot_be_trusted_or_used_is_refused(
    desk: Desk, settings: dict[str, Any], says: str, mend: str
) -> None:
    desk.hub.create(NAME, **settings)
    said = refused(desk, "--yes")
    assert says in " ".join(said.split())
    assert mend in said


@pytest.mark.parametrize(
    ("oidc", "prefix"),
    [
        ("derived", "repo:octo-org/example-service"),
        ({"use_default": True}, "repo:octo-org/example-service"),
        (None, "repo:octo-org/example-service"),
        ({"use_default": True, "use_immutable_subject": False, "sub_claim_prefix": IDS}, IDS),
        (
            {
                **{"use_default": False, "include_claim_keys": ["repo", "context"]},
                "sub_claim_prefix": IDS,
            },
            IDS,
        ),
    ],
    ids=["classic", "no prefix", "an older API", "contradicts itself", "customised to the default"],
)
def test_an_older_repository_has_the_subject_that_github_says(
    desk: Desk, oidc: Any, prefix: str
) -> None:
    desk.hub.create(NAME, classic=True, oidc=oidc)
    code = "import sys; sys.path.insert(0, 'scripts'); import outside as o;"
    code += f"print(o.subject_prefix(o.repository('{NAME}')))"
    assert desk.run(sys.executable, "-c", code) == (0, f"{prefix}\n")


def test_the_name_is_written_as_github_writes_it(desk: Desk) -> None:
    desk.hub.create("Octo-Org/Example-Service")
    planned = desk.bootstrap("--plan")
    assert (
        f'      github_repository: "{NAME}" -> "Octo-Org/Example-Service"\n'
        '      subject_prefix: null -> "repo:Octo-Org@123456/Example-Service@456789"\n'
    ) in planned.out
    assert "push main to Octo-Org/Example-Service\n" in planned.out


def test_a_name_that_is_none_is_refused_before_anything_is_asked(desk: Desk) -> None:
    ended = desk.bootstrap("--repository", "example-service")
    assert ended.status == 2
    assert "'example-service' is not OWNER/NAME, as GitHub shows it" in ended.out
    assert desk.hub.calls() == []


def test_github_may_refuse_to_create_it(desk: Desk) -> None:
    desk.hub.user(may_create=False)
    ended = desk.bootstrap("--yes")
    assert ended.status == 1
    assert "GitHub did not create octo-org/example-service:\noctocat cannot create" in ended.out
    assert f"It stopped at: create the GitHub repository {NAME}, private and empty." in ended.out
    assert desk.changes() == [CREATE]


def test_actions_that_an_organisation_disables_are_told_at_the_end(ready: Desk) -> None:
    ready.hub.change(NAME, actions_enabled=False)
    said = refused(ready, "--yes")
    assert said.startswith("GitHub Actions is switched off")


# Git


def test_a_repository_with_commits_of_others_is_not_pushed_over(desk: Desk) -> None:
    desk.hub.create(NAME)
    desk.hub.push(NAME, {"README.md": "mine\n"})
    said = refused(desk, "--yes")
    assert f"{NAME} is not empty, and this folder does not come from it" in said
    assert said.endswith(f"  gh repo clone {NAME}\n")
    desk.git("init", "--quiet", "--initial-branch=main")
    desk.git("commit", "--quiet", "--allow-empty", "--message=mine")  # another history
    assert refused(desk, "--yes") == said


def test_a_remote_of_somebody_else_is_not_pushed_to(desk: Desk) -> None:
    desk.git("init", "--quiet", "--initial-branch=main")
    desk.git("remote", "add", "origin", "https://somebody:secret@github.com/other/thing.git")
    said = refused(desk, "--yes")
    assert "The remote origin of this folder is https://github.com/other/thing.git, and not" in said
    assert "secret" not in said
    assert said.endswith(f"\n  git remote rename origin upstream\n  {AGAIN}\n")


def test_an_empty_repository_gets_main_and_no_other_branch(desk: Desk) -> None:
    desk.git("init", "--quiet", "--initial-branch=master")
    said = refused(desk, "--yes")
    assert "is empty, and the branch here is master: the first push must be of main." in said
    assert said.endswith(f"\n  git branch -m main\n  {AGAIN}\n")


def test_uncommitted_work_is_left_alone(ready: Desk) -> None:
    ready.hub.rename(NAME, "octo-org/renamed")
    (ready.path / "app/server.py").write_text("staged\n")
    ready.git("add", "app/server.py")
    (ready.path / "app/server.py").write_text("staged, then edited\n")
    (ready.path / "notes.txt").write_text("mine\n")
    ended = ready.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert ready.git("show", "--name-only", "--format=%s").splitlines() == [
        *("Trust the subject that GitHub presents", "", TFVARS)
    ]
    assert ready.git("status", "--short").splitlines() == ["MM app/server.py", "?? notes.txt"]
    assert ready.git("show", ":app/server.py") == "staged"


def test_values_that_somebody_is_editing_are_written_and_not_committed(ready: Desk) -> None:
    path = ready.path / TFVARS
    path.write_text(
        path.read_text().replace(f'"{IDS}"', "null").replace('"refs/tags/v*"', '"refs/tags/v1*"')
    )
    deploy = ready.path / ".github/workflows/deploy.yml"
    deploy.write_text(deploy.read_text().replace("'refs/tags/v'", "'refs/tags/v1'"))
    ended = ready.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert f" -  {TFVARS} holds edits of yours, which are yours to commit." in ended.out
    assert ready.changes() == [APPLY]
    assert ready.entry["subject_prefix"] == IDS
    assert f" M {TFVARS}" in ready.git("status", "--short").splitlines()[1:] + [
        f" {ready.git('status', '--short').splitlines()[-1].strip()}"
    ]


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ('{"a": null}', ["a"], "x", '{"a": "x"}'),
        ('{\r\n\t"b": {"a" :null , "c":1}}', ["b", "a"], "x", '{\r\n\t"b": {"a" :"x" , "c":1}}'),
        ('{"b": {\n  "c": 1\n}}', ["b", "a"], "x", '{"b": {\n  "a": "x",\n  "c": 1\n}}'),
        ('{"a": "old \\"}{, a: ", "é": [{"a": 1}]}', ["a"], True, '{"a": true, "é": [{"a": 1}]}'),
        ('{"x": {"a": 1}, "a": {"a": 2}}', ["a", "a"], 3, '{"x": {"a": 1}, "a": {"a": 3}}'),
        ('{"\\u0061": 1}', ["a"], 2, '{"\\u0061": 2}'),
    ],
    ids=["one", "CRLF and tab", "missing", "brackets in text", "the same name twice", "escaped"],
)
def test_one_value_is_changed_and_all_else_is_kept(
    script: Any, before: str, path: list[str], value: Any, after: str
) -> None:
    assert script("folder").edited(before, path, value) == after


def test_a_push_that_github_refuses_is_told_with_a_way_round(ready: Desk) -> None:
    ready.git("commit", "--quiet", "--allow-empty", "--message=mine")
    rule = "GH013: Repository rule violations found for refs/heads/main."
    ready.hub.refuse_pushes(NAME, rule)
    ended = ready.bootstrap("--yes")
    assert (ended.status, ready.changes()) == (1, [FIRST[-1]])
    assert "GitHub does not take the push, and everything before it is done:\n" in ended.out
    assert rule in ended.out
    assert "  git push origin HEAD:refs/heads/bootstrap\n  gh pr create --head boot" in ended.out
    ready.hub.allow_pushes(NAME)
    ready.hub.clear()
    again = ready.bootstrap("--yes")
    assert (again.status, ready.changes()) == (0, [FIRST[-1]])


def test_commits_that_are_missing_here_stand_in_the_way_of_a_push(ready: Desk) -> None:
    ready.hub.push(NAME, {"theirs.txt": "theirs\n"})
    ready.hub.rename(NAME, "octo-org/renamed")
    said = refused(ready, "--yes")
    assert "main of octo-org/renamed holds commits that this folder lacks" in said
    assert said.endswith(f"\n  git pull --rebase origin main\n  {AGAIN}\n")


def test_gh_decides_between_https_and_ssh_where_there_is_no_remote(ready: Desk) -> None:
    ready.hub.user(git_protocol="ssh")
    ready.git("remote", "remove", "origin")
    ended = ready.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert f" 1. add the remote origin, git@github.com:{NAME}.git\n" in ended.out
    assert ready.changes() == [f"git remote add origin git@github.com:{NAME}.git"]


def test_a_folder_inside_another_repository_becomes_its_own(desk: Desk) -> None:
    subprocess.run(["git", "init", "--quiet", str(desk.path.parent)], check=True)
    planned = desk.bootstrap("--plan")
    outer = desk.path.parent
    assert (
        f"turn this folder into a Git repository (inside {outer}, which stays as it is)"
        in planned.out
    )


# Renames and transfers


def test_a_renamed_repository_changes_one_role_in_place_and_keeps_its_images(ready: Desk) -> None:
    registry = ready.emulator.client("ecr")
    manifest = '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}'
    registry.put_image(repositoryName="example-service", imageManifest=manifest, imageTag="v0.1.0")
    ready.emulator.clear()
    ready.hub.rename(NAME, "new-org/renamed", owner_id=7)
    ended = ready.bootstrap("--yes")
    assert ended.status == 0, ended.out
    prefix = "repo:new-org@7/renamed@456789"
    assert (
        f" 1. write into {TFVARS}:\n"
        f'      github_repository: "{NAME}" -> "new-org/renamed"\n'
        f'      subject_prefix: "{IDS}" -> "{prefix}"\n'
        " 2. in AWS account 111122223333, region us-east-1:\n"
        "      change     role example-service-push: assume_role_policy, description\n"
        " 3. let the remote origin name new-org/renamed\n"
        f" 4. commit {TFVARS}\n"
        " 5. push main to new-org/renamed\n"
    ) in ended.out
    assert "Apply complete! Resources: 0 added, 1 changed, 0 destroyed." in ended.out
    assert list(ready.project.tfvars["repositories"]) == ["example-service"]
    assert ready.entry["subject_prefix"] == prefix
    assert ready.changes() == [
        APPLY,
        "git remote set-url origin https://github.com/new-org/renamed.git",
        f"git add -- {TFVARS}",
        f"git commit --quiet --message 'Trust the subject that GitHub presents' -- {TFVARS}",
        "git push --quiet --set-upstream origin main:refs/heads/main",
    ]
    allowed(ready)
    tags = registry.list_images(repositoryName="example-service")["imageIds"]
    assert [tag["imageTag"] for tag in tags] == ["v0.1.0"]


def test_another_repository_under_the_name_is_trusted_only_by_name(ready: Desk) -> None:
    ready.hub.delete(NAME)
    ready.hub.create(NAME, repository_id=9)
    said = refused(ready, "--yes")
    assert f"'example-service' trusts {IDS}, and {NAME} has the id 9." in " ".join(said.split())
    assert said.endswith(f'\n  gh repo view {NAME}\n  {AGAIN} ARGS="--repository {NAME}"\n')
    ended = ready.bootstrap("--plan", "--repository", NAME)
    assert f'"{IDS}" -> "repo:octo-org@123456/example-service@9"\n' in ended.out


def test_a_repository_that_is_gone_is_created_again_only_by_name(ready: Desk) -> None:
    ready.hub.delete(NAME)
    said = refused(ready, "--yes")
    assert f"GitHub shows no repository {NAME}, which the role trusts as {IDS}." in " ".join(
        said.split()
    )
    assert said.endswith(f'\n  gh auth status\n  {AGAIN} ARGS="--repository {NAME}"\n')
    planned = ready.bootstrap("--plan", "--repository", NAME)
    assert f"\n 1. create the GitHub repository {NAME}" in f"\n{planned.out}"


def test_a_new_name_can_be_given_by_hand(desk: Desk) -> None:
    ended = desk.bootstrap("--plan", "--repository", "octo-org/other")
    assert ended.out.startswith(
        " 1. create the GitHub repository octo-org/other, private and empty\n"
    )
    assert f'      github_repository: "{NAME}" -> "octo-org/other"\n' in ended.out


def test_a_prefix_that_fits_no_more_is_asked_anew(desk: Desk) -> None:
    desk.hub.create("octo-org/renamed")
    desk.edit(github_repository="octo-org/renamed", subject_prefix="repo:octo-org/example-service")
    planned = desk.bootstrap("--plan")
    assert planned.status == 0, planned.out
    assert '-> "repo:octo-org@123456/renamed@456789"\n' in planned.out


# AWS


def test_a_provider_that_somebody_else_made_is_looked_up(desk: Desk) -> None:
    provider(desk)
    ended = desk.bootstrap("--plan")
    assert "  create_oidc_provider: true -> false\n" in ended.out
    assert "exists already, so it is looked up and not created: there is one per account." in (
        " ".join(ended.out.split())
    )
    assert "OIDC identity provider for GitHub" not in ended.out


def test_a_provider_that_nobody_made_is_created(copy: Any, emulator: Any, tmp_path: Path) -> None:
    desk = Desk(copy(oidc_provider="existing"), emulator, Hub(tmp_path / "hub"))
    ended = desk.bootstrap("--plan")
    assert "  create_oidc_provider: false -> true\n" in ended.out
    assert "create     OIDC identity provider for GitHub\n" in ended.out
    assert "does not exist yet, so it is created here." in " ".join(ended.out.split())


def test_a_provider_of_this_state_stays_in_it(ready: Desk) -> None:
    path = ready.path / TFVARS
    path.write_text(path.read_text().replace('provider": true', 'provider": false'))
    again = ready.bootstrap("--yes")
    assert again.status == 0, again.out
    assert "was made by this state, so it stays in it." in " ".join(again.out.split())
    assert ready.project.tfvars["create_oidc_provider"] is True
    assert ready.changes() == []


def test_a_provider_without_the_audience_is_named_with_what_adds_it(desk: Desk) -> None:
    provider(desk, "https://github.com/octo-org")
    said = refused(desk, "--yes")
    assert "does not know the audience sts.amazonaws.com" in said
    assert said.endswith(
        "\n  aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn"
        " arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
        " --client-id sts.amazonaws.com --region us-east-1\n"
    )


def test_a_lost_state_is_imported_on_somebodys_word(ready: Desk) -> None:
    for path in (ready.path / "infra").glob("terraform.tfstate*"):
        path.unlink()
    said = refused(ready, "--yes")
    words = " ".join(said.split())
    assert (
        "The role example-service-push exists already, and Terraform's state here does not" in words
    )
    assert f"It trusts {IDS}:ref:refs/tags/v*." in words
    assert said.endswith(f'\n  {AGAIN} ARGS="--yes --import"\n')
    ended = ready.typed({"Do this?": "yes"})
    assert ended.status == 0, ended.out
    assert "  take over  role example-service-push\n" in ended.out
    assert "  take over  registry example-service\n" in ended.out
    assert "Resources: 3 imported, 2 added, 0 changed, 0 destroyed." in re.sub(
        r"\x1b\[\d*m", "", ended.out
    )
    assert not (ready.path / "infra/bootstrap_imports.tf").exists()


def test_a_role_of_somebody_else_is_shown_with_whom_it_trusts(desk: Desk) -> None:
    role(desk)
    ended = desk.bootstrap("--plan")
    words = " ".join(ended.out.split())
    assert "It trusts repo:somebody/else:ref:refs/heads/main. It will be taken over." in words
    assert "take over role example-service-push create registry example-service" in words


def test_a_plan_that_destroys_what_others_rely_on_is_refused(ready: Desk) -> None:
    ready.edit(ecr_repository="other", role_name="other-push")
    deploy = ready.path / ".github/workflows/deploy.yml"
    text = deploy.read_text().replace('ECR_REPOSITORY: "example-service"', "ECR_REPOSITORY: other")
    deploy.write_text(text.replace("role/example-service-push", "role/other-push"))
    said = refused(ready, "--yes")
    assert said.startswith(
        "Terraform would destroy what others rely on, so nothing was changed in AWS:\n"
    )
    assert "  REPLACE    registry other" in said
    assert "  REPLACE    role other-push" in said
    assert said.endswith(f'\n  {AGAIN} ARGS="--allow-destroy"\n')
    ended = ready.bootstrap("--plan", "--allow-destroy")
    assert "      REPLACE    registry other\n" in ended.out


def test_expired_credentials_during_the_apply_leave_a_state_to_go_on_from(desk: Desk) -> None:
    desk.emulator.fail("CreateRepository", 400, 99, "ExpiredTokenException")
    ended = desk.bootstrap("--yes")
    assert ended.status == 1
    assert "ExpiredTokenException" in ended.out
    words = " ".join(ended.out.split())
    assert "What it has made is in its state, and this goes on from there: make bootstrap" in words
    where = "It stopped at: in AWS account 111122223333, region us-east-1."
    assert words.endswith(f"{where} What was done before stays.")
    assert desk.changes() == [CREATE, APPLY]
    desk.emulator.clear()
    desk.hub.clear()
    again = desk.bootstrap("--yes")
    assert again.status == 0, again.out
    assert "create     registry example-service" in again.out
    assert "create     role example-service-push" not in again.out
    assert desk.changes() == [APPLY, *FIRST]


def test_what_aws_may_not_be_asked_is_told(desk: Desk) -> None:
    desk.emulator.fail("GetRole", 403, 99, "AccessDenied")
    said = refused(desk, "--yes")
    assert said.startswith("AWS refuses: AccessDenied: ")


def test_a_plan_that_fails_shows_why(desk: Desk) -> None:
    (desk.path / "infra/broken.tf").write_text('locals {\n  broken = "$"\n  broken = 1\n}\n')
    desk.hub.create(NAME)
    said = refused(desk, "--yes")
    assert "Attribute redefined" in said or "terraform init failed" in said


# Environment and rulesets


def with_environment(desk: Desk, name: str = "eu: production") -> None:
    """Give entry and job an environment."""
    desk.edit(environment=name)
    deploy = desk.path / ".github/workflows/deploy.yml"
    text = deploy.read_text()
    mark = "    timeout-minutes: 30\n"
    assert text.count(mark) == 1
    deploy.write_text(text.replace(mark, f"    environment: {json.dumps(name)}\n{mark}"))


def test_an_environment_is_created_for_the_trusted_refs_alone(ready: Desk) -> None:
    with_environment(ready)
    ended = ready.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert "create the environment eu: production on GitHub, for refs/tags/v* alone" in ended.out
    made = ready.hub.repository(NAME)["environments"]["eu: production"]
    assert made["deployment_branch_policy"] == {
        "protected_branches": False,
        "custom_branch_policies": True,
    }
    assert [(one["name"], one["type"]) for one in made["policies"]] == [("v*", "tag")]
    path = f"repos/{NAME}/environments/eu%3A%20production"
    assert [call for call in ready.changes() if call.startswith("gh api")] == [
        f"gh api --method PUT {path} --input -",
        f"gh api --method POST {path}/deployment-branch-policies --input -",
    ]
    ready.hub.clear()
    assert (ready.bootstrap("--yes").status, ready.changes()) == (0, [])


def test_an_environment_that_exists_keeps_its_protection(ready: Desk) -> None:
    with_environment(ready, "production")
    custom = {"protected_branches": False, "custom_branch_policies": True}
    there = {"deployment_branch_policy": custom, "wait_timer": 5}
    policies = [{"name": "main", "type": "branch"}]
    ready.hub.change(NAME, environments={"production": {**there, "policies": policies}})
    ended = ready.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert "let v* use the environment production" in ended.out
    assert " -  The environment production admits main, too." in ended.out
    made = ready.hub.repository(NAME)["environments"]["production"]
    assert made["wait_timer"] == 5
    assert ("v*", "tag") in [(one["name"], one["type"]) for one in made["policies"]]


def test_an_environment_without_limits_is_told_and_not_changed(desk: Desk) -> None:
    with_environment(desk, "production")
    desk.hub.create(
        NAME, environments={"production": {"deployment_branch_policy": None, "policies": []}}
    )
    planned = desk.bootstrap("--plan")
    assert "The environment production admits other refs than refs/tags/v*:" in planned.out


def test_a_plan_of_github_that_allows_no_protection_is_no_failure(ready: Desk) -> None:
    with_environment(ready, "production")
    ready.hub.user(plan="free")
    ended = ready.bootstrap("--yes", "--ruleset")
    assert ended.status == 0, ended.out
    assert ended.out.count("\n    GitHub refuses that (") == 3
    assert "the trust then rests on who may push the ref, which the role tests." in ended.out
    assert "the trust then rests on who may write to the repository." in ended.out


def test_rulesets_are_made_where_they_are_asked_for(ready: Desk) -> None:
    ended = ready.bootstrap("--yes", "--ruleset")
    assert ended.status == 0, ended.out
    made = {one["name"]: one for one in ready.hub.repository(NAME)["rulesets"]}
    assert {name: [rule["type"] for rule in one["rules"]] for name, one in made.items()} == {
        "only admins publish (tag)": ["creation"],
        "what is published stays (tag)": ["update", "deletion"],
    }
    assert [len(one["bypass_actors"]) for one in made.values()] == [1, 0]
    assert made["only admins publish (tag)"]["conditions"]["ref_name"]["include"] == [
        "refs/tags/v*",
        "refs/tags/v*/**/*",
    ]
    ready.hub.clear()
    again = ready.bootstrap("--yes", "--ruleset")
    assert (again.status, ready.changes()) == (0, [])
    explained = ready.run(sys.executable, "scripts/check.py", "explain")
    assert "the ruleset 'only admins publish (tag)' limits who that is." in explained.out


# Several entries


def test_all_entries_are_asked_for_and_only_this_repository_is_created(desk: Desk) -> None:
    values = desk.project.tfvars
    other = {**desk.entry, "github_repository": "octo-org/other", "ecr_repository": "other"}
    values["repositories"]["other"] = {**other, "role_name": "other-push"}
    (desk.path / TFVARS).write_text(json.dumps(values, indent=2))
    said = refused(desk, "--yes")
    assert "GitHub shows no repository octo-org/other, which the entry 'other' names." in said
    desk.hub.create("octo-org/other", repository_id=5)
    unseen = desk.bootstrap("--plan")  # Terraform cannot plan yet, and all of it is said
    for name in ("example-service", "other"):
        assert (
            f"      create     role {name}-push\n      create     registry {name}\n" in unseen.out
        )
    desk.hub.create(NAME)
    ended = desk.bootstrap("--plan")
    assert f'      subject_prefix: null -> "{IDS}"\n' in ended.out
    assert '      subject_prefix: null -> "repo:octo-org@123456/other@5"\n' in ended.out
    assert "create     role other-push\n" in ended.out


def test_an_entry_that_nobody_knows_is_asked_for(desk: Desk) -> None:
    values = desk.project.tfvars
    entry = values["repositories"].pop("example-service")
    values["repositories"] = {
        name: {**entry, "ecr_repository": name, "role_name": name} for name in ("one", "two")
    }
    (desk.path / TFVARS).write_text(json.dumps(values, indent=2))
    said = refused(desk, "--yes")
    assert "has no entry 'example-service', so it is not known which of its 2" in said


def with_other(desk: Desk, **entry: Any) -> None:
    """Add an entry for another repository, which trusts its classic subject."""
    values = desk.project.tfvars
    other = {**desk.entry, "github_repository": "octo-org/other", "ecr_repository": "other"}
    other |= {"role_name": "other-push", "subject_prefix": "repo:octo-org/other", **entry}
    values["repositories"] = {"other": other, **values["repositories"]}
    (desk.path / TFVARS).write_text(json.dumps(values, indent=2))


def test_another_entrys_role_is_not_given_to_a_stranger(desk: Desk) -> None:
    with_other(desk)
    desk.hub.create("octo-org/other", owner_id=666, permissions={"pull": True, "push": False})
    words = " ".join(refused(desk, "--yes").split())
    assert (
        "The role of 'other' trusts repo:octo-org/other, and GitHub says repo:octo-org@6" in words
    )
    assert "You may not push to octo-org/other, so it may be a stranger's." in words


def test_without_the_answers_the_own_entry_is_not_guessed(desk: Desk) -> None:
    with_other(desk)
    (desk.path / ".cookiecutter.json").unlink()
    assert "so it is not known which of its 2 entries is" in " ".join(
        refused(desk, "--yes").split()
    )


# What a reviewer tried


def test_a_second_push_url_of_a_stranger_is_not_pushed_to(ready: Desk) -> None:
    ready.git("remote", "set-url", "--push", "origin", "https://github.com/stranger/public.git")
    words = " ".join(refused(ready, "--yes").split())
    assert "is https://github.com/stranger/public.git, and not octo-org/example-service" in words


def test_a_plan_file_of_somebody_is_left_alone(ready: Desk) -> None:
    files = [ready.path / "infra" / name for name in ("plan.tfplan", "plan.json")]
    for file in files:
        file.write_text("mine\n")
    assert ready.bootstrap("--plan").status == 0
    assert ready.bootstrap("doctor").status == 0
    assert [file.read_text() for file in files] == ["mine\n"] * 2


def test_an_edit_made_while_it_asks_is_not_overwritten(ready: Desk) -> None:
    ready.hub.rename(NAME, "octo-org/renamed")
    code = (
        "import sys, types, builtins; sys.path.insert(0, 'scripts'); import bootstrap\n"
        f"def edit(question): open('{TFVARS}', 'a').write('\\n'); return 'yes'\n"
        "sys.stdin = types.SimpleNamespace(isatty=lambda: True); builtins.input = edit\n"
        "sys.exit(bootstrap.main([]))"
    )
    ended = ready.run(sys.executable, "-c", code)
    assert ended.status == 1
    assert f"{TFVARS} was edited while this was asking, so it was not written." in ended.out
    assert (ready.entry["subject_prefix"], ready.changes()) == (IDS, [])


def test_answers_that_are_no_json_are_told(desk: Desk, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    text = 'case "$*" in *repos/*) echo "<html>busy</html>";; *) exec {0} "$@";; esac\n'
    (odd / "gh").write_text("#!/bin/sh\n" + text.replace("{0}", str(ROOT / "tests/bin/gh")))
    (odd / "gh").chmod(0o755)
    said = refused(desk, "--yes", PATH=f"{odd}:{desk.environment()['PATH']}")
    assert said == "GitHub answered something else than JSON: <html>busy</html>\n  make bootstrap\n"


def test_a_rate_limit_is_no_plan_of_github(script: Any) -> None:
    bootstrap = script("bootstrap")
    limit = bootstrap.Denied(403, "You have exceeded a secondary rate limit")
    with pytest.raises(bootstrap.Denied, match="secondary rate limit"):
        bootstrap.refused(limit, "the trust then rests on nobody")


@pytest.mark.parametrize("state", ["detached", "merging"])
def test_nothing_is_begun_where_nothing_can_be_committed(ready: Desk, state: str) -> None:
    ready.hub.rename(NAME, "octo-org/renamed")
    if state == "detached":
        ready.git("checkout", "--quiet", "--detach")
    else:
        (ready.path / ".git/MERGE_HEAD").write_text(ready.git("rev-parse", "HEAD") + "\n")
    said = refused(ready, "--yes")
    assert "nothing can be committed." in " ".join(said.split())
    assert said.endswith("\n  git status\n  make bootstrap\n")


def test_branches_that_have_parted_are_told(ready: Desk) -> None:
    ready.hub.push(NAME, {"theirs.txt": "theirs\n"})
    ready.git("commit", "--quiet", "--allow-empty", "--message=mine")
    said = refused(ready, "--yes")
    assert said.endswith(f"\n  git pull --rebase origin main\n  {AGAIN}\n")


def test_what_is_not_committed_is_named_before_the_release(ready: Desk) -> None:
    for name in ("Dockerfile", "a", "b", "c", "d", "e"):
        (ready.path / name).write_text("new\n")
    with (ready.path / LOCK).open("a") as lock:
        lock.write("# mine\n")
    ended = ready.bootstrap("--yes")
    assert (ended.status, ready.changes()) == (0, [])
    words = " ".join(ended.out.split())
    assert f"so a release will not have it: Dockerfile, {LOCK}, a, b, c and 2 more git add" in words


def test_commits_that_will_be_pushed_are_counted(ready: Desk) -> None:
    ready.git("commit", "--quiet", "--allow-empty", "--message=mine")
    planned = ready.bootstrap("--plan")
    assert planned.out.startswith(f" 1. push main to {NAME}, with 1 commit of yours\n")


def test_another_region_gets_a_registry_of_its_own(ready: Desk) -> None:
    path, deploy = ready.path / TFVARS, ready.path / ".github/workflows/deploy.yml"
    for file in (path, deploy):
        file.write_text(file.read_text().replace('"us-east-1"', '"eu-west-1"'))
    planned = ready.bootstrap("--plan")
    assert planned.status == 0, planned.out
    assert "in AWS account 111122223333, region eu-west-1:\n" in planned.out
    assert "      change     push policy of role example-service-push: " in planned.out


def test_a_prefix_with_one_id_is_asked_anew(desk: Desk) -> None:
    desk.edit(subject_prefix="repo:octo-org@123456/example-service")
    desk.hub.create(NAME)
    assert f'-> "{IDS}"\n' in desk.bootstrap("--plan").out


@pytest.mark.parametrize(
    ("shell", "says"), [("<&-", "there is no terminal to ask at"), ("| true", "")]
)
def test_no_input_and_no_reader_are_no_tracebacks(desk: Desk, shell: str, says: str) -> None:
    ended = desk.run("bash", "-c", f"{sys.executable} scripts/bootstrap.py {shell}")
    assert says in ended.out
    assert "Traceback" not in ended.out


# Interruptions


DRIVER = """
import sys
sys.path.insert(0, "scripts")
import outside
real, known = outside.run, {known!r}

def run(*command, **options):
    done = real(*command, **options)
    if any(word in " ".join(command) for word in known):
        print("INTERRUPTED AFTER", *command[:5], flush=True)
        raise KeyboardInterrupt
    return done

outside.run = run
import bootstrap
sys.exit(bootstrap.main(["--yes"]))
"""
CUTS = [
    *("gh repo create", "terraform -chdir=infra apply", "git init", "git remote add", "git add"),
    *("git commit", "push --quiet"),
]


def test_after_any_interruption_it_goes_on_from_there(desk: Desk) -> None:
    original = (desk.path / TFVARS).read_bytes()
    noted = original.replace(b'prefix": null', f'prefix": "{IDS}"'.encode())
    for number, cut in enumerate(CUTS):
        desk.hub.clear()
        ended = desk.run(sys.executable, "-c", DRIVER.format(known=[cut]))
        assert ended.status == 130, ended.out
        assert "INTERRUPTED AFTER" in ended.out
        assert (
            f"\nInterrupted. Nothing is half-written, and this goes on from there:\n  {AGAIN}\n"
            in ended.out
        )
        assert "It stopped at: " in ended.out
        assert (desk.path / TFVARS).read_bytes() == (noted if number else original)
        left = {path.name for path in (desk.path / "infra").iterdir()}
        assert not left & {"bootstrap_imports.tf", "plan.tfplan", "plan.json"}
        assert not [name for name in left if name.startswith("tmp")]
        assert cut in desk.changes()[-1]
    desk.hub.clear()
    ended = desk.bootstrap("--yes")
    assert (ended.status, desk.changes()) == (0, [])
    assert desk.git("log", "--format=%s").splitlines() == ["First commit"]
    assert desk.git("rev-parse", "HEAD") == desk.git("ls-remote", "origin", "refs/heads/main")[:40]


def test_ctrl_c_lets_terraform_write_its_state(desk: Desk, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    wrapper = slow / "terraform"
    wrapper.write_text(
        "#!/bin/sh\n"
        'case "$*" in *apply*) trap "sleep 1; touch {0}/ended; exit 1" INT; touch {0}/began; '
        "while :; do sleep 0.1; done;; esac\n".replace("{0}", str(tmp_path))
        + f'exec {shutil.which("terraform")} "$@"\n'
    )
    wrapper.chmod(0o755)
    environment = desk.environment()
    environment["PATH"] = f"{slow}:{environment['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "scripts/bootstrap.py", "--yes"],
        cwd=desk.path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "began").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130, out
    assert (tmp_path / "ended").exists()  # it was waited for, though it took a second


def test_what_a_killed_run_left_is_taken_away(desk: Desk) -> None:
    (desk.path / "infra/bootstrap_imports.tf").write_text("import {\n")
    assert desk.bootstrap("--plan").status == 0
    assert not (desk.path / "infra/bootstrap_imports.tf").exists()


def test_nothing_but_the_standard_library_is_imported(desk: Desk) -> None:
    code = (
        "import sys, pathlib; sys.path.insert(0, 'scripts');"
        "import bootstrap, doctor, destroy, entries;"
        "own = {path.stem for path in pathlib.Path('scripts').glob('*.py')};"
        "names = {name.split('.')[0] for name in sys.modules} - own - sys.stdlib_module_names;"
        "print(sorted(names - {'__main__'}))"
    )
    ended = desk.run(sys.executable, "-S", "-c", code)
    assert ended.out == "[]\n"
