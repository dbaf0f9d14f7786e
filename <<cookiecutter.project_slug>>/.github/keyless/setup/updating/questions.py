"""What is asked: new questions of the template, and the yes."""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path
from typing import Any

from keyless.console import Problem, confirmed, wrapped


def asked_by(template: Path) -> list[str]:
    """Return the questions of a template; what begins with _ is a setting, and names code."""
    return [key for key in _read(template) if not key.startswith("_")]


def refuse_unknown(given: dict[str, str], known: list[str]) -> None:
    """Go on if every answer is one to a question of the template.

    Raises:
        Problem: one is not; cookiecutter would drop it without a word, or load what it names.
    """
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"The questions are {', '.join(known)}."
            raise Problem(f"{key} is not a question, so nothing was changed. {hint}")


def print_questions(whole: dict[str, Any], answers: dict[str, str]) -> None:
    """Print each question with its answer, and the choices, if there are some.

    Args:
        whole: cookiecutter.json.
        answers: those of a project.
    """
    for key in whole:
        if key.startswith("_"):
            continue
        label, choices = _label(key, whole)
        print(f"{key}={answers.get(key, '')}\n{wrapped(f'    {label}')}")
        if choices:
            print(wrapped(f"    one of: {', '.join(choices)}"))


def ask_new(template: Path, defaults: dict[str, str], yes: bool) -> dict[str, str]:
    """Ask the questions that the project was not asked yet; Enter takes the default.

    Args:
        template: its folder, with the labels of the questions.
        defaults: the new questions, each with its default for this project.
        yes: whether all defaults are taken.

    Returns:
        The answers that differ from the defaults.
    """
    if not defaults:
        return {}
    print("The template has new questions:")
    whole = _read(template)
    typed = {}
    for key, default in defaults.items():
        label, choices = _label(key, whole)
        print(wrapped(f"\n{label}"))
        for choice, text in choices.items():
            print(f"  {choice}" + f": {text}" * (text != choice))
        if yes or not sys.stdin.isatty():
            print(f"{key} [{default}]: the default is used")
            continue
        answer = _answer(key, default, [*choices])
        if answer != default:
            typed[key] = answer
    print()
    return typed


def _read(template: Path) -> dict[str, Any]:
    text = (template / "cookiecutter.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _label(key: str, whole: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Return a question as cookiecutter asks it, and its choices, if it has any."""
    label, question = whole.get("__prompts__", {}).get(key, key), whole[key]
    choices = {each: each for each in question} if isinstance(question, list) else {}
    if isinstance(label, dict):
        return label.get("__prompt__", key), {each: label.get(each, each) for each in choices}
    return str(label), choices


def _answer(key: str, default: str, choices: list[str]) -> str:
    while True:
        try:
            answer = input(f"{key} [{default}]: ").strip() or default
        except EOFError:
            raise Problem("There was no answer, so nothing was changed.") from None
        if not choices or answer in choices:
            return answer
        print(f"{answer!r} is not a choice. Enter one of: {', '.join(choices)}")


def is_granted(yes: bool, command: str) -> bool:
    """Ask whether to continue, unless `yes` is given; `command` does the same without asking."""
    return yes or confirmed(command)
