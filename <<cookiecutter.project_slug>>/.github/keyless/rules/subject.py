"""The role trusts each subject that a job can present, and no other subject."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from keyless.model.account import Account
from keyless.model.callers import (
    caller_inputs,
    lends,
    own_repository,
    short_reference,
    uses_spellings,
)
from keyless.model.changes import quoted
from keyless.model.entry_errors import WORKFLOW_REFERENCE
from keyless.model.expressions import evaluate_text
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.jobs import Job
from keyless.model.planned import PlannedEntry
from keyless.model.policies import canonical
from keyless.model.refs import common_refs, condition_on, is_untrusted, ref_matches
from keyless.model.repository import Repository, Side
from keyless.model.subjects import ref_is_tested, trust_statement
from keyless.paths import TOOL_ACTION
from keyless.rules._entries import refused

ID = "subject"
WHY = (
    "If a job presents a subject that the role does not trust, the first release fails. If the"
    " role trusts a subject that no job here presents, another workflow can use it."
)
SOURCES = (
    (
        "GitHub: OpenID Connect reference",
        "https://docs.github.com/en/actions/reference/security/oidc",
    ),
)
BEFORE = """\
if: ${{ github.ref_type == 'tag' }} # and the role trusts refs/tags/v*"""
AFTER = """\
if: ${{ startsWith(github.ref, 'refs/tags/v') }}"""
ATTRIBUTES = {
    *("github_repository", "subject_prefix", "refs", "environment", "job_workflow_ref"),
    "test_ids",
}
# What a job may have that calls a workflow (GitHub docs, "Reusing workflow configurations").
BESIDE_USES = {
    *("uses", "with", "secrets", "name", "if", "needs", "permissions", "strategy", "concurrency"),
}


class Presented(NamedTuple):
    """What a job can present, as refs or as environment:NAME."""

    own: list[str]  # refs at which it is in the environment that the role trusts, or in none
    strange: set[str]  # environments, or refs without one, that the role does not trust
    refs: set[str]  # refs that the role does not trust, in the environment that it trusts
    unsure: set[str]  # what only the run knows


def find(repository: Repository) -> Iterator[Finding]:
    """Compare what jobs present with what roles trust, and a plan with the entry."""
    yield from refused(repository, ID, ATTRIBUTES)
    yield from _trusted_workflows(repository)
    for side in repository.sides:
        yield from _compare_subjects(repository, side)
        for job in side.jobs:
            yield from _compare_workflow(repository.account, side, job)
        if side.planned:
            yield from _planned_trust(side, side.planned)


def _planned_trust(side: Side, planned: PlannedEntry) -> Iterator[Finding]:
    """Hold the trust policy of an entry's role, as a plan has it, against its entry."""
    account, name = planned.plan.account, side.entry["role_name"]
    expected = trust_statement(account, account.entries[side.key])
    if planned.role is None:
        return  # which is a finding already
    if planned.trust is None:
        message = f"the plan does not show whom {name} trusts: the value is known only after the"
        message += " apply, or ignore_changes covers it"
        mend = "write the principal as text, and remove ignore_changes"
        yield Finding(*planned.at(planned.role), UNJUDGED, message, mend)
    elif canonical(planned.trust) != canonical([expected]):
        message = (
            f"{name} trusts other tokens than {account.path} says: {_difference(planned, expected)}"
        )
        mend = f"trust only this: {json.dumps(expected)}"
        yield Finding(*planned.at(planned.role), ID, message, mend)


def _difference(planned: PlannedEntry, expected: dict[str, Any]) -> str:
    """Return what differs between the trust policy of a plan and that of the entry, in words."""
    statements = planned.trust or []
    if len(statements) != 1:
        return f"it has {len(statements)} statements instead of one"
    (shown,) = statements
    for key in ("Effect", "Principal", "Action"):
        if canonical(shown.get(key)) != canonical(expected[key]):
            return f"{key} is {json.dumps(shown.get(key))}, not {json.dumps(expected[key])}"
    found, wanted = (
        {
            f"{claim.rpartition(':')[2]} by {operator}": canonical(values)
            for operator, tests in (each.get("Condition") or {}).items()
            for claim, values in tests.items()
        }
        for each in (shown, expected)
    )
    for claim in sorted({*found, *wanted}):
        if found.get(claim) != wanted.get(claim):
            has = f"is {json.dumps(found[claim])}" if claim in found else "is not tested"
            right = f"is {json.dumps(wanted[claim])}" if claim in wanted else "is not tested"
            return f"the claim {claim} {has}; in the entry it {right}"
    return "it has another element"


