"""The events of GitHub: whether one starts a workflow, and what a run of it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.standins import github


class Event(NamedTuple):
    """Why a workflow runs, and on which commit."""

    name: str
    ref: str
    sha: str
    inputs: Mapping[str, str] = {}

    def facts(self, repository: github.Repository) -> dict[str, str]:
        """Return the variables that GitHub sets; act takes them over into the context `github`."""
        return {
            "GITHUB_REF": self.ref,
            "SHA_REF": self.sha,  # act's name for what becomes GITHUB_SHA
            "GITHUB_REPOSITORY": repository.full_name,
            "GITHUB_REPOSITORY_OWNER": repository.full_name.split("/")[0],
            "GITHUB_REPOSITORY_ID": str(repository.repository_id),
            "GITHUB_REPOSITORY_OWNER_ID": str(repository.owner_id),
        }

    def payload(self, repository: github.Repository) -> dict[str, Any]:
        """Return the part of the event's payload that GitHub documents for it.

        [GitHub docs, webhooks/webhook-events-and-payloads]
        """
        owner, name = repository.full_name.split("/")
        known: dict[str, Any] = {
            "repository": {
                "id": repository.repository_id,
                "name": name,
                "full_name": repository.full_name,
                "default_branch": "main",
                "private": True,
                "owner": {"id": repository.owner_id, "login": owner},
            },
            "sender": {"login": "octocat"},
        }
        if self.name == "release":
            release = {"tag_name": self.ref.removeprefix("refs/tags/"), "draft": False}
            return known | {"action": "published", "release": release | {"prerelease": False}}
        if self.name == "workflow_dispatch":
            return known | {"ref": self.ref, "inputs": dict(self.inputs)}
        commit = {"id": self.sha, "message": "a commit"}
        return known | {
            "ref": self.ref,
            "before": "0" * 40,
            "after": self.sha,
            "created": True,
            "deleted": False,
            "forced": False,
            "head_commit": commit,
        }


def starts(workflow: Mapping[Any, Any], event: Event) -> bool:
    """Tell whether GitHub starts a workflow for an event; for a release no ref is compared."""
    on = workflow.get("on", workflow.get(True))  # YAML 1.1 reads on as true
    if isinstance(on, (str, list)):
        return event.name in on
    if event.name not in on:
        return False
    filters = on[event.name] or {}
    if event.name == "release":
        return "published" in filters.get("types", ["published"])
    if event.name != "push" or not any(key.startswith(("tags", "branches")) for key in filters):
        return True
    kind = "tags" if event.ref.startswith("refs/tags/") else "branches"
    if f"{kind}-ignore" in filters:
        return not filtered(filters[f"{kind}-ignore"], event.ref)
    return filtered(filters.get(kind, []), event.ref)


def filtered(patterns: Sequence[str], ref: str) -> bool:
    """Tell whether patterns let a ref pass: the last one that matches it decides.

    [GitHub docs, workflow syntax, on.push.<branches|tags|branches-ignore|tags-ignore>]
    """
    short = ref.split("/", 2)[2]
    passed = False
    for text in [patterns] if isinstance(patterns, str) else patterns:
        if re.fullmatch(pattern(text.removeprefix("!")), short):
            passed = not text.startswith("!")
    return passed


def pattern(text: str) -> str:
    """Return a filter such as `v*` as a regular expression; ** goes beyond a slash, * does not."""
    known = {"**": ".*", "*": "[^/]*"}
    return "".join(known.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*)", text))
