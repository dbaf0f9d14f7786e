"""The account that a project publishes to, with the resources that its Terraform would make.

They are the identity provider, the role and the repository. The emulator is AWS, and this takes a
second.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import botocore.exceptions

from tests.standins import github
from tests.standins.emulator import Emulator
from tests.support.project import Failed, Project


def granted(project: Project) -> list[str]:
    """Return the actions that the project's Terraform lets the role do on its repository."""
    path = project.path / "infra/repository/push-actions.json"
    return list(json.loads(path.read_text()))


def set_up_account(
    emulator: Emulator,
    project: Project,
    *,
    subjects: Sequence[str],
    actions: Sequence[str] | None = None,
    provider: bool = True,
    repository: bool = True,
    region: str | None = None,
    mutability: str = "IMMUTABLE",
) -> None:
    """Make in an account what the project's Terraform makes, in a second instead of twenty.

    Args:
        emulator: the AWS whose account it is.
        project: its answers name the role and the repository.
        subjects: what the role trusts; with a * it is compared by StringLike.
        actions: what the role may do on the repository; the project's own list, if left out.
        provider: whether there is GitHub's identity provider; one that exists is kept.
        repository: whether there is the repository.
        region: where the repository is; the emulator's region, if left out.
        mutability: IMMUTABLE or MUTABLE.
    """
    iam = emulator.client("iam")
    aws = "aws-cn" if emulator.region.startswith("cn-") else "aws"
    audience = github.AUDIENCE + (".cn" if aws == "aws-cn" else "")
    if provider:
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_open_id_connect_provider(Url=github.ISSUER, ClientIDList=[audience])
    name, image = project.answers["project_slug"], project.answers["ecr_repository"]
    role = role_name(project)
    where = region or emulator.region
    trust = statement_of_trust(emulator.account, aws, audience, subjects)
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=policy(trust))
    login = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    push = {
        "Effect": "Allow",
        "Action": list(granted(project) if actions is None else actions),
        # In China, too, the emulator's repositories are named arn:aws:ecr.
        "Resource": f"arn:*:ecr:{where}:{emulator.account}:repository/{image}",
    }
    both = policy(login, push) if push["Action"] else policy(login)
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=both)
    if repository:
        registry = emulator._replace(region=where).client("ecr")
        registry.create_repository(repositoryName=image, imageTagMutability=mutability)


def role_name(project: Project) -> str:
    """Return the name of the role that the project's workflow assumes."""
    text = (project.path / ".github/workflows/deploy.yml").read_text()
    found = re.search(r"role-to-assume: \S+:role/([\w+=,.@-]+)", text)
    if found is None:
        raise Failed("deploy.yml names no role")
    return found[1]


def statement_of_trust(
    account_id: str, partition: str, audience: str, subjects: Sequence[str]
) -> dict[str, Any]:
    """Return the statement that lets GitHub's tokens with these subjects assume a role."""
    host = github.ISSUER.removeprefix("https://")
    test = "StringLike" if any("*" in subject for subject in subjects) else "StringEquals"
    condition: dict[str, Any] = {"StringEquals": {f"{host}:aud": audience}}
    condition.setdefault(test, {})[f"{host}:sub"] = list(subjects)
    return {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": f"arn:{partition}:iam::{account_id}:oidc-provider/{host}"},
        "Condition": condition,
    }


def policy(*statements: Mapping[str, Any]) -> str:
    """Return a policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def published(emulator: Emulator, name: str) -> dict[str, str]:
    """Return the digest behind each tag of a repository; nothing if there is no repository."""
    registry = emulator.client("ecr")
    try:
        details = registry.describe_images(repositoryName=name)["imageDetails"]
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "RepositoryNotFoundException":
            raise
        return {}
    return {tag: image["imageDigest"] for image in details for tag in image.get("imageTags", [])}
