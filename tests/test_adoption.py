"""A repository that exists adopts the template: nothing is changed, what is missing is added."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests import github, runner
from tests.conftest import Bake, Run
from tests.desk import Desk
from tests.emulator import ROOT, Emulator
from tests.hub import Hub
from tests.project import Project
from tests.test_answers import contents, cookiecutter
from tests.test_readme import README, TEMPLATE

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
    """Generate over a repository, as the README says; return exit status and what was printed."""
    first, again = re.findall(rf"uvx cookiecutter {TEMPLATE} (-.*)", README)
    line = again if (folder / ".cookiecutter.json").exists() and not answers else first
    return cookiecutter(folder.parent, run, *line.split()[1:], *answers, given=line.split()[0])


def status(folder: Path, run: Run) -> list[str]:
    """Return what Git finds different from the last commit."""
    return run("git", "status", "--porcelain", "-uall", cwd=folder).stdout.splitlines()


def test_only_additions_and_the_second_time_nothing(ours: Path, bake: Bake, run: Run) -> None:
    before = contents(ours)
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    changes = status(ours, run)
    assert {line[:3] for line in changes} == {"?? "}
    added = {line[3:].strip('"') for line in changes}
    fresh = contents(bake().path)
    sample = {"app/server.py", "Dockerfile", ".dockerignore"}
    assert added == {*fresh, "docs/publishing.md"} - set(OWN) - sample
    assert (ours / "docs/publishing.md").read_bytes() == fresh["README.md"][0]
    now = contents(ours)
    assert {name: now[name] for name in OWN} == {name: before[name] for name in OWN}
    both = added & set(fresh)
    assert {name: now[name] for name in both} == {name: fresh[name] for name in both}
    assert "Kept as they were (2): .github/dependabot.yml, .gitignore" in printed
    assert f"Added ({len(added)}): .cookiecutter.json, .editorconfig," in printed
    assert "Not added: the sample service (app/), its Dockerfile, .dockerignore" in printed
    assert "docs/publishing.md explains each step." in printed
    assert "cd example-service && git add --all && git commit && make bootstrap" in printed
    ended, printed = adopt(ours, run)
    assert ended == 0, printed
    assert contents(ours) == now
    assert "Added (0): none" in printed
    assert "39 files of this template were there, and stay as they are." in printed


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
    expected = {*contents(bake().path), "LICENSE", "docs/publishing.md"}
    assert {name for name in contents(folder) if not name.startswith(".git/")} == expected
    assert (folder / "README.md").read_text() == "GitHub's\n"
    ended, printed = adopt(folder, run)
    assert (ended, "Added (0): none" in printed, "Not added" in printed) == (0, True, False)


def test_a_deploy_yml_that_exists_stays_and_is_judged(ours: Path, run: Run) -> None:
    """The recipe: give it another name, and type the same command once more."""
    theirs = "name: deploy\non: push\njobs: {a: {runs-on: x, steps: [{run: make deploy}]}}\n"
    path = ours / ".github/workflows/deploy.yml"
    path.write_text(theirs)
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 1
    assert ".github/workflows/deploy.yml:1: taken this file was there before" in printed
    assert "git mv .github/workflows/deploy.yml .github/workflows/deploy-old.yml, and" in printed
    assert "Defects: 1." in printed
    assert "What was added stays. Correct this, and type the same command once more." in printed
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
        done = run(sys.executable, "-B", "scripts/check.py", cwd=ours)
        found = set(re.findall(r"with-keys\.yml:\d+: (\S+)", done.stdout))
        assert rules <= found if rules else not found, done.stdout
    path.unlink()  # the last step of the recipe
    assert run(sys.executable, "-B", "scripts/check.py", cwd=ours).returncode == 0


def test_a_comment_keeps_no_finding_of_the_contract(ours: Path, run: Run) -> None:
    assert adopt(ours, run, "--no-input")[0] == 0
    path = ours / ".github/workflows/deploy.yml"
    skip = "# check: skip=subject,no-keys,pinned-actions,least-permissions because\n"
    text = path.read_text().replace("startsWith(github.ref, 'refs/tags/v')", "true")
    path.write_text(skip + re.sub(r"@[0-9a-f]{40} # v[\d.]+", "@v4", text))
    done = run(sys.executable, "-B", "scripts/check.py", cwd=ours)
    rules = set(re.findall(r"deploy\.yml:\d+: (\S+)", done.stdout))
    assert {"subject", "pinned-actions"} <= rules


def test_a_makefile_that_exists_is_no_way_to_bootstrap(ours: Path, run: Run) -> None:
    (ours / "Makefile").write_text("all:\n\techo ours\n")
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    assert "make bootstrap  " not in printed
    lines = printed.partition("git commit && ")[2].splitlines()[:3]
    assert lines[0] == "python3 -m venv .venv && echo '*' > .venv/.gitignore"
    assert lines[2].strip().startswith(".venv/bin/python scripts/bootstrap.py ")
    commands = "\n".join(lines).replace("scripts/bootstrap.py", "scripts/bootstrap.py --help")
    done = run("bash", "-euc", commands, cwd=ours)
    assert "usage: bootstrap.py" in done.stdout, done.stdout
    assert not any(".venv" in line for line in status(ours, run))


def test_an_infra_folder_of_its_own_is_kept_and_named(ours: Path, run: Run) -> None:
    (ours / "infra").mkdir()
    (ours / "infra/main.tf").write_text('resource "null_resource" "x" {}\n')
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 1
    assert "infra/main.tf:1: cannot-be-judged" in printed
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
    template = tmp_path / "template"
    ignored = shutil.ignore_patterns(".git", ".venv", "tests", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, template, ignore=ignored)
    deploy = template / "<<cookiecutter.project_slug>>/.github/workflows/deploy.yml"
    deploy.write_text(deploy.read_text().replace("id-token: write", "id-token: none"))
    before = contents(ours)
    home = ["-f", "-s", "--no-input", "-o", str(ours.parent)]
    ended, printed = cookiecutter(tmp_path, run, *home[1:], template=template, given="-f")
    assert ended == 1
    assert "least-permissions" in printed
    assert "What was added stays." in printed
    now = contents(ours)
    assert {name: now[name] for name in before} == before


def test_what_was_adopted_is_set_up_and_publishes_and_only_its_own_files_are_committed(
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
    assert "Not committed, so a release will not have it: src/work.txt" in ended.out
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
    assert "v0.1.0" in runner.published(emulator, "example-service")


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
        assert "Type acme/ours, or name another remote origin" in printed
    ended, printed = adopt(ours, run, "--no-input", "github_repository=Acme/Ours")
    assert ended == 0, printed
    assert {name: contents(ours)[name] for name in OWN} == {name: before[name] for name in OWN}


def in_the_way(ours: Path, name: str) -> str:
    """Put something into the repository that no file may be written over, into or through."""
    path = ours / name
    if name in ("infra", "scripts", ".github"):
        if path.exists():
            shutil.rmtree(path)
        path.write_text("a file\n")
        return f"holds {name}, a link or a file where this template needs a folder"
    if name == "docs":
        (ours.parent / "outside").mkdir()
        path.symlink_to("../outside")
        return "holds docs, a link or a file where this template needs a folder"
    if name == "Makefile":
        path.symlink_to("../outside-makefile")
        return "holds Makefile, a link that leads nowhere where this template has a file"
    (path / ".git").mkdir(parents=True)
    return f"holds {name}, a Git repository of its own, where this has a folder"


@pytest.mark.parametrize("name", ["infra", "scripts", ".github", "docs", "Makefile", "infra/tests"])
def test_what_is_in_the_way_is_named_before_anything_is_added(
    ours: Path, run: Run, name: str
) -> None:
    said = in_the_way(ours, name)
    before = sorted(path.relative_to(ours.parent) for path in ours.parent.rglob("*"))
    ended, printed = adopt(ours, run, "--no-input")
    assert (ended, printed.count("\n")) == (1, 1), printed
    assert said in printed
    now = sorted(path.relative_to(ours.parent) for path in ours.parent.rglob("*"))
    assert [path for path in now if path.parts[0] != "home"] == before


def test_without_s_nothing_of_somebody_elses_is_overwritten(ours: Path, run: Run) -> None:
    before = contents(ours)
    parent = str(ours.parent)
    ended, printed = cookiecutter(ours.parent, run, "-o", parent, "--no-input", given="-f")
    assert (ended, printed.count("\n")) == (1, 1)
    assert "Type -f -s, which keeps every file that exists" in printed
    assert contents(ours) == before


@pytest.mark.parametrize(
    "rules", ["*.tfvars.json\n*.tfstate\n.terraform*\n", "infra/\n", "*.json\n"]
)
def test_what_git_would_ignore_is_named_or_kept(ours: Path, run: Run, rules: str) -> None:
    """A line of the folder's own .gitignore undoes the usual ones of Terraform."""
    (ours / ".gitignore").write_text(rules)
    ended, printed = adopt(ours, run, "--no-input")
    if "tfvars" in rules:
        assert ended == 0, printed
    else:
        assert ended == 1
        assert f".gitignore:1: ignored {rules.strip()} keeps infra/" in printed
        assert re.search(r"add a line behind it: !infra/repository/lifecycle\.json", printed)
    listed = run("git", "add", "--all", "--dry-run", cwd=ours).stdout
    assert ("infra/terraform.tfvars.json" in listed) is ("infra/" not in rules)