def _compare_subjects(repository: Repository, side: Side) -> Iterator[Finding]:
    """Yield where the jobs of an entry and its role do not agree."""
    account, entry = repository.account, side.entry
    refs, refs_count = entry["refs"], ref_is_tested(account, entry)
    presented: list[str] = []
    guessed = False
    for job in side.jobs:
        shown = _presented_by(job, account, entry)
        presented += shown.own
        guessed = guessed or bool(shown.unsure) or not repository.entries_of(job, guess=False)
        if shown.strange:
            yield _other_context(account, job, entry, shown.strange)
        elif shown.refs:
            yield _other_refs(account, job, entry, shown.refs)
        elif shown.unsure:
            message = f"only the run knows which subjects job {job.name} presents, at most"
            message += f" {', '.join(sorted(shown.unsure))}"
            mend = f"limit it with {condition_for(refs)}, and write environment: as text"
            key = "if" if "if" in job.root else "environment"
            yield _at(job, key, UNJUDGED, message, mend)
    names = _assumed_repositories(repository)
    if guessed or (not side.jobs and entry["github_repository"] not in names):
        return  # the workflows of that entry stand in another repository
    started = not side.jobs or any(job.starts or job.for_others for job in side.jobs)
    for ref in refs if refs_count and started else []:  # else the rule job-starts says why
        if not any(ref_matches(ref, shown) for shown in presented):
            message = f"{side.key}: the role trusts {ref}, but no job here presents it, so"
            mend = f"let a job start for it, or remove {ref} from refs: {account.changing}"
            yield account.finding(side.key, "refs", ID, f"{message} another workflow could", mend)
    if side.jobs and len(names) > 1:
        message = f"jobs here assume the roles of several repositories: {', '.join(sorted(names))}"
        mend = "let each repository assume the role of its own entry"
        yield Finding(*side.jobs[0].where, ID, message, mend)


def _other_context(account: Account, job: Job, entry: dict[str, Any], strange: set[str]) -> Finding:
    """Return the finding for a job that is in another environment than the role trusts."""
    wanted = entry.get("environment")
    shown, refs = ", ".join(sorted(strange)), ", ".join(entry["refs"])
    if wanted is None and not any(each.startswith("environment:") for each in strange):
        return _other_refs(account, job, entry, strange)
    trusted = refs if wanted is None else f"environment:{wanted}"
    message = f"job {job.name} can present {shown}, but the role trusts {trusted} ({account.path}),"
    message += " so AWS refuses that run"
    mend = f"write environment: {quoted(wanted)}" if wanted else "remove environment: from the job"
    mend += f". If the job is right, {account.changing}"
    if wanted and any(each.startswith("environment:") for each in strange):
        mend += ". A second environment needs its own entry, with a role and an ECR repository"
    key = "environment" if "environment" in job.root else "if"
    return _at(job, key, ID, message, mend)


def _other_refs(account: Account, job: Job, entry: dict[str, Any], strange: set[str]) -> Finding:
    """Return the finding for a job that starts for refs which the role does not trust."""
    refs = ", ".join(entry["refs"])
    within = f" in the environment {entry['environment']}" if entry.get("environment") else ""
    message = f"job {job.name} can start for {', '.join(sorted(strange))}{within}, but the role"
    message += f" trusts {refs} ({account.path}), so AWS refuses that run"
    return _at(job, "if", ID, message, f"limit the job with {condition_for(entry['refs'])}")


def _at(job: Job, key: str, rule: str, message: str, mend: str) -> Finding:
    """Return a finding at a key of a job, or at the job where it does not have that."""
    if key in job.root:
        return job.at(job.root, key, rule, message, mend)
    return Finding(*job.where, rule, message, mend)


def condition_for(refs: list[str]) -> str:
    """Return the condition that limits a job to trusted refs."""
    return f"if: ${{{{ {' || '.join(map(condition_on, refs))} }}}}"


