"""What a rule reports, and what keeps a repository from being judged."""

from __future__ import annotations

from typing import NamedTuple

UNJUDGED = "cannot-be-judged"
REFUSED = "can-be-applied"  # what Terraform or AWS refuses


class Finding(NamedTuple):
    """Where something is wrong (line from 1), by which rule, what follows, and what to type."""

    path: str
    line: int
    rule: str
    message: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule} {self.message}\n    {self.mend}"


class CannotJudge(Exception):
    """A file that is needed is missing or cannot be read; the text says which and why."""
