"""The jobs of all workflows: what starts each, and the inputs that its callers pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from keyless.model.account import Account
from keyless.model.callers import caller_inputs, lending_entries, resolve_inputs
from keyless.model.documents import Mapping, as_list
from keyless.model.expressions import evaluate, is_expression, parse_expression
from keyless.model.findings import CannotJudge
from keyless.model.jobs import Job
from keyless.model.matrix import expand_matrix
from keyless.model.refs import Run, intersect_runs
from keyless.model.triggers import starting_runs
from keyless.model.values import Unknown, truth
from keyless.model.workflows import Workflow, local_path

# What the functions return where nothing has failed.
NOTHING_FAILED = {"success()": True, "always()": True, "failure()": False, "cancelled()": False}


def find_jobs(
    workflows: list[Workflow], account: Account, own_name: str | None = None
) -> Iterator[Job]:
    """Yield the jobs of all workflows; those of a called workflow once for each caller.

    One that other repositories call is judged as the first entry calls it whose role trusts it,
    with and without an environment.

    Args:
        own_name: the name of this repository, where it is known.
    """
    by_path = {workflow.path: workflow for workflow in workflows}
    called = {local_path(job.text("uses")) for each in workflows for job, _ in each.parts()}
    for workflow in workflows:
        known = {**_own_names(own_name), **_typed_inputs(workflow)}
        runs = list(starting_runs(workflow))
        if runs or workflow.path not in called:
            lent = {} if runs else lending_entries(workflow.path, account)
            for entry in lent.values():
                refs = [Run("push", ref) for ref in entry["refs"]]
                given = resolve_inputs(workflow, caller_inputs(account, entry))
                known["github.repository"] = entry["github_repository"]
                yield from jobs_of_workflow(workflow, refs, {**known, **given}, (), by_path)
            if not lent:
                yield from jobs_of_workflow(workflow, runs, known, (), by_path)


def _own_names(name: str | None) -> dict[str, Any]:
    """Return what is known by the name of the repository."""
    if name is None:
        return {}
    owner, _, short = name.partition("/")
    return {
        "github.repository": name,
        "github.repository_owner": owner,
        "github.event.repository.full_name": name,
        "github.event.repository.name": short,
        "github.event.repository.owner.login": owner,
    }


def _typed_inputs(workflow: Workflow) -> dict[str, Any]:
    """Return of which kinds the inputs are that somebody types: dispatch.NAME."""
    declared = workflow.root.of("on", "workflow_dispatch", "inputs")
    kinds = {}
    for name in declared:
        kind = declared.of(name).text("type")
        kind = kind if kind in ("boolean", "number") else "text"
        options = tuple(map(str, as_list(declared.of(name).get("options"))))
        kinds[f"dispatch.{name}".lower()] = Unknown(kind, options)
    return kinds


def condition_of(part: Mapping) -> str:
    """Return the expression in the `if:` of a job or a step, without its braces."""
    condition = str(part.get("if", "true"))
    if "${{" not in condition:
        return condition or "true"
    # Anything around the braces makes a text, which is true.
    return condition[3:-2] if is_expression(condition) else "true"


def needed_jobs(jobs: Mapping, name: str, behind: tuple[str, ...] = ()) -> list[str]:
    """Return the jobs of a workflow that a job waits for, those before them included."""
    found: list[str] = []
    for need in map(str, as_list(jobs.of(name).get("needs"))):
        if need in jobs and need not in behind:
            found += [*needed_jobs(jobs, need, (*behind, name)), need]
    return list(dict.fromkeys(found))


class _Starting:
    """In which runs the jobs of one workflow start."""

    def __init__(self, workflow: Workflow, runs: list[Run], known: dict[str, Any]) -> None:
        self.workflow, self.runs, self.known = workflow, runs, known
        self.root = workflow.root.of("jobs")
        self.found: dict[str, list[Run]] = {}

    def of(self, name: str, behind: tuple[str, ...] = ()) -> list[Run]:
        """Return the runs of a job: those of the jobs that it needs, and its own `if:`.

        Raises:
            CannotJudge: it is not a job with steps, or needs itself.
        """
        if name not in self.found:
            job = self.root[name]
            steps = as_list(job.get("steps")) if isinstance(job, Mapping) else [""]
            if not all(isinstance(step, Mapping) for step in steps) or name in behind:
                where = f"{self.workflow.path}:{self.root.line(name)}"
                raise CannotJudge(f"{where}: {name} is not a job with steps; correct it")
            written = condition_of(job)
            before = self.runs
            # success(), which every other condition begins with, looks at all that went before.
            waits = not re.search(r"(always|failure|cancelled)\(", written)
            for need in needed_jobs(self.root, name):
                others = self.of(need, (*behind, name))
                if waits:
                    before = [
                        both
                        for one in before
                        for other in others
                        for both in intersect_runs(one, other)
                    ]
            tree = parse_expression(written)
            pairs = [pair for run in before for pair in evaluate(tree, run, self.known)]
            self.found[name] = [run for value, run in dict.fromkeys(pairs) if truth(value)]
        return self.found[name]


def jobs_of_workflow(
    workflow: Workflow,
    runs: list[Run],
    known: dict[str, Any],
    callers: tuple[Job, ...],
    workflows: dict[str, Workflow],
    good: list[Run] | None = None,
) -> Iterator[Job]:
    """Yield the jobs of one workflow, and of those it calls.

    Args:
        good: the runs in which nothing has failed before; all, if left out.
    """
    root = workflow.root.of("jobs")
    able = _Starting(workflow, runs, known)
    starting = _Starting(workflow, runs if good is None else good, {**known, **NOTHING_FAILED})
    for name in root:
        found, starts = able.of(name), starting.of(name)
        where, job_root = f"{workflow.path}:{root.line(name)}", root[name]
        for matrix in expand_matrix(where, job_root):
            job = Job(workflow, name, job_root, {**known, **matrix}, found, starts, callers)
            yield job
            used = local_path(job_root.text("uses"))
            if used:
                target = workflows.get(used)
                if not target or len(callers) > 9:  # GitHub docs: ten levels
                    shown = job_root.text("uses")
                    raise CannotJudge(f"{where}: {shown} does not exist; correct it")
                yield from jobs_of_workflow(
                    target, found, passed_inputs(job, target), (*callers, job), workflows, starts
                )


def passed_inputs(job: Job, target: Workflow) -> dict[str, Any]:
    """Return what is known in the workflow that a job calls: inputs passed, else defaults."""
    values = job.root.of("with")
    given = {name: job.resolve(Mapping(), values.text(name)) for name in values}
    names = {key: job.known[key] for key in job.known if key.startswith("github.")}
    return {**names, **resolve_inputs(target, given)}
