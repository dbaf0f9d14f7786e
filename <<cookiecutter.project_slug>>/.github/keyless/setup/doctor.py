"""The command doctor: look whether everything is there that a release needs, and change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

from keyless.aws import Refused
from keyless.console import Problem, wrapped
from keyless.gh import Denied
from keyless.model.findings import CannotJudge
from keyless.programs import Garbled
from keyless.setup import session
from keyless.setup.health import here, in_aws, on_github, others
from keyless.setup.health.patient import Concern, Line, Patient
from keyless.setup.retry import AGAIN
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
    on_github.environment,
    on_github.refs,
    on_github.keys,
    here.commits,
    on_github.deployment,
    in_aws.service,
    others.others,
]


def main(plan: bool, machine: bool) -> int:
    """Print what was found.

    Args:
        plan: whether to look for drift, too: Terraform then plans each of its states.
        machine: whether to print JSON, a list of lines.

    Returns:
        0 where all is ok, 1 otherwise, 130 after Ctrl-C.
    """
    return session.run("make doctor", lambda: _look(plan, machine))


def _look(plan: bool, machine: bool) -> int:
    found = []
    for line in _lines(plan):
        found.append(line)
        if not machine:
            _print(line)
    if machine:
        print(json.dumps([line._asdict() for line in found], indent=2))
    return int(not all(line.ok for line in found))


def _print(line: Line) -> None:
    text = f"{'ok' if line.ok else '--':<4}{line.name:<13}{line.text}"
    print(wrapped(text, " " * 17), flush=True)
    for command in line.commands:
        print(f"{'':<17}{command}", flush=True)


def _lines(plan: bool) -> Iterator[Line]:
    """Yield everything that was found, also that the values cannot be read."""
    try:
        patient = Patient.read()
        missing = missing_tools(patient.account)
    except CannotJudge as reason:
        yield Line("values", False, str(reason), ("make check",))
        return
    except Problem as problem:
        yield Line("values", False, str(problem), problem.commands)
        return
    yield from (Line("tools", False, str(one), one.commands) for one in missing)
    if missing:
        return
    yield Line("tools", True, f"git, gh, aws and {IAC_TOOL} are there and logged in")
    for concern in [*CONCERNS, *[in_aws.drift] * plan]:
        yield from _ask(concern, patient)
        if patient.gone:
            break  # of all else GitHub has nothing to say


def _ask(concern: Concern, patient: Patient) -> Iterator[Line]:
    """Yield what one concern has found; what cannot be asked is not ok."""
    name = concern.__name__
    try:
        yield from concern(patient)
    except CannotJudge as reason:
        yield Line(name, False, str(reason), ("make check",))
    except Garbled as garbled:
        yield Line(name, False, str(garbled), (AGAIN,))
    except Problem as problem:
        yield Line(name, False, str(problem), problem.commands)
    except Denied as denied:
        yield Line(name, False, f"GitHub refuses to tell: {denied}", ("gh auth status",))
    except Refused as refused:
        text = f"AWS refuses to tell: {refused.said}"
        yield Line(name, False, text, ("aws sts get-caller-identity",))
