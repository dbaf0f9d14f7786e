"""The report after the last step: what exists now, and the command that publishes next."""

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
    """Print what exists now, and the command that publishes, if bootstrap did not publish."""
    entry, account, service = situation.entry, situation.account, situation.service
    print(f"\nRole      {account.role(entry)}")
    print(f"Registry  {account.registry}/{entry['ecr_repository']}")
    if service:
        print(f"Service   {service.name} ({service.target}), which the first image starts")
    print(wrapped(f"Trust     {describe_trusted(account, entry)}", " " * 10))
    if situation.created and not situation.publishing:
        _report_actions(situation.name)
    left = uncommitted_files(5)
    if left:
        text = f"These files are not committed, so a release will not contain them: {left}."
        print(wrapped(f"\n{text} Commit those that belong to it:"))
        print("  git add FILE && git commit && git push")
    if not situation.publishing:
        what = "publish the next version" if situation.published else "publish the first image"
        what = what if trusted_tags(entry["refs"]) else "follow the run of the newest commit"
        print(f"\nTo {what}:\n  {later_line(situation)}")


def _report_actions(name: str) -> None:
    """Print what stops the workflows of a new repository; its organisation may forbid them."""
    try:
        found = actions_problem(name)
    except Denied as denied:
        print(wrapped(f"\nIt is unknown whether GitHub Actions is switched on in {name}: {denied}"))
        return
    if isinstance(found, Problem):
        print_problem(found)
