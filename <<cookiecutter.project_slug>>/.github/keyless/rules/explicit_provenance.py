"""Each build that pushes sets `provenance:`, so that nobody gets an index by surprise."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.changes import insert_below
from keyless.model.documents import Mapping
from keyless.model.findings import Finding
from keyless.model.layouts import Build
from keyless.model.repository import Repository
from keyless.model.workflows import BUILD

ID = "explicit-provenance"
WHY = (
    "By default, a build adds an attestation, which makes the image an index. Lambda refuses an"
    " index."
)
SOURCES = (
    (
        "Docker: attestations",
        "https://docs.docker.com/build/ci/github-actions/attestations/",
    ),
)
BEFORE = """\
- uses: docker/build-push-action@...
  with:
    push: true"""
AFTER = """\
- uses: docker/build-push-action@...
  with:
    push: true
    provenance: false"""


def find(repository: Repository) -> Iterator[Finding]:
    """Look at the builds of each job that is held against an entry."""
    for build in (build for handover in repository.handovers for build in handover.builds):
        yield from _with_attestations(build)
    built = [build.job for handover in repository.handovers for build in handover.builds]
    for job in repository.judged:
        for step in job.using(BUILD) if all(job is not other for other in built) else ():
            if not step.input("provenance") and job.input(step, "push") != "false":
                message = "provenance is not set, so the default can make the image an index"
                mend = "write provenance: false, or the mode that you want"
                finding = job.finding(step, "provenance", ID, message, mend, "false")
                yield finding if step.input_name("provenance") else _below_push(step, finding)


def _with_attestations(build: Build) -> Iterator[Finding]:
    """Yield what adds an attestation to the image of one platform, which is pushed with others."""
    job, step = build.job, build.step
    for key, plain in (("provenance", {"false"}), ("sbom", {"false", ""}), ("attests", {""})):
        value = job.input(step, key).lower()
        if value not in plain:
            message = f"{key} is {value or 'not set'}, so the build adds an attestation and makes"
            message += " an index, but publish push needs one image for each platform"
            wanted = "" if key == "attests" else "false"
            mend = f"write {key}: false" if wanted else f"remove {key}"
            yield job.finding(step, key, ID, message, mend, wanted)


def _below_push(step: Mapping, finding: Finding) -> Finding:
    """Return a finding at `push:`, where the missing input belongs."""
    inputs, name = step.of("with"), step.input_name("push")
    line = inputs.line(name) if name else finding.line
    edit = insert_below(finding.path, inputs.file, line, "provenance: false")
    return finding._replace(line=line, edit=edit)
