"""The weekly workflow as it is written, and what its step then does on GitHub."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.standins.hub import Hub
from tests.support.generating import TOOL
from tests.support.teams import Team, team_of
from tests.support.versions import Versions

NAME = "octo-org/example-service"
WEEKLY = ".github/workflows/update.yml"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """GitHub, with the repository."""
    hub = Hub(tmp_path / "hub")
    hub.create(NAME)
    hub.user(login="github-actions[bot]")
    return hub


def team_on(hub: Hub, versions: Versions, folder: Path, version: str) -> Team:
    """Return a repository of a version in a job on GitHub, which has the token of the run."""
    team = team_of(versions, folder, version)
    known = versions.environment() | {"GITHUB_REPOSITORY": NAME}
    team.environment |= {
        name: value
        for name, value in hub.environment().items()
        if name.startswith("GH_") or name not in known | {"HOME": ""}
    }
    team.environment |= {"GITHUB_REPOSITORY": NAME, "PATH": hub.environment()["PATH"]}
    return team


def test_it_is_written_once_and_an_edited_one_is_kept(versions: Versions, tmp_path: Path) -> None:
    team = team_of(versions, tmp_path, "0.4.0")
    written = team.update("--weekly")
    assert written.status == 0
    assert (team.path / WEEKLY).read_bytes() == (team.path / TOOL / "weekly.yml").read_bytes()
    assert written.out.splitlines()[-1].startswith(f"  git add {WEEKLY} && git commit")
    assert team.update("--weekly").status == 0
    edited = (team.path / WEEKLY).read_text().replace("23 6", "23 7")
    (team.path / WEEKLY).write_text(edited)
    refused = team.update("--weekly")
    assert refused.status == 1
    assert "exists already and has other content, so nothing was written" in refused.out
    assert (team.path / WEEKLY).read_text() == edited


def test_its_step_opens_an_issue_and_is_green(hub: Hub, versions: Versions, tmp_path: Path) -> None:
    team = team_on(hub, versions, tmp_path, "0.1.0")
    ended = team.update("--check", "--issue")
    assert (ended.status, ended.out) == (
        0,
        f"Opened https://github.com/{NAME}/issues/1: version 0.4.0 is available.\n",
    )
    (opened,) = hub.repository(NAME)["issues"]
    assert "This repository has version 0.1.0." in opened["body"]
    assert "- Something new for everybody." in opened["body"]
    again = team.update("--check", "--issue")
    assert (again.status, len(hub.repository(NAME)["issues"])) == (0, 1)


def test_its_step_closes_the_issue_of_the_newest_version(
    hub: Hub, versions: Versions, tmp_path: Path
) -> None:
    assert (
        team_on(hub, versions, tmp_path / "older", "0.1.0").update("--check", "--issue").status == 0
    )
    ended = team_on(hub, versions, tmp_path / "newest", "0.4.0").update("--check", "--issue")
    assert ended.status == 0
    assert "newest version of the template, 0.4.0. Closed" in ended.out
    assert [one["state"] for one in hub.repository(NAME)["issues"]] == ["closed"]


def test_a_template_that_cannot_be_read_fails_the_step_with_the_reason(
    hub: Hub, versions: Versions, tmp_path: Path
) -> None:
    team = team_on(hub, versions, tmp_path, "0.1.0")
    team.environment["GIT_CONFIG_GLOBAL"] = "/dev/null"
    team.environment["https_proxy"] = "http://127.0.0.1:9"
    ended = team.update("--check", "--issue")
    assert ended.status == 1
    assert "the newest version is unknown: The template at https://" in ended.out
    assert hub.repository(NAME)["issues"] == []
