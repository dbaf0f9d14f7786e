"""Values that are not secret, such as a role's name, are not stored as secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.findings import Finding
from keyless.model.repository import Repository
from keyless.model.workflows import CREDENTIALS, LOGIN
from keyless.rules._secrets import SECRET, STORED_KEY

ID = "no-secrets"
WHY = (
    "GitHub masks the value of a secret in logs, and drops outputs that contain it. The name of a"
    " role is not a secret."
)
SOURCES = (
    (
        "GitHub: job outputs",
        "https://docs.github.com/en/actions/how-tos/write-workflows/choose-what-workflows-do/pass-job-outputs",
    ),
)
BEFORE = "role-to-assume: ${{ secrets.AWS_ROLE }}"
AFTER = 'role-to-assume: "arn:aws:iam::111122223333:role/example-service-push"'
PUBLIC = (
    r"((?:\w*_)?(?:ROLE|REGION|REGISTRY|REPOSITORY|ARN|AUDIENCE|ACCOUNT_ID"
    r"|AWS_ACCOUNT)(?:_(?:NAME|ID|URL|URI|ARN|HOST|TO_ASSUME))?)\b"
)


def find(repository: Repository) -> Iterator[Finding]:
    """Look at every value of each job that is held against an entry."""
    for job in repository.judged:
        for part, key, line, text in job.values():
            if "secrets" not in text.lower():
                continue
            of_aws = part.action().startswith((CREDENTIALS, LOGIN))
            used = re.search(SECRET + (r"(\w+)" if of_aws else PUBLIC), text, re.IGNORECASE)
            if used and not re.search(STORED_KEY, text, re.IGNORECASE):
                message = f"{key} reads the secret {used[1]}, so GitHub masks it in logs and"
                mend = "write the value itself, or use vars."
                path = part.path or job.source.path
                yield Finding(path, line, ID, f"{message} outputs", mend)
