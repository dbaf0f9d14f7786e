"""Which answers are accepted, and what is derived from them. One function for each kind.

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
    """End the generation with one line of ASCII: the key, the value, what is wrong, what to use.

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
            "is not owner/name, so the subject of the token cannot be derived from it",
            "Enter it as GitHub shows it, for example octo-org/example-service",
        )
    return value


def directory_name(value: str) -> str:
    """Return the name of one new directory: it also becomes Terraform's key and the role's name."""
    if not DIRECTORY_NAME.fullmatch(value):
        refuse(
            "project_slug",
            value,
            "is not a valid folder name, so nothing was created",
            "Use at most 100 letters, digits, '-', '_' and '.'. Do not begin with '.' or '-', "
            "and do not end with '.'. For example: example-service",
        )
    return value


def account_id(value: str) -> str:
    """Return the 12 digits of an AWS account, as text: leading zeros count."""
    if not ACCOUNT_ID.fullmatch(value):
        refuse(
            "aws_account_id",
            value,
            "is not 12 digits, so it cannot be the account in the ARN of a role",
            "Enter for example 111122223333. This shows yours: "
            "aws sts get-caller-identity --query Account --output text",
        )
    return value


def region(value: str) -> str:
    """Return the code of an AWS region in the partitions aws, aws-cn or aws-us-gov."""
    if value.startswith("eusc-"):
        refuse(
            "aws_region",
            value,
            "is in the European Sovereign Cloud, which this template does not support yet",
            "Use a region of another partition, for example eu-central-1",
        )
    if not REGION.fullmatch(value):
        refuse(
            "aws_region",
            value,
            "is not an AWS region, so there is no registry to push to",
            "Enter its code with all hyphens, for example us-east-1",
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
            "is not a valid ECR repository name",
            f"Use lowercase letters: {lower}"
            if accepted(lower)
            else "Use 2 to 256 lowercase letters and digits, beginning with a letter. Separate "
            "words with a single '.', '_', '-' or '/'. For example: example-service",
        )
    return value


def environment_name(value: str) -> str:
    """Return the name of a GitHub environment, which stands in the subject; empty for none."""
    if value and not ENVIRONMENT.fullmatch(value):
        refuse(
            "github_environment",
            value,
            "is not an environment name that a role can trust exactly",
            "Use 1 to 255 letters, digits, spaces and any of !#&'()+,./:;=@_~- , beginning with a "
            "letter or digit, for example production. Leave it empty to use no environment",
        )
    return value


def bucket_name(value: str) -> str:
    """Return the name of an S3 bucket; empty for none."""
    if value and not BUCKET.fullmatch(value):
        refuse(
            "state_bucket",
            value,
            "is not a valid S3 bucket name, so the state could not be stored there",
            "Use 3 to 63 lowercase letters, digits, '-' and '.', for example octo-org-terraform. "
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
    """Judge answers that are accepted one by one, but may not fit together.

    Returns:
        Nothing to render.
    """
    account, aws_region = answers["aws_account_id"], answers["aws_region"]
    _judge_service(answers)
    if answers["iac_tool"] == "none" and answers["state_bucket"]:
        refuse(
            "state_bucket",
            answers["state_bucket"],
            "is not needed: with iac_tool=none there is no infra/ here, so there is no state",
            "Leave it empty",
        )
    image = f"{account}.dkr.ecr.{aws_region}.{domain(aws_region)}/{answers['ecr_repository']}"
    if len(image) > IMAGE_NAME_MAXIMUM:
        rest = len(image) - len(answers["ecr_repository"])
        refuse(
            "ecr_repository",
            answers["ecr_repository"],
            f"and the registry's host make an image name of {len(image)} characters, but Docker "
            f"accepts at most {IMAGE_NAME_MAXIMUM}",
            f"Use a name of at most {IMAGE_NAME_MAXIMUM - rest} characters",
        )
    return ""


def _judge_service(answers: dict[str, Any]) -> None:
    """Refuse a service that could not be created with the other answers."""
    target, aws_region = answers["deploy_to"], answers["aws_region"]
    if target == "nothing":
        return
    if answers["iac_tool"] == "none":
        refuse(
            "deploy_to",
            target,
            "needs IAM roles for the service, which infra/ creates, and with iac_tool=none there "
            "is no infra/ here",
            "Use deploy_to=nothing, or iac_tool=terraform",
        )
    if partition(aws_region) != "aws":
        refuse(
            "deploy_to",
            target,
            f"is not known to work in {aws_region}, which is not a commercial region",
            "Use deploy_to=nothing, or a commercial region such as us-east-1",
        )
    if target != "app-runner":
        return
    if aws_region not in APP_RUNNER_REGIONS:
        refuse(
            "deploy_to",
            target,
            f"is not available in {aws_region}, and App Runner is closed to new customers",
            f"Use deploy_to=ecs-express, or one of these regions: {', '.join(APP_RUNNER_REGIONS)}",
        )
    if answers["platform"] != "linux/amd64":
        refuse(
            "platform",
            answers["platform"],
            "does not run on App Runner, which runs only linux/amd64",
            "Use platform=linux/amd64, or deploy_to=ecs-express",
        )
    if not APP_RUNNER_IMAGE.fullmatch(answers["ecr_repository"]):
        refuse(
            "ecr_repository",
            answers["ecr_repository"],
            "is not a repository name that App Runner accepts",
            "Use words separated by a single '.', '_', '-' or '/', for example example-service",
        )


def public(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the answers a user gave, without the private values."""
    return {key: value for key, value in answers.items() if not key.startswith("_")}
