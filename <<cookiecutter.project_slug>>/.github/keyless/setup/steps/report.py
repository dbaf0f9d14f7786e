"""What there is when bootstrap has done its steps, and what publishes where it has not."""

from __future__ import annotations

from keyless.console import Problem, print_problem, wrapped
from keyless.explain import describe_trusted
from keyless.gh import Denied
from keyless.setup.allowed_actions import actions_problem
from keyless.setup.git import uncommitted_files
from keyless.setup.publishing import trusted_tags
from keyless.setup.steps.publishing import later_line
from keyless.setup.steps.situation import Situation


def report(situation: Situation) -> None:
    """Print what is there now, and the command that publishes, if bootstrap has not."""
    entry, account, service = situation.entry, situation.account, situation.service
    print(f"\nRole      {account.role(entry)}")
    print(f"Registry  {account.registry}/{entry['ecr_repository']}")
    if service:
        print(f"Service   {service.name} ({service.target}), from the first image on")
    print(wrapped(f"Trust     {describe_trusted(account, entry)}", " " * 10))
    if situation.created and not situation.publishing:
        _report_actions(situation.name)
    left = uncommitted_files(5)
    if left:
        left = f"Not committed, so a release will not have it: {left}. Commit what belongs to it:"
        print(wrapped(f"\n{left}"))
        print("  git add FILE && git commit && git push")
    if not situation.publishing:
        which = "next version" if situation.published else "first image"
        which = which if trusted_tags(entry["refs"]) else "run of the newest commit"
        print(f"\nThe {which}:\n  {later_line(situation)}")


def _report_actions(name: str) -> None:
    """Print what stops the workflows of a new repository: its organisation may have decided so."""
    try:
        found = actions_problem(name)
    except Denied as denied:
        print(wrapped(f"\nWhether GitHub Actions run in {name} is unknown: {denied}"))
        return
    if isinstance(found, Problem):
        print_problem(found)
