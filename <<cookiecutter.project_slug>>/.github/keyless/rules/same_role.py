"""The workflow assumes the role that infra/ makes, in its account."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.account import Account
from keyless.model.findings import Finding
from keyless.model.planned import PlannedEntry
from keyless.model.repository import Repository
from keyless.paths import TRUST_TF
from keyless.rules._entries import refused, shared_by_entries
from keyless.rules._values import assuming_steps, compare_called, differs

ID = "same-role"
WHY = (
    "The role's ARN holds partition, account and name. If one of them differs, the ARN names a role"
    " that does not exist."
)
SOURCES = (
    (
        "AWS: IAM identifiers",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html",
    ),
)
BEFORE = 'role-to-assume: "arn:aws:iam::111122223333:role/example-service"'
AFTER = 'role-to-assume: "arn:aws:iam::111122223333:role/example-service-push"'


def find(repository: Repository) -> Iterator[Finding]:
    """Compare role and account of each step with the entry, and both with a plan."""
    account = repository.account
    for where in assuming_steps(repository):
        job, step = where.job, where.step
        role = account.role(where.side.entry)
        value = job.input(step, "role-to-assume")
        if value != role:
            yield from differs(where, "role-to-assume", ID, value, role, account)
        value = job.input(step, "allowed-account-ids")
        if value and account.id not in re.split(r"[,\s]+", value):
            yield from differs(where, "allowed-account-ids", ID, value, account.id, account)
    yield from compare_called(repository, "role-to-assume", ID)
    yield from refused(repository, ID, {"role_name"})
    yield from shared_by_entries(repository, ID, "role_name")
    for side in repository.sides:
        if side.planned:
            yield from _planned_role(account, side.entry["role_name"], side.planned)


def _planned_role(account: Account, name: str, planned: PlannedEntry) -> Iterator[Finding]:
    """Judge the name and the path of a role, and the account that it is made in."""
    if planned.role is None:
        message = f"infra/ makes no role {name}, so the workflow would assume one that is not there"
        mend = f"let {TRUST_TF} name it var.entry.role_name"
        yield Finding(*planned.at(planned.registry), ID, message, mend)
        return
    path = planned.role.get("path")
    if path != account.role_path:
        message = f"the path of {name} is {path}, which changes its ARN"
        mend = f"write the path {account.role_path}"
        yield Finding(*planned.at(planned.role), ID, message, mend)
    allowed = planned.plan.provider_of(planned.role).get("allowed_account_ids") or {}
    ids = allowed.get("constant_value", [account.id] if allowed.get("references") else [])
    if account.id not in ids:
        message = f"the provider that makes {name} may be of any account, also of another one"
        mend = "write allowed_account_ids = [var.aws_account_id] into its block"
        yield Finding(*planned.at(planned.role), ID, message, mend)
