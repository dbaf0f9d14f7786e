"""Answers of strangers: each is refused in one line, with nothing created, or comes out unchanged.

Every value below is given to every free question in three ways: as key=value, in a configuration
file, and at the prompt. What is not named in TAKEN must be refused.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import hcl2
import pexpect
import pytest
import yaml
from click.testing import CliRunner
from cookiecutter.cli import main

from tests.conftest import Run
from tests.standins.emulator import ROOT
from tests.support.combinations import FREE, questions
from tests.support.generating import cookiecutter
from tests.support.hostile import TAKEN, VALUES
from tests.support.project import Project

# These are questions of one choice; what is no choice is cookiecutter's own affair at the prompt.
CHOICES = [key for key, item in questions().items() if isinstance(item, list)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in; what cookiecutter keeps is kept beside it."""
    kept = tmp_path / "kept.yml"
    kept.write_text(f"replay_dir: {json.dumps(str(tmp_path / 'replay'))}\n")
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    return working


def generate(folder: Path, way: str, key: str, value: str) -> tuple[int, str]:
    """Give one answer in one way; return exit status and what was printed."""
    config = folder.parent / "config.yml"
    kept = (folder.parent / "kept.yml").read_text()
    more = {"default_context": {key: value}} if way == "file" else {}
    config.write_text(kept + (yaml.safe_dump(more) if more else ""))
    # What the hook judges it judges once, at the prompt: the files are the same in each way.
    hooks = "yes" if way == "prompt" else "no"
    arguments = [str(ROOT), "--config-file", str(config), "--accept-hooks", hooks]
    typed = None
    if way == "prompt":
        asked = list(questions())
        typed = "\n" * asked.index(key) + value + "\n" * (len(asked) + 3)
    elif way == "key=value":
        arguments += ["--no-input", f"{key}={value}"]
    else:
        arguments.append("--no-input")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cookiecutter's, of a wrong choice in a file
        done = CliRunner().invoke(main, arguments, input=typed)
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done.exit_code, done.output


def test_there_are_more_than_two_hundred_hostile_answers() -> None:
    assert len(VALUES) == len(set(VALUES)) >= 120
    assert set(TAKEN) == set(FREE)
    assert len(VALUES) * len(FREE) >= 800
    assert set().union(*TAKEN.values()) <= set(VALUES)


