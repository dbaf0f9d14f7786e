"""What limits the trusted refs on GitHub: the environment's deployment policies, and rulesets."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import quote

from keyless.console import wrapped
from keyless.gh import Denied, call_github

# GitHub says with these that a plan or an organisation does not have a protection.
REFUSALS = (403, 404, 422)

# GitHub REST docs, "Create a repository ruleset": 5 is the role of the admins of a repository.
ADMINS = {"actor_type": "RepositoryRole", "actor_id": 5, "bypass_mode": "always"}


class Policy(NamedTuple):
    """A deployment policy of an environment: a kind of ref, and a pattern of its names."""

    type: str  # branch or tag
    name: str

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


def environment_path(name: str, environment: str) -> str:
    """Return the path of a repository's environment in GitHub's API."""
    return f"repos/{name}/environments/{quote(environment, safe='')}"


def admitted_policies(path: str, environment: dict[str, Any]) -> list[Policy] | None:
    """Return the deployment policies of an environment, None where it does not limit its refs.

    Args:
        path: of the environment in GitHub's API.
        environment: what the API answers there.

    Raises:
        Denied: GitHub does not tell.
    """
    limits = environment.get("deployment_branch_policy") or {}
    if not limits.get("custom_branch_policies"):
        return None
    listed = call_github(f"{path}/deployment-branch-policies?per_page=100")["branch_policies"]
    return [Policy(each.get("type", "branch"), each["name"]) for each in listed]


def wanted_policies(refs: list[str]) -> list[Policy]:
    """Return the deployment policies of an environment that admit the same refs as the role.

    `refs` are branches and tags in full: refs/heads/main, refs/tags/v*.
    """
    kinds = {"heads": "branch", "tags": "tag"}
    parts = [ref.split("/", 2) for ref in refs]
    return [Policy(kinds[kind], pattern) for _, kind, pattern in parts]


class _Guard(NamedTuple):
    """How refs of one kind are protected: by whom they may be made, and what then stays."""

    target: str
    start: str
    limited: tuple[str, ...]  # the rules that leave it to admins
    stays: tuple[str, ...]  # the rules that hold for everybody


_GUARDS = (
    _Guard("tag", "refs/tags/", ("creation",), ("update", "deletion")),
    _Guard("branch", "refs/heads/", ("update",), ("deletion", "non_fast_forward")),
)


def rulesets(refs: list[str]) -> list[dict[str, Any]]:
    """Return rulesets for trusted refs: who may make one, and that what is made stays.

    Each is the body of GitHub's "Create a repository ruleset". In a ruleset a * stops at a slash,
    in a trust policy it does not [GitHub docs, "Creating rulesets for a repository", fnmatch].
    """
    made = []
    for target, start, limited, stays in _GUARDS:
        include = [ref for ref in refs if ref.startswith(start)]
        include += [f"{ref}/**/*" for ref in include if ref.endswith("*")]
        if include:
            names = (f"only admins publish ({target})", f"what is published stays ({target})")
            made.append(_ruleset(names[0], target, include, limited, [ADMINS]))
            made.append(_ruleset(names[1], target, include, stays, []))
    return made


def _ruleset(
    name: str,
    target: str,
    include: list[str],
    rules: tuple[str, ...],
    bypass: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "name": name,
        "target": target,
        "enforcement": "active",
        "conditions": {"ref_name": {"include": include, "exclude": []}},
        "rules": [{"type": rule} for rule in rules],
        "bypass_actors": bypass,
    }


def accept_refusal(denied: Denied, instead: str) -> None:
    """Print that GitHub does not allow a protection, and what remains; this is no failure.

    Raises:
        Denied: it is another error.
    """
    if denied.status not in REFUSALS or re.search("rate limit|abuse", str(denied)):
        raise denied
    print(wrapped(f"    GitHub refuses that ({denied}); {instead}."))
