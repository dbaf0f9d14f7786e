"""Fixtures: generated projects, cached by their answers, and the programs that judge them."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_cookies.plugin import Cookies

from tests.desk import Account, Desk
from tests.emulator import ROOT, Emulator, emulated_aws
from tests.hub import Hub
from tests.project import Project

Bake = Callable[..., Project]
Copy = Callable[..., Project]
Script = Callable[[str], Any]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

INSTALL = {
    "actionlint": "make .venv/lint",
    "hadolint": "make .venv/test",
    "ruff": "make .venv/test",
    "shellcheck": "make .venv/test",
    "terraform": "https://developer.hashicorp.com/terraform/install (1.10 or newer)",
    "zizmor": "make .venv/test",
}


def questions() -> dict[str, str | list[str]]:
    """Return the public questions with their defaults or choices, as cookiecutter.json has them."""
    given = json.loads((ROOT / "cookiecutter.json").read_text())
    return {key: value for key, value in given.items() if not key.startswith("_")}


def only_questions(answers: Mapping[str, str]) -> None:
    """Fail a test that answers a question which does not exist: cookiecutter would drop it."""
    unknown = sorted(set(answers) - set(questions()))
    if unknown:
        pytest.fail(f"a test answers what is not asked: {', '.join(unknown)}")


@pytest.fixture(scope="session")
def bake(cookies_session: Cookies) -> Bake:
    """Return a function that generates a project once per set of answers; nobody may edit it."""
    baked: dict[tuple[tuple[str, str], ...], Project] = {}

    def with_answers(**answers: str) -> Project:
        only_questions(answers)
        key = tuple(sorted(answers.items()))
        if key not in baked:
            result = cookies_session.bake(extra_context=answers)
            if result.exception:
                raise result.exception
            baked[key] = Project(result.project_path)
        return baked[key]

    return with_answers


@pytest.fixture
def copy(bake: Bake, tmp_path: Path) -> Copy:
    """Return a function that gives a test its own project, to edit or to initialise."""

    def with_answers(**answers: str) -> Project:
        project = bake(**answers)
        path = shutil.copytree(project.path, tmp_path / "copy" / project.path.name)
        return Project(path)

    return with_answers


@pytest.fixture(scope="session")
def run() -> Run:
    """Return a function that runs a program; where it is missing, the test fails and says so."""

    def with_arguments(
        *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        program = str(command[0])
        if not shutil.which(program):
            pytest.fail(f"{program} is missing; install it: {INSTALL.get(program, program)}")
        return subprocess.run(
            [program, *map(str, command[1:])],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return with_arguments


@pytest.fixture
def script(bake: Bake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """Return a function that imports one of a generated project's scripts, for this test alone."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # nobody may change what is cached
    monkeypatch.syspath_prepend(str(bake().path / "scripts"))
    before = set(sys.modules)
    yield importlib.import_module
    for name in {"check", "diagnose", "publish"} - before:
        sys.modules.pop(name, None)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """An emulated AWS for the account and region of the default answers."""
    with emulated_aws("111122223333", "us-east-1", tmp_path / "emulator.log") as running:
        yield running


@pytest.fixture
def desk(copy: Copy, emulator: Emulator, tmp_path: Path) -> Desk:
    """A desk with a fresh project, before anything was set up."""
    return Desk(copy(), emulator, Hub(tmp_path / "hub"))


@pytest.fixture(scope="session")
def bootstrapped(bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Account]:
    """A folder with a project after its bootstrap and a hub, and what stands in AWS."""
    folder = tmp_path_factory.mktemp("bootstrapped")
    path = shutil.copytree(bake().path, folder / "example-service")
    with emulated_aws("111122223333", "us-east-1", folder / "emulator.log") as emulator:
        ended = Desk(Project(path), emulator, Hub(folder / "hub")).bootstrap("--yes")
        assert ended.status == 0, ended.out
        return folder, Account.of(emulator)


@pytest.fixture
def ready(bootstrapped: tuple[Path, Account], emulator: Emulator, tmp_path: Path) -> Desk:
    """A desk with a project that was set up; in AWS stands what Terraform has made."""
    folder, account = bootstrapped
    path = shutil.copytree(folder / "example-service", tmp_path / "ready/example-service")
    hub = Hub(shutil.copytree(folder / "hub", tmp_path / "hub", symlinks=True))
    hub.clear()
    account.restore(emulator)
    return Desk(Project(path), emulator, hub)


def combinations() -> list[dict[str, str]]:
    """Return every combination of the choices."""
    found: list[dict[str, str]] = [{}]
    for key, choices in questions().items():
        if isinstance(choices, list):
            found = [{**answers, key: choice} for answers in found for choice in choices]
    return found


def readable(answers: Mapping[str, str]) -> str:
    """Return the name of a combination in a list of tests."""
    return "-".join(answers.values())
