"""Which commit of the template a project is of, and which one it goes to."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from keyless.console import Problem
from keyless.paths import ANSWERS
from keyless.setup.updating.record import Record
from keyless.setup.updating.repository import git
from keyless.setup.updating.template import PROJECT, Template, Version

TOOL_FOLDER = Path(__file__).resolve().parents[2]


class Choice(NamedTuple):
    """Two commits of the template."""

    template: Template
    current: str  # the project's commit
    current_version: str  # empty for one that had none yet
    target: str
    target_version: str

    @property
    def current_name(self) -> str:
        """How people call the project's commit."""
        return self.current_version or self.current[:12]

    @property
    def target_name(self) -> str:
        """How people call the other one: of two commits of one version each has its hash, too."""
        if self.target_version and self.target_version != self.current_version:
            return self.target_version
        commit = self.target[:12]
        return f"{self.target_version} ({commit})" if self.target_version else commit

    @property
    def is_newest(self) -> bool:
        """Whether the project has what the other commit has, and maybe more."""
        if self.template.contains(self.current, self.target):
            return True
        known, other = map(Version.read, (self.current_version, self.target_version))
        return known is not None and other is not None and known > other


def typed(root: Path, options: str = "") -> str:
    """Return what a person types to update a project, with further options.

    The tool of a template is called in the template's own folder, for a project elsewhere.
    """
    elsewhere = "" if TOOL_FOLDER.parents[1] == root else f" PROJECT={shlex.quote(str(root))}"
    quoted = f'"{options}"' if " " in options else options
    return f"make update{elsewhere}" + f" ARGS={quoted}" * bool(options)


def _again(root: Path, template: Template, record: Record, options: str) -> str:
    """Return what a person types again, with the address that was typed already."""
    known = template.source in (record.source, _own_template())
    typed_already = "" if known else f"--template {shlex.quote(template.source)} "
    return typed(root, typed_already + options)


def address(root: Path, record: Record, given: str) -> str:
    """Return where the template is fetched from.

    Args:
        root: of the project.
        record: of the project.
        given: what was typed, which may also be a folder.

    Raises:
        Problem: nothing names it.
    """
    found = given or record.source or _own_template()
    if not found:
        raise Problem(
            f"{ANSWERS} does not say where the template is, as the project was generated from a"
            " copy on somebody's machine. So newer versions are unknown. Name its address:",
            typed(root, "--template https://github.com/ORG/cookiecutter-github-oidc-ecr"),
        )
    return found


def _own_template() -> str:
    """Return where this tool's own template was cloned from, if it stands in one."""
    project = TOOL_FOLDER.parents[1]
    if project.name != PROJECT:
        return ""
    url = git(project, "config", "--get", "remote.origin.url").out.strip()
    return url or str(project.parent)


@contextmanager
def fetched(
    root: Path, record: Record, given: str = "", start: str = "", goal: str = ""
) -> Iterator[Choice]:
    """Fetch the template into a temporary folder, and find both commits.

    Args:
        root: of the project.
        record: of the project.
        given: as `address` takes it.
        start: as `choose` takes it, and so is `goal`.

    Raises:
        Problem: the template is not known, cannot be fetched, or has no such commit.
    """
    with tempfile.TemporaryDirectory(prefix="keyless-") as folder:
        template = Template.fetch(address(root, record, given), Path(folder) / "template")
        yield choose(root, template, record, start, goal)


def choose(root: Path, template: Template, record: Record, start: str, goal: str) -> Choice:
    """Find both commits.

    Args:
        root: of the project.
        template: fetched.
        record: of the project.
        start: the commit, tag or branch that the project is of, where that is not recorded.
        goal: the one that it goes to; without one, the newest release.

    Raises:
        Problem: the template has none of that name.
    """
    current = _current(root, template, record, start)
    target = template.commit(goal or template.newest)
    if not target:
        raise Problem(
            f"The template at {template.source} has no version, branch or commit {goal}. It has:"
            f" {', '.join(list(template.tags.values())[-5:]) or 'no released version'}.",
            _again(root, template, record, f"--from {start} " * bool(start) + "--to VERSION"),
        )
    template.require(target)
    version = template.version(current) or ("" if start else record.version or "")
    return Choice(template, current, version, target, template.version(target))


def _current(root: Path, template: Template, record: Record, start: str) -> str:
    """Return the commit that the project is of.

    Raises:
        Problem: it is not known, or not in the template.
    """
    tag = f"v{record.version}" if record.version else ""
    if start or record.commit:
        found = template.commit(start or record.commit or "")
        if found:
            return found
        known = tag in template.tags.values() and not start
        command = f"--from {tag}" if known else "--from COMMIT"
        raise Problem(
            f"The template at {template.source} has no commit {start or record.commit}. Was it"
            " rewritten (a push with force), or is it another one? Name a commit that the project"
            " is of, or the nearest one:",
            _again(root, template, record, command),
        )
    if tag in template.tags.values():
        return template.commit(tag) or ""
    added = git(root, "log", "--diff-filter=A", "--format=%cI", "--", ANSWERS).out.split()
    near = template.commit_at(added[-1]) if added else None
    guess = f" The newest one on {added[-1][:10]}, when the project began, is" if near else ""
    raise Problem(
        f"{ANSWERS} does not say which commit of the template this project is of.{guess or ' Name'}"
        f"{':' if near else ' it:'}",
        _again(root, template, record, f"--from {near or 'COMMIT'}"),
    )


def compared(choice: Choice) -> dict[str, Any]:
    """Return for programs how a project stands to the newest version."""
    state = "newest" if choice.is_newest else "older"
    return {
        "state": state,
        "current": choice.current_name,
        "newest": choice.target_name,
        "commit": choice.target,
        "changelog": changelog(choice) if state == "older" else "",
        "why": "",
    }


def changelog(choice: Choice) -> str:
    """Return what the changelog says of what is newer."""
    return choice.template.changes(choice.current_version, choice.target)
