"""STS accepts the name of the session."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.findings import Finding
from keyless.model.jobs import Job
from keyless.model.repository import Repository
from keyless.model.texts import EXPRESSION
from keyless.rules._values import assuming_steps

ID = "session-name"
WHY = (
    "STS refuses a session name that contains a space, a slash or a bracket, or has more than 64"
    " characters. The name of a bot contains brackets: `dependabot[bot]`."
)
SOURCES = (
    (
        "AWS: AssumeRoleWithWebIdentity",
        "https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html",
    ),
)
BEFORE = "role-session-name: ${{ github.actor }}"
AFTER = "role-session-name: run-${{ github.run_id }}-${{ github.run_attempt }}"
GOOD = "run-${{ github.run_id }}-${{ github.run_attempt }}"
ALLOWED = r"[\w+=,.@-]*"
# What values look like at their longest; others are not judged.
EXAMPLES = {
    "github.actor": "dependabot[bot]",
    "github.triggering_actor": "dependabot[bot]",
    "github.repository": "octo-org/example-service",
    "github.ref": "refs/tags/v1.2.3",
    "github.workflow_ref": "octo-org/example-service/.github/workflows/deploy.yml@refs/tags/v1",
    "github.event.release.name": "First release",
    "github.event.head_commit.message": "Fix it",
    "github.event.release.html_url": "https://github.com/octo-org/example-service",
    "github.sha": "0" * 40,
    "github.run_id": "1" * 11,
    "github.run_number": "1" * 5,
    "github.run_attempt": "1",
}


def find(repository: Repository) -> Iterator[Finding]:
    """Look at the name of the session of each step that assumes a role."""
    for where in assuming_steps(repository):
        value = where.job.input(where.step, "role-session-name")
        example = _example(where.job, value)
        if value and not (re.fullmatch(ALLOWED, example) and 2 <= len(example) <= 64):
            shown = f"is {value}" + f", for example {example}" * (example != value)
            message = f"role-session-name {shown}, which STS refuses: it takes 2 to 64 letters,"
            message += " digits and any of +=,.@_-"
            mend = f"write role-session-name: {GOOD}"
            yield where.job.finding(where.step, "role-session-name", ID, message, mend, GOOD)


def _example(job: Job, value: str) -> str:
    """Return a value as it may look in a run."""
    known = {**EXAMPLES, "github.workflow": job.source.root.text("name") or job.source.path}
    return EXPRESSION.sub(lambda match: known.get(match[1].strip().lower(), "0000"), value)
