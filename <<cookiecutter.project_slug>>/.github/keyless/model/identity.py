"""Whose repository this is: what GitHub says in CI, what Git's remotes say, else the answers."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from keyless.paths import ANSWERS


class Identity(NamedTuple):
    """The names that this repository may have as OWNER/NAME, and who says so."""

    names: tuple[str, ...]  # several where Git knows several remotes
    source: str
    exact: bool  # whether the case is that of GitHub

    @property
    def name(self) -> str | None:
        """The name, None where it is not known."""
        return self.names[0] if self.names else None

    def includes(self, name: str) -> bool:
        """Tell whether a name is one of this repository."""
        if self.exact:
            return name in self.names
        return name.lower() in [one.lower() for one in self.names]


def identify(root: Path, host: str = "github.com") -> Identity:
    """Return whose repository a folder is.

    In a fork, whose CI has no role, nothing is known.

    Args:
        root: the folder.
        host: the host of its GitHub.
    """
    named = os.environ.get("GITHUB_REPOSITORY", "")
    space = os.environ.get("GITHUB_WORKSPACE", "")
    here = not space or Path(space).resolve() == root.resolve()
    if re.fullmatch(r"[\w-]+/[\w.-]+", named) and here:
        return Identity(() if _is_fork() else (named,), "GITHUB_REPOSITORY", True)
    names = tuple(_remotes(root, host)) if (root / ".git").exists() else ()
    if names:
        return Identity(names, "the Git remote", False)
    try:
        answers = json.loads((root / ANSWERS).read_text(encoding="utf-8"))
        answered = str(answers["default_context"]["github_repository"])
    except (OSError, ValueError, LookupError, TypeError):
        return Identity((), "", False)
    return Identity((answered,), ANSWERS, False)


def _is_fork() -> bool:
    """Tell whether the event that started this run is one of a fork."""
    try:
        text = Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8")
        return bool(json.loads(text)["repository"]["fork"])
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _remotes(root: Path, host: str) -> list[str]:
    """Return the names of the remotes on GitHub, that of origin first."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "config", "--get-regexp", r"^remote\..*\.url$"],
            capture_output=True,
            text=True,
            errors="replace",
        )
    except OSError:
        return []
    found = []
    for line in sorted(done.stdout.splitlines(), key=lambda one: "remote.origin." not in one):
        match = re.search(r"[@/]([\w.-]+)(?::[0-9]+)?[:/]([\w-]+/[\w.-]+?)(?:\.git)?/?$", line)
        # An alias of ssh_config often names the host in part: git@github-work:OWNER/NAME
        if match and (match[1] == host or "github" in match[1].lower()):
            found.append(match[2])
    return found