@pytest.mark.parametrize("way", ["key=value", "file", "prompt"])
@pytest.mark.parametrize("key", FREE)
@pytest.mark.slow
def test_each_hostile_answer_is_refused_or_comes_out_unchanged(
    folder: Path, key: str, way: str, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong: list[tuple[object, ...]] = []
    for value in VALUES:
        given = value
        if way == "prompt":  # a line ends the answer, and Rich strips it; an empty one is none
            given = value.strip()
            if re.search(r"[\n\r]", value) or (not given and key in ("github_environment",)):
                continue
        if not given and key == "state_bucket":
            continue
        status, printed = generate(folder, way, key, value)
        taken = given in TAKEN[key]
        created = [path.name for path in folder.iterdir()]
        said = printed.strip().splitlines()[-1:]
        line = said[0] if said else ""
        if status != (0 if taken else 1) or bool(created) is not taken or "Traceback" in printed:
            wrong.append((value, status, created, line))
        elif not taken and not (line.isascii() and is_shown(key, given, line)):
            wrong.append((value, "says", line))
        elif not taken and way != "prompt" and printed.count("\n") != 1:
            wrong.append((value, "lines", printed))
        if taken and created:
            project = Project(folder / created[0])
            if unchanged(project, key, value.strip() if way == "prompt" else value) is not True:
                wrong.append((value, "changed", unchanged(project, key, value)))
            remove(project.path)
    assert not wrong, "\n".join(map(repr, wrong))
    assert "Traceback" not in capfd.readouterr().err
    assert not list(folder.parent.rglob("ran"))


def is_shown(key: str, value: str, line: str) -> bool:
    """Tell whether a message names key and value; Jinja turns a carriage return into a \\n."""
    forms = [ascii(each)[1:40].rstrip("'\"") for each in (value, value.replace("\r", "\n"))]
    return key in line and any(form in line for form in forms)


def unchanged(project: Project, key: str, value: str) -> Any:
    """Tell whether a value stands as it was given wherever it goes, in files that parse."""
    values = project.tfvars
    ((slug, entry),) = values["repositories"].items()
    texts = {path: (project.path / path).read_text() for path in (DEPLOY, "README.md")}
    job = yaml.safe_load(texts[DEPLOY])["jobs"]["publish"]
    with_ = next(each["with"] for each in job["steps"] if each.get("id") == "role")
    found = {
        "github_repository": [entry["github_repository"]],
        "project_slug": [slug, project.path.name],
        "aws_account_id": [values["aws_account_id"], with_["allowed-account-ids"]],
        "aws_region": [values["aws_region"], with_["aws-region"]],
        "ecr_repository": [entry["ecr_repository"], job["env"]["ECR_REPOSITORY"]],
        "github_environment": [entry["environment"], job.get("environment")],
        "state_bucket": [bucket(project)],
    }[key]
    found.append(project.answers[key])
    return {*found} == {value} or found


DEPLOY = ".github/workflows/deploy.yml"


def bucket(project: Project) -> str:
    """Return the bucket of the backend, empty without one."""
    file = project.path / "infra/backend.tf"
    if not file.exists():
        return ""
    (terraform,) = hcl2.loads(file.read_text())["terraform"]
    name: str = terraform["backend"][0]['"s3"']["bucket"]
    return name.strip('"')


def remove(path: Path) -> None:
    """Remove a project."""
    import shutil

    shutil.rmtree(path)


@pytest.mark.parametrize("key", CHOICES)
def test_a_wrong_choice_in_a_file_is_refused_in_one_line(folder: Path, key: str) -> None:
    for value in ("Friday", "", "\U0001f600", "a\nb", "<<1>>", "no", "a" * 4096):
        status, printed = generate(folder, "file", key, value)
        line = printed.strip().splitlines()[-1]
        assert status == 1
        assert line.startswith(f"{key}: {ascii(value)[:40].rstrip(chr(39))}"), line
        assert not list(folder.iterdir())


TRIES = [  # what somebody who is new types at the prompt, and what the one line says to type
    ("github_repository", "example-service", "owner"),
    (
        "github_repository",
        "https://github.com/octo-org/example-service",
        "octo-org/example-service",
    ),
    ("github_repository", "octo-org/example-service.git", "octo-org/example-service"),
    ("project_slug", "My Service", "example-service"),
    ("aws_account_id", "1111-2222-3333", "111122223333"),
    ("aws_account_id", "my-account", "aws sts get-caller-identity"),
    ("aws_region", "Frankfurt", "us-east-1"),
    ("aws_region", "eu-central-1a", "us-east-1"),
    ("ecr_repository", "Example-Service", "Use lowercase letters: example-service"),
    ("github_environment", "prod*", "for example production"),
    ("state_bucket", "s3://octo-org-terraform/state", "octo-org-terraform"),
    ("state_bucket", "Octo_Org", "octo-org-terraform"),
]


@pytest.mark.parametrize(("key", "value", "instead"), TRIES, ids=lambda text: text[:20])
def test_a_wrong_answer_at_the_prompt_is_refused_in_one_line(
    tmp_path: Path, key: str, value: str, instead: str
) -> None:
    """At a real terminal, by the program itself."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "cookiecutter", str(ROOT), "-o", str(tmp_path / "out")],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TERM": "dumb", "COLUMNS": "300"},
        encoding="utf-8",
        timeout=30,
        dimensions=(50, 300),
    )
    for each in questions():
        child.expect(r"\): ")
        if each == key:
            break
        child.sendline("")
    child.sendline(value)
    child.expect(pexpect.EOF)
    child.close()
    said = (child.before or "").strip().splitlines()
    assert child.exitstatus == 1
    assert len(said) == 2, said  # what was typed, and the answer
    assert said[1].startswith(f"{key}: {value!r}")
    assert instead in said[1]
    assert not (tmp_path / "out").exists()


def test_a_value_for_a_setting_of_cookiecutter_creates_nothing(tmp_path: Path, run: Run) -> None:
    for given in ("_extensions=os", "_jinja2_env_vars=x", "_template=x", "__aws_provider=9"):
        status, _ = cookiecutter(tmp_path, run, given)
        assert status == 1, given
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_file_in_the_place_of_a_folder_is_reported_in_one_line(tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").write_text("mine\n")
    (tmp_path / "example-service").write_text("mine\n")
    for given, says in (
        (("-o", str(tmp_path / "file")), "output folder: "),
        (("-o", str(tmp_path / "file/below")), "cannot be written to. Choose another folder"),
        ((), "project_slug: 'example-service' exists and is not a folder"),
        (("-f", "-s"), "project_slug: 'example-service' exists and is not a folder"),
    ):
        status, printed = cookiecutter(tmp_path, run, *given)
        assert (status, printed.count("\n")) == (1, 1), printed
        assert says in printed
    assert (tmp_path / "example-service").read_text() == "mine\n"
