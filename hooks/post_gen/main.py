"""The steps of the hook, in order."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from .cleaning import clean
from .generated import TOOL, Generated
from .judging import defects
from .printing import say_adopted, say_judged, say_next, say_refused


def main(answers: dict[str, Any]) -> int:
    """Clean and judge the repository in the current directory, and print what comes next.

    Args:
        answers: all values of cookiecutter.json, rendered.

    Returns:
        The exit status: 1 where something is wrong, after which cookiecutter removes what it made.
    """
    sys.dont_write_bytecode = True  # a __pycache__ in the tool's folder would be a change
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    root = Path.cwd()
    clean(root, TOOL, json.loads(answers["__strays"]))
    if os.environ.get("KEYLESS_RENDER"):  # `make update` of a project judges what it merges
        return 0
    repository = Generated(root, answers)
    findings, skipped = defects(repository)
    if repository.adopted:
        say_adopted(repository)
    if findings:
        say_refused(repository, findings)
        return 1
    say_judged(repository, skipped)
    say_next(repository)
    return 0
