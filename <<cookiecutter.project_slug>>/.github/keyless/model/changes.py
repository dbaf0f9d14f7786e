"""The edits that mend a finding: the value of a key, or a line that is added or removed.

They are made for what people write by hand: a key and its value on one line. Where a file says it
in another way there is no edit, and the finding says in words what to do.
"""

from __future__ import annotations

import json
import re

from keyless.model.findings import Edit

_VALUE = (
    r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|\$\{\{.*?\}\}(?:[^\s,}#][^,}#]*?)?"
    r"|[^\s,{}\[\]#\"'|>&*!][^,}#]*?"
)
# What YAML reads as text without quotes, and as one value in a mapping on one line, too.
_PLAIN = r"[A-Za-z/$.][\w./$@:+-]*(\$\{\{ [\w.]+ \}\}[\w./@:+-]*)*|(\$\{\{ [\w.]+ \}\})+"


def set_value(
    path: str, lines: list[str], number: int, key: str, value: str, safe: bool = True
) -> Edit | None:
    """Return the edit that gives a key another value, on the line (from 1) that it stands on."""
    if not 0 < number <= len(lines):
        return None
    name = rf"(?<![\w-])[\"']?{re.escape(key)}[\"']?: *"
    found = list(
        re.finditer(rf"(?i)({name})({_VALUE})(?= *(?:,|\}}|\]|$|#|\s))", lines[number - 1])
    )
    if len(found) != 1 or found[0][2] in ("{", "["):
        return None
    in_quotes = path.endswith(".json") or found[0][2].startswith('"')
    after = found[0][1] + quoted(value, in_quotes)
    if lines[number - 1].count(found[0][0]) != 1 or after == found[0][0]:
        return None
    return Edit(path, number, found[0][0], after, safe)


def quoted(value: str, in_quotes: bool = False) -> str:
    """Return a text as YAML or JSON has it."""
    return value if re.fullmatch(_PLAIN, value) and not in_quotes else json.dumps(value)


def remove_line(
    path: str, lines: list[str], number: int, key: str, safe: bool = True
) -> Edit | None:
    """Return the edit that removes a key with its value from a line of its own."""
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    match = re.fullmatch(rf"(\s*)[\"']?{re.escape(key)}[\"']?:(\s+[^|>&{{\[\s].*)?", line, re.I)
    if not match or _depth(lines, number) > len(match[1]):
        return None  # it is no line of its own, or more of it stands below
    above = lines[number - 2] if number > 1 else ""
    alone = above.rstrip().endswith(":") and _depth(lines, number) < len(match[1])
    if alone:  # what it is the only key of goes, too
        return Edit(path, number - 1, f"{above}\n{line}\n", "", safe)
    return Edit(path, number, f"{line}\n", "", safe)


def _depth(lines: list[str], number: int) -> int:
    """Return how far the next line of a file that is not empty is indented."""
    for line in lines[number:]:
        if line.strip() and not line.lstrip().startswith("#"):
            return len(line) - len(line.lstrip())
    return 0


def insert_below(
    path: str, lines: list[str], number: int, text: str, safe: bool = True
) -> Edit | None:
    """Return the edit that adds a key below one on a line of its own, as far indented as that."""
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    match = re.match(r"\s*(?=[\w\"'-]+:\s+[^|>&{\[\s])", line)
    if not match or _depth(lines, number) > len(match[0]) or "{" in line.split("${{")[0]:
        return None
    return Edit(path, number, f"{line}\n", f"{line}\n{match[0]}{text}\n", safe)
