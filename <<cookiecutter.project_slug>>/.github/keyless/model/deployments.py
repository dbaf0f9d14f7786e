"""How a job runs the image: the two steps of `keyless deploy`."""

from __future__ import annotations

import re
from typing import NamedTuple

from keyless.model.documents import Mapping
from keyless.model.jobs import Job
from keyless.model.workflows import script_of

DEPLOY = r"python3? \.github/keyless deploy (before|after)"  # alone in its step
MINUTES = r"[0-9]{1,3}(\.[0-9]+)?"  # what WAIT_MINUTES can be


class Deployment(NamedTuple):
    """A job that looks at the service before the build, and deploys after it."""

    job: Job
    before: Mapping
    after: Mapping

    @property
    def platform(self) -> str:
        """The platform that the steps are told the image is built for."""
        return self.job.variable(self.after, "PLATFORM")


def deploying_steps(job: Job) -> list[Mapping]:
    """Return the steps of a job that name `keyless deploy`, in whichever way."""
    return [step for step in job.steps if re.search(r"keyless\"?\s+deploy\b", script_of(step))]


def find_deployment(job: Job) -> Deployment | None:
    """Return a job's deployment, None where its steps are not one before and one after."""
    steps = deploying_steps(job)
    words = [re.fullmatch(DEPLOY, script_of(step).strip()) for step in steps]
    if [word and word[1] for word in words] != ["before", "after"]:
        return None
    return Deployment(job, *steps)
