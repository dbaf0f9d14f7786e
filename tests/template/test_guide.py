"""What the owner of a generated project reads: its README, and the pages of the tool.

Their tables are held against the code, their links and names against the files, and their commands
are run here or by the test that is named.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from pathlib import Path

import pytest
from keyless.commands import parser
from keyless.model.account import read_account
from keyless.model.service import read_service
from keyless.release.ecs_express import ExpressService
from keyless.setup.health.patient import State

from tests.conftest import Bake
from tests.standins.emulator import ROOT, Emulator
from tests.support.combinations import Answers, every, readable
from tests.support.hook import hook
from tests.support.pages import DOCS, README, TEMPLATE, block, blocks, page, rows_of
from tests.support.pages import PAGES as FRONT_PAGES
from tests.support.project import Project, generate

TOOL = ROOT / "<<cookiecutter.project_slug>>/.github/keyless"
PAGES = sorted(path.stem for path in (TOOL / "docs").glob("*.md"))
WRITTEN = [name for name in PAGES if name != "rules"]  # which is written from the rules
GUIDES: dict[str, Answers] = {  # by what is special about them
    "default": {},
    "branch": {"deploy_on": "branch", "second_tag": "latest", "platform": "both"},
    "tag": {"deploy_on": "tag", "state_bucket": "octo-org-terraform", "iac_tool": "opentofu"},
    "ecs-express": {"deploy_to": "ecs-express", "github_environment": "production"},
    "app-runner": {"deploy_to": "app-runner", "deploy_on": "branch"},
    "china": {"aws_region": "cn-north-1", "github_environment": "production"},
    "none": {"iac_tool": "none", "github_environment": "production"},
}
LATER = {  # files that no generation makes, but a command, or the owner
    *("infra/app.tf", "infra/backend.tf", "infra/terraform.tfstate", "infra/.terraform.lock.hcl"),
    *("infra/repositories-2.tfvars.json", "services/KEY.json", "services/KEY.yml"),
    *(".github/workflows/publish-image.yml", ".github/workflows/deploy-old.yml"),
    *("publish-image.yml", "deploy-with-keys.yml", "deploy-old.yml"),
    ".github/workflows/update.yml",
}
guides = pytest.mark.parametrize("answers", GUIDES.values(), ids=GUIDES)


def guide(project: Project) -> str:
    """Return a project's README."""
    return (project.path / "README.md").read_text()


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the tool's commands."""
    (action,) = [each for each in parser()._actions if isinstance(each.choices, dict)]
    return dict(action.choices)  # type: ignore[arg-type]


def options(command: str) -> set[str]:
    """Return the options of a command that its help lists."""
    shown = [each for each in commands()[command]._actions if each.help != argparse.SUPPRESS]
    listed = [option for each in shown for option in each.option_strings]
    return {option for option in listed if option.startswith("--")} - {"--help"}


# The size of what somebody has to review


def test_a_default_project_is_small_enough_to_review_in_one_sitting(bake: Bake) -> None:
    project = bake()
    files = [
        path
        for path in project.path.rglob("*")
        if path.is_file() and not path.relative_to(project.path).is_relative_to(".github/keyless")
    ]
    lines = {path: len(path.read_bytes().splitlines()) for path in files}
    assert len(files) <= 30, sorted(map(str, files))
    assert sum(lines.values()) <= 1500, lines
    assert len((project.path / "infra/tests/trust.tftest.hcl").read_text().splitlines()) <= 150


@pytest.mark.parametrize("answers", every(), ids=readable)
def test_no_readme_has_more_than_150_lines(bake: Bake, answers: Answers) -> None:
    text = guide(bake(**answers))
    assert len(text.splitlines()) <= 150
    assert "\n\n\n" not in text
    assert not text.endswith("\n\n")
    assert "cookiecutter." not in text


