"""Run the image that was published: by its digest, as service.json says, until it is steady.

It asks AWS with the AWS CLI, as the role of the job. The environment of the job in deploy.yml says
which image, what ran before the build (BEFORE), and how long to wait (WAIT_MINUTES).
"""

from __future__ import annotations

import os
import re

from keyless import paths
from keyless.aws import Refused
from keyless.console import Problem, append_to, report_problem
from keyless.model.account import read_account
from keyless.model.deployments import MINUTES
from keyless.model.findings import CannotJudge
from keyless.model.service import Service, read_service
from keyless.model.service_settings import setting_errors
from keyless.paths import SERVICE_JSON
from keyless.release.job_environment import (
    Release,
    apply_commands,
    is_branch,
    publish_command,
    rerun_command,
)
from keyless.release.refusal import explain_refusal
from keyless.release.running import Progress, Running, Target, one_line
from keyless.release.targets import target_of
from keyless.release.waiting import Clock, begin, overtaken, wait

EVENTS = 8  # the service's own last ones that are shown
EVENT_MAXIMUM = 300  # characters of one of them


def main(step: str) -> int:
    """Do one of the steps: before or after.

    Returns:
        The exit status: 0 where the service runs the image, or a newer one, or can be deployed;
        1 where not. Then the annotation says why, and what to type.
    """
    deploying = step == "after"
    title = "The image is published but not deployed" if deploying else "Nothing was published"
    job = Release.of(dict(os.environ))
    target: Target | None = None
    try:
        target = target_of(read_own_service())
        if deploying:
            deploy_after(job, target)
        else:
            look_before(target)
        return 0
    except Refused as refused:
        problem = explain_refused_deployment(job, target, refused)
    except Problem as found:
        problem = found
    except CannotJudge as reason:
        problem = Problem(str(reason), "make check")
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        name = target.title if target else "AWS"
        problem = Problem(f"An answer of {name} cannot be read: {error!r}", rerun_command())
    details = ""
    if target and target.began:
        details = last_events(target)
        print(f"The last events from {target.title}:\n{details}")
    report_problem(problem, title, details)
    return 1


def read_own_service() -> Service:
    """Return the service of this repository.

    Raises:
        Problem: its settings could not run.
        CannotJudge: they cannot be read.
    """
    service = read_service(paths.ROOT, read_account(paths.ROOT))
    if service is None:
        message = f"{SERVICE_JSON} is missing, so the job does not know what to run."
        raise Problem(message, publish_command("main"))
    for key, why, mend in setting_errors(service):
        message = f"{SERVICE_JSON}: {key} {why}; {mend}. Commit that, and publish a new version."
        raise Problem(message, "make check", publish_command("main"))
    return service


def look_before(target: Target) -> None:
    """Write what the service runs as the output `image`, before anything is published.

    Raises:
        Problem: the service cannot be deployed.
        Refused: it cannot be asked.
    """
    running = target.find()
    state = f"runs {running.shown}" if running else "does not exist yet"
    print(f"{target.service.name}: {state}", flush=True)
    append_to("GITHUB_OUTPUT", f"image={running.digest if running else ''}")


def deploy_after(job: Release, target: Target) -> None:
    """Deploy the image, and report.

    Raises:
        Problem: the service does not run it.
        Refused: AWS answers with an error.
    """
    name = target.service.name
    image, seconds = image_and_seconds(job)
    running = begin(target, job, image, Clock(seconds))
    if running is None:
        running, title = settle(target, job, image, Clock(seconds))
    elif not running.as_wanted:
        title = newer_runs(name, running)
    elif running.version == job.version:
        title = f"{name} runs {job.version} already: nothing was deployed"
    else:
        title = f"{name} runs this image already, as {running.version}: nothing was deployed"
    if running is None:
        raise Problem(f"{name} was deployed, but AWS no longer lists it.", rerun_command())
    report(target.service, running, title)


