"""Jobs: what starts them, what they may ask for, and what their values are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from keyless.model.account import Account
from keyless.model.callers import caller_inputs, lending_entries, resolve_inputs
from keyless.model.documents import Mapping, as_list
from keyless.model.expressions import UNKNOWN, evaluate, parse_expression
from keyless.model.findings import CannotJudge, Finding
from keyless.model.matrix import expand_matrix
from keyless.model.refs import Run, intersect_runs
from keyless.model.triggers import starting_runs
from keyless.model.workflows import CREDENTIALS, Workflow, script_of


class Job(NamedTuple):
    """One job of a workflow, once for each combination of its matrix and for each caller."""

    source: Workflow
    name: str
    root: Mapping
    known: dict[str, Any]  # the values of matrix.NAME and inputs.NAME
    runs: list[Run]
    callers: tuple[Any, ...] = ()

    @property
    def where(self) -> tuple[str, int]:
        """Where the job begins: path and line."""
        return self.source.path, self.source.root.of("jobs").line(self.name)

    @property
    def steps(self) -> list[Mapping]:
        """The steps, in their order."""
        return as_list(self.root.get("steps"))

    @property
    def for_others(self) -> bool:
        """Whether nothing here starts the job: workflows of other repositories call it."""
        events = self.source.root.get("on")
        names = list(events) if isinstance(events, Mapping) else as_list(events)
        return names == ["workflow_call"] and not self.callers

    def using(self, action: str) -> list[Mapping]:
        """Return the steps that use an action, whatever its version and case."""
        return [step for step in self.steps if step.action().startswith(f"{action}@")]

    def assuming(self) -> list[Mapping]:
        """Return the steps that assume a role."""
        return [step for step in self.using(CREDENTIALS) if step.input("role-to-assume")]

    def input(self, step: Mapping, key: str) -> str:
        """Return an input of a step, with what is known filled in."""
        return self.resolve(step, step.input(key))

    def resolve(self, step: Mapping, value: str) -> str:
        """Return a text with env, matrix and inputs filled in; other expressions stay."""
        known = {
            key: str(item).lower() if item in (True, False) else item
            for key, item in self.known.items()
        }
        if step.caller is not None:  # a composite action has inputs of its own
            known = {key: item for key, item in known.items() if not key.startswith("inputs.")}
            inputs = step.caller.of("with")
            known.update(
                {f"inputs.{key}".lower(): self.input(step.caller, key.lower()) for key in inputs}
            )
        for scope in (self.source.root, self.root, step):
            env = scope.of("env")
            known.update({f"env.{key}".lower(): env.text(key) for key in env})
        for _ in range(5):  # a value of env may name another one
            if len(value) > 10_000:
                break
            value = re.sub(
                r"\$\{\{\s*((?:env|matrix|inputs)\.[\w.-]+)\s*\}\}",
                lambda match: known.get(match[1].lower(), match[0])[:1000],
                value,
                flags=re.IGNORECASE,
            )
        return value.strip()

    @property
    def environment(self) -> str:
        """The environment as it is written, with what is known filled in; empty for none."""
        name = self.root.of("environment").text("name") or self.root.text("environment")
        name = name or (self.root.input("environment") if self.root.text("uses") else "")
        return self.resolve(Mapping(), name)

    def variable(self, step: Mapping, name: str) -> str:
        """Return the value of an environment variable of a step, as far as it is known."""
        return self.resolve(step, f"${{{{ env.{name} }}}}")

    def value_finding(
        self, step: Mapping, key: str, value: str, rule: str, message: str, mend: str
    ) -> Finding:
        """Return a finding that points at the variable that has a value, else at an input."""
        for scope in (step, self.root, self.source.root):
            env = scope.of("env")
            for name in env:
                if self.variable(step, name) == value:
                    path = scope.path or self.source.path
                    return Finding(path, env.line(name), rule, message, mend)
        return self.finding(step, key, rule, message, mend)

    def values(self) -> Iterator[tuple[Mapping, str, int, str]]:
        """Yield step or job, name, line and text of each value in env: and with:, and of run:."""
        for part in (self.source.root, self.root, *self.steps):
            for values in (part.of("env"), part.of("with")):
                yield from ((part, key, values.line(key), values.text(key)) for key in values)
            yield part, "run", part.line("run"), script_of(part)

    def finding(self, step: Mapping, key: str, rule: str, message: str, mend: str) -> Finding:
        """Return a finding that points at an input of a step, or at the step."""
        name = step.input_name(key)
        line = step.of("with").line(name) if name else step.line("with")
        return Finding(step.path or self.source.path, line, rule, message, mend)


def find_jobs(workflows: list[Workflow], account: Account) -> Iterator[Job]:
    """Yield the jobs of all workflows; those of a called workflow once for each caller.

    One that other repositories call is judged as the first entry calls it whose role trusts it,
    with and without an environment.
    """
    by_path = {workflow.path: workflow for workflow in workflows}
    called = {job.text("uses")[2:] for workflow in workflows for job, _ in workflow.parts()}
    for workflow in workflows:
        runs = list(starting_runs(workflow))
        if runs or workflow.path not in called:
            lent = {} if runs else lending_entries(workflow.path, account)
            for entry in lent.values():
                refs = [Run("push", ref) for ref in entry["refs"]]
                given = resolve_inputs(workflow, caller_inputs(account, entry))
                yield from jobs_of_workflow(workflow, refs, given, (), by_path)
            if not lent:
                yield from jobs_of_workflow(workflow, runs, {}, (), by_path)


def jobs_of_workflow(
    workflow: Workflow,
    runs: list[Run],
    inputs: dict[str, Any],
    callers: tuple[Job, ...],
    workflows: dict[str, Workflow],
) -> Iterator[Job]:
    """Yield the jobs of one workflow, and of those it calls."""
    root = workflow.root.of("jobs")
    able: dict[str, list[Run]] = {}

    def starting(name: str, behind: tuple[str, ...] = ()) -> list[Run]:
        """Return the runs a job may start in: those of the jobs it needs, and its own if."""
        if name not in able:
            where, job = f"{workflow.path}:{root.line(name)}", root[name]
            steps = as_list(job.get("steps")) if isinstance(job, Mapping) else [""]
            if not all(isinstance(step, Mapping) for step in steps) or name in behind:
                raise CannotJudge(f"{where}: {name} is no job with steps; correct it")
            condition = str(job.get("if", "true"))
            written = condition
            if "${{" in condition:  # anything around the braces makes a text, which is true
                alone = condition.startswith("${{") and condition.endswith("}}")
                one = alone and condition.count("${{") == 1
                written = condition[3:-2] if one else "true"
            before = runs
            for need in map(str, as_list(job.get("needs"))):
                if need in root and not re.search(r"(always|failure|cancelled)\(", written):
                    others = starting(need, (*behind, name))
                    before = [
                        both
                        for one in before
                        for other in others
                        for both in intersect_runs(one, other)
                    ]
            tree = parse_expression(written)
            found = [pair for run in before for pair in evaluate(tree, run, inputs)]
            able[name] = [run for value, run in dict.fromkeys(found) if value is UNKNOWN or value]
        return able[name]

    for name in root:
        found = starting(name)
        where, job_root = f"{workflow.path}:{root.line(name)}", root[name]
        for matrix in expand_matrix(where, job_root):
            job = Job(workflow, name, job_root, {**inputs, **matrix}, found, callers)
            yield job
            used = job_root.text("uses")
            if used.startswith("./"):
                target = workflows.get(used[2:])
                if not target or len(callers) > 9:  # GitHub docs: ten levels
                    raise CannotJudge(f"{where}: {used} is not there; correct it")
                yield from jobs_of_workflow(
                    target, found, passed_inputs(job, target), (*callers, job), workflows
                )


def passed_inputs(job: Job, target: Workflow) -> dict[str, Any]:
    """Return the inputs that a job passes to the workflow it calls, else their defaults."""
    values = job.root.of("with")
    return resolve_inputs(
        target, {name: job.resolve(Mapping(), values.text(name)) for name in values}
    )


def permissions_of(job: Job) -> Any:
    """Return the permissions of a job: its own, those of its workflow, or those of who calls it."""
    scopes = (job.root, job.source.root, *(caller.root for caller in reversed(job.callers)))
    return next((scope["permissions"] for scope in scopes if "permissions" in scope), "")


def may_ask_for_token(job: Job) -> bool:
    """Tell whether a job can ask for a token, or has a step that would use one."""
    granted = permissions_of(job)
    scopes = granted if isinstance(granted, Mapping) else {}
    return granted == "write-all" or scopes.get("id-token") == "write" or bool(job.assuming())


def keys_of_roles(account: Account, job: Job, guess: bool = True) -> list[str]:
    """Return the keys of the entries whose roles a job assumes; an unknown role may be any."""
    roles = [job.input(step, "role-to-assume") for step in (*job.assuming(), job.root)]
    names = [role.rpartition("/")[2] for role in roles]
    found = [key for key, entry in account.entries.items() if entry["role_name"] in names]
    return found or [*account.entries][: guess and "${{" in "".join(roles)]


def calls_trusted(job: Job, account: Account) -> bool:
    """Tell whether a job calls a workflow of another repository that a role trusts, at any ref."""
    used = job.root.text("uses").partition("@")[0]
    called = [entry.get("job_workflow_ref") or "" for entry in account.entries.values()]
    return bool(used) and used in [each.partition("@")[0] for each in called]
