"""The workflow assumes the role that infra/ makes, in its account."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.findings import Finding
from keyless.model.repository import Repository
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
    """Compare role and account of each step with the entry, and the path in a plan."""
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
        path = side.planned.role.get("path", "/") if side.planned else account.role_path
        if side.planned and path != account.role_path:
            message = f"the path of {side.entry['role_name']} is {path}, which changes its ARN"
            mend = f"write the path {account.role_path}"
            yield Finding(*side.planned.where, ID, message, mend)
