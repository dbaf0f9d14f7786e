"""The repository that doctor looks at, and the lines in which it says what it has found."""

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


class State(Enum):
    """What is known of one thing; the value is the mark before its line."""

    OK = "ok"  # it was asked, and the answer was understood
    WRONG = "--"
    WARNING = "!!"  # it works, and somebody should decide
    UNKNOWN = "??"  # it could not be found out, which is not ok


class Line(NamedTuple):
    """One thing that was looked at: its state, and what to type where it is not ok."""

    name: str
    state: State
    text: str
    commands: tuple[str, ...] = ()


def ok(name: str, text: str) -> Line:
    """Return a line on what was asked and is as it should be."""
    return Line(name, State.OK, text)


def wrong(name: str, text: str, *commands: str) -> Line:
    """Return a line on what is wrong, and what to type."""
    return Line(name, State.WRONG, text, commands)


def warning(name: str, text: str, *commands: str) -> Line:
    """Return a line on what works, and what somebody should decide."""
    return Line(name, State.WARNING, text, commands)


def unknown(name: str, text: str, *commands: str) -> Line:
    """Return a line on what could not be found out: the reason, and what to type."""
    return Line(name, State.UNKNOWN, text, commands)


@dataclass
class Patient:
    """This repository, as its files describe it."""

    account: Account
    key: str  # of its own entry
    repository: Repository | None = None  # on GitHub, once that was asked
    gone: bool = False  # whether GitHub shows no such repository

    @classmethod
    def read(cls) -> Patient:
        """Read the files.

        Raises:
            CannotJudge: a file cannot be read.
            Problem: the own entry is not known.
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
        """The rulesets of the repository, None where GitHub has none for its plan.

        Raises:
            Denied: GitHub does not tell.
        """
        try:
            return read_rulesets(self.name)
        except Denied as denied:
            if not is_refusal(denied):
                raise
            return None

    @property
    def entry(self) -> dict[str, Any]:
        """Its own entry."""
        return self.account.entries[self.key]

    @property
    def name(self) -> str:
        """OWNER/NAME, as the entry has it."""
        return str(self.entry["github_repository"])


Concern = Callable[[Patient], Iterator[Line]]
