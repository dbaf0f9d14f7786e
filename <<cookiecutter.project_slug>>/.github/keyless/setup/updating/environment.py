"""The Python environment in which cookiecutter runs: pinned, made once, and kept between runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from keyless.console import Problem
from keyless.programs import run

PINNED = "cookiecutter.txt"  # in the tool's folder
OLDEST = (3, 10)  # of Python, for the template


def environment_python(tool: Path) -> str:
    """Return the Python of the environment; make it where it is missing.

    Args:
        tool: the folder of the tool whose pinned cookiecutter is installed.

    Raises:
        Problem: it cannot be made.
    """
    if sys.version_info < OLDEST:
        raise Problem(
            "The template needs Python 3.10 or newer, and this is"
            f" {'.'.join(map(str, sys.version_info[:2]))}, so nothing can be updated. Install a"
            " newer Python, and use it for the project:",
            "rm -rf .venv",
            "python3.13 -m venv .venv",
        )
    pinned = tool.resolve() / PINNED
    known = hashlib.sha256(f"{sys.version}\n{sys.base_prefix}".encode() + pinned.read_bytes())
    folder = _cache() / f"cookiecutter-{known.hexdigest()[:16]}"
    python = folder / "bin/python"
    if not python.exists():
        print(
            "Installing cookiecutter into a folder of its own, which is needed once ...", flush=True
        )
        _make(folder, pinned)
    return str(python)


def _cache() -> Path:
    """Return where programs keep what they can make again [XDG Base Directory Specification]."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if Path(given).is_absolute() else Path.home() / ".cache") / "keyless"


def _make(folder: Path, pinned: Path) -> None:
    """Make the environment whole or not at all.

    Raises:
        Problem: Python has no venv, or a package cannot be installed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "environment"
        done = run(sys.executable, "-m", "venv", str(made))
        if done.status:
            raise Problem(
                "Python cannot create a virtual environment, so nothing can be rendered:\n"
                f"{done.said}",
                "sudo apt-get install python3-venv",
            )
        pip = (str(made / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet")
        done = run(*pip, "install", "--require-hashes", "--requirement", str(pinned))
        if done.status:
            raise Problem(
                "Cookiecutter cannot be installed, so nothing can be rendered. Check the network"
                f" and pip's package index:\n{done.said}",
                f"python3 -m pip download --no-deps --require-hashes --requirement {pinned}",
            )
        with contextlib.suppress(OSError):  # another run was faster
            os.replace(made, folder)  # noqa: PTH105
        if not (folder / "bin/python").exists():
            shutil.rmtree(folder, ignore_errors=True)
            raise Problem(f"{folder} cannot be written, so nothing can be rendered.")
