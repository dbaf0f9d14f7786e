"""What must be there before bootstrap begins: programs, logins, and a project that agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Copy
from tests.standins.emulator import ROOT, Emulator, emulated_aws
from tests.standins.hub import Hub
from tests.support.bootstrap import TFVARS, refused
from tests.support.desk import Desk


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
        "Git has no name and email for commits, so it cannot commit. Set both:",
        '  git config --global user.name "YOUR NAME"',
        "  git config --global user.email YOU@HOST",
        "The version of terraform is 1.5.7, but infra/ needs 1.10 or newer.",
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
            "You have no valid login to GitHub: gh reports",
            "gh auth login --scopes workflow",
        ),
        ({"bad_token": True}, "Bad credentials (HTTP 401)", "gh auth login --scopes workflow"),
        (
            {"offline": True},
            "GitHub cannot be reached: error connecting to api.github.com",
            "https://www.githubstatus.com",
        ),
        (
            {"scopes": "repo"},
            "does not have the scope workflow, so it cannot push workflows.",
            "gh auth refresh --scopes workflow",
        ),
        ({"scopes": "gist"}, "scopes repo and workflow", "gh auth refresh --scopes repo,workflow"),
    ],
    ids=["nobody", "old token", "offline", "no workflow", "no scopes"],
)
def test_a_login_to_github_that_is_not_enough_is_reported(
    desk: Desk, user: dict[str, Any], says: str, mend: str
) -> None:
    desk.hub.user(**user)
    said = refused(desk, "--yes")
    assert says in " ".join(said.split())
    assert said.endswith(f"\n  {mend}\n")


def test_a_token_that_names_no_scopes_is_tried(desk: Desk) -> None:
    desk.hub.user(scopes=None)
    assert desk.bootstrap("--plan").status == 0


def test_credentials_of_another_account_change_nothing(copy: Copy, tmp_path: Path) -> None:
    with emulated_aws("444455556666", "us-east-1", tmp_path / "log") as other:
        desk = Desk(copy(), other, Hub(tmp_path / "hub"))
        said = refused(desk, "--yes")
    words = " ".join(said.split())
    assert "belong to account 444455556666 (arn:aws:iam::444455556666:root), but" in words
    assert "infra/terraform.tfvars.json names account 111122223333, so nothing can be" in words
    assert said.endswith("\n  export AWS_PROFILE=PROFILE-OF-111122223333\n")


@pytest.mark.parametrize(
    ("code", "mend"), [("ExpiredToken", "aws sso login"), ("InvalidClientTokenId", "aws configure")]
)
def test_credentials_that_aws_refuses_are_reported(desk: Desk, code: str, mend: str) -> None:
    desk.emulator.fail("GetCallerIdentity", 403, 9, code)
    said = refused(desk, "--yes")
    assert f"You have no valid AWS credentials: {code}: " in said
    assert said.endswith(f"\n  {mend}\n")


def test_credentials_of_another_partition_change_nothing(
    copy: Copy, emulator: Emulator, tmp_path: Path
) -> None:
    desk = Desk(copy(aws_region="cn-north-1"), emulator, Hub(tmp_path / "hub"))
    words = " ".join(refused(desk, "--yes").split())
    assert "belong to the partition aws, but the region cn-north-1 is in aws-cn" in words


def test_nothing_is_done_before_the_check_agrees(desk: Desk) -> None:
    path = desk.path / ".github/workflows/deploy.yml"
    path.write_text(path.read_text().replace('aws-region: "us-east-1"', "aws-region: eu-west-1"))
    said = refused(desk, "--yes")
    assert said.startswith(
        "make check has found this, so nothing is applied:\n.github/workflows/dep"
    )
    assert "same-region" in said
    assert said.endswith("\n  make check ARGS=--fix\n  make bootstrap\n")
    assert [call for call in desk.hub.calls() if " repos/" in call] == []


def test_a_file_that_cannot_be_read_is_one_line(desk: Desk) -> None:
    (desk.path / TFVARS).write_text('{"aws_account_id": ')
    assert refused(desk, "--yes").count("\n") == 1


def test_an_answer_that_is_not_json_is_reported(desk: Desk, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    text = 'case "$*" in *repos/*) echo "<html>busy</html>";; *) exec {0} "$@";; esac\n'
    (odd / "gh").write_text(
        "#!/bin/sh\n" + text.replace("{0}", str(ROOT / "tests/standins/bin/gh"))
    )
    (odd / "gh").chmod(0o755)
    said = refused(desk, "--yes", PATH=f"{odd}:{desk.environment()['PATH']}")
    wrong = "GitHub's answer is not JSON, so it cannot be read: <html>busy</html>"
    assert said == f"{wrong}\n  make bootstrap\n"
