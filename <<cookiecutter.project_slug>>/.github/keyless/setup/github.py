"""Repositories on GitHub: what they are called, and the subject that their jobs present."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from keyless.console import Problem
from keyless.gh import denied, find_on_github, github_host
from keyless.programs import parse_answer, run

CREATED_WITH_IDS = "2026-07-15"  # since then the subject of every new repository has the ids


class Repository(NamedTuple):
    """A repository as GitHub shows it."""

    full_name: str
    id: int
    owner_id: int
    created: str
    archived: bool
    writable: bool  # whether gh's login can push
    administered: bool  # whether gh's login is an admin
    default_branch: str


class Facts(NamedTuple):
    """A repository as GitHub shows it (None if it shows none), and the prefix of its subjects."""

    repository: Repository | None
    prefix: str


def find_repository(name: str) -> Repository | None:
    """Return a repository as GitHub shows it, also by an older name; None where it shows none.

    Raises:
        Denied: GitHub does not answer.
    """
    found = find_on_github(f"repos/{name}")
    if found is None:
        return None
    return Repository(
        full_name=found["full_name"],
        id=found["id"],
        owner_id=found["owner"]["id"],
        created=found.get("created_at") or "",
        archived=bool(found.get("archived")),
        writable=bool((found.get("permissions") or {}).get("push")),
        administered=bool((found.get("permissions") or {}).get("admin")),
        default_branch=found.get("default_branch") or "main",
    )


def find_runs(name: str, fields: str, most: int) -> list[dict[str, Any]] | None:
    """Return the newest runs of deploy.yml; None where the default branch has no deploy.yml.

    Args:
        name: of the repository, OWNER/NAME.
        fields: what is asked of each run, in the words of gh run list --json.
        most: how many.

    Raises:
        Denied: GitHub does not answer.
        Garbled: its answer is not JSON.
    """
    which = ("--repo", name, "--workflow", "deploy.yml", "--limit", str(most))
    done = run("gh", "run", "list", *which, "--json", fields)
    said = " ".join(done.said.split())
    if done.status and re.search("HTTP 404|could not find any", said):
        return None
    if done.status:
        raise denied(done)
    return list(parse_answer("GitHub", done.out))


def subject_prefix(repository: Repository) -> str:
    """Return the beginning of a repository's subjects, before the context.

    A repository that does not use GitHub's default, and has no keys of its own, uses the template
    of its organisation. [GitHub docs, REST API, "Get the customization template for an OIDC
    subject claim for a repository"]

    Raises:
        Problem: it cannot be trusted exactly.
        Denied: GitHub does not answer.
    """
    name = repository.full_name
    path = f"repos/{name}/actions/oidc/customization/sub"
    answer = find_on_github(path) or {}
    _refuse_customised(name, path, answer)
    owner, short = name.split("/")
    classic = f"repo:{name}"
    with_ids = f"repo:{owner}@{repository.owner_id}/{short}@{repository.id}"
    prefix = answer.get("sub_claim_prefix") or classic
    if prefix not in (classic, with_ids):
        raise Problem(
            f"GitHub reports that the subject begins with {prefix}, but that the repository is"
            f" {with_ids}. They do not match, so neither is trusted. The repository may be"
            " changing right now. Check again later:",
            f"gh api {path}",
        )
    # GitHub Enterprise Server has no ids in subjects.
    cloud = github_host() == "github.com" or github_host().endswith(".ghe.com")
    if cloud and "sub_claim_prefix" not in answer and repository.created[:10] > CREATED_WITH_IDS:
        raise Problem(
            f"GitHub does not report how the subject of {name} begins. Since {CREATED_WITH_IDS} it"
            " contains numeric ids, so it cannot be guessed. Check whether you can see it:",
            f"gh api {path}",
        )
    return str(prefix)


def _refuse_customised(name: str, path: str, answer: dict[str, Any]) -> None:
    keys = answer.get("include_claim_keys")
    if answer.get("use_default", True) or keys == ["repo", "context"]:
        return
    what = f"contains {', '.join(keys)}" if keys else "has the form that its organisation chose"
    raise Problem(
        f"The subject of {name} was customised: it {what}, instead of"
        " repository and context. No job could assume a role that trusts repository and ref. Ask"
        " who needs this setting. To undo it for this repository only:",
        f"gh api --method PUT {path} -F use_default=true",
    )


def look_up(name: str) -> Facts:
    """Return what GitHub says of a repository; `name` is OWNER/NAME.

    Raises:
        Problem: its subject cannot be trusted exactly.
        Denied: GitHub does not answer.
    """
    found = find_repository(name)
    return Facts(found, subject_prefix(found) if found else "")
