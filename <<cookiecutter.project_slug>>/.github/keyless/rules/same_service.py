"""If `service.json` says how the image runs, the job that publishes it deploys its digest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.deployments import DEPLOY, MINUTES, Deployment, deploying_steps, find_deployment
from keyless.model.documents import Mapping, line_of_key, read_file
from keyless.model.expressions import normalize_expressions
from keyless.model.findings import Finding
from keyless.model.generated import kind_of
from keyless.model.images import judges_push, publishing_words
from keyless.model.jobs import Change, Job
from keyless.model.repository import Repository
from keyless.model.service import ECS, Service
from keyless.model.workflows import BUILD, script_of
from keyless.paths import SERVICE_JSON, SERVICE_TF

ID = "same-service"
WHY = (
    "If `service.json` says how the image runs, the job that publishes the image also deploys it."
    " It deploys exactly that digest, once, and is red if the image does not run. A step before"
    " the build records the running version, so that an older version cannot replace a newer one."
)
SOURCES = (
    (
        "AWS: Express Mode services",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/express-service-overview.html",
    ),
)
BEFORE = """\
- run: python3 .github/keyless deploy after || true"""
AFTER = """\
- run: python3 .github/keyless deploy after"""


def find(repository: Repository) -> Iterator[Finding]:
    """Look at the steps of `keyless deploy`, and at what service.json says."""
    service = repository.service
    if service is None:
        yield from _without_settings(repository)
        return
    text = read_file(repository.root, SERVICE_JSON)
    other = kind_of(repository.root, SERVICE_TF)
    if other not in ("", service.target):
        message = f"deploy_to is {service.target}, but {SERVICE_TF} is for {other}"
        mend = "see 'Change an answer later' in the guide: where it runs"
        yield Finding(SERVICE_JSON, line_of_key(text, "deploy_to"), ID, message, mend)
    if repository.plan and service.target == ECS:
        named = repository.plan.find("aws_ecs_cluster", "name", service.name)
        if not named:
            message = f"infra/ makes no ECS cluster {service.name}, so nothing can run in it"
            yield Finding(SERVICE_TF, 1, ID, message, f"restore {SERVICE_TF}")
    jobs = repository.judged
    if not any(deploying_steps(job) for job in jobs):
        message = "no job that assumes the role runs python3 .github/keyless deploy, so nothing"
        mend = "restore deploy.yml, or remove the service"
        yield Finding(SERVICE_JSON, 1, ID, f"{message} runs", mend)
    for key, own in repository.publishing.items():
        for job in own:
            steps, deployment = deploying_steps(job), find_deployment(job)
            if deployment:
                yield from _judge(deployment)
                yield from _other_role(deployment, service, key)
            elif steps and not _only_looks(job):
                message = "keyless deploy must run once before and once after the build, alone in"
                mend = "write run: python3 .github/keyless deploy before, and ... after, each in"
                mend += " its own step"
                yield job.finding(steps[0], "run", ID, f"{message} its step", mend)


def _only_looks(job: Job) -> bool:
    """Tell whether a job deploys nothing: it looks ahead of the job that publishes."""
    words = [re.fullmatch(DEPLOY, script_of(step).strip()) for step in deploying_steps(job)]
    pushes = any({"push", "after"} & {*publishing_words(step)} for step in job.steps)
    builds = pushes or job.using(BUILD)
    return not builds and all(word and word[1] == "before" for word in words)


def _without_settings(repository: Repository) -> Iterator[Finding]:
    for job in repository.judged:
        for step in deploying_steps(job):
            message, mend = f"keyless deploy needs {SERVICE_JSON}", "restore it, or remove the step"
            yield job.finding(step, "run", ID, message, mend)


def _judge(deployment: Deployment) -> Iterator[Finding]:
    """Judge the two steps, and what they are given."""
    job, before, after = deployment
    for step in (before, after):
        odd = [key for key in ("if", "shell", "working-directory") if step.text(key)]
        odd += ["continue-on-error"] * (step.text("continue-on-error") not in ("", "false"))
        if odd:
            message = f"{' and '.join(odd)} can leave the job green although nothing runs"
            yield job.finding(step, odd[0], ID, message, "remove it from the step")
    builds = [
        job.position(step)
        for step in job.steps
        if step in job.using(BUILD) or "push" in publishing_words(step)
    ]
    if builds and min(builds) < job.position(before):
        message = "the running version is recorded too late: an older one could replace a newer one"
        yield job.finding(before, "run", ID, message, "move the step before the build")
    yield from _other_image(deployment)
    yield from _too_long(job, after)
    for step in job.using(BUILD):
        if job.input(step, "platforms") != deployment.platform:
            message = f"PLATFORM is {deployment.platform}, but the image is built for another one"
            wanted = "${{ env.PLATFORM }}"
            mend = f"write platforms: {wanted}"
            yield job.finding(step, "platforms", ID, message, mend, wanted)


def _other_image(deployment: Deployment) -> Iterator[Finding]:
    """Yield where another image is deployed than the one that was published."""
    job, before, after = deployment
    settled = [step for step in job.steps[: job.position(after)] if judges_push(step)]
    env, source = after.of("env"), settled[-1] if settled else Mapping()
    wanted = {
        "DIGEST": f"${{{{ steps.{source.text('id')}.outputs.digest }}}}",
        "BEFORE": f"${{{{ steps.{before.text('id')}.outputs.image }}}}",
        "REGISTRY": source.of("env").text("REGISTRY"),
    }
    for name, value in wanted.items():
        if not settled or normalize_expressions(env.text(name)) != normalize_expressions(value):
            message = f"{name} is {env.text(name) or 'missing'}, which is not what was published"
            mend = f"write {name}: {value} below env:"
            if name in env and settled:
                yield job.at(env, name, ID, message, mend, Change(value))
            else:
                yield job.finding(after, "env", ID, message, mend)
    for name in sorted(set(env) - {*wanted, "WAIT_MINUTES"}):
        message = f"{name} differs from that of the steps before"
        yield job.finding(after, "env", ID, message, "remove it from env:")


def _too_long(job: Job, after: Mapping) -> Iterator[Finding]:
    minutes = after.of("env").text("WAIT_MINUTES")
    most = job.root.text("timeout-minutes") or "360"  # GitHub's own limit
    if not re.fullmatch(MINUTES, minutes) or (most.isdigit() and float(minutes) >= int(most)):
        message = f"WAIT_MINUTES is {minutes or 'missing'}, but the job ends after {most} minutes"
        mend = "write less, or raise timeout-minutes: of the job"
        yield job.finding(after, "env", ID, message, mend)


def _other_role(deployment: Deployment, service: Service, key: str) -> Iterator[Finding]:
    job, after = deployment.job, deployment.after
    if service.account.entries[key] is not service.entry:
        message = "the job assumes the role of another entry than that of the service"
        mend = f"write the entry of the job into {SERVICE_JSON}"
        yield job.finding(after, "run", ID, message, mend)
    for step in job.assuming():
        if job.input(step, "role-to-assume") != service.account.role(service.entry):
            message = "the job assumes another role besides the one that can deploy the service"
            mend = "do what needs it in another job"
            yield job.finding(step, "role-to-assume", ID, message, mend)
