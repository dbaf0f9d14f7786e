"""What Terraform's plan changes, in words for people."""

from __future__ import annotations

from typing import Any

KEPT_KINDS = {  # others may use these, so an edit alone never destroys them
    "aws_iam_role": "role",
    "aws_ecr_repository": "ECR repository",
    "aws_iam_openid_connect_provider": "OIDC identity provider",
    "aws_ecs_cluster": "cluster",
}
KIND_WORDS = {
    **KEPT_KINDS,
    "aws_iam_role_policy": "policy of role",
    "aws_iam_role_policy_attachment": "AWS managed policy of role",
    "aws_ecr_lifecycle_policy": "lifecycle policy of ECR repository",
    "aws_ecr_repository_policy": "pull policy of ECR repository",
    "aws_ecs_cluster_capacity_providers": "Fargate for cluster",
}
ACTION_WORDS = {"create": "create", "update": "change", "delete": "DESTROY"}

# The descriptions of what is created with a role, an ECR repository or a cluster.
COMES_ALONG = r"create .*( policy of |Fargate for )|write "


def planned_actions(change: dict[str, Any]) -> list[str]:
    """Return what a plan does with a resource; `change` is one of its resource_changes."""
    return list(change["change"]["actions"])


def describe_change(change: dict[str, Any]) -> str:
    """Return in one line what a plan does with a resource; empty if it does nothing."""
    word = _action_word(change)
    if not word or change["mode"] != "managed":
        return ""
    before, after = (change["change"].get(side) or {} for side in ("before", "after"))
    known, kind = {**before, **after}, change["type"]
    keys = ("role", "repository", "cluster_name", "name")
    name = next((known[key] for key in keys if known.get(key)), change["address"])
    name = "for GitHub" if kind == "aws_iam_openid_connect_provider" else name
    which = f"{known.get('name')} " * (kind == "aws_iam_role_policy")
    text = f"{word:<10} {which}{KIND_WORDS.get(kind, kind)} {name}"
    changed = sorted(key for key in after if before.get(key) != after[key])
    updated = "update" in planned_actions(change) and changed
    return text + (f": {', '.join(changed)}" if updated else "")


def _action_word(change: dict[str, Any]) -> str:
    actions = planned_actions(change)
    if change["change"].get("importing"):
        return "take over"
    return "REPLACE" if len(actions) > 1 else ACTION_WORDS.get(actions[0], "")
