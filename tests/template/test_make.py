"""What somebody gives to `make test` stays there: no make that a test starts gets it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import Bake
from tests.standins.emulator import ROOT
from tests.support.make import OF_MAKE, TAKEN, forget_make

OUTER = """\
ARGS ?=

test:
\t@{python} {script}
"""
SCRIPT = """\
import os, subprocess, sys
sys.path.insert(0, {root!r})
from tests.support.make import forget_make
if {forget}:
    forget_make(os.environ)
subprocess.run(["make", "--file", {inner!r}], check=True)
"""
INNER = """\
ARGS ?=

bootstrap:
\t@echo "bootstrap got [$(ARGS)]"
"""


def bootstrap_in_test(folder: Path, *, forget: bool) -> str:
    """Return what a make prints that a script starts, which a make with ARGS has started."""
    outer, script, inner = folder / "outer.mk", folder / "script.py", folder / "inner.mk"
    outer.write_text(OUTER.format(python=sys.executable, script=script))
    script.write_text(SCRIPT.format(root=str(ROOT), forget=forget, inner=str(inner)))
    inner.write_text(INNER)
    command = ["make", "--file", str(outer), "--silent", "ARGS=--durations=20"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_arguments_of_make_test_do_not_reach_the_makes_that_tests_start(tmp_path: Path) -> None:
    assert "bootstrap got [--durations=20]" in bootstrap_in_test(tmp_path, forget=False)
    assert "bootstrap got []" in bootstrap_in_test(tmp_path, forget=True)


def test_this_process_has_no_variables_of_make_and_the_list_matches_the_makefiles(
    bake: Bake,
) -> None:
    assert {*OF_MAKE, *TAKEN} & set(os.environ) == set()
    known = {"X": "kept", "ARGS": "--durations=20", "MAKEFLAGS": "s"}
    forget_make(known)
    assert known == {"X": "kept"}
    for folder in (ROOT, bake().path, bake(iac_tool="none").path):
        text = (folder / "Makefile").read_text()
        used = set(re.findall(r"\$\(([A-Z]+)\)", text))
        own = set(re.findall(r"^([A-Z]+) :?= ", text, re.MULTILINE)) | {"MAKE", "CURDIR"}
        assert used - own <= set(TAKEN), folder
