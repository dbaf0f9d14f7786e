"""The files that bootstrap writes: the values, and what others take from services/."""

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
    """Return what services/ shall say, by path, where it says something else.

    Where that is not known, a note says why.
    """
    if not (ROOT / SERVICES_FOLDER).is_dir():
        return {}
    try:
        wanted = service_files(situation.wanted, situation.name)
    except CannotJudge as reason:
        situation.notes.append(f"What {SERVICES_FOLDER}/ should say is not known: {reason}")
        return {}
    paths = {path: ROOT / path for path in wanted}
    now = {path: read_text(file) for path, file in paths.items() if file.is_file()}
    now = {path: text for path, text in now.items() if is_written_here(text)}
    return {path: wanted[path] for path in now if now[path] != wanted[path]}


def plan_writing(situation: Situation, outputs: dict[str, str]) -> None:
    """Add the step that writes what differs; `outputs` are the files of services/ that do."""
    if situation.texts == situation.before and not outputs:
        return
    changed = [path for path, text in situation.texts.items() if text != situation.before[path]]
    files = " and ".join(changed or [SERVICES_FOLDER])
    also = f"\n  {', '.join(outputs)}" * bool(outputs)
    text = f"write into {files}:{_differences(situation)}{also}"
    situation.add(text, lambda: write(situation))


def note_fetching(situation: Situation, outputs: dict[str, str]) -> None:
    """Note who must fetch the files of services/ that will differ."""
    if outputs:
        names = ", ".join(sorted({Path(path).stem for path in outputs}))
        text = f"In the repository of {names}, once this is pushed: make fetch"
        situation.notes.append(text)


def note_stated_trust(situation: Situation) -> list[str]:
    """Return the note on the refs that infra/tests/ states by hand, where they are others."""
    path = ROOT / TRUST_TEST
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    stated = re.search(r"(?m)^ *refs *= *\[(.*)\]$", text)
    refs = ", ".join(json.dumps(ref) for ref in situation.entry["refs"])
    if not stated or stated[1] == refs:
        return []
    return [
        f"{TRUST_TEST} states the trust once more, for {stated[1]}, and the role trusts {refs}. So"
        " make test fails, and CI does. Change it there, too (.github/keyless/docs/changes.md)."
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
    """Write the values, and what follows from them in services/.

    Raises:
        Problem: somebody has edited the values meanwhile.
    """
    for path, text in situation.before.items():
        if read_text(ROOT / path) != text:
            message = f"{path} was edited while this was asking, so it was not written."
            raise Problem(message, AGAIN)
    outputs = look_at_files(situation)
    for path, text in {**situation.texts, **outputs}.items():
        if text != situation.before.get(path):
            write_text(ROOT / path, text)
    situation.before = dict(situation.texts)
