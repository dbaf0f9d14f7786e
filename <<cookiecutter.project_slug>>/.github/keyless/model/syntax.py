"""What GitHub knows in a workflow: events, scopes of permissions, contexts and functions.

[GitHub docs, "Events that trigger workflows", "Workflow syntax", "Contexts reference",
"Evaluate expressions in workflows and actions"]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from keyless.model.expressions import parse_expression

EVENTS = {
    *("branch_protection_rule", "check_run", "check_suite", "create", "delete", "deployment"),
    *("deployment_status", "discussion", "discussion_comment", "fork", "gollum", "image_version"),
    *("issue_comment", "issues", "label", "merge_group", "milestone", "page_build", "public"),
    *("pull_request", "pull_request_comment", "pull_request_review", "push", "registry_package"),
    *("pull_request_review_comment", "pull_request_target", "release", "repository_dispatch"),
    *("schedule", "status", "watch", "workflow_call", "workflow_dispatch", "workflow_run"),
    *("project", "project_card", "project_column"),
}
SCOPES = {
    *("actions", "artifact-metadata", "attestations", "checks", "contents", "deployments"),
    *("discussions", "id-token", "issues", "models", "packages", "pages", "pull-requests"),
    *("repository-projects", "security-events", "statuses", "vulnerability-alerts"),
}
CONTEXTS = {
    *("github", "inputs", "vars", "needs", "strategy", "matrix", "job", "jobs", "runner", "env"),
    *("steps", "secrets"),
}
FUNCTIONS = {
    *("contains", "startswith", "endswith", "format", "join", "tojson", "fromjson", "hashfiles"),
    *("success", "always", "failure", "cancelled", "case"),
}


def expression_errors(text: str) -> Iterator[str]:
    """Yield what GitHub does not understand of an expression, in words."""
    tree = parse_expression(text)
    if tree[0] == "name" and not re.fullmatch(r"[\w.*\[\]'-]+", tree[1]):
        yield f"{text.strip()!r} is not an expression"
    else:
        yield from _errors(tree)


def _errors(tree: Any) -> Iterator[str]:
    kind, *parts = tree
    if kind == "name" and parts[0].partition(".")[0] not in CONTEXTS:
        yield f"{parts[0]} is not a name that GitHub knows"
    elif kind == "call":
        if parts[0] not in FUNCTIONS:
            yield f"{parts[0]} is not a function that GitHub knows"
        for part in parts[1:]:
            yield from _errors(part)
    elif kind not in ("value", "name"):
        for part in parts:
            yield from _errors(part)
