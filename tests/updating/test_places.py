"""Repositories and machines of every kind: an update leads to the same, or is refused untouched."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.teams import (
    Team,
    append,
    few_programs,
    printed_commands,
    team_of,
    tree_of,
    write,
)
from tests.support.versions import Versions, git

OURS = append("Makefile", "\nours:\n\techo ours\n")
TO = ("--to", "v0.2.0")
# Each of these has changed, hidden or ended what some command of git does.
SETTINGS = {
    "alias.st": "status",
    "apply.whitespace": "error",
    "branch.autoSetupMerge": "always",
    "checkout.defaultRemote": "upstream",
    "color.ui": "always",
    "commit.cleanup": "scissors",
    "commit.status": "false",
    "commit.template": "template.txt",
    "commit.verbose": "true",
    "core.abbrev": "4",
    "core.attributesFile": "attributes.txt",
    "core.commentChar": "-",
    "core.editor": "false",
    "core.excludesFile": "excluded.txt",
    "core.hooksPath": "hooks",
    "core.pager": "false",
    "core.quotePath": "true",
    "core.safecrlf": "true",
    "diff.external": "false",
    "diff.mnemonicPrefix": "true",
    "diff.noprefix": "true",
    "diff.renames": "false",
    "fetch.prune": "true",
    "fetch.pruneTags": "true",
    "log.showSignature": "true",
    "merge.conflictStyle": "diff3",
    "merge.ours.driver": "false",
    "merge.renames": "false",
    "push.default": "nothing",
    "rerere.autoUpdate": "true",
    "rerere.enabled": "true",
    "status.branch": "true",
    "status.renames": "false",
    "status.short": "true",
    "status.showUntrackedFiles": "no",
    "submodule.recurse": "true",
}
HOOKS = ("pre-commit", "commit-msg", "prepare-commit-msg", "post-checkout", "post-commit")
Place = Callable[[Team], Team]


def configured(team: Team) -> Team:
    """A repository with settings and hooks."""
    for key, value in SETTINGS.items():
        team.git("config", key, value)
    (team.path / ".git/info/exclude").write_text("*.txt\nhooks\n")
    for name in HOOKS:
        write(f"hooks/{name}", "#!/bin/sh\ntouch hooks/ran\nexit 1\n")(team.path)
        (team.path / f"hooks/{name}").chmod(0o755)
    (team.path / "excluded.txt").write_text("docs/\n")
    return team


def worktree(team: Team) -> Team:
    """A worktree, in which .git is a file."""
    other = team.path.parent / "other" / "example-service"
    team.git("worktree", "add", "--quiet", "-b", "work", str(other))
    return Team(other, team.versions, **team.environment)


def shallow(team: Team) -> Team:
    """A clone with one commit, detached from any branch, with a submodule."""
    library = team.path.parent / "library"
    git(team.path.parent, "init", "--quiet", "library", **team.environment)
    git(library, "commit", "--quiet", "--allow-empty", "--message=Library", **team.environment)
    allowed = ("-c", "protocol.file.allow=always")
    team.git(*allowed, "submodule", "--quiet", "add", str(library), "vendor/library")
    team.commit("A library")
    path = team.path.parent / "clone" / "example-service"
    address = f"file://{team.path}"
    git(team.path, "clone", "--quiet", "--depth=1", address, str(path), **team.environment)
    git(path, "checkout", "--quiet", "--detach", **team.environment)
    return Team(path, team.versions, **team.environment)


def of_windows(team: Team) -> Team:
    """A repository in which Git converts line ends, both by attributes and by a setting."""
    write(".gitattributes", "* text=auto eol=crlf\n")(team.path)
    team.commit("Attributes")
    team.git("config", "core.autocrlf", "true")
    for name in team.git("ls-files").splitlines():
        (team.path / name).unlink()
    team.git("checkout", "--quiet", "--", ".")
    assert b"\r\n" in (team.path / "Makefile").read_bytes()
    return team


@pytest.fixture
def team(versions: Versions, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team on a machine without Terraform."""
    programs = few_programs(tmp_path_factory.getbasetemp() / "programs")
    return team_of(versions, tmp_path, "0.1.0", OURS, PATH=programs)


@pytest.mark.parametrize("place", [configured, worktree, shallow, of_windows])
def test_an_update_leads_to_the_same(team: Team, place: Place, versions: Versions) -> None:
    before = {*tree_of(team.path)}
    there = place(team)
    own = {*tree_of(there.path)} - before
    ended = there.keyless("update", "--yes", *TO, folder="infra")
    assert ended.status == 0, ended.out
    assert "keyless/update-0.2.0" in there.git("rev-parse", "--abbrev-ref", "HEAD")
    expected = shutil.copytree(versions.rendered["0.2.0"], team.path.parent / "expected")
    OURS(expected)
    found, wanted = tree_of(there.path), tree_of(expected)
    if place is of_windows:
        assert found[b"docs/label.md"][1].endswith(b"\r\n")
        found = {name: (mode, data.replace(b"\r\n", b"\n")) for name, (mode, data) in found.items()}
        own |= {b".gitattributes"}
    assert {
        name for name in {*found, *wanted} - own if found.get(name) != wanted.get(name)
    } == set()
    assert there.git("status", "--porcelain") == ""
    assert not (there.path / "hooks/ran").exists()
    assert not there.git("stash", "list")
    assert [*(team.path.parent / "temporary").iterdir()] == []


