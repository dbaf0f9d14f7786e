"""The files of a repository, as Git sees them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SKIPPED = {".git", ".terraform", ".venv", "node_modules"}


def repository_files(root: Path) -> list[str]:
    """Return the paths of what Git keeps or would keep; where there is no Git, of all files."""
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "ls-files", "-zco", "--exclude-standard"]
        try:
            listing = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
            return sorted(set(os.fsdecode(listing).split("\0")) - {""})
        except (OSError, subprocess.SubprocessError):
            pass
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - SKIPPED)
        found += [os.path.relpath(f"{folder}/{name}", root) for name in files]
    return found
