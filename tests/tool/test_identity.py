"""Whose repository this is, and that the role which is assumed in it is its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from keyless.model.identity import identify

from tests.conftest import Copy, Run
from tests.support.check import found
from tests.support.edits import DEPLOY, TFVARS, change
from tests.support.project import Project

NAME = "octo-org/example-service"


@pytest.fixture
def project(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project outside of CI, without Git."""
    for name in ("GITHUB_REPOSITORY", "GITHUB_WORKSPACE", "GITHUB_EVENT_PATH"):
        monkeypatch.delenv(name, raising=False)
    return copy()


def remotes(root: Path, **addresses: str) -> None:
    """Make a Git repository with remotes."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    subprocess.run(["git", "init", "--quiet", root], check=True, env=clean)
    for name, address in addresses.items():
        command = ["git", "-C", str(root), "remote", "add", name, address]
        subprocess.run(command, check=True, env=clean)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://github.com/octo-org/example-service.git", NAME),
        ("https://github.com/octo-org/example-service", NAME),
        ("https://octocat:token@github.com/octo-org/example-service", NAME),
        ("git@github.com:octo-org/example-service.git", NAME),
        ("ssh://git@github.com/octo-org/example-service.git", NAME),
        ("ssh://git@ssh.github.com:443/octo-org/example-service.git", NAME),
        ("git@github-work:octo-org/my.service_2.git", "octo-org/my.service_2"),
        ("git@gitlab.com:octo-org/mirror.git", NAME),  # no GitHub: the answers say it
        ("../bare.git", NAME),
    ],
)
def test_a_remote_says_whose_repository_this_is(project: Project, address: str, name: str) -> None:
    remotes(project.path, origin=address)
    assert identify(project.path).name == name


def test_in_ci_github_says_it_with_its_own_case(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    remotes(project.path, origin="git@github.com:somebody/else.git")
    monkeypatch.setenv("GITHUB_REPOSITORY", NAME)
    assert found(project.path) == []
    monkeypatch.setenv("GITHUB_REPOSITORY", "Octo-Org/Example-Service")
    ((rule, says),) = found(project.path)
    assert (rule, "Octo-Org/Example-Service (GITHUB_REPOSITORY)" in says) == (
        "same-repository",
        True,
    )


def test_another_folder_than_that_of_the_job_is_not_the_repository_of_the_job(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "octo-org/template")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "elsewhere"))
    assert found(project.path) == []
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path))
    assert [rule for rule, _ in found(project.path)] == ["same-repository"]


def test_ci_of_a_fork_is_not_red_because_it_has_no_role(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"repository": {"fork": True}}))
    monkeypatch.setenv("GITHUB_REPOSITORY", "octocat/example-service")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    assert found(project.path) == []
    event.write_text(json.dumps({"repository": {"fork": False}}))
    assert [rule for rule, _ in found(project.path)] == ["same-repository"]


def test_one_of_several_remotes_is_enough_and_its_case_does_not_count(project: Project) -> None:
    remotes(
        project.path,
        origin="git@github.com:octocat/example-service.git",
        upstream="https://github.com/Octo-Org/Example-Service",
    )
    assert found(project.path) == []


def test_an_entry_of_somebody_else_is_found(project: Project) -> None:
    remotes(project.path, origin="git@github.com:octo-org/example-service.git")
    change(project.path / TFVARS, f'"{NAME}"', '"evil/example-service"')
    ((rule, says),) = found(project.path)
    assert (rule, says.startswith(f"{TFVARS} example-service is the entry of evil/")) == (
        "same-repository",
        True,
    )


@pytest.mark.parametrize("option", [(), ("--fix", "--yes")], ids=["check", "fix"])
def test_whose_repository_it_is_can_be_said(
    project: Project, run: Run, option: tuple[str, ...]
) -> None:
    command = (sys.executable, "-B", ".github/keyless", "check", *option)
    remotes(project.path, origin="git@github.com:octo-org/former-name.git")
    done = run(*command, cwd=project.path)
    assert (done.returncode, "git remote set-url origin" in done.stdout) == (1, True)
    assert run(*command, "--repository", NAME, cwd=project.path).returncode == 0


def test_whose_repository_it_is_comes_before_what_follows_from_it(project: Project) -> None:
    remotes(project.path, origin="git@github.com:octo-org/example-service.git")
    change(project.path / TFVARS, f'"{NAME}"', '"evil/example-service"')
    change(project.path / DEPLOY, 'aws-region: "us-east-1"', "aws-region: eu-west-1")
    assert [rule for rule, _ in found(project.path)] == ["same-repository", "same-region"]


def test_a_workflow_that_was_copied_from_a_sibling_is_found_at_its_role(project: Project) -> None:
    remotes(project.path, origin="git@github.com:octo-org/example-service.git")
    sibling = '"sibling": {"github_repository": "octo-org/sibling", "refs": ["refs/tags/v*"],'
    sibling += ' "ecr_repository": "sibling", "role_name": "sibling-push"},\n    '
    change(project.path / TFVARS, '"example-service": {', f'{sibling}"example-service": {{')
    change(project.path / DEPLOY, "role/example-service-push", "role/sibling-push")
    change(project.path / DEPLOY, 'ECR_REPOSITORY: "example-service"', "ECR_REPOSITORY: sibling")
    ((rule, says),) = found(project.path)
    assert (rule, says.startswith(DEPLOY), "role of octo-org/sibling" in says) == (
        "same-repository",
        True,
        True,
    )


def test_infra_json_of_a_sibling_is_found(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    project = copy(iac_tool="none")
    monkeypatch.setenv("GITHUB_REPOSITORY", "octo-org/sibling")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path))
    ((rule, says),) = found(project.path)
    assert (rule, says.startswith("infra.json")) == ("same-repository", True)
