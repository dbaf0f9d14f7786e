"""What there is when bootstrap has done its steps, and the command that publishes."""

from __future__ import annotations

import re
from typing import Any

from keyless.console import Problem, print_problem, wrapped
from keyless.explain import describe_trusted
from keyless.gh import Denied
from keyless.model.refs import ref_matches
from keyless.setup.allowed_actions import actions_problem
from keyless.setup.git import git, uncommitted_files
from keyless.setup.service_files import publishes_releases
from keyless.setup.steps.situation import Situation


def report(situation: Situation) -> None:
    """Print what is there now, and the command that publishes."""
    entry, account, service = situation.entry, situation.account, situation.service
    print(f"\nRole      {account.role(entry)}")
    print(f"Registry  {account.registry}/{entry['ecr_repository']}")
    if service:
        print(f"Service   {service.name} ({service.target}), from the first image on")
    print(wrapped(f"Trust     {describe_trusted(account, entry)}", " " * 10))
    if situation.created:
        _report_actions(situation.name)
    left = uncommitted_files(5)
    if left:
        left = f"Not committed, so a release will not have it: {left}. Commit what belongs to it:"
        print(wrapped(f"\n{left}"))
        print("  git add FILE && git commit && git push")
    pushed = [step.text.split()[1] for step in situation.steps if step.text.startswith("push ")]
    print(f"\nThe first image:\n  {_release_command(entry, pushed)}")


def _report_actions(name: str) -> None:
    """Print what stops the workflows of a new repository: its organisation may have decided so."""
    try:
        found = actions_problem(name)
    except Denied as denied:
        print(wrapped(f"\nWhether GitHub Actions run in {name} is unknown: {denied}"))
        return
    if isinstance(found, Problem):
        print_problem(found)


def _release_command(entry: dict[str, Any], pushed: list[str]) -> str:
    """Return the command that publishes a version, or shows how that goes.

    `pushed` are the branches that were pushed just now.
    """
    tags = [ref[len("refs/tags/") :] for ref in entry["refs"] if ref.startswith("refs/tags/")]
    if not tags:
        started = any(
            ref_matches(f"refs/heads/{each}", one) for each in pushed for one in entry["refs"]
        )
        branch = entry["refs"][0].removeprefix("refs/heads/").replace("*", "BRANCH")
        return "gh run watch" if started else f"gh workflow run deploy.yml --ref {branch}"
    first = "0.0" if re.search("[0-9][*]$", tags[0]) else "0.1.0"
    version = re.sub("([0-9])[*]$", rf"\1.{first}", tags[0]).replace("*", first)
    there = git("ls-remote", "origin", f"refs/tags/{version}").out
    if there or git("rev-parse", "--verify", "--quiet", f"refs/tags/{version}").status == 0:
        version = tags[0].replace("*", "X.Y.Z")
    if publishes_releases():
        return f"gh release create {version} --generate-notes"
    return f"git tag {version} && git push origin {version}"
