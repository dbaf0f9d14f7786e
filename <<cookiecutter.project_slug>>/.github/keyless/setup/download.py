"""Taking a file of services/ from the repository whose infra/ looks after this one."""

from __future__ import annotations

from keyless.console import Problem
from keyless.model.account import read_account
from keyless.paths import ROOT
from keyless.programs import run
from keyless.setup.project import answered_slug, central_repository, own_key
from keyless.setup.service_files import SERVICES_FOLDER
from keyless.writing import write_text

RAW = "Accept: application/vnd.github.raw"  # the file itself, and no JSON about it


def take(command: str, source: str, key: str, suffix: str, target: str, missing: str) -> None:
    """Take a file of services/, as it is on the default branch of a repository on GitHub.

    Nothing is lost where GitHub has no such file: it is written whole, or not at all.

    Args:
        command: what was typed, for example make fetch.
        source: OWNER/NAME of that repository; if empty, the one that infra.json names.
        key: of this repository's entry there; if empty, the answer to project_slug.
        suffix: of the file: json or yml.
        target: the path that it is written to.
        missing: what to do where GitHub has no such file, in words.

    Raises:
        Problem: it is not known where it is to be taken from, or GitHub has no such file.
    """
    source = source or central_repository()
    if not source:
        raise Problem(f"Say who holds infra/: {command} FROM=OWNER/NAME")
    path = f"{SERVICES_FOLDER}/{key or _own_key()}.{suffix}"
    done = run("gh", "api", "--header", RAW, f"repos/{source}/contents/{path}")
    if done.status:
        raise Problem(f"{done.said}\n{source} has no {path} on GitHub: {missing}")
    write_text(ROOT / target, done.out)


def _own_key() -> str:
    """Return the key of this repository's entry, as the answers or infra.json have it."""
    key = answered_slug()
    return key if key else own_key(read_account(ROOT))
