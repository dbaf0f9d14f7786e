"""What a repository was generated with: the answers, and which template at which commit.

Git gets the address and the commit of a record, and cookiecutter its answers. Whoever can push can
write one, so whatever has not the exact form is refused here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from keyless.console import Problem
from keyless.paths import ANSWERS

# A question. What begins with _ is a setting of cookiecutter: _extensions names code that it runs.
QUESTION = re.compile(r"[a-z][a-z0-9_]*")
# What others can fetch, without a password: http(s)://, ssh:// and USER@HOST:PATH. Everything else
# that git understands is a folder of one machine, a program that it runs (ext::) or an option
# [git-clone, "Git URLs"; gitremote-helpers]. The template has the same expression, and writes no
# other address.
_HOST, _USER = r"[A-Za-z0-9][A-Za-z0-9.-]*", r"[A-Za-z0-9_][\w.-]*@"
_PART = r"([\w.~+-]|%[2-7][0-9A-Fa-f])+"
ADDRESS = re.compile(
    rf"(https?://{_HOST}(:[0-9]+)?/|ssh://({_USER})?{_HOST}(:[0-9]+)?/|{_USER}{_HOST}:/?)"
    rf"(?!-){_PART}(/{_PART})*/?",
    re.ASCII,
)
VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z.-]+)?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)*", re.ASCII)  # of a file of the template
FOLDER = "project_slug"
OUTSIDE = {".", "..", ".git"}  # a part of a path that leads out of the repository, or into Git's
SHOWN_MAXIMUM = 60  # characters of a wrong value
KINDS = ("adopted", "started")


class Record(NamedTuple):
    """What .cookiecutter.json says; what an older or an unpublished template leaves out is None."""

    answers: dict[str, str]  # the questions, each with its answer
    source: str | None  # an address that git can fetch
    version: str | None  # as 0.1.0
    commit: str | None  # its full name
    edited: bool  # the template had edits that are in no commit
    kind: str  # of the folder that was there: adopted, started, or empty for none
    kept: list[str]  # the template's files that were there before, and stayed


def read_record(root: Path) -> Record:
    """Return what a repository was generated with.

    Raises:
        Problem: the file is missing, is no JSON, or says what no template has written.
    """
    text = _text(root)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"is not JSON ({error})") from error
    whole = _mapping(found, "the whole file")
    answers = _mapping(whole.get("default_context"), "default_context")
    template = _mapping(whole.get("template", {}), "template")
    existing = _mapping(template.get("existing", {}), "existing")
    return Record(
        answers=_answers(answers),
        source=_matching(template, "source", ADDRESS, "an address that others can fetch"),
        version=_matching(template, "version", VERSION, "a version such as 0.1.0"),
        commit=_matching(template, "commit", COMMIT, "the full name of a commit"),
        edited=_edited(template),
        kind=_kind(existing),
        kept=_kept(existing),
    )


def _text(root: Path) -> str:
    try:
        return (root / ANSWERS).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        text = f"{ANSWERS} is missing, so it is unknown what this repository was generated with."
        raise Problem(
            f"{text} Restore it from the last commit that has it. This shows when it was removed:",
            f"git log --diff-filter=D --summary -- {ANSWERS}",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"cannot be read ({error})") from error


def _wrong(what: str) -> Problem:
    return Problem(
        f"{ANSWERS} {what}, so it is unknown what this repository was generated with. Correct the"
        " file. This shows who has changed it, and how:",
        f"git log --patch -- {ANSWERS}",
    )


def _shown(value: Any) -> str:
    shown = ascii(value)
    return shown if len(shown) <= SHOWN_MAXIMUM else f"{shown[:SHOWN_MAXIMUM]}..."


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(f"has no JSON object for {name}")
    return value


def _answers(given: dict[str, Any]) -> dict[str, str]:
    for question, answer in given.items():
        if not QUESTION.fullmatch(question):
            raise _wrong(f"has an answer to {_shown(question)}, which is not a question")
        if not isinstance(answer, str):
            raise _wrong(f"has {_shown(answer)} for {question}, which is not text")
    folder = given.get(FOLDER, "")  # a render is written there
    if not PATH.fullmatch(folder) or "/" in folder or folder in OUTSIDE:
        raise _wrong(f"has {_shown(folder)} for {FOLDER}, which is not the name of a folder")
    return given


def _matching(template: dict[str, Any], key: str, form: re.Pattern[str], what: str) -> str | None:
    value = template.get(key)
    if value is None or (isinstance(value, str) and form.fullmatch(value)):
        return value
    raise _wrong(f"has {_shown(value)} for {key}, which is not {what}")


def _edited(template: dict[str, Any]) -> bool:
    edited = template.get("edited", False)
    if not isinstance(edited, bool):
        raise _wrong(f"has {_shown(edited)} for edited, which is neither true nor false")
    return edited


def _kind(existing: dict[str, Any]) -> str:
    kind = existing.get("kind", "")
    if existing and kind not in KINDS:
        raise _wrong(f"has {_shown(kind)} for kind, which is not {' or '.join(KINDS)}")
    return str(kind)


def _kept(existing: dict[str, Any]) -> list[str]:
    kept = existing.get("kept", [])
    if not isinstance(kept, list):
        raise _wrong(f"has {_shown(kept)} for kept, which is not a list")
    for path in kept:
        named = isinstance(path, str) and PATH.fullmatch(path)
        if not named or OUTSIDE & {*path.lower().split("/")}:
            raise _wrong(f"has {_shown(path)} in kept, which is not a path in this repository")
    return kept
