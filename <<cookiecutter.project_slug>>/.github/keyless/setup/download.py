"""Fetching a file of services/ from the central repository, whose infra/ serves this one."""

from __future__ import annotations

from keyless.console import Problem
from keyless.model.account import read_account
from keyless.paths import ROOT
from keyless.programs import run
from keyless.setup.project import answered_slug, central_repository, own_key
from keyless.setup.service_files import SERVICES_FOLDER
from keyless.writing import write_text

RAW = "Accept: application/vnd.github.raw"  # the file itself, not JSON about it


def take(command: str, source: str, key: str, suffix: str, target: str, missing: str) -> None:
    """Fetch a file of services/ from the default branch of a repository on GitHub.

    If GitHub has no such file, the file here stays as it is.

    Args:
        command: what was typed, for example make fetch.
        source: OWNER/NAME of that repository; if empty, the one that infra.json names.
        key: of this repository's entry there; if empty, the answer to project_slug.
        suffix: of the file: json or yml.
        target: the path that it is written to.
        missing: what to do if GitHub has no such file, in words.

    Raises:
        Problem: the repository is not known, or GitHub has no such file.
    """
    source = source or central_repository()
    if not source:
        text = "It is not known which repository has the infra/ for this one. Name it:"
        raise Problem(text, f"{command} FROM=OWNER/NAME")
    path = f"{SERVICES_FOLDER}/{key or _own_key()}.{suffix}"
    done = run("gh", "api", "--header", RAW, f"repos/{source}/contents/{path}")
    if done.status:
        raise Problem(f"{done.said}\n{source} has no {path} on GitHub: {missing}.")
    write_text(ROOT / target, done.out)


def _own_key() -> str:
    """Return the key of this repository's entry, as the answers or infra.json have it."""
    key = answered_slug()
    return key if key else own_key(read_account(ROOT))
