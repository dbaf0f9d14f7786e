"""What people read: problems with what to type, annotations and the job summary of GitHub."""

from __future__ import annotations

import html
import os
import textwrap
from pathlib import Path

WIDTH = 100  # columns of a line for people


class Problem(Exception):
    """What is wrong and what follows, and the commands that mend it, to be typed one by one."""

    def __init__(self, message: str, *commands: str) -> None:
        super().__init__(message)
        self.commands = commands


def wrapped(text: str, indent: str = "") -> str:
    """Return a text in lines of at most 100 columns; all lines but the first begin with `indent`.

    A line that is broken goes on as far in as it began.
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


def append_to(variable: str, text: str) -> None:
    """Write lines into the file that an environment variable of the runner names, if there is one.

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