@pytest.mark.parametrize("name", ["../README", *WRITTEN])
def test_a_page_is_short_and_its_first_sentence_says_its_purpose(name: str) -> None:
    text = (TOOL / f"docs/{name}.md").read_text()
    assert len(text.splitlines()) <= 150
    heading, first, *_ = text.split("\n\n")
    assert re.fullmatch(r"# [^\n]+", heading)
    assert len(re.findall(r"\.(?= |$)", first.replace("\n", " "))) == 1, first
    assert len(first.split()) <= 25, first


@guides
def test_a_readme_links_only_the_pages_that_its_answers_need(bake: Bake, answers: Answers) -> None:
    linked = set(re.findall(r"docs/([\w-]+)\.md", guide(bake(**answers))))
    assert ("environment" in linked) == ("github_environment" in answers)
    assert ("service" in linked) == ("deploy_to" in answers)
    assert ("settings" in linked) == (answers.get("iac_tool") != "none")
    assert {"release", "troubleshooting", "changes", "update", "check", "rules"} <= linked


# Names


@guides
def test_a_readme_names_targets_and_files_that_exist(bake: Bake, answers: Answers) -> None:
    project = bake(**answers)
    text = guide(project)
    makefile = (project.path / "Makefile").read_text()
    (table,) = re.findall(r"## What is here\n(.*?)\n\n(?!\|)", text, re.DOTALL)
    names = re.findall(r"^\| `(\w[\w./-]*|\.[\w./-]+)` \|", table, re.MULTILINE)
    assert len(names) > 3
    for name in names:
        assert (project.path / name).exists(), name
    elsewhere = {"add", "bootstrap"} if answers.get("iac_tool") == "none" else set()
    for target in set(re.findall(r"\bmake (\w+)`", text)) - elsewhere:
        assert re.search(rf"^{target}\b.*:", makefile, re.MULTILINE), target
    daily = rows_of(text, "command")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {target for row in daily for target in re.findall(r"`make (\w+)`", row)}
    assert named < targets
    for key in re.findall(r"`([a-z_]+)` in `infra/terraform\.tfvars\.json`", text):
        assert f'"{key}"' in (project.path / "infra/terraform.tfvars.json").read_text(), key


@pytest.mark.parametrize("name", ["../README", *WRITTEN])
def test_a_page_names_targets_files_keys_and_options_that_exist(bake: Bake, name: str) -> None:
    """In a project with a service, and in one without infra/."""
    paths = [bake(deploy_to="ecs-express").path, bake(iac_tool="none").path]
    text = page(paths[0], name)
    makefiles = "\n".join((path / "Makefile").read_text() for path in paths)
    for target in set(re.findall(r"`make (\w+)[` ]", text)) - {"COMMAND"}:
        assert re.search(rf"^{target}\b.*:", makefiles, re.MULTILINE), target
    for command in re.findall(r"keyless (\w+)[` ]", text):
        assert command == "COMMAND" or command in commands(), command
    for given in re.findall(r'ARGS="?(--[\w-]+)', text):
        assert any(given in options(each) for each in commands()), given
    files = r"`((?:infra|\.github|services)/[\w./-]+\.\w+|[\w-]+\.(?:yml|json))`"
    for file in set(re.findall(files, text)) - LATER:
        assert any((path / file).exists() or list(path.rglob(Path(file).name)) for path in paths)


@pytest.mark.parametrize("answers", [*GUIDES.values(), None], ids=[*GUIDES, "pages"])
def test_every_link_to_a_file_works(bake: Bake, answers: Answers | None) -> None:
    project = bake(**(answers or {}))
    folder = project.path / ".github/keyless"
    texts = [project.path / "README.md"] if answers is not None else [folder / "README.md"]
    texts += sorted((folder / "docs").glob("*.md")) if answers is None else []
    for path in texts:
        links = re.findall(r"\]\(([^)\s]+)\)", re.sub("`[^`\n]*`", "", path.read_text()))
        assert links or path.parent.name == "docs"
        for link in links:
            if link.startswith("https://"):
                continue
            file, _, anchor = link.partition("#")
            target = path.parent / file if file else path
            assert target.is_file(), f"{path.name}: {link}"
            heads = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert not anchor or anchor in anchors, f"{path.name}: {link}"


