"""What the tests of the check share: a project with one edit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.support.cases import Case, Edited
from tests.support.edits import apply


@pytest.fixture
def edited(bake: Bake, tmp_path: Path) -> Edited:
    """Return a function that gives a project with one edit; the tool's folder is left out."""

    def with_edit(case: Case) -> Path:
        project = bake(**case.answers)
        path = tmp_path / project.path.name
        shutil.copytree(project.path, path, ignore=shutil.ignore_patterns("keyless"))
        apply(path, case.edit)
        return path

    return with_edit
