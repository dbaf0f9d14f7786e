"""Whether GitHub starts the workflows of a repository, with the actions that they use."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from keyless.console import Problem
from keyless.gh import call_github, find_on_github
from keyless.model.documents import read_file
from keyless.model.workflows import workflow_paths
from keyless.paths import ROOT

# Owners whose actions are GitHub's own.
OF_GITHUB = ("actions", "github")
GROUPS = ("github_owned_allowed", "verified_allowed")  # of actions, which the API names
# Verified creators of actions in 2026-11 [GitHub Marketplace, verified creators].
VERIFIED = ("aws-actions", "docker", "hashicorp")


def actions_problem(name: str) -> Problem | str:
    """Return why GitHub starts no workflow of a repository, or a text that it starts them.

    `name` is OWNER/NAME.

    Raises:
        Denied: GitHub does not answer; only admins of the repository can ask.
    """
    path = f"repos/{name}/actions/permissions"
    answer = call_github(path)
    if not answer.get("enabled", True):
        return Problem(
            f"GitHub Actions is switched off in {name}, so nothing would be published. Switch it"
            " on. If GitHub refuses this, ask an owner of the organisation to do it.",
            f"gh api --method PUT {path} -F enabled=true -f allowed_actions=all",
        )
    allowed = answer.get("allowed_actions")
    if allowed in (None, "all"):
        return "GitHub Actions is switched on"
    # In an organisation that decides it, GitHub answers for the repository all the same.
    selected = call_github(f"{path}/selected-actions") if allowed == "selected" else {}
    missing = [each for each in used_actions() if not is_allowed(each, name, selected)]
    if not missing:
        verified = sorted({each.split("/")[0] for each in used_actions()} & {*VERIFIED})
        relies = f", if {' and '.join(verified)} are still verified creators" * bool(verified)
        said = "GitHub Actions is switched on, and allows the actions that the workflows use"
        return said + relies * bool(selected.get("verified_allowed"))
    kept = selected.get("patterns_allowed", [])
    patterns = [*kept, *dict.fromkeys(f"{each.partition('@')[0]}@*" for each in missing)]
    lines = [f"gh api --method PUT {path} -F enabled=true -f allowed_actions=selected"]
    words = [f"-F {key}={str(selected.get(key, False)).lower()}" for key in GROUPS]
    words += [f"-f {shlex.quote(f'patterns_allowed[]={each}')}" for each in patterns]
    lines.append(f"gh api --method PUT {path}/selected-actions {' '.join(words)}")
    names = ", ".join(dict.fromkeys(each.partition("@")[0] for each in missing))
    return Problem(
        f"{name} allows only some actions, but its workflows also use {names}. So GitHub would"
        " start none of the workflows. Allow these actions, too. If GitHub refuses this, send"
        " their names to an owner of the organisation.",
        *(lines[1:] if allowed == "selected" else lines),
    )


def used_actions() -> list[str]:
    """Return what the workflows of this folder use of other repositories: OWNER/NAME/PATH@REF."""
    every: list[str] = []
    for path in workflow_paths(ROOT):
        every += re.findall(r"(?m)^[ -]*uses: *[\"']?([\w-]+/[^\s\"'#]+)", read_file(ROOT, path))
    return list(dict.fromkeys(every))


def is_allowed(used: str, name: str, selected: dict[str, Any]) -> bool:
    """Tell whether a repository that selects actions allows one of them.

    [GitHub docs, "Managing GitHub Actions settings for a repository"; REST API, "Set allowed
    actions and reusable workflows for a repository"]

    Args:
        used: OWNER/NAME/PATH@REF.
        name: the repository, OWNER/NAME, whose owner's actions are always allowed.
        selected: the answer of selected-actions; empty where only local actions are allowed.
    """
    owner = used.partition("/")[0].lower()
    patterns = selected.get("patterns_allowed", [])
    if any(_matches(used, each[1:]) for each in patterns if each.startswith("!")):
        return False
    return (
        owner == name.partition("/")[0].lower()
        or (owner in OF_GITHUB and selected.get("github_owned_allowed", False))
        or (owner in VERIFIED and selected.get("verified_allowed", False))
        or any(_matches(used, each) for each in patterns)
    )


def _matches(used: str, pattern: str) -> bool:
    parts = (re.escape(part) for part in pattern.split("*"))
    return bool(re.fullmatch(".*".join(parts), used, re.IGNORECASE))


def workflow_problems(name: str) -> Iterator[Problem]:
    """Yield why GitHub has deploy.yml and does not start it; nothing where it has none yet.

    [REST API, "Get a workflow": state]

    Raises:
        Denied: GitHub does not answer.
    """
    found = find_on_github(f"repos/{name}/actions/workflows/deploy.yml")
    if found and found["state"] != "active":
        yield Problem(
            f"The state of deploy.yml in {name} is {found['state']}, so GitHub does not start it.",
            f"gh workflow enable deploy.yml --repo {name}",
        )