def test_each_page_is_listed_and_none_depends_on_the_answers(bake: Bake) -> None:
    text = page(bake().path, "../README")
    listed = set(re.findall(r"\(docs/([\w-]+)\.md\)", text))
    assert listed == set(PAGES)
    for name in PAGES:
        assert page(bake().path, name) == (TOOL / f"docs/{name}.md").read_text()
        if name != "rules":
            for default in ("octo-org", "example-service", "111122223333", "us-east-1"):
                assert default not in page(bake().path, name), (name, default)


# Tables that repeat what code says


def test_the_commands_of_the_tool_are_those_of_its_readme(bake: Bake) -> None:
    rows = rows_of(page(bake().path, "../README"), "command")
    assert sorted(re.findall(r"`([a-z]+)`", " ".join(rows))) == sorted(commands())


def test_the_options_are_those_of_the_tables(bake: Bake) -> None:
    listed = [
        set(re.findall(r"`(--[\w-]+)", " ".join(rows_of(page(bake().path, name), "option"))))
        for name in ("bootstrap", "many-repositories")
    ]
    assert listed == [options("bootstrap"), options("add") - {"--file"}]  # which is FILE=
    rows = rows_of(page(bake().path, "release"), "`ARGS=`")
    assert set(re.findall(r"`(--[\w-]+)", " ".join(rows))) == options("release")
    text = page(bake().path, "doctor")
    for option in options("doctor"):
        assert f"`make doctor ARGS={option}`" in text
    text = page(bake().path, "update")
    for option in options("update"):
        assert re.search(rf"{option}\b", text), option


def test_the_settings_of_a_service_are_those_that_are_generated(bake: Bake) -> None:
    rows = rows_of(page(bake().path, "service"), "setting")
    settings = json.loads((bake(deploy_to="ecs-express").path / "service.json").read_text())
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(settings)


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_the_exit_status_of_a_command_is_that_of_its_help(bake: Bake, command: str) -> None:
    text = page(bake().path, command)
    (status,) = re.findall(r"Exit status: (.*)\.", str(commands()[command].epilog))
    assert rows_of(text, "exit status") == re.findall(r"\b(\d+) ", status)


def test_the_formats_of_the_check_are_those_of_its_help(bake: Bake) -> None:
    text = page(bake().path, "check")
    (formats,) = [each.choices for each in commands()["check"]._actions if each.dest == "format"]
    assert {f"--format {name}" in text for name in formats or () if name != "text"} == {True}


def test_the_states_of_doctor_are_those_of_its_page(bake: Bake) -> None:
    states = [f"`{state.name.lower()}`" for state in State]
    assert rows_of(page(bake().path, "doctor"), "state") == states


# Commands


def test_every_block_of_the_pages_is_run_by_a_test(bake: Bake) -> None:
    found = {
        name: [each.splitlines()[0] for each in blocks(page(bake().path, name))] for name in PAGES
    }
    assert {name: lines for name, lines in found.items() if lines} == {
        "adopting": [
            "aws iam update-access-key --status Inactive --user-name USER --access-key-id ID"
        ],
        "changes": ['make change SET="platform=both second_tag=latest"'],  # tests/updating
        "destroy": [
            "aws ecs delete-express-gateway-service --service-arn "
            "arn:aws:ecs:REGION:ACCOUNT:service/NAME/NAME --region REGION",
        ],
        "many-repositories": [
            "make add REPO=OWNER/NAME",  # test_entries.py, as the two of the same block
            "make fetch FROM=OWNER/NAME",  # test_services.py
            "git tag publish-v1 && git push origin publish-v1",  # test_many.py
            "TF_WORKSPACE=repositories-2 terraform -chdir=infra plan "
            "-var-file=repositories-2.tfvars.json -var=create_oidc_provider=false",
        ],
        "permissions": [
            'eval "$(aws configure export-credentials --format env)"'  # test_dead_ends.py
        ],
        "troubleshooting": [
            "gh workflow run deploy.yml --ref v0.1.0",  # test_readme.py
            "terraform -chdir=infra force-unlock ID",  # test_state.py
        ],
        "update": ["make update"],  # tests/updating
    }
    for name, start in {"adopting": "aws iam", "troubleshooting": "gh workflow"}.items():
        theirs = FRONT_PAGES["from-access-keys" if name == "adopting" else name]
        assert block(page(bake().path, name), start) == block(theirs, start), name


