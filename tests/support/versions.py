"""Four versions of this template, as a repository of its own that git finds at an https address."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.standins.emulator import ROOT, without
from tests.support.edits import change
from tests.support.shared import once, shared_folder

ADDRESS = "https://github.com/octo-org/cookiecutter-github-oidc-ecr"
PROJECT = "<<cookiecutter.project_slug>>"
TOOL = f"{PROJECT}/.github/keyless"
INFRA = f"{PROJECT}/<<cookiecutter.__infra>>"
SETTINGS = """\
[user]
 name = A Team
 email = team@example.org
[init]
 defaultBranch = main
[url "file://{folder}"]
 insteadOf = {address}
"""
CHANGELOG = """\
# Changelog

## Unreleased

## 0.4.0 - 2026-12-24

### Fixed

- explain says what it has always said, in other words.

## 0.3.0 - 2026-12-12

### Added

- A rule: no-todo.

## 0.2.0 - 2026-12-01

### Added

- Something new for everybody.

## 0.1.0 - 2026-11-28

- The first version.
"""
RULE = '''\
"""Nothing is left to be done in deploy.yml."""

from keyless.model.findings import Finding

ID = "no-todo"
WHY = "What is still to be done is not done in a release."
SOURCES = (("GitHub", "https://docs.github.com"),)
BEFORE = "# TODO"
AFTER = "# done"


def find(repository):
    path = ".github/workflows/deploy.yml"
    text = (repository.root / path).read_text(encoding="utf-8")
    for line, content in enumerate(text.splitlines(), 1):
        if "TODO" in content:
            yield Finding(path, line, ID, "something is still to be done", "do it")
'''
QUESTIONS = """\
  "region_label": ["short", "long"],
  "image_label": "<< cookiecutter.project_slug >>-image",
  "__infra":"""
MOVED = """
moved {
  from = aws_ecr_lifecycle_policy.image
  to   = aws_ecr_lifecycle_policy.images
}
"""
Edit = tuple[str, str, str]  # a file, what stands there, what is written instead

# What each version changes. deploy.yml, ci.yml and the Makefile are changed at several places.
SECOND: list[Edit] = [
    (f"{PROJECT}/.github/workflows/deploy.yml", "for the same commit and ref", "of one commit"),
    (f"{PROJECT}/.github/workflows/deploy.yml", "timeout-minutes: 5\n", "timeout-minutes: 6\n"),
    (f"{PROJECT}/.github/workflows/ci.yml", "timeout-minutes: 10\n", "timeout-minutes: 12\n"),
    (f"{PROJECT}/Makefile", ".DEFAULT_GOAL", "# Version 0.2.0 or newer\n.DEFAULT_GOAL"),
    (f"{PROJECT}/Makefile", "## build the image", "## build the image here"),
    (f"{PROJECT}/.editorconfig", "", "\n[*.tf]\nindent_size = 2\n"),
    (f"{PROJECT}/.gitignore", "", "\n# Tools\n.cache/\n"),
    (f"{PROJECT}/.dockerignore", "", ".cache\n"),
    (f"{PROJECT}/.github/dependabot.yml", "interval: weekly", "interval: monthly"),
    ("templates/Dockerfile", "EXPOSE 8080", "EXPOSE 8080/tcp"),
    ("templates/Dockerfile", '"server.py"', '"main.py"'),
    (f"{PROJECT}/<<cookiecutter.__app>>/main.py", '"""A tiny', '"""A small'),
    ("templates/guide.md", "# << cookiecutter.project_slug >>", "# << cookiecutter.image_label >>"),
    (f"{PROJECT}/docs/label.md", "", "# << cookiecutter.image_label >>\n"),
    (f"{PROJECT}/docs/region.md", "", "The label is << cookiecutter.region_label >>.\n"),
    ("cookiecutter.json", '  "__infra":', QUESTIONS),
]
THIRD: list[Edit] = [
    (f"{TOOL}/rules/no_todo.py", "", RULE),
    (f"{INFRA}/repository/registry.tf", '_policy" "image"', '_policy" "images"'),
    (f"{INFRA}/repository/registry.tf", "", MOVED),
    (f"{INFRA}/terraform.tfvars.json", '  "repositories"', '  "role_path": "/",\n  "repositories"'),
    (
        "templates/entry.json",
        '"environment"',
        '"expire_untagged_after_days": 14,\n      "environment"',
    ),
]
FOURTH: list[Edit] = [
    (f"{PROJECT}/.github/workflows/deploy.yml", "timeout-minutes: 6\n", "timeout-minutes: 7\n"),
    (f"{TOOL}/explain.py", '"""', '"""(mended) '),
]


def _second(folder: Path) -> None:
    (folder / f"{PROJECT}/docs").mkdir()
    app = folder / f"{PROJECT}/<<cookiecutter.__app>>"
    (app / "server.py").rename(app / "main.py")


def _third(folder: Path) -> None:
    for name in (".pre-commit-config.yaml", ".gitattributes"):
        (folder / PROJECT / name).unlink()
    registry = "infra/repository/registry.tf"
    before = (folder.parent / f"0.2.0/example-service/{registry}").read_text()
    after = before.replace('_policy" "image"', '_policy" "images"') + MOVED
    sums = (hashlib.sha256(text.encode()).hexdigest()[:32] for text in (before, after))
    change(folder / f"{TOOL}/model/generated.py", *sums)


def _fourth(folder: Path) -> None:
    (folder / f"{TOOL}/docs/new.md").write_text("New\n")


VERSIONS: dict[str, tuple[Callable[[Path], None], list[Edit]]] = {
    "0.2.0": (_second, SECOND),
    "0.3.0": (_third, THIRD),
    "0.4.0": (_fourth, FOURTH),
}


class Versions(NamedTuple):
    """The template with its tags v0.1.0 to v0.4.0, and what each of them renders."""

    folder: Path
    commits: dict[str, str]  # of each version
    rendered: dict[str, Path]  # a fresh generation of each version; nobody may edit it

    @property
    def settings(self) -> Path:
        """The settings of git with which the address leads to the folder."""
        return self.folder.parent / "gitconfig"

    def environment(self, **further: str) -> dict[str, str]:
        """Return the environment of somebody who has a project of it."""
        own = {
            "GIT_CONFIG_GLOBAL": str(self.settings),
            "GIT_CONFIG_NOSYSTEM": "1",
            "XDG_CACHE_HOME": str(ROOT / ".venv/cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return {**without("GIT_"), **own, **further}


def git(folder: Path, *arguments: str, **environment: str) -> str:
    """Run git as it is, and return what it prints."""
    command = ["git", *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout.rstrip("\n")


def versions_of(factory: pytest.TempPathFactory) -> Versions:
    """Return the template with its versions, made once for all workers."""
    folder = shared_folder(factory) / "versions"

    def make() -> str:
        make_versions(folder)
        return "made"

    once(factory, "versions.made", make)
    return _found(folder)


def make_versions(folder: Path) -> Versions:
    """Make the template with its versions, and render them, in a folder that does not exist."""
    made = Versions(folder / "template", {}, {})
    _make(made, {"GIT_CONFIG_GLOBAL": str(made.settings)})
    return _found(folder)


def _found(folder: Path) -> Versions:
    made = Versions(folder / "template", {}, {})
    known = {"GIT_CONFIG_GLOBAL": str(made.settings)}
    for version in ("0.1.0", *VERSIONS):
        commit = git(made.folder, "rev-parse", f"v{version}^{{commit}}", **known)
        made.commits[version] = commit
        made.rendered[version] = folder / version / "example-service"
    return made


def _make(made: Versions, known: dict[str, str]) -> None:
    made.folder.mkdir(parents=True)
    made.settings.write_text(SETTINGS.format(folder=made.folder, address=ADDRESS))
    _copy_checkout(made.folder)
    git(made.folder, "init", "--quiet", **known)
    git(made.folder, "remote", "add", "origin", ADDRESS, **known)
    _commit(made, "0.1.0", known)
    for version, (prepare, edits) in VERSIONS.items():
        prepare(made.folder)
        for path, before, after in edits:
            (made.folder / path).touch()
            change(made.folder / path, before, after)
        _commit(made, version, known)


def _copy_checkout(folder: Path) -> None:
    """Copy what is committed of this template, or is going to be, without its tests."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in listed:
        if name and not name.startswith("tests/") and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def _commit(made: Versions, version: str, known: dict[str, str]) -> None:
    (made.folder / f"{TOOL}/VERSION").write_text(f"{version}\n")
    at = CHANGELOG.index(f"## {version}")
    (made.folder / "CHANGELOG.md").write_text("# Changelog\n\n" + CHANGELOG[at:])
    git(made.folder, "add", "--all", **known)
    git(made.folder, "commit", "--quiet", f"--message={version}", **known)
    git(made.folder, "tag", f"v{version}", **known)
    out = made.folder.parent / version
    render(made.folder, out, known)


def render(template: Path, out: Path, known: dict[str, str], *answers: str) -> Path:
    """Generate a project in a new folder, and return it."""
    out.mkdir()
    options = ["--no-input", "--output-dir", str(out), *answers]
    done = subprocess.run(
        [sys.executable, "-m", "cookiecutter", str(template), *options],
        cwd=out,
        env={**os.environ, **known, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(out.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "example-service"
