"""What limits the trusted refs on GitHub: deployment policies, rulesets, immutable releases."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import quote

from keyless.console import wrapped
from keyless.gh import Denied, call_github, find_on_github
from keyless.setup.github import Repository

# With these GitHub reports that a plan or an organisation does not offer a protection.
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
        Denied: GitHub does not answer.
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


# By kind of ref: the rules that let only admins create one, and those that protect it.
LIMITING = {"tag": ("creation",), "branch": ("update",)}
KEEPING = {"tag": ("update", "deletion"), "branch": ("deletion", "non_fast_forward")}
STARTS = {"tag": "refs/tags/", "branch": "refs/heads/"}


def limiting_rulesets(refs: list[str]) -> list[dict[str, Any]]:
    """Return rulesets that let only admins create trusted refs, each as GitHub takes it."""
    kinds = LIMITING.items()
    made = [_ruleset(f"only admins publish ({kind})", kind, refs, has) for kind, has in kinds]
    return [{**each, "bypass_actors": [ADMINS]} for each in made if _includes(each)]


def keeping_rulesets(refs: list[str]) -> list[dict[str, Any]]:
    """Return rulesets that prevent everybody from moving or deleting published refs."""
    kinds = KEEPING.items()
    made = [_ruleset(f"what is published stays ({kind})", kind, refs, has) for kind, has in kinds]
    return [each for each in made if _includes(each)]


def _includes(ruleset: dict[str, Any]) -> list[str]:
    return list(ruleset["conditions"]["ref_name"]["include"])


def _ruleset(name: str, target: str, refs: list[str], rules: tuple[str, ...]) -> dict[str, Any]:
    """Return the body of GitHub's "Create a repository ruleset", for the refs of its kind.

    In a ruleset a * stops at a slash, in a trust policy it does not.
    [GitHub docs, "Creating rulesets for a repository", fnmatch]
    """
    include = [ref for ref in refs if ref.startswith(STARTS[target])]
    include += [f"{ref}/**/*" for ref in include if ref.endswith("*")]
    return {
        "name": name,
        "target": target,
        "enforcement": "active",
        "conditions": {"ref_name": {"include": include, "exclude": []}},
        "rules": [{"type": rule} for rule in rules],
        "bypass_actors": [],
    }


def immutable_path(name: str) -> str:
    """Return the path of a repository's immutable releases in GitHub's API."""
    return f"repos/{name}/immutable-releases"


def has_immutable_releases(repository: Repository) -> bool | None:
    """Return whether GitHub locks the tag of each published release; None if that is unknown.

    For admins, 404 means that it does not [REST API, "Check if immutable releases are enabled"].

    Raises:
        Denied: it answers with another error.
    """
    found = find_on_github(immutable_path(repository.full_name))
    if found is None and not repository.administered:
        return None
    return bool(found and found.get("enabled"))


def is_refusal(denied: Denied) -> bool:
    """Return whether an error means that a plan or an organisation has no such protection."""
    about_the_login = "rate limit|abuse|SAML|not accessible by|[Aa]dmin rights"
    return denied.status in REFUSALS and not re.search(about_the_login, str(denied))


def accept_refusal(denied: Denied, instead: str) -> None:
    """Print that GitHub does not offer a protection, and what follows; this is not a failure.

    Args:
        denied: the error.
        instead: what follows, as a sentence without the full stop.

    Raises:
        Denied: it is another error.
    """
    if not is_refusal(denied):
        raise denied
    print(wrapped(f"    GitHub refused this step ({denied}). {instead}."))
