"""The template run as a person runs it, and the files that come of it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.standins.emulator import ROOT
from tests.support.project import Project

TOOL = ".github/keyless"
TEMPLATE_PROJECT = ROOT / "<<cookiecutter.project_slug>>"
FILES = """
.cookiecutter.json
.dockerignore
.editorconfig
.gitattributes
.github/dependabot.yml
.github/workflows/ci.yml
.github/workflows/deploy.yml
.gitignore
.pre-commit-config.yaml
Dockerfile
Makefile
README.md
app/server.py
infra/.gitignore
infra/main.tf
infra/oidc.tf
infra/outputs.tf
infra/repository/lifecycle.json
infra/repository/outputs.tf
infra/repository/push-actions.json
infra/repository/registry.tf
infra/repository/trust.tf
infra/repository/variables.tf
infra/repository/versions.tf
infra/shared/publish-image.yml
infra/terraform.tfvars.json
infra/tests/trust.tftest.hcl
infra/variables.tf
infra/versions.tf
""".split()
SERVED = ["infra/service.tf", "service.json"]  # what a repository has beside, whose image is run


def cookiecutter(
    tmp_path: Path,
    run: Callable[..., Any],
    *arguments: str,
    template: Path = ROOT,
    given: str = "--no-input",
    python: str | Path = sys.executable,
) -> tuple[int, str]:
    """Run a template from another folder; return exit status and everything printed."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    done = run(
        *(python, "-m", "cookiecutter", str(template), given, *arguments),
        cwd=tmp_path,
        env={**os.environ, "HOME": str(home)},
    )
    return done.returncode, done.stdout


def copy_of_template(folder: Path) -> Path:
    """Copy the template into a folder, to change it there; return the copy."""

    def ignored(path: str, names: list[str]) -> set[str]:
        caches = {name for name in names if name.endswith("_cache") or name == "__pycache__"}
        return caches | ({".git", ".venv", "tests"} if Path(path) == ROOT else set())

    return Path(shutil.copytree(ROOT, folder / "template", ignore=ignored))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return bytes and mode of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }


def generated(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return what `contents` does, without the record: that depends on where the template is."""
    return {name: each for name, each in contents(folder).items() if name != ".cookiecutter.json"}


def files(folder: Path) -> list[str]:
    """Return the paths of all files below a folder; those of the tool are left out."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.startswith(f"{TOOL}/"))


def expected(project: Project) -> list[str]:
    """Return the paths of all files that a project's answers lead to, without the tool's."""
    if project.answers["iac_tool"] == "none":  # infra/ is elsewhere
        return sorted([*(name for name in FILES if not name.startswith("infra/")), "infra.json"])
    served = SERVED * (project.answers["deploy_to"] != "nothing")
    return sorted([*FILES, *served, *["infra/backend.tf"] * bool(project.answers["state_bucket"])])


def tool(folder: Path) -> dict[str, bytes]:
    """Return the tool of a project, or of the template: path and content of each file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in (folder / TOOL).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def workflow(project: Project, name: str) -> dict[str, Any]:
    """Return a workflow; `on` stays text."""
    text = (project.path / ".github/workflows" / name).read_text()
    return yaml.load(text, Loader=yaml.BaseLoader)  # type: ignore[no-any-return]  # noqa: S506
