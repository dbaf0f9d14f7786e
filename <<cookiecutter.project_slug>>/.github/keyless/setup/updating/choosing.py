"""Which commit of the template a project was generated from, and which one it goes to."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from keyless.console import Problem
from keyless.paths import ANSWERS
from keyless.setup.updating.record import Record
from keyless.setup.updating.repository import git
from keyless.setup.updating.template import PROJECT, Template, Version

TOOL_FOLDER = Path(__file__).resolve().parents[2]
UPDATE, CHANGE = "make update", "make change"
Again = Callable[[str], str]  # from options to what a person types again, as it was typed before


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


def typed(root: Path, options: str = "", answers: dict[str, str] | None = None) -> str:
    """Return what a person types to update a project, or to change answers if some are given.

    The tool of a template is called in the template's own folder, for a project elsewhere.
    """
    command = UPDATE if answers is None else CHANGE
    if TOOL_FOLDER.parents[1] != root:
        command += f" PROJECT={shlex.quote(str(root))}"
    if options:
        command += f" ARGS={_quoted(options) if ' ' in options else options}"
    pairs = [f"{key}={shlex.quote(value) * bool(value)}" for key, value in (answers or {}).items()]
    return command + f" SET={_quoted(' '.join(pairs))}" * bool(pairs)


def _quoted(text: str) -> str:
    """Return a text as a shell takes it; in double quotes, if that is possible."""
    return shlex.quote(text) if re.search(r'["$`\\]', text) else f'"{text}"'


def _again(template: Template, record: Record, options: str, again: Again) -> str:
    """Return what a person types again, with the address that was typed already."""
    known = template.source in (record.source, _own_template())
    typed_already = "" if known else f"--template {shlex.quote(template.source)} "
    return again(typed_already + options)


def address(record: Record, given: str, again: Again) -> str:
    """Return where the template is fetched from.

    Args:
        record: of the project.
        given: what was typed, which may also be a folder.
        again: what to type again, with options.

    Raises:
        Problem: nothing names it.
    """
    found = given or record.source or _own_template()
    if not found:
        raise Problem(
            f"{ANSWERS} does not say where the template is, because the project was generated from"
            " a copy on somebody's machine. So newer versions are unknown. Add the address:",
            again("--template https://github.com/ORG/cookiecutter-github-oidc-ecr"),
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
    root: Path,
    record: Record,
    given: str = "",
    start: str = "",
    goal: str = "",
    again: Again | None = None,
) -> Iterator[Choice]:
    """Fetch the template into a temporary folder, and find both commits.

    Args:
        root: of the project.
        record: of the project.
        given: as `address` takes it.
        start: as `choose` takes it, and so is `goal`.
        again: what to type again, with options; without it, an update.

    Raises:
        Problem: the template is not known, cannot be fetched, or has no such commit.
    """
    again = again or partial(typed, root)
    with tempfile.TemporaryDirectory(prefix="keyless-") as folder:
        template = Template.fetch(address(record, given, again), Path(folder) / "template")
        yield choose(root, template, record, start, goal, again)


def choose(
    root: Path, template: Template, record: Record, start: str, goal: str, again: Again
) -> Choice:
    """Find both commits.

    Args:
        root: of the project.
        template: fetched.
        record: of the project.
        start: what the project was generated from (commit, tag, branch), if that is not recorded.
        goal: the one that it goes to; without one, the newest release.
        again: what to type again, with options.

    Raises:
        Problem: the template has none of that name.
    """
    current = _current(root, template, record, start, again)
    target = template.commit(goal or template.newest)
    if not target:
        raise Problem(
            f"The template at {template.source} has no version, branch or commit {goal}. It has:"
            f" {', '.join(list(template.tags.values())[-5:]) or 'no released version'}.",
            _again(template, record, f"--from {start} " * bool(start) + "--to VERSION", again),
        )
    template.require(target)
    version = template.version(current) or ("" if start else record.version or "")
    return Choice(template, current, version, target, template.version(target))


def _current(root: Path, template: Template, record: Record, start: str, again: Again) -> str:
    """Return the commit that the project was generated from.

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
            f"The template at {template.source} has no commit {start or record.commit}. Its history"
            " was rewritten (by a push with force), or it is another template. Give the commit that"
            " the project was generated from, or the nearest one:",
            _again(template, record, command, again),
        )
    if tag in template.tags.values():
        return template.commit(tag) or ""
    added = git(root, "log", "--diff-filter=A", "--format=%cI", "--", ANSWERS).out.split()
    near = template.commit_at(added[-1]) if added else None
    guess = f"The newest commit on {added[-1][:10]}, when the project began, is:" if near else ""
    raise Problem(
        f"{ANSWERS} does not say which commit of the template this project was generated from."
        f" {guess or 'Give the commit:'}",
        _again(template, record, f"--from {near or 'COMMIT'}", again),
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
