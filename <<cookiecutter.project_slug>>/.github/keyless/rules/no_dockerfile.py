"""The Dockerfile that a build names is there, and so is the stage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from keyless.model.documents import Mapping
from keyless.model.findings import Finding
from keyless.model.following import Visit, World, follow
from keyless.model.jobs import Job
from keyless.model.repository import Repository
from keyless.model.sources import dockerfile_of, source_of
from keyless.model.workflows import BUILD, script_of

ID = "no-dockerfile"
WHY = (
    "`file:` counts from the root of the repository, also where `context:` is another folder. A"
    " build that finds no file, or no stage of the name in `target:`, fails in the release."
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
            visit = _visit(job, step)
            if visit:
                yield from _missing(repository.root, job, visit)


def _visit(job: Job, step: Mapping) -> Visit | None:
    """Return a build as it runs in one of the ways in which its job may go."""
    worlds: list[World] = [each for run in job.runs[:1] for each in follow(job, run) or []]
    visits = [visit for world in worlds for visit in world.visits if visit.step is step]
    return next((visit for visit in visits if visit.ran), None)


def _missing(root: Path, job: Job, visit: Visit) -> Iterator[Finding]:
    step = visit.step
    name = dockerfile_of(job, step, source_of(job, visit))
    before = job.steps[: job.position(step)]
    if name is None or any(Path(name).name in script_of(each) for each in before):
        return
    if not (root / name).is_file():
        message = f"the build reads {name}, which is not there, so nothing could be published"
        mend = "write file: with its path from the root of the repository, e.g. docker/Dockerfile"
        yield job.finding(step, "file", ID, message, mend)
        return
    target = job.input(step, "target")
    stages = _stages((root / name).read_text(encoding="utf-8", errors="replace"))
    if target and "${{" not in target and target.lower() not in stages and not target.isdigit():
        message = f"target is {target}, and {name} has no stage of that name, so the build fails"
        named = ", ".join(sorted(stages)) or "none"
        yield job.finding(step, "target", ID, message, f"write one of its stages ({named})")


def _stages(text: str) -> set[str]:
    """Return the names of the stages of a Dockerfile, in lower case."""
    found = re.findall(r"(?im)^\s*FROM\s+(?:--\S+\s+)*\S+\s+AS\s+(\S+)", text)
    return {name.lower() for name in found}
