"""Fixtures of the release: a repository whose steps run in this process, and what they ask."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from keyless import paths

from tests.conftest import Bake
from tests.standins.emulator import Emulator
from tests.support.registry import Registry
from tests.support.stage import Stage
from tests.support.steps import Job

Rooted = Callable[..., Path]


@pytest.fixture
def aws(running_emulator: Emulator) -> Emulator:
    """The emulated AWS for a test that uses names of its own in it."""
    running_emulator.forget("faults", "calls", "requests", "moods")
    return running_emulator


@pytest.fixture
def rooted(bake: Bake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rooted:
    """Return a function that lets the tool stand in another repository.

    It copies what a step of deploy.yml reads of a generated project.
    """

    def with_answers(**answers: str) -> Path:
        folder = tmp_path / "root"
        for name in (paths.TFVARS, paths.ANSWERS, paths.SERVICE_JSON, paths.SERVICE_TF):
            source = bake(**answers).path / name
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if source.is_file():
                shutil.copy(source, folder / name)
        monkeypatch.setattr(paths, "ROOT", folder)
        return folder

    return with_answers


@pytest.fixture
def root(rooted: Rooted) -> Path:
    """The root of a repository with the default answers, where the tool stands for this test."""
    return rooted()


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Job:
    """A job, which writes into a folder of the test."""
    return Job(tmp_path, monkeypatch, capsys)


@pytest.fixture
def registry(
    aws: Emulator, root: Path, job: Job, tmp_path: Path, request: pytest.FixtureRequest
) -> Registry:
    """An empty repository with immutable tags, or with those that a test asks for."""
    assert root
    name = f"r{tmp_path.name.lower().replace('_', '-')}"
    return Registry(aws, name, getattr(request, "param", "IMMUTABLE"), job)


@pytest.fixture
def stage(rooted: Rooted, aws: Emulator, job: Job, tmp_path: Path) -> Callable[[str], Stage]:
    """Return a function that sets up a service of a target, under a name of this test alone."""

    def with_target(target: str) -> Stage:
        # Short enough for a service, and the last characters tell the tests apart.
        name = f"s{tmp_path.name.lower().replace('_', '-')}"[-38:].strip("-")
        return Stage(rooted(deploy_to=target), aws, f"s-{name}", target, job)

    return with_target
