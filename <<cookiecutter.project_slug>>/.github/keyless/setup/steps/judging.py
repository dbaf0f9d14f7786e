"""The check judges the values as they will be, before they are used."""

from __future__ import annotations

from keyless.console import Problem
from keyless.model.findings import UNJUDGED
from keyless.paths import TFVARS
from keyless.setup.contract import run_check
from keyless.setup.retry import AGAIN
from keyless.setup.steps.situation import Situation

FIX = "make check ARGS=--fix"


def judge_before_github(situation: Situation) -> None:
    """Let the check judge all values except the subjects, which come from GitHub.

    Raises:
        Problem: it has findings.
    """
    texts = dict(situation.texts)
    for key, entry in situation.account.entries.items():
        if entry.get("subject_prefix") is not None:
            situation.set_value(key, "subject_prefix", None)
    judge(situation)
    situation.texts = texts


def judge(situation: Situation, *arguments: str) -> None:
    """Let the check judge the values, as CI does; with --plan also what Terraform will do.

    What the plan for AWS does not show yet, the check has judged before in a plan of its own.

    Args:
        situation: with the values as they will be.
        arguments: further arguments of the check: --plan and a file.

    Raises:
        Problem: it has findings, or cannot judge, or lacks PyYAML.
    """
    values = situation.write_aside()
    file = values / TFVARS.rpartition("/")[2]
    done = run_check("--values", str(file), *arguments)
    seen_before = bool(arguments) and done.status == 2 and f": {UNJUDGED} " in done.out
    if done.status and not seen_before:
        text = f"{done.out}{done.err}".strip().replace(f"{values}/", "infra/")
        message = f"make check has found this, so nothing is applied:\n{text}\nCorrect it, then"
        message += " continue. The first command offers to make the edits that are safe:"
        raise Problem(message, FIX, AGAIN)
