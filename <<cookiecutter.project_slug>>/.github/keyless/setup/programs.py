"""TODO."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from keyless.console import Problem
from keyless.paths import ROOT, TFVARS

INFRA, INFRA_TFVARS = ROOT / "infra", ROOT / TFVARS


AGAIN = "make bootstrap"


AT_ONCE = 8  # questions to GitHub; its docs ask for less than 100 at a time


TOOL = "terraform"  # the program that applies infra/


OLDEST = (1, 10)  # version of TOOL, as infra/versions.tf says


# Which program is needed, its name in Homebrew, and where it is explained otherwise.
TOOLS = {
    "terraform": ("hashicorp/tap/terraform", "https://developer.hashicorp.com/terraform/install"),
    "tofu": ("opentofu", "https://opentofu.org/docs/intro/install"),
}


PROGRAMS = {
    "git": ("git", "https://git-scm.com/downloads"),
    "gh": ("gh", "https://cli.github.com"),
    "aws": (
        "awscli",
        "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    ),
    TOOL: TOOLS[TOOL],
}


class Done(NamedTuple):
    """How a program ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """What it said of its failure, without empty lines around."""
        said = re.sub(r"\x1b\[[0-9;]*m", "", self.err.strip() or self.out.strip())
        return said or f"exit status {self.status}"


def run(
    *command: str, given: str | None = None, show: bool = False, known: dict[str, str] | None = None
) -> Done:
    """Run a program to its end; with `show` it prints by itself; `known` are further variables.

    Ctrl-C reaches the program, too, and its own way of stopping is waited for: Terraform then still
    writes its state.
    """
    to = None if show else subprocess.PIPE
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(known or {})},
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
        stdout=to,
        stderr=to,
        encoding="utf-8",
        errors="replace",
    )
    try:
        out, err = process.communicate(given)
    except KeyboardInterrupt:
        process.communicate()
        raise
    return Done(process.returncode, out or "", err or "")


def require(done: Done, what: str, *commands: str) -> None:
    """Go on where a program has succeeded.

    Raises:
        Problem: it has not; what it printed is in the text.
    """
    if done.status:
        raise Problem(f"{what}:\n{done.said}", *commands, AGAIN)


def parse_answer(who: str, text: str) -> Any:
    """Return what an answer in JSON says.

    Raises:
        Problem: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        said = " ".join(text.split())[:100] or "nothing"
        raise Problem(f"{who} answered something else than JSON: {said}", AGAIN) from error


def in_parallel(ask: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Yield what is answered for each item, in their order; several are asked for at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(ask, items)
