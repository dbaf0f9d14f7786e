"""What a rule reports, and what keeps a repository from being judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

UNJUDGED = "cannot-be-judged"
REFUSED = "can-be-applied"  # what Terraform or AWS refuses
# Rules whose findings explain those of others: whether there is a run at all, and for whom.
CAUSES = ("valid-workflow", "same-repository", "job-starts")


class Edit(NamedTuple):
    """A change of one file that mends a finding.

    `before` stands in the file, and begins on `line` (from 1); it may end with a line break. `safe`
    says that the edit makes the workflow agree with infra/, and lets nobody do more than before.
    """

    path: str
    line: int
    before: str
    after: str  # empty removes `before`
    safe: bool = True


class Finding(NamedTuple):
    """Where something is wrong (line from 1), by which rule, what follows, and what to do."""

    path: str
    line: int
    rule: str
    message: str
    mend: str
    edit: Edit | None = None  # what a program can do about it

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule} {self.message}\n    {self.mend}"

    @property
    def place(self) -> tuple[int, str, int, str, str, str]:
        """What findings are sorted by: causes before what follows from them, then by place."""
        return (self.rule not in CAUSES, *self[:5])


def first_of_each_line(found: Iterable[Finding]) -> list[Finding]:
    """Return the first finding of each line: what follows from it is not said again."""
    return list({(one.path, one.line): one for one in reversed([*found])}.values())


class CannotJudge(Exception):
    """A file that is needed is missing or cannot be read; the text says which and why."""
