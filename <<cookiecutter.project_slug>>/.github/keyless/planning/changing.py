"""What Terraform changes if one infra/ follows another, without credentials.

What the first one makes is made up, and the second one is planned against that.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from keyless.model.account import Account
from keyless.model.plan import Resource, resources_in
from keyless.planning.made_up import state_of
from keyless.planning.offline import initialised, is_of_aws, make_plan
from keyless.planning.program import Terraform
from keyless.planning.workspace import copy_infra, with_prefixes, write_state

TRIES = 2  # what refers to a resource that is to be created is known in the second plan
Change = dict[str, Any]  # one of the resource_changes of a plan
Side = tuple[Path, Account]  # the root of a repository, and what it says of its account


def plan_changes(
    before: Side | None, after: Side, program: str, installed: Path | None
) -> list[Change]:
    """Return what Terraform does with the resources of AWS, if everything before exists.

    Args:
        before: None where nothing exists.
        after: what is planned. Neither folder is written to.
        program: terraform or tofu.
        installed: a folder with providers, to spare a download.

    Raises:
        CannotJudge: it cannot be planned without credentials, or not here.
        Refused: Terraform refuses one of them.
    """
    with ExitStack() as stack:
        newer = stack.enter_context(_at_hand(*after, program, installed))
        _let_destroy(newer.folder)
        if before is None:
            return _changes(make_plan(newer))
        own = newer.folder / ".terraform/providers"
        there = own if own.is_dir() else installed
        older = stack.enter_context(_at_hand(*before, program, there))
        made = list(resources_in(make_plan(older)))
        for _ in range(TRIES):
            kept = [each for each in made if _stays(each, before[1], after[1])]
            write_state(newer.folder, state_of(kept, before[1]))
            changes = _changes(make_plan(newer, "-refresh=false"))
            if not changes:
                break
            # What the first infra/ would change, too, comes from what was made up.
            write_state(older.folder, state_of([*filter(is_of_aws, made)], before[1]))
            again = make_plan(older, "-refresh=false")
            made, noise = list(resources_in(again)), _changes(again)
            changes = [each for each in changes if not _is_noise(each, noise)]
            if not noise or not changes:
                break
        return changes


@contextmanager
def _at_hand(
    root: Path, account: Account, program: str, installed: Path | None
) -> Iterator[Terraform]:
    """Yield the program that plans; what it downloads stands in a folder for the moment."""
    account = with_prefixes(account)
    with tempfile.TemporaryDirectory() as folder:
        spare = copy_infra(root, account, Path(folder).resolve(), program).parent
        with initialised(spare, account, program, installed) as terraform:
            yield terraform


def _let_destroy(infra: Path) -> None:
    """Let a plan show what it would destroy; with prevent_destroy it ends with an error."""
    for file in infra.rglob("*.t*"):
        if file.suffix in (".tf", ".tofu"):
            text = file.read_text(encoding="utf-8")
            file.write_text(re.sub(r"\bprevent_destroy\s*=\s*true\b", "", text), encoding="utf-8")


def _stays(resource: Resource, before: Account, after: Account) -> bool:
    """Tell whether a resource is there for a plan: IAM has no region, and all else has one."""
    same_region = before.region == after.region or resource.type.startswith("aws_iam_")
    return is_of_aws(resource) and before.id == after.id and same_region


def _changes(shown: Any) -> list[Change]:
    """Return what a plan does with resources of AWS; what is only moved counts, too."""
    return [
        each
        for each in shown.get("resource_changes", [])
        if each["mode"] == "managed"
        and each["provider_name"].endswith("/hashicorp/aws")
        and (each["change"]["actions"] != ["no-op"] or each.get("previous_address"))
    ]


def _is_noise(change: Change, noise: list[Change]) -> bool:
    """Tell whether the same is changed in the same way where nothing was edited."""
    return any(_done(change) == _done(each) for each in noise)


def _done(change: Change) -> tuple[Any, ...]:
    place = change.get("previous_address") or change["address"]
    return place, *(change["change"].get(key) for key in ("actions", "after", "after_unknown"))
