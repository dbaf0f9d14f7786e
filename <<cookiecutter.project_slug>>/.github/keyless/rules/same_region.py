"""The workflow uses the region that infra/ has."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.findings import Finding
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
        planned = side.planned
        if planned and not planned.in_region:
            message = "the registry is not made there"
            yield Finding(*planned.where, ID, message, f"use {account.region}")
