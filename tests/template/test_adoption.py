"""A repository that exists adopts the template: nothing is changed, what is missing is added."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import Bake, Run
from tests.standins import github, runner
from tests.standins.account import published
from tests.standins.emulator import Emulator
from tests.standins.hub import Hub
from tests.support.desk import Desk
from tests.support.generating import (
    TEMPLATE_PROJECT,
    TOOL,
    contents,
    cookiecutter,
    copy_of_template,
    files,
    tool,
)
from tests.support.pages import PAGES, TEMPLATE
from tests.support.project import Project

OWN = {
    "Dockerfile": "FROM scratch\nCOPY src/ /\n",
    "README.md": "# Ours\n",
    "LICENSE": "ours\n",
    ".gitignore": "*.log\n",
    ".github/workflows/tests.yml": "name: tests\non: push\npermissions: {}\n"
    "jobs: {a: {runs-on: our-own, steps: [{run: make tests}]}}\n",
    ".github/dependabot.yml": "version: 2\nupdates: []\n",
    "charts/web/templates/service.yaml": "{{- if .Values.on }}\nkind: Service\n{{- end }}\n",
    "notes/with <<cookiecutter.project_slug>>.txt": "<<cookiecutter.project_slug>>\n",
    "data.json": "not JSON\n",
    **{f"src/file-{number}.txt": f"{number}\n" for number in range(50)},
}
WITH_KEYS = """name: deploy with keys
# check: skip=no-keys,pinned-actions until the first release without keys is green
on:
  release: {types: [published]}
jobs:
  a:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
      - uses: aws-actions/configure-aws-credentials@v4
        with:
          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}
          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}
          aws-region: us-east-1
      - run: make deploy
