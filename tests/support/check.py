"""The check in this process: what its user would see, without starting Python again."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from keyless import check
from keyless.model.findings import UNJUDGED, CannotJudge


def judge(
    root: Path, plan: Path | None = None, values: Path | None = None, form: str = "text"
) -> tuple[int, str]:
    """Judge a repository, from its own folder; return exit status and everything printed."""
    printed, before = io.StringIO(), Path.cwd()
    os.chdir(root)
    try:
        with contextlib.redirect_stdout(printed):
            status = check.main(plan, values, form, root)
    finally:
        os.chdir(before)
    return status, printed.getvalue()


def found(root: Path) -> list[tuple[str, str]]:
    """Judge a repository: the rule of each finding, and its path with its message."""
    try:
        return [(one.rule, f"{one.path} {one.message}") for one in check.findings(root)]
    except CannotJudge as reason:
        return [(UNJUDGED, str(reason))]
