"""What only a run or an apply can show is reported, not guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from keyless.model.action_inputs import HANDING_ON, UNDERSTOOD
from keyless.model.documents import Mapping
from keyless.model.findings import UNJUDGED, Edit, Finding
from keyless.model.jobs import Job
from keyless.model.plan import Plan, configured_resources
from keyless.model.repository import Repository
from keyless.model.workflows import BUILD, CREDENTIALS, name_of_step, script_of
from keyless.paths import WORKFLOWS

ID = UNJUDGED
WHY = (
    "The check does not guess. It reports values that only the run knows, and anything in"
    " `infra/` whose effect a plan does not show."
)
SOURCES = ()
BEFORE = """\
tags: ${{ vars.REGISTRY }}/example-service:${{ github.ref_name }}"""
AFTER = """\
tags: ${{ steps.registry.outputs.registry }}/example-service:${{ github.ref_name }}"""

# Policies of AWS that allow a session all that a push needs.
WIDE = (
    "AmazonEC2ContainerRegistryPowerUser",
    "AmazonEC2ContainerRegistryFullAccess",
    "PowerUserAccess",
    "AdministratorAccess",
)
PROGRAMS = ("aws", "docker", "python3", "git")
# What makes something else than the plan says: another program, or another description.
HIDING = {
    "aws_cloudcontrolapi_resource": "creates what its own description says",
    "aws_cloudformation_stack": "creates what its template says",
    "aws_cloudformation_stack_instances": "creates what its template says",
    "aws_cloudformation_stack_set": "creates what its template says",
    "aws_cloudformation_stack_set_instance": "creates what its template says",
    "aws_serverlessapplicationrepository_cloudformation_stack": "creates what its template says",
    "external": "runs a program",
    "null_resource": "can run programs",
}
# Providers that can neither call AWS nor run a program.
PROVIDERS = r".*/(hashicorp/(archive|aws|local|random|time|tls)|builtin/terraform)"


def find(repository: Repository) -> Iterator[Finding]:
    """Report what a plan does not show, and jobs whose pushes cannot be read.

    Other rules report under this name what they themselves cannot judge.
    """
    if not repository.assuming:
        message = f"no job has a step of {CREDENTIALS} with role-to-assume"
        yield Finding(WORKFLOWS, 1, ID, message, "restore deploy.yml")
    yield from (each for each in repository.unplanned if each.rule == ID)
    if repository.plan:
        yield from _beyond_the_plan(repository.plan)
    for job in repository.judged:
        yield from _unknown_inputs(job, UNDERSTOOD)
        yield from _other_programs(repository, job)
    for handover in repository.handovers:
        yield from _unknown_inputs(handover.job, HANDING_ON)
        for build in handover.builds:
            yield from _unknown_inputs(build.job, {**UNDERSTOOD, **HANDING_ON})
    for publication in repository.publications:
        for job, pushes in zip(publication.jobs, publication.pushes):
            for step in pushes.hidden:
                yield _hidden(job, step)
        if not publication.pushed and not publication.unseen:
            first = publication.jobs[0]
            message = f"job {first.name} assumes the role, but no step of {BUILD} pushes tags"
            yield Finding(*first.where, ID, message, "push with push: true and tags")


def _hidden(job: Job, step: Mapping) -> Finding:
    """Return the finding for a step whose pushes the check cannot read."""
    value = job.input(step, "push")
    if step in job.using(BUILD) and "${{" in value:
        message = f"push is {value}, and only the run knows whether that is true"
    elif step in job.using(BUILD) and value.lower() not in ("true", "false", ""):
        message = f"push is {value}, which is neither true nor false"
    else:
        message = f"{name_of_step(step)!r} can push an image, but the check cannot tell which one,"
        message += " or under which tags"
        mend = f"push with {BUILD}, push: true and tags:"
        return job.finding(step, "push", ID, message, mend)
    return job.finding(step, "push", ID, message, "write push: true", "true", safe=False)


def _unknown_inputs(job: Job, known: dict[str, set[str]]) -> Iterator[Finding]:
    """Yield the inputs of the actions that publish whose meaning this check does not know."""
    for action, understood in known.items():
        for step in job.using(action):
            for name in step.of("with"):
                if name.lower() not in understood and not _is_plain(name, job.input(step, name)):
                    free = understood - {each.lower() for each in step.of("with")}
                    near = get_close_matches(name.lower(), free, n=1)
                    message = f"this check does not know what the input {name} of {action} changes"
                    if near:
                        message = f"{action} has no input {name} that this check knows, and GitHub"
                        message += " ignores a name that is wrong"
                    mend = f"write {near[0]}" if near else "remove it, or do this in another step"
                    finding = job.finding(step, name.lower(), ID, message, mend)
                    yield (
                        finding._replace(edit=_renamed(finding, name, near[0])) if near else finding
                    )


def _other_programs(repository: Repository, job: Job) -> Iterator[Finding]:
    """Yield where a folder comes first in PATH that has a program of the release in it."""
    for step in job.steps:
        script = script_of(step)
        if not re.search(r"\bGITHUB_PATH\b", script):
            continue
        own = r"(?:\$PWD|\$\{PWD\}|\$\{?GITHUB_WORKSPACE\}?|\$\(pwd\))/([\w./-]+)"
        here = [
            f"{folder}/{name}"
            for folder in re.findall(own, script)
            for name in PROGRAMS
            if (repository.root / folder / name).is_file()
        ]
        written = re.findall(rf">\s*\"?[^\s\"]*/({'|'.join(PROGRAMS)})\b", script)
        if here or written:
            message = f"{(here or written)[0]} replaces a program that publishes"
            mend = "rename it, or use it in another job"
            yield job.at_step(step, ID, message, mend)


def _renamed(finding: Finding, name: str, right: str) -> Edit:
    return Edit(finding.path, finding.line, f"{name}:", f"{right}:")


def _is_plain(name: str, value: str) -> bool:
    """Tell whether an input has a value that changes nothing for a job that publishes."""
    if name.lower() == "managed-session-policies":
        return bool(re.fullmatch(r"arn:[\w-]+:iam::aws:policy/(" + "|".join(WIDE) + ")", value))
    if name.lower() == "sparse-checkout":  # the files of the root are there, too
        return ".github" in value.split()
    return name.lower() == "sparse-checkout-cone-mode" and value == "true"


def _beyond_the_plan(plan: Plan) -> Iterator[Finding]:
    """Yield the blocks whose grants and trust no plan shows."""
    for address, block in configured_resources(plan).items():
        kind = str(block.get("type"))
        why = HIDING.get(kind, "")
        if block.get("provisioners"):
            why = "has a provisioner, which runs a program at the apply"
        name = str(plan.provider_config(block).get("full_name", ""))
        if not why and name and not re.fullmatch(PROVIDERS, name):
            why = f"comes from {name.rpartition('/')[2]}, whose values say nothing about AWS"
        if why:
            mend = "move it into another root module, in another folder than infra/"
            message = f"{address} {why}, so the check cannot tell whom it lets publish"
            yield Finding(*plan.where(address), ID, message, mend)
