"""Judge a repository by all rules, and report what they find."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from keyless import output
from keyless.model.account import read_account
from keyless.model.findings import UNJUDGED, CannotJudge, Finding
from keyless.model.generated import changed_infra
from keyless.model.jobs import may_ask_for_token
from keyless.model.plan import Plan, read_plan
from keyless.model.repository import Repository, read_repository
from keyless.model.service import has_service
from keyless.model.workflows import Workflow
from keyless.paths import ROOT, SERVICE_JSON, TFVARS, WORKFLOWS
from keyless.planning.elsewhere import elsewhere
from keyless.rules import all_rules
from keyless.rules.no_keys import find_in_files

# The findings that a workflow can keep with a comment, if it cannot ask for a token:
#     # check: skip=no-keys,pinned-actions both ways work until the first release without keys
SKIP = re.compile(r"(?m)^\s*# check: skip=([a-z-]+(?:, ?[a-z-]+)*) +.*\w")
NOT_JUDGED = "not-judged-here"  # stands for infra/ where it is left out; no rule reports it
SKIPPABLE = {"no-keys", "no-secrets", "no-injection", "pinned-actions"}


def findings(
    root: Path,
    plan: Path | None = None,
    values: Path | None = None,
    planning: bool = True,
    name: str | None = None,
) -> list[Finding]:
    """Judge a repository.

    An infra/ that is not as it was generated is planned, without AWS, and the plan is judged.

    Args:
        root: its folder.
        plan: what `terraform show -json` has printed, judged in place of the files of infra/.
        values: what infra/terraform.tfvars.json will say.
        planning: whether to plan an infra/ that was changed; if not, it is left out.
        name: whose repository it is; else GITHUB_REPOSITORY or the Git remotes say it.

    Returns:
        What the rules found: causes first, then by path and line.

    Raises:
        CannotJudge: a file that is needed is missing or cannot be read.
    """
    account = read_account(root, values)
    shown: Plan | None = None
    unplanned: list[Finding] = []
    if plan:
        shown = read_plan(plan, account, root)
    elif changed := changed_infra(root, account):
        if planning:
            from keyless.planning.verdict import plan_or_reason

            shown, unplanned = plan_or_reason(root, account, changed)
        else:
            unplanned = [Finding(changed[0], 1, NOT_JUDGED, "", "")]
    repository = read_repository(root, account, shown, unplanned, name)
    found = {finding for rule in all_rules() for finding in rule.find(repository)}
    kept = _kept_by_comment(repository)
    judged = [one for one in found if one.rule not in kept.get(one.path, ())]
    return sorted(judged, key=lambda one: one.place)


def _kept_by_comment(repository: Repository) -> dict[str, set[str]]:
    """Return the rules that workflows leave out, by path; none where a token can be had."""
    able = {job.source.path for job in repository.jobs if may_ask_for_token(job)}
    able |= {*repository.actions}
    return {each.path: _skipped(each) for each in repository.workflows if each.path not in able}


def _skipped(source: Workflow) -> set[str]:
    rules = {match[1] for match in SKIP.finditer("\n".join(source.text))}
    return {*re.findall("[a-z-]+", " ".join(rules))} & SKIPPABLE


def main(
    plan: Path | None,
    values: Path | None,
    form: str,
    root: Path = ROOT,
    report: Callable[[list[Finding], str, Path], None] = output.report,
    name: str | None = None,
) -> int:
    """Judge a repository and print the findings; return the exit status.

    Args:
        plan: what `terraform show -json` has printed, judged in place of the files of infra/.
        values: what infra/terraform.tfvars.json will say.
        form: text, github, json or sarif.
        root: the folder of the repository.
        name: whose repository it is, if that was said.
        report: prints the findings, of which there is one at least if the form is text.
    """
    try:
        left = changed_infra(root, read_account(root)) if not plan and elsewhere(root) else []
        found = findings(root, plan, values and values.resolve(), planning=not left, name=name)
        found = sorted([*found, *find_in_files(root)], key=lambda one: one.place)
        if found or form != "text":
            report(found, form, root)
        else:
            service = f", and how {SERVICE_JSON} runs it" * has_service(root)
            agrees = TFVARS if left else _counterpart(root)
            print(f"Workflows and {agrees} agree: who can publish what, where,", end="")
            print(f" under which tags{service}.")
        if left and form in ("text", "github"):
            print(f"The rest of infra/ is not judged here, because {left[0]} was changed or added.")
            print(
                "The job that sets up Terraform or OpenTofu, and then runs this check, judges it."
            )
        return 1 if {finding.rule for finding in found} - {UNJUDGED} else 2 if found else 0
    except CannotJudge as reason:
        message = str(reason)
    except ModuleNotFoundError as missing:
        if missing.name != "yaml":
            raise
        message = (
            "PyYAML is missing, so the check cannot read workflows. This installs it: make check"
        )
    if form == "text":
        print(message)
    else:
        place = re.match(r"([\w./-]+)(?::(\d+))?:", message)
        where = (place[1], int(place[2] or 1)) if place else (WORKFLOWS, 1)
        output.report([Finding(*where, UNJUDGED, message, "")], form, root)
    return 2


def _counterpart(root: Path) -> str:
    """Return what the workflows agree with; in a service, whether that was fetched."""
    account = read_account(root)
    if account.made_here:
        return "infra/"
    asked = all(entry.get("subject_prefix") for entry in account.entries.values())
    return (
        "infra.json"
        if asked
        else "the answers (to get infra.json, type: make fetch FROM=OWNER/NAME)"
    )
