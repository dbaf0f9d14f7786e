"""Desks on which more was set up than by a first bootstrap: made once, and copied for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Copy
from tests.standins.emulator import Emulator
from tests.standins.hub import Hub
from tests.support.bootstrap import with_environment
from tests.support.desk import Desk
from tests.support.prepared import Prepared, prepare


@pytest.fixture(scope="session")
def guarded_once(
    bootstrapped: Prepared, running_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Prepared:
    """What stands after the job has got an environment, and bootstrap has followed."""

    def make(emulator: Emulator, folder: Path) -> Desk:
        desk = bootstrapped.desk(emulator, folder)
        with_environment(desk)
        desk.git("commit", "--quiet", "--all", "--message=an environment")
        ended = desk.bootstrap("--yes")
        assert ended.status == 0, ended.out
        return desk

    return prepare(tmp_path_factory, "guarded", running_emulator, make)


@pytest.fixture
def guarded(guarded_once: Prepared, emulator: Emulator, tmp_path: Path) -> Desk:
    """A desk with a project whose job has an environment: everything is set up and pushed."""
    return guarded_once.desk(emulator, tmp_path / "guarded")


@pytest.fixture(scope="session")
def shared_once(
    bootstrapped: Prepared, running_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Prepared:
    """What stands after two more repositories were added, and bootstrap has followed."""

    def make(emulator: Emulator, folder: Path) -> Desk:
        desk = bootstrapped.desk(emulator, folder)
        for number, name in enumerate(("api", "web"), 5):
            desk.hub.create(f"octo-org/{name}", repository_id=number)
        ended = desk.keyless("add", "octo-org/api", "octo-org/web")
        assert ended.status == 0, ended.out
        ended = desk.bootstrap("--yes")
        assert ended.status == 0, ended.out
        desk.git("add", "--all")
        desk.git("commit", "--quiet", "--message=two more")
        return desk

    return prepare(tmp_path_factory, "shared", running_emulator, make)


@pytest.fixture
def shared(shared_once: Prepared, emulator: Emulator, tmp_path: Path) -> Desk:
    """A desk whose infra/ has made roles and registries of three repositories."""
    return shared_once.desk(emulator, tmp_path / "shared")


@pytest.fixture
def without_aws(copy: Copy, tmp_path: Path) -> Desk:
    """A desk with a fresh project and three further repositories on GitHub; AWS is not asked."""
    hub = Hub(tmp_path / "hub")
    for number, name in enumerate(("example-service", "Zebra", "api", "web"), 456789):
        hub.create(f"octo-org/{name}", repository_id=number)
    return Desk(copy(), Emulator("http://127.0.0.1:9", "111122223333", "us-east-1"), hub)
