"""No output of a job contains the registry's host."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.documents import Mapping
from keyless.model.findings import Finding
from keyless.model.jobs import Job
from keyless.model.repository import Repository

ID = "no-registry-output"
WHY = (
    "The registry's host contains the account id, which the credentials action may mask. An"
    " output that contains it then arrives empty."
)
SOURCES = (
    (
        "configure-aws-credentials",
        "https://github.com/aws-actions/configure-aws-credentials",
    ),
)
BEFORE = """\
outputs:
  image: ${{ steps.registry.outputs.registry }}/example-service"""
AFTER = """\
outputs:
  digest: ${{ steps.published.outputs.digest }}"""
HOST = r"outputs(\.|\[')(registry|metadata)\b|\.dkr\.ecr\.|env\.\w*REGISTRY"


def find(repository: Repository) -> Iterator[Finding]:
    """Look at the outputs of each job that is held against an entry."""
    for job in repository.judged:
        outputs = job.root.of("outputs")
        writing = _writing_steps(job)
        for key in outputs:
            text = job.resolve(Mapping(), outputs.text(key))
            text += " ".join(writing[name] for name in writing if f"steps.{name}." in text)
            if re.search(HOST, text):
                message = f"the output {key} contains the registry's host, which GitHub may mask"
                mend = "pass the digest, and build the image's name in the job that uses it"
                yield Finding(job.source.path, outputs.line(key), ID, message, mend)


def _writing_steps(job: Job) -> dict[str, str]:
    """Return script and environment of the steps that write outputs, by their ids."""
    return {
        step.text("id"): job.resolve(
            step, " ".join([step.text("run"), *map(str, step.of("env").values())])
        )
        for step in job.steps
        if "GITHUB_OUTPUT" in step.text("run")
    }
