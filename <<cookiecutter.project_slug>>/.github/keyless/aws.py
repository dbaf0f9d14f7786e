"""The AWS CLI: how it is called, and how its errors are read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

# The form of the AWS CLI's errors (AWS CLI user guide, "Structured error output"), and retries.
CLI = {"AWS_CLI_ERROR_FORMAT": "legacy", "AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "5"}

AWS_PAGE = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"


class Refused(Exception):
    """An error from AWS: its code, which is empty if AWS was not reached, and its text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code

    @classmethod
    def of(cls, printed: str) -> Refused:
        """Read what the AWS CLI has printed on standard error."""
        text = " ".join(printed.split())
        # The operation may be followed by "(reached max retries: 4)".
        answer = re.search(r"An error occurred \((\w+)\)[^:(]*(?:\([^)]*\))?: (.*)", text)
        return cls(*answer.groups()) if answer else cls("", text)

    @property
    def said(self) -> str:
        """The code, where there is one, and the text, in one line."""
        return f"{self.code}: {self}" if self.code else str(self)


class NoProgram(Refused):
    """There is no AWS CLI where this runs."""


def call(service: str, operation: str, region: str = "", /, **parameters: Any) -> dict[str, Any]:
    """Return what a service of AWS answers to an operation.

    Args:
        service: as the AWS CLI names it, for example ecr.
        operation: as the AWS CLI names it, for example put-image.
        region: empty for that of the environment.
        parameters: as the API names them.

    Raises:
        Refused: it answers with an error, or not at all.
        ValueError: its answer is not JSON.
    """
    # In a JSON file a manifest keeps its exact bytes, and can be longer than an argument.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "parameters.json")
        file.write_text(json.dumps(parameters), encoding="utf-8")
        command = ["aws", service, operation, "--cli-input-json", f"file://{file}"]
        command += ["--region", region] * bool(region)
        printed = run_aws([*command, "--output", "json"])
    return json.loads(printed or "{}")  # type: ignore[no-any-return]


def run_aws(command: list[str], given: str = "", **environment: str) -> str:
    """Run the AWS CLI; return what it prints on standard output.

    Args:
        command: all of it, as a list.
        given: its standard input.
        environment: variables that are set beside those of this process.

    Raises:
        Refused: it ends with an error, or cannot be run.
    """
    variables = {**os.environ, **CLI, **environment}
    try:
        done = subprocess.run(command, env=variables, input=given, capture_output=True, text=True)
    except OSError as error:
        raise NoProgram("", f"The AWS CLI cannot be run here ({error}).") from error
    if done.returncode:
        raise Refused.of(done.stderr)
    return done.stdout
