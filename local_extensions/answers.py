"""The answers: which are accepted, and what follows from them. One function for each kind.

A wrong answer raises FailedHookException, which cookiecutter prints as one line with exit status 1
before anything is created (cookiecutter 2.7.1, cli.py).
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from cookiecutter.exceptions import FailedHookException

# An owner is a user or an organisation; managed users carry an underscore. GitHub shows no other
# characters in the name of a repository, and allows 39 and 100 of them.
GITHUB_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9._-]{1,100}")
DIRECTORY_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
ACCOUNT_ID = re.compile(r"[0-9]{12}")
REGION = re.compile(r"([a-z]{2}|us-gov)-(central|(north|south)(east|west)?|east|west)-[1-9][0-9]?")
# The pattern of CreateRepository, plus "must begin with a letter" [Amazon ECR user guide].
ECR_NAME = re.compile(
    r"(?=[a-z])[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
)
ECR_NAME_LENGTH = range(2, 257)
# What IAM takes in a trust policy (U+0020 to U+00FF) [CreateRole], without its wildcards and
# variables, without the % of an escape (GitHub writes : as %3A), and without what would have to be
# escaped in YAML, HCL or Markdown.
ENVIRONMENT = re.compile(
    r"[A-Za-z0-9\u00c0-\u00ff]"
    r"([A-Za-z0-9\u00c0-\u00ff !#&'()+,./:;=@_~-]{0,253}[A-Za-z0-9\u00c0-\u00ff!#&'()+,./:;=@_~-])?"
)
# [Amazon S3 user guide, "General purpose bucket naming rules"]
BUCKET = re.compile(
    r"(?=.{3,63}$)(?!xn--|sthree-|amzn-s3-demo-|([0-9]+\.){3}[0-9]+$)"
    r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
    r"(?<!-s3alias)(?<!--ol-s3)(?<!--x-s3)(?<!--table-s3)(?<!\.mrap)"
)
# Docker's reference grammar ends at 255 characters, and some clients count the registry's host.
IMAGE_NAME_MAXIMUM = 255
ROLE_NAME_MAXIMUM = 64  # [IAM quotas]
ROLE_NAME_SUFFIX = "-push"  # never just "GitHubActions", a name that is reported not assumable
# [App Runner API, CreateService and ImageRepository]; ECS allows more in both.
SERVICE_NAME_MAXIMUM = 40
APP_RUNNER_REGIONS = (  # [endpoints of botocore 1.43, November 2026]
    *("us-east-1", "us-east-2", "us-west-2", "ap-south-1", "ap-northeast-1", "ap-southeast-1"),
    *("ap-southeast-2", "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3"),
)
APP_RUNNER_IMAGE = re.compile(r"([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*")
SHOWN_MAXIMUM = 60


def refuse(key: str, value: str, what: str, instead: str) -> NoReturn:
    """End the generation with one line of ASCII: the key, the value, what is wrong, what to type.

    Raises:
        FailedHookException: always.
    """
    shown = ascii(value)
    if len(shown) > SHOWN_MAXIMUM:
        shown = f"{shown[:SHOWN_MAXIMUM]}...' ({len(value)} characters)"
    raise FailedHookException(f"{key}: {shown} {what}. {instead}")


def github_repository(value: str) -> str:
    """Return the owner/name that GitHub shows, case kept: it stands in the subject as it is."""
    if not GITHUB_REPOSITORY.fullmatch(value) or value.lower().endswith(("/.", "/..", ".git")):
        refuse(
            "github_repository",
            value,
            "is not owner/name, so no subject can be derived from it",
            "Type it as GitHub shows it, for example octo-org/example-service",
        )
    return value


def directory_name(value: str) -> str:
    """Return the name of one new directory: it also becomes Terraform's key and the role's name."""
    if not DIRECTORY_NAME.fullmatch(value):
        refuse(
            "project_slug",
            value,
            "is no plain directory name, so nothing was created",
            "Type letters, digits, '-', '_' and '.', not beginning with '.' or '-' "
            "nor ending in '.', at most 100: for example example-service",
        )
    return value


def account_id(value: str) -> str:
    """Return the 12 digits of an AWS account, as text: leading zeros count."""
    if not ACCOUNT_ID.fullmatch(value):
        refuse(
            "aws_account_id",
            value,
            "is not 12 digits, so no role can have this account in its ARN",
            "Type for example 111122223333; this shows yours: "
            "aws sts get-caller-identity --query Account --output text",
        )
    return value


def region(value: str) -> str:
    """Return the code of an AWS region in the partitions aws, aws-cn or aws-us-gov."""
    if value.startswith("eusc-"):
        refuse(
            "aws_region",
            value,
            "lies in the European Sovereign Cloud, which this template does not know yet",
            "Type a region of another partition, for example eu-central-1",
        )
    if not REGION.fullmatch(value):
        refuse(
            "aws_region",
            value,
            "is no AWS region, so there is no registry to push to",
            "Type its code with all hyphens, for example us-east-1",
        )
    return value


def partition(aws_region: str) -> str:
    """Return the partition of a region: the second field of every ARN in it."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(aws_region.rsplit("-", 2)[0], "aws")


