"""The template's README and pages: their tables are compared with the code, their commands are run.

test_guide.py does the same for what the owner of a generated project reads, and test_docs.py for
links, names and the pages that `make docs` writes.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from keyless.rules import all_rules

from tests import rehearsal
from tests.conftest import Bake, Run
from tests.pictures import masked, stale
from tests.standins.emulator import ROOT, Emulator, without
from tests.standins.hub import Hub
from tests.support.combinations import questions
from tests.support.desk import Desk, at_terminal
from tests.support.pages import PAGES, README, TEMPLATE, block, blocks
from tests.support.project import Project, generate
from tests.support.publishing import published

TEMPLATE_FOLDER = ROOT / "<<cookiecutter.project_slug>>"


def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which cookiecutter keeps its notes in the test's folder."""
    config = tmp_path / "config.yml"
    config.write_text(f"replay_dir: {tmp_path / 'replay'}\n")
    return {**without("MAKE"), "COOKIECUTTER_CONFIG": str(config)}


def test_every_block_of_the_pages_is_run_by_a_test() -> None:
    found = {
        name: [each.splitlines()[0] for each in blocks(text)]
        for name, text in {**PAGES, "README": README}.items()
    }
    assert {name: lines for name, lines in found.items() if lines} == {
        "README": [f"uvx cookiecutter {TEMPLATE}"],
        "first-image": [
            f"uvx cookiecutter {TEMPLATE}",
            "python3 -m pip install 'cookiecutter>=2.6'",
            "cd example-service && make bootstrap",
            "make release VERSION=v0.2.0",  # tests/setup/test_release_command.py
        ],
        "rehearsal": ["make rehearse"],
        "from-access-keys": [
            "aws iam update-access-key --status Inactive --user-name USER --access-key-id ID"
        ],
        "existing-repository": [  # test_adoption.py
            f"uvx cookiecutter {TEMPLATE} -f -s project_slug=example-service",
            f"uvx cookiecutter {TEMPLATE} -f -s --no-input "
            "--config-file example-service/.cookiecutter.json",
        ],
        "environments-and-rulesets": [
            'make change SET="github_environment=production"'  # tests/updating
        ],
        "many-repositories": [
            "make add REPO=octo-org/web",  # tests/infra/test_many.py
            "make fetch FROM=octo-org/platform",  # tests/tool/test_services.py
        ],
        "update-and-change": [
            'make update PROJECT=../example-service ARGS="--from 3cea2b8"'  # tests/updating
        ],
        "troubleshooting": ["gh workflow run deploy.yml --ref v0.1.0"],
        "versions": [
            f"cookiecutter {TEMPLATE} --checkout v0.1.0",  # test_record.py
            'make update PROJECT=../example-service ARGS="--from 3cea2b8"',
        ],
    }
    steps = blocks(PAGES["first-image"])
    assert block(README, "uvx").splitlines() == [steps[0].strip(), steps[2].strip()]


def test_the_table_of_questions_says_what_cookiecutter_json_says() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", README, re.MULTILINE)
    assert [key for key, _, _ in rows] == list(questions())
    for key, default, decides in rows:
        choices = questions()[key]
        if isinstance(choices, list):
            named = re.findall(r"`([\w/-]+)`", decides)
            assert [name for name in named if name in choices] == choices, key
            assert default == f"`{choices[0]}`"
        elif "<<" in choices:
            assert default == "name of the repository"
        else:
            assert default == (f"`{choices}`" if choices else "empty")


def test_the_page_on_questions_says_what_cookiecutter_json_says() -> None:
    page = PAGES["questions"]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", page, re.MULTILINE)
    assert [key for key, _, _ in rows] == list(questions())
    for key, _, accepted in rows:
        choices = questions()[key]
        assert not isinstance(choices, list) or re.findall(r"`([\w/-]+)`: ", accepted) == choices


def test_the_settings_on_the_page_are_those_that_are_generated(bake: Bake) -> None:
    (shown,) = re.findall(
        r"<!-- service -->\n```json\n(.*?)```", PAGES["running-the-image"], re.DOTALL
    )
    assert shown == (bake(deploy_to="ecs-express").path / "service.json").read_text()


