"""The infra job of a generated ci.yml, run step by step: green after ordinary work, else red."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import Bake, Run
from tests.support.generating import workflow
from tests.support.infra_cases import InfraCase, infra_cases
from tests.support.project import Project, provider_cache_locked

pytestmark = pytest.mark.slow
INSTALLING = "python -m pip install"


class Job:
    """The infra job."""

    def __init__(self, project: Project, run: Run) -> None:
        """Take the project, and what runs a program."""
        self.project = project
        self._run = run
        steps = workflow(project, "ci.yml")["jobs"]["infra"]["steps"]
        self.commands = [step["run"] for step in steps if "run" in step]

    def run(self) -> tuple[str, str]:
        """Run its steps; return the one that failed, empty where none did, and what it printed."""
        for command in self.commands:
            if not command.startswith(INSTALLING):
                with provider_cache_locked():
                    done = self._run("bash", "-ec", command, cwd=self.project.path)
                if done.returncode:
                    return command, done.stdout
        return "", ""


@pytest.fixture
def job(bake: Bake, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A project whose infra job can be run; `python` is this one, which has PyYAML."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return Job(Project(shutil.copytree(bake().path, tmp_path / "example-service")), run)


def apply(job: Job, cases: list[InfraCase]) -> None:
    """Put cases into the project."""
    for case in cases:
        case.apply(job.project.path)


def test_the_job_installs_what_the_check_needs(job: Job) -> None:
    assert [each for each in job.commands if each.startswith(INSTALLING)]
    assert job.commands[-1] == "python .github/keyless check --format github"


def test_ordinary_work_is_green(job: Job) -> None:
    apply(job, infra_cases("ordinary"))
    failed, printed = job.run()
    assert not failed, printed


def test_what_is_broken_is_red_and_named_in_its_file(job: Job) -> None:
    broken = infra_cases("broken")
    apply(job, broken)
    job.commands = [each for each in job.commands if " test" not in each]
    failed, printed = job.run()
    assert failed == job.commands[-1], printed
    named = set(re.findall(r"(?m)^::error file=([^,]*),", printed))
    assert named == {case.at for case in broken}
