"""Remove generated files that are not part of a project, before any of them can run."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

NOT_GENERATED = ".not-generated"  # where folders go that the answers do not need
# What the tool's folder may contain. Cookiecutter copies everything else in it, too: bytecode that
# Python would run instead of a module, and files of editors and file managers.
TOOL_FILE = re.compile(
    r"[A-Za-z_]\w*\.py|[A-Za-z][\w-]*\.(md|txt|yml|json)|VERSION|\.gitignore", re.ASCII
)
TOOL_FOLDER = re.compile(r"[a-z][a-z_]*", re.ASCII)


def clean(root: Path, tool: str, strays: Iterable[str]) -> None:
    """Remove what is not part of a project.

    Args:
        root: the repository.
        tool: the path of the tool's folder, in which only what is known stays.
        strays: the paths of files and folders that a working copy of the template has added.
    """
    remove(root / NOT_GENERATED)
    for name in strays:
        remove(root / name)
    for folder, folders, files in os.walk(root / tool):
        for name in files:
            path = Path(folder, name)
            if path.is_symlink() or not TOOL_FILE.fullmatch(name):
                remove(path)
        for name in list(folders):
            path = Path(folder, name)
            if path.is_symlink() or not TOOL_FOLDER.fullmatch(name):
                remove(path)
                folders.remove(name)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
