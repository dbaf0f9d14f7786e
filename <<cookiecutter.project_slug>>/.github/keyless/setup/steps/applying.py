"""Terraform plans with the values as they will be, and applies what was shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from keyless.console import Problem
from keyless.model.account import Account
from keyless.model.plan import quote_key
from keyless.paths import TFVARS
from keyless.programs import Done
from keyless.setup.aws_account import count_images, delete_registry_command
from keyless.setup.changes import COMES_ALONG, KEPT_KINDS, describe_change, planned_actions
from keyless.setup.credentials import typed_by_hand
from keyless.setup.retry import AGAIN
from keyless.setup.steps.judging import judge
from keyless.setup.steps.situation import Situation
from keyless.setup.terraform import (
    IAC_TOOL,
    INFRA,
    PROVIDER,
    State,
    failure,
    module_address,
    show_plan,
    terraform,
    terraform_initialised,
)
from keyless.writing import write_text

IMPORTS = INFRA / "bootstrap_imports.tf"  # exists only while Terraform plans
DESTROYS = "Terraform would destroy what others may use, so nothing was changed in AWS:"


def plan(situation: Situation, of: State) -> list[str]:
    """Let Terraform plan with the values to be written; return the changes, a line each.

    Raises:
        Problem: it fails, the check refuses it, or it would destroy what others may use.
    """
    done = _run_plan(situation, of)
    if done.status == 0:
        return []
    if done.status != 2:
        raise _plan_failed(done)
    text = show_plan(str(situation.plan_file(of)))
    shown = situation.folder / "plan.json"
    write_text(shown, text)
    judge(situation, "--plan", str(shown))
    changes = [one for one in json.loads(text)["resource_changes"] if describe_change(one)]
    _refuse_destruction(situation, changes)
    return [describe_change(one) for one in changes] or ["write the outputs into the state"]


def _run_plan(situation: Situation, of: State) -> Done:
    values, file = situation.write_aside(), situation.plan_file(of)
    imports = {
        address: number
        for address, number in situation.imports.items()
        if _file_of(situation.account, address) == of.values
    }
    try:
        if imports:  # Terraform docs, "import" blocks; known since 1.5
            block = "import {{\n  to = {}\n  id = {}\n}}\n"
            blocks = [block.format(each, quote_key(imports[each])) for each in imports]
            write_text(IMPORTS, "".join(blocks))
        options = ("-input=false", "-detailed-exitcode", f"-out={file}")
        files = [f"-var-file={values / Path(path).name}" for path in (TFVARS, of.values)]
        return terraform_initialised("plan", *options, *dict.fromkeys(files), of=of)
    finally:
        IMPORTS.unlink(missing_ok=True)


def _file_of(account: Account, address: str) -> str:
    """Return the file of the entry that an address of Terraform belongs to."""
    own = [
        place
        for key, place in account.places.items()
        if address.startswith(f"{module_address(key)}.") or address.endswith(f"[{quote_key(key)}]")
    ]
    return own[0] if own else TFVARS


def _plan_failed(done: Done) -> Problem:
    what = f"{IAC_TOOL} plan failed, so nothing was changed in AWS"
    if "prevent_destroy" not in done.said:
        return failure(done, what)
    message = (
        f"{what}:\n{done.said}\nOther roles may use the provider that this state created, so it"
    )
    forget = typed_by_hand(f"{IAC_TOOL} -chdir=infra state rm '{PROVIDER}[0]'")
    return Problem(f"{message} must stay. Remove it from the state:", *forget, AGAIN)


class _FullRegistry(NamedTuple):
    """An ECR repository that Terraform cannot destroy, because it holds images."""

    name: str
    images: int
    deletion: str  # the command that deletes it


def _refuse_destruction(situation: Situation, changes: list[dict[str, Any]]) -> None:
    """Refuse a plan that destroys what others may use, unless that is allowed and can be done."""
    gone = [
        one for one in changes if one["type"] in KEPT_KINDS and "delete" in planned_actions(one)
    ]
    lost = "".join(f"\n  {describe_change(one)}" for one in gone)
    registries = [each for each in gone if each["type"] == "aws_ecr_repository"]
    full = list(filter(None, (_full_registry(situation.account, each) for each in registries)))
    if full:
        raise _images_problem(lost, full)
    if gone and not situation.options.allow_destroy:
        meant = "Undo the edit that causes this. If you mean it:"
        raise Problem(f"{DESTROYS}{lost}\n{meant}", f'{AGAIN} ARGS="--allow-destroy"')


def _full_registry(account: Account, change: dict[str, Any]) -> _FullRegistry | None:
    before = change["change"]["before"]
    name, region = str(before["name"]), before.get("region") or account.region
    if before.get("force_delete"):
        return None
    where = account._replace(region=region)
    count = count_images(where, name)
    return _FullRegistry(name, count, delete_registry_command(where, name)) if count else None


def _images_problem(lost: str, full: list[_FullRegistry]) -> Problem:
    """Return why ECR repositories with images are not destroyed, and both ways to continue."""
    message = f"{DESTROYS}{lost}"
    for registry in full:
        images = f"{registry.images} image{'s' * (registry.images > 1)}"
        message += (
            f"\nThe ECR repository {registry.name} holds {images}, so it cannot be destroyed."
        )
    return Problem(
        f"{message}\nUndo the edit that causes this. If you mean it, delete the images first. Or"
        " remove role and ECR repository from the state; both then stay in AWS:",
        *(registry.deletion for registry in full),
        f"{IAC_TOOL} -chdir=infra state rm 'module.repository[\"KEY\"]'",
        f'{AGAIN} ARGS="--allow-destroy"',
    )


def apply_unseen(situation: Situation, of: State, said: list[str]) -> None:
    """Plan what could not be planned before, and apply it if all of it was shown.

    Raises:
        Problem: it does more than was shown, or cannot be planned or applied.
    """
    changes = plan(situation, of)
    more = [one for one in changes if one not in said and not re.match(COMES_ALONG, one)]
    if more:
        message = "Terraform would do more than was shown, so nothing was changed in AWS:"
        message += "".join(f"\n  {each}" for each in more)
        raise Problem(f"{message}\nTo see all of it before you answer:", AGAIN)
    if changes:
        apply(situation, of)


def apply(situation: Situation, of: State) -> None:
    """Apply the plan of a state.

    Raises:
        Problem: Terraform fails.
    """
    file = str(situation.plan_file(of))
    if terraform("apply", "-input=false", file, show=True, of=of).status:
        message = (
            f"{IAC_TOOL} apply failed with the error above. The state contains what was created."
        )
        raise Problem(f"{message} To continue:", AGAIN)
