"""What `publish` looks for is what the job pushes, and no failed push is green."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.expressions import normalize_expressions
from keyless.model.findings import Finding
from keyless.model.images import PUBLISH, Pushes, judges_push
from keyless.model.infra import Infra
from keyless.model.jobs import Job
from keyless.model.repository import Repository
from keyless.model.workflows import script_of

ID = "publish-once"
WHY = (
    "`keyless publish` looks for the tags of `env:` before and after the push, and for the commit"
    " that an image names. If other tags are pushed, or nothing judges a push that may fail, a run"
    " is red or green for no reason."
)
SOURCES = (
    (
        "AWS: BatchGetImage",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html",
    ),
)
BEFORE = """\
env:
  IMAGE_TAG: ${{ github.ref_name }}
steps:
  - uses: docker/build-push-action@...
    with:
      tags: ${{ steps.registry.outputs.registry }}/example-service:${{ github.sha }}"""
AFTER = """\
env:
  IMAGE_TAG: ${{ github.ref_name }}
steps:
  - uses: docker/build-push-action@...
    with:
      tags: ${{ steps.registry.outputs.registry }}/example-service:${{ env.IMAGE_TAG }}"""
REVISION = r"org\.opencontainers\.image\.revision=\$\{\{\s*github\.sha\s*\}\}"
OWN_COMMIT = r"((refs/tags/)?\$\{\{\s*github\.(sha|ref|ref_name)\s*\}\})?"


def find(repository: Repository) -> Iterator[Finding]:
    """Compare what each job pushes with what its steps of `publish` look for."""
    for publication in repository.publications:
        for job, pushes in zip(publication.jobs, publication.pushes):
            if not pushes.unseen:
                yield from _other_tags(job, pushes, publication.infra)
                yield from _unjudged_pushes(job, pushes)
                yield from _no_commit(job, pushes, publication.infra)
                yield from _other_commit(job, pushes)


def _other_tags(job: Job, pushes: Pushes, infra: Infra) -> Iterator[Finding]:
    """`publish after` looks for a tag that no step pushes."""
    tags = [normalize_expressions(named.tag) for named in pushes.pushed]
    for named in pushes.tagged if tags else []:
        tag = named.tag
        if normalize_expressions(tag) not in tags and tag not in infra.excluded:
            message = f"keyless publish looks for {tag}, which no step pushes, so the job fails"
            message += " after the push"
            mend = "write the same tags in env: (IMAGE_TAG, SECOND_TAG) and in tags: of the push"
            yield job.finding(named.step, "tags", ID, message, mend)


def _unjudged_pushes(job: Job, pushes: Pushes) -> Iterator[Finding]:
    """A push may fail, and no step turns the job red."""
    steps = {id(named.step): named.step for named in pushes.pushed}.values()
    before = any("before" in re.findall(PUBLISH, script_of(step)) for step in job.steps)
    for step in (job.root, *steps):
        later = job.steps[job.position(step) + 1 :] if step is not job.root else []
        needed = step.text("continue-on-error") not in ("", "false") or (later and before)
        if needed and not any(map(judges_push, later)):
            message = "no step judges what was pushed, so the job may be green without an image"
            mend = "end it with a step without if: that runs python3 .github/keyless publish after"
            line = step.line("continue-on-error")
            yield Finding(step.path or job.source.path, line, ID, message, mend)


def _no_commit(job: Job, pushes: Pushes, infra: Infra) -> Iterator[Finding]:
    """Where no tag holds the commit, the image must name it."""
    if not any(named.tag in infra.excluded for named in pushes.tagged):
        return
    for step in {id(named.step): named.step for named in pushes.pushed}.values():
        if not re.search(REVISION, job.input(step, "annotations")):
            message = (
                "the image does not name its commit, so a second run takes it for another one's"
            )
            mend = "write annotations: org.opencontainers.image.revision=${{ github.sha }}"
            yield job.finding(step, "annotations", ID, message, mend)


def _other_commit(job: Job, pushes: Pushes) -> Iterator[Finding]:
    """The image is built from another commit than it names."""
    for step in job.using("actions/checkout") if pushes.tagged else []:
        ref, elsewhere = job.input(step, "ref"), step.input("repository") + step.input("path")
        if not elsewhere and not re.fullmatch(OWN_COMMIT, ref):
            message = f"the image is built from {ref} and says that it is the commit of the run"
            yield job.finding(step, "ref", ID, message, "remove ref: from the checkout")