def domain(aws_region: str) -> str:
    """Return the domain that the registry's host and the audience `sts.DOMAIN` end in."""
    return "amazonaws.com.cn" if partition(aws_region) == "aws-cn" else "amazonaws.com"


def ecr_name(value: str) -> str:
    """Return the name of a repository in ECR."""

    def accepted(name: str) -> bool:
        return len(name) in ECR_NAME_LENGTH and ECR_NAME.fullmatch(name) is not None

    if not accepted(value):
        lower = value.lower()
        refuse(
            "ecr_repository",
            value,
            "is no name that ECR accepts, so the registry could not be created",
            f"Type {lower}"
            if accepted(lower)
            else "Type 2 to 256 lower-case letters and digits, beginning with a letter, "
            "parted by single '.', '_', '-' or '/': for example example-service",
        )
    return value


def environment_name(value: str) -> str:
    """Return the name of a GitHub environment, which stands in the subject; empty for none."""
    if value and not ENVIRONMENT.fullmatch(value):
        refuse(
            "github_environment",
            value,
            "is no environment that a role can trust exactly",
            "Type 1 to 255 letters, digits, spaces and any of !#&'()+,./:;=@_~- , beginning with a "
            "letter or digit: for example production. Leave it empty for none",
        )
    return value


def bucket_name(value: str) -> str:
    """Return the name of an S3 bucket; empty for none."""
    if value and not BUCKET.fullmatch(value):
        refuse(
            "state_bucket",
            value,
            "is no name that S3 accepts for a bucket, so there would be no place for the state",
            "Type 3 to 63 lower-case letters, digits, '-' and '.', for example octo-org-terraform. "
            "Leave it empty for a local file",
        )
    return value


def role_name(slug: str) -> str:
    """Return the name of a project's role, cut so that it fits IAM's 64 characters."""
    return slug[: ROLE_NAME_MAXIMUM - len(ROLE_NAME_SUFFIX)] + ROLE_NAME_SUFFIX


def service_name(slug: str) -> str:
    """Return the name of a project's service: letters, digits, - and _, 4 to 40 of them."""
    name = re.sub("[^A-Za-z0-9_-]", "-", slug).lstrip("_-")[:SERVICE_NAME_MAXIMUM]
    return name if len(name) > 3 else f"{name}-service".lstrip("-")


def together(answers: dict[str, Any]) -> str:
    """Judge what no single answer shows; every answer by itself is accepted by now.

    Returns:
        Nothing to render.
    """
    account, aws_region = answers["aws_account_id"], answers["aws_region"]
    _judge_service(answers)
    if answers["iac_tool"] == "none" and answers["state_bucket"]:
        refuse(
            "state_bucket",
            answers["state_bucket"],
            "has nothing to keep: with iac_tool=none there is no infra/ here, so no state",
            "Leave it empty",
        )
    image = f"{account}.dkr.ecr.{aws_region}.{domain(aws_region)}/{answers['ecr_repository']}"
    if len(image) > IMAGE_NAME_MAXIMUM:
        rest = len(image) - len(answers["ecr_repository"])
        refuse(
            "ecr_repository",
            answers["ecr_repository"],
            f"makes an image name of {len(image)} characters with the registry's host before it, "
            f"and Docker takes {IMAGE_NAME_MAXIMUM}",
            f"Type a name of at most {IMAGE_NAME_MAXIMUM - rest} characters",
        )
    return ""


def _judge_service(answers: dict[str, Any]) -> None:
    """Refuse a service that could not be made where the other answers lead to."""
    target, aws_region = answers["deploy_to"], answers["aws_region"]
    if target == "nothing":
        return
    if answers["iac_tool"] == "none":
        refuse(
            "deploy_to",
            target,
            "needs roles for the service, which an infra/ here makes, and with iac_tool=none there "
            "is none",
            "Type nothing, or iac_tool=terraform",
        )
    if partition(aws_region) != "aws":
        refuse(
            "deploy_to",
            target,
            f"is not known to work in {aws_region}, which is no commercial region",
            "Type nothing, or a commercial region such as us-east-1",
        )
    if target != "app-runner":
        return
    if aws_region not in APP_RUNNER_REGIONS:
        refuse(
            "deploy_to",
            target,
            f"is not in {aws_region}: App Runner has only some regions, and takes no new customers",
            f"Type ecs-express, or one of: {', '.join(APP_RUNNER_REGIONS)}",
        )
    if answers["platform"] != "linux/amd64":
        refuse(
            "platform",
            answers["platform"],
            "does not run on App Runner, which is linux/amd64 only",
            "Type linux/amd64, or deploy_to=ecs-express",
        )
    if not APP_RUNNER_IMAGE.fullmatch(answers["ecr_repository"]):
        refuse(
            "ecr_repository",
            answers["ecr_repository"],
            "is no name from which App Runner takes an image",
            "Type words parted by single '.', '_', '-' or '/': for example example-service",
        )


def public(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the answers a user gave, without the private values."""
    return {key: value for key, value in answers.items() if not key.startswith("_")}
