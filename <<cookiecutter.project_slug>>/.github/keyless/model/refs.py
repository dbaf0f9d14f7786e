"""Events and refs: how a job may start, and which refs a pattern with a trailing * stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Events that somebody without write access can cause, or that run beside code of theirs.
_UNTRUSTED = re.compile(r"pull_request|workflow_run|issue|discussion|fork$|watch$|gollum$")


class Run(NamedTuple):
    """One way in which a job may start: the event, and its ref, which may end in a *.

    `sure` turns false where an expression was passed that nobody can decide before the run, so the
    refs may be fewer. `types` are the activities of the event, `without` refs that it is not for.
    """

    event: str
    ref: str
    sure: bool = True
    types: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def is_untrusted(event: str) -> bool:
    """Tell whether somebody without write access can cause an event."""
    return bool(_UNTRUSTED.match(event))


def value_matches(value: str, wanted: str) -> bool:
    """Tell whether IAM accepts a value: as it is, or up to a * at the end of what is wanted."""
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def ref_matches(ref: str, pattern: str) -> bool:
    """Tell whether a ref, or all refs of a pattern with a trailing *, match a pattern."""
    return value_matches(ref.rstrip("*") if pattern.endswith("*") else ref, pattern)


def condition_on(ref: str) -> str:
    """Return the condition of a job that holds for a trusted ref; a * may end it."""
    text = "'" + ref.rstrip("*").replace("'", "''") + "'"
    return f"startsWith(github.ref, {text})" if ref.endswith("*") else f"github.ref == {text}"


def names_branch(refs: list[str]) -> bool:
    """Tell whether one of the refs is a branch, so that versions are numbers and no tags."""
    return any(ref.startswith("refs/heads/") for ref in refs)


def common_refs(one: str, other: str) -> str | None:
    """Return the refs that match two patterns, as a pattern."""
    return one if ref_matches(one, other) else other if ref_matches(other, one) else None


def ref_kinds(refs: list[str]) -> list[str]:
    """Return of which kinds refs are: heads, tags."""
    return sorted({ref.split("/")[1] for ref in refs if ref.count("/") > 1})


def intersect_runs(one: Run, other: Run) -> Iterator[Run]:
    """Yield the run in which two jobs of a workflow both start, where there is one."""
    ref = common_refs(one.ref, other.ref)
    both = tuple(dict.fromkeys(one.without + other.without))
    narrowed = narrow(one._replace(without=both), ref) if ref else None
    if narrowed and one.event == other.event:
        yield narrowed._replace(sure=one.sure and other.sure)


def narrow(run: Run, ref: str) -> Run | None:
    """Return a run for fewer refs, None where it is for none of them."""
    if any(ref_matches(ref, other) for other in run.without):
        return None
    return run._replace(ref=ref)
