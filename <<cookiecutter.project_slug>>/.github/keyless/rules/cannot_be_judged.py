"""What nobody can judge before the run, or without a plan, is said and not guessed."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.findings import UNJUDGED, Finding
from keyless.model.repository import Repository
from keyless.model.workflows import BUILD, CREDENTIALS
from keyless.paths import WORKFLOWS

ID = UNJUDGED
WHY = "The value is known only in the run, or the file was rewritten: nothing is guessed."
SOURCES = ()
BEFORE = """\
tags: ${{ vars.REGISTRY }}/example-service:${{ github.ref_name }}"""
AFTER = """\
tags: ${{ steps.registry.outputs.registry }}/example-service:${{ github.ref_name }}"""


def find(repository: Repository) -> Iterator[Finding]:
    """Report rewritten parts of infra/, and jobs whose pushes cannot be read.

    Other rules report under this name what they themselves cannot judge.
    """
    if not repository.assuming:
        message = f"no job has a step of {CREDENTIALS} with role-to-assume"
        yield Finding(WORKFLOWS, 1, ID, message, "restore deploy.yml")
    for part in repository.rewritten:
        mend = "judge a plan, which shows it: make plan"
        yield Finding(part.path, part.line, ID, part.message, mend)
    for publication in repository.publications:
        for job, pushes in zip(publication.jobs, publication.pushes):
            for step in pushes.hidden:
                message = f"what job {job.name} pushes here, and under which tags, cannot be read"
                mend = f"push with {BUILD}, push: true and tags"
                yield job.finding(step, "push", ID, message, mend)
        if not publication.pushed and not publication.unseen:
            first = publication.jobs[0]
            message = f"job {first.name} assumes the role and no step of {BUILD} pushes tags"
            yield Finding(*first.where, ID, message, "push with push: true and tags")
