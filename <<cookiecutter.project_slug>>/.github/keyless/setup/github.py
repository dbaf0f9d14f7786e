"""Repositories on GitHub: what they are called, and the subject that their jobs present."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from keyless.console import Problem
from keyless.gh import denied, find_on_github, github_host
from keyless.programs import parse_answer, run

CREATED_WITH_IDS = "2026-07-15"  # from then on every new repository has the ids in its subject


class Repository(NamedTuple):
    """A repository as GitHub shows it."""

    full_name: str
    id: int
    owner_id: int
    created: str
    archived: bool
    writable: bool  # for whom gh is logged in
    administered: bool  # by whom gh is logged in
    default_branch: str


class Facts(NamedTuple):
    """What GitHub says of a repository, None where it shows none, and its subjects' prefix."""

    repository: Repository | None
    prefix: str


def find_repository(name: str) -> Repository | None:
    """Return a repository as GitHub shows it, also by an older name; None where it shows none.

    Raises:
        Denied: GitHub does not tell.
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
        Denied: GitHub does not tell.
        Garbled: it answers something else than JSON.
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
    """Return what GitHub puts before the context of a repository's subjects.

    [GitHub docs, REST API, "Get the customization template for an OIDC subject claim for a
    repository"; without keys of its own a repository that does not use GitHub's default has its
    organisation's]

    Raises:
        Problem: it cannot be trusted exactly.
        Denied: GitHub does not tell.
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
            f"GitHub says that the subject begins with {prefix}, and that the repository is"
            f" {with_ids}. These do not fit together, so none is trusted. It may be changing now.",
            f"gh api {path}",
        )
    # A server of one's own knows no ids.
    cloud = github_host() == "github.com" or github_host().endswith(".ghe.com")
    if cloud and "sub_claim_prefix" not in answer and repository.created[:10] > CREATED_WITH_IDS:
        raise Problem(
            f"GitHub does not say what the subject of {name} begins with, and since"
            f" {CREATED_WITH_IDS} that holds numeric ids, so it would be a guess. May you see it?",
            f"gh api {path}",
        )
    return str(prefix)


def _refuse_customised(name: str, path: str, answer: dict[str, Any]) -> None:
    keys = answer.get("include_claim_keys")
    if answer.get("use_default", True) or keys == ["repo", "context"]:
        return
    what = f"holds {', '.join(keys)}" if keys else "is the one that its organisation has chosen"
    raise Problem(
        f"The subject of {name} was customised: it {what}, not repository and"
        " context. A role that trusts repository and ref could not be assumed. This undoes it,"
        " for this repository alone; ask first who needs it:",
        f"gh api --method PUT {path} -F use_default=true",
    )


def look_up(name: str) -> Facts:
    """Return what GitHub says of a repository; `name` is OWNER/NAME.

    Raises:
        Problem: its subject cannot be trusted exactly.
        Denied: GitHub does not tell.
    """
    found = find_repository(name)
    return Facts(found, subject_prefix(found) if found else "")
