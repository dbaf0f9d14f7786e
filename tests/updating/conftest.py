"""The template's versions, which every test here starts from."""

from __future__ import annotations

import pytest

from tests.support.teams import Outcome, Run, carried_out
from tests.support.versions import Versions, versions_of


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """The template with its tags v0.1.0 to v0.4.0."""
    return versions_of(tmp_path_factory)


@pytest.fixture
def outcome(run: Run, versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What the update of a run has led to."""
    return carried_out(run, versions, tmp_path_factory)
