"""The AWS account: what exists under an expected name, and whether the quotas are enough."""

from __future__ import annotations

import json
import re
from typing import Any

from keyless.console import Problem
from keyless.model.plan import quote_key
from keyless.paths import TFVARS
from keyless.setup.aws_account import (
    audience_missing,
    find_provider,
    find_registries,
    find_role,
    find_roles,
    quotas,
)
from keyless.setup.bucket import (
    Bucket,
    bucket_notes,
    create_bucket,
    create_bucket_arguments,
    has_backend,
    state_bucket,
)
from keyless.setup.changes import KEPT_KINDS
from keyless.setup.retry import AGAIN
from keyless.setup.steps.situation import Situation
from keyless.setup.terraform import (
    IAC_TOOL,
    INFRA,
    PROVIDER,
    module_address,
    resource_type,
)
from keyless.setup.values import edit_json

ROLE, REGISTRY = "aws_iam_role.push", "aws_ecr_repository.image"  # in an entry's module


def look_at_bucket(situation: Situation) -> None:
    """Find out whether the bucket for Terraform's state exists; if not, add the step to create it.

    Raises:
        Problem: the bucket cannot be used, or the state is still a file.
    """
    bucket = state_bucket()
    if bucket is None:
        return
    notes = bucket_notes(situation.account, bucket)
    _refuse_local_state(bucket, exists=notes is not None)
    if notes is None:
        situation.no_place_for_state = True
        text = (
            f"create the S3 bucket {bucket.name} in {bucket.region} for the state, with versioning"
        )
        text += " and without public access"
        situation.add(text, lambda: create_bucket(situation.account, bucket))
    else:
        situation.notes += notes


def _refuse_local_state(bucket: Bucket, exists: bool) -> None:
    local = INFRA / "terraform.tfstate"
    if not local.is_file() or not json.loads(local.read_text() or "{}").get("resources"):
        return
    make = f"aws {' '.join(create_bucket_arguments(bucket))} --region {bucket.region}"
    raise Problem(
        f"Terraform's state is still in infra/terraform.tfstate, but {bucket.path} names the"
        f" bucket {bucket.name}. Nothing is lost. Move the state there first:",
        *[make] * (not exists),
        f"{IAC_TOOL} -chdir=infra init -migrate-state",
        AGAIN,
    )


def look_at_account(situation: Situation, made: set[str]) -> None:
    """Find what exists under an expected name, but is not in a state.

    Args:
        situation: with the entries as they will be.
        made: the addresses in Terraform's states.

    Raises:
        Problem: a quota is too low; or something exists, and --yes was given without --import.
    """
    entries = situation.wanted.entries
    lacking_roles, lacking_registries = (
        [entry for key, entry in entries.items() if f"{module_address(key)}.{kind}" not in made]
        for kind in (ROLE, REGISTRY)
    )
    account = situation.account
    roles = find_roles(account, [entry["role_name"] for entry in lacking_roles])
    names = [entry["ecr_repository"] for entry in lacking_registries]
    registries = find_registries(account, names)
    _refuse_beyond_quotas(situation, len(lacking_roles), len(roles), len(names))
    for key, entry in entries.items():
        if roles.get(entry["role_name"]):
            _take_over_role(situation, key, entry["role_name"], roles[entry["role_name"]])
        if entry["ecr_repository"] in registries:
            address = f"{module_address(key)}.{REGISTRY}"
            take_over(situation, address, entry["ecr_repository"], "keeps its images")
    _take_over_service_roles(situation, made)
    if not made and not has_backend():
        situation.notes.append(
            "Terraform's state will be the file infra/terraform.tfstate. It is not committed. Keep"
            " it, and give it to the next person who applies infra/."
        )


def _refuse_beyond_quotas(
    situation: Situation, lacking_roles: int, existing_roles: int, lacking_registries: int
) -> None:
    wanted = situation.wanted
    for quota in quotas(wanted, lacking_roles, existing_roles, lacking_registries):
        if quota.wanted > quota.most:
            raise Problem(
                f"The quota {quota.name!r} of account {wanted.id} is {quota.most:,}, but"
                f" {quota.wanted:,} would be needed. AWS would stop halfway, so nothing was"
                " changed. Request a higher quota, or put some entries into another account:",
                "https://console.aws.amazon.com/servicequotas/home",
            )


def _take_over_role(situation: Situation, key: str, name: str, role: dict[str, Any]) -> None:
    text = json.dumps(role)
    who = ", ".join(re.findall('"(repo:[^"]*)"', text)) or "nobody on GitHub"
    take_over(situation, f"{module_address(key)}.{ROLE}", name, f"trusts {who}")
    noted = situation.account.entries[key].get("subject_prefix")
    if noted and f'"{noted}:' in text:
        situation.state_was_lost = True


def _take_over_service_roles(situation: Situation, made: set[str]) -> None:
    service = situation.service
    if service is None:
        return
    key = quote_key(service.settings["entry"])
    for address, name in service.resource_names.items():
        lacks = address not in made and resource_type(address) == "aws_iam_role"
        if lacks and find_role(situation.account, name):
            take_over(
                situation,
                f"{address}[{key}]",
                name,
                f"becomes a role of the service {service.name}",
            )


def take_over(situation: Situation, address: str, name: str, fate: str, number: str = "") -> None:
    """Plan to import something that exists, but is in no state.

    Args:
        situation: with what else is imported.
        address: its address in Terraform.
        name: its name in AWS.
        fate: what it does, or what becomes of it, in words.
        number: its identifier in AWS, if that is not its name.

    Raises:
        Problem: --yes was given without --import.
    """
    kind = KEPT_KINDS[resource_type(address)]
    what = f"The {kind} {name} exists already, but Terraform's state here does not contain it."
    what += f" It {fate}."
    if situation.options.yes and not situation.options.take_over:
        raise Problem(
            f"{what} Either the state was lost, or this is a fresh clone, or the {kind} belongs to"
            " somebody else. If it is yours, add --import to take it over:",
            f'{AGAIN} ARGS="--yes --import"',
        )
    situation.imports[address] = number or name
    situation.notes.append(f"{what} It will be taken over. If it is not yours, answer no.")


def look_at_provider(situation: Situation, made: set[str]) -> None:
    """Decide whether Terraform creates the account's identity provider, or uses an existing one.

    Args:
        situation: with the values that say which.
        made: the addresses in Terraform's states.

    Raises:
        Problem: somebody else created it, and it does not accept the audience.
    """
    account, ours = situation.account, PROVIDER in made
    found = None if ours else find_provider(account)
    problem = audience_missing(account, found) if found else None
    if problem:
        raise problem
    if found and situation.creates_provider and situation.state_was_lost:  # that state had it
        address = f"{PROVIDER}[0]"
        take_over(situation, address, "for GitHub", "stays as it is", account.oidc_provider)
    elif situation.creates_provider != (ours or not found):
        text = edit_json(situation.texts[TFVARS], ["create_oidc_provider"], ours or not found)
        situation.texts[TFVARS] = text
        if ours:
            why = "was created by this state, so it stays there"
        elif found:
            why = "exists already, so Terraform uses it and creates none (an account has only one)"
        else:
            why = "does not exist yet, so it is created here"
        text = f"GitHub's OIDC identity provider in account {account.id} {why}."
        situation.notes.append(text)
