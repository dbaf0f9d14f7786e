"""The check, as bootstrap and doctor run it: in a process of its own, as a person does.

PyYAML may be missing where this runs; the check then says so, and its exit status is 2.
"""

from __future__ import annotations

import sys

from keyless.paths import TOOL
from keyless.programs import Done, run


def run_check(*arguments: str, show: bool = False) -> Done:
    """Run the command check with options; its `--help` explains the exit status.

    With `show` it prints by itself.
    """
    return run(sys.executable, TOOL, "check", *arguments, show=show)
