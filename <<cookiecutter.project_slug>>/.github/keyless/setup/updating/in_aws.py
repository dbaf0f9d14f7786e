"""What an update means in AWS: a plan without credentials, of one infra/ after the other."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from keyless.model.account import Account, read_account
from keyless.model.answers import INSTALL_PAGES, applying_program
from keyless.model.findings import CannotJudge
from keyless.paths import SERVICE_JSON, TFVARS
from keyless.planning.changing import Change, plan_changes
from keyless.planning.offline import Refused
from keyless.setup.changes import KEPT_KINDS, describe_change, planned_actions

NOTHING = "Nothing changes in AWS."
ELSEWHERE = "infra/ is in another repository, so this update changes nothing in AWS."
LEAVES = (
    "infra/ is removed from this repository. Everything that it has created stays in AWS, and in"
    " Terraform's state."
)
LATER = "Before you apply anything, look at a plan with credentials: make plan"
# Folders of infra/ that Terraform does not read, and files that say nothing of what is wanted.
_UNREAD_FOLDERS = {".terraform", "tests", "shared"}
_UNREAD = re.compile(r"\.gitignore|\.terraform\.lock\.hcl|.*\.tfstate(\..*)?|.*\.tfplan")
# A path that leads out of infra/, to something else than the settings of the service.
_OUTSIDE = re.compile(rb"\.\./(?!service\.json\")")


class Planned(NamedTuple):
    """What an update means in AWS."""

    lines: list[str]  # for people
    lost: list[str]  # the addresses of what others rely on, and is destroyed or replaced
    unknown: str  # why it could not be planned, and what to type; empty where it was


def planned(before: Path, after: Path, providers: Path | None = None) -> Planned:
    """Return what applying `after` changes in AWS, if all that `before` makes exists.

    Args:
        before: the root of the project as it is.
        after: the root of the project as an update makes it. Neither is written to.
        providers: a folder with Terraform's providers, to spare a download.
    """
    here = [(root / TFVARS).is_file() for root in (before, after)]
    if not here[1]:
        return Planned([LEAVES if here[0] else ELSEWHERE], [], "")
    if here[0] and _is_same(before, after):
        return Planned([NOTHING], [], "")
    program = applying_program(after)
    if not shutil.which(program):
        why = f"{program} is not installed, so it is unknown what this means in AWS."
        page = f"Install {program} 1.10 or newer: {INSTALL_PAGES[program]}"
        return Planned([], [], f"{why} {page} {LATER}")
    try:
        now = read_account(after)
        then = read_account(before) if here[0] else None
        changes = plan_changes((before, then) if then else None, (after, now), program, providers)
    except (CannotJudge, Refused) as reason:
        why = f"It is unknown what this means in AWS, because no plan can be made here: {reason}."
        return Planned([], [], f"{why} {LATER}")
    lines = [*map(_in_words, changes), *(_left_behind(then, now) if then else ())]
    lost = [
        each["address"]
        for each in changes
        if each["type"] in KEPT_KINDS and "delete" in planned_actions(each)
    ]
    return Planned(lines or [NOTHING], lost, "")


def _is_same(before: Path, after: Path) -> bool:
    """Tell whether Terraform reads the same on both sides."""
    read = _read_by_terraform(before)
    outside = any(_OUTSIDE.search(data) for name, data in read.items() if name != SERVICE_JSON)
    linked = any(each.is_symlink() and each.is_dir() for each in (before / "infra").rglob("*"))
    return not outside and not linked and read == _read_by_terraform(after)


def _read_by_terraform(root: Path) -> dict[str, bytes]:
    found = []
    for folder, folders, files in os.walk(root / "infra"):
        folders[:] = sorted({*folders} - _UNREAD_FOLDERS)
        found += [Path(folder, name) for name in files if not _UNREAD.fullmatch(name)]
    found += [root / SERVICE_JSON]
    return {
        each.relative_to(root).as_posix(): each.read_bytes() for each in found if each.is_file()
    }


def _in_words(change: Change) -> str:
    """Return in one line what a plan does with a resource, as bootstrap says it."""
    said = describe_change(change)
    moved, address = change.get("previous_address"), change["address"]
    if said and change["type"] == "aws_ecr_lifecycle_policy" and len(planned_actions(change)) > 1:
        said += " (only the policy)"  # each edit of it replaces it (AWS provider 5.100)
    if said:
        return said + (f" (moved from {moved})" if moved else "")
    return f"{'move':<10} {moved} to {address}" if moved else f"{'forget':<10} {address}"


def _left_behind(before: Account, after: Account) -> list[str]:
    """Return what stays where it is when everything is made elsewhere."""
    if before.id != after.id:
        what = f"The role and the ECR repository in AWS account {before.id} stay"
    elif before.region != after.region:
        what = f"The ECR repository in region {before.region} stays"
    else:
        return []
    return [f"{what} there, with all images. Nothing updates them."]
