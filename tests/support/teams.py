"""Repositories of teams, generated from a version of the template, and their updates.

An edit is a function that gets a folder. After an update, the repository should be the same as a
fresh generation of the new version with the same edit.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import edits
from tests.support.desk import LIMIT, TOOL, Ended
from tests.support.shared import once, shared_folder
from tests.support.versions import Versions, git

Edit = Callable[[Path], None]
Tree = dict[bytes, tuple[str, bytes]]  # mode, and content or target, by path
GIVE_UP = "To cancel the update and restore everything:"


def change(path: str, before: str, after: str) -> Edit:
    """Replace the first place of a part of a file."""
    return lambda root: edits.change(root / path, before, after)


def append(path: str, text: str) -> Edit:
    """Add lines to the end of a file, which may be new."""
    return change(path, "", text)


def write(path: str, text: str) -> Edit:
    """Write a file, whatever it was."""

    def edit(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)

    return edit


def remove(path: str) -> Edit:
    """Remove a file."""
    return lambda root: (root / path).unlink()


def rename(path: str, new: str) -> Edit:
    """Rename a file."""

    def edit(root: Path) -> None:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / path).rename(root / new)

    return edit


def crlf(*paths: str) -> Edit:
    """Give files the line ends of Windows; without names all files but those of the tool."""

    def edit(root: Path) -> None:
        for path in [root / path for path in paths] or files_of(root):
            data = path.read_bytes().replace(b"\r\n", b"\n")
            path.write_bytes(data.replace(b"\n", b"\r\n"))

    return edit


def executable(path: str) -> Edit:
    """Let a file be run."""
    return lambda root: (root / path).chmod(0o755)


def link(path: str, target: str) -> Edit:
    """Write a symbolic link, whatever was there."""

    def edit(root: Path) -> None:
        (root / path).unlink(missing_ok=True)
        (root / path).symlink_to(target)

    return edit


def both(*several: Edit) -> Edit:
    """Make several edits."""

    def edit(root: Path) -> None:
        for each in several:
            each(root)

    return edit


def nothing(root: Path) -> None:
    """Leave everything as it is."""


def files_of(root: Path) -> list[Path]:
    """Return the files of a folder, without those of the tool and of Git."""
    found = (path for path in root.rglob("*") if path.is_file())
    names = ((path, path.relative_to(root).as_posix()) for path in found)
    return [path for path, name in names if not name.startswith((".git/", f"{TOOL}/"))]


def tree_of(root: Path) -> Tree:
    """Return the content of a folder, without the files of Git."""
    found = {}
    for parent, folders, files in os.walk(os.fsencode(root)):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]  # noqa: PTH114, PTH118
        folders[:] = [name for name in folders if name not in (b".git", b".terraform", *links)]
        for name in (*files, *links):
            path = Path(os.fsdecode(parent), os.fsdecode(name))
            key = os.fsencode(path.relative_to(root))
            if path.is_symlink():
                found[key] = ("link", os.fsencode(path.readlink()))
            elif name != b".git":
                mode = "executable" if path.stat().st_mode & 0o100 else "file"
                found[key] = (mode, path.read_bytes())
    return found


class Team:
    """A repository of a team, and the machine that it is on."""

    def __init__(self, path: Path, versions: Versions, **environment: str) -> None:
        self.path, self.versions = path, versions
        temporary = path.parent / "temporary"
        temporary.mkdir(exist_ok=True)
        known = {"TMPDIR": str(temporary), **environment}
        self.environment = versions.environment(**known)

    def git(self, *arguments: str) -> str:
        """Run git as the team does, and return what it prints."""
        return git(self.path, *arguments, **self.environment)

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")

    def keyless(self, *arguments: str, folder: str = ".") -> Ended:
        """Run the tool in the repository, or in a folder of it, without a terminal."""
        tool = os.path.relpath(self.path / TOOL, self.path / folder)
        return self.run(sys.executable, tool, *arguments, folder=folder)

    def update(self, *arguments: str) -> Ended:
        """Update to the newest version, or as the arguments say."""
        return self.keyless("update", *arguments)

    def run(self, *command: str, folder: str = ".") -> Ended:
        """Run a program there."""
        done = subprocess.run(
            command,
            cwd=self.path / folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=LIMIT,
            start_new_session=True,
        )
        return Ended(done.returncode, done.stdout)

    def type(self, lines: Iterable[str]) -> str:
        """Type what is printed, line by line, in a shell; return what that prints."""
        said = ""
        for line in lines:
            ended = self.run("bash", "-c", line)
            said += ended.out
            assert ended.status == 0, f"{line}: {ended.out}"
        return said

    def state(self) -> dict[str, object]:
        """Return all that an interrupted update must leave as it was."""
        unfinished = ("CHERRY_PICK_HEAD", "MERGE_HEAD", "sequencer", "index.lock", "HEAD.lock")
        return {
            "tree": tree_of(self.path),
            "branch": self.git("rev-parse", "--abbrev-ref", "HEAD"),
            "branches": self.git("for-each-ref", "--format=%(refname) %(objectname)"),
            "index": self.git("ls-files", "--stage"),
            "status": self.git("status", "--porcelain", "--ignored"),
            "stash": self.git("stash", "list"),
            "unfinished": [
                name
                for name in unfinished
                if Path(self.path, self.git("rev-parse", "--git-path", name)).exists()
            ],
            "temporary": sorted(path.name for path in (self.path.parent / "temporary").iterdir()),
        }


def team_of(
    versions: Versions, folder: Path, version: str, *teams: Edit, **environment: str
) -> Team:
    """Return the repository of a team that was generated from a version, with edits."""
    folder.mkdir(parents=True, exist_ok=True)
    path = shutil.copytree(versions.rendered[version], folder / "example-service")
    team = Team(path, versions, **environment)
    team.git("init", "--quiet")
    team.commit("First")
    for each in teams:
        each(path)
    team.commit("Ours")
    return team


def few_programs(folder: Path) -> str:
    """Return a PATH with all that an update needs, and without Terraform.

    Args:
        folder: for links to these programs; it may be there, and belong to all workers.
    """
    folder.mkdir(exist_ok=True)
    for name in "basename bash cat git make mv python3 rm sed sh touch uname".split():
        with suppress(FileExistsError):
            (folder / name).symlink_to(shutil.which(name) or pytest.fail(f"{name} is missing"))
    return str(folder)


def printed_commands(out: str) -> list[str]:
    """Return the commands that a command printed to be typed, a line each."""
    return re.findall(r"(?m)^  ((?:git|gh|make|mv|python3) .*)$", out)


class Row(NamedTuple):
    """One situation."""

    name: str
    team: Edit  # what the team has done
    after: Edit | None = None  # what leads from a fresh generation to the result; None: the same
    said: str = ""  # what is printed of it, without line breaks
    conflict: str = ""  # the file with the conflict
    markers: tuple[str, ...] = ()  # what stands between Git's markers there


class Run(NamedTuple):
    """Several situations in one repository, from a version to another one."""

    name: str
    start: str
    target: str
    rows: tuple[Row, ...]
    terraform: bool = False  # whether it is there, for the plan of what changes

    @property
    def conflicts(self) -> list[Row]:
        """The rows that end in a conflict."""
        return [row for row in self.rows if row.conflict]


class Outcome(NamedTuple):
    """What an update has led to, and what followed."""

    folder: Path
    status: int
    said: str  # without line breaks
    printed: str
    again: Ended  # a second update
    check: Ended  # of the result
    touched: dict[str, list[str]]  # the files that each row is about

    @property
    def merged(self) -> Tree:
        """What stood there right after the update."""
        return tree_of(self.folder / "merged")

    @property
    def result(self) -> Tree:
        """The content at the end."""
        return tree_of(self.folder / "example-service")

    @property
    def expected(self) -> Tree:
        """The expected content."""
        return tree_of(self.folder / "expected")


def carried_out(run: Run, versions: Versions, factory: pytest.TempPathFactory) -> Outcome:
    """Carry out a run, once for all workers.

    Conflicts are resolved as the expected result has them, with the commands that are printed.
    """
    folder = shared_folder(factory) / f"run {run.name}"

    def make() -> str:
        path = os.environ["PATH"] if run.terraform else few_programs(folder.parent / "programs")
        team = team_of(versions, folder, run.start, PATH=path)
        expected = Path(shutil.copytree(versions.rendered[run.target], folder / "expected"))
        touched = {}
        for row in run.rows:
            changed = {*_changed(team.path, row.team), *_changed(expected, row.after or row.team)}
            touched[row.name] = sorted(map(os.fsdecode, changed))
        team.commit("Ours")
        ended = team.update("--yes", "--to", f"v{run.target}")
        ignored = shutil.ignore_patterns(".git")
        shutil.copytree(team.path, folder / "merged", symlinks=True, ignore=ignored)
        if run.conflicts and ended.status == 1:
            resolve(team, expected, ended.out)
        again = team.update("--yes", "--to", f"v{run.target}")
        check = Ended(0, "") if run.terraform else team.keyless("check")  # update has run it
        return json.dumps([*ended, again, check, touched])

    status, printed, again, check, touched = json.loads(once(factory, f"{run.name}.json", make))
    said = " ".join(printed.split())
    return Outcome(folder, status, said, printed, Ended(*again), Ended(*check), touched)


def _changed(root: Path, edit: Edit) -> list[bytes]:
    """Make an edit, and return the files that it has changed, made or removed."""
    before = tree_of(root)
    edit(root)
    after = tree_of(root)
    return [path for path in {*before, *after} if before.get(path) != after.get(path)]


def assert_row(outcome: Outcome, row: Row) -> None:
    """Look whether a situation has ended as its row says."""
    assert row.said in outcome.said, outcome.printed
    if row.conflict:
        text = outcome.merged[row.conflict.encode()][1].decode()
        for ours_or_theirs in row.markers:
            assert ours_or_theirs in between_markers(text)
    found, expected = outcome.result, outcome.expected
    for path in map(os.fsencode, outcome.touched[row.name]):
        assert found.get(path) == expected.get(path), path


def assert_run(outcome: Outcome, run: Run) -> None:
    """Look whether all of a repository is as it should be: nothing else differs."""
    found, expected = outcome.result, outcome.expected
    assert {path for path in {*found, *expected} if found.get(path) != expected.get(path)} == set()
    assert outcome.status == int(bool(run.conflicts)), outcome.printed
    assert outcome.again.status == 0, outcome.again.out
    last = outcome.again.out.splitlines()[-1]
    assert last.startswith(("This project has the newest", "Nothing changes: "))
    assert outcome.check.status == 0, outcome.check.out


def between_markers(text: str) -> list[str]:
    """Return the text between Git's markers: for each conflict one side, then the other."""
    found = re.findall(r"(?ms)^<<<<<<< .*?\n(.*?)^=======\r?\n(.*?)^>>>>>>> .*?\n", text)
    return [side for conflict in found for side in conflict]


def resolve(team: Team, expected: Path, out: str) -> None:
    """Resolve conflicts as the files of a folder are, with the commands that were printed."""
    listed = team.git("diff", "--name-only", "--diff-filter=U", "-z").split("\0")
    for name in filter(None, listed):
        (team.path / name).unlink(missing_ok=True)
        if (expected / name).exists():
            shutil.copy(expected / name, team.path / name)
    commands = printed_commands(out.partition(GIVE_UP)[0])
    team.environment["GIT_EDITOR"] = "true"
    assert commands.pop() == "make check"
    team.type(commands)
