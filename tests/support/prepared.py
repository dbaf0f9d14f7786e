"""Projects that were set up once, for all workers of a run: each test gets a copy, in 0.6 s."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.standins.emulator import Emulator
from tests.standins.hub import Hub
from tests.support.desk import Account, Desk
from tests.support.project import Project
from tests.support.shared import once, shared_folder

PROJECT = "example-service"


class Prepared(NamedTuple):
    """A folder with a project and a GitHub, and what is in AWS."""

    folder: Path
    account: Account

    def desk(self, emulator: Emulator, place: Path) -> Desk:
        """Return a desk with a copy of all of it.

        Args:
            emulator: an empty AWS.
            place: a folder, which may be missing.
        """
        # Terraform's provider is a link: its 680 MB cost half a second, and fill the disk.
        copied = shutil.copytree(self.folder, place, symlinks=True, dirs_exist_ok=True)
        hub = Hub(copied / "hub")
        hub.clear()
        self.account.restore(emulator)
        return Desk(Project(copied / PROJECT), emulator, hub)


def prepare(
    factory: pytest.TempPathFactory,
    name: str,
    emulator: Emulator,
    make: Callable[[Emulator, Path], Desk],
) -> Prepared:
    """Return what is set up once for all workers.

    Args:
        factory: of the temporary folders of this worker.
        name: of this state.
        emulator: of this worker; it is emptied.
        make: sets it up in an empty AWS and a folder, and returns its desk: `project` and `hub`
            are in that folder.
    """

    def text() -> str:
        folder = shared_folder(factory) / name
        emulator.reset()
        desk = make(emulator, folder)
        assert desk.path == folder / PROJECT
        assert desk.hub.folder == folder / "hub"
        account = Account.of(emulator)
        return json.dumps({"folder": str(folder), "account": account._asdict()})

    made = json.loads(once(factory, f"{name}.json", text))
    return Prepared(Path(made["folder"]), Account(**made["account"]))