def test_a_script_of_somebody_else_is_not_run(ours: Path, run: Run) -> None:
    (ours / "scripts").mkdir()
    for name in ("check.py", "textwrap.py", "unicodedata.py"):
        (ours / "scripts" / name).write_text("open('ran', 'w')\nraise SystemExit\n")
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 1
    assert "scripts/check.py:1: taken this file was there before" in printed
    assert "git mv scripts/check.py scripts/check-old.py" in printed
    assert "Traceback" not in printed
    assert not list(ours.parent.rglob("ran"))


def test_a_module_of_somebody_else_beside_the_check_is_not_run(ours: Path, run: Run) -> None:
    """The standard library's is found first, also where scripts/ holds the same name."""
    (ours / "scripts").mkdir()
    for name in ("textwrap.py", "unicodedata.py", "subprocess.py"):
        (ours / "scripts" / name).write_text("open('ran', 'w')\nraise SystemExit\n")
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    assert "workflow and role agree on who may publish" in printed
    assert not list(ours.parent.rglob("ran"))


def test_odd_kinds_of_files_are_kept_without_a_traceback(ours: Path, run: Run) -> None:
    (ours / "Makefile").mkdir()
    (ours / ".editorconfig").write_bytes(b"\xff\x00\xfe")
    (ours / ".pre-commit-config.yaml").write_text("x" * 1_100_000)
    ended, printed = adopt(ours, run, "--no-input")
    assert ended == 0, printed
    assert ".venv/bin/python scripts/bootstrap.py" in printed
    assert "Traceback" not in printed


def test_a_folder_in_a_larger_repository_is_told_where_workflows_must_be(
    tmp_path: Path, run: Run
) -> None:
    folder = tmp_path / "mono/example-service"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "mono/.git").mkdir()
    ended, printed = adopt(folder, run, "--no-input")
    assert ended == 0, printed
    assert f"This folder lies in the Git repository {tmp_path / 'mono'}." in printed
    assert "git commit" not in printed


HIDING = "# check: skip=no-keys,no-secrets,no-injection,pinned-actions because\n"


def test_the_comment_hides_nothing_where_a_token_can_be_had(ours: Path, run: Run) -> None:
    """By its own permissions however they are spelled, by those of a caller, or in an action."""
    assert adopt(ours, run, "--no-input")[0] == 0
    flows = ours / ".github/workflows"
    deploy = (flows / "deploy.yml").read_text()
    unpinned = re.sub(r"checkout@[0-9a-f]{40} # v[\d.]+", "checkout@v4", deploy)

    def found() -> set[str]:
        done = run(sys.executable, "-B", "scripts/check.py", cwd=ours)
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
