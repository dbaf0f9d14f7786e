"""The cases of the rules, tests/tool/cases/*.yml; its README explains them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from keyless.model.findings import UNJUDGED

from tests.standins.emulator import ROOT
from tests.support.edits import FILES

CASES = ROOT / "tests/tool/cases"
Edited = Callable[["Case"], Path]


class Case(NamedTuple):
    """One edit: the rule that must catch it and under which name, the files, and the edit."""

    rule: str  # empty where no rule may object
    name: str
    where: frozenset[str]
    answers: dict[str, str]
    edit: list[str]


def read_cases() -> Iterator[Case]:
    """Yield all cases, file by file."""
    for path in sorted(CASES.glob("*.yml")):
        content: dict[str, Any] = yaml.safe_load(path.read_text())
        yield from _cases_of(path.stem, content, content.get("answers", {}))
        for key in (key for key in content if "=" in key):
            answers = dict(answer.split("=") for answer in key.split())
            yield from _cases_of(path.stem, content[key], answers)


def _cases_of(rule: str, content: dict[str, Any], answers: dict[str, str]) -> Iterator[Case]:
    for edit in content.get("harmless", []):
        yield Case("", "", frozenset(), answers, edit)
    for kind, name in (("caught", rule), ("not_judged", UNJUDGED)):
        for where, *edit in content.get(kind, []):
            files = [where] if where in FILES else where.split()
            names = frozenset(FILES[each] for each in files)
            yield Case(rule, name, names, answers, edit)


def label(case: Case) -> str:
    """Return what names a case in a report."""
    return f"{case.rule or 'harmless'}-{case.edit[-1].strip()[:40]}"


EVERY = list(read_cases())
CAUGHT = [case for case in EVERY if case.rule]
HARMLESS = [case for case in EVERY if not case.rule]
