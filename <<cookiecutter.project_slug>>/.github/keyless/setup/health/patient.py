"""The repository that doctor looks at, and the lines in which it says what it has found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from keyless.model.account import Account
from keyless.setup.github import Repository
from keyless.setup.project import account_here, own_key


class Line(NamedTuple):
    """One thing that was looked at: whether it is fine, and what to type where it is not."""

    name: str
    ok: bool
    text: str
    commands: tuple[str, ...] = ()


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

    @property
    def entry(self) -> dict[str, Any]:
        """Its own entry."""
        return self.account.entries[self.key]

    @property
    def name(self) -> str:
        """OWNER/NAME, as the entry has it."""
        return str(self.entry["github_repository"])


Concern = Callable[[Patient], Iterator[Line]]
