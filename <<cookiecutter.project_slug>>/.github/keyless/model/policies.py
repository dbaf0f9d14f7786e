"""IAM policies: one spelling for what AWS takes in several, and what a statement reaches."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from keyless.model.documents import as_list, parse_json

# What changes images, or who can change them [Service Authorization Reference, ECR, "Actions"].
PUSHING = (
    *("ecr:BatchDeleteImage", "ecr:BatchImportUpstreamImage", "ecr:CompleteLayerUpload"),
    *("ecr:DeleteLifecyclePolicy", "ecr:DeleteRegistryPolicy", "ecr:DeleteRepository"),
    *("ecr:DeleteRepositoryPolicy", "ecr:InitiateLayerUpload", "ecr:PutImage"),
    *("ecr:PutImageTagMutability", "ecr:PutLifecyclePolicy", "ecr:PutRegistryPolicy"),
    *("ecr:ReplicateImage", "ecr:SetRepositoryPolicy", "ecr:UpdateImageStorageClass"),
    "ecr:UploadLayerPart",
)
# Actions that others can get on an ECR repository; any other action changes something there.
_READING = re.compile(r"ecr:(batchcheck|batchget|describe|get|list)[a-z]*\*?", re.IGNORECASE)
# What changes who can assume a role, or what it can do [Service Authorization Reference, IAM].
CHANGING_ROLES = ("iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy")
ASSUMING = ("sts:AssumeRoleWithWebIdentity",)

# Policies of AWS that reach any registry or role of an account [AWS Managed Policy Reference]. A
# plan names them and does not show their text.
_EVERYWHERE = {
    "AdministratorAccess": "*",
    "AmazonEC2ContainerRegistryFullAccess": "ecr:*",
    "AmazonEC2ContainerRegistryPowerUser": "ecr:PutImage",
    "EC2InstanceProfileForImageBuilderECRContainerBuilds": "ecr:PutImage",
    "IAMFullAccess": "iam:*",
    "PowerUserAccess": "ecr:*",
}


def canonical(value: Any) -> Any:
    """Return a part of a policy in one spelling: a lone value is a list, and lists are sorted."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in sorted(value.items())}
    values = value if isinstance(value, list) else [value]
    return sorted((canonical(item) if isinstance(item, dict) else item for item in values), key=str)


def without_sid(statement: dict[str, Any]) -> Any:
    """Return a statement in one spelling, without its name."""
    return canonical({key: value for key, value in statement.items() if key != "Sid"})


def parse_policy(path: str, document: Any) -> list[Any]:
    """Return the statements of a policy, given as JSON or as a list, in one spelling and order.

    Raises:
        CannotJudge: it is no JSON.
        LookupError, TypeError: it is no policy.
    """
    if isinstance(document, str):
        document = as_list(parse_json(path, document)["Statement"])
    return sorted(map(without_sid, document), key=str)


def statements_of(document: Any) -> list[dict[str, Any]] | None:
    """Return the statements of a policy that is given as JSON; None where it is no policy."""
    try:
        found = as_list(json.loads(document)["Statement"])
    except (ValueError, LookupError, TypeError):
        return None
    return found if all(isinstance(each, dict) for each in found) else None


def statements_of_aws(arn: str) -> list[dict[str, Any]] | None:
    """Return what a policy of AWS allows, as far as it matters here; None where it is another's."""
    if not re.fullmatch(r"arn:[\w-]+:iam::aws:policy/.+", arn):
        return None
    action = _EVERYWHERE.get(arn.rpartition("/")[2])
    return [{"Effect": "Allow", "Action": action, "Resource": "*"}] if action else []


def reaches(statement: dict[str, Any], actions: Iterable[str], arns: Iterable[str] = ()) -> bool:
    """Tell whether a statement allows one of some actions, on one of some resources.

    Conditions, boundaries and denials elsewhere are not looked at: it says yes too often, and never
    no where somebody may.

    Args:
        statement: of a policy.
        actions: without * and ?.
        arns: ARNs without * and ?; none where the policy is that of a resource.
    """
    if statement.get("Effect") != "Allow":
        return False
    acts = _covers(statement, "Action", [each.lower() for each in actions], lower=True)
    return acts and (not arns or _covers(statement, "Resource", [*arns]))


def _covers(
    statement: dict[str, Any], element: str, values: list[str], lower: bool = False
) -> bool:
    """Tell whether an element, or all but its opposite, covers one of some values."""
    opposite = f"Not{element}" in statement
    given = as_list(statement.get(f"Not{element}" if opposite else element))
    patterns = [_pattern(each.lower() if lower else each) for each in map(str, given)]
    return any(any(each.fullmatch(value) for each in patterns) != opposite for value in values)


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    """Return a pattern of IAM, in which a variable may stand for anything."""
    parts = re.split(r"(\$\{[^}]*\}|[*?])", text)
    found = "".join(
        "." if each == "?" else ".*" if each[:1] in ("*", "$") and each else re.escape(each)
        for each in parts
    )
    return re.compile(found, re.DOTALL)


def trusts_github(statement: dict[str, Any], issuer: str) -> bool:
    """Tell whether a statement of a trust policy lets tokens of GitHub assume the role.

    Args:
        statement: of the trust policy.
        issuer: of this account's entries, without https://.
    """
    if not reaches(statement, ASSUMING):
        return False
    principal = statement.get("Principal")
    if not isinstance(principal, dict):  # "*", or NotPrincipal: anybody
        return True
    federated = [str(each) for each in as_list(principal.get("Federated"))]
    known = rf"{re.escape(issuer)}|token\.actions\.|_services/token|\*"
    anybody = "*" in as_list(principal.get("AWS"))
    return anybody or any(re.search(known, each) for each in federated)


def only_pulls(policy: Any) -> bool:
    """Tell whether a policy of a registry, as JSON, grants pulling and nothing else."""
    statements = statements_of(policy)
    return statements is not None and all(
        statement.get("Effect") == "Allow"
        and "NotAction" not in statement
        and all(_READING.fullmatch(str(action)) for action in as_list(statement.get("Action")))
        for statement in statements
    )


def principals_of(policy: str) -> set[str]:
    """Return the accounts that a policy of a registry names; `*` for everybody."""
    found: set[str] = set()
    for statement in as_list(json.loads(policy)["Statement"]):
        given = statement.get("Principal")
        found |= {*canonical(given).get("AWS", [])} if isinstance(given, dict) else {"*"}
    return found


def pulled_by_anybody(policy: str) -> bool:
    """Tell whether a policy of a registry, as JSON, grants something to everybody, in any case."""
    for statement in statements_of(policy) or []:
        principal = statement.get("Principal")
        given = as_list(principal.get("AWS")) if isinstance(principal, dict) else ["*"]
        if "*" in given and not statement.get("Condition") and statement.get("Effect") == "Allow":
            return True
    return False


def in_words(statement: dict[str, Any]) -> str:
    """Return what a statement grants: its actions and what they are for."""
    actions = [str(each) for each in as_list(statement.get("Action"))]
    if "NotAction" in statement:
        actions = [f"everything but {', '.join(map(str, as_list(statement['NotAction'])))}"]
    resources = ", ".join(map(str, as_list(statement.get("Resource")))) or "any resource"
    shown = ", ".join(actions[:4]) + f" and {len(actions) - 4} more" * (len(actions) > 4)
    if "NotResource" in statement:
        resources = f"all but {', '.join(map(str, as_list(statement['NotResource'])))}"
    return f"{shown} on {resources}"
