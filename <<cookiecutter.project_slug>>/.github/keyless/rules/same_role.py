"""The workflow assumes the role that `infra/` creates, in its account."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.account import Account
from keyless.model.action_inputs import OTHER_CREDENTIALS
from keyless.model.deployments import deploying_steps
from keyless.model.documents import Mapping
from keyless.model.findings import UNJUDGED, Finding, first_of_each_line
from keyless.model.following import Visit
from keyless.model.images import uses_role
from keyless.model.jobs import REMOVE, Change, Job
from keyless.model.planned import PlannedEntry
from keyless.model.repository import Followed, Repository
from keyless.model.state import KEYS
from keyless.model.workflows import CREDENTIALS, name_of_step
from keyless.paths import TRUST_TF
from keyless.rules._entries import refused, shared_by_entries
from keyless.rules._values import Step, assuming_steps, compare_called, differs

ID = "same-role"
WHY = (
    "The role's ARN contains partition, account and name. If one of them is wrong, the ARN names"
    " a role that does not exist. Credentials that a later step sets, or that come from a profile,"
    " replace those of the role."
)
SOURCES = (
    (
        "AWS: IAM identifiers",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html",
    ),
)
BEFORE = 'role-to-assume: "arn:aws:iam::111122223333:role/example-service"'
AFTER = 'role-to-assume: "arn:aws:iam::111122223333:role/example-service-push"'


def find(repository: Repository) -> Iterator[Finding]:
    """Compare role and account of each step with the entry, and both with a plan."""
    account = repository.account
    for where in assuming_steps(repository):
        job, step = where.job, where.step
        role = account.role(where.side.entry)
        value = job.input(step, "role-to-assume")
        other = re.search(r":iam::([0-9]{12}):", value)
        if other and other[1] != account.id:
            message = f"the role is one of account {other[1]}, but {account.path} is for account"
            message += f" {account.id}: several accounts in one repository are not supported yet"
            mend = f"write role-to-assume: {role}, or publish there from another repository"
            yield job.finding(step, "role-to-assume", ID, message, mend, role)
            continue
        if value != role:
            yield from differs(where, "role-to-assume", ID, value, role, account)
        value = job.input(step, "allowed-account-ids")
        if value and account.id not in re.split(r"[,\s]+", value):
            yield from differs(where, "allowed-account-ids", ID, value, account.id, account)
        yield from _other_credentials(where)
    for followed in repository.followed:
        yield from first_of_each_line(_replaced(account, followed))
    yield from compare_called(repository, "role-to-assume", ID)
    yield from refused(repository, ID, {"role_name"})
    yield from shared_by_entries(repository, ID, "role_name")
    for side in repository.sides:
        if side.planned:
            yield from _planned_role(account, side.entry["role_name"], side.planned)


def _other_credentials(where: Step) -> Iterator[Finding]:
    """Yield the inputs of a step with which it does not assume the role by its token."""
    for key, (harmless, why) in OTHER_CREDENTIALS.items():
        value = where.job.input(where.step, key)
        if value.lower() not in harmless and "${{" not in value:
            message = f"{key}: {value} {why}"
            yield where.job.finding(where.step, key, ID, message, f"remove {key}", "")


def _replaced(account: Account, followed: Followed) -> Iterator[Finding]:
    """Yield what gives a step that publishes other credentials than those of the role."""
    job, role = followed.job, account.role(followed.side.entry)
    deploying = deploying_steps(job)
    for world in followed.worlds or []:
        for visit in world.visits:
            step, source = visit.step, visit.before.credentials
            publishes = uses_role(step) or any(step is each for each in deploying)
            if visit.ran and publishes and source is not None:
                if followed.side.service is None:  # else same-service says so
                    yield from _later_role(job, role, visit, source)
                yield from _by_variable(job, step, source)


def _later_role(job: Job, role: str, visit: Visit, source: Mapping) -> Iterator[Finding]:
    """Yield where a step uses credentials that came after those of the role."""
    name = name_of_step(visit.step)
    if not source.action().startswith(f"{CREDENTIALS}@"):
        message = f"this writes other credentials to GITHUB_ENV, so {name!r} does not use the role"
        mend = "do what needs them in another job"
        yield job.at_step(source, ID, message, mend)
        return
    assumed = job.input(source, "role-to-assume")
    if role in job.roles and assumed != role and "${{" not in assumed:
        message = f"{assumed or 'another identity'} is assumed after {role}, so {name!r} uses it"
        mend = "move this step after those that publish, or into another job"
        yield job.finding(source, "role-to-assume", ID, message, mend)


def _by_variable(job: Job, step: Mapping, source: Mapping) -> Iterator[Finding]:
    """Yield the variables that make programs use other credentials, or another host."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        writer = job.writer_of(step, name)
        if writer is not None:
            message = f"this writes {name} to GITHUB_ENV, so {name_of_step(step)!r} looks for that"
            message += " profile and does not use the role"
            yield job.at_step(writer, ID, message, f"do not write {name} here")
    own = rf"\$\{{\{{\s*steps\.{re.escape(source.text('id'))}\.outputs\.aws-[\w-]+\s*\}}\}}"
    for scope in job.scopes(step):
        near = scope is step or (scope is not job.root and scope is not job.source.root)
        env = scope.of("env")
        for name in env:
            value = env.text(name)
            if name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE") and value:
                message = f"{name} is {value}, so {name_of_step(step)!r} looks for that profile and"
                message += " does not use the role"
                yield job.at(env, name, ID, message, f"remove {name}", REMOVE)
            elif name in KEYS and near and value and not re.search(rf"{own}|secrets|vars", value):
                message = f"{name} gives {name_of_step(step)!r} other credentials than the role's"
                yield job.at(env, name, ID, message, f"remove {name}", REMOVE)
            elif name.startswith("AWS_ENDPOINT_URL") and value:
                message = f"{name} is {value}, so the calls of {name_of_step(step)!r} go there"
                mend = f"remove {name}"
                yield job.at(env, name, UNJUDGED, message, mend, Change("", safe=False))


def _planned_role(account: Account, name: str, planned: PlannedEntry) -> Iterator[Finding]:
    """Judge the name and the path of a role, and the account that it is made in."""
    if planned.role is None:
        message = f"infra/ makes no role {name}, so the workflow assumes one that does not exist"
        mend = f"write name = var.entry.role_name in {TRUST_TF}"
        yield Finding(*planned.at(planned.registry), ID, message, mend)
        return
    path = planned.role.get("path")
    if path != account.role_path:
        message = f"the path of {name} is {path}, which changes its ARN"
        mend = f"write the path {account.role_path}"
        yield Finding(*planned.at(planned.role), ID, message, mend)
    allowed = planned.plan.provider_of(planned.role).get("allowed_account_ids") or {}
    ids = allowed.get("constant_value", [account.id] if allowed.get("references") else [])
    if account.id not in ids:
        message = f"the AWS provider of {name} accepts any account, so it may change another one"
        mend = "write allowed_account_ids = [var.aws_account_id] into its block"
        yield Finding(*planned.at(planned.role), ID, message, mend)
