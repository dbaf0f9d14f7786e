"""The answers: which are accepted, which are refused, and how."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pexpect
import pytest
from pytest_cookies.plugin import Cookies

from tests.conftest import Bake, Run, only_questions
from tests.standins.emulator import ROOT
from tests.support.combinations import questions
from tests.support.generating import contents, cookiecutter, copy_of_template, generated
from tests.support.project import Project

DEFAULTS = {
    "github_repository": "octo-org/example-service",
    "project_slug": "example-service",
    "aws_account_id": "111122223333",
    "aws_region": "us-east-1",
    "ecr_repository": "example-service",
    "deploy_on": "release",
    "github_environment": "",
    "second_tag": "commit",
    "platform": "linux/amd64",
    "oidc_provider": "create",
    "iac_tool": "terraform",
    "state_bucket": "",
    "deploy_to": "nothing",
}

ACCEPTED = [
    ("github_repository", "Octo-Org/Example.Service_2"),
    ("github_repository", "octo_corp/xy"),
    ("github_repository", "1-owner/_dashes-"),
    ("project_slug", "A.b_c-d"),
    ("project_slug", "x"),
    ("project_slug", "s" * 100),
    ("aws_account_id", "000000000001"),
    ("aws_region", "eu-central-1"),
    ("aws_region", "ap-southeast-4"),
    ("aws_region", "cn-northwest-1"),
    ("aws_region", "us-gov-west-1"),
    ("ecr_repository", "ab"),
    ("ecr_repository", "team-a/web.app__v2/x--y"),
    ("ecr_repository", "on"),
    ("ecr_repository", "null"),
    ("ecr_repository", "a" * 210),  # with the registry's host before it: 255 characters
]

REFUSED = [
    ("github_repository", "octo-org", "octo-org/example-service"),
    ("github_repository", "octo-org/x y", "octo-org/example-service"),
    ("github_repository", "https://github.com/octo-org/x", "octo-org/example-service"),
    ("github_repository", "octo-org/x.git", "octo-org/example-service"),
    ("github_repository", "octo-org/..", "octo-org/example-service"),
    ("github_repository", "-octo/x", "octo-org/example-service"),
    ("github_repository", "octo-org/x\n", "octo-org/example-service"),
    ("github_repository", "octo-org/" + "x" * 101, "octo-org/example-service"),
    ("github_repository", "octo-org/caf\u00e9", "octo-org/example-service"),
    ("github_repository", "octo-org/x*", "octo-org/example-service"),
    ("project_slug", "../x", "example-service"),
    ("project_slug", "/tmp/x", "example-service"),
    ("project_slug", ".", "example-service"),
    ("project_slug", "-x", "example-service"),
    ("project_slug", "x.", "example-service"),
    ("project_slug", "x y", "example-service"),
    ("project_slug", "", "example-service"),
    ("project_slug", "x';import os;'", "example-service"),
    ("project_slug", "\U0001f600", "example-service"),
    ("aws_account_id", "11112222333", "111122223333"),
    ("aws_account_id", "1111-2222-3333", "111122223333"),
    ("aws_account_id", "\u0661" * 12, "111122223333"),
    ("aws_region", "us-east1", "us-east-1"),
    ("aws_region", "US-EAST-1", "us-east-1"),
    ("aws_region", "us-east-1a", "us-east-1"),
    ("aws_region", "eusc-de-east-1", "eu-central-1"),
    ("ecr_repository", "My_App", "Use lowercase letters: my_app"),
    ("ecr_repository", "a", "2 to 256"),
    ("ecr_repository", "1app", "beginning with a letter"),
    ("ecr_repository", "a//b", "example-service"),
    ("ecr_repository", "a___b", "example-service"),
    ("ecr_repository", "a" * 257, "2 to 256"),
    ("ecr_repository", "a" * 211, "210 characters"),
    ("ecr_repository", "<<1/0>>", "plain value"),
    ("ecr_repository", "<% raw %>", "plain value"),
    ("ecr_repository", "x\n# % if", "plain value"),
]


def test_without_any_answer_the_defaults_are_used(bake: Bake) -> None:
    assert bake().answers == DEFAULTS


@pytest.mark.parametrize(("key", "value"), ACCEPTED, ids=lambda text: ascii(text)[:30])
def test_an_accepted_answer_comes_out_unchanged(bake: Bake, key: str, value: str) -> None:
    named = {"ecr_repository": "named-otherwise"} if key == "github_repository" else {}
    project = bake(**{key: value}, **named)
    assert project.answers[key] == value
    account = project.tfvars
    (slug, entry), *others = account["repositories"].items()
    flat = {**account, **entry, "project_slug": slug}
    assert flat[key] == value
    assert not others


def test_the_slug_and_the_ecr_repository_are_derived_from_the_repository(bake: Bake) -> None:
    project = bake(github_repository="Octo-Org/Web.App")
    assert project.path.name == "web.app"
    assert project.answers["ecr_repository"] == "web.app"


@pytest.mark.parametrize(("slug", "name"), [("web", "web-push"), ("s" * 100, "s" * 59 + "-push")])
def test_the_role_is_named_after_the_slug_and_cut_to_64_characters(
    bake: Bake, slug: str, name: str
) -> None:
    assert bake(project_slug=slug).tfvars["repositories"][slug]["role_name"] == name


@pytest.mark.parametrize(("key", "value", "instead"), REFUSED, ids=lambda text: ascii(text)[:30])
def test_a_wrong_answer_is_refused_in_one_line_and_nothing_is_left(
    tmp_path: Path, run: Run, key: str, value: str, instead: str
) -> None:
    output = tmp_path / "output"
    output.mkdir()
    status, printed = cookiecutter(tmp_path, run, "-o", str(output), f"{key}={value}")
    assert status == 1
    assert printed.count("\n") == 1
    assert printed.isascii()
    assert key in printed
    assert ascii(value)[1:50].rstrip("'") in printed
    assert instead in printed
    assert list(output.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "output"]


@pytest.mark.parametrize(
    ("answers", "instead"),
    [
        ("deploy_to=ecs-express iac_tool=none", "deploy_to: 'ecs-express' needs IAM roles"),
        ("deploy_to=app-runner aws_region=cn-north-1", "'app-runner' is not known to work in cn-"),
        ("deploy_to=ecs-express aws_region=us-gov-west-1", "is not known to work in us-gov-west-1"),
        (
            "deploy_to=app-runner platform=linux/arm64",
            "Use platform=linux/amd64, or deploy_to=ecs-express",
        ),
        (
            "deploy_to=app-runner platform=both",
            "Use platform=linux/amd64, or deploy_to=ecs-express",
        ),
        (
            "deploy_to=app-runner aws_region=eu-north-1",
            "Use deploy_to=ecs-express, or one of these regions: us-east-1",
        ),
        (
            "deploy_to=app-runner ecr_repository=a__b",
            "is not a repository name that App Runner accepts",
        ),
        ("iac_tool=none state_bucket=octo-org-terraform", "Leave it empty"),
    ],
)
def test_answers_that_do_not_fit_together_are_refused_in_one_line(
    tmp_path: Path, run: Run, answers: str, instead: str
) -> None:
    output = tmp_path / "output"
    output.mkdir()
    status, printed = cookiecutter(tmp_path, run, "-o", str(output), *answers.split())
    assert (status, printed.count("\n"), printed.isascii()) == (1, 1, True)
    assert instead in printed
    assert list(output.iterdir()) == []


@pytest.mark.parametrize(
    ("slug", "name"),
    [
        ("Web.App_2", "Web-App_2"),
        ("x", "x-service"),
        ("__", "service"),
        ("_a-b", "a-b-service"),
        ("s" * 100, "s" * 40),
    ],
)
def test_the_service_is_named_after_the_slug_as_ecs_and_app_runner_accept_it(
    bake: Bake, slug: str, name: str
) -> None:
    project = bake(project_slug=slug, deploy_to="ecs-express")
    assert json.loads((project.path / "service.json").read_text())["name"] == name


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("aws_regoin", "Did you mean aws_region?"),
        ("color", "Use one of: github_repository, project_slug"),
        ("__role_arn", "Use one of: github_repository, project_slug"),
    ],
)
def test_an_unknown_key_is_refused_in_one_line_and_nothing_is_left(
    tmp_path: Path, run: Run, key: str, instead: str
) -> None:
    status, printed = cookiecutter(tmp_path, run, f"{key}=value")
    assert (status, printed.count("\n")) == (1, 1)
    assert repr(key) in printed
    assert instead in printed
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize(
    ("before", "wrong", "after"),
    [
        (0, "octo-org", "Folder to create"),
        (0, "octo-org/x y", "Folder to create"),
        (1, "../x", "AWS account"),
        (2, "11112222333", "AWS region"),
        (3, "us-east1", "ECR repository, in"),
        (4, "My_App", "When is an image"),
    ],
)
def test_at_the_prompt_a_wrong_answer_ends_generation_before_the_next_question(
    tmp_path: Path, before: int, wrong: str, after: str
) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "cookiecutter", str(ROOT), "-o", str(tmp_path)],
        env={**os.environ, "HOME": str(tmp_path / "home"), "TERM": "dumb", "COLUMNS": "200"},
        encoding="utf-8",
        timeout=30,
    )
    for _ in range(before):
        child.expect(r"\): ")
        child.sendline("")
    child.expect(r"\): ")
    child.sendline(wrong)
    child.expect(pexpect.EOF)
    child.close()
    said = (child.before or "").strip().splitlines()
    assert child.exitstatus == 1
    assert repr(wrong) in said[-1]
    assert "Traceback" not in "".join(said)
    assert after not in "".join(said)
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_file_is_judged_like_the_command_line(tmp_path: Path, run: Run) -> None:
    config = tmp_path / "config.yml"
    for line, instead in (
        ("aws_region: us-east1", "us-east-1"),
        ("aws_region: '<<1/0>>'", "plain value"),
        ("aws_region: null", "quotes"),
        ("aws_region: [us-east-1]", "quotes"),
        ("aws_account_id: 111122223333", "quotes"),
        ("project_slug: 1.10", "quotes"),
        ("ecr_repository: on", "quotes"),
        ("__role_arn: admin", "Use one of"),
    ):
        config.write_text(f"default_context:\n  {line}\n")
        status, printed = cookiecutter(tmp_path, run, "--config-file", str(config))
        assert (status, printed.count("\n")) == (1, 1), printed
        assert line.split(":")[0] in printed
        assert instead in printed


def test_a_wrong_choice_in_a_configuration_file_is_refused(tmp_path: Path, run: Run) -> None:
    """Cookiecutter warns, drops the answers behind it and would go on with another account."""
    config = tmp_path / "config.yml"
    config.write_text('default_context: {deploy_on: Friday, aws_account_id: "999988887777"}\n')
    for typed in ([], ["deploy_on=release"]):
        status, printed = cookiecutter(tmp_path, run, "--config-file", str(config), *typed)
        assert status == 1
        last = printed.splitlines()[-1]
        assert (
            last
            == "deploy_on: 'Friday' is not one of the choices. Use one of: release, tag, branch"
        )


def test_an_answer_never_runs_as_a_template(tmp_path: Path, run: Run) -> None:
    """Jinja ends a line at a carriage return too, so a statement can begin behind one."""
    code = "cycler.__init__.__globals__.os.system('touch ran')"
    for value in (f"abc\r# %- set x = {code}", f"abc\n\t# % set x = {code}", f"<<{code}>>"):
        status, printed = cookiecutter(tmp_path, run, f"ecr_repository={value}")
        assert (status, printed.count("\n")) == (1, 1)
        assert "contains template syntax" in printed
    status, printed = cookiecutter(tmp_path, run, "-o", f"<<{code}>>")
    assert (status, printed.count("\n")) == (1, 1)
    assert not list(tmp_path.rglob("ran"))
    assert not list(ROOT.glob("*/ran"))


def test_a_replay_is_refused_because_it_bypasses_every_filter(tmp_path: Path, run: Run) -> None:
    assert cookiecutter(tmp_path, run, "-o", "first")[0] == 0
    replay = next((tmp_path / "home").rglob("*.json"))
    given = f"--replay-file={replay}"
    status, printed = cookiecutter(tmp_path, run, "-o", "second", given=given)
    assert (status, printed.count("\n")) == (1, 1)
    assert "--config-file .cookiecutter.json" in printed
    assert not (tmp_path / "second").exists()


def test_a_configuration_file_may_hold_answers_for_other_templates(
    tmp_path: Path, run: Run
) -> None:
    config = tmp_path / "config.yml"
    config.write_text("default_context:\n  full_name: Somebody\n  1: x\n")
    status, printed = cookiecutter(tmp_path, run, "--config-file", str(config))
    assert status == 0, printed


def test_a_wrong_choice_is_cookiecutters_own_error(tmp_path: Path, run: Run) -> None:
    status, printed = cookiecutter(tmp_path, run, "deploy_on=Friday")
    assert status == 1
    assert "Friday provided for choice variable deploy_on" in printed
    assert not (tmp_path / "example-service").exists()


def test_an_existing_folder_is_not_touched(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "example-service"
    folder.mkdir()
    (folder / "README.md").write_text("mine\n")
    status, printed = cookiecutter(tmp_path, run)
    assert status == 1
    assert "already exists" in printed
    assert [path.name for path in folder.iterdir()] == ["README.md"]
    assert (folder / "README.md").read_text() == "mine\n"


@pytest.mark.parametrize(
    "answers",
    [
        {"github_repository": "Octo-Org/Web.App", "aws_account_id": "000000000001"},
        {
            "github_environment": "\u00e9t\u00e9: #1 (it's)",
            "aws_region": "cn-north-1",
            "state_bucket": "null",
            "platform": "both",
            "iac_tool": "opentofu",
        },
    ],
    ids=["names", "everything else"],
)
def test_the_answers_file_generates_the_same_project_again(
    bake: Bake, tmp_path: Path, run: Run, answers: dict[str, str]
) -> None:
    project = bake(**answers)
    config = project.path / ".cookiecutter.json"
    status, printed = cookiecutter(tmp_path, run, "--config-file", str(config), "-o", "again")
    assert status == 0, printed
    again = tmp_path / "again" / project.path.name
    assert contents(again) == contents(project.path)


def test_the_template_generates_the_same_from_a_zip(bake: Bake, tmp_path: Path, run: Run) -> None:
    """It is unpacked into a folder of another name, which is gone afterwards."""
    copy = copy_of_template(tmp_path)
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, copy.name)
    shutil.rmtree(copy)
    status, printed = cookiecutter(tmp_path, run, "-o", "out", template=Path(packed))
    assert status == 0, printed
    unpacked = tmp_path / "out/example-service"
    assert generated(unpacked) == generated(bake().path)
    assert Project(unpacked).answers == bake().answers


def test_two_generations_are_byte_identical(cookies: Cookies) -> None:
    first, second = cookies.bake(), cookies.bake()
    assert contents(first.project_path) == contents(second.project_path)
    assert len(contents(first.project_path)) > 20


def test_every_question_and_every_choice_has_a_label() -> None:
    labels = json.loads((ROOT / "cookiecutter.json").read_text())["__prompts__"]
    assert list(labels) == list(questions())
    for key, choices in questions().items():
        if isinstance(choices, list):
            assert list(labels[key]) == ["__prompt__", *choices]
    assert not re.search(r"\[.*\]", " ".join(map(str, labels.values()))), "Rich swallows brackets"


def test_every_question_fits_80_columns() -> None:
    labels = json.loads((ROOT / "cookiecutter.json").read_text())["__prompts__"]
    for number, (key, label) in enumerate(labels.items(), 1):
        if isinstance(label, str):
            lines = [f"  [{number}/13] {label} ({DEFAULTS[key]}): "]
        else:
            first, *others = label.values()
            lines = [f"  [{number}/13] {first}", *(f"    1 - {each}" for each in others)]
        assert max(map(len, lines)) <= 80, lines


def test_a_test_that_answers_an_unknown_question_fails(bake: Bake) -> None:
    with pytest.raises(pytest.fail.Exception, match="aws_regoin"):
        bake(aws_regoin="us-east-1")
    with pytest.raises(pytest.fail.Exception, match="colour"):
        only_questions({"colour": "blue"})


def test_the_library_refuses_an_unknown_question_too(cookies: Cookies) -> None:
    result = cookies.bake(extra_context={"aws_regoin": "us-east-1"})
    assert "Did you mean aws_region?" in str(result.exception)
