"""publish-image.yml: the workflow of this repository that others call to publish, and its ref."""

from __future__ import annotations

import re

from keyless.console import Problem
from keyless.model.account import Account
from keyless.model.callers import short_reference
from keyless.model.entry_errors import WORKFLOW_REFERENCE
from keyless.model.refs import ref_matches
from keyless.paths import ROOT, SHARED_WORKFLOW, TOOL
from keyless.setup.project import own_key
from keyless.setup.service_files import own_name
from keyless.writing import read_text

SHARED_SOURCE = "infra/shared/publish-image.yml"  # it is copied to where GitHub looks for it
PLACEHOLDER = f"OWNER/NAME/{TOOL}@REF"  # in the source; becomes this repository's tool


def workflow_reference(account: Account, ref: str | None) -> str | None:
    """Return the claim job_workflow_ref of publish-image.yml at a ref of this repository.

    Args:
        account: with this repository's own entry.
        ref: refs/tags/NAME or refs/heads/NAME; without it the result is None.

    Raises:
        Problem: it is not such a ref, or the workflow here uses the tool at another ref.
    """
    if not ref:
        return None
    called = f"{own_name(account)}/{SHARED_WORKFLOW}@{ref}"
    if not re.fullmatch(WORKFLOW_REFERENCE, called) or not ref.startswith("refs/"):
        raise Problem(
            f"{ref!r} is not a ref that can be called. Use refs/tags/NAME or refs/heads/NAME:",
            'make add ... ARGS="--calls refs/tags/publish-v1"',
        )
    own = account.entries[own_key(account)]["refs"]
    if any(ref_matches(ref, each) for each in own):
        raise Problem(
            f"{ref} is a version of this repository. Pushing it publishes an image, and a ruleset"
            " for versions would lock it. Use a name that is not a version:",
            'make add ... ARGS="--calls refs/tags/publish-v1"',
        )
    here, short = ROOT / SHARED_WORKFLOW, _short(called)
    if here.is_file() and f"/{TOOL}@{short}" not in read_text(here):
        raise Problem(
            f"{SHARED_WORKFLOW} uses {TOOL} at another ref than {short}. Use the same ref there and"
            " in the job_workflow_ref of every entry that calls it.",
            f"grep -n keyless@ {SHARED_WORKFLOW}",
        )
    return called


def _short(called: str) -> str:
    """Return the name of the ref in a claim job_workflow_ref."""
    return short_reference(called).partition("@")[2]


def shared_files(account: Account, called: str) -> dict[str, str]:
    """Return the workflow that others call, by its path; nothing if it exists already.

    Args:
        account: with this repository's own entry.
        called: the claim job_workflow_ref of the repositories that call it.
    """
    if (ROOT / SHARED_WORKFLOW).exists():
        return {}
    own = f"{own_name(account)}/{TOOL}@{_short(called)}"
    return {SHARED_WORKFLOW: read_text(ROOT / SHARED_SOURCE).replace(PLACEHOLDER, own)}
