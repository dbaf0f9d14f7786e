"""Follow the commands of a message, and find out whether they have changed anything."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from tests.support.desk import Desk, Ended


class Said(NamedTuple):
    """One line of doctor, as a program reads it."""

    state: str
    text: str
    commands: list[str]


def doctor_says(desk: Desk, name: str) -> list[Said]:
    """Return what doctor says of one concern."""
    lines = json.loads(desk.doctor("--json").out)
    return [
        Said(one["state"], one["text"], one["commands"]) for one in lines if one["name"] == name
    ]


def commands_of(ended: Ended) -> list[str]:
    """Return the commands below the message with which bootstrap has ended."""
    lines = ended.out.splitlines()
    below = next(
        place for place in range(len(lines), 0, -1) if not lines[place - 1].startswith("  ")
    )
    return [line.strip() for line in lines[below:]]


def follow(desk: Desk, command: str, given: str = "", **environment: str) -> Ended:
    """Type a command that was printed, in a shell at the desk; it must succeed.

    Args:
        desk: whose project it is typed in.
        command: as it was printed.
        given: what is typed when it asks.
        environment: further variables of the shell.
    """
    line = f"printf '%s\\n' '{given}' | ({command})" if given else command
    ended = desk.run("bash", "-c", line, **environment)
    assert ended.status == 0, f"{command}\n{ended.out}"
    return ended


def words(ended: Ended) -> str:
    """Return what was printed as one line, without line breaks of the screen."""
    return re.sub(r"\s+", " ", ended.out)
