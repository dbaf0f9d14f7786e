"""This template, as it is here, in a repository that git finds at an https address."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.standins.emulator import ROOT
from tests.support.desk import LIMIT, Ended
from tests.support.shared import once, shared_folder
from tests.support.versions import ADDRESS, SETTINGS


class Published(NamedTuple):
    """A template that can be fetched. It has the history of this one, and no released version."""

    folder: Path
    settings: Path  # of git, with which the address leads to the folder
    commit: str  # the newest one, which has all edits that are made here
    further: dict[str, str] = {}  # noqa: RUF012  # variables of the environment

    def environment(self) -> dict[str, str]:
        """Return the environment of somebody who has a project of it."""
        return {
            **os.environ,
            "GIT_CONFIG_GLOBAL": str(self.settings),
            "GIT_CONFIG_NOSYSTEM": "1",
            "XDG_CACHE_HOME": str(ROOT / ".venv/cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.further,
        }

    def run(self, folder: Path, *command: str) -> Ended:
        """Run a program in a folder, without a terminal."""
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
        )
        return Ended(done.returncode, done.stdout)

    def must(self, folder: Path, *command: str) -> str:
        """Run a program that must succeed; return what it prints, without the last line break."""
        ended = self.run(folder, *command)
        assert ended.status == 0, f"{' '.join(command)} ended with {ended.status}:\n{ended.out}"
        return ended.out.rstrip("\n")

    def git(self, folder: Path, *arguments: str) -> str:
        """Run git in a folder, and return what it prints."""
        return self.must(folder, "git", *arguments)

    def commit_all(self, folder: Path, message: str) -> None:
        """Commit everything in a folder, which becomes a repository if it is none."""
        if not (folder / ".git").exists():
            self.git(folder, "init", "--quiet")
        self.git(folder, "add", "--all")
        self.git(folder, "commit", "--quiet", f"--message={message}")

    def generate(self, out: Path, *answers: str, template: Path | None = None) -> Path:
        """Generate a project in a new folder, or with options in one that exists; return it."""
        out.mkdir(parents=True, exist_ok=True)
        config = out.parent / f"{out.name}.yml"
        config.write_text(f"replay_dir: {out.parent / 'replay'}\n")
        options = ["--no-input", "--config-file", str(config), "--output-dir", str(out)]
        source = str(template or self.folder)
        self.must(out, sys.executable, "-m", "cookiecutter", source, *options, *answers)
        (project,) = out.iterdir()
        return project


def published(factory: pytest.TempPathFactory) -> Published:
    """Return the template as it is here, published once for all workers."""
    place = shared_folder(factory) / "published"
    made = Published(place / "template", place / "gitconfig", "")

    def make() -> str:
        place.mkdir()
        made.settings.write_text(SETTINGS.format(folder=made.folder, address=ADDRESS))
        made.git(place, "clone", "--quiet", "--shared", "--no-tags", str(ROOT), str(made.folder))
        made.git(made.folder, "checkout", "--quiet", "-B", "main")
        made.git(made.folder, "remote", "set-url", "origin", ADDRESS)
        made.git(made.folder, f"--work-tree={ROOT}", "add", "--all")
        made.git(made.folder, "commit", "--quiet", "--allow-empty", "--message=As it is here")
        made.git(made.folder, "reset", "--quiet", "--hard")
        return made.git(made.folder, "rev-parse", "HEAD")

    return made._replace(commit=once(factory, "published.txt", make))


def without_terraform(folder: Path) -> dict[str, str]:
    """Return a PATH with all that an update needs, but for Terraform: so nothing is planned."""
    folder.mkdir()
    for name in ("git", "make", "sh"):
        (folder / name).symlink_to(shutil.which(name) or f"{name} is missing")
    python = folder / "python3"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    return {"PATH": str(folder)}
