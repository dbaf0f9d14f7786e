"""The command fetch: fetch infra.json from the central repository, and run the check."""

from __future__ import annotations

from keyless.paths import INFRA_JSON
from keyless.setup import session
from keyless.setup.contract import run_check
from keyless.setup.download import take

FETCH = "make fetch"
MISSING = "add this repository there, commit and push. If its key differs, add KEY=..."


def main(source: str, key: str) -> int:
    """Fetch what the infra/ of the central repository has for this one.

    Args:
        source: OWNER/NAME of that repository; if empty, the one that infra.json names.
        key: of this repository's entry there; if empty, the answer to project_slug.

    Returns:
        The exit status of the check; 1 if nothing was fetched, 130 after Ctrl-C.
    """

    def run() -> int:
        take(FETCH, source, key, "json", INFRA_JSON, MISSING)
        return run_check(show=True).status

    return session.run(FETCH, run)
