"""The rules: one module each, found by walking this folder.

The first line of a rule's docstring says what the rule checks. Its module has
    ID        its name, as findings and `keyless rules` show it
    WHY       what goes wrong if it is broken, in a sentence or two
    SOURCES   pairs of title and address: where that is documented
    BEFORE    an example that the rule refuses
    AFTER     the same, accepted
    find      a function that takes a model.repository.Repository and yields Findings

A module whose name begins with an underscore is not a rule: rules share it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from keyless.model.findings import Finding
from keyless.model.repository import Repository


class Rule(NamedTuple):
    """One rule, as its module declares it."""

    id: str
    checks: str  # in one sentence
    why: str
    sources: tuple[tuple[str, str], ...]
    before: str
    after: str
    find: Callable[[Repository], Iterator[Finding]]


def all_rules() -> list[Rule]:
    """Return every rule, in the order of their names.

    Files that an editor or a file manager leaves behind are no modules, and are passed over.
    """
    stems = sorted(path.stem for path in Path(__file__).parent.glob("*.py"))
    names = [stem for stem in stems if stem.isidentifier() and not stem.startswith("_")]
    modules = [importlib.import_module(f"keyless.rules.{name}") for name in names]
    return [_read_rule(each) for each in modules]


def _read_rule(module: ModuleType) -> Rule:
    checks = str(module.__doc__).splitlines()[0]
    declared = (module.WHY, module.SOURCES, module.BEFORE, module.AFTER, module.find)
    return Rule(module.ID, checks, *declared)
