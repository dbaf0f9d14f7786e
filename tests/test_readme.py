"""The README: its tables are held against the code, its commands are run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests import rehearsal
from tests.conftest import Bake, Copy, Run, questions
from tests.emulator import ROOT, Emulator, without
from tests.project import Project, generate
from tests.test_hook import hook

README = (ROOT / "README.md").read_text()
TEMPLATE_FOLDER = ROOT / "<<cookiecutter.project_slug>>"
TEMPLATE = "gh:ORG/cookiecutter-github-oidc-ecr"
QUICK_START = "cd example-service\n"


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
        "cd example-service",
        "gh workflow run deploy.yml --ref v0.1.0",
        "make rehearse",
        "make test",
    ]


def test_the_table_of_questions_says_what_cookiecutter_json_says(bake: Bake) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", README, re.MULTILINE)
    assert [key for key, _, _ in rows] == list(questions())
    for key, default, accepted in rows:
        choices = questions()[key]
        if isinstance(choices, list):
            assert re.findall(r"`(\w+)`: ", accepted) == choices
            assert default == f"`{choices[0]}`"
        elif "<<" in choices:
            assert "name part" in default
        else:
            assert default == f"`{bake().answers[key]}`"


def test_the_targets_it_names_exist_and_every_target_is_named(run: Run) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"`?make (\w+)", README))
    generated = (TEMPLATE_FOLDER / "Makefile").read_text()
    assert named - targets == {"subject", "apply", "explain", "plan"}
    assert all(f"\n{target}: " in generated for target in named - targets)
    assert targets - named == {"help", "lint", "clean"}
    listed = set(re.findall(r"^  make (\w+)", run("make", cwd=ROOT).stdout, re.MULTILINE))
    assert listed == targets


def test_the_files_it_names_are_there(bake: Bake) -> None:
    (table,) = re.findall(r"## What is generated\n(.*?)\n\n`", README, re.DOTALL)
    generated = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    names = [name for cell in generated for name in re.findall(r"`(.*?)`", cell)]
    assert len(names) > 8
    assert [name for name in names if not (bake().path / name).exists()] == []
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
        words, cwd=ROOT, env=given, input="\n" * 8, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GitHub repository, owner/name" in done.stdout
    assert Project(tmp_path / "example-service").answers["deploy_on"] == "branch"


def by_hand(
    commands: str, folder: Path, emulator: Emulator, repository: str
) -> subprocess.CompletedProcess[str]:
    """Run commands as typed: real git and Terraform; gh, GitHub and AWS are stand-ins."""
    remote = folder / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    path = f"{ROOT / 'tests/bin'}:{os.environ['PATH']}"
    given = emulator.environment() | {
        "PATH": path,
        "GH_LOG": str(folder / "gh.log"),
        "GIT_CONFIG_COUNT": "3",
        "GIT_CONFIG_KEY_0": f"url.{remote}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{repository}.git",
        "GIT_CONFIG_KEY_1": "user.name",
        "GIT_CONFIG_VALUE_1": "Somebody",
        "GIT_CONFIG_KEY_2": "user.email",
        "GIT_CONFIG_VALUE_2": "somebody@example.com",
    }
    return subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env=given,
        input="yes\n",  # make apply asks once
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_quick_start_and_the_workflow_by_hand_work_as_typed(
    tmp_path: Path, emulator: Emulator
) -> None:
    project = generate(tmp_path, [])
    commands = block(QUICK_START) + block("gh workflow run")
    done = by_hand(commands, project.path.parent, emulator, "octo-org/example-service")
    assert done.returncode == 0, done.stdout
    assert 'Only "yes" does' in done.stdout
    assert "Apply complete! Resources: 5 added" in done.stdout
    prefix = "repo:octo-org@123456/example-service@456789"
    assert project.tfvars["repositories"]["example-service"]["subject_prefix"] == prefix
    role = emulator.client("iam").get_role(RoleName="example-service-push")["Role"]
    assert prefix in str(role["AssumeRolePolicyDocument"])
    log = (project.path.parent / "gh.log").read_text().splitlines()
    assert log == [
        "repo create octo-org/example-service --private",
        "api repos/octo-org/example-service/actions/oidc/customization/sub --jq .sub_claim_prefix",
        "release create v0.1.0 --generate-notes",
        "workflow run deploy.yml --ref v0.1.0",
    ]
    pushed = ["git", "-C", "remote.git", "ls-tree", "-r", "--name-only", "main"]
    listed = subprocess.run(
        pushed, cwd=project.path.parent, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "infra/.terraform.lock.hcl" in listed
    assert ".github/workflows/deploy.yml" in listed
    assert "infra/terraform.tfstate" not in listed
    done = by_hand(
        blocks((project.path / "README.md").read_text())[-1],
        project.path,
        emulator,
        "octo-org/example-service",
    )
    assert "Destroy complete! Resources: 4 destroyed" in done.stdout
    assert emulator.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]


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
        done = by_hand(command, project.path, emulator, "octo-org/example-service")
        assert done.returncode == 0, done.stdout
        tfvars.write_text(after)
        project.terraform("plan", "-detailed-exitcode", "-input=false", emulator=emulator)


@pytest.mark.parametrize(
    ("before", "prefix", "status", "says"),
    [
        ("null", "repo:octo-org@1/example-service@2", 0, "subject_prefix is repo:octo-org@1/ex"),
        ("null", "repo:octo-org/example-service", 0, "subject_prefix is repo:octo-org/example"),
        ("null", "", 2, "GitHub names no subject prefix for octo-org/example-service"),
        ("null", "null", 2, "has the prefix repo:octo-org/example-service: write it into"),
        (
            '"repo:octo-org/x"',
            "repo:octo-org/example-service",
            0,
            "subject_prefix is repo:octo-org",
        ),
    ],
    ids=["ids", "classic", "silent", "missing", "known"],
)
def test_make_subject_notes_what_github_says_or_changes_nothing(
    copy: Copy, tmp_path: Path, before: str, prefix: str, status: int, says: str
) -> None:
    project = copy()
    tfvars = project.path / "infra/terraform.tfvars.json"
    tfvars.write_text(tfvars.read_text().replace('prefix": null', f'prefix": {before}'))
    given = without("MAKE") | {"GH_PREFIX": prefix, "GH_LOG": str(tmp_path / "gh.log")}
    given["PATH"] = f"{ROOT / 'tests/bin'}:{given['PATH']}"
    done = subprocess.run(
        ["make", "subject"], cwd=project.path, env=given, capture_output=True, text=True
    )
    assert (done.returncode, says in done.stdout) == (status, True), done.stdout
    noted = f'"{prefix}"' if status == 0 else before
    assert f'"subject_prefix": {noted},' in tfvars.read_text()
    assert [path.name for path in tfvars.parent.glob("*.bak")] == []


def test_make_subject_takes_a_new_name_and_refuses_to_guess_among_several(
    copy: Copy, tmp_path: Path
) -> None:
    project = copy()
    project.know_subject("repo:octo-org/example-service")
    given = without("MAKE") | {"GH_LOG": str(tmp_path / "gh.log")}
    given["PATH"] = f"{ROOT / 'tests/bin'}:{given['PATH']}"
    command = ["make", "subject", "GITHUB_REPOSITORY=octo-org/Renamed"]
    done = subprocess.run(command, cwd=project.path, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    entry = project.tfvars["repositories"]["example-service"]
    assert (entry["github_repository"], entry["subject_prefix"]) == (
        "octo-org/Renamed",
        "repo:octo-org@123456/Renamed@456789",
    )
    values = project.tfvars
    values["repositories"]["other"] = entry
    text = json.dumps(values, indent=2)
    (project.path / "infra/terraform.tfvars.json").write_text(text)
    several = subprocess.run(command, cwd=project.path, env=given, capture_output=True, text=True)
    assert (several.returncode, "has several entries" in several.stdout) == (2, True)
    assert (project.path / "infra/terraform.tfvars.json").read_text() == text


@pytest.mark.parametrize("deploy_on", ["release", "tag", "branch"])
def test_the_generated_readme_and_the_hook_name_the_same_commands(
    bake: Bake, tmp_path: Path, deploy_on: str
) -> None:
    project = bake(deploy_on=deploy_on)
    printed = hook(project, tmp_path, deploy_on=deploy_on).stdout
    lines = [re.sub(r"  +#.*", "", line.strip()) for line in printed.splitlines()]
    hooked = [part for line in lines for part in line.split(" && ")]
    written = blocks((project.path / "README.md").read_text())
    steps = [line for block in written[:3] for line in block.splitlines()]
    start = hooked.index("cd example-service")
    assert hooked[start + 1 : start + 1 + len(steps)] == steps
    if deploy_on == "release":
        assert steps == block(QUICK_START).splitlines()[1:]
    assert (
        written[3]
        == f"gh workflow run deploy.yml --ref {'main' if deploy_on == 'branch' else 'v0.1.0'}\n"
    )


def test_the_generated_readme_names_targets_and_files_that_exist(bake: Bake) -> None:
    project = bake()
    text = (project.path / "README.md").read_text()
    makefile = (project.path / "Makefile").read_text()
    for target in re.findall(r"`make (\w+)`", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for name in re.findall(r"^\| `([\w./-]+)` \|", text, re.MULTILINE):
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
