"""Jobs: what their values are at each step, and what they may ask for."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from keyless.model.account import Account
from keyless.model.changes import insert_below, quoted, remove_line, set_value
from keyless.model.documents import Mapping, as_list
from keyless.model.environment import written_variables
from keyless.model.findings import Finding
from keyless.model.refs import Run
from keyless.model.texts import fill
from keyless.model.triggers import event_names
from keyless.model.workflows import CREDENTIALS, Workflow, script_of


class Change(NamedTuple):
    """What an edit makes of a key: another value, or nothing (empty); None is no edit."""

    value: str | None
    safe: bool = True


KEEP = Change(None)
REMOVE = Change("")


@dataclass(eq=False)
class Job:
    """One job of a workflow, once for each combination of its matrix and for each caller."""

    source: Workflow
    name: str
    root: Mapping
    known: dict[str, Any]  # the values of matrix.NAME, inputs.NAME and some of github.NAME
    runs: list[Run]  # in which it may start, also after a job that failed
    starts: list[Run] = field(default_factory=list)  # in which it starts where nothing failed
    callers: tuple[Job, ...] = ()

    @property
    def where(self) -> tuple[str, int]:
        """Where the job begins: path and line."""
        return self.source.path, self.source.root.of("jobs").line(self.name)

    @cached_property
    def steps(self) -> list[Mapping]:
        """The steps, in their order."""
        return as_list(self.root.get("steps"))

    @property
    def for_others(self) -> bool:
        """Whether nothing here starts the job: workflows of other repositories call it."""
        return event_names(self.source) == ["workflow_call"] and not self.callers

    def using(self, action: str) -> list[Mapping]:
        """Return the steps that use an action, whatever its version and case."""
        return self._by_action.get(action, [])

    @cached_property
    def _by_action(self) -> dict[str, list[Mapping]]:
        found: dict[str, list[Mapping]] = {}
        for step in self.steps:
            found.setdefault(step.action().partition("@")[0], []).append(step)
        return found

    def assuming(self) -> list[Mapping]:
        """Return the steps that assume a role."""
        return [step for step in self.using(CREDENTIALS) if step.input("role-to-assume")]

    @cached_property
    def roles(self) -> list[str]:
        """The roles that the steps assume."""
        return [self.input(step, "role-to-assume") for step in self.assuming()]

    def input(self, step: Mapping, key: str) -> str:
        """Return an input of a step, with what is known filled in."""
        return self.resolve(step, step.input(key))

    def resolve(self, step: Mapping, value: str) -> str:
        """Return a text with env, matrix, inputs and so on filled in; other expressions stay."""
        return fill(value, self.known_at(step)) if "${{" in value else value.strip()

    def known_at(self, step: Mapping) -> dict[str, Any]:
        """Return what is known at a step, by names in lower case: env.NAME, inputs.NAME, ..."""
        if id(step) not in self._known:
            return self._known_at(step)  # a job's own value, or that of no step
        if not self._known[id(step)]:
            self._known[id(step)] = self._known_at(step)
        return self._known[id(step)]

    @cached_property
    def _known(self) -> dict[int, dict[str, Any]]:
        return {id(step): {} for step in self.steps}

    def _known_at(self, step: Mapping) -> dict[str, Any]:
        known = dict(self.known)
        if step.caller is not None:  # a composite action has inputs of its own
            known = {key: item for key, item in known.items() if not key.startswith("inputs.")}
            known.update(self._action_inputs(step, step.caller))
            known["github.action_path"] = posixpath.dirname(step.path) or "."
        workflow, job, *inner = (each.of("env") for each in self.scopes(step))
        written = Mapping()
        written.update(self._written_before(step))
        for env in (workflow, job, written, *inner):  # a value may name one of those before
            known.update({f"env.{key}".lower(): fill(env.text(key), known) for key in env})
        return known

    def _action_inputs(self, step: Mapping, caller: Mapping) -> dict[str, Any]:
        """Return the inputs of a composite action: what its caller passes, else its defaults."""
        given = caller.of("with")
        return {
            f"inputs.{key}".lower(): self.input(caller, key.lower())
            if caller.input_name(key.lower())
            else step.defaults.of(key).text("default")
            for key in {*step.defaults, *given}
        }

    def _written_before(self, step: Mapping) -> dict[str, str]:
        """Return what the steps before have written to GITHUB_ENV."""
        found: dict[str, str] = {}
        for each, written in self._writing:
            if each is step:
                return found
            found.update(written)
        return {}  # it is no step, but a value of the job

    @cached_property
    def _writing(self) -> list[tuple[Mapping, dict[str, str]]]:
        found = [(step, self._writes(step)) for step in self.steps]
        return found if any(written for _, written in found) else []

    def _writes(self, step: Mapping) -> dict[str, str]:
        """Return what a step writes to GITHUB_ENV; the credentials action writes the region."""
        region = step.input("aws-region") if step.action().startswith(f"{CREDENTIALS}@") else ""
        return {"AWS_REGION": region} if region else written_variables(script_of(step), step.files)

    def scopes(self, step: Mapping) -> list[Mapping]:
        """Return what may have env: for a step, the workflow first and the step last."""
        return [self.source.root, self.root, *_callers_of(step), step]

    def writer_of(self, step: Mapping, name: str) -> Mapping | None:
        """Return the last step before another one that wrote a variable to GITHUB_ENV."""
        before = self.steps[: self.position(step)]
        found = [each for each, written in self._writing if name in written]
        return next((each for each in reversed(found) if any(each is one for one in before)), None)

    def position(self, step: Mapping) -> int:
        """Return where a step of the job stands, from 0."""
        return next(number for number, each in enumerate(self.steps) if each is step)

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
        self,
        step: Mapping,
        key: str,
        value: str,
        rule: str,
        message: str,
        mend: str,
        wanted: str | None = None,
    ) -> Finding:
        """Return a finding that points at the variable that has a value, else at an input.

        Args:
            wanted: what the variable should be, for an edit.
        """
        for scope in (step, self.root, self.source.root):
            env = scope.of("env")
            for name in env:
                if self.variable(step, name) == value:
                    writer = self.writer_of(step, name)
                    if writer is not None and scope is not step:
                        return self.at_step(writer, rule, message, mend)
                    return self.at(env, name, rule, message, mend, Change(wanted))
        return self.finding(step, key, rule, message, mend)

    def values(self) -> Iterator[tuple[Mapping, str, int, str]]:
        """Yield step or job, name, line and text of each value in env: and with:, and of run:."""
        for part in (self.source.root, self.root, *self.steps):
            for values in (part.of("env"), part.of("with")):
                yield from ((part, key, values.line(key), values.text(key)) for key in values)
            yield part, "run", part.line("run"), script_of(part)

    def finding(
        self,
        step: Mapping,
        key: str,
        rule: str,
        message: str,
        mend: str,
        value: str | None = None,
        safe: bool = True,
    ) -> Finding:
        """Return a finding that points at an input of a step, or at the step.

        Args:
            value: what the input should be, for an edit; an empty text removes it.
            safe: whether the edit may be made without a second look.
        """
        name = step.input_name(key)
        inputs = step.of("with")
        line = inputs.line(name) if name else step.line("with")
        path, edit = step.path or self.source.path, None
        if value and name:
            edit = set_value(path, inputs.file, line, name, value, safe)
        elif value and inputs:
            last = max(inputs.lines.values())
            edit = insert_below(path, inputs.file, last, f"{key}: {quoted(value)}", safe)
        elif value == "" and name:
            edit = remove_line(path, inputs.file, line, name, safe)
        return Finding(path, line, rule, message, mend, edit)

    def at_step(self, step: Mapping, rule: str, message: str, mend: str) -> Finding:
        """Return a finding that points at the script of a step, or at the action that it uses."""
        return self.at(step, "run" if "run" in step else "uses", rule, message, mend)

    def at(
        self, part: Mapping, key: str, rule: str, message: str, mend: str, change: Change = KEEP
    ) -> Finding:
        """Return a finding that points at a key of a step, of a job, or of env:."""
        path, line = part.path or self.source.path, part.line(key)
        edit = None
        if change.value:
            edit = set_value(path, part.file, line, key, change.value, change.safe)
        elif change.value == "":
            edit = remove_line(path, part.file, line, key, change.safe)
        return Finding(path, line, rule, message, mend, edit)


def _callers_of(step: Mapping) -> list[Mapping]:
    """Return the steps whose composite actions a step is in, the outermost first."""
    found: list[Mapping] = []
    while step.caller is not None:
        step = step.caller
        found.insert(0, step)
    return found


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