"""


@pytest.fixture
def ours(tmp_path: Path, run: Run) -> Path:
    """A repository of somebody, with everything committed."""
    folder = tmp_path / "example-service"
    for name, text in OWN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "Ours"]):
        done = run("git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments, cwd=folder)
        assert done.returncode == 0, done.stdout
    return folder


def adopt(folder: Path, run: Run, *answers: str) -> tuple[int, str]:
    """Generate over a repository, as the page says; return exit status and what was printed."""
    first, again = re.findall(rf"uvx cookiecutter {TEMPLATE} (-.*)", PAGES["existing-repository"])
    line = again if (folder / ".cookiecutter.json").exists() and not answers else first
    return cookiecutter(folder.parent, run, *line.split()[1:], *answers, given=line.split()[0])


def status(folder: Path, run: Run) -> list[str]:
    """Return what Git finds different from the last commit."""
    return run("git", "status", "--porcelain", "-uall", cwd=folder).stdout.splitlines()


def test_only_missing_files_are_added_and_the_second_time_none(
    ours: Path, bake: Bake, run: Run
) -> None:
    before = contents(ours)
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    changes = status(ours, run)
    assert {line[:3] for line in changes} == {"?? "}
    added = {line[3:].strip('"') for line in changes}
    fresh = contents(bake().path)
    sample = {"app/server.py", "Dockerfile"}
    assert added == {*fresh, "PUBLISHING.md"} - set(OWN) - sample
    assert (ours / "PUBLISHING.md").read_bytes() == fresh["README.md"][0]
    now = contents(ours)
    assert {name: now[name] for name in OWN} == {name: before[name] for name in OWN}
    both = added & set(fresh) - {".dockerignore", ".cookiecutter.json"}
    assert {name: now[name] for name in both} == {name: fresh[name] for name in both}
    assert "Kept as they were (2): .github/dependabot.yml, .gitignore" in printed
    scaffold = {name for name in added if not name.startswith(f"{TOOL}/")}
    assert f"Added ({len(scaffold) + 1}): .cookiecutter.json, .dockerignore," in printed
    assert f" {TOOL}/, " in " ".join(printed.split()), "the tool is one name"
    assert "Not added: the sample service (app/) and its Dockerfile" in printed
    assert "PUBLISHING.md explains each step." in printed
    assert "cd example-service && git add --all && git commit && make bootstrap" in printed
    ended, printed = adopt(ours, run)
    assert ended == 0, printed
    assert contents(ours) == now
    assert "Added (0): none" in printed
    kept = len(scaffold) + 2  # and those of its own that have the name of one
    assert f"{kept} files of this template existed before, and are unchanged." in printed
    assert f"Replaced: {TOOL}/" in printed


def test_the_added_dockerignore_excludes_nothing_that_an_existing_image_may_need(
    ours: Path, bake: Bake, run: Run
) -> None:
    """A Dockerfile of somebody may copy .env, or ask Git for the version."""
    assert adopt(ours, run, "--no-input")[0] == 0
    fresh = (bake().path / ".dockerignore").read_text().splitlines()
    here = (ours / ".dockerignore").read_text().splitlines()
    assert set(fresh) - set(here) == {".env", ".git"}
    assert [line for line in here if not line.startswith("#")] == [
        *(".venv", "**/.terraform", "**/*.tfplan", "**/*.tfstate*", "**/__pycache__"),
    ]


def test_the_tool_is_replaced_as_a_whole_also_where_files_are_kept(ours: Path, run: Run) -> None:
    assert adopt(ours, run, "--no-input")[0] == 0
    before = contents(ours)
    folder = ours / TOOL
    (folder / "check.py").write_text("raise SystemExit('edited')\n")
    (folder / "release/publish.py").unlink()
    (folder / "rules/of_a_former_version.py").write_text("raise SystemExit('stale')\n")
    (folder / "gone").mkdir()
    (folder / "gone/linked.py").symlink_to(ours / "data.json")
    ended, printed = adopt(ours, run)
    assert ended == 0, printed
    assert contents(ours) == before
    assert tool(ours) == tool(TEMPLATE_PROJECT)


def test_another_tool_of_that_name_is_not_replaced(ours: Path, run: Run) -> None:
    (ours / TOOL).mkdir()
    (ours / TOOL / "theirs.sh").write_text("echo theirs\n")
    before = contents(ours)
    ended, printed = adopt(ours, run, "--no-input")
    assert (ended, printed.count("\n")) == (1, 1), printed
    assert f"contains {TOOL}, which is not this template's tool and would be replaced" in printed
    assert contents(ours) == before


@pytest.mark.parametrize("flags", [("-f", "-s"), ("-f",)])
def test_an_existing_infra_is_not_touched_if_iac_tool_is_none(
    ours: Path, run: Run, flags: tuple[str, ...]
) -> None:
    if flags == ("-f",):  # which is for folders of this template
        assert adopt(ours, run, "--no-input", "iac_tool=none")[0] == 0
    for name in ("main.tf", "repository/trust.tf", "terraform.tfvars.json", "tests/x.tftest.hcl"):
        (ours / "infra" / name).parent.mkdir(parents=True, exist_ok=True)
        (ours / "infra" / name).write_text("theirs\n")
    before = contents(ours / "infra")
    cookiecutter(ours.parent, run, *flags, "iac_tool=none")
    assert contents(ours / "infra") == before
    assert (ours / "infra.json").exists()
    assert not (ours / ".not-generated").exists()


def generated_before_the_tool_had_a_folder(ours: Path, bake: Bake) -> Path:
    """Make a repository as this template generated it until November 2026."""
    shutil.rmtree(ours)
    shutil.copytree(bake().path, ours)
    shutil.rmtree(ours / TOOL)
    (ours / "scripts").mkdir()
    for name in ("check", "publish"):
        (ours / f"scripts/{name}.py").write_text("def findings(root): ...\n")
    deploy = ours / ".github/workflows/deploy.yml"
    deploy.write_text(deploy.read_text().replace(f"{TOOL} publish", "scripts/publish.py"))
    return ours


def test_a_repository_of_an_old_version_is_not_mixed_with_this_one(
    ours: Path, bake: Bake, run: Run
) -> None:
    """Its workflows would stay, and call scripts that stay; -f alone generates it anew."""
    folder = generated_before_the_tool_had_a_folder(ours, bake)
    before = contents(folder)
    ended, printed = adopt(folder, run, "--no-input")
    assert (ended, printed.count("\n")) == (1, 1), printed
    assert "was generated when the tool was in scripts/" in printed
    assert "Run make update PROJECT=FOLDER in a clone of the template" in printed
    assert contents(folder) == before
    ended, printed = cookiecutter(folder.parent, run, "-f")
    assert ended == 0, printed
    assert {name for name in contents(folder) if name not in contents(bake().path)} == {
        "scripts/check.py",
        "scripts/publish.py",
    }


def test_a_repository_that_github_has_just_made_gets_the_sample_service_too(
    tmp_path: Path, bake: Bake, run: Run
) -> None:
    folder = tmp_path / "example-service"
    folder.mkdir()
    for name in ("README.md", "LICENSE", ".gitignore"):
        (folder / name).write_text("GitHub's\n")
    assert run("git", "init", "--quiet", cwd=folder).returncode == 0
    ended, printed = adopt(folder, run, "--no-input")
    assert ended == 0, printed
    expected = {*contents(bake().path), "LICENSE", "PUBLISHING.md"}
    assert {name for name in contents(folder) if not name.startswith(".git/")} == expected
    assert (folder / "README.md").read_text() == "GitHub's\n"
    ended, printed = adopt(folder, run)
    assert (ended, "Added (0): none" in printed, "Not added" in printed) == (0, True, False)


def test_a_deploy_yml_that_exists_stays_and_is_judged(ours: Path, run: Run) -> None:
    """The recipe: give it another name, and run the same command again."""
    theirs = "name: deploy\non: push\njobs: {a: {runs-on: x, steps: [{run: make deploy}]}}\n"
    path = ours / ".github/workflows/deploy.yml"
    path.write_text(theirs)
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 1
    assert ".github/workflows/deploy.yml:1: taken this file existed before" in printed
    assert "git mv .github/workflows/deploy.yml .github/workflows/deploy-old.yml, and" in printed
    assert "Defects: 1." in printed
    assert "The added files stay. Correct this, and run the same command again." in printed
    assert "infra/main.tf" in printed.partition("Added (")[2]
    assert path.read_text() == theirs
    assert (ours / "infra/main.tf").exists()
    assert "Traceback" not in printed
    path.rename(path.with_name("deploy-with-keys.yml"))
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    assert path.with_name("deploy-with-keys.yml").read_text() == theirs
    assert "Added (1): .github/workflows/deploy.yml" in printed


def test_both_ways_work_side_by_side_until_the_keys_go(ours: Path, run: Run) -> None:
    path = ours / ".github/workflows/deploy-with-keys.yml"
    path.write_text(WITH_KEYS)
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    assert path.read_text() == WITH_KEYS
    for before, after, rules in (
        (" until the first release without keys is green", "", {"no-keys", "pinned-actions"}),
        ("skip=no-keys,pinned-actions", "skip=pinned-actions", {"no-keys"}),
        ("  a:\n", "  a:\n    permissions: {id-token: write}\n", {"no-keys", "pinned-actions"}),
        ("release: {types: [published]}", "issue_comment:", set()),
    ):
        path.write_text(WITH_KEYS.replace(before, after))
        done = run(sys.executable, "-B", TOOL, "check", cwd=ours)
        found = set(re.findall(r"with-keys\.yml:\d+: (\S+)", done.stdout))
        assert rules <= found if rules else not found, done.stdout
    path.unlink()  # the last step of the recipe
    assert run(sys.executable, "-B", TOOL, "check", cwd=ours).returncode == 0


def test_a_skip_comment_does_not_hide_findings_about_the_publishing_job(
    ours: Path, run: Run
) -> None:
    assert adopt(ours, run, "--no-input")[0] == 0
    path = ours / ".github/workflows/deploy.yml"
    skip = "# check: skip=subject,no-keys,pinned-actions,least-permissions because\n"
    text = path.read_text().replace("startsWith(github.ref, 'refs/tags/v')", "true")
    path.write_text(skip + re.sub(r"@[0-9a-f]{40} # v[\d.]+", "@v4", text))
    done = run(sys.executable, "-B", TOOL, "check", cwd=ours)
    rules = set(re.findall(r"deploy\.yml:\d+: (\S+)", done.stdout))
    assert {"subject", "pinned-actions"} <= rules


def test_with_an_existing_makefile_the_commands_of_bootstrap_are_printed(
    ours: Path, run: Run
) -> None:
    (ours / "Makefile").write_text("all:\n\techo ours\n")
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    assert "make bootstrap  " not in printed
    lines = printed.partition("git commit && ")[2].splitlines()[:3]
    assert lines[0] == "python3 -m venv .venv && echo '*' > .venv/.gitignore"
    assert lines[2].strip().startswith(f".venv/bin/python {TOOL} bootstrap ")
    commands = "\n".join(lines).replace(f"{TOOL} bootstrap", f"{TOOL} bootstrap --help")
    done = run("bash", "-euc", commands, cwd=ours)
    assert f"usage: python3 {TOOL} bootstrap" in done.stdout, done.stdout
    assert not any(".venv" in line for line in status(ours, run))


def test_an_existing_infra_is_kept_and_reported(ours: Path, run: Run) -> None:
    (ours / "infra").mkdir()
    (ours / "infra/main.tf").write_text('resource "null_resource" "x" {}\n')
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 1
    assert "infra/main.tf:1: taken this file existed before" in printed
    assert "git mv infra infra-old" in printed
    assert (ours / "infra/main.tf").read_text() == 'resource "null_resource" "x" {}\n'


def test_a_wrong_answer_adds_nothing(ours: Path, run: Run) -> None:
    before = contents(ours)
    ended, printed = adopt(ours, run, "--no-input", "aws_region=Frankfurt")
    assert (ended, printed.count("\n")) == (1, 1)
    assert contents(ours) == before


def test_without_both_flags_nothing_is_added(ours: Path, run: Run) -> None:
    before = contents(ours)
    ended, printed = cookiecutter(ours.parent, run, "-s", "-o", str(ours.parent))
    assert ended == 1
    assert "already exists" in printed
    assert contents(ours) == before


def test_a_hook_that_fails_changes_nothing_that_existed(
    ours: Path, run: Run, tmp_path: Path
) -> None:
    """The template itself is broken here: what it added is listed, and stays."""
    template = copy_of_template(tmp_path)
    deploy = template / "<<cookiecutter.project_slug>>/.github/workflows/deploy.yml"
    deploy.write_text(deploy.read_text().replace("id-token: write", "id-token: none"))
    before = contents(ours)
    home = ["-f", "-s", "--no-input", "-o", str(ours.parent)]
    ended, printed = cookiecutter(tmp_path, run, *home[1:], template=template, given="-f")
    assert ended == 1
    assert "least-permissions" in printed
    assert "The added files stay." in printed
    now = contents(ours)
    assert {name: now[name] for name in before} == before


def test_an_adopted_repository_publishes_and_bootstrap_commits_only_its_own_files(
    ours: Path, run: Run, emulator: Emulator, tmp_path: Path
) -> None:
    assert adopt(ours, run, "--no-input")[0] == 0
    desk = Desk(Project(ours), emulator, Hub(tmp_path / "hub"))
    desk.hub.create("octo-org/example-service")
    desk.git("remote", "add", "origin", "https://github.com/octo-org/example-service.git")
    desk.git("add", "--all")
    desk.git("commit", "-qm", "Publish with OIDC tokens")
    (ours / "src/work.txt").write_text("not finished\n")
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert "so a release will not contain them: src/work.txt" in ended.out
    last = desk.git("show", "--name-only", "--format=", "HEAD").split()
    assert sorted(last) == ["infra/.terraform.lock.hcl", "infra/terraform.tfvars.json"]
    assert status(ours, run) == ["?? src/work.txt"]
    entry = json.loads((ours / "infra/terraform.tfvars.json").read_text())["repositories"]
    assert entry["example-service"]["subject_prefix"].startswith("repo:octo-org@")
    runner.tag(ours, "v0.1.0")
    ran = runner.run(
        ours,
        emulator,
        event="release",
        ref="refs/tags/v0.1.0",
        repository=github.Repository("octo-org/example-service"),
    )
    assert ran.status == 0, ran.log
    assert "v0.1.0" in published(emulator, "example-service")


def test_answers_that_differ_from_the_first_ones_are_refused(ours: Path, run: Run) -> None:
    """The files that exist would keep the first ones, and the rest would have the others."""
    assert adopt(ours, run, "--no-input")[0] == 0
    before = contents(ours)
    for given in ("aws_region=eu-west-1", "state_bucket=abc-def", "github_environment=prod"):
        ended, printed = adopt(ours, run, "--no-input", given)
        assert (ended, printed.count("\n")) == (1, 1)
        assert printed.startswith(given.replace("=", ": '"))
        assert "--config-file example-service/.cookiecutter.json" in printed
        assert contents(ours) == before


def test_answers_for_another_repository_than_origin_are_refused(ours: Path, run: Run) -> None:
    before = contents(ours)
    for url in ("git@github.com:acme/ours.git", "https://github.com/acme/ours"):
        (ours / ".git/config").write_text(f'[remote "origin"]\n\tfetch = x\n\turl = {url}\n')
        ended, printed = adopt(ours, run, "--no-input")
        assert (ended, printed.count("\n")) == (1, 1)
        assert "Use acme/ours, or change the remote named origin" in printed
    ended, printed = adopt(ours, run, "--no-input", "github_repository=Acme/Ours")
    assert ended == 0, printed
    assert {name: contents(ours)[name] for name in OWN} == {name: before[name] for name in OWN}


FOLDER = "a link or a file. This template needs a folder there"
NOWHERE = "a broken link. This template has a file there"
NESTED = "a Git repository. This template has a folder there"
IN_THE_WAY = [  # what kind of thing has which name, which of both is named, and why
    ("file", "infra", "infra", FOLDER),
    ("file", "infra/tests", "infra/tests", FOLDER),
    ("file", ".github", ".github", FOLDER),
    ("file", TOOL, TOOL, FOLDER),
    ("link", TOOL, TOOL, FOLDER),
    ("link", "infra", "infra", FOLDER),
    ("link", "infra/repository", "infra/repository", FOLDER),
    ("link", ".github", ".github", FOLDER),
    ("link", ".github/workflows", ".github/workflows", FOLDER),
    ("nowhere", "infra", "infra", FOLDER),
    ("nowhere", TOOL, TOOL, FOLDER),
    ("nowhere", "Makefile", "Makefile", NOWHERE),
    ("nowhere", "PUBLISHING.md", "PUBLISHING.md", NOWHERE),
    ("nowhere", "infra/main.tf", "infra/main.tf", NOWHERE),
    ("repository", "infra/tests", "infra/tests", NESTED),
    ("repository", TOOL, TOOL, NESTED),
]


def put_in_the_way(ours: Path, kind: str, name: str) -> None:
    """Put something into the repository that no file may be written over, into or through."""
    path = ours / name
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        path.write_text("a file\n")
    elif kind == "repository":
        (path / ".git").mkdir(parents=True)
    else:
        outside = ours.parent / "outside"
        if kind == "link":
            outside.mkdir()
            (outside / "mine.txt").write_text("mine\n")
        path.symlink_to(outside)


@pytest.mark.parametrize(
    ("kind", "name", "named", "why"), IN_THE_WAY, ids=[f"{a}-{b}" for a, b, *_ in IN_THE_WAY]
)
def test_a_path_that_is_in_the_way_is_reported_before_anything_is_added(
    ours: Path, run: Run, kind: str, name: str, named: str, why: str
) -> None:
    put_in_the_way(ours, kind, name)
    before = sorted(path.relative_to(ours.parent) for path in ours.parent.rglob("*"))
    ended, printed = adopt(ours, run, "--no-input")
    assert (ended, printed.count("\n")) == (1, 1), printed
    assert f"contains {named}, which is {why}" in printed
    now = sorted(path.relative_to(ours.parent) for path in ours.parent.rglob("*"))
    assert [path for path in now if path.parts[0] != "home"] == before


@pytest.mark.parametrize("kind", ["file", "link"])
def test_the_folder_that_is_removed_afterwards_cannot_be_a_link_or_a_file(
    ours: Path, run: Run, kind: str
) -> None:
    """What the answers leave out is written there, and removed: not through a link."""
    put_in_the_way(ours, kind, ".not-generated")
    ended, printed = adopt(ours, run, "--no-input", "iac_tool=none")
    assert (ended, printed.count("\n")) == (1, 1), printed
    assert f"contains .not-generated, which is {FOLDER}" in printed
    if kind == "link":
        assert files(ours.parent / "outside") == ["mine.txt"]


def test_without_s_no_file_of_somebody_else_is_overwritten(ours: Path, run: Run) -> None:
    before = contents(ours)
    parent = str(ours.parent)
    ended, printed = cookiecutter(ours.parent, run, "-o", parent, "--no-input", given="-f")
    assert (ended, printed.count("\n")) == (1, 1)
    assert "Use -f -s, which keeps every existing file" in printed
    assert contents(ours) == before


@pytest.mark.parametrize(
    "rules", ["*.tfvars.json\n*.tfstate\n.terraform*\n", "infra/\n", "*.json\n"]
)
def test_files_that_git_would_ignore_are_reported_or_included_again(
    ours: Path, run: Run, rules: str
) -> None:
    """A line of the folder's own .gitignore undoes the usual ones of Terraform."""
    (ours / ".gitignore").write_text(rules)
    ended, printed = adopt(ours, run, "--no-input")
    if "tfvars" in rules:
        assert ended == 0, printed
    else:
        assert ended == 1
        assert f".gitignore:1: ignored {rules.strip()} keeps infra/" in printed
        assert re.search(r"add this line after it: !infra/repository/lifecycle\.json", printed)
    listed = run("git", "add", "--all", "--dry-run", cwd=ours).stdout
    assert ("infra/terraform.tfvars.json" in listed) is ("infra/" not in rules)


