"""What separate-build needs: the artifacts by which jobs hand layouts on, and where they arrive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from keyless.model.documents import Mapping
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.jobs import Job
from keyless.model.layouts import Build, Handover, architecture_of, folder_of
from keyless.model.workflows import DOWNLOAD, UPLOAD

LONGEST = 30  # days that a job may wait for an environment [GitHub docs, "Actions limits"]


def handed_on(build: Build, handover: Handover, rule: str) -> Iterator[Finding]:
    """Yield where the artifact of a build is not its layout, or is gone before it is pushed."""
    job, step, upload = build.job, build.step, build.upload
    wanted = f"image-{build.architecture}"
    if upload is None or job.position(upload) < job.position(step):
        message = f"job {job.name} does not upload its image"
        message += " after the build" * bool(upload)
        mend = f"put {UPLOAD} after the build, with name: {wanted} and the path: of the layout"
        yield job.at_step(upload or step, rule, f"{message}, so the image cannot be pushed", mend)
        return
    name, path = job.input(upload, "name"), job.input(upload, "path")
    if build.architecture and name != wanted:
        message = f"name is {name or 'missing'}, but publish push looks for {wanted}"
        yield job.finding(upload, "name", rule, message, f"write name: {wanted}", wanted)
    if folder_of(path) != build.folder and build.folder:
        dest = re.search(r"dest=([^,]+)", job.input(step, "outputs"))
        message = f"path is {path or 'missing'}, but the build writes its layout to another folder"
        right = dest[1].strip() if dest else None
        yield job.finding(upload, "path", rule, message, f"write path: {right}", right)
    if job.input(upload, "overwrite").lower() != "true":
        message = "this upload fails in a re-run of all jobs, because the artifact exists already"
        mend = "write overwrite: true"
        yield job.finding(upload, "overwrite", rule, message, mend, "true")
    days = job.input(upload, "retention-days")
    if handover.job.environment and days.isdigit() and 0 < int(days) < LONGEST:
        message = f"the artifact is kept {days} days, but job {handover.job.name} can wait"
        message += f" {LONGEST} days for its environment. After a late approval it is gone"
        mend = f"write retention-days: {LONGEST}"
        yield job.finding(upload, "retention-days", rule, message, mend, str(LONGEST))


def taken(handover: Handover, rule: str) -> Iterator[Finding]:
    """Yield where a layout does not arrive in the folder in which `publish push` looks for it."""
    job, step = handover.job, handover.step
    before = [each for each in job.steps[: job.position(step)] if each in job.using(DOWNLOAD)]
    images = _here(job.variable(step, "IMAGES"))
    if "env." in images:
        return  # it is missing, which is a finding of its own
    if not before:
        message = "no step before the push downloads the images that the other jobs have built"
        mend = f"put {DOWNLOAD} before the push, with pattern: image-* and path: {images}"
        yield job.at_step(step, rule, message, mend)
        return
    for other in before:
        if job.input(other, "artifact-ids"):
            message = "only the run knows which artifacts have these ids"
            mend = "write pattern: image-* in place of artifact-ids"
            yield job.finding(other, "artifact-ids", UNJUDGED, message, mend)
            return
        yield from _of_another_run(job, other, rule)
    for platform in handover.platforms:
        artifact = f"image-{architecture_of(platform)}"
        places = [place for each in before for place in _places(handover, each, artifact)]
        if f"{images}/{artifact}" not in places:
            yield _elsewhere(handover, before, artifact, images, rule)


def _of_another_run(job: Job, step: Mapping, rule: str) -> Iterator[Finding]:
    """Yield a download of what another run has built: it is of another commit."""
    own = {"run-id": "run_id", "repository": "repository"}
    for key, name in own.items():
        value = re.sub(r"\s", "", job.input(step, key))
        same = (f"${{{{github.{name}}}}}", str(job.known.get(f"github.{name}", "")))
        if value and value not in same:
            message = f"{key} is {value}, so the step downloads what another run has built"
            yield job.finding(step, key, rule, message, f"remove {key}", "")


def _places(handover: Handover, step: Mapping, artifact: str) -> Iterator[str]:
    """Yield the folder into which a download puts an artifact, if it takes it."""
    job = handover.job
    name, path = job.input(step, "name"), _here(job.input(step, "path"))
    if name:
        yield from [path] if name == artifact else []
        return
    pattern = job.input(step, "pattern") or "*"
    known = [other.input(each, "name") for other in handover.beside for each in other.using(UPLOAD)]
    known += [f"image-{architecture_of(platform)}" for platform in handover.platforms]
    taken_too = [each for each in known if _matches(each, pattern)]
    # A download by a pattern that fits one artifact alone has no folder of its name
    # [actions/download-artifact, issue 426].
    alone = {*taken_too} == {artifact} and not any("${{" in each for each in known)
    if _matches(artifact, pattern) and job.input(step, "merge-multiple").lower() != "true":
        yield path if alone else f"{path}/{artifact}"


def _matches(name: str, pattern: str) -> bool:
    """Tell whether a pattern of minimatch fits a name: *, ?, [...] and one list in braces."""
    braces = re.search(r"\{([^{}]*)\}", pattern)
    parts = braces[1].split(",") if braces else [""]
    texts = [pattern.replace(braces[0], part) if braces else pattern for part in parts]
    return any(fnmatchcase(name, text) for text in texts)


def _elsewhere(
    handover: Handover, before: list[Mapping], artifact: str, images: str, rule: str
) -> Finding:
    """Return the finding for the input of a download that leads an artifact somewhere else."""
    job, step = handover.job, before[-1]
    message = f"{artifact} does not arrive in {images}/{artifact}, where publish push looks for it"
    if job.input(step, "merge-multiple").lower() == "true":
        return job.finding(step, "merge-multiple", rule, message, "remove merge-multiple", "")
    if job.input(step, "name"):
        mend = "write pattern: image-* in place of name"
        return job.finding(step, "name", rule, message, mend)
    pattern = job.input(step, "pattern") or "*"
    if not _matches(artifact, pattern):
        return job.finding(step, "pattern", rule, message, "write pattern: image-*", "image-*")
    wanted = job.variable(handover.step, "IMAGES")
    if _here(job.input(step, "path")) == images:
        message += ": a download by pattern makes no folder if it finds one artifact"
        mend = f"write name: {artifact} and path: {wanted}/{artifact}"
        return job.finding(step, "path", rule, message, mend)
    return job.finding(step, "path", rule, message, f"write path: {wanted}", wanted)


def _here(path: str) -> str:
    """Return a folder in one spelling; what is in the workspace is written without that."""
    return re.sub(r"^\$\{\{github\.workspace\}\}/|^\./", "", folder_of(path))
