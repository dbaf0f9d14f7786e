"""Doctor's line about the template: which version this is, and what is newer. Git is real."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from keyless.setup import doctor
from keyless.setup.health import template as concern
from keyless.setup.health.patient import Line

ADDRESS = "https://github.com/octo-org/cookiecutter-github-oidc-ecr"
CHANGELOG = """\
# Changelog

## 0.3.0 - 2027-02-01

- `make doctor` reports an image that nobody pulls.

## 0.2.0 - 2027-01-01

- Images of a deleted branch expire.

## 0.1.0 - 2026-11-28

The first version.
"""
NAMES = "<<cookiecutter.project_slug>>/.github/keyless/VERSION", "CHANGELOG.md", "cookiecutter.json"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Publish three versions of a small template at an address; return their commits."""
    folder = tmp_path / "published"
    folder.mkdir()
    for number, (name, value) in enumerate(
        {
            f"url.{folder}.insteadOf": ADDRESS,
            "user.name": "An Author",
            "user.email": "author@example.org",
        }.items()
    ):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "3")

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "--quiet")
    commits = []
    for number in (1, 2, 3):
        older = CHANGELOG[CHANGELOG.index(f"## 0.{number}.0") :]
        for name, text in zip(
            NAMES, (f"0.{number}.0\n", f"# Changelog\n\n{older}", "{}"), strict=True
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        git("add", "--all")
        git("commit", "--quiet", "--message", f"0.{number}.0")
        git("tag", f"v0.{number}.0")
        commits.append(git("rev-parse", "HEAD"))
    return commits


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Line]:
    """Return what gives doctor's line for what .cookiecutter.json records of the template."""

    def look(**recorded: object) -> Line:
        root = tmp_path / "project"
        root.mkdir(exist_ok=True)
        whole = {"default_context": {"project_slug": "project"}, "template": recorded}
        (root / ".cookiecutter.json").write_text(json.dumps(whole))
        monkeypatch.setattr(concern, "ROOT", root)
        (line,) = doctor._ask(concern.template, None)  # type: ignore[arg-type]
        return line

    return look


def test_the_newest_version_is_ok(published: list[str], looked: Callable[..., Line]) -> None:
    line = looked(source=ADDRESS, version="0.3.0", commit=published[2])
    assert (line.state.name, line.text, line.commands) == (
        "OK",
        "this is version 0.3.0, the newest",
        (),
    )


def test_a_newer_version_is_a_warning_that_quotes_the_changelog(
    published: list[str], looked: Callable[..., Line]
) -> None:
    line = looked(source=ADDRESS, version="0.1.0", commit=published[0])
    assert line.state.name == "WARNING"
    assert line.commands == ("make update",)
    assert (
        line.text
        == """\
this is version 0.1.0, and 0.3.0 is available:
0.3.0 - 2027-02-01
- `make doctor` reports an image that nobody pulls.
0.2.0 - 2027-01-01
- Images of a deleted branch expire."""
    )
    one = looked(source=ADDRESS, version="0.2.0", commit=published[1])
    assert one.text.splitlines() == line.text.replace("0.1.0", "0.2.0").splitlines()[:3]


def test_a_project_from_a_zip_knows_only_its_version(
    published: list[str], looked: Callable[..., Line]
) -> None:
    """Its commit is that of the tag."""
    assert published
    line = looked(source=ADDRESS, version="0.2.0", commit=None)
    assert line.text.startswith("this is version 0.2.0, and 0.3.0 is available:")


def test_a_template_that_cannot_be_fetched_is_unknown_with_the_error_of_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked: Callable[..., Line]
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{tmp_path}/gone.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", ADDRESS)
    line = looked(source=ADDRESS, version="0.1.0", commit="0" * 40)
    assert line.state.name == "UNKNOWN"
    assert "cannot be fetched" in line.text
    assert "gone' does not " in line.text
    assert line.commands == (f"git ls-remote {ADDRESS} HEAD",)


def test_a_commit_that_the_template_does_not_have_is_unknown(
    published: list[str], looked: Callable[..., Line]
) -> None:
    assert published
    line = looked(source=ADDRESS, version="0.1.0", commit="0" * 40)
    assert line.state.name == "UNKNOWN"
    assert "rewritten" in line.text
    assert line.commands[0].endswith('ARGS="--from v0.1.0"')


def test_a_record_with_an_invalid_address_is_wrong(looked: Callable[..., Line]) -> None:
    line = looked(source="ext::sh -c true", version="0.1.0", commit=None)
    assert line.state.name == "WRONG"


def test_without_an_address_newer_versions_are_unknown_which_is_only_a_warning(
    looked: Callable[..., Line],
) -> None:
    line = looked(source=None, version="0.1.0", commit=None)
    assert line.state.name == "WARNING"
    assert "is not recorded" in line.text
