"""A deployment from its beginning to its end: who deploys first, and how long each run waits."""

from __future__ import annotations

import os
import re
import time

from keyless.aws import Refused
from keyless.console import Problem
from keyless.release.job_environment import Release, rerun_command
from keyless.release.running import Progress, Running, Target, one_line
from keyless.release.versions import version_order

POLLS = 120  # how many requests to AWS in the whole time
# Errors of AWS that pass [ECS, App Runner and common errors]; no code where it was not reached.
PASSING = re.compile(r"|.*(Throttl|TooManyRequests|Internal|ServerException|Unavailable).*")


class Clock:
    """How long a run waits in all, and how long between two requests."""

    def __init__(self, seconds: float) -> None:
        self.start, self.seconds = time.monotonic(), seconds

    @property
    def passed(self) -> float:
        """Seconds since the clock was started."""
        return time.monotonic() - self.start

    @property
    def over(self) -> bool:
        """Whether the time has passed."""
        return self.passed > self.seconds

    def print(self, text: str) -> None:
        """Print a line with the time that has passed."""
        print(f"{self.passed:6.0f} s  {text}", flush=True)

    def tick(self, text: str, last: str) -> str:
        """Print how far it is where that has changed since `last`, and pause; return the text."""
        if text != last:
            self.print(one_line(text))
        time.sleep(self.seconds / POLLS)
        return text


def begin(target: Target, job: Release, image: str, clock: Clock) -> Running | None:
    """Begin the deployment; return the service instead where there is nothing to deploy.

    It waits for what somebody else deploys, and then looks at the service again.

    Raises:
        Problem: somebody else keeps deploying.
        Refused: AWS answers with an error that is not about somebody else.
    """
    name, printed = target.service.name, ""
    while True:
        running = target.find(image)
        if running and running.doing:
            if clock.over:
                message = f"{name} is still busy after {clock.passed / 60:.0f} minutes:"
                message += f" {running.doing}. Nothing was deployed."
                raise Problem(message, rerun_command(), "make doctor")
            printed = clock.tick(f"waiting for somebody else: {running.doing}", printed)
            continue
        if running and (running.as_wanted or overtaken(job, running)):
            return running
        try:
            target.deploy(running, image, job.version)
        except Refused as refused:
            if not target.raced(refused) or clock.over:
                raise
            printed = clock.tick(f"somebody else was faster: {refused.said}", printed)
            continue
        state = f"deploying {job.version}, replacing {running.shown}" if running else "creating it"
        clock.print(f"{name}: {state}")
        return None


def overtaken(job: Release, running: Running) -> bool:
    """Tell whether a newer version was deployed while this run was under way.

    One that ran before this run began (BEFORE) is replaced: that is how to go back.
    """
    if running.digest == os.environ.get("BEFORE", ""):
        return False
    theirs, ours = version_order(job, running.version), version_order(job, job.version)
    return theirs is not None and ours is not None and theirs > ours


def wait(target: Target, clock: Clock) -> Progress:
    """Wait until the deployment has ended, well or not.

    Raises:
        Problem: it takes too long.
        Refused: AWS answers with an error that does not pass.
    """
    printed = ""
    while True:
        progress = ask_progress(target)
        if progress.ended:
            clock.print(one_line(progress.text))
            return progress
        if clock.over:
            message = f"{target.service.name} is not steady after {clock.seconds / 60:.0f} minutes:"
            message += f" {progress.text}. The deployment continues by itself. If it needs longer"
            message += (
                " every time, raise WAIT_MINUTES and timeout-minutes in deploy.yml. Keep them"
            )
            message += " below an hour, because the session of the role ends then."
            raise Problem(message, "make doctor", rerun_command())
        printed = clock.tick(progress.text, printed)


def ask_progress(target: Target) -> Progress:
    """Return how far a deployment is; where AWS does not answer for a moment, it goes on."""
    try:
        return target.step()
    except Refused as refused:
        if not PASSING.fullmatch(refused.code):
            raise
        return Progress(False, False, f"no answer for a moment: {refused.said}")
