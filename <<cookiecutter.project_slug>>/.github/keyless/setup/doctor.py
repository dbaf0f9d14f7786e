"""The command doctor: look whether everything is there that a release needs, and change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from keyless.aws import Refused
from keyless.console import Problem, wrapped
from keyless.gh import Denied
from keyless.model.findings import CannotJudge
from keyless.programs import Unfinished
from keyless.setup import session
from keyless.setup.credentials import for_terraform
from keyless.setup.health import here, in_aws, on_github, others, template, versions
from keyless.setup.health.patient import (
    Concern,
    Line,
    Patient,
    State,
    ok,
    unknown,
    wrong,
)
from keyless.setup.remedies import meaning
from keyless.setup.terraform import IAC_TOOL
from keyless.setup.tools import missing_tools

# The order in which things are looked at; a function's name is that of its lines.
CONCERNS: list[Concern] = [
    here.contract,
    in_aws.provider,
    in_aws.role,
    in_aws.registry,
    on_github.repository,
    on_github.subject,
    on_github.actions,
    on_github.branch,
    on_github.environment,
    on_github.refs,
    on_github.tags,
    on_github.keys,
    here.commits,
    on_github.deployment,
    versions.versions,
    in_aws.service,
    others.others,
    template.template,
]


def main(plan: bool, machine: bool) -> int:
    """Print what was found.

    Args:
        plan: whether to look for drift, too: Terraform then plans each of its states.
        machine: whether to print JSON, a list of lines.

    Returns:
        0 where all is ok, apart from warnings; 1 where something is wrong; 2 where nothing is, and
        something could not be found out; 130 after Ctrl-C.
    """
    return session.run("make doctor", lambda: _look(plan, machine))


def _look(plan: bool, machine: bool) -> int:
    found = []
    for line in _lines(plan):
        found.append(line)
        if not machine:
            _print(line)
    if machine:
        print(json.dumps([_for_programs(line) for line in found], indent=2))
    states = {line.state for line in found}
    return 1 if State.WRONG in states else 2 * (State.UNKNOWN in states)


def _for_programs(line: Line) -> dict[str, Any]:
    return {**line._asdict(), "state": line.state.name.lower()}


def _print(line: Line) -> None:
    what = {State.UNKNOWN: "unknown: ", State.WARNING: "warning: "}.get(line.state, "")
    text = f"{line.state.value:<4}{line.name:<13}{what}{line.text}"
    print(wrapped(text, " " * 17), flush=True)
    for command in line.commands:
        print(f"{'':<17}{command}", flush=True)


def _lines(plan: bool) -> Iterator[Line]:
    """Yield everything that was found, also that the values cannot be read."""
    try:
        patient = Patient.read()
        missing = missing_tools(patient.account)
    except CannotJudge as reason:
        yield wrong("values", str(reason), "make check")
        return
    except Problem as problem:
        yield wrong("values", str(problem), *problem.commands)
        return
    yield from (wrong("tools", str(one), *one.commands) for one in missing)
    if missing:
        return
    handed = f"; {IAC_TOOL} gets the credentials of the AWS CLI" * bool(for_terraform())
    yield ok("tools", f"git, gh, aws and {IAC_TOOL} are there, and gh and aws logged in{handed}")
    for concern in [*CONCERNS, *[in_aws.drift] * plan]:
        yield from _ask(concern, patient)
        if patient.gone:
            break  # of all else GitHub has nothing to say


def _ask(concern: Concern, patient: Patient) -> Iterator[Line]:
    """Yield what one concern has found; what cannot be asked is unknown."""
    name = concern.__name__
    try:
        yield from concern(patient)
    except CannotJudge as reason:
        yield unknown(name, str(reason), "make check")
    except Unfinished as problem:
        yield unknown(name, str(problem), *problem.commands)
    except Problem as problem:
        yield wrong(name, str(problem), *problem.commands)
    except (Denied, Refused) as error:
        meant = meaning(error)
        yield unknown(name, str(meant), *meant.commands)
