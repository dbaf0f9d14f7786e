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


def is_true(text: str) -> bool:
    """Tell whether an input says true, as core.getBooleanInput reads it."""
    return text in {"true", "True", "TRUE"}


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
