"""The files that bootstrap writes: the values, and the files in services/ for others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from keyless.console import Problem
from keyless.model.findings import CannotJudge
from keyless.paths import ROOT, TFVARS, TRUST_TEST
from keyless.setup.retry import AGAIN
from keyless.setup.service_files import SERVICES_FOLDER, is_written_here, service_files
from keyless.setup.steps.situation import Situation
from keyless.setup.values import OWN_VALUES
from keyless.writing import read_text, write_text


def look_at_files(situation: Situation) -> dict[str, str]:
    """Return the new texts of the files in services/ that must change, by path.

    If they cannot be determined, a note gives the reason.
    """
    if not (ROOT / SERVICES_FOLDER).is_dir():
        return {}
    try:
        wanted = service_files(situation.wanted, situation.name)
    except CannotJudge as reason:
        situation.notes.append(f"The files in {SERVICES_FOLDER}/ cannot be checked: {reason}")
        return {}
    paths = {path: ROOT / path for path in wanted}
    now = {path: read_text(file) for path, file in paths.items() if file.is_file()}
    now = {path: text for path, text in now.items() if is_written_here(text)}
    return {path: wanted[path] for path in now if now[path] != wanted[path]}


def plan_writing(situation: Situation, outputs: dict[str, str]) -> None:
    """Add the step that writes what changes; `outputs` are the files of services/ that change."""
    if situation.texts == situation.before and not outputs:
        return
    changed = [path for path, text in situation.texts.items() if text != situation.before[path]]
    files = " and ".join(changed or [SERVICES_FOLDER])
    also = f"\n  {', '.join(outputs)}" * bool(outputs)
    text = f"write into {files}:{_differences(situation)}{also}"
    situation.add(text, lambda: write(situation))


def note_fetching(situation: Situation, outputs: dict[str, str]) -> None:
    """Note which repositories must fetch the files of services/ that change."""
    if outputs:
        names = ", ".join(sorted({Path(path).stem for path in outputs}))
        text = f"After this is pushed, type this in the repository of {names}: make fetch"
        situation.notes.append(text)


def note_stated_trust(situation: Situation) -> list[str]:
    """Return the note on the refs that infra/tests/ expects, if the role trusts others."""
    path = ROOT / TRUST_TEST
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    stated = re.search(r"(?m)^ *refs *= *\[(.*)\]$", text)
    refs = ", ".join(json.dumps(ref) for ref in situation.entry["refs"])
    if not stated or stated[1] == refs:
        return []
    return [
        f"{TRUST_TEST} expects that the role trusts {stated[1]}, but it trusts {refs}. So make test"
        " fails, here and in CI. Change the test, too (.github/keyless/docs/changes.md)."
    ]


def _differences(situation: Situation) -> str:
    """Return the values that will be written, a line each."""
    old, new = (json.loads(texts[TFVARS]) for texts in (situation.before, situation.texts))
    lines = _changed(("create_oidc_provider",), old, new)
    for key, entry in situation.wanted.entries.items():
        lines += _changed(OWN_VALUES, situation.account.entries[key], entry)
    return "".join(f"\n  {line}" for line in lines)


def _changed(names: tuple[str, ...], old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [
        f"{name}: {json.dumps(old.get(name))} -> {json.dumps(new.get(name))}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def write(situation: Situation) -> None:
    """Write the values, and the files in services/ that are made from them.

    Raises:
        Problem: somebody has edited the values in the meantime.
    """
    for path, text in situation.before.items():
        if read_text(ROOT / path) != text:
            message = f"{path} was edited in the meantime, so it was not overwritten. Start again:"
            raise Problem(message, AGAIN)
    outputs = look_at_files(situation)
    for path, text in {**situation.texts, **outputs}.items():
        if text != situation.before.get(path):
            write_text(ROOT / path, text)
    situation.before = dict(situation.texts)
