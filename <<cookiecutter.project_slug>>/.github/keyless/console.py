"""Output for people: problems with their commands, questions, annotations, the job summary."""

from __future__ import annotations

import html
import os
import sys
import textwrap
from pathlib import Path

WIDTH = 100  # columns of a line for people
YES = 'Type "yes" to continue: '
NO_TERMINAL = "Nothing was changed, because there is no terminal to ask at."


class Problem(Exception):
    """What is wrong and what follows, and the commands that correct it, one after the other."""

    def __init__(self, message: str, *commands: str) -> None:
        super().__init__(message)
        self.commands = commands


def wrapped(text: str, indent: str = "") -> str:
    """Return a text in lines of at most 100 columns; all lines but the first begin with `indent`.

    A line that is broken keeps its indent.
    """
    lines = [
        textwrap.fill(
            line,
            WIDTH,
            subsequent_indent=indent + " " * (len(line) - len(line.lstrip())),
            replace_whitespace=False,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    ]
    return f"\n{indent}".join(lines)


def print_problem(problem: Problem) -> None:
    """Print what is wrong and what follows, then what to type, a command a line."""
    print(wrapped(str(problem)), *(f"  {command}" for command in problem.commands), sep="\n")


def confirmed(command: str, question: str = "") -> bool:
    """Ask whether to continue; only "yes" is a yes.

    Args:
        command: does the same without a question. It is printed where there is no terminal.
        question: printed before the request to type "yes".
    """
    if not has_terminal():
        print(f"{NO_TERMINAL} To do this without a question:\n  {command}")
        return False
    if typed(f"{question} {YES}".lstrip()) == "yes":
        return True
    print("Nothing was changed.")
    return False


def has_terminal() -> bool:
    """Return whether a question can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def typed(question: str) -> str:
    """Ask a question and return the answer; it is empty at the end of the input (Ctrl-D)."""
    try:
        return input(question)
    except EOFError:
        print()
        return ""


def append_to(variable: str, text: str) -> None:
    """Append lines to the file that an environment variable of the runner names, if it is set.

    Args:
        variable: GITHUB_OUTPUT or GITHUB_STEP_SUMMARY [GitHub docs, "Workflow commands"].
        text: the lines, without the last line break.
    """
    if os.environ.get(variable):
        with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def report_problem(problem: Problem, title: str, details: str = "") -> None:
    """Show a problem of a job: as an annotation in the log, and in the job summary.

    Args:
        problem: what is wrong, and what to type.
        title: what follows from it, in a few words.
        details: lines that the summary shows above the problem, as they are.
    """
    commands = "\n".join(problem.commands)
    parts = [f"### {title}", fenced(details), html.escape(str(problem), False), fenced(commands)]
    append_to("GITHUB_STEP_SUMMARY", "\n\n".join(filter(None, parts)) + "\n")
    text = f"{problem}\n{commands}"
    print(f"::error title={title}::{escape_command(text)}")


def escape_command(text: str) -> str:
    """Return a text as the value of a command of the runner holds it, on one line.

    [github.com/actions/toolkit, packages/core/src/command.ts, escapeData]
    """
    for character, escaped in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(character, escaped)
    return text


def fenced(text: str) -> str:
    """Return lines as Markdown shows them unchanged, with a button that copies them."""
    return f"```text\n{text}\n```" if text else ""
