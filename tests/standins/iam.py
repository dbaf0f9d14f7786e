"""IAM's verdict on a web identity token, and on a request, from its documentation alone.

Each rule names its page in the IAM User Guide. The token's signature, its times and the client ids
of the provider are not judged here: STS looks at them before it reads the trust policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

ACTION = "sts:AssumeRoleWithWebIdentity"

# "IAM and AWS STS condition context keys": the first three for every provider, the others for
# GitHub's since January 2026. No other claim is a condition key.
CONDITION_KEYS = frozenset(
    "aud sub amr "
    "actor actor_id enterprise_id environment job_workflow_ref ref "
    "repository repository_id repository_owner_id workflow".split()
)
OPERATOR = re.compile(
    r"((?P<set>ForAllValues|ForAnyValue):)?"
    r"String(?P<negated>Not)?(?P<comparison>EqualsIgnoreCase|Equals|Like)(?P<if_exists>IfExists)?"
)
VARIABLE = re.compile(r"\$\{([^}]*)\}")

Context = Mapping[str, list[str]]  # the values of each condition key that the request has


def assume_allowed(
    policy: Mapping[str, Any], provider_arn: str, claims: Mapping[str, str | list[str]]
) -> bool:
    """Say whether a role's trust policy gives the role to a token.

    Args:
        policy: the trust policy, parsed.
        provider_arn: the account's identity provider; STS finds it by the token's issuer.
        claims: what the token says; a claim has one value or a list of them.

    Raises:
        ValueError: the policy holds something that is not judged here.
    """
    # Without this Version a ${...} is plain text ["IAM policy elements: Variables and tags"].
    if policy.get("Version") != "2012-10-17":
        raise ValueError(f"the policy's Version is {policy.get('Version')}")
    host = provider_arn.partition(":oidc-provider/")[2]
    if claims.get("iss") != f"https://{host}":
        return False
    known = CONDITION_KEYS & claims.keys()
    context = {f"{host}:{claim}".lower(): listed(claims[claim]) for claim in known}
    effects = {
        statement["Effect"]
        for statement in listed(policy["Statement"])
        if applies(statement, provider_arn, context)
    }
    return effects == {"Allow"}  # an explicit Deny wins ["Policy evaluation logic"]


def allowed(
    policies: Sequence[Mapping[str, Any]], action: str, resource: str, context: Context
) -> bool:
    """Say whether a role's own policies let it do something ["Policy evaluation logic"].

    Args:
        policies: those that are attached to it, parsed.
        action: SERVICE:Action.
        resource: an ARN, or * where the action knows none.
        context: the values of condition keys, the keys in lower case.

    Raises:
        ValueError: a policy holds something that is not judged here.
    """
    effects = {
        statement["Effect"]
        for policy in policies
        for statement in listed(policy["Statement"])
        if speaks_of(statement, action, resource, context)
    }
    return effects == {"Allow"}


def speaks_of(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    """Say whether a statement speaks of a request: action, resource and all its conditions.

    Of an action no case counts, of a resource it does ["Elements: Action", "Elements: Resource"].

    Raises:
        ValueError: it holds an element that is not judged here.
    """
    unknown = statement.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}
    if unknown or statement["Effect"] not in ("Allow", "Deny"):
        raise ValueError(f"the statement is {statement}")
    conditions = conditions_of(statement, context)
    return (
        any(matches("Like", action.lower(), one.lower(), {}) for one in listed(statement["Action"]))
        and any(matches("Like", resource, one, context) for one in listed(statement["Resource"]))
        and all(conditions)
    )


def conditions_of(statement: Mapping[str, Any], context: Context) -> list[bool]:
    """Say of each condition whether it holds.

    They are ANDed ["Conditions with multiple context keys or values"]; key names know no case. All
    are evaluated, so that an unknown operator raises whatever the others say.
    """
    return [
        holds(operator, context.get(key.lower(), []), listed(wanted), context)
        for operator, tests in statement.get("Condition", {}).items()
        for key, wanted in tests.items()
    ]


def applies(statement: Mapping[str, Any], provider_arn: str, context: Context) -> bool:
    """Say whether a statement speaks of this request: principal, action and all its conditions.

    Raises:
        ValueError: it holds an element or an operator that is not judged here.
    """
    unknown = statement.keys() - {"Sid", "Effect", "Principal", "Action", "Condition"}
    if unknown or statement["Effect"] not in ("Allow", "Deny"):
        raise ValueError(f"the statement is {statement}")
    conditions = conditions_of(statement, context)
    return (
        trusts(statement["Principal"], provider_arn)
        and any(matches("Like", ACTION.lower(), a.lower(), {}) for a in listed(statement["Action"]))
        and all(conditions)
    )


def trusts(principal: str | Mapping[str, Any], provider_arn: str) -> bool:
    """Say whether a Principal names the provider ["AWS JSON policy elements: Principal"]."""
    if isinstance(principal, str):
        return principal == "*"
    return provider_arn in listed(principal.get("Federated")) or "*" in listed(principal.get("AWS"))


def holds(operator: str, given: list[str], wanted: list[Any], context: Context) -> bool:
    """Say whether an operator holds between a key's values in the request and in the policy.

    Raises:
        ValueError: the operator is not judged here.
    """
    if operator == "Null":
        return [str(not any(given)).lower()] == [str(value).lower() for value in wanted]
    form = OPERATOR.fullmatch(operator)
    if form is None:
        raise ValueError(f"the condition operator is {operator}")

    def passes(values: list[str]) -> bool:
        """OR, or NOR where negated: without a value the former is false, the latter true.

        ["IAM JSON policy elements: Condition operators"]
        """
        pairs = [(value, pattern) for value in values for pattern in wanted]
        return any(matches(form["comparison"], *pair, context) for pair in pairs) != bool(
            form["negated"]
        )

    if form["if_exists"] and not given:
        return True
    if form["set"]:
        # ForAllValues is true without a value, and an empty text counts as none
        # ["Single-valued vs. multivalued context keys"].
        each = [passes([value]) for value in given if value]
        return all(each) if form["set"] == "ForAllValues" else any(each)
    # Several values need a set operator, says the same page; what happens without one it does not
    # say. Here they match nothing.
    return passes(given if len(given) == 1 else [])


def matches(comparison: str, value: str, pattern: str, context: Context) -> bool:
    """Compare a value with one of the policy's; * and ? stand for other characters in Like alone.

    ["IAM JSON policy elements: Condition operators"]
    """
    expression = ""
    for index, part in enumerate(VARIABLE.split(pattern)):
        is_variable = index % 2 == 1
        text = resolved(part, context) if is_variable else part
        if text is None:
            return False
        escaped = re.escape(text)
        if comparison == "Like" and not is_variable:
            escaped = escaped.replace(r"\*", ".*").replace(r"\?", ".")
        expression += escaped
    flags = re.DOTALL | (re.IGNORECASE if comparison == "EqualsIgnoreCase" else 0)
    return re.fullmatch(expression, value, flags) is not None


def resolved(variable: str, context: Context) -> str | None:
    """Return what stands for ${variable}; None where the request does not say.

    ["IAM policy elements: Variables and tags"]
    """
    if variable in ("*", "?", "$"):
        return variable
    key, _, default = variable.partition(",")
    values = context.get(key.strip().lower(), [])
    if len(values) == 1:
        return values[0]
    quoted = re.fullmatch(r"\s*'(.*)'\s*", default, re.DOTALL)
    return quoted[1] if quoted else None


def listed(value: Any) -> list[Any]:
    """Return what may stand alone or in a list as a list."""
    return value if isinstance(value, list) else [value]
