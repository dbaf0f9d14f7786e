"""The template as Git has it: fetched, its versions in order, and what its changelog says."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from keyless.console import Problem
from keyless.paths import TOOL
from keyless.setup.updating.repository import git

# The folder of the template that is generated. Nothing in the tool's own files may look rendered.
PROJECT = f"{'<' * 2}cookiecutter.project_slug>>"
_TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?")  # [semver.org, 2.0.0]
_HEADING = re.compile(r"(?m)^## +\[?v?(Unreleased|\d+\.\d+\.\d+[^\s\]]*)\]?.*$")


class Version(NamedTuple):
    """A version in the order of semver.org: a pre-release stands before its release."""

    numbers: tuple[int, int, int]
    released: bool
    before: tuple[tuple[bool, int, str], ...]

    @classmethod
    def read(cls, text: str) -> Version | None:
        """Return the version that a text is, with a v before it or without; None for another."""
        match = _TAG.fullmatch(f"v{text.removeprefix('v')}" if text else "")
        if not match:
            return None
        parts = match[4].split(".") if match[4] else []
        order = tuple((not one.isdigit(), int(one) if one.isdigit() else 0, one) for one in parts)
        return cls((int(match[1]), int(match[2]), int(match[3])), not parts, order)


class Template:
    """A clone of the template, without files."""

    def __init__(self, folder: Path, source: str) -> None:
        """Take the folder of the clone, and the address that it was fetched from."""
        self.folder = folder
        self.source = source

    @classmethod
    def fetch(cls, source: str, folder: Path) -> Template:
        """Clone the template into a folder that does not exist.

        Raises:
            Problem: it cannot be fetched.
        """
        quiet = ("--quiet", "--no-checkout", "--no-hardlinks")
        done = git(folder.parent, "clone", *quiet, "--", source, str(folder))
        if done.status:
            raise Problem(
                f"The template at {source} cannot be fetched, so newer versions are unknown:"
                f"\n{_reason(done.said)}\nCheck the network, and whether you can read the template"
                " (a private one needs the login of git). If it has moved, add --template ADDRESS"
                " to your command. This shows whether git can read it:",
                f"git ls-remote {source} HEAD",
            )
        return cls(folder, source)

    def commit(self, name: str) -> str | None:
        """Return the commit that a tag, a branch or (part of) a commit's hash names, if any."""
        for reference in (f"refs/tags/{name}", f"refs/remotes/origin/{name}", name):
            done = git(self.folder, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
            if not done.status:
                return done.out.strip()
        # GitHub keeps what no branch holds any more, and hands it out by its full hash.
        whole = re.fullmatch(r"[0-9a-f]{40}", name)
        if whole and not git(self.folder, "fetch", "--quiet", "origin", name).status:
            return name
        return None

    @cached_property
    def tags(self) -> dict[Version, str]:
        """The tags of released versions, the newest last."""
        listed = git(self.folder, "tag", "--list", "v*").out.split()
        found = {version: tag for tag in listed if (version := Version.read(tag))}
        return dict(sorted(found.items()))

    @property
    def newest(self) -> str:
        """The name of the newest release, pre-releases apart; without any, the default branch."""
        released = [tag for version, tag in self.tags.items() if version.released]
        return released[-1] if released else "HEAD"

    def text(self, commit: str, path: str) -> str:
        """Return a file of a commit; empty where it has none."""
        done = git(self.folder, "show", f"{commit}:{path}")
        return "" if done.status else done.out

    def version(self, commit: str) -> str:
        """Return the version that a commit says it is; empty for one that had none yet."""
        return self.text(commit, f"{PROJECT}/{TOOL}/VERSION").strip()

    def require(self, commit: str) -> None:
        """Go on if a commit holds a template of this kind.

        Raises:
            Problem: it does not.
        """
        folder = git(self.folder, "cat-file", "-e", f"{commit}:{PROJECT}")
        if folder.status or not self.text(commit, "cookiecutter.json"):
            raise Problem(
                f"{self.source} is another template at commit {commit[:12]}, so nothing can be"
                " compared. If your template has moved, add --template ADDRESS to your command."
            )

    def contains(self, newer: str, older: str) -> bool:
        """Tell whether a commit contains another one, or is it."""
        return not git(self.folder, "merge-base", "--is-ancestor", older, newer).status

    def commit_at(self, date: str) -> str | None:
        """Return the newest commit of the default branch at a time, in ISO 8601."""
        return git(self.folder, "rev-list", "-1", f"--before={date}", "HEAD").out.strip() or None

    def check_out(self, commit: str, folder: Path) -> Path:
        """Write the files of a commit into a folder of its own, and return it.

        Raises:
            Problem: this is no template of this kind.
        """
        self.require(commit)
        added = ("worktree", "add", "--quiet", "--detach", "--force", str(folder), commit)
        done = git(self.folder, *added)
        if done.status:
            raise Problem(f"The template's files cannot be written: {_reason(done.said)}")
        return folder

    def changes(self, older: str, newer: str) -> str:
        """Return what the changelog of a commit says of what is newer than another one.

        Args:
            older: the version of that one; empty for one that had none.
            newer: the commit whose changelog is read.
        """
        known, text = Version.read(older), self.text(newer, "CHANGELOG.md")
        limit = Version.read(self.version(newer))
        found = []
        headings = list(_HEADING.finditer(text))
        for heading, following in zip(headings, [*headings[1:], None]):
            version = Version.read(heading[1])
            if version and ((known and version <= known) or (limit and version > limit)):
                continue
            entry = text[heading.start() : following.start() if following else len(text)]
            if version or "\n" in entry.strip():  # nothing is said of an empty Unreleased
                found.append(entry.strip())
        return "\n\n".join(found)


def _reason(said: str) -> str:
    """Return what Git has ended with; behind that it gives advice for other cases."""
    lines = said.splitlines()
    fatal = [line for line in lines if line.startswith(("fatal: ", "remote: ERROR"))]
    return (fatal or lines[-1:])[0].removeprefix("fatal: ")
