"""Images that other jobs build than the one that pushes them: who builds, and what is handed on.

A build job writes the OCI layout of one platform and uploads it as an artifact, and puts out its
digest. `publish push` compares both, and pushes all of them as one image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from keyless.model.documents import Mapping, as_list
from keyless.model.expressions import normalize_expressions
from keyless.model.images import publishing_words
from keyless.model.job_search import needed_jobs
from keyless.model.jobs import Job
from keyless.model.workflows import BUILD, UPLOAD

HOSTED = r"ubuntu-(latest|slim|\d\d\.\d\d)(-arm)?"  # GitHub's own runners with Linux


class Build(NamedTuple):
    """A job that builds one platform, and hands on what it has built."""

    job: Job
    step: Mapping  # the build
    outer: Job  # the job of the publishing workflow that it is, or that calls it

    @property
    def platform(self) -> str:
        """The platform as OS/ARCHITECTURE, empty where only the run knows it."""
        platform = self.job.input(self.step, "platforms") or f"linux/{self.native}"
        return platform if re.fullmatch(r"\w+/\w+(/\w+)?", platform) else ""

    @property
    def architecture(self) -> str:
        """The architecture, as the names of artifact and variable have it."""
        return architecture_of(self.platform)

    @property
    def native(self) -> str:
        """The architecture of the runner, empty where that is not one of GitHub's."""
        runner = self.job.resolve(Mapping(), self.job.root.text("runs-on")).lower()
        match = re.fullmatch(HOSTED, runner)
        return ("arm64" if match[2] else "amd64") if match else ""

    @property
    def output(self) -> dict[str, str]:
        """What the build writes: the parts of `outputs:`, of which there is one."""
        lines = self.job.input(self.step, "outputs").splitlines()
        parts = [part.partition("=") for part in (lines[0] if len(lines) == 1 else "").split(",")]
        return {key.strip(): normalize_expressions(value.strip()) for key, _, value in parts}

    @property
    def folder(self) -> str:
        """The folder of the layout."""
        return folder_of(self.output.get("dest", ""))

    @property
    def upload(self) -> Mapping | None:
        """The step that hands the layout on: by its path, else by its name, else the last one."""
        steps = self.job.using(UPLOAD)

        def fits(step: Mapping) -> tuple[bool, bool]:
            path, name = self.job.input(step, "path"), self.job.input(step, "name")
            return folder_of(path) == self.folder, name == f"image-{self.architecture}"

        return max(reversed(steps), key=fits, default=None)

    @property
    def digests(self) -> list[str]:
        """The outputs of the outer job that hold the digest of the build."""
        wanted = f"${{{{steps.{self.step.text('id').lower()}.outputs.digest}}}}"
        found = _outputs_with(self.job.root.of("outputs"), wanted) if self.step.text("id") else []
        inner = self.job
        for caller in reversed(self.job.callers):
            if inner is self.outer:
                break
            declared = inner.source.root.of("on", "workflow_call", "outputs")
            values = Mapping()
            values.update({name: declared.of(name).text("value") for name in declared})
            texts = [f"${{{{jobs.{inner.name}.outputs.{name}}}}}".lower() for name in found]
            found, inner = [name for text in texts for name in _outputs_with(values, text)], caller
        return found


class Handover(NamedTuple):
    """A job that pushes what others have built."""

    job: Job
    step: Mapping  # `publish push`
    builds: list[Build]
    before: list[Job]  # the jobs that it needs, the first ones first
    beside: list[Job]  # all other jobs of its workflow, and of those that these call

    @property
    def platforms(self) -> list[str]:
        """The platforms that it pushes, as PLATFORM names them."""
        written = self.job.variable(self.step, "PLATFORM")
        return [] if "${{" in written else [one.strip() for one in written.split(",") if one]

    @property
    def looks(self) -> list[Mapping]:
        """The steps of jobs before it that look up what is published already."""
        return [step for job in self.before for step in job.steps if _looks(step)]


def architecture_of(platform: str) -> str:
    """Return the architecture in OS/ARCHITECTURE/VARIANT, empty where there is none."""
    return platform.split("/")[1] if "/" in platform else ""


def folder_of(path: str) -> str:
    """Return a folder in one spelling: with what it holds, as uploads name it, or without."""
    return re.sub(r"/(\*\*?/?)*$", "", normalize_expressions(path))


def find_handovers(publishing: list[Job], jobs: list[Job]) -> Iterator[Handover]:
    """Yield the jobs that push what others have built, with the jobs that build it."""
    for job in publishing:
        for step in job.steps:
            if "push" in publishing_words(step):
                beside = [(other, outer) for other in jobs for outer in _outer(job, other)]
                names = needed_jobs(job.source.root.of("jobs"), job.name)
                before = [other for name in names for other, outer in beside if outer.name == name]
                others = [other for other, _ in beside]
                yield Handover(job, step, [*_builds(job, step, before, beside)], before, others)


def _builds(
    job: Job, step: Mapping, before: list[Job], beside: list[tuple[Job, Job]]
) -> Iterator[Build]:
    """Yield the builds of jobs that hand on an artifact, or whose outputs the push reads."""
    values = [job.variable(step, name) for scope in job.scopes(step) for name in scope.of("env")]
    read = {name.lower() for text in values for name in re.findall(r"\bneeds\.([\w-]+)", text)}
    for other, outer in beside:
        handed = [other.input(each, "name") for each in other.using(UPLOAD)]
        layout = any(name.startswith("image-") for name in handed)
        waited = handed and any(other is each for each in before)
        if outer.name.lower() in read or layout or waited:
            yield from (Build(other, each, outer) for each in other.using(BUILD))


def _outer(job: Job, other: Job) -> list[Job]:
    """Return the job beside a job that another one is, or that calls it; none for strangers."""
    depth = len(job.callers)
    chain = (*other.callers, other)
    if len(chain) <= depth or chain[:depth] != job.callers or chain[depth].name == job.name:
        return []
    outer = chain[depth]
    return [outer] if outer.source is job.source and _given(outer) == _given(job) else []


def _given(job: Job) -> dict[str, object]:
    """Return what is known of a job beside the values of its own matrix."""
    return {key: value for key, value in job.known.items() if not key.startswith("matrix.")}


def _outputs_with(outputs: Mapping, wanted: str) -> list[str]:
    return [key for key in outputs if normalize_expressions(outputs.text(key)) == wanted]


def _looks(step: Mapping) -> bool:
    return "before" in publishing_words(step)


def needs_of(job: Job) -> list[str]:
    """Return the jobs whose results and outputs a job can read: those of its own `needs:`."""
    return [str(name) for name in as_list(job.root.get("needs"))]
