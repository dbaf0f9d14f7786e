"""Terraform knows every key of the values, and no other file replaces a value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.account import ACCOUNT_KEYS, ENTRY_KINDS, INFRA_JSON_KINDS
from keyless.model.documents import read_file
from keyless.model.entry_errors import account_errors
from keyless.model.findings import Finding
from keyless.model.plan import Plan
from keyless.model.repository import Repository

ID = "known-keys"
WHY = "Terraform silently drops a key that its type does not contain, so the key has no effect."
SOURCES = (
    (
        "Terraform: type constraints",
        "https://developer.hashicorp.com/terraform/language/expressions/type-constraints",
    ),
)
BEFORE = '"example-service": {"enviroment": "production", ...}'
AFTER = '"example-service": {"environment": "production", ...}'
VARIABLES = "infra/variables.tf"


def find(repository: Repository) -> Iterator[Finding]:
    """Compare the keys of the values with the variables that infra/ declares."""
    account = repository.account
    for key, why, mend in account_errors(account):
        message = f"{key} {why}, so Terraform refuses it"
        yield Finding(account.path, account.at(key), ID, message, mend)
    if repository.plan and repository.plan.made_without_aws:
        yield from _replaced(repository.plan)
    there = (repository.root / VARIABLES).is_file()
    declared = read_file(repository.root, VARIABLES) if there else ""
    known = {*ACCOUNT_KEYS, *(() if account.made_here else INFRA_JSON_KINDS)}
    for key in sorted(set(account.values) - known):
        if not re.search(rf'(?m)^variable "{re.escape(key)}"', declared):
            message = f"Terraform has no variable {key!r}, so it has no effect"
            mend = f"remove it, or write one of: {', '.join(ACCOUNT_KEYS)}"
            if key in ENTRY_KINDS:
                mend = "write it into its entry of repositories"
            yield Finding(account.path, account.at(key), ID, message, mend)
    entry_type = declared.partition('variable "repositories"')[2].partition("validation")[0]
    for key, entry in account.entries.items():
        for attribute in sorted(set(entry) - set(ENTRY_KINDS)):
            if not re.search(rf"(?m)^ {{4}}{re.escape(attribute)}\s*=", entry_type):
                message = f"{key}: Terraform ignores {attribute!r}, so it has no effect"
                mend = f"remove it, or write one of: {', '.join(ENTRY_KINDS)}"
                yield account.finding(key, attribute, ID, message, mend)


def _replaced(plan: Plan) -> Iterator[Finding]:
    """Yield the values that another file replaces [Terraform, "Variable Definition Precedence"]."""
    account, root = plan.account, plan.root
    files = [*root.glob("infra/*.auto.tfvars*"), *root.glob("infra/terraform.tfvars")]
    place = min((each.relative_to(root).as_posix() for each in files), default=account.path)
    declared = plan.shown["configuration"]["root_module"].get("variables", {})
    written = {**account.values, "repositories": account.entries}
    for key in sorted({*ACCOUNT_KEYS} & {*plan.shown["variables"]}):
        value = written.get(key, declared.get(key, {}).get("default"))
        if plan.shown["variables"][key].get("value") != value:
            message = f"Terraform takes {key} from this file, and not from {account.path}"
            yield Finding(place, 1, ID, message, f"write {key} only into {account.path}")
