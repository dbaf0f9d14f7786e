"""The README: its tables are held against the code, its commands are run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests import rehearsal
from tests.combinations import questions
from tests.conftest import Bake, Run
from tests.desk import Desk, at_terminal
from tests.emulator import ROOT, Emulator, without
from tests.hub import Hub
from tests.project import Project, generate
from tests.test_hook import hook

README = (ROOT / "README.md").read_text()
TEMPLATE_FOLDER = ROOT / "<<cookiecutter.project_slug>>"
TEMPLATE = "gh:ORG/cookiecutter-github-oidc-ecr"


def blocks(text: str) -> list[str]:
    """Return the shell blocks of a Markdown text, without their indentation."""
    found = re.findall(r"^( *)```sh\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def block(start: str) -> str:
    """Return the one shell block of the README that begins with a text."""
    (found,) = [block for block in blocks(README) if block.startswith(start)]
    return found


def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which cookiecutter keeps its notes in the test's folder."""
    config = tmp_path / "config.yml"
    config.write_text(f"replay_dir: {tmp_path / 'replay'}\n")
    return {**without("MAKE"), "COOKIECUTTER_CONFIG": str(config)}


def test_every_block_of_the_readme_is_run_by_a_test_here() -> None:
    assert [block.splitlines()[0] for block in blocks(README)] == [
        f"uvx cookiecutter {TEMPLATE}",
        "python3 -m pip install cookiecutter",
        "make add REPO=octo-org/web",  # test_many.py, as the two of the next block
        "make fetch FROM=octo-org/platform",  # test_services.py
        f"uvx cookiecutter {TEMPLATE} -f -s project_slug=example-service",  # test_adoption.py
        f"uvx cookiecutter {TEMPLATE} -f -s --no-input "
        "--config-file example-service/.cookiecutter.json",  # the same
        "aws iam update-access-key --status Inactive --user-name USER --access-key-id ID",
        "gh workflow run deploy.yml --ref v0.1.0",
        "make rehearse",
        "make test",
    ]


def test_the_table_of_questions_says_what_cookiecutter_json_says() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", README, re.MULTILINE)
    assert [key for key, _, _ in rows] == list(questions())
    for key, default, accepted in rows:
        choices = questions()[key]
        if isinstance(choices, list):
            assert re.findall(r"`([\w/-]+)`: ", accepted) == choices, key
            assert default == f"`{choices[0]}`"
        elif "<<" in choices:
            assert "name part" in default
        else:
            assert default == (f"`{choices}`" if choices else "empty")


def test_the_settings_that_it_shows_are_those_that_are_generated(bake: Bake) -> None:
    (shown,) = re.findall(r"<!-- service -->\n```json\n(.*?)```", README, re.DOTALL)
    project = bake(deploy_to="ecs-express")
    assert shown == (project.path / "service.json").read_text()
    guide = (project.path / "README.md").read_text()
    table = (
        guide.partition("## The service\n")[2].partition("| setting | |")[2].partition("\n\n")[0]
    )
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(
        {*json.loads(shown)} - {"deploy_to"}
    )


def test_what_it_says_of_permissions_is_what_is_granted(bake: Bake) -> None:
    """The decision counts what is granted; the table of the README names each."""
    decision = (ROOT / "docs/decisions/0001-deploy-with-the-aws-cli.md").read_text()
    assert "seven ECS actions, six of them on the one service; or seven of App" in decision
    for target, prefix in (("ecs-express", "ecs:"), ("app-runner", "apprunner:")):
        text = (bake(deploy_to=target).path / "infra/service.tf").read_text()
        granted = set(re.findall(rf'"({prefix}[A-Z]\w+)"', text))
        assert len(granted) == 7, granted


def test_the_targets_it_names_exist_and_every_target_is_named(run: Run) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"`?make (\w+)", README))
    generated = (TEMPLATE_FOLDER / "Makefile").read_text()
    theirs = {"bootstrap", "destroy", "doctor", "explain", "plan", "add", "remove", "move"}
    theirs |= {"fetch", "caller"}
    assert named - targets == theirs
    assert all(f"\n{target}: " in generated for target in named - targets)
    assert targets - named == {"help", "lint", "clean"}
    listed = set(re.findall(r"^  make (\w+)", run("make", cwd=ROOT).stdout, re.MULTILINE))
    assert listed == targets


def test_the_files_it_names_are_there(bake: Bake) -> None:
    (table,) = re.findall(r"## What is generated\n(.*?)\n\n`", README, re.DOTALL)
    generated = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    names = [name for cell in generated for name in re.findall(r"`(.*?)`", cell)]
    assert len(names) > 8
    kinds = [bake().path, *(bake(deploy_to=each).path for each in questions()["deploy_to"][1:])]
    missing = [name for name in names if not any((path / name).exists() for path in kinds)]
    assert {name for name in missing if "/" in name or name.endswith(".json")} == set()
    assert [name for name in missing if not any(path.rglob(name) for path in kinds)] == []
    (tree,) = re.findall(r"```text\n(cookiecutter\.json .*?)```", README, re.DOTALL)
    for line in tree.splitlines():
        assert (ROOT / line.split()[0]).exists(), line


