"""Terraform's AWS provider, kept running for a worker's whole run.

It is the real one, of the version that a generated project pins. To start it takes more than half
of the time of a run of Terraform. Terraform finds one that runs by TF_REATTACH_PROVIDERS, and each
run configures it anew: https://developer.hashicorp.com/terraform/plugin/debugging
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.standins.emulator import ATTACH, Emulator, emulated_aws
from tests.support.project import Project
from tests.support.shared import once, shared_folder


def installed(factory: pytest.TempPathFactory, project: Project) -> Path:
    """Return the provider's program, which Terraform installs once for all workers."""

    def install() -> str:
        folder = shared_folder(factory) / "provider"
        copied = Project(shutil.copytree(project.path, folder))
        copied.terraform("init", "-backend=false", "-input=false")
        (program,) = folder.glob("infra/.terraform/providers/*/*/aws/*/*/terraform-provider-*")
        return str(program.resolve())

    return Path(once(factory, "provider.txt", install))


@contextmanager
def emulated_aws_at_hand(program: Path, folder: Path) -> Iterator[Emulator]:
    """Run an emulated AWS for the default answers, and a provider that knows it."""
    with (
        emulated_aws("111122223333", "us-east-1", folder / "emulator.log") as running,
        kept_running(program, running.environment(), folder / "provider.log") as attach,
    ):
        yield running._replace(provider=attach)


@contextmanager
def kept_running(program: Path, known: Mapping[str, str], log: Path) -> Iterator[str]:
    """Run the provider for as long as the block lasts; yield the value for TF_REATTACH_PROVIDERS.

    Args:
        program: the provider.
        known: its environment, from which it takes endpoint and credentials, whatever the
            environment of Terraform says.
        log: takes what it prints.

    Raises:
        AssertionError: it ended before it could be used.
    """
    # It lives long, so it must collect garbage, which tools/with-terraform turns off.
    environment = {**known, "GOGC": "100"}
    with log.open("w") as output:
        server = subprocess.Popen(
            [program, "-debug"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        while not (found := re.search(rf"{ATTACH}='(.*)'", log.read_text())):
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        yield found[1]
    finally:
        server.kill()
        server.wait()