@pytest.mark.parametrize("deploy_on", ["release", "tag", "branch"])
def test_what_is_printed_at_the_end_leads_to_the_first_image(
    bake: Bake, tmp_path: Path, deploy_on: str
) -> None:
    project = bake(deploy_on=deploy_on)
    printed = hook(project, tmp_path, deploy_on=deploy_on).stdout.partition("Next:\n")[2]
    lines = [re.sub("  +#.*", "", line.strip()) for line in printed.splitlines()]
    quick = block(README, f"uvx cookiecutter {TEMPLATE}\n").splitlines()
    written = blocks(guide(project))
    assert lines[0] == quick[1] == f"cd example-service && {written[0].strip()}"
    if deploy_on == "branch":
        assert (
            lines[1]
            == "This push to main publishes the first image. Every later push publishes a new one."
        )
    else:
        assert lines[1] == written[1].strip() == "make release VERSION=v0.2.0"
    assert lines[2:] == ["", "README.md explains each step."]
    assert len(quick) == 2, "from nothing to the first image"
    start = "main" if deploy_on == "branch" else "v0.1.0"
    assert written[-1] == f"gh workflow run deploy.yml --ref {start}\n"
    assert len(written) == 3


def test_a_service_is_deleted_with_the_line_of_the_page(
    bake: Bake, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bake(deploy_to="ecs-express").path
    service = read_service(path, read_account(path))
    assert service
    monkeypatch.setattr(ExpressService, "described", lambda _: {"status": "there"})
    line = block(page(path, "destroy"), "aws ecs delete")
    for name, value in {
        "REGION": "us-east-1",
        "ACCOUNT": "111122223333",
        "NAME": "example-service",
    }.items():
        line = line.replace(name, value)
    assert line.strip() == ExpressService(service).removal()


def test_the_provider_is_released_and_taken_over_as_the_page_says(
    tmp_path: Path, emulator: Emulator
) -> None:
    """Afterwards a further file of entries is planned as the page on many repositories says."""
    project = generate(tmp_path, [])
    project.know_subject("repo:octo-org@123456/example-service@456789")
    project.terraform("init", "-input=false")
    project.terraform("apply", "-auto-approve", "-input=false", emulator=emulator)
    text = (project.path / DOCS / "changes.md").read_text()
    (let_go,) = re.findall(r"`(terraform -chdir=infra state rm [^`]*)`", text)
    (take_over,) = re.findall(r"`(terraform -chdir=infra import [^`]*)`", text)
    take_over = take_over.replace("ACCOUNT", "111122223333")
    tfvars = project.path / "infra/terraform.tfvars.json"
    created = tfvars.read_text()
    looked_up = created.replace('provider": true', 'provider": false')
    for command, before, after in ((let_go, created, looked_up), (take_over, created, created)):
        tfvars.write_text(before)
        run = ["bash", "-euc", command]
        subprocess.run(run, cwd=project.path, env=emulator.environment(), check=True)
        tfvars.write_text(after)
        project.terraform("plan", "-detailed-exitcode", "-input=false", emulator=emulator)
    entries = created.partition('"repositories"')[2].replace("example-service", "other")
    second = project.path / "infra/repositories-2.tfvars.json"
    second.write_text('{\n  "repositories"' + entries)
    command = block(page(project.path, "many-repositories"), "TF_WORKSPACE")
    new = ["bash", "-euc", f"terraform -chdir=infra workspace new repositories-2\n{command}"]
    done = subprocess.run(
        new, cwd=project.path, env=emulator.environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Plan: 4 to add, 0 to change, 0 to destroy." in re.sub(r"\x1b\[\d+m", "", done.stdout)
