"""What a step of an action reads and writes, in the words of GitHub's toolkit (@actions/core)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NoReturn


def inputs() -> dict[str, str]:
    """Return the action's inputs by name; one that was left out is an empty text."""
    given: dict[str, str] = json.loads(os.environ["INPUTS"])
    return {name: value.strip() for name, value in given.items()}


def only(action: str, given: dict[str, str], *known: str) -> None:
    """End the step if it is given an input that the stand-in does not follow."""
    for name, value in given.items():
        if name not in known and value not in {"", "false"}:
            fail(f"The stand-in for {action} does not know the input {name}")


def is_true(given: dict[str, str], name: str, default: bool = False) -> bool:
    """Tell whether an input says true, as core.getBooleanInput reads it; yes or 1 end the step."""
    words = dict.fromkeys(("true", "True", "TRUE"), True)
    words |= dict.fromkeys(("false", "False", "FALSE"), False)
    if given[name] not in {"", *words}:
        fail(f'Input does not meet YAML 1.2 "Core Schema" specification: {name}')
    return words.get(given[name], default)


def listed(text: str) -> list[str]:
    """Return the items of an input whose items stand on lines or between commas."""
    return [item.strip() for item in text.replace(",", "\n").splitlines() if item.strip()]


def output(name: str, value: str) -> None:
    """Set an output of the action."""
    append("GITHUB_OUTPUT", f"{name}={value}")


def export(name: str, value: str) -> None:
    """Set a variable of the environment of all later steps of the job."""
    append("GITHUB_ENV", f"{name}={value}")


def secret(value: str) -> None:
    """Tell the test about a secret.

    The original would mask it in the log. Nothing is masked here, so a test sees who prints it.
    """
    if "STAND_IN_SECRETS" in os.environ:
        append("STAND_IN_SECRETS", value)


def append(variable: str, line: str) -> None:
    """Append a line to the file that a variable of the environment names."""
    with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def fail(message: str) -> NoReturn:
    """End the step as core.setFailed does: one annotation, exit status 1."""
    print(f"::error::{' '.join(message.split())}", flush=True)
    raise SystemExit(1)
