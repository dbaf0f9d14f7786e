"""The steps of deploy.yml as commands: how they start, and where they look for what infra/ says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import keyless
import pytest
from keyless import commands, paths
from keyless.release import job_environment

from tests.standins.emulator import without


@pytest.mark.parametrize("command", [["publish", "publish"], ["publish"], ["deploy", "name"]])
def test_a_step_that_does_not_exist_prints_the_usage(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        commands.main(command)
    assert f"keyless {command[0]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "status", "says"),
    [
        (["publish", "name"], 1, "This runner has no AWS CLI"),
        (["publish", "before"], 1, "This runner has no AWS CLI"),
        (["publish", "after"], 1, "This runner has no AWS CLI"),
        (["diagnose"], 1, "The job has no permission to ask GitHub for a token"),
        (["deploy", "before"], 1, "service.json is missing, so the job does not know what to run"),
        (["deploy", "after"], 1, "service.json is missing, so the job does not know what to run"),
    ],
)
def test_a_step_needs_neither_pyyaml_nor_another_folder(
    root: Path, tmp_path: Path, command: list[str], status: int, says: str
) -> None:
    """GitHub's runners have PyYAML, others may not; BESIDE lets the step run anywhere."""
    shutil.copytree(Path(keyless.__file__).parent, root / paths.TOOL)
    start = "import runpy, sys; sys.modules['yaml'] = None; sys.argv = sys.argv[1:]"
    start += "; runpy.run_path(sys.argv[0], run_name='__main__')"
    known = {"ECR_REPOSITORY": "example-service", "IMAGE_TAG": "v1", "PATH": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-B", "-c", start, str(root / paths.TOOL), *command],
        cwd=tmp_path,
        env=without("ACTIONS_") | known,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (status, ""), done.stdout
    assert says in done.stdout


def test_infra_is_looked_for_where_it_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BESIDE", raising=False)
    assert job_environment.values_path() == "infra/terraform.tfvars.json"
    assert job_environment.infra_place() == "infra/"
    assert job_environment.bootstrap_command() == "make bootstrap"
    monkeypatch.setenv("BESIDE", str(root))  # a job of another repository runs the tool of this one
    assert job_environment.infra_place() == "infra/ of octo-org/example-service"
    assert job_environment.bootstrap_command() == "make bootstrap  # in octo-org/example-service"
    (root / ".cookiecutter.json").unlink()
    assert job_environment.infra_place() == "infra/ of another repository"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"written_by": "octo-org/central: make outputs"}, "infra/ of octo-org/central"),
        ({"written_by": 1}, "infra/ of another repository"),
        ({}, "infra/ of another repository"),
        ([], "infra/ of another repository"),
    ],
)
def test_without_infra_its_place_is_read_from_what_was_fetched(
    root: Path, content: object, place: str
) -> None:
    (root / paths.TFVARS).unlink()
    (root / paths.INFRA_JSON).write_text(json.dumps(content))
    assert job_environment.values_path() == "infra.json"
    assert job_environment.infra_place() == place
    assert job_environment.region_of_infra() == ""