@pytest.mark.parametrize(
    "rules",
    ["[Rr]elease/\ndocs/\nsetup\nVERSION\n*.md\n*.txt\n*.yml\n*.py\n", "*\n!*.*\n!*/\n"],
    ids=["many", "all but"],
)
def test_common_ignore_rules_do_not_exclude_the_tool_from_a_commit(
    ours: Path, run: Run, rules: str
) -> None:
    (ours / ".gitignore").write_text(rules)
    _, printed = adopt(ours, run, "--no-input")
    assert TOOL not in "".join(re.findall(r"ignored \S+ keeps (\S+)", printed)), printed
    (ours / TOOL / "model/__pycache__").mkdir()
    (ours / TOOL / "model/__pycache__/x.pyc").touch()
    listed = run("git", "add", "--all", "--dry-run", cwd=ours).stdout
    assert set(re.findall(rf"add '({TOOL}/.*)'", listed)) == set(tool(ours))


def test_an_ignored_tool_is_reported(ours: Path, run: Run) -> None:
    (ours / ".gitignore").write_text(".github/\n")
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 1
    assert f".gitignore:1: ignored .github/ keeps {TOOL}/check.py out of every commit" in printed


def test_existing_scripts_are_not_run_and_not_in_the_way(ours: Path, run: Run) -> None:
    """Those in scripts/ had the names of ours once; those in .github/ could shadow a module."""
    names = ("check", "bootstrap", "publish", "keyless", "textwrap", "subprocess", "json", "yaml")
    for folder in ("scripts", ".github", "."):
        (ours / folder).mkdir(exist_ok=True)
        for name in names:
            text = "open('ran', 'w')\nraise SystemExit\n"
            (ours / folder / f"{name}.py").write_text(text)
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    assert "workflow and role agree on who can publish" in printed
    assert run(sys.executable, "-B", TOOL, "check", cwd=ours).returncode == 0
    assert not list(ours.parent.rglob("ran"))


