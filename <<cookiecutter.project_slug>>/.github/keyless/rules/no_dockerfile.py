"""The Dockerfile that a build names is there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from keyless.model.documents import Mapping
from keyless.model.findings import Finding
from keyless.model.jobs import Job
from keyless.model.repository import Repository
from keyless.model.workflows import BUILD, script_of

ID = "no-dockerfile"
WHY = (
    "`file:` counts from the root of the repository, also where `context:` is another folder. A"
    " build that finds no file fails in the release."
)
SOURCES = (("build-push-action", "https://github.com/docker/build-push-action"),)
BEFORE = """\
context: docker
file: Dockerfile # it is docker/Dockerfile"""
AFTER = """\
context: docker
file: docker/Dockerfile"""


def find(repository: Repository) -> Iterator[Finding]:
    """Look for the file of each build, unless a step before may have made it."""
    for job in repository.jobs:
        for step in job.using(BUILD) if not job.for_others else ():
            name = _missing(repository.root, job, step)
            if name:
                message = f"the build reads {name}, which is not there, so nothing could be"
                mend = "write file: with its path from the root of the repository, e.g."
                mend += " docker/Dockerfile"
                yield job.finding(step, "file", ID, f"{message} published", mend)


def _missing(root: Path, job: Job, step: Mapping) -> str:
    """Return the file that a build reads and that is not there, empty where it is."""
    context, file = job.input(step, "context"), job.input(step, "file")
    name = os.path.normpath(file or f"{context or '.'}/Dockerfile")
    before = job.steps[: job.position(step)]
    made = any(Path(name).name in script_of(each) for each in before)
    moved = any(
        each.input("path") or each.input("repository") for each in job.using("actions/checkout")
    )
    known = not re.search(r"\$\{\{|://|^/|^-$", f"{context} {file}")
    return name if known and not (made or moved or (root / name).is_file()) else ""
