"""Programs of this machine: how they are run, and how their answers are read."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from keyless.console import Problem
from keyless.paths import ROOT


class Unfinished(Problem):
    """A program that failed. The command that was typed is printed below its own commands."""


class Garbled(Unfinished):
    """An answer that cannot be read."""


class Done(NamedTuple):
    """How a program ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The error that it printed, without colours and without surrounding blank lines."""
        said = re.sub(r"\x1b\[[0-9;]*m", "", self.err.strip() or self.out.strip())
        return said or f"exit status {self.status}"


def run(
    *command: str,
    given: str | None = None,
    show: bool = False,
    known: dict[str, str] | None = None,
    seconds: float | None = None,
    root: Path = ROOT,
) -> Done:
    """Run a program in the repository's root, to its end.

    Ctrl-C also reaches the program. This waits until the program has stopped, so that Terraform
    still writes its state.

    Args:
        command: the program and its arguments.
        given: its standard input; empty by default.
        show: whether it prints to the terminal; `out` and `err` are then empty.
        known: further variables of its environment.
        seconds: it is killed after this time.
        root: the folder to run it in.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it was killed.
    """
    to = None if show else subprocess.PIPE
    process = subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, **(known or {})},
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
        stdout=to,
        stderr=to,
        encoding="utf-8",
        errors="replace",
    )
    try:
        out, err = process.communicate(given, timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    except KeyboardInterrupt:
        process.communicate()
        raise
    return Done(process.returncode, out or "", err or "")


def parse_answer(who: str, text: str) -> Any:
    """Return the value of an answer in JSON; `who` names its sender in the error.

    Raises:
        Garbled: it is not JSON.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        said = " ".join(text.split())[:100] or "nothing"
        raise Garbled(f"{who}'s answer is not JSON, so it cannot be read: {said}") from error