def _presented_by(job: Job, account: Account, entry: dict[str, Any]) -> Presented:
    """Return what a job can present, beside what an entry's role trusts."""
    environment, refs = entry.get("environment"), entry["refs"]
    own: list[str] = []
    strange: set[str] = set()
    other: set[str] = set()
    unsure: set[str] = set()
    doubtful: set[str] = set()
    name = job.environment
    for run in (run for run in job.runs if not is_untrusted(run.event)):
        for value, then in evaluate_text(name, run, job.known):
            if not isinstance(value, str):
                unsure.add(f"environment:{name}")
            elif (value or None) != environment:
                strange.add(f"environment:{value}" if value else then.ref)
            else:
                own.append(then.ref)
                trusted = any(ref_matches(then.ref, ref) for ref in refs)
                if ref_is_tested(account, entry) and not trusted:
                    (other if then.sure else doubtful).add(then.ref)
    # Where an expression is not known the job may run for fewer refs, but not for other ones.
    overlap = any(common_refs(shown, ref) for shown in own for ref in refs)
    (unsure if overlap else other).update(doubtful)
    return Presented(own, strange, other, unsure)


def _assumed_repositories(repository: Repository) -> set[str]:
    """Return the names of the repositories whose roles jobs here assume for themselves."""
    entries = repository.account.entries
    return {
        entries[key]["github_repository"]
        for job in repository.judged
        for key in repository.entries_of(job, guess=False)
        if not lends(job.source.path, entries[key])
    }


def _trusted_workflows(repository: Repository) -> Iterator[Finding]:
    """A workflow that a role trusts is there, and takes what its callers pass."""
    account, root = repository.account, repository.root
    names = {entry["github_repository"] for entry in account.entries.values()}
    own = own_repository(root, account)
    for key, entry in account.entries.items() if account.made_here else ():
        called = entry.get("job_workflow_ref") or ""
        if not re.fullmatch(WORKFLOW_REFERENCE, called):
            continue  # which is a finding already
        owner, name, path = called.partition("@")[0].split("/", 2)
        if f"{owner}/{name}" not in names:
            message = (
                f"{key}: the role trusts a workflow of {owner}/{name}, which has no entry here"
            )
            mend = "write the name of this repository, as GitHub shows it"
            yield account.finding(key, "job_workflow_ref", ID, message, mend)
        elif f"{owner}/{name}" == own:
            missing = [each for each in (path, TOOL_ACTION) if not (root / each).is_file()]
            if missing:
                message = f"{key}: the role trusts a workflow that needs {' and '.join(missing)}"
                mend = "restore it: make add REPO=... ARGS=--calls..."
                yield account.finding(key, "job_workflow_ref", ID, message, mend)
            else:
                yield from _wrong_inputs(repository, entry, path)


def _wrong_inputs(repository: Repository, entry: dict[str, Any], path: str) -> Iterator[Finding]:
    """Yield the inputs of a trusted workflow that its callers do not pass, or pass in vain."""
    (root,) = (workflow.root for workflow in repository.workflows if workflow.path == path)
    declared = root.of("on", "workflow_call", "inputs")
    given = caller_inputs(repository.account, {**entry, "environment": "any"})
    needed = {name for name in declared if declared.of(name).text("required") == "true"}
    wrong = sorted((needed - {*given}) | ({*given} - {*declared}))
    if wrong:
        message = f"callers pass {', '.join(given)}, but the workflow takes {', '.join(declared)}"
        yield Finding(path, root.line("on"), UNJUDGED, message, f"correct {', '.join(wrong)}")


def _compare_workflow(account: Account, side: Side, job: Job) -> Iterator[Finding]:
    """A role that trusts the jobs of one workflow is assumed there."""
    called, used = side.entry.get("job_workflow_ref"), job.root.text("uses")
    if not called:
        return
    if used not in uses_spellings(side.entry) and not lends(job.source.path, side.entry):
        message = f"the role trusts only jobs of {called}, but job {job.name} is not one of them"
        mend = f"write uses: {short_reference(called)} instead of the steps"
        mend += "" if account.made_here else "; this takes the whole file: make caller"
        yield Finding(*job.where, ID, message, mend)
    elif used:
        beside = sorted(set(job.root) - BESIDE_USES)
        if beside:
            message = f"job {job.name} calls a workflow, but also has {', '.join(beside)}, which"
            mend = "remove it, or take the whole file: make caller"
            yield Finding(*job.where, UNJUDGED, f"{message} GitHub refuses", mend)
