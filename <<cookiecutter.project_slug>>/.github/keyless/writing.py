"""Texts: read with their line ends, and written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def read_text(path: Path) -> str:
    """Return a text as it is, with its line ends."""
    return path.read_bytes().decode("utf-8")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; a link stays one, and so do permissions."""
    path = path.resolve()
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(text.encode())
            file.flush()
            if path.exists():
                shutil.copymode(path, file.name)
            else:  # as any new file
                mask = os.umask(0)
                os.umask(mask)
                os.chmod(file.name, 0o666 & ~mask)  # noqa: PTH101
            os.replace(file.name, path)  # noqa: PTH105
        except BaseException:
            os.unlink(file.name)  # noqa: PTH108
            raise
