"""Which jobs of a workflow start where nothing fails: if an image is to be built, and if not.

`publish before` says as the output `build` whether one is. A job that a condition leaves out is
skipped: its outputs are empty, and success() does not hold for the jobs that need it
[GitHub docs, "Using conditions to control job execution", "Contexts reference"].
"""

from __future__ import annotations

import re
from typing import Any

from keyless.model.documents import Mapping
from keyless.model.expressions import evaluate, names_of, normalize_expressions, parse_expression
from keyless.model.images import publishing_words
from keyless.model.job_search import NOTHING_FAILED, condition_of, needed_jobs
from keyless.model.jobs import Job
from keyless.model.layouts import Handover, needs_of
from keyless.model.refs import Run
from keyless.model.values import truth


def starting_jobs(handover: Handover, run: Run, build: bool) -> dict[str, bool]:
    """Return whether each job that a push waits for may start, and the one that pushes, by name.

    Args:
        handover: the job that pushes, with those before it.
        run: in which it starts.
        build: what the jobs say that look up what is published already.
    """
    found: dict[str, bool] = {}
    known: dict[str, Any] = {}
    for job in _in_order(handover):
        root = job.source.root.of("jobs")
        tree = parse_expression(condition_of(job.root))
        own = {**job.known, **NOTHING_FAILED}
        for name in names_of(tree):
            match = re.fullmatch(r"needs\.([\w-]+)\.(result|outputs\.[\w-]+)", name)
            if match and match[1] not in [each.lower() for each in needs_of(job)]:
                own[name] = ""
            elif match and name in known:
                own[name] = known[name]
            elif match and match[2] != "result" and _declares_outputs(root, match[1]):
                own[name] = ""  # no output of that name
        waits = not re.search(r"(always|failure|cancelled)\(", condition_of(job.root))
        ready = not waits or all(found.get(need, True) for need in needed_jobs(root, job.name))
        found[job.name] = ready and any(truth(value) for value, _ in evaluate(tree, run, own))
        known.update(_outcome(job, found[job.name], build))
    return found


def _in_order(handover: Handover) -> list[Job]:
    """Return the jobs of the publishing workflow that are needed, each once, and it."""
    depth = len(handover.job.callers)
    chain = [(*each.callers, each)[depth] for each in handover.before]
    return [*{each.name: each for each in chain}.values(), handover.job]


def _declares_outputs(jobs: Mapping, name: str) -> bool:
    """Tell whether all outputs of a job are known: it has steps, and calls no workflow."""
    return any(each.lower() == name and "steps" in jobs.of(each) for each in jobs)


def _outcome(job: Job, starts: bool, build: bool) -> dict[str, Any]:
    """Return what the jobs that need a job read of it, as far as that is known."""
    start = f"needs.{job.name}".lower()
    found: dict[str, Any] = {f"{start}.result": "success" if starts else "skipped"}
    outputs = job.root.of("outputs")
    ids = {step.text("id").lower(): step for step in job.steps if step.text("id")}
    for key in outputs:
        value = normalize_expressions(outputs.text(key))
        match = re.fullmatch(r"\$\{\{steps\.([\w-]+)\.outputs\.([\w-]+)\}\}", value)
        if not starts or (match and match[1] not in ids):
            found[f"{start}.outputs.{key}".lower()] = ""
        elif match and "before" in publishing_words(ids[match[1]]):
            said = str(build).lower() if match[2] == "build" else ""
            found[f"{start}.outputs.{key}".lower()] = said
    return found
