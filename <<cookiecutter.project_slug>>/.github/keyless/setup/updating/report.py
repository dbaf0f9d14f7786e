"""What an update or a change would do, in words: for people at a desk, and for the commit."""

from __future__ import annotations

import re
from typing import NamedTuple

from keyless.console import wrapped
from keyless.paths import ANSWERS, TOOL
from keyless.setup.updating.merging import Merge
from keyless.setup.updating.repository import ask

INDENT = " " * 18
SHOWN = 12  # files of a kind
KINDS = {
    "merged": "merged",  # with edits of the team
    "M": "changed",
    "A": "added",
    "R": "renamed",
    "D": "removed",
}


class Meaning(NamedTuple):
    """What the result means."""

    changes: list[str]  # who may publish, what the role may do, what a release does
    in_aws: list[str]  # what the next apply would do
    check: str  # what the check says of it; empty where it could not run


def files_by_kind(merged: Merge) -> dict[str, list[str]]:
    """Return the files that differ, by what happens to them; the tool is one of them."""
    listed = ask(
        merged.clone,
        "The changes cannot be listed",
        *("diff", "--cached", "--name-status", "-z", "-M", "--diff-filter=u", "HEAD"),
    ).split("\0")
    found: dict[str, list[str]] = {}
    at = 0
    while at + 1 < len(listed):
        status, path = listed[at][0], listed[at + 1]
        names = [path]
        if status in "RC":
            names, status = [path, listed[at + 2]], "R"
        at += 1 + len(names)
        if not merged.replaced.isdisjoint(names):
            found["the tool"] = [f"{TOOL}/, as a whole"]
            names, status = names[1:], "A"  # what was renamed from there is new
            if not names or names[0] in merged.replaced:
                continue
        kind = "merged" if path != ANSWERS and status == "M" and path in merged.edited else status
        found.setdefault(KINDS.get(kind, "changed"), []).append(" -> ".join(names))
    return found


def print_files(merged: Merge) -> None:
    """Print what happens to which files."""
    print("\nWhat changes here:")
    for kind, names in sorted(files_by_kind(merged).items(), key=lambda one: _order(one[0])):
        shown = ", ".join(names[:SHOWN]) + f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)
        with_edits = " (your edits stay)" * (kind == "merged")
        print(wrapped(f"  {kind:<16}{shown}{with_edits}", INDENT))
    for conflict in merged.conflicts:
        print(wrapped(f"  {'conflict':<16}{conflict.path}: {conflict.what}", INDENT))
    for line in merged.left:
        print(wrapped(f"  {'left as it is':<16}{line}", INDENT))
    if merged.tool_edited:
        edited = ", ".join(merged.tool_edited[:SHOWN])
        text = f"your edits of the tool, which is replaced: {edited}. They stay in Git's history"
        print(wrapped(f"  {'lost':<16}{text}", INDENT))


def _order(kind: str) -> int:
    return ["the tool", *KINDS.values()].index(kind)


def print_meaning(meaning: Meaning) -> None:
    """Print what the result means."""
    print("\nWhat it means:")
    for line in [*meaning.changes, *meaning.in_aws]:
        print(wrapped(f"  {line}", "  "))
    if meaning.check:
        print(wrapped(f"  The check reports: {meaning.check}", "  "))


def message(title: str, merged: Merge, meaning: Meaning, changelog: str, origin: str) -> str:
    """Return the text of the commit, which is also that of a pull request."""
    parts = [title, "\n".join(f"- {line}" for line in [*meaning.changes, *meaning.in_aws])]
    kept = [
        *merged.left,
        *(f"{path}: your edits of the tool are lost" for path in merged.tool_edited),
    ]
    if kept:
        parts.append("\n".join(f"- {line}" for line in kept))
    if changelog:
        parts.append(re.sub("(?m)^#+ *", "", changelog))  # Git would take it for a comment
    return "\n\n".join([*(part for part in parts if part), origin]) + "\n"
