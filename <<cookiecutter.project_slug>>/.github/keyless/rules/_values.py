"""What several rules need: a value of a workflow beside the one that infra/ has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from keyless.model.account import Account
from keyless.model.callers import caller_inputs, lends, uses_spellings
from keyless.model.changes import quoted
from keyless.model.documents import Mapping, Read
from keyless.model.expressions import normalize_expressions
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.jobs import Change, Job
from keyless.model.repository import Repository, Side

# What follows from another value than that of infra/.
FOLLOWS = {
    "role-to-assume": "so AWS refuses the job",
    "allowed-account-ids": "so one of the two accounts is wrong",
    "audience": "so the role refuses the token",
    "aws-region": "so the login goes to the registry of another region",
    "env: AWS_REGION": "so the step asks AWS in another region",
    "env: ECR_REPOSITORY": "so the step looks for the image in another repository",
    "registries": "so the login goes to the registry of another account",
    "registry-type": "so the login goes to the public registry",
}
# What may be wrong in infra/ instead.
CHOSEN = {"role-to-assume", "aws-region", "env: ECR_REPOSITORY"}


class Step(NamedTuple):
    """A step of a job that is held against an entry."""

    side: Side
    job: Job
    step: Mapping


def assuming_steps(repository: Repository) -> Iterator[Step]:
    """Yield the steps that assume the role of the entry with which their job is compared.

    A job can also assume a role that is made elsewhere. If it assumes none of its own, all of them
    are meant.
    """
    for side in repository.sides:
        for job in side.jobs:
            steps = job.assuming()
            name = side.entry["role_name"]
            own = [step for step in steps if job.input(step, "role-to-assume").endswith(f"/{name}")]
            own = own or steps
            # Credentials that stay out of the environment are for something else.
            handed = [each for each in own if each.input("output-env-credentials") != "false"]
            yield from (Step(side, job, step) for step in handed or own)


def differs(
    where: Step, key: str, rule: str, value: str, expected: str, account: Account
) -> Iterator[Finding]:
    """Yield the finding for a value that is not what infra/ says, or cannot be known."""
    shown = f"is {value}" if value else "is missing"
    follows = FOLLOWS.get(key, "so nothing is published")
    message = f"{key} {shown}, but {account.path} says {expected}, {follows}"
    mend = f"write {key}: {quoted(expected)}"
    if key in CHOSEN:
        mend += f". If {value or 'another value'} is right, {account.changing}"
    raw = where.step.of("with").get(where.step.input_name(key) or "")
    if isinstance(raw, Read) and raw.written != raw:
        message += f" (YAML reads {raw.written} without quotes as {raw})"
    if "${{" in value:
        rule, message = UNJUDGED, f"{key} is {value}, and only the run knows its value"
        mend = f"write {key}: {quoted(expected)}"
    if "secrets." in value:
        return  # that is a finding of its own
    name = key.removeprefix("env: ")
    if name != key and name in where.step.of("env"):
        yield where.job.at(where.step.of("env"), name, rule, message, mend, Change(expected))
    else:
        yield where.job.finding(where.step, key, rule, message, mend, expected)


def compare_input(
    repository: Repository, key: str, rule: str, expected: str, needed: bool = True
) -> Iterator[Finding]:
    """Hold an input of the steps that assume a role against a value of the account.

    Args:
        needed: whether a step without the input is wrong, too.
    """
    for where in assuming_steps(repository):
        value = where.job.input(where.step, key)
        if value != expected and (value or needed):
            yield from differs(where, key, rule, value, expected, repository.account)


def compare_called(repository: Repository, key: str, rule: str) -> Iterator[Finding]:
    """Hold an input that a job passes to a called workflow against what its entry needs."""
    for side in repository.sides:
        if not side.entry.get("job_workflow_ref"):
            continue
        wanted = caller_inputs(repository.account, side.entry)[key]
        for job in side.jobs:
            called = job.root.text("uses")
            value = job.input(job.root, key)
            if not called or not calls_own_workflow(side, job):
                continue
            if normalize_expressions(value) != normalize_expressions(wanted):
                shown = f"is {value}" if value else "is missing"
                message = f"{key} {shown}, but this entry needs {wanted}"
                mend = f"write {key}: {wanted} below with:"
                yield job.finding(job.root, key, rule, message, mend, wanted)


def calls_own_workflow(side: Side, job: Job) -> bool:
    """Tell whether a job calls the workflow that its entry's role trusts, or is one of it."""
    return job.root.text("uses") in uses_spellings(side.entry) or lends(job.source.path, side.entry)
