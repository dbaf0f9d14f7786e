"""The command doctor: report whether everything a release needs is in place. It changes nothing."""

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

# What doctor inspects, in this order. The name of a function is the name of its lines.
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


# If the last line has one of these names, nothing after it was checked.
LAST = ("values", "tools", "repository")
INDENT = " " * 22


def main(plan: bool, machine: bool) -> int:
    """Print what was found.

    Args:
        plan: whether to look for drift, too: Terraform then plans each of its states.
        machine: whether to print JSON, a list of lines.

    Returns:
        0 if everything is ok, apart from warnings; 1 if something is wrong; 2 if nothing is wrong,
        but something could not be checked; 130 after Ctrl-C.
    """
    return session.run("make doctor", lambda: _inspect(plan, machine))


def _inspect(plan: bool, machine: bool) -> int:
    found: list[Line] = []
    for line in _lines(plan):
        found.append(line)
        if not machine:
            _print(line)
    if machine:
        print(json.dumps([_for_programs(line) for line in found], indent=2))
    else:
        print(wrapped(f"\n{verdict(found)}"))
    states = {line.state for line in found}
    return 1 if State.WRONG in states else 2 * (State.UNKNOWN in states)


def _for_programs(line: Line) -> dict[str, Any]:
    return {**line._asdict(), "state": line.state.value}


def _print(line: Line) -> None:
    first, *further = line.text.split("\n")
    print(wrapped(f"{line.state.value:<9}{line.name:<13}{first}", INDENT))
    print(*(wrapped(f"{INDENT}{text}") for text in further), sep="\n", end="\n" * bool(further))
    print(*(f"{INDENT}{command}\n" for command in line.commands), sep="", end="", flush=True)


def verdict(lines: list[Line]) -> str:
    """Return in one sentence whether everything is ok, and name the lines that are not.

    Several lines of one name count once.
    """
    bad = {
        state: [*dict.fromkeys(line.name for line in lines if line.state is state)]
        for state in (State.WRONG, State.UNKNOWN)
    }
    wrong_names, unknown_names = bad[State.WRONG], bad[State.UNKNOWN]
    unchecked = f"{_things(unknown_names)} could not be checked: {', '.join(unknown_names)}."
    if wrong_names:
        verb = "is" if len(wrong_names) == 1 else "are"
        text = f"{_things(wrong_names)} {verb} wrong: {', '.join(wrong_names)}."
        text += f" {unchecked}" * bool(unknown_names)
    elif unknown_names:
        text = f"Nothing is wrong, but {unchecked}"
    else:
        warnings = sum(line.state is State.WARNING for line in lines)
        apart = f", apart from {warnings} warning{'s' * (warnings != 1)}" * bool(warnings)
        text = f"Everything is ok{apart}."
    stopped = lines[-1].name in LAST
    return text + " The rest was not checked." * stopped


def _things(names: list[str]) -> str:
    return f"{len(names)} thing{'s' * (len(names) != 1)}"


def _lines(plan: bool) -> Iterator[Line]:
    """Yield everything that was found, or only that the values or the tools are missing."""
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
    text = f"git, gh, aws and {IAC_TOOL} are installed; gh and aws are logged in"
    handed = f"; {IAC_TOOL} uses the credentials of the AWS CLI" * bool(for_terraform())
    yield ok("tools", text + handed)
    for concern in [*CONCERNS, *[in_aws.drift] * plan]:
        yield from _ask(concern, patient)
        if patient.gone:
            break  # without the repository, GitHub cannot answer the rest


def _ask(concern: Concern, patient: Patient) -> Iterator[Line]:
    """Yield what one concern has found; what cannot be checked is unknown."""
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
