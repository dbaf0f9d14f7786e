"""Doctor's concern about the template: this repository's version of it, and newer ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.console import Problem
from keyless.paths import ROOT
from keyless.setup.health.patient import Line, Patient, ok, unknown, warning
from keyless.setup.updating.choosing import compared, fetched
from keyless.setup.updating.record import read_record

UPDATE, LOOK = "make update", "make update ARGS=--check"
SHOWN = 10  # lines of the changelog that are printed


def template(_patient: Patient) -> Iterator[Line]:
    """Which version of the template this is, and what the changelog lists for newer ones."""
    record = read_record(ROOT)
    here = f"this is version {record.version}" if record.version else "the version is not recorded"
    if not record.source:
        text = f"{here}. The template's address is not recorded, so newer versions are unknown."
        yield warning("template", text, 'make update ARGS="--template ADDRESS"')
        return
    try:
        with fetched(ROOT, record) as choice:
            found = compared(choice)
    except Problem as problem:
        yield unknown("template", str(problem), *problem.commands)
        return
    if found["state"] == "newest":
        yield ok("template", f"this is version {found['current']}, the newest")
    else:
        yield warning(
            "template", _newer(found["current"], found["newest"], found["changelog"]), UPDATE
        )


def _newer(current: str, newest: str, changelog: str) -> str:
    """Return a text with the newer version, and the beginning of its changelog."""
    lines = [line for line in changelog.splitlines() if line.strip()]
    text = f"this is version {current}, and {newest} is available:"
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"The rest: {LOOK}"]
    return "\n".join([text, *(re.sub("^#+ *", "", line) for line in lines)])
