"""Doctor's concern with the template: the version that this repository is of, and newer ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.console import Problem
from keyless.paths import ROOT
from keyless.setup.health.patient import Line, Patient, ok, unknown, warning
from keyless.setup.updating.choosing import compared, fetched
from keyless.setup.updating.record import read_record

UPDATE, LOOK = "make update", "make update ARGS=--check"
SHOWN = 10  # lines of a changelog


def template(_patient: Patient) -> Iterator[Line]:
    """Which version of the template this is, and what the changelog says of newer ones."""
    record = read_record(ROOT)
    here = record.version or "a version that is not recorded"
    if not record.source:
        text = f"{here}; the address of the template is not recorded, so newer ones are unknown"
        yield warning("template", text, 'make update ARGS="--template ADDRESS"')
        return
    try:
        with fetched(ROOT, record) as choice:
            found = compared(choice)
    except Problem as problem:
        yield unknown("template", str(problem), *problem.commands)
        return
    if found["state"] == "newest":
        yield ok("template", f"{found['current']}, the newest version")
    else:
        yield warning(
            "template", _newer(found["current"], found["newest"], found["changelog"]), UPDATE
        )


def _newer(current: str, newest: str, changelog: str) -> str:
    """Return that there is a newer version, and the beginning of what its changelog says."""
    lines = [line for line in changelog.splitlines() if line.strip()]
    text = f"{current}, and there is {newest}:"
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"and more: {LOOK}"]
    return "\n".join([text, *(re.sub("^#+ *", "", line) for line in lines)])