def image_and_seconds(job: Release) -> tuple[str, float]:
    """Return the image by its digest, and how long to wait, from the environment of the step.

    Raises:
        Problem: one of its variables is missing or has no such value.
    """
    digest, minutes = (os.environ.get(name, "") for name in ("DIGEST", "WAIT_MINUTES"))
    if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise Problem(f"DIGEST is {digest!r}, which is not the digest of an image.", "make check")
    if not re.fullmatch(MINUTES, minutes):
        message = f"WAIT_MINUTES is {minutes!r}, which is not a number of minutes."
        raise Problem(message, publish_command("main"))
    if "BEFORE" not in os.environ:
        raise Problem(
            "The variable BEFORE is missing. It holds what ran before this run.", "make check"
        )
    return f"{job.registry}/{job.repository}@{digest}", float(minutes) * 60


def settle(target: Target, job: Release, image: str, clock: Clock) -> tuple[Running | None, str]:
    """Wait for the deployment that has begun; return what runs then, and what to say of it.

    Raises:
        Problem: it has failed, or takes too long.
    """
    name = target.service.name
    ended = wait(target, clock)
    running = find_again(target, image)
    title = f"Deployed {job.version} to {name}"
    if running and running.image != image and overtaken(job, running):
        return running, newer_runs(name, running)
    if not ended.well:
        raise explain_failure(target, ended)
    if running and running.image != image:
        title += f", but somebody else has deployed {running.version or 'another image'} since"
    return running, title


def newer_runs(name: str, running: Running) -> str:
    """Return the title where a newer version runs, which is not replaced."""
    return f"{name} runs {running.version}, which is newer: nothing was deployed"


def find_again(target: Target, image: str) -> Running | None:
    """Return what runs after a deployment, None where that cannot be asked."""
    try:
        return target.find(image)
    except (Problem, Refused):
        return None


def explain_failure(target: Target, ended: Progress) -> Problem:
    """Return how a deployment has failed, what runs now, and how to go on."""
    service = target.service
    back = "gh run rerun RUN_ID" if is_branch() else "gh workflow run deploy.yml --ref VERSION"
    commands = [publish_command("main"), f"{back}  # deploys an older version"]
    try:
        running = target.find()
        now = f"It now runs {running.shown}." if running and running.image else "It runs no image."
    except Problem as found:  # App Runner keeps a service that could not be created
        now, commands = str(found), [*found.commands[:1], publish_command("main")]
    except Refused as refused:
        now = f"AWS does not report what runs: {refused.said}."
    message = f"{service.name} did not become healthy with this image: {ended.text}. {now}"
    port, path = service.settings["port"], service.settings["health_check_path"]
    message += f" The image must listen on port {port} and answer {path} with 200 ({SERVICE_JSON})."
    return Problem(message, *commands)


def explain_refused_deployment(job: Release, target: Target | None, refused: Refused) -> Problem:
    """Return what an error of the service of AWS that runs the image means for the reader."""
    if target is None or refused.code == "AccessDeniedException" or "Expired" in refused.code:
        return explain_refusal(job, refused)
    message = f"A request to {target.title} failed: {refused.said}"
    of_a_role = re.search(r"(?i)\brole\b", str(refused))
    return Problem(message, *(apply_commands() if of_a_role else (rerun_command(),)))


def report(service: Service, running: Running, title: str) -> None:
    """Write job summary and outputs."""
    settings = service.settings
    rows = {
        "Service": running.url or running.arn,
        "Runs": running.shown,
        "Before": os.environ.get("BEFORE") or "nothing",
        "Instances": f"{settings['min_instances']} to {settings['max_instances']}",
    }
    table = [f"### {title}", "", "| | |", "| --- | --- |"]
    table += [f"| {name} | {in_markdown(value)} |" for name, value in rows.items()]
    append_to("GITHUB_STEP_SUMMARY", "\n".join(table))
    append_to("GITHUB_OUTPUT", f"url={running.url}")
    print(title, *(f"{name:<13} {value}" for name, value in rows.items()), sep="\n")


def in_markdown(value: str) -> str:
    """Return a value as Markdown shows it unchanged; an address can be followed."""
    return f"<{value}>" if value.startswith("https://") else f"`{value}`"


def last_events(target: Target) -> str:
    """Return the service's own last events, a line each; why there are none, where that is so."""
    try:
        events = target.events()
    except (Refused, Problem, LookupError, ValueError, TypeError, AttributeError) as reason:
        return f"(its events cannot be read: {one_line(str(reason))})"
    lines = [one_line(event).replace("`", "'")[:EVENT_MAXIMUM] for event in events]
    return "\n".join(f"- {line}" for line in lines[-EVENTS:]) or "(it has no events)"
