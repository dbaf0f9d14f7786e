"""GitHub's protection of the trusted refs: environment, rulesets, immutable releases."""

from __future__ import annotations

from functools import partial
from typing import Any

from keyless.explain import guard_of, read_rulesets
from keyless.gh import Denied, call_github, find_on_github, page_of
from keyless.model.subjects import tests_ref_claim
from keyless.setup.protection import (
    Policy,
    accept_refusal,
    admitted_policies,
    environment_path,
    has_immutable_releases,
    immutable_path,
    is_refusal,
    keeping_rulesets,
    limiting_rulesets,
    wanted_policies,
)
from keyless.setup.retry import AGAIN
from keyless.setup.service_files import publishes_releases
from keyless.setup.steps.situation import Situation


def look_at_environment(situation: Situation) -> None:
    """Compare the environment of the job, if it has one, with the refs that the role trusts.

    Raises:
        Denied: GitHub does not answer.
    """
    name, refs = situation.entry.get("environment"), situation.entry["refs"]
    if name is None:
        return
    path, wanted = environment_path(situation.name, name), wanted_policies(refs)
    there = find_on_github(path) if situation.repository else None
    if there is None:
        text = f"create the environment {name} on GitHub, for {' and '.join(refs)} only"
        situation.add(text, lambda: _create_environment(situation, path, wanted))
        return
    have = admitted_policies(path, there)
    if have is None:
        page = f"{page_of(situation.name)}/settings/environments"
        text = f"The environment {name} also admits refs that the role does not trust (it trusts"
        text += f" {' and '.join(refs)}). Limit it: {page}"
        situation.notes.append(text)
        return
    missing = [each for each in wanted if each not in have]
    others = [each.name for each in have if each not in wanted]
    if missing:
        names = " and ".join(each.name for each in missing)
        situation.add(f"allow {names} to use the environment {name}", lambda: _admit(path, missing))
    if others:
        situation.notes.append(f"The environment {name} also admits {' and '.join(others)}.")


def _create_environment(situation: Situation, path: str, wanted: list[Policy]) -> None:
    """Create an environment that only the trusted refs can use."""
    limits = {"protected_branches": False, "custom_branch_policies": True}
    try:
        call_github(path, "PUT", {"deployment_branch_policy": limits})
        _admit(path, wanted)
    except Denied as denied:
        tested = tests_ref_claim(situation.account, situation.entry)
        can = "push a trusted ref" if tested else "start a workflow"
        accept_refusal(denied, f"So anyone who can {can} can publish")


def _admit(path: str, policies: list[Policy]) -> None:
    """Allow refs to use an environment."""
    for policy in policies:
        body = {"name": policy.name, "type": policy.type}
        call_github(f"{path}/deployment-branch-policies", "POST", body)


def look_at_tags(situation: Situation) -> None:
    """Find out who can create the trusted refs, and whether published tags are protected.

    Protection of published tags is added as a step, because it hinders nobody. Limiting who can
    publish is a choice, so it is only a note.
    """
    name, refs = situation.name, situation.entry["refs"]
    try:
        there = read_rulesets(name) if situation.repository else []
        immutable = publishes_releases() and _look_at_releases(situation)
        guards = {ref: guard_of(there, ref) for ref in refs}
    except (Denied, LookupError, TypeError) as error:
        situation.notes.append(_unprotected(name, error))
        return
    tags = [ref for ref in refs if ref.startswith("refs/tags/")]
    movable = [ref for ref in tags if not guards[ref].keeps and not immutable]
    for ruleset in keeping_rulesets(movable):
        _plan_ruleset(situation, ruleset, there, movable)
    free = [ref for ref in refs if not guards[ref].limits]
    if situation.options.ruleset:
        branches = [ref for ref in refs if ref not in tags and not guards[ref].keeps]
        for ruleset in [*limiting_rulesets(free), *keeping_rulesets(branches)]:
            _plan_ruleset(situation, ruleset, there, refs)
    elif free:
        situation.notes.append(
            f"Anyone who can write to {name} can publish, with {' or '.join(free)}. To limit this"
            f" to admins: {AGAIN} ARGS=--ruleset"
        )


def _unprotected(name: str, error: Exception) -> str:
    """Return what follows if GitHub offers no rulesets, or does not show them."""
    said = " ".join(str(error).split())
    if isinstance(error, Denied) and is_refusal(error):
        return (
            f"GitHub offers no rulesets for {name} ({said}). So anyone who can write to it can"
            " publish, and can move or delete a published tag. The images stay as they are."
        )
    return f"It is unknown whether rulesets protect the refs of {name}: {said}"


def _look_at_releases(situation: Situation) -> bool:
    """Return whether GitHub locks the tags of releases, or will after the step that is added."""
    repository, name = situation.repository, situation.name
    there = has_immutable_releases(repository) if repository else False
    if not there and situation.options.immutable_releases:
        text = f"let GitHub lock the tag and files of each published release of {name}"
        situation.add(text, lambda: _lock_releases(name))
    elif there is False:
        situation.notes.append(
            "GitHub can also lock the tag and files of each published release for good:"
            f" {AGAIN} ARGS=--immutable-releases"
        )
    return bool(there)


def _lock_releases(name: str) -> None:
    try:
        call_github(immutable_path(name), "PUT", {})
    except Denied as denied:
        accept_refusal(denied, "Releases can still be edited. Only the ruleset protects their tags")


def _plan_ruleset(
    situation: Situation, ruleset: dict[str, Any], there: list[Any], refs: list[str]
) -> None:
    """Add the step that creates a ruleset, or the note on why it is not created."""
    name, repository = ruleset["name"], situation.repository
    if repository and not repository.administered:
        situation.notes.append(
            f"Only an admin of {situation.name} can create the ruleset {name!r} for"
            f" {' and '.join(refs)}. Ask one to type {AGAIN} in a clone."
        )
    elif name in [each["name"] for each in there]:
        page = f"{page_of(situation.name)}/settings/rules"
        situation.notes.append(
            f"The ruleset {name!r} exists, but does not protect {' and '.join(refs)}: it is not"
            f" active, was edited, or has exceptions. Edit it: {page}"
        )
    else:
        text = f"create the ruleset {name!r} for {' and '.join(refs)}"
        situation.add(text, partial(_create_ruleset, situation, ruleset))


def _create_ruleset(situation: Situation, ruleset: dict[str, Any]) -> None:
    can = "can publish"
    if ruleset["name"].startswith("what"):
        can = "can move and delete published refs. The images stay as they are"
    try:
        call_github(f"repos/{situation.name}/rulesets", "POST", ruleset)
    except Denied as denied:
        accept_refusal(denied, f"So anyone who can write to the repository {can}")
