"""IAM policies: one spelling for what AWS takes in several."""

from __future__ import annotations

import json
from typing import Any

from keyless.model.documents import as_list, parse_json

# What others may be given on a registry [ECR, "Actions"], in lower case.
PULL_ACTIONS = {
    *("ecr:batchchecklayeravailability", "ecr:batchgetimage", "ecr:getdownloadurlforlayer"),
    *("ecr:describeimages", "ecr:describerepositories", "ecr:listimages"),
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


def only_pulls(policy: Any) -> bool:
    """Tell whether a policy of a registry, as JSON, grants pulling and nothing else."""
    try:
        statements = as_list(json.loads(policy)["Statement"])
        return all(
            statement["Effect"] == "Allow"
            and "NotAction" not in statement
            and {action.lower() for action in as_list(statement["Action"])} <= PULL_ACTIONS
            for statement in statements
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


def principals_of(policy: str) -> set[str]:
    """Return the accounts that a policy of a registry names; `*` for everybody."""
    found: set[str] = set()
    for statement in as_list(json.loads(policy)["Statement"]):
        given = statement.get("Principal")
        found |= {*canonical(given).get("AWS", ["*"])} if isinstance(given, dict) else {"*"}
    return found
