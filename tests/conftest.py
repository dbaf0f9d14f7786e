"""Fixtures: generated projects, cached by their answers, and the programs that judge them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_cookies.plugin import Cookies

from tests.standins import github
from tests.standins.emulator import ATTACH, Emulator, without
from tests.standins.hub import Hub
from tests.support.aws_cli import kept_aws_cli
from tests.support.combinations import questions
from tests.support.desk import Desk
from tests.support.hostile import VALUES
from tests.support.make import forget_make
from tests.support.planning import installed_nothing, kept_planning
from tests.support.prepared import Prepared, prepare
from tests.support.project import Project
from tests.support.provider import emulated_aws_at_hand, installed, kept_running
from tests.support.service import SECRETS
from tests.support.shared import once

forget_make(os.environ)
sys.dont_write_bytecode = True  # the tool is imported from its folder, and copied from there

Bake = Callable[..., Project]
Copy = Callable[..., Project]
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


def only_questions(answers: Mapping[str, str]) -> None:
    """Fail a test that answers a question which does not exist: cookiecutter would drop it."""
    unknown = sorted(set(answers) - set(questions()))
    if unknown:
        pytest.fail(f"a test answers what is not asked: {', '.join(unknown)}")


# What the table at the end counts: tests by their names, and how many tries one test makes.
COUNTED = {
    "combinations of answers": ("test_a_project_passes_its_own_checks", 1),
    "kinds of trust through the attack matrix": ("test_the_attack_matrix_holds_for_each_trust", 1),
    "hostile answers": (
        "test_each_hostile_answer_is_refused_or_comes_out_unchanged",
        len(VALUES),
    ),
    "wrong tries at a terminal": ("test_a_wrong_answer_at_the_prompt_is_refused_in_one_line", 1),
    "edits of a project": ("test_what_is_(broken|harmless)", 1),
    "edits that act has run": ("test_what_is_written_of_an_edit_is_what_happens", 1),
    "situations of updates": ("test_(an_edit_stays|a_conflict_is|an_update_leads|it_is_ref)", 1),
    "tests": ("", 1),
}


# Behind these fixtures stands Terraform, act or an emulated AWS: make quick leaves their tests out.
SLOW = {"bootstrapped", "central", "desk", "emulator", "judges", "programs", "ready"}
SLOW |= {"planning", "running_emulator", "service_plan", "with_bucket"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test as slow that uses one of those fixtures; other tests have the mark."""
    for item in items:
        if SLOW & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


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


@pytest.fixture(scope="session")
def programs(bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the AWS CLI running for all programs of a worker; the value is Terraform's provider."""
    with (
        tempfile.TemporaryDirectory() as short,  # the path of a socket must be
        kept_aws_cli(Path(short, "aws")) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PATH", str(folder), prepend=os.pathsep)
        yield installed(tmp_path_factory, bake())


@pytest.fixture(scope="session")
def running_emulator(
    programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    """The one emulated AWS of a worker: to start it takes 2.3 s, to empty it 0.02 s."""
    with emulated_aws_at_hand(programs, tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture(scope="session")
def offline_provider(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A provider that knows of no account, for what Terraform does without one."""
    log = tmp_path_factory.mktemp("provider") / "provider.log"
    with kept_running(programs, without("AWS_"), log) as attach:
        yield attach


@pytest.fixture
def offline(offline_provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Terraform use that provider in this test."""
    monkeypatch.setenv(ATTACH, offline_provider)


@pytest.fixture(scope="session")
def planning(
    programs: Path, bake: Bake, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Project], Project]]:
    """Plans without AWS take a third of the time; a project must be made ready for them."""
    with kept_planning(programs, bake(), tmp_path_factory.mktemp("planning") / "provider.log"):
        yield installed_nothing


@pytest.fixture
def emulator(running_emulator: Emulator) -> Emulator:
    """An emulated AWS, empty, for the account and region of the default answers."""
    running_emulator.reset()
    return running_emulator


@pytest.fixture
def desk(copy: Copy, emulator: Emulator, tmp_path: Path) -> Desk:
    """A desk with a fresh project, before anything was set up."""
    return Desk(copy(), emulator, Hub(tmp_path / "hub"))


@pytest.fixture(scope="session")
def bootstrapped(
    bake: Bake, running_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Prepared:
    """A project after its bootstrap, and what is then in AWS."""

    def make(emulator: Emulator, folder: Path) -> Desk:
        path = shutil.copytree(bake().path, folder / "example-service")
        made = Desk(Project(path), emulator, Hub(folder / "hub"))
        ended = made.bootstrap("--yes")
        assert ended.status == 0, ended.out
        return made

    return prepare(tmp_path_factory, "bootstrapped", running_emulator, make)


@pytest.fixture(scope="session")
def service_plan(
    bake: Bake, running_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Return a function that plans the infra/ of a project whose image is run, once a target.

    It returns the plan's JSON; the service reads the SECRETS.
    """

    def plan(target: str) -> str:
        folder = tmp_path_factory.mktemp(target)
        project = Project(shutil.copytree(bake(deploy_to=target).path, folder / "project"))
        project.know_subject(github.Repository("octo-org/example-service").subject_prefix)
        project.run_with(secrets=SECRETS)
        project.terraform("init", "-input=false")
        project.terraform("plan", "-input=false", "-out=x.tfplan", emulator=running_emulator)
        return project.terraform("show", "-json", "x.tfplan", emulator=running_emulator)

    return lambda target: once(tmp_path_factory, f"{target}.plan.json", lambda: plan(target))


@pytest.fixture
def ready(bootstrapped: Prepared, emulator: Emulator, tmp_path: Path) -> Desk:
    """A desk with a project that is set up, and with what Terraform has made in AWS."""
    return bootstrapped.desk(emulator, tmp_path / "ready")