@pytest.mark.parametrize("form", ["uvx", "pipx run"])
def test_it_runs_with_nothing_installed(tmp_path: Path, run: Run, form: str) -> None:
    (command,) = set(re.findall(rf"{form} cookiecutter {TEMPLATE}", README))
    words = [str(ROOT) if word == TEMPLATE else word for word in shlex.split(command)]
    done = run(*words, "--no-input", cwd=tmp_path, env=environment(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "workflow and role agree on who may publish" in done.stdout
    assert (tmp_path / "example-service/infra/terraform.tfvars.json").exists()


def test_it_runs_with_cookiecutter_from_pip_in_any_folder(tmp_path: Path, run: Run) -> None:
    commands = block("python3 -m pip install").replace(TEMPLATE, f"{ROOT} --no-input")
    done = run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    given = environment(tmp_path)
    path = f"{tmp_path / 'venv/bin'}:/usr/bin:/bin"
    done = run("bash", "-euc", commands, cwd=tmp_path, env={**given, "PATH": path})
    assert done.returncode == 0, done.stdout
    assert "actionlint (not on PATH)" in done.stdout
    assert (tmp_path / "example-service/README.md").exists()


def test_make_new_asks_the_questions_and_passes_answers_on(tmp_path: Path) -> None:
    (command,) = re.findall(r'`(make new OUT=\.\. ARGS="deploy_on=branch")`', README)
    words = [word.replace("OUT=..", f"OUT={tmp_path}") for word in shlex.split(command)]
    # Without a terminal every question ends in the default.
    given = environment(tmp_path)
    done = subprocess.run(
        words, cwd=ROOT, env=given, input="\n" * len(questions()), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GitHub repository, owner/name" in done.stdout
    assert Project(tmp_path / "example-service").answers["deploy_on"] == "branch"


def test_the_quick_start_is_three_actions_that_work_as_typed(
    tmp_path: Path, emulator: Emulator
) -> None:
    quick = block(f"uvx cookiecutter {TEMPLATE}\n")
    generation, set_up, release = quick.splitlines()
    generation = generation.replace(TEMPLATE, f"{shlex.quote(str(ROOT))} --no-input")
    desk = Desk(generate(tmp_path, []), emulator, Hub(tmp_path / "hub"))
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    commands = "\n".join([generation, set_up, release, block("gh workflow run")])
    given = {**without("MAKE"), **environment(tmp_path), **desk.environment()}
    ended = at_terminal(["bash", "-euc", commands], folder, given, {'Only "yes" does: ': "yes"})
    assert ended.status == 0, ended.out
    (shown,) = re.findall(r"<!-- bootstrap -->\n```text\n(.*?)\n```", README, re.DOTALL)
    assert shown in ended.out, ended.out
    assert "Apply complete! Resources: 5 added" in ended.out
    assert "The first image:\n  gh release create v0.1.0 --generate-notes\n" in ended.out
    assert desk.hub.calls()[-2:] == [
        "gh release create v0.1.0 --generate-notes",
        "gh workflow run deploy.yml --ref v0.1.0",
    ]
    bare = f"--git-dir={desk.hub.bare('octo-org/example-service')}"
    pushed = ["git", bare, "ls-tree", "-r", "--name-only", "main"]
    listed = subprocess.run(pushed, capture_output=True, text=True, check=True).stdout.split()
    assert "infra/.terraform.lock.hcl" in listed
    assert ".github/workflows/deploy.yml" in listed
    assert "infra/terraform.tfstate" not in listed
    project = Project(folder / "example-service")
    answers = {"to destroy it: ": project.key, "does: ": "no"}
    ended = at_terminal(["make", "destroy"], project.path, given, answers)
    assert "0 added, 0 changed, 4 destroyed." in ended.out
    assert emulator.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]


@pytest.mark.parametrize("deploy_on", ["release", "tag", "branch"])
def test_what_is_printed_at_the_end_leads_to_the_first_image(
    bake: Bake, tmp_path: Path, deploy_on: str
) -> None:
    project = bake(deploy_on=deploy_on)
    printed = hook(project, tmp_path, deploy_on=deploy_on).stdout.partition("Next:\n")[2]
    lines = [re.sub("  +#.*", "", line.strip()) for line in printed.splitlines()]
    quick = block(f"uvx cookiecutter {TEMPLATE}\n").splitlines()
    written = blocks((project.path / "README.md").read_text())
    assert lines[0] == quick[1] == f"cd example-service && {written[0].strip()}"
    releases = {"release": quick[2], "tag": "git tag v0.1.0 && git push origin v0.1.0"}
    if deploy_on == "branch":
        assert (
            lines[1] == "Its push to main publishes the first image, and so does every later one."
        )
    else:
        assert lines[1] == written[1].strip() == releases[deploy_on]
    assert lines[2:] == ["", "README.md explains each step."]
    assert len(quick) == 3
    start = "main" if deploy_on == "branch" else "v0.1.0"
    assert f"gh workflow run deploy.yml --ref {start}\n" in written
    makefile = (project.path / "Makefile").read_text()
    named = {line for each in written for line in each.splitlines() if line.startswith("make ")}
    asked = {"make bootstrap", "make doctor", "make destroy"}
    more = {"make add REPO=OWNER/NAME", "make add FILE=list.txt", "make remove REPO=OWNER/NAME"}
    assert named == asked | more  # test_entries.py runs the others
    assert all(f"\n{line.split()[1]}: .venv" in makefile for line in named)


def test_the_keys_go_as_the_readme_says_and_doctor_sees_it(ready: Desk) -> None:
    name = ready.entry["github_repository"]
    iam = ready.emulator.client("iam")
    iam.create_user(UserName="deployer")
    key = iam.create_access_key(UserName="deployer")["AccessKey"]["AccessKeyId"]
    ready.hub.change(name, secrets=["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "OTHER"])
    assert ready.bootstrap("doctor").out.count("--  keys ") == 2
    commands = block("aws iam update-access-key").replace(" USER", " deployer")
    commands = commands.replace(" ID", f" {key}").replace("OWNER/NAME", name)
    ended = ready.run("bash", "-euc", commands, AWS_DEFAULT_REGION="us-east-1")
    assert ended.status == 0, ended.out
    assert iam.list_access_keys(UserName="deployer")["AccessKeyMetadata"] == []
    assert ready.hub.repository(name)["secrets"] == ["OTHER"]
    assert "ok  keys         no AWS key is stored" in ready.bootstrap("doctor").out


def test_the_provider_is_let_go_of_and_taken_over_as_the_generated_readme_says(
    tmp_path: Path, emulator: Emulator
) -> None:
    project = generate(tmp_path, [])
    project.know_subject("repo:octo-org@123456/example-service@456789")
    project.terraform("init", "-input=false")
    project.terraform("apply", "-auto-approve", "-input=false", emulator=emulator)
    text = (project.path / "README.md").read_text()
    (let_go,) = re.findall(r"`(terraform -chdir=infra state rm [^`]*)`", text)
    (take_over,) = re.findall(r"`(terraform -chdir=infra import [^`]*)`", text)
    tfvars = project.path / "infra/terraform.tfvars.json"
    created = tfvars.read_text()
    looked_up = created.replace('provider": true', 'provider": false')
    for command, before, after in ((let_go, created, looked_up), (take_over, created, created)):
        tfvars.write_text(before)
        run = ["bash", "-euc", command]
        subprocess.run(run, cwd=project.path, env=emulator.environment(), check=True)
        tfvars.write_text(after)
        project.terraform("plan", "-detailed-exitcode", "-input=false", emulator=emulator)


def test_the_options_of_bootstrap_are_those_of_the_table(bake: Bake, run: Run) -> None:
    project = bake()
    text = (project.path / "README.md").read_text()
    rows = re.findall(r"^\| `(--[\w-]+)[^|]*\| ", text, re.MULTILINE)
    options = {"--json"}  # which is doctor's, as --file is FILE=
    for command in (["bootstrap.py"], ["entries.py", "add"]):
        program = ("-B", f"scripts/{command[0]}", *command[1:], "--help")
        shown = run(sys.executable, *program, cwd=project.path).stdout
        options |= set(re.findall(r"^  (--[\w-]+)", shown, re.MULTILINE))
    assert sorted(rows) == sorted(options - {"--json", "--file"})
    assert "ARGS=--json" in text


def test_the_generated_readme_names_targets_and_files_that_exist(bake: Bake) -> None:
    project = bake()
    text = (project.path / "README.md").read_text()
    makefile = (project.path / "Makefile").read_text()
    for target in set(re.findall(r"`make (\w+)`", text)) - {"fetch", "caller"}:  # in a service
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    (table,) = re.findall(r"## What is here\n(.*?)\n## ", text, re.DOTALL)
    names = re.findall(r"^\| `(\w[\w./-]*|\.[\w./-]+)` \|", table, re.MULTILINE)
    assert len(names) > 7
    for name in names:
        assert (project.path / name).exists(), name
    for key in re.findall(r"`([a-z_]+)` in `infra/terraform\.tfvars\.json`", text):
        assert f'"{key}"' in (project.path / "infra/terraform.tfvars.json").read_text(), key


def test_the_output_of_the_rehearsal_is_the_real_one(capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = re.findall(r"<!-- rehearsal -->\n```text\n(.*?)```", README, re.DOTALL)
    assert rehearsal.main([]) == 0
    assert changing(capsys.readouterr().out) == changing(shown)


def changing(text: str) -> str:
    """Return the rehearsal's output without its times, its port, and what a commit changes."""
    times = r"^ *\d+\.\d s|127\.0\.0\.1:\d+"
    return re.sub(times + r"|\b[0-9a-f]{40}\b|\b[0-9a-f]{64}\b", "#", text, flags=re.MULTILINE)
