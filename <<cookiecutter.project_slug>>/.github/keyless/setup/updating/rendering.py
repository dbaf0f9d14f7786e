"""The template rendered with answers: what a generation would make today, and what it once made."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from keyless.console import Problem
from keyless.paths import ANSWERS

_FOREIGN = "a-file-of-the-team"  # in a folder that is added to, and no part of what is rendered


class Existing(NamedTuple):
    """What was in the folder that a project was added to; no kind for a new folder."""

    kind: str = ""  # adopted, or started: a repository that GitHub has made with a README
    names: tuple[str, ...] = ()  # the paths of files that were there and stayed


class Render:
    """A generation in a process of its own, as templates that follow each other share modules."""

    def __init__(
        self, python: str, template: Path, answers: dict[str, str], existing: Existing, out: Path
    ) -> None:
        """Start it.

        Args:
            python: of the environment that has cookiecutter.
            template: the folder of the template.
            answers: to its questions.
            existing: what the folder holds before.
            out: a folder that does not exist.
        """
        self.out, self.existing = out, existing
        out.mkdir(parents=True)
        config = out.parent / f"{out.name}.json"
        folders = {name: str(out.parent / name) for name in ("replay_dir", "cookiecutters_dir")}
        config.write_text(json.dumps({"default_context": answers, **folders}), encoding="utf-8")
        options = ["--no-input", "--keep-project-on-failure", "--output-dir", str(out)]
        if existing.kind:
            options += ["--overwrite-if-exists", "--skip-if-file-exists"]
            _put(out / answers["project_slug"], existing)
        self.process = subprocess.Popen(
            [python, "-m", "cookiecutter", str(template), *options, "--config-file", str(config)],
            cwd=out,
            env={
                **os.environ,
                "PYTHONDONTWRITEBYTECODE": "1",
                "KEYLESS_RENDER": "1",
                "TMPDIR": str(out.parent),  # where cookiecutter leaves each hook that it renders
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def __enter__(self) -> Render:
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs, with its hook: it would write into a folder that is removed."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()

    def project(self) -> Path:
        """Wait for it, and return the folder of the project.

        What the hook says of the result does not matter here: the files are there, and what they
        are merged into is judged.

        Raises:
            Problem: the template refuses the answers; the text is its own.
        """
        said, _ = self.process.communicate()
        found = [folder for folder in self.out.iterdir() if (folder / ANSWERS).is_file()]
        if len(found) != 1:
            raise Problem(f"The template cannot be rendered with these answers: {_reason(said)}")
        return found[0]


def _put(folder: Path, existing: Existing) -> None:
    """Make the files that were there before, empty: the template keeps them, whatever they say."""
    folder.mkdir()
    foreign = [_FOREIGN] if existing.kind == "adopted" else []
    for name in [*existing.names, *foreign]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def _reason(said: str) -> str:
    """Return what matters of cookiecutter's output: a refusal is one line, an error the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return (lines or ["cookiecutter printed nothing"])[-1]


def files_of(render: Path, existing: Existing) -> dict[str, Path]:
    """Return every file that was rendered, by its path with slashes, without what was there."""
    found = {}
    for parent, folders, files in os.walk(render):
        folders.sort()
        for name in sorted(files):
            path = Path(parent, name)
            found[path.relative_to(render).as_posix()] = path
    return {name: found[name] for name in found if name not in {*existing.names, _FOREIGN}}
