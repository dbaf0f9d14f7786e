"""The log of a run, as `gh run view --log` prints it: what was published, or what has failed.

A line is job, step and text, separated by tabs. The runner puts a time before each message; further
lines of the same message have no time [cli/cli, pkg/cmd/run/view; actions/runner, Logging.cs].
"""

from __future__ import annotations

import re
from typing import NamedTuple

SHOWN = 40  # lines of a step that has failed
TIME = re.compile("\ufeff?[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z ?")
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# The rows that the steps of deploy.yml print and `make release` repeats.
IMAGE = r"Image +(\S+@sha256:[0-9a-f]{64})"
ROW = r"(Tags|Platforms?|Pull|Service) {2,}(\S.*)"
ROWS = 12  # lines below the image in which rows are searched
ERROR = "##[error]"
EXIT = f"{ERROR}Process completed with exit code "


class Entry(NamedTuple):
    """A message in the log: its first line, or a further one."""

    text: str
    first: bool


class Failure(NamedTuple):
    """What is shown of a step that has failed."""

    lines: list[str]
    says_what_to_type: bool  # its error has further lines, as the errors of this tool have


def entries_of(log: str) -> list[Entry]:
    """Return the messages of a log, without jobs, steps, times and colours."""
    found = []
    for line in COLOUR.sub("", log).splitlines():
        text = line.split("\t", 2)[-1]
        time = TIME.match(text)
        found.append(Entry(text[time.end() :] if time else text, bool(time)))
    return found


def published_rows(log: str) -> list[str]:
    """Return the rows of the table that the publishing job has printed; none if there is none."""
    texts = [one.text for one in entries_of(log)]
    for place, text in enumerate(texts):
        image = re.fullmatch(IMAGE, text.strip())
        if image:
            below = [re.fullmatch(ROW, each.strip()) for each in texts[place + 1 :][:ROWS]]
            rows = [("Image", image[1]), *((row[1], row[2]) for row in below if row)]
            title = [texts[place - 1].strip()] if place else []
            return title + [f"{name:<10}{value}" for name, value in rows]
    return []


def failure_of(log: str) -> Failure:
    """Return what to show of the failed steps: each error whole, and the last lines before."""
    entries = _without_headers(entries_of(log))
    errors = _errors(entries)
    own = [place for place in errors if not entries[place].text.startswith(EXIT)]
    kept = own or errors
    rest = [place for place in range(len(entries)) if place not in errors]
    space = max(SHOWN - len(kept), 0)
    shown = sorted([*kept, *(rest[-space:] if space else [])])
    lines = [entries[place].text.replace(ERROR, "Error: ", 1) for place in shown]
    lines = [re.sub(r"^##\[(\w+)\]", r"\1: ", line) for line in lines]
    says = any(not entries[place].first for place in own)
    return Failure(["..."] * (len(rest) > space) + lines, says)


def _without_headers(entries: list[Entry]) -> list[Entry]:
    """Leave out what the runner prints before each step: its script and its environment."""
    kept, inside = [], False
    for entry in entries:
        inside = inside or entry.text.startswith("##[group]Run ")
        if not inside and entry.text.strip():
            kept.append(entry)
        inside = inside and not entry.text.startswith("##[endgroup]")
    return kept


def _errors(entries: list[Entry]) -> list[int]:
    """Return the places of the lines of errors, further lines included."""
    found, inside = [], False
    for place, entry in enumerate(entries):
        inside = entry.text.startswith(ERROR) or (inside and not entry.first)
        if inside:
            found.append(place)
    return found
