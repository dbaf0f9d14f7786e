"""What there is when bootstrap has done its steps, and the command that publishes."""

from __future__ import annotations

import re
from typing import Any

from keyless.console import print_problem, wrapped
from keyless.explain import describe_trusted
from keyless.model.documents import read_file
from keyless.model.workflows import workflow_paths
from keyless.paths import ROOT
from keyless.setup.git import git, uncommitted_files
from keyless.setup.github import actions_disabled
from keyless.setup.steps.situation import Situation


def report(situation: Situation) -> None:
    """Print what is there now, and the command that publishes."""
    entry, account, service = situation.entry, situation.account, situation.service
    print(f"\nRole      {account.role(entry)}")
    print(f"Registry  {account.registry}/{entry['ecr_repository']}")
    if service:
        print(f"Service   {service.name} ({service.target}), from the first image on")
    print(wrapped(f"Trust     {describe_trusted(account, entry)}", " " * 10))
    problem = actions_disabled(situation.name) if situation.created else None
    if problem:
        print_problem(problem)
    left = uncommitted_files(5)
    if left:
        print(wrapped(f"\nNot committed, so a release will not have it: {left}"))
        print("  git add --all && git commit && git push")
    pushed = any(step.text.startswith("push ") for step in situation.steps)
    print(f"\nThe first image:\n  {_release_command(entry, pushed)}")


def _release_command(entry: dict[str, Any], pushed: bool) -> str:
    """Return the command that publishes a version, or shows how that goes."""
    tags = [ref[len("refs/tags/") :] for ref in entry["refs"] if ref.startswith("refs/tags/")]
    if not tags:
        return "gh run watch" if pushed else "git push"
    version = tags[0].replace("*", "0.1.0")
    if git("rev-parse", "--verify", "--quiet", f"refs/tags/{version}").status == 0:
        version = tags[0].replace("*", "X.Y.Z")
    workflows = [read_file(ROOT, path) for path in workflow_paths(ROOT)]
    if any(re.search(r"(?m)^  release:", text) for text in workflows):
        return f"gh release create {version} --generate-notes"
    return f"git tag {version} && git push origin {version}"
