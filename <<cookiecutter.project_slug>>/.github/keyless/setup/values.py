"""The files with values: read, and edited as texts, so that all else in them stays as it is."""

from __future__ import annotations

import json
import re
from bisect import bisect
from collections.abc import Iterator
from typing import Any, NamedTuple
from unicodedata import normalize

OWN_VALUES = ("github_repository", "subject_prefix")  # what bootstrap writes into an entry
EMPTY_FILE = '{\n  "repositories": {\n  }\n}\n'


class Member(NamedTuple):
    """A member of a JSON object: its key, and where its value begins and ends in the text."""

    key: str
    begin: int
    end: int


def object_members(text: str, start: int) -> Iterator[Member]:
    """Yield the members of the JSON object that begins at a position of a text."""
    space, decode = re.compile(r"[ \t\r\n]*"), json.JSONDecoder().raw_decode

    def behind_space(position: int) -> int:
        return space.match(text, position).end()  # type: ignore[union-attr]

    at = behind_space(start + 1)
    while text[at] == '"':
        key, at = decode(text, at)
        begin = behind_space(behind_space(at) + 1)
        end = decode(text, begin)[1]
        yield Member(normalize("NFC", key), begin, end)  # as Terraform reads it
        at = behind_space(end)
        at = behind_space(at + 1) if text[at] == "," else at


def edit_json(text: str, path: list[str], value: Any) -> str:
    """Return a JSON text with one value changed and all else as it was: order, space, line ends.

    Args:
        text: an object.
        path: the keys that lead to the value; only the last one may be missing.
        value: what JSON can hold.
    """
    start = text.index("{")
    *outer, last = path
    for wanted in outer:
        start = next(one.begin for one in object_members(text, start) if one.key == wanted)
    for member in object_members(text, start):
        if member.key == last:
            return text[: member.begin] + json.dumps(value) + text[member.end :]
    # It is put at the beginning, with the space that its neighbour has.
    space = text[start + 1 : text.index('"', start)]
    new = f"{space}{json.dumps(last)}: {json.dumps(value)},"
    return text[: start + 1] + new + text[start + 1 :]


def without_own_values(text: str) -> Any:
    """Return the values without what bootstrap writes, None for other texts."""
    try:
        values = json.loads(text)
        for entry in values["repositories"].values():
            for attribute in OWN_VALUES:
                entry.pop(attribute, None)
        values.pop("create_oidc_provider", None)
        return values
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def with_entries(text: str, entries: dict[str, dict[str, Any]]) -> str:
    """Return a file with further entries, in the order of their keys; all else is as it was.

    Args:
        text: the file, with an object `repositories`.
        entries: by their keys, none of which is in it.
    """
    repositories = _repositories(text)
    parts: dict[str, str] = {}
    before = repositories.begin + 1
    for key, _, end in object_members(text, repositories.begin):  # as it is written
        parts[key], before = text[before:end].lstrip(", \t\r\n"), end
    keys = list(parts)
    for key, entry in entries.items():
        parts[key] = f"{json.dumps(key)}: {format_entry(entry)}"
    for key in sorted(entries):
        keys.insert(bisect(keys, key), key)
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = [f"    {parts[key]}" for key in keys]
    inside = ",\n".join(lines).replace("\r\n", "\n").replace("\n", newline)
    rest = text[repositories.end :]
    return f"{text[: repositories.begin]}{{{newline}{inside}{newline}  }}{rest}"


def without_entry(text: str, key: str) -> str:
    """Return a file without one of its entries; all else is as it was."""
    begin = _repositories(text).begin
    found = list(object_members(text, begin))
    place = [member.key for member in found].index(key)
    if len(found) == 1:
        return text[: begin + 1] + text[text.index("}", found[0].end) :]
    if place:  # from behind the one before, with its comma
        return text[: found[place - 1].end] + text[found[place].end :]
    start = text.index('"', begin)
    return text[:start] + text[text.index('"', found[0].end) :]


def _repositories(text: str) -> Member:
    members = object_members(text, text.index("{"))
    return next(member for member in members if member.key == "repositories")


def format_entry(entry: dict[str, Any]) -> str:
    """Return an entry as it is written in a file."""
    lines = [f"      {json.dumps(name)}: {json.dumps(value)}" for name, value in entry.items()]
    return "{\n" + ",\n".join(lines) + "\n    }"
