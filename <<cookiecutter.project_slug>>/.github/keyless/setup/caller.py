"""The command caller: take the deploy.yml that calls the workflow of another repository."""

from __future__ import annotations

from keyless.paths import WORKFLOWS
from keyless.setup import session
from keyless.setup.download import take

CALLER = "make caller"
MISSING = "its entry has no job_workflow_ref"


def main(source: str, key: str) -> int:
    """Take the workflow that `make add ... --calls` has written for this repository.

    Args:
        source: OWNER/NAME of that repository; if empty, the one that infra.json names.
        key: of this repository's entry there; if empty, the answer to project_slug.

    Returns:
        0 where it was taken, 1 where it was not, 130 after Ctrl-C.
    """

    def run() -> int:
        take(CALLER, source, key, "yml", f"{WORKFLOWS}/deploy.yml", MISSING)
        return 0

    return session.run(CALLER, run)
