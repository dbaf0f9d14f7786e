"""What the value of an expression may be: known, of a known kind, or the text of a ref.

A known value is text, true, false, a number, None (null) or Items. GitHub compares values of
different types as numbers, and text without regard to case
[GitHub docs, "Evaluate expressions in workflows and actions"].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Unknown:
    """A value that only the run knows; `options` are all that it may be, where that is known."""

    kind: str = "any"  # text, boolean, number, object, any
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class RefText:
    """The text of a ref that is known up to a *, without what stands before."""

    cut: str


class Items(tuple):  # type: ignore[type-arg]
    """An array."""


UNKNOWN = Unknown()


def is_known(value: Any) -> bool:
    """Tell whether a value is known before the run."""
    return not isinstance(value, (Unknown, RefText))


def to_number(value: Any) -> float:
    """Return a known value as a number; what is none is NaN, which equals nothing."""
    if value is None or value == "":
        return 0.0
    if isinstance(value, (bool, int, float)):
        return float(value)
    try:
        text = value.strip() if isinstance(value, str) else "-"
        return float(int(text, 0)) if text[:2] in ("0x", "0o") else float(text or 0)
    except ValueError:
        return math.nan


def to_text(value: Any) -> str:
    """Return a known value as GitHub writes it into a text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.15g}"
    return "" if value is None else str(value)


def truth(value: Any) -> bool | Unknown:
    """Return whether a value counts as true; of a ref's text it does, since no ref is empty."""
    if isinstance(value, Unknown):
        return True if value.kind == "object" or _all_true(value) else UNKNOWN
    if isinstance(value, float) and math.isnan(value):
        return False
    return isinstance(value, (RefText, Items)) or bool(value)


def _all_true(value: Unknown) -> bool:
    return bool(value.options) and all(value.options)


def equal(left: Any, right: Any) -> bool | Unknown:
    """Return whether two values are equal; neither is the text of a ref."""
    if isinstance(right, Unknown):
        left, right = right, left
    if isinstance(right, Unknown):
        return UNKNOWN
    if isinstance(left, Unknown):
        return _may_equal(left, right)
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is type(right):
        return bool(left == right)
    return to_number(left) == to_number(right)


def _may_equal(unknown: Unknown, value: Any) -> bool | Unknown:
    """Return false where a value of that kind is never equal to a known one."""
    if unknown.options:
        found = {equal(option, value) for option in unknown.options}
        return found.pop() if len(found) == 1 else UNKNOWN
    if unknown.kind == "object":
        return False
    if unknown.kind == "boolean" and to_number(value) not in (0, 1):
        return False
    if unknown.kind == "number" and math.isnan(to_number(value)):
        return False
    # Only the text '1' would be equal to true, which nobody writes.
    return False if unknown.kind == "text" and value is True else UNKNOWN
