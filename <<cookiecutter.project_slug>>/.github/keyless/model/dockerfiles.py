"""A Dockerfile: its stages, the images that it begins with, and what it copies from the context.

[Docker docs, "Dockerfile reference", ".dockerignore files"]
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Line(NamedTuple):
    """Something that an instruction names, and the line (from 1) that it stands on."""

    text: str
    line: int


class Dockerfile(NamedTuple):
    """What is read of a Dockerfile."""

    stages: list[str]  # in lower case
    bases: list[Line]  # images that are pulled
    copies: list[Line]  # files and folders of the context


def read_dockerfile(path: Path) -> Dockerfile:
    """Return what a Dockerfile says; what it computes from arguments is left out."""
    text = path.read_text(encoding="utf-8", errors="replace")
    joined = re.sub(r"\\\r?\n", lambda _: " \0", text)
    stages: list[str] = []
    bases: list[Line] = []
    copies: list[Line] = []
    number = 1
    for line in joined.splitlines():
        words = line.replace("\0", " ").split()
        name = words[0].upper() if words else ""
        rest = [word for word in words[1:] if not word.startswith("--")]
        if name == "FROM" and rest:
            if rest[0].lower() not in stages and "$" not in rest[0]:
                bases.append(Line(rest[0], number))
            stages += [rest[2].lower()] if len(rest) > 2 and rest[1].upper() == "AS" else []
        elif name in ("COPY", "ADD") and not re.search(r"--from\b|<<|\$", line):
            copies += [Line(each, number) for each in _sources(line, rest)]
        number += 1 + line.count("\0")
    return Dockerfile(stages, bases, copies)


def _sources(line: str, words: list[str]) -> Iterator[str]:
    if "[" in line:
        try:
            words = [str(each) for each in json.loads(line[line.index("[") : line.rindex("]") + 1])]
        except ValueError:
            return
    yield from (each.strip("\"'") for each in words[:-1] if "://" not in each)


def is_ignored(path: str, patterns: str) -> bool:
    """Tell whether a .dockerignore leaves a file or a folder of the context out, as a whole."""
    ignored = False
    for line in patterns.splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        kept = text.startswith("!")
        pattern = text.lstrip("!").strip().strip("/")
        parents = [path[: match.start()] for match in re.finditer("/", path)]
        fits = any(re.fullmatch(_expression(pattern), each) for each in (*parents, path))
        if fits or (kept and pattern.startswith(f"{path}/")):
            ignored = not kept
    return ignored


def _expression(pattern: str) -> str:
    """Return the regular expression of a pattern of a .dockerignore."""
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", pattern)
    return "".join(meaning.get(part) or re.escape(part) for part in parts)
