"""A plan, or the reason why there is none, as a finding."""

from __future__ import annotations

import re
from pathlib import Path

from keyless.model.account import Account
from keyless.model.answers import INSTALL_PAGES, applying_program
from keyless.model.findings import REFUSED, UNJUDGED, CannotJudge, Finding
from keyless.model.plan import Plan
from keyless.planning.elsewhere import is_at_hand
from keyless.planning.offline import Refused, plan_infra
from keyless.planning.program import WAYS_OUT
from keyless.planning.workspace import with_prefixes


def plan_or_reason(
    root: Path, account: Account, changed: list[str]
) -> tuple[Plan | None, list[Finding]]:
    """Return the plan of an infra/ that was changed, or why there is none.

    Args:
        root: of the repository.
        account: what it says of its account.
        changed: the files that were changed or added, or are missing.
    """
    first, program = changed[0], applying_program(root)
    if not is_at_hand(root):
        message = "this file was changed or added, so the check must plan infra/, but"
        message += f" {program} is not installed"
        mend = f"install {program}: {INSTALL_PAGES[program]} (1.10 or newer)"
        return None, [Finding(first, 1, UNJUDGED, message, mend)]
    try:
        return plan_infra(root, with_prefixes(account)), []
    except CannotJudge as reason:
        message = str(reason).partition(": ")[2]
        return None, [Finding(*_place(message, first), UNJUDGED, message, WAYS_OUT)]
    except Refused as reason:
        name = "OpenTofu" if program == "tofu" else "Terraform"
        message = f"{name} refuses this: {reason}"
        mend = f"correct it. This shows more: {program} -chdir=infra validate"
        return None, [Finding(*_place(message, first), REFUSED, message, mend)]


def _place(message: str, otherwise: str) -> tuple[str, int]:
    """Return the place that Terraform names in an error, or another file."""
    place = re.search(r" on (\S+) line (\d+)", message)
    return (f"infra/{place[1]}", int(place[2])) if place else (otherwise, 1)
