"""This repository as it was generated: its values, its own entry, and what runs its image."""

from __future__ import annotations

import json

from keyless.console import Problem
from keyless.model.account import Account, read_account
from keyless.model.service import read_service
from keyless.paths import ANSWERS, INFRA_JSON, ROOT, TFVARS
from keyless.release.running import Target
from keyless.release.targets import target_of


def answered_slug() -> str | None:
    """Return the answer to project_slug, the key of the own entry; None if it is unknown."""
    try:
        answers = json.loads((ROOT / ANSWERS).read_text(encoding="utf-8"))
        return str(answers["default_context"]["project_slug"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def account_here(command: str) -> Account:
    """Return what infra/terraform.tfvars.json says, and the files beside it.

    Args:
        command: what was typed, for example make bootstrap.

    Raises:
        CannotJudge: it is missing, or is no such file.
        Problem: infra/ is in another repository.
    """
    account = read_account(ROOT)
    if not account.made_here:
        central = central_repository() or "another repository"
        raise Problem(f"infra/ of this repository is in {central}. Type {command} there.")
    return account


def central_repository() -> str:
    """Return the repository whose infra/ has written infra.json; empty if it names none."""
    try:
        written_by = json.loads((ROOT / INFRA_JSON).read_text(encoding="utf-8"))["written_by"]
        named = not {" ", ":"} & set(written_by)  # before the first fetch it holds a sentence
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return str(written_by) if named else ""


def own_key(account: Account) -> str:
    """Return the key of this repository's own entry.

    Raises:
        Problem: there are several, and none is that of the answers.
    """
    keys = list(account.entries)
    key = answered_slug()
    if key in keys or len(keys) == 1:
        return str(key if key in keys else keys[0])
    raise Problem(
        f"{TFVARS} has no entry {key or 'of the answers'!r}, so it is unknown which of its"
        f" {len(keys)} entries belongs to this repository. Restore the key. It never changes, even"
        " if the repository is renamed.",
        f"git log --patch -- {TFVARS}",
    )


def service_target(account: Account) -> Target | None:
    """Return what runs the image, as a target that AWS can be asked about; None if nothing does."""
    service = read_service(ROOT, account)
    return target_of(service) if service else None
