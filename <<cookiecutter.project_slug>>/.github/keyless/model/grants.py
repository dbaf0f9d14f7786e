"""Who can do what in a plan: each statement of a role, a user, a group or a managed policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from keyless.model.account import Account
from keyless.model.documents import as_list
from keyless.model.plan import Plan, Resource
from keyless.model.policies import (
    CHANGING_ROLES,
    PUSHING,
    reaches,
    statements_of,
    statements_of_aws,
)

Statements = list[dict[str, Any]]

# By type: whose policy it is, the attribute that names that one, and the one with the policy.
_INLINE = {
    "aws_iam_role_policy": ("role", "role", "policy"),
    "aws_iam_user_policy": ("user", "user", "policy"),
    "aws_iam_group_policy": ("group", "group", "policy"),
    "aws_iam_policy": ("policy", "name", "policy"),
    "aws_ssoadmin_permission_set_inline_policy": (
        "permission set",
        "permission_set_arn",
        "inline_policy",
    ),
}
# By type: whose it is, the attribute that names that one, and the one with the ARNs of policies.
_ATTACHED = {
    "aws_iam_role": ("role", "name", "managed_policy_arns"),
    "aws_iam_role_policy_attachment": ("role", "role", "policy_arn"),
    "aws_iam_role_policy_attachments_exclusive": ("role", "role_name", "policy_arns"),
    "aws_iam_user_policy_attachment": ("user", "user", "policy_arn"),
    "aws_iam_user_policy_attachments_exclusive": ("user", "user_name", "policy_arns"),
    "aws_iam_group_policy_attachment": ("group", "group", "policy_arn"),
    "aws_iam_group_policy_attachments_exclusive": ("group", "group_name", "policy_arns"),
    "aws_ssoadmin_managed_policy_attachment": (
        "permission set",
        "permission_set_arn",
        "managed_policy_arn",
    ),
}


class Grant(NamedTuple):
    """Statements that belong to somebody."""

    resource: Resource  # which gives them
    kind: str  # role, user, group, policy or permission set
    name: str | None  # whose they are; None where that is known only after the apply
    statements: Statements | None  # None where they are not known
    attached: bool = False  # whether they are a policy's of its own
    arn: str | None = None  # of that policy

    @property
    def role(self) -> str:
        """The role that they belong to, in lower case: in IAM case alone makes no other name."""
        return (self.name or "").lower() if self.kind == "role" else ""

    @property
    def who(self) -> str:
        """Whose they are, in words."""
        who = f"the {self.kind} {self.name or 'that is not known yet'}"
        return f"everybody with {who}" if self.kind == "policy" else who


def grants_of(plan: Plan) -> list[Grant]:
    """Return who is given what."""
    managed = _managed(plan)
    found: list[Grant] = []
    for each in plan.resources:
        if each.type in _INLINE:
            kind, named, attribute = _INLINE[each.type]
            text = each.get(attribute)
            found.append(Grant(each, kind, _name(each, named), _parsed(each, text, attribute)))
        if each.type == "aws_iam_role":
            found += _inside(each)
        if each.type in _ATTACHED:
            kind, named, attribute = _ATTACHED[each.type]
            found += _attached(each, kind, [_name(each, named)], attribute, managed)
        elif each.type == "aws_iam_policy_attachment":
            for kind in ("role", "user", "group"):
                names = [_text(name) for name in each.get(f"{kind}s") or []]
                names += [None] * each.unknown(f"{kind}s")
                found += _attached(each, kind, names, "policy_arn", managed)
    return found


def _name(resource: Resource, attribute: str) -> str | None:
    return _text(resource.get(attribute))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _parsed(resource: Resource, text: Any, attribute: str) -> Statements | None:
    if text == "" or (text is None and attribute in resource.values):
        return []  # jsonencode({}) is planned as an empty text
    return statements_of(text)


def _inside(role: Resource) -> Iterator[Grant]:
    """Yield the policies that a role has in its own block."""
    name = _name(role, "name")
    blocks = as_list(role.get("inline_policy"))
    if role.unknown("inline_policy"):
        yield Grant(role, "role", name, None)
    for block in blocks:
        if block and (block.get("name") or block.get("policy") or "policy" not in block):
            yield Grant(role, "role", name, statements_of(block.get("policy") or "null"))


def _managed(plan: Plan) -> dict[str, Statements | None]:
    """Return the statements of the managed policies that are planned, by their ARN."""
    return {
        managed_arn(plan, each): _parsed(each, each.get("policy"), "policy")
        for each in plan.of("aws_iam_policy")
    }


def managed_arn(plan: Plan, policy: Resource) -> str:
    """Return the ARN of a managed policy, which AWS makes of its path and name."""
    composed = plan.account.arn(f"policy{policy.get('path') or '/'}{policy.get('name')}")
    return str(policy.get("arn") or composed)


def _attached(
    resource: Resource,
    kind: str,
    names: list[str | None],
    attribute: str,
    managed: dict[str, Statements | None],
) -> Iterator[Grant]:
    given = resource.get(attribute)
    arns = [*given] if isinstance(given, list) else [given] * (given is not None)
    arns += [None] * resource.unknown(attribute)
    for arn in arns:
        known = managed[arn] if arn in managed else statements_of_aws(str(arn))
        for name in names:
            yield Grant(resource, kind, name, known, attached=True, arn=arn)


def reach_of(statements: Statements, account: Account) -> str:
    """Return, in words, what statements allow on an entry's registry or role; empty for nothing."""
    for entry in account.entries.values():
        registry = [account.registry_arn(entry["ecr_repository"])]
        role = [account.role(entry)]
        for each in statements:
            if reaches(each, PUSHING, registry):
                return f"change images of {entry['ecr_repository']}"
            if reaches(each, CHANGING_ROLES, role):
                return f"change the role {entry['role_name']}"
    return ""