def unborn(team: Team) -> None:
    shutil.rmtree(team.path / ".git")
    team.git("init", "--quiet")


def no_repository(team: Team) -> None:
    shutil.rmtree(team.path / ".git")


def folder_of_another(team: Team) -> None:
    shutil.rmtree(team.path / ".git")
    git(team.path.parent, "init", "--quiet", **team.environment)
    git(team.path.parent, "add", "example-service", **team.environment)
    git(team.path.parent, "commit", "--quiet", "--message=All", **team.environment)


def merging(team: Team) -> None:
    team.git("switch", "--quiet", "--create", "other", "HEAD~1")
    append("README.md", "Theirs\n")(team.path)
    team.commit("Theirs")
    team.git("switch", "--quiet", "main")
    team.git("merge", "--quiet", "--no-commit", "--strategy=ours", "other")


def bisecting(team: Team) -> None:
    team.git("bisect", "start")


def edited(team: Team) -> None:
    append("Dockerfile", "# Ours\n")(team.path)


def staged(team: Team) -> None:
    write("Ours (new).md", "Ours\n")(team.path)
    team.git("add", "--all")


def nobody(team: Team) -> None:
    team.git("config", "user.name", "")


REFUSED: dict[Callable[[Team], None], str] = {
    unborn: "Nothing is committed here yet. Commit first.",
    no_repository: "is not a Git repository, so your edits cannot be told from generated files.",
    folder_of_another: "Move the project to a repository of its own.",
    merging: "A git merge is not finished here, so nothing was changed.",
    bisecting: "A git bisect is not finished here, so nothing was changed.",
    edited: "You have uncommitted edits: Dockerfile.",
    staged: 'You have uncommitted edits: "Ours (new).md".',
    nobody: "Git does not know who you are.",
}


@pytest.mark.parametrize("place", REFUSED, ids=lambda place: place.__name__)
def test_it_is_refused_before_anything_changes(team: Team, place: Callable[[Team], None]) -> None:
    place(team)
    before = tree_of(team.path)
    ended = team.update("--yes")
    assert ended.status == 1
    assert REFUSED[place] in " ".join(ended.out.split())
    assert tree_of(team.path) == before
    assert [*(team.path.parent / "temporary").iterdir()] == []


@pytest.mark.parametrize(
    ("path", "ignored"),
    [("docs/label.md", True), ("docs", True), ("docs/label.md", False)],
    ids=["an ignored file", "an ignored file instead of a folder", "an untracked file"],
)
def test_a_file_in_the_way_is_never_overwritten(team: Team, path: str, ignored: bool) -> None:
    write(path, "Ours\n")(team.path)
    if ignored:
        (team.path / ".git/info/exclude").write_text("docs\n")
    before = team.state()
    ended = team.update("--yes", *TO)
    assert ended.status == 1
    assert f"{path} is not in Git, and a new file of the template needs this name" in " ".join(
        ended.out.split()
    )
    assert team.state() == before
    team.type(printed_commands(ended.out))
    assert (team.path / f"{path}.mine").read_text() == "Ours\n"
    if ignored and path == "docs":
        assert team.update("--yes", *TO).status == 0
        assert (team.path / "docs/label.md").read_text() == "# example-service-image\n"


@pytest.mark.parametrize("detached", [True, False], ids=["no branch", "a branch"])
def test_a_conflict_can_be_given_up_as_printed(team: Team, detached: bool) -> None:
    write("docs/label.md/ours.md", "A folder where the template has a file\n")(team.path)
    append(".dockerignore", "ours\n")(team.path)
    team.commit("Ours")
    if detached:
        team.git("checkout", "--quiet", "--detach")
    before = team.state()
    ended = team.update("--yes", *TO)
    assert ended.status == 1
    assert "docs/label.md~" in ended.out
    assert "put aside by Git" in ended.out
    team.type(printed_commands(ended.out)[-1:])
    assert team.state() == before


def test_a_commit_that_git_refuses_changes_nothing(team: Team) -> None:
    team.git("config", "commit.gpgSign", "true")
    team.git("config", "gpg.program", "false")
    before = team.state()
    ended = team.update("--yes", *TO)
    assert ended.status == 1
    assert "Git cannot commit the merge, so nothing was changed" in ended.out
    assert team.state() == before