def test_the_number_of_rules_is_right() -> None:
    assert f"Its {len(all_rules())} rules" in README


def test_the_permissions_in_the_decision_are_those_that_are_granted(bake: Bake) -> None:
    """The decision counts what is granted; the table of the README names each."""
    decision = (ROOT / "docs/decisions/0001-deploy-with-the-aws-cli.md").read_text()
    ecs = "For ECS: seven ECS actions, all of them on the one service and its task definitions"
    assert f"{ecs}. For App Runner: seven of App Runner," in decision
    for target, prefix in (("ecs-express", "ecs:"), ("app-runner", "apprunner:")):
        text = (bake(deploy_to=target).path / "infra/service.tf").read_text()
        granted = set(re.findall(rf'"({prefix}[A-Z]\w+)"', text))
        assert len(granted) == 7, granted


def test_every_target_of_the_template_is_explained(run: Run) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    explained = set(re.findall(r"`make (\w+)", PAGES["how-it-is-built"]))
    assert targets - explained == {"help", "clean"}
    listed = set(re.findall(r"^  make (\w+)", run("make", cwd=ROOT).stdout, re.MULTILINE))
    assert listed == targets


def test_the_files_that_the_pages_name_exist(bake: Bake) -> None:
    table = re.findall(r"^\| (`.*?) \|", README.partition("## What you get")[2], re.MULTILINE)
    names = [name for cell in table for name in re.findall(r"`([\w./-]*[./A-Z][\w./-]*)`", cell)]
    kinds = [bake().path, *(bake(deploy_to=each).path for each in questions()["deploy_to"][1:])]
    assert len(names) > 8
    assert [name for name in names if not any((path / name).exists() for path in kinds)] == []
    tree = block_of(PAGES["how-it-is-built"], "cookiecutter.json ")
    for line in tree.splitlines():
        assert (ROOT / line.split()[0]).exists(), line
    for folder in {path.parent for path in (ROOT / "tests").glob("*/__init__.py")}:
        assert f"\n{folder.relative_to(ROOT).as_posix()}/ " in tree


