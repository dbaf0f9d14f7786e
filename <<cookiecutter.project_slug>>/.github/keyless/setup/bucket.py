"""The S3 bucket for Terraform's state, if the backend in infra/ names one."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from keyless.aws import Refused
from keyless.console import Problem
from keyless.model.account import Account
from keyless.setup.aws_account import ask_aws
from keyless.setup.retry import AGAIN
from keyless.setup.terraform import INFRA


class Bucket(NamedTuple):
    """Where infra/ keeps its state in S3."""

    name: str
    region: str
    path: str  # of the file with the backend


def state_bucket() -> Bucket | None:
    """Return where the state is kept in S3; None if it is kept elsewhere."""
    for path in sorted(INFRA.glob("*.tf")):
        text = path.read_text(encoding="utf-8")
        body = re.search(r'(?ms)^ *backend "s3" \{$(.*?)^ *\}$', text)
        lines = body[1] if body else ""
        found = dict(re.findall(r'(?m)^\s*(bucket|region)\s*=\s*"([^"]*)"', lines))
        if len(found) == 2:
            return Bucket(found["bucket"], found["region"], f"infra/{path.name}")
    return None


def has_backend() -> bool:
    """Tell whether infra/ names any backend; without one the state is a file in it."""
    return any('backend "' in each.read_text(encoding="utf-8") for each in INFRA.glob("*.tf"))


def bucket_notes(account: Account, bucket: Bucket) -> list[str] | None:
    """Return what a person should know about the bucket; None if it does not exist yet.

    Raises:
        Problem: it is in another region, or you do not have permission to use it.
    """
    notes = []
    try:
        location = _location(account, bucket, "--expected-bucket-owner", account.id)
    except Refused as refused:
        if "AccessDenied" not in refused.code:
            raise
        location = _location_of_anybodys(account, bucket, refused)
        notes.append(
            f"The bucket {bucket.name} for the state does not belong to account {account.id}."
            " If you do not know who owns it, answer no."
        )
    if location is None:
        return None
    constraint = location["LocationConstraint"]
    where = {None: "us-east-1", "EU": "eu-west-1"}.get(constraint, constraint)
    if where != bucket.region:
        raise Problem(
            f"The bucket {bucket.name} is in {where}, but {bucket.path} says {bucket.region}, so"
            " Terraform cannot use it. Correct the region:",
            f'write region = "{where}" in {bucket.path}',
            AGAIN,
        )
    return notes + _versioning_notes(account, bucket)


def _location(account: Account, bucket: Bucket, *owner: str) -> Any:
    which = ("--bucket", bucket.name, *owner)
    return ask_aws(account, "s3api", "get-bucket-location", *which, missing="NoSuchBucket")


def _location_of_anybodys(account: Account, bucket: Bucket, refused: Refused) -> Any:
    try:
        return _location(account, bucket)
    except Refused:
        raise Problem(
            f"You do not have permission to use the bucket {bucket.name}, which {bucket.path}"
            " names for the state. Either somebody else owns it (bucket names are unique in all of"
            " AWS), or you lack s3:GetBucketLocation.",
            f"aws s3api get-bucket-location --bucket {bucket.name}",
        ) from refused


def _versioning_notes(account: Account, bucket: Bucket) -> list[str]:
    which = ("--bucket", bucket.name)
    try:
        versions = ask_aws(account, "s3api", "get-bucket-versioning", *which) or {}
    except Refused as refused:
        return [
            f"It is unknown whether the bucket {bucket.name} keeps old versions: {refused.said}"
        ]
    if versions.get("Status") == "Enabled":
        return []
    return [
        f"The bucket {bucket.name} keeps no old versions, so a lost state cannot be restored. To"
        f" keep them: aws s3api put-bucket-versioning --bucket {bucket.name}"
        " --versioning-configuration Status=Enabled"
    ]


def create_bucket_arguments(bucket: Bucket) -> list[str]:
    """Return what creates a bucket: the arguments of the AWS CLI, without the region."""
    place = ["--create-bucket-configuration", f"LocationConstraint={bucket.region}"]
    elsewhere = bucket.region != "us-east-1"  # where S3 wants no such argument
    return ["s3api", "create-bucket", "--bucket", bucket.name, *place * elsewhere]


def create_bucket(account: Account, bucket: Bucket) -> None:
    """Create the bucket for the state: versioned, and closed to the public."""
    which = ("--bucket", bucket.name)
    there = account._replace(region=bucket.region)
    service, operation, *arguments = create_bucket_arguments(bucket)
    ask_aws(there, service, operation, *arguments)
    kept = ("--versioning-configuration", "Status=Enabled")
    ask_aws(there, "s3api", "put-bucket-versioning", *which, *kept)
    every = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true"
    closed = f"{every},RestrictPublicBuckets=true"
    block = ("--public-access-block-configuration", closed)
    ask_aws(there, "s3api", "put-public-access-block", *which, *block)
