"""Run a step of deploy.yml in this process: the environment of a job, and the results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import botocore.exceptions
import pytest
from keyless.aws import Refused

from tests.standins.emulator import Emulator

REGISTRY = "111122223333.dkr.ecr.us-east-1.amazonaws.com"


class Ran(NamedTuple):
    """What a step left behind."""

    status: int
    printed: str
    outputs: dict[str, str]
    summary: str

    @property
    def text(self) -> str:
        """Everything that is read: the log, and the summary of the job."""
        return self.printed + self.summary


class Job:
    """A job: where it writes, and what its environment holds."""

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> None:
        self.patch, self.capture = patch, capture
        self.files = {key: folder / key for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}

    def run(self, main: Callable[[str], int], step: str, environment: dict[str, str]) -> Ran:
        """Run one step of a command."""
        for key, file in self.files.items():
            file.write_text("")
            self.patch.setenv(key, str(file))
        for key, value in {"AWS_REGION": "us-east-1", "REGISTRY": REGISTRY, **environment}.items():
            self.patch.setenv(key, value)
        self.capture.readouterr()
        status = main(step)
        outputs, summary = (file.read_text() for file in self.files.values())
        pairs = dict(line.split("=", 1) for line in outputs.splitlines())
        return Ran(status, self.capture.readouterr().out, pairs, summary)


def by_botocore(emulator: Emulator) -> Callable[..., Any]:
    """Return what does the work of keyless.aws.call in this process: it takes 10 ms, not 600.

    The parameters and the errors are the same, because the AWS CLI reads the same models.
    """
    clients: dict[tuple[str, str], Any] = {}

    def call(service: str, operation: str, region: str = "", /, **parameters: Any) -> Any:
        where = region or emulator.region
        if (service, where) not in clients:
            clients[service, where] = emulator._replace(region=where).client(service)
        try:
            return getattr(clients[service, where], operation.replace("-", "_"))(**parameters)
        except botocore.exceptions.ClientError as error:
            answer = error.response["Error"]
            raise Refused(answer["Code"], answer["Message"]) from error

    return call