def block_of(text: str, start: str) -> str:
    """Return the one text block of a page that begins with some words."""
    found = re.findall(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (only,) = [each for each in found if each.startswith(start)]
    return str(only)


@pytest.mark.parametrize("form", ["uvx", "pipx run"])
def test_the_first_command_works_with_nothing_installed(
    tmp_path: Path, run: Run, form: str
) -> None:
    (command,) = set(re.findall(rf"{form} cookiecutter {TEMPLATE}", PAGES["first-image"]))
    words = [str(ROOT) if word == TEMPLATE else word for word in shlex.split(command)]
    done = run(*words, "--no-input", cwd=tmp_path, env=environment(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "workflow and role agree on who can publish" in done.stdout
    assert (tmp_path / "example-service/infra/terraform.tfvars.json").exists()


@pytest.mark.slow
def test_the_template_works_with_cookiecutter_from_pip_in_any_folder(
    tmp_path: Path, run: Run
) -> None:
    commands = block(PAGES["first-image"], "python3 -m pip install").replace(
        TEMPLATE, f"{ROOT} --no-input"
    )
    done = run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    given = environment(tmp_path)
    path = f"{tmp_path / 'venv/bin'}:/usr/bin:/bin"
    done = run("bash", "-euc", commands, cwd=tmp_path, env={**given, "PATH": path})
    assert done.returncode == 0, done.stdout
    assert "actionlint (not on PATH)" in done.stdout
    assert (tmp_path / "example-service/README.md").exists()


def test_make_new_asks_the_questions_and_passes_answers_on(tmp_path: Path) -> None:
    (command,) = re.findall(r'`(make new OUT=\.\. ARGS="deploy_on=branch")`', PAGES["first-image"])
    words = [word.replace("OUT=..", f"OUT={tmp_path}") for word in shlex.split(command)]
    # Without a terminal every question ends in the default.
    given = environment(tmp_path)
    done = subprocess.run(
        words, cwd=ROOT, env=given, input="\n" * len(questions()), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GitHub repository, owner/name" in done.stdout
    assert Project(tmp_path / "example-service").answers["deploy_on"] == "branch"


def test_the_quick_start_is_two_actions_that_lead_to_the_first_image_as_typed(
    tmp_path: Path, emulator: Emulator
) -> None:
    quick = block(README, f"uvx cookiecutter {TEMPLATE}\n")
    generation, set_up = quick.splitlines()
    generation = generation.replace(TEMPLATE, f"{shlex.quote(str(ROOT))} --no-input")
    desk = Desk(generate(tmp_path, []), emulator, Hub(tmp_path / "hub"))
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    commands = "\n".join([generation, set_up, block(PAGES["troubleshooting"], "gh workflow run")])
    given = {**without("MAKE"), **environment(tmp_path), **desk.environment()}
    ended = at_terminal(
        ["bash", "-euc", commands], folder, given, {'Type "yes" to continue: ': "yes"}
    )
    assert ended.status == 0, ended.out
    (shown,) = re.findall(
        r"<!-- bootstrap -->\n```text\n(.*?)\n```", PAGES["first-image"], re.DOTALL
    )
    assert shown in ended.out, ended.out
    assert "Apply complete! Resources: 5 added" in ended.out
    project = Project(folder / "example-service")
    head = Desk(project, emulator, desk.hub).git("rev-parse", "HEAD")
    before, last, _ = ended.out.partition(published("v0.1.0", head))
    assert last, ended.out
    picture = stale(
        "bootstrap", masked("$ make bootstrap" + before[before.index("\n 1. ") :] + last)
    )
    assert not picture, picture
    assert desk.hub.calls()[-1] == "gh workflow run deploy.yml --ref v0.1.0"
    bare = f"--git-dir={desk.hub.bare('octo-org/example-service')}"
    pushed = ["git", bare, "ls-tree", "-r", "--name-only", "main"]
    listed = subprocess.run(pushed, capture_output=True, text=True, check=True).stdout.split()
    assert "infra/.terraform.lock.hcl" in listed
    assert ".github/workflows/deploy.yml" in listed
    assert "infra/terraform.tfstate" not in listed
    answers = {"to destroy it: ": project.key, "to delete it: ": "no"}
    ended = at_terminal(["make", "destroy"], project.path, given, answers)
    assert "0 added, 0 changed, 4 destroyed." in ended.out
    assert emulator.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]


def test_the_keys_are_removed_as_the_page_says_and_doctor_reports_it(ready: Desk) -> None:
    name = ready.entry["github_repository"]
    iam = ready.emulator.client("iam")
    iam.create_user(UserName="deployer")
    key = iam.create_access_key(UserName="deployer")["AccessKey"]["AccessKeyId"]
    ready.hub.change(name, secrets=["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "OTHER"])
    assert ready.doctor().out.count("wrong    keys ") == 2
    commands = block(PAGES["from-access-keys"], "aws iam update-access-key").replace(
        " USER", " deployer"
    )
    commands = commands.replace(" ID", f" {key}").replace("OWNER/NAME", name)
    ended = ready.run("bash", "-euc", commands, AWS_DEFAULT_REGION="us-east-1")
    assert ended.status == 0, ended.out
    assert iam.list_access_keys(UserName="deployer")["AccessKeyMetadata"] == []
    assert ready.hub.repository(name)["secrets"] == ["OTHER"]
    assert "ok       keys         no AWS key is stored" in ready.doctor().out


@pytest.mark.slow
def test_the_page_shows_the_real_output_of_the_rehearsal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (shown,) = re.findall(r"<!-- rehearsal -->\n```text\n(.*?)```", PAGES["rehearsal"], re.DOTALL)
    assert rehearsal.main([]) == 0
    assert changing(capsys.readouterr().out) == changing(shown)


def changing(text: str) -> str:
    """Return the rehearsal's output without its times, its port, and what a commit changes."""
    times = r"^ *\d+\.\d s|127\.0\.0\.1:\d+"
    return re.sub(times + r"|\b[0-9a-f]{40}\b|\b[0-9a-f]{64}\b", "#", text, flags=re.MULTILINE)
