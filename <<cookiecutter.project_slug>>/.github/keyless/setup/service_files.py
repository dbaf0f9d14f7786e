"""The folder services/: one or two files for each entry, which other repositories fetch."""

from __future__ import annotations

import json
import re
from typing import Any

from keyless.model.account import Account
from keyless.model.callers import caller_inputs, short_reference
from keyless.model.documents import read_file
from keyless.model.refs import condition_on
from keyless.model.terraform import infra_json_by_entry
from keyless.model.triggers import starting_runs
from keyless.model.workflows import CREDENTIALS, read_workflow, workflow_paths
from keyless.paths import ROOT
from keyless.planning.entries import infra_of_entries
from keyless.setup.project import own_key

SERVICES_FOLDER = "services"
ENTRY_KEY = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"  # what may name a file
CALLER = "# Publishes one image under two tags, as "  # how the deploy.yml of a caller begins


def own_name(account: Account) -> str:
    """Return the name of this repository on GitHub, OWNER/NAME.

    Raises:
        Problem: the own entry is not known.
    """
    return str(account.entries[own_key(account)]["github_repository"])


def is_written_here(text: str) -> bool:
    """Tell whether a file in services/ was written from here."""
    return '"written_by": ' in text or text.startswith(CALLER)


def publishes_releases() -> bool:
    """Tell whether a workflow here that assumes a role starts when a release is published.

    Raises:
        CannotJudge: it cannot be read.
    """
    texts = {path: read_file(ROOT, path) for path in workflow_paths(ROOT)}
    publishing = [read_workflow(ROOT, path) for path in texts if CREDENTIALS in texts[path]]
    return any(run.event == "release" for one in publishing for run in starting_runs(one))


def service_files(account: Account, written_by: str) -> dict[str, str]:
    """Return the texts of services/ by path: for each entry but this repository's own.

    Args:
        account: with the entries.
        written_by: the name of this repository.

    Raises:
        CannotJudge: infra/ was changed, and what it makes cannot be planned here.
    """
    found: dict[str, str] = {}
    known = infra_json_by_entry(account, infra_of_entries(ROOT, account), written_by)
    releases = publishes_releases()
    for key, entry in account.entries.items():
        if entry["github_repository"] == written_by or not re.fullmatch(ENTRY_KEY, key):
            continue
        text = json.dumps(known[key], indent=2, ensure_ascii=False)
        found[f"{SERVICES_FOLDER}/{key}.json"] = f"{text}\n"
        if entry.get("job_workflow_ref"):
            found[f"{SERVICES_FOLDER}/{key}.yml"] = caller_workflow(account, entry, releases)
    return found


def caller_workflow(account: Account, entry: dict[str, Any], releases: bool) -> str:
    """Return the deploy.yml of a repository that publishes by a workflow of another one.

    Args:
        account: with what the workflow is given.
        entry: that of the repository, with its job_workflow_ref.
        releases: whether tags are published when a release is made of them, not when pushed.
    """
    called = short_reference(entry["job_workflow_ref"])
    given = caller_inputs(account, entry)
    lines = [
        f"{CALLER}{called.partition('@')[0]} says.",
        "name: deploy",
        "on:",
        *_events(entry["refs"], releases),
        "  workflow_dispatch:",
        "permissions: {}",
        "jobs:",
        "  publish:",
        f"    if: ${{{{ {' || '.join(map(condition_on, entry['refs']))} }}}}",
        "    permissions: {contents: read, id-token: write}",
        f"    uses: {called}",
        "    with:",
        *(f"      {name}: {json.dumps(given[name], ensure_ascii=False)}" for name in given),
    ]
    return "\n".join(lines) + "\n"


def _events(refs: list[str], releases: bool) -> list[str]:
    """Return the lines of `on:` that start a workflow for refs."""
    tags, branches = (
        [ref[len(start) :] for ref in refs if ref.startswith(start)]
        for start in ("refs/tags/", "refs/heads/")
    )
    pushes = []
    if tags and not releases:
        pushes.append(f"tags: {json.dumps(tags, ensure_ascii=False)}")
    if branches:
        pushes.append(f"branches: {json.dumps(branches, ensure_ascii=False)}")
    events = ["  release: {types: [published]}"] if tags and releases else []
    return events + ([f"  push: {{{', '.join(pushes)}}}"] if pushes else [])
