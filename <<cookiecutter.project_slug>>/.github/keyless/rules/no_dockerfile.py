"""The Dockerfile and the stage that a build names exist."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from keyless.model.dockerfiles import Dockerfile, is_ignored, read_dockerfile
from keyless.model.documents import Mapping
from keyless.model.findings import Finding
from keyless.model.following import Visit, World, follow
from keyless.model.jobs import Job
from keyless.model.repository import Repository
from keyless.model.sources import dockerfile_of, source_of
from keyless.model.workflows import BUILD, script_of

ID = "no-dockerfile"
WHY = (
    "`file:` is relative to the root of the repository, even if `context:` is another folder. If"
    " the file does not exist, or has no stage with the name in `target:`, the release fails."
)
SOURCES = (("build-push-action", "https://github.com/docker/build-push-action"),)
BEFORE = """\
context: docker
file: Dockerfile # it is docker/Dockerfile"""
AFTER = """\
context: docker
file: docker/Dockerfile"""
# What no release is meant to run.
FOR_TESTS = {"test", "tests", "testing", "dev", "development", "debug", "lint"}


def find(repository: Repository) -> Iterator[Finding]:
    """Look for the file of each build, unless a step before may have made it."""
    for job in repository.jobs:
        for step in job.using(BUILD) if not job.for_others else ():
            visit = _visit(job, step)
            if visit:
                yield from _missing(repository.root, job, visit)


def _visit(job: Job, step: Mapping) -> Visit | None:
    """Return a build as it runs in one of the ways in which its job may go."""
    worlds: list[World] = [
        each for run in (job.starts or job.runs)[:1] for each in follow(job, run) or []
    ]
    visits = [visit for world in worlds for visit in world.visits if visit.step is step]
    return next((visit for visit in visits if visit.ran), None)


def _missing(root: Path, job: Job, visit: Visit) -> Iterator[Finding]:
    step, source = visit.step, source_of(job, visit)
    name = dockerfile_of(job, step, source)
    before = job.steps[: job.position(step)]
    if name is None or any(Path(name).name in script_of(each) for each in before):
        return
    if not (root / name).is_file():
        message = f"the build reads {name}, which does not exist, so nothing can be published"
        mend = "write file: with its path from the root of the repository, e.g. docker/Dockerfile"
        yield job.finding(step, "file", ID, message, mend)
        return
    dockerfile = read_dockerfile(root / name)
    target = job.input(step, "target")
    known = "${{" not in target and not target.isdigit()
    if target and known and target.lower() not in dockerfile.stages:
        message = f"target is {target}, but {name} has no stage of that name, so the build fails"
        named = ", ".join(dockerfile.stages) or "none"
        yield job.finding(step, "target", ID, message, f"write one of its stages ({named})")
    here = source.checkout is None or source.checkout.folder == "."
    if source.folder is not None and here:
        whole = source.folder == "."
        made = not whole or any(_may_make_files(step) for step in before)
        yield from _not_copied(root / source.folder, root / name, name, dockerfile, made)
    last = dockerfile.stages[-1] if dockerfile.stages else ""
    if not target and last in FOR_TESTS and _is_released(job, step):
        message = f"target: is missing, so the build makes the last stage of {name}, {last}"
        yield job.finding(step, "target", ID, message, "write target: with the stage that runs")


def _is_released(job: Job, step: Mapping) -> bool:
    """Tell whether a build is pushed, or handed on as a layout to be pushed."""
    layout = "type=oci" in job.input(step, "outputs")
    return layout or job.input(step, "push") == "true"


def _not_copied(
    context: Path, path: Path, name: str, dockerfile: Dockerfile, made: bool
) -> Iterator[Finding]:
    """Yield what the Dockerfile copies but the build does not find."""
    beside = Path(f"{path}.dockerignore")
    ignoring = beside if beside.is_file() else context / ".dockerignore"
    patterns = ignoring.read_text(encoding="utf-8") if ignoring.is_file() else ""
    for copied, line in dockerfile.copies:
        source = posixpath.normpath(copied.lstrip("/") or ".")
        pattern = re.sub(r"\*+", "*", source)  # to BuildKit ** is no more than *
        if source != "." and is_ignored(source, patterns):
            message = f"{ignoring.name} excludes {copied}, which {name} copies, so the build fails"
            yield Finding(name, line, ID, message, f"add !{source} to {ignoring.name}")
        elif not made and source != "." and not any(context.glob(pattern)):
            message = f"{name} copies {copied}, which a release does not have, so the build fails"
            yield Finding(name, line, ID, message, "commit it, or create it in an earlier step")


def _may_make_files(step: Mapping) -> bool:
    """Tell whether a step may write files into the workspace: a script, or another action."""
    script = script_of(step)
    if script:
        return not re.fullmatch(r"\s*python\S*\s+\S*\.github/keyless\S*\s[\w ]+", script)
    return not re.match(r"actions/checkout@|aws-actions/|docker/(setup|login)-", step.action())
