"""The check, as bootstrap and doctor run it: in a process of its own, as a person does.

PyYAML may be missing here. The check then reports it, and its exit status is 2.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from keyless.model.account import read_account
from keyless.model.callers import own_repository
from keyless.model.findings import CannotJudge
from keyless.paths import ROOT, TOOL
from keyless.programs import Done, run


def run_check(*arguments: str, show: bool = False) -> Done:
    """Run the command check with options; its `--help` explains the exit status.

    With `show` it prints to the terminal. The check gets the repository's name from the entry,
    because a remote may still have an old name.
    """
    try:
        given = arguments[arguments.index("--values") + 1] if "--values" in arguments else None
        name = own_repository(ROOT, read_account(ROOT, Path(given) if given else None))
    except CannotJudge:
        name = None  # the check reports why
    named = ("--repository", name) if name and re.fullmatch(r"[\w-]+/[\w.-]+", name) else ()
    return run(sys.executable, TOOL, "check", *arguments, *named, show=show)
