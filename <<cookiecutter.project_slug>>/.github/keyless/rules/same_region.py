"""The workflow uses the region that infra/ has."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.findings import UNJUDGED, Finding
from keyless.model.plan import Resource
from keyless.model.planned import PlannedEntry
from keyless.model.repository import Repository
from keyless.model.workflows import LOGIN
from keyless.rules._values import Step, compare_called, compare_input, differs

ID = "same-region"
WHY = "The login asks for the registry of the region of the credentials."
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
            for step in job.using(LOGIN):
                region = job.variable(step, "AWS_REGION")
                if region not in ("${{ env.AWS_REGION }}", account.region):
                    where = Step(side, job, step)
                    yield from differs(
                        where, "env: AWS_REGION", ID, region, account.region, account
                    )
        if side.planned and side.planned.registry:
            yield from _planned_region(account.region, side.planned, side.planned.registry)


def _planned_region(expected: str, planned: PlannedEntry, registry: Resource) -> Iterator[Finding]:
    """Judge the region that a plan makes a registry in: its own, or that of its provider."""
    region = registry.get("region")  # of a resource, since version 6 of the provider
    setting = planned.plan.provider_of(registry).get("region") or {}
    if region is None:
        region = setting.get("constant_value", "")
        if setting.get("references") == ["var.aws_region"]:
            region = expected
    if region != expected:
        message = f"the registry is made in {region or 'a region that a plan does not show'}, and"
        message += f" {planned.plan.account.path} says {expected}"
        mend = "write region = var.aws_region into the block of its provider"
        yield Finding(*planned.at(registry), ID if region else UNJUDGED, message, mend)
