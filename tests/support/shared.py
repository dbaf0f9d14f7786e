"""What is made once for all workers of a test run, because it takes long."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all workers of the run share; no worker takes it away when it ends."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[], str]) -> str:
    """Return a text that the first worker makes; the others wait for it, and read it.

    Args:
        factory: of the temporary folders of this worker.
        name: of the file that holds the text, in a folder that all workers of the run share.
        make: makes the text.
    """
    path = shared_folder(factory) / name
    with Path(f"{path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            path.write_text(make())
        return path.read_text()
