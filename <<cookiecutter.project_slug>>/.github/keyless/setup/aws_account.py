"""The AWS account: its identity provider, roles, ECR repositories, and their quotas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from keyless.aws import Refused, run_aws
from keyless.console import Problem
from keyless.model.account import Account
from keyless.model.subjects import trust_length
from keyless.programs import parse_answer

FEW = 3  # for more roles or ECR repositories, AWS is asked once for all
TRUST_DEFAULT = 2048  # characters of a trust policy, until the quota is raised
REGISTRIES = 10_000  # ECR repositories in a region, until the quota is raised


class Quota(NamedTuple):
    """A quota of an account: its name, how much would be needed, and how much is allowed."""

    name: str
    wanted: int
    most: int


def ask_aws(
    account: Account, service: str, operation: str, *arguments: str, missing: str = ""
) -> Any:
    """Return what AWS answers in the account's region, read from JSON.

    Args:
        account: which region is asked.
        service: as the AWS CLI calls it.
        operation: as the AWS CLI calls it.
        arguments: those of the operation.
        missing: the error code, or its beginning, for which None is returned.

    Raises:
        Refused: it answers with another error, or not at all.
    """
    try:
        where = ("--region", account.region, "--output", "json")
        answer = run_aws(["aws", service, operation, *arguments, *where])
    except Refused as refused:
        if missing and refused.code.startswith(missing):
            return None
        raise
    return parse_answer("AWS", answer or "null")  # a deletion answers nothing


def find_provider(account: Account) -> Any:
    """Return the account's OIDC identity provider for GitHub, None where there is none."""
    arguments = ("--open-id-connect-provider-arn", account.oidc_provider)
    operation = "get-open-id-connect-provider"
    return ask_aws(account, "iam", operation, *arguments, missing="NoSuchEntity")


def audience_missing(account: Account, provider: Any) -> Problem | None:
    """Return what is wrong with an identity provider that exists, as IAM describes it."""
    if account.audience in provider["ClientIDList"]:
        return None
    return Problem(
        f"GitHub's OIDC identity provider in account {account.id} does not accept the audience"
        f" {account.audience}, so AWS would refuse every token.",
        "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn"
        f" {account.oidc_provider} --client-id {account.audience}"
        f" --region {account.region}",
    )


def roles_with_provider(account: Account, own: str) -> list[str]:
    """Return the names of the roles that trust GitHub's provider, without the own one."""
    arn = account.oidc_provider
    roles = ask_aws(account, "iam", "list-roles")["Roles"]
    naming = [one for one in roles if arn in str(one.get("AssumeRolePolicyDocument"))]
    return sorted(one["RoleName"] for one in naming if one["RoleName"] != own)


def find_role(account: Account, name: str) -> Any:
    """Return a role as IAM describes it, None where there is none."""
    found = ask_aws(account, "iam", "get-role", "--role-name", name, missing="NoSuchEntity")
    return found and found["Role"]


def find_roles(account: Account, names: list[str]) -> dict[str, Any]:
    """Return those of some roles that the account has, by their names."""
    if len(names) > FEW:
        listed = ask_aws(account, "iam", "list-roles")["Roles"]
        return {one["RoleName"]: one for one in listed if one["RoleName"] in names}
    return {name: found for name in names if (found := find_role(account, name))}


def find_registry(account: Account, name: str) -> Any:
    """Return an ECR repository as AWS describes it; None if it does not exist."""
    arguments = ("--repository-names", name)
    operation = "describe-repositories"
    found = ask_aws(account, "ecr", operation, *arguments, missing="RepositoryNotFound")
    return found and found["repositories"][0]


def find_registries(account: Account, names: list[str]) -> dict[str, Any]:
    """Return those of some ECR repositories that the region has, by their names."""
    if len(names) > FEW:
        listed = ask_aws(account, "ecr", "describe-repositories")["repositories"]
        return {one["repositoryName"]: one for one in listed if one["repositoryName"] in names}
    return {name: found for name in names if (found := find_registry(account, name))}


def count_images(account: Account, name: str) -> int | None:
    """Return how many images an ECR repository holds; None if it does not exist."""
    where = ("--repository-name", name)
    listed = ask_aws(account, "ecr", "list-images", *where, missing="RepositoryNotFound")
    return listed and len({image["imageDigest"] for image in listed["imageIds"]})


def newest_image(account: Account, registry: str) -> dict[str, Any]:
    """Return the tagged image that was pushed last, as ECR describes it; empty without one."""
    which = ("--repository-name", registry, "--filter", "tagStatus=TAGGED")
    found = ask_aws(account, "ecr", "describe-images", *which, missing="RepositoryNotFound")
    every = (found or {"imageDetails": []})["imageDetails"]
    return dict(max(every, key=lambda each: str(each.get("imagePushedAt", "")), default={}))


def delete_registry_command(account: Account, name: str) -> str:
    """Return the command that deletes an ECR repository and its images."""
    where = f"--repository-name {name} --region {account.region}"
    return f"aws ecr delete-repository {where} --force"


def quotas(
    account: Account, lacking_roles: int, existing_roles: int, lacking_registries: int
) -> Iterator[Quota]:
    """Yield the quotas that many entries, or long ones, may exceed.

    If a single role is too many, AWS reports it with the quota's name. Of hundreds, AWS would have
    created half by then. [IAM API, GetAccountSummary; ECR user guide, "Service quotas"]

    Args:
        account: with the entries as they will be.
        lacking_roles: how many roles are not in Terraform's states.
        existing_roles: how many of these the account has already.
        lacking_registries: how many ECR repositories are not in Terraform's states.
    """
    lengths = [trust_length(account, entry) for entry in account.entries.values()]
    longest = max(lengths, default=0)
    if lacking_roles > FEW or longest > TRUST_DEFAULT:
        has = ask_aws(account, "iam", "get-account-summary")["SummaryMap"]
        roles = has["Roles"] + lacking_roles - existing_roles
        yield Quota("Roles per account", roles, has["RolesQuota"])
        yield Quota("Role trust policy length", longest, has["AssumeRolePolicySizeQuota"])
    if lacking_registries > FEW:
        every = ask_aws(account, "ecr", "describe-repositories")["repositories"]
        registries = len(every) + lacking_registries
        yield Quota("Registered repositories", registries, REGISTRIES)
