"""The command caller: fetch the deploy.yml that calls the workflow of another repository."""

from __future__ import annotations

from keyless.paths import WORKFLOWS
from keyless.setup import session
from keyless.setup.download import take

CALLER = "make caller"
MISSING = "its entry has no job_workflow_ref. Add it there with --calls, commit and push"


def main(source: str, key: str) -> int:
    """Fetch the workflow that `make add ... --calls` has written for this repository.

    Args:
        source: OWNER/NAME of that repository; if empty, the one that infra.json names.
        key: of this repository's entry there; if empty, the answer to project_slug.

    Returns:
        0 if it was fetched, 1 if not, 130 after Ctrl-C.
    """

    def run() -> int:
        take(CALLER, source, key, "yml", f"{WORKFLOWS}/deploy.yml", MISSING)
        return 0

    return session.run(CALLER, run)
