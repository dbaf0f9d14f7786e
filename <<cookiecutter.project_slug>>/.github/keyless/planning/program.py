"""Terraform, or OpenTofu, run in a copy of infra/: no credentials, no settings, a time limit."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from keyless.model.findings import CannotJudge
from keyless.programs import Done

SECONDS = 300  # 200 entries take 20; what waits for an account that is not there never ends
# What says how a plan is made, or whose account is asked, and what a proxy would be asked for.
_FOREIGN = re.compile(r"(?i)(TF|AWS)_.*|https?_proxy|all_proxy|no_proxy|HOME|XDG_.*")


class Terraform:
    """A program that plans, in one folder, with a clean environment and a time limit for all."""

    def __init__(self, name: str, folder: Path, known: dict[str, str]) -> None:
        """Prepare it.

        Args:
            name: terraform or tofu.
            folder: where it runs; what stands beside it is its own, too.
            known: further variables of its environment.
        """
        self.name = name
        self.folder = folder
        home = folder.parent.parent / "home"
        home.mkdir(exist_ok=True)
        kept = {key: text for key, text in os.environ.items() if not _FOREIGN.fullmatch(key)}
        own = {"HOME": str(home), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
        self._environment = {**kept, **own, **known}
        self._ends = time.monotonic() + SECONDS

    def run(self, *arguments: str) -> Done:
        """Run it to its end.

        Raises:
            CannotJudge: it cannot be started, or takes too long.
        """
        try:
            process = subprocess.Popen(
                [self.name, *arguments],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # so that its providers end with it
            )
        except OSError as error:
            raise CannotJudge(f"infra: {self.name} cannot be run ({error}); install it") from error
        try:
            out, err = process.communicate(timeout=max(1, self._ends - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise CannotJudge(
                f"infra: {self.name} {arguments[0]} was stopped after {SECONDS} s, because"
                " something in infra/ waits for an account or a host"
            ) from error
        finally:
            if process.poll() is None:
                _end(process)
        return Done(process.returncode, out, err)


# What to do where infra/ cannot be planned without credentials.
WAYS_OUT = "Move it into another root module, or ask somebody with credentials to type: make plan"


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.communicate()


def in_one_line(printed: str) -> str:
    """Return what the program has printed without its colours, frames and line breaks."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    lines = [line.strip("│╷╵├─ \t") for line in plain.splitlines()]
    return re.sub(r"\s+", " ", " ".join(lines)).strip()


def first_error(text: str) -> str:
    """Return the first error in what was printed, which is in one line: what, where, and why."""
    errors = re.split(r"\bError: ", text)[1:] or [text]
    told = [each for each in errors if not re.match(r"\w+ encountered problems", each)] or errors
    first = re.split(r"\bWarning: (?=[A-Z])", told[0], maxsplit=1)[0]
    first = re.sub(r"\b\d{6}~", "", first)  # of an override file, in a copy
    return first.strip().rstrip(".")[:600]
