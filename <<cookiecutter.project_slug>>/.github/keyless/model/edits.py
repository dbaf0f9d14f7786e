"""Edits: where in a file they fit, and what the file says after them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from keyless.model.findings import Edit
from keyless.writing import read_text

BREAK = r"(?:\r\n|\r(?!\n)|(?<!\r)\n)"


class Unfit(Exception):
    """An edit cannot be made; the text says why, and names the file."""


class Place(NamedTuple):
    """The part of a text that an edit replaces, and what it writes there, with its line ends."""

    start: int
    end: int
    after: str

    def touches(self, other: Place) -> bool:
        """Tell whether another edit changes the same part, or inserts at the same point."""
        apart = self.end <= other.start or other.end <= self.start
        return self.start == other.start or not apart


def read_target(root: Path, path: str) -> tuple[Path, str]:
    """Return the file that an edit changes, behind its links, and its text.

    Raises:
        Unfit: it is outside of the repository, or it cannot be read.
    """
    try:
        file = (root / path).resolve()
        if root.resolve() not in file.parents:
            raise Unfit(f"{path} is outside of the repository")
        if not file.is_file():
            raise Unfit(f"{path} is not a file")
        return file, read_text(file)
    except UnicodeDecodeError as error:
        raise Unfit(f"{path} is not UTF-8") from error
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links; a NUL in the name
        raise Unfit(f"{path} cannot be read: {error}") from error


def find_place(text: str, edit: Edit) -> Place:
    """Return where an edit fits: once, beginning on its line. An empty `before` inserts a line.

    The line ends of an edit stand for those of the file, and for the end of its last line.

    Raises:
        Unfit: the line does not have this text, or has it twice.
    """
    starts = line_starts(text)
    if not 1 <= edit.line <= len(starts):
        raise Unfit(f"{edit.path} has no line {edit.line}")
    begin, following = [*starts, len(text) + 1][edit.line - 1 : edit.line + 1]
    pattern = _pattern(edit.before)
    found = pattern.search(text, begin)
    if not found or found.start() >= following:
        raise Unfit(f"{edit.path} has another text on line {edit.line}")
    again = pattern.search(text, found.start() + 1) if edit.before else None
    if again and again.start() < following:
        raise Unfit(f"{edit.path} has this text twice on line {edit.line}")
    return Place(found.start(), found.end(), _with_line_ends(edit.after, text, found.start()))


def _pattern(before: str) -> re.Pattern[str]:
    """Return what finds a text whatever its line ends, the last of which the file may lack."""
    *lines, last = map(re.escape, re.split(BREAK, before))
    if lines and not last:
        return re.compile(rf"{BREAK.join(lines)}(?:{BREAK}|\Z)")
    return re.compile(BREAK.join([*lines, last]))


def line_starts(text: str) -> list[int]:
    """Return where each line begins; behind a last line break that is the end of the text."""
    return [0, *(found.end() for found in re.finditer(BREAK, text))]


def _with_line_ends(after: str, text: str, start: int) -> str:
    """Return what an edit writes, with the line ends that the text has at that place."""
    here = re.compile(BREAK).search(text, start) or re.search(BREAK, text)
    return (here[0] if here else "\n").join(re.split(BREAK, after))


def with_edits(text: str, places: list[Place]) -> str:
    """Return a text after edits that do not touch each other.

    If its last line had a line break it still has one, and if not, not.
    """
    new = text
    for place in sorted(places, reverse=True):
        new = new[: place.start] + place.after + new[place.end :]
    before, now = (re.search(rf"{BREAK}\Z", each) for each in (text, new))
    if now and text and not before:
        return new[: now.start()]
    return new + before[0] if before and new and not now else new