def test_unusual_kinds_of_files_are_kept_without_a_traceback(ours: Path, run: Run) -> None:
    (ours / "Makefile").mkdir()
    (ours / ".editorconfig").write_bytes(b"\xff\x00\xfe")
    (ours / ".pre-commit-config.yaml").write_text("x" * 1_100_000)
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    assert f".venv/bin/python {TOOL} bootstrap" in printed
    assert "Traceback" not in printed


def test_in_a_folder_of_a_larger_repository_the_place_of_workflows_is_printed(
    tmp_path: Path, run: Run
) -> None:
    folder = tmp_path / "mono/example-service"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "mono/.git").mkdir()
    ended, printed = adopt(folder, run, "--no-input")
    assert ended == 0, printed
    assert f"This folder is inside the Git repository {tmp_path / 'mono'}." in printed
    assert "git commit" not in printed


HIDING = "# check: skip=no-keys,no-secrets,no-injection,pinned-actions because\n"


def test_the_skip_comment_hides_nothing_in_a_workflow_that_can_get_a_token(
    ours: Path, run: Run
) -> None:
    """By its own permissions however they are spelled, by those of a caller, or in an action."""
    assert adopt(ours, run, "--no-input")[0] == 0
    flows = ours / ".github/workflows"
    deploy = (flows / "deploy.yml").read_text()
    unpinned = re.sub(r"checkout@[0-9a-f]{40} # v[\d.]+", "checkout@v4", deploy)

    def found() -> set[str]:
        done = run(sys.executable, "-B", TOOL, "check", cwd=ours)
        return set(re.findall(r"(?m)^\S+:\d+: (\S+)", done.stdout))

    spelled = unpinned.replace("id-token:", '"id\\x2dtoken":').replace(
        "role-to-assume:", '"role\\x2dto-assume":'
    )
    (flows / "deploy.yml").write_text(HIDING + spelled)
    assert found() == {"pinned-actions"}
    (flows / "deploy.yml").write_text(deploy)
    called = "on: workflow_call\njobs: {a: {runs-on: x, steps: [{uses: actions/checkout@v4}]}}\n"
    (flows / "called.yml").write_text(HIDING + called)
    caller = "on: push\njobs: {a: {uses: ./.github/workflows/called.yml, permissions: {PERM}}}\n"
    (flows / "caller.yml").write_text(caller.replace("PERM", "contents: read"))
    assert found() == set()
    (flows / "caller.yml").write_text(caller.replace("PERM", "id-token: write"))
    assert "pinned-actions" in found()


def test_a_changed_infra_is_left_to_make_check(ours: Path, run: Run) -> None:
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    trust = ours / "infra/repository/trust.tf"
    trust.write_text(f"# Ours.\n{trust.read_text()}")
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    assert "a plan of infra/, which was changed (make check runs it)" in printed
    assert trust.read_text().startswith("# Ours.\n")
