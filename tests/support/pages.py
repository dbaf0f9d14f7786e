"""What people read: the template's README, a project's README, and the pages of the tool."""

from __future__ import annotations

import re
from pathlib import Path

from tests.standins.emulator import ROOT

README = (ROOT / "README.md").read_text()  # the template's own
# The pages in docs/ that are written by hand, by their names; README is the index.
PAGES = {path.stem: path.read_text() for path in (ROOT / "docs").glob("*.md")}
TEMPLATE = "gh:ORG/cookiecutter-github-oidc-ecr"  # as it is named there
DOCS = ".github/keyless/docs"


def page(project: Path, name: str) -> str:
    """Return the text of a page of a project."""
    return (project / DOCS / f"{name}.md").read_text()


def rows_of(text: str, head: str) -> list[str]:
    """Return the first cells of the one table whose head begins with a word."""
    (table,) = re.findall(
        rf"^\| {re.escape(head)} \|.*\n\| ---.*\n((?:\|.*\n)+)", text, re.MULTILINE
    )
    return re.findall(r"^\| (.*?) \|", table, re.MULTILINE)


def actions_for(project: Path, *rows: str) -> set[str]:
    """Return the actions that the page on permissions lists for what its rows begin with."""
    text = page(project, "permissions")
    found = [
        re.findall(rf"^\| {re.escape(row)}.*? \| (.*) \|$", text, re.MULTILINE) for row in rows
    ]
    assert [len(each) for each in found] == [1] * len(rows), rows
    return {name for (cell,) in found for name in re.findall(r"\b[A-Z]\w+", cell)}


def blocks(text: str) -> list[str]:
    """Return the shell blocks of a Markdown text, without their indentation."""
    found = re.findall(r"^( *)```sh\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def block(text: str, start: str) -> str:
    """Return the one shell block of a text that begins with some words."""
    (found,) = [each for each in blocks(text) if each.startswith(start)]
    return found
