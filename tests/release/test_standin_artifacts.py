"""The stand-ins that hand images on: what each must refuse, as the original does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.standins import docker
from tests.standins.actions import artifacts
from tests.standins.runner import ACTIONS
from tests.support.layouts import layout

Act = Callable[..., str]


@pytest.fixture
def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Act:
    """Return a function that runs one of both actions; it returns the error, or nothing."""
    for name in ("GITHUB_OUTPUT", "GITHUB_ENV"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("STAND_IN_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))

    def run(action: str, number: int = 17, **given: str) -> str:
        declared = yaml.safe_load((ACTIONS / f"{action}-artifact/action.yml").read_text())["inputs"]
        inputs = {name: about.get("default", "") for name, about in declared.items()}
        inputs |= {name.replace("_", "-"): value for name, value in given.items()}
        monkeypatch.setenv("INPUTS", json.dumps(inputs))
        monkeypatch.setenv("GITHUB_RUN_ID", str(number))
        try:
            {"upload": artifacts.upload, "download": artifacts.download}[action]()
        except SystemExit:
            return capsys.readouterr().out
        return ""

    return run


def test_an_artifact_is_found_by_its_run_alone(act: Act, tmp_path: Path) -> None:
    (tmp_path / "made/inner").mkdir(parents=True)
    (tmp_path / "made/inner/file").write_text("text")
    assert act("upload", name="image-a", path="made") == ""
    assert act("download", pattern="image-*", path="got") == ""
    assert (tmp_path / "got/image-a/inner/file").read_text() == "text"
    assert act("download", name="image-a", path="alone") == ""
    assert (tmp_path / "alone/inner/file").read_text() == "text"
    assert act("download", pattern="image-*", path="other", number=18) == ""
    assert not (tmp_path / "other").exists()
    assert "Artifact not found for name: image-a" in act("download", name="image-a", number=18)


def test_a_name_is_used_once_in_a_run_unless_it_is_overwritten(act: Act, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made/one").touch()
    assert act("upload", name="image-a", path="made") == ""
    (tmp_path / "made/one").rename(tmp_path / "made/two")
    assert "(409) Conflict" in act("upload", name="image-a", path="made")
    assert act("upload", name="image-a", path="made", overwrite="true") == ""
    assert act("download", name="image-a", path="got") == ""
    assert [path.name for path in (tmp_path / "got").iterdir()] == ["two"]


def test_what_is_missing_is_a_warning_unless_it_must_be_there(act: Act, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made/.hidden").touch()
    assert act("upload", name="image-a", path="made") == ""
    error = act("upload", name="image-a", path="made", if_no_files_found="error")
    assert "No files were found with the provided path: made." in error


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"name": "a/b"}, "The artifact name is not valid"),
        ({"retention_days": "91"}, "Retention days must be between 1 and 90"),
        ({"include_hidden_files": "true"}, "does not know the input include-hidden-files"),
    ],
)
def test_inputs_that_the_original_refuses_or_nobody_follows_end_the_step(
    act: Act, tmp_path: Path, given: dict[str, str], error: str
) -> None:
    (tmp_path / "made").write_text("text")
    assert error in act("upload", **{"path": "made", **given})


# Buildx


def refused(*arguments: str) -> None:
    """Run the stand-in for docker; it must end with 1."""
    with pytest.raises(SystemExit) as ended:
        docker.create(docker.read([*arguments]))
    assert ended.value.code == 1


CREATE = ("buildx", "imagetools", "create")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["build", "."], "does not know: docker build ."),
        ([*CREATE, "--tag", "x", "example.com/image"], "knows no example.com/image"),
        ([*CREATE, "--annotation", "manifest:a=b", "LAYOUT@DIGEST"], "of the index only"),
        ([*CREATE, "oci-layout:///nowhere@DIGEST"], "could not read /nowhere/index.json"),
        ([*CREATE, "LAYOUT@sha256:1"], "content sha256:1: not found"),
        ([*CREATE, "--tag", "x.example/r:v1", "LAYOUT@DIGEST"], "no registry that the stand-in"),
    ],
)
def test_what_imagetools_refuses_or_nobody_follows_ends_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    error: str,
) -> None:
    monkeypatch.setenv("RUNNER_TEMP", str(tmp_path))
    known = {"LAYOUT": f"oci-layout://{tmp_path}/a", "DIGEST": layout(tmp_path / "a", "1", "amd64")}
    for word, text in known.items():
        arguments = [each.replace(word, text) for each in arguments]
    refused(*arguments)
    assert error in "".join(capsys.readouterr())
