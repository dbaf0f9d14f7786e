"""What an account has, read with boto: by kind and name, with lists in alphabetical order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.standins.emulator import Emulator

Found = dict[str, dict[str, Any]]  # by kind, then by name


def found(aws: Emulator) -> Found:
    """Return what is in the account and region, as AWS answers it."""
    iam, ecr, ecs, s3 = map(aws.client, ("iam", "ecr", "ecs", "s3"))
    providers = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    registries = ecr.describe_repositories()["repositories"]
    return {
        "providers": dict(provider(iam, each["Arn"]) for each in providers),
        "roles": {
            each["RoleName"]: role(iam, each["RoleName"]) for each in iam.list_roles()["Roles"]
        },
        "registries": {each["repositoryName"]: registry(ecr, each) for each in registries},
        "clusters": clusters(ecs),
        "objects": {
            each["Key"]: {}
            for bucket in s3.list_buckets()["Buckets"]
            for each in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", [])
        },
    }


def asked_for(account: Found, wanted: Mapping[str, Mapping[str, Any]]) -> Found:
    """Return every name in an account with the wanted details; empty kinds are left out."""
    return {
        kind: {
            name: {key: each[key] for key in wanted.get(kind, {}).get(name) or {}}
            for name, each in names.items()
        }
        for kind, names in account.items()
        if names
    }


def provider(iam: Any, arn: str) -> tuple[str, dict[str, Any]]:
    """Return the host and path of an identity provider, and what it is."""
    it = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    return it["Url"], {"audiences": it["ClientIDList"], "tags": tags(it.get("Tags", []))}


def role(iam: Any, name: str) -> dict[str, Any]:
    """Return a role: its condition keys without the issuer, and the resources of its policies."""
    it = iam.get_role(RoleName=name)["Role"]
    (statement,) = it["AssumeRolePolicyDocument"]["Statement"]
    policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return {
        "path": it["Path"],
        "description": it.get("Description"),
        "seconds": it["MaxSessionDuration"],
        "boundary": it.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        "tags": tags(it.get("Tags", [])),
        "principal": statement["Principal"],
        "trust": {
            test: {key.rpartition(":")[2]: in_order(value) for key, value in keys.items()}
            for test, keys in statement.get("Condition", {}).items()
        },
        "policies": {policy: resources(iam, name, policy) for policy in policies},
        "attached": sorted(each["PolicyName"] for each in attached),
    }


def resources(iam: Any, name: str, policy: str) -> list[str]:
    """Return all resources that a role's own policy names."""
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    named = [statement["Resource"] for statement in document["Statement"]]
    return sorted({one for each in named for one in ([each] if isinstance(each, str) else each)})


def registry(ecr: Any, it: dict[str, Any]) -> dict[str, Any]:
    """Return an ECR repository: the counts of its lifecycle, and who can pull by its policy."""
    name = {"repositoryName": it["repositoryName"]}
    rules = json.loads(ecr.get_lifecycle_policy(**name)["lifecyclePolicyText"])["rules"]
    try:
        text = ecr.get_repository_policy(**name)["policyText"]
        pull = [statement["Principal"]["AWS"] for statement in json.loads(text)["Statement"]]
    except ecr.exceptions.RepositoryPolicyNotFoundException:
        pull = []
    return {
        "mutability": it["imageTagMutability"],
        "scan": it["imageScanningConfiguration"]["scanOnPush"],
        "encryption": it["encryptionConfiguration"]["encryptionType"],
        "tags": tags(ecr.list_tags_for_resource(resourceArn=it["repositoryArn"])["tags"]),
        "lifecycle": [rule["selection"]["countNumber"] for rule in rules],
        "pull": [in_order(each) for each in pull],
    }


def clusters(ecs: Any) -> dict[str, Any]:
    """Return the clusters; one that was deleted may be listed on as inactive (DeleteCluster)."""
    arns = ecs.list_clusters()["clusterArns"]
    return {
        each["clusterName"]: {
            "providers": each["capacityProviders"],
            "tags": tags(each.get("tags", [])),
        }
        for each in ecs.describe_clusters(clusters=arns, include=["TAGS"])["clusters"]
        if each["status"] != "INACTIVE"
    }


def tags(given: list[dict[str, str]]) -> dict[str, str]:
    """Return tags by their keys; ECS writes `key`, the others `Key`."""
    lower = [{name.lower(): value for name, value in tag.items()} for tag in given]
    return {tag["key"]: tag["value"] for tag in lower}


def in_order(value: Any) -> Any:
    """Return a value of a policy, which is one text or several."""
    return sorted(value) if isinstance(value, list) else value
