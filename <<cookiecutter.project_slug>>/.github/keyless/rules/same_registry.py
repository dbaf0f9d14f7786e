"""Images go to the one ECR repository that the role can push to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.account import Account
from keyless.model.documents import Mapping
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.images import PUBLISH, Named, split_image
from keyless.model.jobs import Job
from keyless.model.repository import Repository
from keyless.model.workflows import DOCKER_LOGIN, LOGIN, script_of
from keyless.paths import REGISTRY_TF
from keyless.rules._entries import refused, shared_by_entries
from keyless.rules._values import Step, compare_called, differs

ID = "same-registry"
WHY = "The role can push to one ECR repository only. ECR accepts only lowercase names."
SOURCES = (
    (
        "AWS: CreateRepository",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html",
    ),
)
BEFORE = 'ECR_REPOSITORY: "example" # and infra/terraform.tfvars.json says example-service'
AFTER = 'ECR_REPOSITORY: "example-service"'


def find(repository: Repository) -> Iterator[Finding]:
    """Compare where each image goes, and where each login leads, with the entry."""
    account = repository.account
    for side in repository.sides:
        for job in side.jobs:
            if not any(_leads_here(job, step, account) for step in job.steps):
                for step in job.using(LOGIN):
                    yield from _other_logins(Step(side, job, step), account)
            for step in job.steps:
                if "before" in re.findall(PUBLISH, script_of(step)):
                    yield from _other_question(Step(side, job, step), account)
    for publication in repository.publications:
        for named in (*publication.pushed, *publication.tagged):
            yield from _other_place(named, account, publication.entry)
    yield from compare_called(repository, "ecr-repository", ID)
    yield from refused(repository, ID, {"ecr_repository"})
    yield from shared_by_entries(repository, ID, "ecr_repository")
    for side in repository.sides:
        if side.planned and side.planned.registry is None:
            name = side.entry["ecr_repository"]
            message = f"infra/ makes no ECR repository {name}, so there is nothing to push to"
            mend = f"write name = var.entry.ecr_repository in {REGISTRY_TF}"
            yield Finding(*side.planned.at(side.planned.role), ID, message, mend)


def _other_question(where: Step, account: Account) -> Iterator[Finding]:
    """Yield where a step has a variable of its own, and looks into another registry with it."""
    env, expected = where.step.of("env"), where.side.entry["ecr_repository"]
    if "ECR_REPOSITORY" in env:
        value = where.job.variable(where.step, "ECR_REPOSITORY")
        if value != expected and "${{" not in value:
            yield from differs(where, "env: ECR_REPOSITORY", ID, value, expected, account)


def _leads_here(job: Job, step: Mapping, account: Account) -> bool:
    """Tell whether a step logs in to the registry of the account, or may do so."""
    if step.action().startswith(f"{LOGIN}@"):
        return (
            account.id in _accounts(job, step, account)
            and job.input(step, "registry-type").lower() != "public"
        )
    if step.action().startswith(f"{DOCKER_LOGIN}@"):
        host = job.input(step, "registry")
        return host == account.registry or "${{" in host
    hosts = re.findall(r"\b(?:[\w-]+\.)+[a-z]{2,}\b", script_of(step))
    by_hand = "docker login" in script_of(step)
    return by_hand and (account.registry in hosts or "$" in script_of(step) or not hosts)


def _accounts(job: Job, step: Mapping, account: Account) -> list[str]:
    """Return the accounts whose registries a login is for."""
    return re.split(r"[,\s]+", job.input(step, "registries") or account.id)


def _other_logins(where: Step, account: Account) -> Iterator[Finding]:
    job, step = where.job, where.step
    if job.input(step, "registry-type").lower() == "public":
        yield from differs(where, "registry-type", ID, "public", "private", account)
    ids = _accounts(job, step, account)
    if account.id not in ids:
        yield from differs(where, "registries", ID, ",".join(ids), account.id, account)


def _other_place(named: Named, account: Account, entry: dict[str, str]) -> Iterator[Finding]:
    """Yield the finding for an image that goes elsewhere, or before the login."""
    job, step, name = named
    host, repository, tag = split_image(name)
    by_output = re.fullmatch(r"\$\{\{\s*steps\.([\w-]+)\.outputs\.registry\s*\}\}", host)
    before = job.steps[: job.position(step)]
    logins = [each for each in _after_role(job, before) if _leads_here(job, each, account)]
    source = [each for each in before if by_output and each.text("id") == by_output[1]][:1]
    source = [_behind(before, each) for each in source]
    known = source[0] in job.using(LOGIN) if source else by_output or "${{" not in host
    if not known or "${{" in repository or not tag or "/" in tag:
        message = f"tags has {name}, and only the run knows its registry and repository"
        mend = f"write ${{{{ steps.registry.outputs.registry }}}}/{entry['ecr_repository']}:TAG"
        if "secrets." not in name:  # that is a finding of its own
            yield job.finding(step, "tags", UNJUDGED, message, mend)
        return
    here = bool(source and source[0] in logins) if by_output else host == account.registry
    moved = [each for each in logins if _docker_config(job, each) != _docker_config(job, step)]
    if moved and len(moved) == len(logins):
        message = "DOCKER_CONFIG differs between the login and the push, so the push finds no"
        message += " password"
        mend = "set DOCKER_CONFIG for the whole job, in env:"
        yield job.finding(moved[0], "env", ID, message, mend)
        return
    several = bool(source) and len(_accounts(job, source[0], account)) > 1
    if several and here and repository == entry["ecr_repository"]:
        message = "a login to several registries has no output registry, so the tag has no host"
        mend = f"write the host itself in tags: {account.registry}"
        yield job.finding(source[0], "registries", ID, message, mend)
    elif not by_output and not here:
        message = f"the image goes to {host}, but the registry of the role is {account.registry}"
        yield job.finding(step, "tags", ID, message, f"write {account.registry} instead")
    elif repository != entry["ecr_repository"]:
        message = f"the image goes to the ECR repository {repository}, but the role can push only"
        message += f" to {entry['ecr_repository']} ({account.path})"
        mend = f"write {entry['ecr_repository']} instead"
        yield job.value_finding(
            step, "tags", repository, ID, message, mend, entry["ecr_repository"]
        )
    elif by_output and not source:
        message = (
            f"the tag takes its host from the step {by_output[1]}, but no step before it has that"
        )
        message += " id, so the name has no host"
        mend = f"give the login of amazon-ecr-login the id {by_output[1]}"
        yield job.finding(step, "tags", ID, message, mend)
    elif not here or not logins:
        message = f"no step before the push logs in to {account.registry} with the role"
        mend = "put amazon-ecr-login after the step that assumes the role, without registries"
        yield job.finding(step, "tags", ID, message, mend)


def _docker_config(job: Job, step: Mapping) -> str:
    """Return where Docker keeps its passwords at a step, as far as that is known."""
    value = job.variable(step, "DOCKER_CONFIG")
    return "" if value == "${{ env.DOCKER_CONFIG }}" else value


def _behind(steps: list[Mapping], step: Mapping) -> Mapping:
    """Return the step of a composite action whose output `registry` is that of the action."""
    value = step.outputs.of("registry").text("value")
    match = re.fullmatch(r"\$\{\{\s*steps\.([\w-]+)\.outputs\.registry\s*\}\}", value)
    inner = (
        each for each in steps if each.caller is step and match and each.text("id") == match[1]
    )
    return next(inner, step)


def _after_role(job: Job, before: list[Mapping]) -> list[Mapping]:
    """Return the steps behind the first one that assumes a role."""
    assuming = [number for number, step in enumerate(before) if step in job.assuming()]
    return before[assuming[0] :] if assuming else []
