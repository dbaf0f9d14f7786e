"""What was typed: the running call of cookiecutter, and the answers that came with it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Environment

from .answers import public, refuse


def running_call() -> dict[str, Any]:
    """Return the variables of the running cookiecutter.main.cookiecutter; empty without one."""
    frame = sys._getframe()
    while frame and frame.f_globals.get("__name__") != "cookiecutter.main":
        frame = frame.f_back  # type: ignore[assignment]
    return frame.f_locals if frame else {}


def target_folder(answers: dict[str, Any]) -> Path:
    """Return the folder that will be written into."""
    return Path(running_call().get("output_dir", "."), str(answers["project_slug"]))


def judge_given(environment: Environment) -> None:
    """Judge the answers of the command line and of the configuration file.

    Cookiecutter renders both, and the name of the output folder, as templates before any filter
    sees them. It drops unknown keys, and a replay bypasses every filter. An extension starts
    earlier and finds all this in the frame of cookiecutter.main.cookiecutter. Without that frame
    (the function was not called) there is nothing to judge.

    Raises:
        FailedHookException: one of them cannot be used; the text is one line.
    """
    given = running_call()
    if "context" not in given:
        return
    if given.get("replay"):
        refuse(
            "--replay",
            str(given["replay"]),
            "would use saved answers without checking them",
            "Use --no-input --config-file .cookiecutter.json, with the file of the project",
        )
    _judge_output_folder(Path.cwd() / given["output_dir"], environment)
    known = given["context"]["cookiecutter"]
    questions = public(known)
    typed = given.get("extra_context") or {}
    configured = given.get("config_dict", {}).get("default_context") or {}
    for key in typed:
        if key not in questions:
            _refuse_key(key, list(questions))
    # Both are judged, even if one overrides the other: at a wrong choice, cookiecutter stops
    # reading a configuration file and drops the answers after it.
    for key, value in (*configured.items(), *typed.items()):
        if key in questions:
            _judge_value(key, value, questions[key], environment)
        elif key in known:  # a private value; an unknown key is meant for another template
            _refuse_key(key, list(questions))


def _judge_output_folder(output: Path, environment: Environment) -> None:
    folder = str(output)
    if _is_template(folder, environment):
        refuse("output folder", folder, "contains template syntax", "Choose a folder without it")
    there = next(path for path in (output, *output.parents) if os.path.lexists(path))
    if not there.is_dir() or not os.access(there, os.W_OK):
        refuse("output folder", folder, "cannot be written to", "Choose another folder")


def _judge_value(key: str, value: Any, question: Any, environment: Environment) -> None:
    if not isinstance(value, str):
        refuse(key, str(value), "is not text, and YAML may have changed it", "Put it in quotes")
    if _is_template(value, environment):
        refuse(
            key,
            value,
            "contains template syntax, which cookiecutter would run",
            "Enter the plain value",
        )
    if isinstance(question, list) and value not in question:
        refuse(key, value, "is not one of the choices", f"Use one of: {', '.join(question)}")


def _refuse_key(key: str, questions: list[str]) -> NoReturn:
    import difflib  # only a wrong key pays for it

    near = difflib.get_close_matches(key, questions, n=1)
    refuse(
        "unknown key",
        key,
        "is not a question, so cookiecutter would ignore it and use a default",
        f"Did you mean {near[0]}?" if near else f"Use one of: {', '.join(questions)}",
    )


def _is_template(value: str, environment: Environment) -> bool:
    starts = (
        environment.variable_start_string,
        environment.block_start_string,
        environment.comment_start_string,
    )
    statement = re.escape(environment.line_statement_prefix or "")
    return any(start in value for start in starts) or bool(
        re.search(rf"(^|[\r\n])[ \t\v]*{statement}", value)
    )
