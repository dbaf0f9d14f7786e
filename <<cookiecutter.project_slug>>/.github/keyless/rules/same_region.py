"""The workflow uses the region of `infra/`."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.account import Account
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.images import uses_role
from keyless.model.plan import Resource
from keyless.model.planned import PlannedEntry
from keyless.model.repository import Repository
from keyless.rules._values import Step, compare_called, compare_input, differs

ID = "same-region"
WHY = "The login goes to the registry in the region of the credentials."
SOURCES = (("amazon-ecr-login", "https://github.com/aws-actions/amazon-ecr-login"),)
BEFORE = 'aws-region: "eu-west-1" # and infra/terraform.tfvars.json says us-east-1'
AFTER = 'aws-region: "us-east-1"'


def find(repository: Repository) -> Iterator[Finding]:
    """Compare the region of each step with that of the account, and that of a plan."""
    account = repository.account
    yield from compare_input(repository, "aws-region", ID, account.region)
    yield from compare_called(repository, "aws-region", ID)
    for side in repository.sides:
        for job in side.jobs:
            for step in job.steps:
                if uses_role(step):
                    yield from _by_variable(Step(side, job, step), account)
        if side.planned and side.planned.registry:
            yield from _planned_region(account.region, side.planned, side.planned.registry)


def _by_variable(where: Step, account: Account) -> Iterator[Finding]:
    """Yield the region of a variable that a step has of its own, or that a script has written.

    What the job says in its env: the credentials action replaces.
    """
    job, step = where.job, where.step
    near = any("AWS_REGION" in scope.of("env") for scope in job.scopes(step)[2:])
    writer = job.writer_of(step, "AWS_REGION")
    region = job.variable(step, "AWS_REGION")
    if near and region != account.region:
        yield from differs(where, "env: AWS_REGION", ID, region, account.region, account)
    elif writer and "run" in writer and region != account.region:
        message = f"AWS_REGION is {region} from here on, but {account.path} says {account.region}"
        rule = UNJUDGED if "${{" in region else ID
        yield job.at_step(writer, rule, message, "do not write AWS_REGION here")


def _planned_region(expected: str, planned: PlannedEntry, registry: Resource) -> Iterator[Finding]:
    """Judge the region that a plan makes a registry in: its own, or that of its provider."""
    region = registry.get("region")  # of a resource, since version 6 of the provider
    setting = planned.plan.provider_of(registry).get("region") or {}
    if region is None:
        region = setting.get("constant_value", "")
        if setting.get("references") == ["var.aws_region"]:
            region = expected
    if region != expected:
        message = f"the ECR repository is in {region or 'a region that no plan shows'}, but"
        message += f" {planned.plan.account.path} says {expected}"
        mend = "write region = var.aws_region into the block of its provider"
        yield Finding(*planned.at(registry), ID if region else UNJUDGED, message, mend)
