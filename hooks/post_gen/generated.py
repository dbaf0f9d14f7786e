"""The repository that was just generated, or whose files were added to an existing one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

TOOL = ".github/keyless"  # the tool's folder, a copy of the template's
NOT_OURS = {".git", ".terraform", ".venv", "node_modules", "__pycache__"}
LARGEST = 1_000_000  # bytes; a larger file is not a text of this template


class Generated:
    """A repository, its answers, and the files that existed before."""

    def __init__(self, root: Path, answers: dict[str, Any]) -> None:
        """Take the folder, and all values of cookiecutter.json, rendered."""
        self.root = root
        self.answers = answers
        adopted = json.loads(answers["__adopted"] or "{}")
        self.adopted = bool(adopted)  # whether it existed before, and its files were kept
        self.kept: list[str] = adopted.get("kept", [])  # the template's files that existed
        self.added: list[str] = adopted.get("added", [])  # and those that did not

    @property
    def has_infra(self) -> bool:
        """Whether infra/ is here, and not in another repository."""
        return bool(self.answers["iac_tool"] != "none")

    @property
    def has_git(self) -> bool:
        """Whether the folder is a Git repository already."""
        return (self.root / ".git").exists()

    @cached_property
    def texts(self) -> dict[str, str]:
        """Every text file by its path, relative and with slashes; the tool's are left out.

        In a repository that existed before: the template's files, and the workflows. Its other
        files are not judged (a Helm chart, for example, is not YAML).
        """
        if self.adopted:
            paths = [self.root / name for name in sorted([*self.kept, *self.added])]
            paths += self.root.glob(".github/workflows/*")
        else:
            paths = list(self._everything())
        found = {}
        for path in dict.fromkeys(paths):
            if path.is_file() and path.stat().st_size <= LARGEST:
                data = path.read_bytes()
                if b"\0" not in data:
                    name = path.relative_to(self.root).as_posix()
                    found[name] = data.decode("utf-8", "replace")
        return found

    def _everything(self) -> Iterator[Path]:
        for folder, folders, files in os.walk(self.root):
            folders[:] = sorted(set(folders) - NOT_OURS)
            if Path(folder) == self.root / ".github":
                folders[:] = [name for name in folders if f".github/{name}" != TOOL]
            yield from (Path(folder, name) for name in sorted(files))

    @property
    def workflows(self) -> list[str]:
        """The paths of the workflows."""
        form = r"\.github/workflows/[^/]+\.ya?ml"
        return [path for path in self.texts if re.fullmatch(form, path)]
