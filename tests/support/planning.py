"""Plans without AWS, made by a provider that is kept running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from keyless.model.account import Account, read_account
from keyless.planning import offline
from keyless.planning.local_aws import local_aws

from tests.standins.emulator import ATTACH, without
from tests.support.project import Project
from tests.support.provider import kept_running


@contextmanager
def kept_planning(program: Path, project: Project, log: Path) -> Iterator[None]:
    """Let the tool plan with one provider, and one local AWS, for as long as the block lasts.

    Args:
        program: Terraform's provider.
        project: whose account and region the plans are for.
        log: takes what the provider prints.
    """
    with (
        local_aws(read_account(project.path)) as known,
        kept_running(program, without("AWS_") | known, log) as attach,
        pytest.MonkeyPatch.context() as patch,
    ):

        @contextmanager
        def at_hand(_account: Account) -> Iterator[dict[str, str]]:
            yield {**known, ATTACH: attach}

        patch.setattr(offline, "local_aws", at_hand)
        yield


def installed_nothing(project: Project) -> Project:
    """Return a project that looks as after an init; what runs already need not be installed."""
    (project.path / offline.PROVIDERS).mkdir(parents=True, exist_ok=True)
    return project
