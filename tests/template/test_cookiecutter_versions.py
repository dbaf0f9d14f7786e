"""Cookiecutter itself: which versions the template works with, and what the others print.

The versions are real, each in a venv of its own. test_readme.py has the newest one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException

import cookiecutter_2_6_or_newer_is_needed as oldest
from tests.conftest import Bake, Run
from tests.standins.emulator import ROOT
from tests.support.generating import contents, cookiecutter
from tests.support.pages import PAGES
from tests.support.shared import once

Installed = Callable[[str], Path]

TOO_OLD, ACCEPTED = "2.5.0", "2.6.0"  # nothing was published between them
DEBIAN = "1.7.3"
CANNOT_LOAD = "Unable to load extension: No module named 'cookiecutter_2_6_or_newer_is_needed'\n"


def install(run: Run, folder: Path, version: str) -> Path:
    """Install a version of cookiecutter with what is pinned beside the newest; return its Python.

    The venv has pip, too, to upgrade it with.
    """
    pins = (ROOT / "requirements/test.txt").read_text()
    others = re.findall(r"^(?!cookiecutter=)\S+==.*(?= \\$)", pins, re.MULTILINE)
    folder.mkdir()
    (folder / "pins.txt").write_text("\n".join(others))
    venv, python = folder / "venv", folder / "venv/bin/python"
    for command in (
        ["venv", "--seed", "--python", sys.executable, venv],
        [
            "pip",
            "install",
            "--python",
            python,
            "-c",
            folder / "pins.txt",
            f"cookiecutter=={version}",
        ],
    ):
        done = run("uv", *command, cwd=folder)
        assert done.returncode == 0, done.stdout
    return python


@pytest.fixture(scope="session")
def installed(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return a function that installs a version once for all workers, and returns its Python."""

    def make(version: str) -> str:
        return str(install(run, tmp_path_factory.mktemp("cookiecutter") / version, version))

    return lambda version: Path(
        once(tmp_path_factory, f"cookiecutter-{version}", lambda: make(version))
    )


def is_refused(printed: str, version: str) -> bool:
    """Tell whether the one line names the version that is installed and the one that is needed."""
    start = f"cookiecutter: version {version} is installed, but this template needs 2.6 or newer, "
    return printed.startswith(start) and printed.count("\n") == 1 and printed.isascii()


@pytest.mark.parametrize(
    "given",
    ["", "-o elsewhere", "aws_account_id=1", "colour=blue", "ecr_repository=<<1/0>>", "-f -s"],
)
def test_an_old_cookiecutter_is_refused_before_anything_else_is_judged(
    tmp_path: Path, run: Run, installed: Installed, given: str
) -> None:
    python = installed(TOO_OLD)
    status, printed = cookiecutter(tmp_path, run, *given.split(), python=python)
    assert status == 1
    assert is_refused(printed, TOO_OLD), printed
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_an_old_cookiecutter_is_refused_before_the_first_question(
    tmp_path: Path, run: Run, installed: Installed
) -> None:
    status, printed = cookiecutter(tmp_path, run, given="-f", python=installed(TOO_OLD))
    assert status == 1
    assert is_refused(printed, TOO_OLD), printed


def test_a_cookiecutter_that_cannot_load_the_template_prints_the_line_of_the_page(
    tmp_path: Path, run: Run, installed: Installed
) -> None:
    status, printed = cookiecutter(tmp_path, run, python=installed(DEBIAN))
    assert (status, printed) == (1, CANNOT_LOAD)
    assert f"\n```text\n{CANNOT_LOAD}```\n" in PAGES["first-image"]
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_the_same_cookiecutter_is_refused_like_the_others_if_it_can_load_the_template(
    tmp_path: Path, run: Run, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    status, printed = cookiecutter(tmp_path, run, python=installed(DEBIAN))
    assert status == 1
    assert is_refused(printed, DEBIAN), printed


def test_the_oldest_accepted_cookiecutter_generates_the_same_as_the_newest(
    bake: Bake, tmp_path: Path, run: Run, installed: Installed
) -> None:
    python = installed(ACCEPTED)
    status, printed = cookiecutter(tmp_path, run, python=python)
    assert status == 0, printed
    assert contents(tmp_path / "example-service") == contents(bake().path)
    status, printed = cookiecutter(tmp_path, run, "aws_region=us-east1", python=python)
    assert (status, printed.count("\n")) == (1, 1), printed
    assert printed.startswith("aws_region: 'us-east1' is not an AWS region")


@pytest.mark.slow
def test_each_remedy_of_the_message_helps(tmp_path: Path, run: Run) -> None:
    python = install(run, tmp_path / "old", TOO_OLD)
    _, printed = cookiecutter(tmp_path, run, python=python)
    (newest,) = re.findall(r"Use (uvx \S+) instead of cookiecutter\.", printed)
    done = run(*newest.split(), ROOT, "--no-input", "-o", "newest", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (upgrade,) = re.findall(r"python3 (-m pip install) '(\S+)'\n", printed)
    done = run(python, *upgrade[0].split(), upgrade[1], cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    status, printed = cookiecutter(tmp_path, run, "-o", "upgraded", python=python)
    assert status == 0, printed
    assert contents(tmp_path / "newest") == contents(tmp_path / "upgraded") != {}


@pytest.mark.parametrize(
    "found",
    ["2.6.0", "2.6", "2.6.0.dev1", "2.6rc1", "2.7.1+local", "2.10.0", "3.0", "10.1", "x", ""],
)
def test_these_versions_are_accepted(found: str) -> None:
    oldest.judge(found)


@pytest.mark.parametrize(
    "found", ["2.5.0", "2.5.99", "2.5.0.dev6", "2", "2.0", "1.7.3", "1.10.0", "0"]
)
def test_these_versions_are_refused(found: str) -> None:
    with pytest.raises(FailedHookException, match=f"version {re.escape(found)} is installed"):
        oldest.judge(found)


def test_the_needed_version_is_the_same_in_every_place() -> None:
    needed = ".".join(map(str, oldest.NEEDED))
    name = f"cookiecutter_{needed.replace('.', '_')}_or_newer_is_needed"
    assert oldest.__name__ == name
    assert f"cookiecutter {needed} or newer" in PAGES["first-image"]
    assert set(re.findall(r"cookiecutter[ >=_]+(\d+[._]\d+)", PAGES["first-image"])) == {
        needed,
        needed.replace(".", "_"),
    }
    declared = re.findall('"cookiecutter>=(.*?)"', (ROOT / "pyproject.toml").read_text())
    assert declared == [needed]
    extensions = re.findall('"_extensions": (.*),', (ROOT / "cookiecutter.json").read_text())
    assert extensions == [f'["{name}.Version", "local_extensions.Answers"]']
