"""The repository that doctor inspects, and the lines that report what it has found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple

from keyless.explain import read_rulesets
from keyless.gh import Denied, page_of
from keyless.model.account import Account
from keyless.setup.git import git
from keyless.setup.github import Repository
from keyless.setup.project import account_here, own_key
from keyless.setup.protection import is_refusal
from keyless.setup.retry import require

# The conclusion or status of a run that has succeeded or has not ended.
FINE = ("success", "in_progress", "queued", "waiting", "pending", "requested")
RENAMED = "it was renamed or transferred, or upper and lower case differ"


class State(Enum):
    """What is known about one thing; the value is the word at the start of its line."""

    OK = "ok"  # it was checked, and is as it should be
    WRONG = "wrong"
    WARNING = "warning"  # it works, but somebody should decide whether to leave it so
    UNKNOWN = "unknown"  # it could not be checked, which is not ok


class Line(NamedTuple):
    """One thing that was checked: its state, and the commands to type if it is not ok."""

    name: str
    state: State
    text: str
    commands: tuple[str, ...] = ()


def ok(name: str, text: str) -> Line:
    """Return a line about something that is as it should be."""
    return Line(name, State.OK, text)


def wrong(name: str, text: str, *commands: str) -> Line:
    """Return a line about something that is wrong, and what to type."""
    return Line(name, State.WRONG, text, commands)


def warning(name: str, text: str, *commands: str) -> Line:
    """Return a line about something that works, but that somebody should decide about."""
    return Line(name, State.WARNING, text, commands)


def unknown(name: str, text: str, *commands: str) -> Line:
    """Return a line about something that could not be checked: the reason, and what to type."""
    return Line(name, State.UNKNOWN, text, commands)


@dataclass
class Patient:
    """This repository, as its files describe it."""

    account: Account
    key: str  # of its own entry
    repository: Repository | None = None  # as GitHub shows it, once it was asked
    gone: bool = False  # whether GitHub shows no such repository

    @classmethod
    def read(cls) -> Patient:
        """Read the files.

        Raises:
            CannotJudge: a file cannot be read.
            Problem: this repository's own entry is not known.
        """
        account = account_here("make doctor")
        return cls(account, own_key(account))

    @cached_property
    def heads(self) -> dict[str, str]:
        """The commits of the branches on GitHub, by their refs.

        Raises:
            Unfinished: git cannot read them.
        """
        done = git("ls-remote", "--heads", f"{page_of(self.name)}.git")
        require(done, f"git cannot read {self.name}", "gh auth setup-git")
        return {ref: commit for commit, ref in map(str.split, done.out.splitlines())}

    @cached_property
    def rulesets(self) -> list[Any] | None:
        """The rulesets of the repository; None if its plan on GitHub has no rulesets.

        Raises:
            Denied: GitHub refuses to answer.
        """
        try:
            return read_rulesets(self.name)
        except Denied as denied:
            if not is_refusal(denied):
                raise
            return None

    @property
    def entry(self) -> dict[str, Any]:
        """This repository's own entry."""
        return self.account.entries[self.key]

    @property
    def name(self) -> str:
        """OWNER/NAME, as the entry has it."""
        return str(self.entry["github_repository"])


Concern = Callable[[Patient], Iterator[Line]]
