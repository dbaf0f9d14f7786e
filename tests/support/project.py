"""A project that was generated as its user does it, and Terraform run in it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tests.standins.emulator import ATTACH, ROOT, Emulator


class Failed(Exception):
    """A step of the rehearsal did not end as it must; the text says which and what was printed."""


class Project:
    """A generated project, as its user finds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, str] = json.loads((path / ".cookiecutter.json").read_text())[
            "default_context"
        ]
        self.key = self.answers["project_slug"]

    @property
    def tfvars(self) -> dict[str, Any]:
        """What stands in infra/terraform.tfvars.json."""
        return json.loads((self.path / "infra/terraform.tfvars.json").read_text())  # type: ignore[no-any-return]

    def know_subject(self, prefix: str) -> None:
        """Write the subject prefix that GitHub reports, as the README tells its reader to."""
        path = self.path / "infra/terraform.tfvars.json"
        path.write_text(
            path.read_text().replace('_prefix": null', f'_prefix": {json.dumps(prefix)}')
        )

    def run_with(self, **settings: Any) -> None:
        """Write settings of the service that runs the image."""
        path = self.path / "service.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **settings}, indent=2) + "\n")

    @property
    def tool(self) -> str:
        """The program that applies infra/."""
        return "tofu" if self.answers.get("iac_tool") == "opentofu" else "terraform"

    def terraform(self, *arguments: str, emulator: Emulator | None = None) -> str:
        """Run Terraform, or OpenTofu, in infra/ and return what it prints.

        Raises:
            Failed: it does not end with 0.
        """
        environment = emulator.environment() if emulator else dict(os.environ)
        if "init" in arguments:  # which installs no provider where one runs
            environment.pop(ATTACH, None)
        with provider_cache_locked() if arguments[0] == "init" else nullcontext():
            done = subprocess.run(
                [self.tool, "-chdir=infra", *arguments, "-no-color"],
                cwd=self.path,
                env=environment | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        if done.returncode:
            raise Failed(
                f"{self.tool} {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}"
            )
        return done.stdout


@contextmanager
def provider_cache_locked() -> Iterator[None]:
    """Let one init at a time fill Terraform's provider cache, which knows no concurrency."""
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def generate(folder: Path, answers: list[str]) -> Project:
    """Run the template as a user does, from another folder.

    The project does not know the address of the template: doctor would ask whoever published the
    checkout of this test.

    Raises:
        Failed: cookiecutter refuses the answers, or the hook its output.
    """
    config = folder / "config.yml"
    config.write_text(f"replay_dir: {json.dumps(str(folder / 'replay'))}\n")
    output = folder / "projects"
    output.mkdir()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input"),
            *("--config-file", str(config), "--output-dir", str(output), *answers),
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        said = done.stdout.strip()
        raise Failed(said.splitlines()[-1] if "Traceback" in said else said)
    project = Project(next(output.iterdir()))
    record = project.path / ".cookiecutter.json"
    known = json.loads(record.read_text())
    known["template"] |= {"source": None, "commit": None}
    record.write_text(json.dumps(known, indent=2) + "\n")
    return project
