"""Every role that trusts GitHub belongs to an entry."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.account import Account
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.grants import Grant, grants_of, reach_of
from keyless.model.plan import Plan, Resource, kept_by_comment
from keyless.model.policies import statements_of, trusts_github
from keyless.model.repository import Repository

ID = "known-roles"
WHY = (
    "If a role trusts GitHub but belongs to no entry, the check compares no workflow with it. A"
    " job of another repository may be able to assume it."
)
SOURCES = (
    (
        "AWS: roles for OpenID Connect",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html",
    ),
)
BEFORE = """\
resource "aws_iam_role" "docs" { # which trusts repo:octo-org/docs:*"""
AFTER = """\
# check: skip=known-roles deploys the documentation to a bucket, and nothing else
resource "aws_iam_role" "docs" {"""


def find(repository: Repository) -> Iterator[Finding]:
    """Judge each role of a plan that belongs to no entry."""
    plan = repository.plan
    if plan is None:
        return
    grants = [each for each in grants_of(plan) if each.kind == "role"]
    names = {entry["role_name"] for entry in plan.account.entries.values()}
    for role in plan.of("aws_iam_role"):
        name, trust = role.get("name"), role.get("assume_role_policy")
        if name in names:
            continue  # the rule subject judges it
        if trust is None:
            message = f"the plan does not show whom {role.address} trusts: the value is known"
            message += " only after the apply, or ignore_changes covers it"
            mend = "write the principal as text, and remove ignore_changes"
            yield Finding(*plan.where(role.address), UNJUDGED, message, mend)
        elif any(trusts_github(one, plan.account.issuer) for one in statements_of(trust) or []):
            own = [each for each in grants if each.name in (name, None)]
            yield from _judge(plan, role, own)


def _judge(plan: Plan, role: Resource, grants: list[Grant]) -> Iterator[Finding]:
    """Judge a role that trusts GitHub by what it may do."""
    account, where, name = plan.account, plan.where(role.address), role.get("name") or role.address
    reach, by = _reach(account, grants)
    if reach:
        message = f"GitHub's tokens can assume {name}, and {by} lets it {reach}"
        mend = f"remove this permission, or write an entry for the role into {account.path}"
        yield Finding(*where, ID, message, mend)
    elif any(each.statements is None for each in grants):
        message = f"GitHub's tokens can assume {name}, but the plan does not show what it can do"
        mend = "write its policies so that a plan shows them, or move it into another root module"
        yield Finding(*where, UNJUDGED, message, mend)
    elif not kept_by_comment(plan.root, where, ID):
        message = f"GitHub's tokens can assume {name}, which belongs to no entry of {account.path}"
        mend = "write an entry for it. If it publishes nothing here, keep it with a comment above"
        mend += f" its block: # check: skip={ID} YOUR REASON"
        yield Finding(*where, ID, message, mend)


def _reach(account: Account, grants: list[Grant]) -> tuple[str, str]:
    """Return what a role can do to an entry's ECR repository or role, and what lets it."""
    for each in grants:
        reach = reach_of(each.statements or [], account)
        if reach:
            return reach, each.resource.address
    return "", ""
