"""GitHub's protection of the trusted refs: the environment of the job, and rulesets."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

from keyless.explain import describe_guard
from keyless.gh import Denied, call_github, find_on_github, page_of
from keyless.model.subjects import tests_ref_claim
from keyless.setup.protection import (
    Policy,
    accept_refusal,
    admitted_policies,
    environment_path,
    rulesets,
    wanted_policies,
)
from keyless.setup.retry import AGAIN
from keyless.setup.steps.situation import Situation


def look_at_environment(situation: Situation) -> None:
    """Compare the environment of the job, if it has one, with the refs that the role trusts.

    Raises:
        Denied: GitHub does not tell.
    """
    name, refs = situation.entry.get("environment"), situation.entry["refs"]
    if name is None:
        return
    path, wanted = environment_path(situation.name, name), wanted_policies(refs)
    there = find_on_github(path) if situation.repository else None
    if there is None:
        text = f"create the environment {name} on GitHub, for {' and '.join(refs)} alone"
        situation.add(text, lambda: _create_environment(situation, path, wanted))
        return
    have = admitted_policies(path, there)
    if have is None:
        page = f"{page_of(situation.name)}/settings/environments"
        text = f"The environment {name} admits other refs than {' '.join(refs)}: {page}"
        situation.notes.append(text)
        return
    missing = [each for each in wanted if each not in have]
    others = [each.name for each in have if each not in wanted]
    if missing:
        names = " and ".join(each.name for each in missing)
        situation.add(f"let {names} use the environment {name}", lambda: _admit(path, missing))
    if others:
        situation.notes.append(f"The environment {name} admits {' and '.join(others)}, too.")


def _create_environment(situation: Situation, path: str, wanted: list[Policy]) -> None:
    """Create an environment that the trusted refs alone may use."""
    limits = {"protected_branches": False, "custom_branch_policies": True}
    try:
        call_github(path, "PUT", {"deployment_branch_policy": limits})
        _admit(path, wanted)
    except Denied as denied:
        tested = tests_ref_claim(situation.account, situation.entry)
        rests = "may push the ref, which the role tests" if tested else "may start a workflow"
        accept_refusal(denied, f"the trust then rests on who {rests}")


def _admit(path: str, policies: list[Policy]) -> None:
    """Let refs use an environment."""
    for policy in policies:
        body = {"name": policy.name, "type": policy.type}
        call_github(f"{path}/deployment-branch-policies", "POST", body)


def look_at_rulesets(situation: Situation) -> None:
    """Offer rulesets on the trusted refs; those that were asked for are steps."""
    if situation.options.ruleset:
        _plan_rulesets(situation)
        return
    for ref in situation.entry["refs"] if situation.repository else []:
        said = describe_guard(situation.name, ref)
        if "limits who" not in said:
            situation.notes.append(f"{said} To leave that to admins: {AGAIN} ARGS=--ruleset")


def _plan_rulesets(situation: Situation) -> None:
    there: list[dict[str, Any]] = []
    if situation.repository:
        with contextlib.suppress(Denied):  # which is told when the ruleset is made
            there = call_github(f"repos/{situation.name}/rulesets?per_page=100")
    names, refs = [each["name"] for each in there], situation.entry["refs"]
    for ruleset in rulesets(refs):
        if ruleset["name"] not in names:
            text = f"make the ruleset {ruleset['name']!r} for {' and '.join(refs)}"
            situation.add(text, partial(_create_ruleset, situation, ruleset))


def _create_ruleset(situation: Situation, ruleset: dict[str, Any]) -> None:
    try:
        call_github(f"repos/{situation.name}/rulesets", "POST", ruleset)
    except Denied as denied:
        accept_refusal(denied, "the trust then rests on who may write to the repository")
