"""No file uses an AWS access key."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from keyless.model.documents import LARGEST, Mapping
from keyless.model.files import repository_files
from keyless.model.findings import Finding
from keyless.model.jobs import Job
from keyless.model.repository import Repository
from keyless.model.workflows import DOCKER_LOGIN
from keyless.rules._secrets import STORED_KEY

ID = "no-keys"
WHY = "An access key works from anywhere until somebody rotates it."
SOURCES = (
    (
        "AWS: IAM best practices",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html",
    ),
)
BEFORE = "aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}"
AFTER = 'role-to-assume: "arn:aws:iam::111122223333:role/example-service-push"'
# Whose storage has keys of the same form.
OTHERS = r"r2|minio|b2_|spaces|wasabi|ali|oss_|gcs|hmac|scw|scaleway|hetzner|storj|linode|tencent"
# How a script hands a key to AWS's programs: aws configure set, a file, or a variable.
WRITTEN = r"(?i)\baws_(?:access_key_id|secret_access_key)(?:[\"']?\s*[= ]\s*|<<)([^\n;&|]+)"
KEY = rb"\b(?:AKIA|ASIA)(?![A-Z0-9]*EXAMPLE)[A-Z2-7]{16}\b"  # [AWS docs, IAM identifiers]


def find(repository: Repository) -> Iterator[Finding]:
    """Look at every value of every job."""
    for job in repository.jobs:
        yield from _login_with_key(job)
        for part, key, line, text in job.values():
            if _takes_key(job, part, key, text):
                message = f"{key} takes an access key, which works from anywhere until it is"
                mend = "assume the role with role-to-assume, and delete the key in IAM"
                path = part.path or job.source.path
                yield Finding(path, line, ID, f"{message} rotated", mend)


def _login_with_key(job: Job) -> Iterator[Finding]:
    """Yield where docker/login-action is given a key for ECR: as its user and its password."""
    for step in job.using(DOCKER_LOGIN):
        for key in ("username", "password"):
            stored = re.search(r"\b(secrets|vars)\b", job.input(step, key))
            if stored and ".dkr.ecr" in job.input(step, "registry"):
                message = (
                    f"{key} of a login to ECR is an access key, which works from anywhere until"
                )
                mend = "assume the role in a step before it, and remove username and password"
                yield job.finding(step, key, ID, f"{message} it is rotated", mend)


def _takes_key(job: Job, part: Mapping, key: str, text: str) -> bool:
    """Tell whether a value is an access key that is stored, under whatever name."""
    if re.search(STORED_KEY, text, re.IGNORECASE):
        return True
    named = key.lower().replace("_", "-")
    of_others = re.search(OTHERS, f"{key} {text}", re.IGNORECASE)
    if named.endswith(("access-key-id", "secret-access-key")) and not of_others:
        return bool(re.search(r"\b(secrets|vars)\b", job.resolve(part, text)))
    given = [match[1] for match in re.finditer(WRITTEN, text)] if key == "run" else []
    for value in given:
        named = re.sub(r"\$\{?(\w+)\}?", lambda name: f" {job.variable(part, name[1])} ", value)
        if re.search(r"\$\{\{\s*(secrets|vars)\b", job.resolve(part, named)):
            return True
    return False


def find_in_files(root: Path) -> Iterator[Finding]:
    """Look for access keys in every file of a repository. It takes longer than all rules."""
    for name in repository_files(root):
        path = root / name
        if path.is_file() and path.stat().st_size <= LARGEST and os.access(path, os.R_OK):
            data = path.read_bytes()
            match = re.search(KEY, data)
            if match:
                line = data.count(b"\n", 0, match.start()) + 1
                message = f"{match[0].decode()[:8]}... looks like an access key"
                yield Finding(name, line, ID, message, "remove it here, and delete the key in IAM")
