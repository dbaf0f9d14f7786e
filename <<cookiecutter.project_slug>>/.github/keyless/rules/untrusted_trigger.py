"""People without write access cannot start a job that assumes the role."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.findings import Finding
from keyless.model.refs import is_untrusted
from keyless.model.repository import Repository

ID = "untrusted-trigger"
WHY = (
    "People without write access can cause events such as `pull_request_target` and"
    " `issue_comment`."
)
SOURCES = (
    (
        "GitHub: secure use",
        "https://docs.github.com/en/actions/reference/security/secure-use",
    ),
)
BEFORE = """\
on:
  pull_request_target:
jobs:
  publish:
    permissions: {contents: read, id-token: write}"""
AFTER = """\
on:
  release:
    types: [published]
jobs:
  publish:
    permissions: {contents: read, id-token: write}"""


def find(repository: Repository) -> Iterator[Finding]:
    """Look at the events that start each job which is held against an entry."""
    for job in repository.judged:
        first = job.callers[0] if job.callers else job
        for event in sorted({run.event for run in job.runs if is_untrusted(run.event)}):
            message = (
                f"{event} starts job {job.name}, which assumes the role, so people without"
                " write access could use it"
            )
            mend = f"remove {event}, or exclude it in the job: if: github.event_name != '{event}'"
            line = first.source.root.line("on")
            yield Finding(first.source.path, line, ID, message, mend)
