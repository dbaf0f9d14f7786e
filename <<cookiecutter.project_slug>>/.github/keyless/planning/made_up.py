"""A state in which everything that was planned exists, so that a second plan knows its names.

For a last plan what matters has a mark there: where that plan leaves the mark in place, infra/
ignores changes, and what stands in AWS decides.
"""

from __future__ import annotations

import json
from typing import Any

from keyless.model.account import Account
from keyless.model.plan import Resource, quote_key

MARK = "keyless-ignored"
_STATEMENT = {"Sid": MARK, "Effect": "Deny", "Action": "sts:TagSession"}
_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{**_STATEMENT, "Resource": "*"}]})
_TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{**_STATEMENT, "Principal": {"AWS": "*"}}]}
)
_LIFECYCLE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": MARK,
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "imageCountMoreThan",
                    "countNumber": 1,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)
# By type, the attributes that may change in place, and what stands there for a moment.
_MARKS: dict[str, dict[str, Any]] = {
    "aws_iam_role": {"assume_role_policy": _TRUST, "max_session_duration": 3601},
    "aws_iam_role_policy": {"policy": _POLICY},
    "aws_iam_user_policy": {"policy": _POLICY},
    "aws_iam_group_policy": {"policy": _POLICY},
    "aws_iam_policy": {"policy": _POLICY},
    "aws_ecr_repository": {"image_tag_mutability": "MUTABLE"},
    "aws_ecr_repository_policy": {"policy": _POLICY},
    "aws_ecr_registry_policy": {"policy": _POLICY},
    "aws_ecr_lifecycle_policy": {"policy": _LIFECYCLE},
}
_NAMING = {
    *("role", "roles", "user", "users", "group", "groups", "repository"),
    *("policy_arn", "policy_arns", "managed_policy_arns"),
}
# What AWS gives a principal or a policy: what its id is, and its place in an ARN of IAM.
_OF_IAM = {
    "aws_iam_role": "role",
    "aws_iam_user": "user",
    "aws_iam_group": "group",
    "aws_iam_policy": "policy",
    "aws_iam_instance_profile": "instance-profile",
    "aws_iam_openid_connect_provider": "oidc-provider",
}


def state_of(
    resources: list[Resource], account: Account, marked: bool = False
) -> list[dict[str, Any]]:
    """Return resources as a state has them.

    Args:
        resources: what a plan has made.
        account: whose they are.
        marked: whether what matters has marks.
    """
    blocks: dict[tuple[str, str, str], dict[str, Any]] = {}
    for number, each in enumerate(resources):
        module, kind, name = _split(each)
        block = blocks.setdefault(
            (module, kind, name),
            {
                **({"module": module} if module else {}),
                "mode": "managed",
                "type": kind,
                "name": name,
                "provider": f'provider["{each.provider}"]',
                "instances": [],
            },
        )
        block["instances"].append(
            {
                **({"index_key": each.index} if each.index is not None else {}),
                "schema_version": each.schema_version,
                "attributes": {
                    **_attributes(each, account, number),
                    **(_MARKS.get(kind, {}) if marked else {}),
                },
                "sensitive_attributes": [],
            }
        )
    return list(blocks.values())


def _split(resource: Resource) -> tuple[str, str, str]:
    """Return the module's address, type and name."""
    index, address = resource.index, resource.address
    if index is not None:
        shown = quote_key(index) if isinstance(index, str) else index
        address = address[: -len(f"[{shown}]")]
    before, _, name = address.rpartition(".")
    module, _, kind = before.rpartition(".")
    return module, kind, name


def _attributes(resource: Resource, account: Account, number: int) -> dict[str, Any]:
    """Return what a resource has in AWS: what was planned, and what nobody knows before."""
    values, kind = resource.values, resource.type
    name = values.get("name") or f"{MARK}-{number}"
    made_up: dict[str, Any] = {"id": name, "arn": _arn(resource, name, account)}
    if "tags" in values:
        made_up["tags_all"] = values.get("tags") or {}
    if kind in _OF_IAM and kind != "aws_iam_openid_connect_provider":
        made_up["name"] = name
    if kind in ("aws_iam_policy", "aws_iam_openid_connect_provider"):
        made_up["id"] = made_up["arn"]
    of_kind: dict[str, dict[str, Any]] = {
        "aws_ecr_repository": {
            "registry_id": account.id,
            "repository_url": f"{account.registry}/{name}",
        },
        "aws_iam_openid_connect_provider": {"thumbprint_list": []},
        "aws_iam_role": {
            "unique_id": f"AROA{number}",
            "managed_policy_arns": [],
            "inline_policy": [],
        },
        "aws_iam_role_policy": {"id": f"{values.get('role')}:{name}", "name": name},
        "aws_s3_bucket": {"id": values.get("bucket") or name, "bucket": name},
    }
    made_up |= of_kind.get(kind, {})
    made_up |= {key: value for key, value in values.items() if value is not None}
    if kind == "aws_ecr_repository":  # without a key of KMS, ECR has an empty text
        blocks = made_up.get("encryption_configuration") or []
        blocks = [{**each, "kms_key": each.get("kms_key") or ""} for each in blocks]
        made_up["encryption_configuration"] = blocks
    return made_up


def _arn(resource: Resource, name: str, account: Account) -> str:
    values, kind = resource.values, resource.type
    if kind == "aws_iam_openid_connect_provider":
        return account.arn(f"oidc-provider/{resource.issuer}")
    if kind in _OF_IAM:
        return account.arn(f"{_OF_IAM[kind]}{values.get('path') or '/'}{name}")
    if kind == "aws_s3_bucket":
        return f"arn:{account.partition}:s3:::{values.get('bucket') or name}"
    if kind == "aws_ecr_repository":
        return account.registry_arn(name)
    return f"arn:{account.partition}:{kind}:{account.region}:{account.id}:{name}"


def ignored(marked: Resource, planned: Resource) -> set[str]:
    """Return the attributes whose mark a plan has left in place.

    Args:
        marked: a resource of a plan that was made with marks.
        planned: the same in a plan that was made without.
    """
    return {
        key
        for key, mark in _MARKS.get(marked.type, {}).items()
        if _is_mark(marked.get(key), mark) and not _is_mark(planned.get(key), mark)
    }


def _is_mark(value: Any, mark: Any) -> bool:
    return bool(value == mark or (isinstance(value, str) and f'"{MARK}"' in value))


def lacks(resource: Resource) -> bool:
    """Tell whether a plan does not show yet what a resource grants, to whom, or whom it trusts."""
    if not resource.type.startswith(("aws_iam_", "aws_ecr_")):
        return False
    keys = {*_MARKS.get(resource.type, {}), *_NAMING} & {*resource.settings.get("expressions", {})}
    return any(resource.unknown(key) for key in keys)
