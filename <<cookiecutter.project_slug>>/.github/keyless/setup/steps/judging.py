"""The check judges the values as they shall be, before anything is done with them."""

from __future__ import annotations

from keyless.console import Problem
from keyless.model.findings import UNJUDGED
from keyless.paths import TFVARS
from keyless.setup.contract import run_check
from keyless.setup.retry import AGAIN
from keyless.setup.steps.situation import Situation

FIX = "make check ARGS=--fix"


def judge_before_github(situation: Situation) -> None:
    """Let the check judge everything that GitHub is not asked for: all but the subjects.

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
    """Let the check judge the values, as CI does; then also what Terraform is about to do.

    What the plan for AWS does not show yet, the check has seen in a plan of its own before.

    Args:
        situation: with the values as they shall be.
        arguments: further ones of the check: --plan and a file.

    Raises:
        Problem: it has findings, or cannot judge, or lacks PyYAML.
    """
    values = situation.write_aside()
    file = values / TFVARS.rpartition("/")[2]
    done = run_check("--values", str(file), *arguments)
    seen_before = bool(arguments) and done.status == 2 and f": {UNJUDGED} " in done.out
    if done.status and not seen_before:
        text = f"{done.out}{done.err}".strip().replace(f"{values}/", "infra/")
        message = f"make check has found this, so nothing is applied:\n{text}\nCorrect that, and go"
        raise Problem(f"{message} on. This offers the edits that can be made for you:", FIX, AGAIN)
