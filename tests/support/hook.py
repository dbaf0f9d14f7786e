"""The post_gen hook, rendered as cookiecutter renders it and run in a generated project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cookiecutter.generate import generate_context
from cookiecutter.prompt import prompt_for_config
from cookiecutter.utils import create_env_with_context

from tests.standins.emulator import ROOT
from tests.support.project import Project

HOOK = ROOT / "hooks/post_gen_project.py"


def rendered(folder: Path, **answers: str) -> Path:
    """Return the hook as cookiecutter would write it for the given answers."""
    context = generate_context(str(ROOT / "cookiecutter.json"))
    environment = create_env_with_context(context)
    context["cookiecutter"].update(prompt_for_config(context, no_input=True))
    context["cookiecutter"].update(answers)  # past the filters: the hook must not depend on them
    path = folder / "hook.py"
    path.write_text(environment.from_string(HOOK.read_text()).render(**context))
    return path


def hook(
    project: Project, folder: Path, path: str | None = None, **answers: str
) -> subprocess.CompletedProcess[str]:
    """Run the rendered hook in a project, with another PATH where one is given."""
    return subprocess.run(
        [sys.executable, str(rendered(folder, **answers))],
        cwd=project.path,
        env={**os.environ, "PATH": os.environ["PATH"] if path is None else path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
