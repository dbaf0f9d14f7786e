"""The post_gen hook, rendered as cookiecutter renders it and run in a generated project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import INSTALL, Copy, Run
from tests.support.edits import DEPLOY, TFVARS, change
from tests.support.generating import contents, cookiecutter, copy_of_template
from tests.support.hook import hook, rendered


def test_it_changes_nothing_and_can_run_twice(copy: Copy, tmp_path: Path) -> None:
    project = copy()
    before = contents(project.path)
    first, second = hook(project, tmp_path), hook(project, tmp_path)
    assert (first.returncode, first.stdout) == (0, second.stdout)
    assert contents(project.path) == before


def test_it_says_which_programs_it_could_not_run(copy: Copy, tmp_path: Path) -> None:
    done = hook(copy(), tmp_path, path=str(tmp_path))
    assert done.returncode == 0
    assert "actionlint (not on PATH), terraform (not on PATH)" in done.stdout


def test_with_the_programs_on_the_path_nothing_is_left_out(copy: Copy, tmp_path: Path) -> None:
    for program in ("actionlint", "terraform"):
        assert shutil.which(program), INSTALL[program]
    assert "Could not" not in hook(copy(), tmp_path).stdout


@pytest.mark.parametrize("deploy_on", ["release", "tag", "branch"])
def test_what_it_prints_fits_any_console(copy: Copy, tmp_path: Path, deploy_on: str) -> None:
    printed = hook(copy(deploy_on=deploy_on), tmp_path, deploy_on=deploy_on).stdout
    assert printed.isascii()
    assert max(map(len, printed.splitlines())) <= 100


@pytest.mark.parametrize(
    ("name", "before", "after", "finding"),
    [
        (DEPLOY, "name: deploy", "name: [deploy", f"{DEPLOY}: not YAML that the check can read"),
        (TFVARS, '"aws_region"', '"aws_region', f"{TFVARS}:3: not-json"),
        ("README.md", "# example", "<< cookiecutter.x >> example", "README.md:1: template-residue"),
        ("Dockerfile", "FROM", "# % if x\nFROM", "Dockerfile:1: template-residue"),
        ("Dockerfile", "FROM", "<% if x %>\nFROM", "Dockerfile:1: template-residue"),
        (DEPLOY, 'aws-region: "us-east-1"', "aws-region: x", "same-region aws-region is x"),
        (DEPLOY, "jobs:", "job:", "not a workflow, because it has no jobs"),
        (DEPLOY, "timeout-minutes: 30", "timeout-minute: 30", 'unexpected key "timeout-minute"'),
        ("infra/main.tf", "  source ", "  source", "infra/main.tf"),
    ],
)
def test_a_defect_is_reported_with_its_file_and_its_fix(
    copy: Copy, tmp_path: Path, name: str, before: str, after: str, finding: str
) -> None:
    project = copy()
    change(project.path / name, before, after)
    done = hook(project, tmp_path)
    assert done.returncode == 1
    assert finding in done.stdout
    assert "\n    " in done.stdout
    assert "Defects: " in done.stdout.splitlines()[-1]
    assert "Traceback" not in done.stdout


def test_a_finding_can_be_printed_on_any_console(
    copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    project = copy()
    change(project.path / DEPLOY, 'aws-region: "us-east-1"', "aws-region: caf\u00e9")
    done = hook(project, tmp_path)
    assert (done.returncode, "aws-region is caf\\xe9" in done.stdout) == (1, True)


def test_a_checker_that_fails_is_reported_and_the_project_stays(copy: Copy, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "terraform").write_text("#!/bin/sh\necho No version is set\nexit 126\n")
    (programs / "terraform").chmod(0o755)
    done = hook(copy(), tmp_path, path=f"{programs}:/bin")
    assert done.returncode == 0
    assert "terraform (exit status 126)" in done.stdout


def test_modules_beside_the_hook_are_not_imported(copy: Copy, tmp_path: Path) -> None:
    """Cookiecutter runs it in the folder for temporary files, where anybody may write."""
    for name in ("__future__", "json", "re", "yaml", "pathlib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken over')\n")
    done = hook(copy(), tmp_path)
    assert (done.returncode, "taken over" in done.stdout) == (0, False)


@pytest.mark.parametrize("text", ["syntax error\n", "x = 1\n", "import nothing_of_that_name\n"])
def test_a_replaced_check_py_is_a_finding(copy: Copy, tmp_path: Path, text: str) -> None:
    project = copy()
    (project.path / ".github/keyless/check.py").write_text(text)
    done = hook(project, tmp_path)
    assert (done.returncode, "Traceback" in done.stdout) == (1, False)
    assert ".github/keyless/check.py:1: cannot-be-judged" in done.stdout


def test_text_that_only_looks_like_a_template_is_not_reported(copy: Copy, tmp_path: Path) -> None:
    project = copy()
    (project.path / "notes.sh").write_text("cat <<EOF >>file\n# %s\nEOF\ncat <<< word\n")
    (project.path / "image.png").write_bytes(b"\x89PNG\0<< cookiecutter.x >>")
    assert hook(project, tmp_path).returncode == 0


def test_without_check_py_the_hook_fails(copy: Copy, tmp_path: Path) -> None:
    project = copy()
    (project.path / ".github/keyless/check.py").unlink()
    done = hook(project, tmp_path)
    finding = ".github/keyless/check.py:1: cannot-be-judged"
    assert (done.returncode, finding in done.stdout) == (1, True)


def test_no_answer_can_run_as_code(copy: Copy, tmp_path: Path) -> None:
    hostile = "'''); open('ran', 'w') #\n\"\"\" \\ << ${x} %{y} \U0001f600"
    path = rendered(tmp_path, project_slug=hostile)
    text = path.read_text()
    line = next(line for line in text.splitlines() if line.startswith("ANSWERS"))
    assert json.loads(line.split("'''")[1])["project_slug"] == hostile
    assert hook(copy(), tmp_path, project_slug=hostile).returncode == 0
    assert not list(tmp_path.rglob("ran"))


STEPS = "../templates/looking-steps.yml"
BROKEN_TEMPLATES = [
    (STEPS, " # v2.1.7", "", "pinned-actions"),
    (DEPLOY, "      id-token: write", "      packages: read", "least-permissions"),
    (STEPS, "aws-region: << region >>", "aws-region: eu-west-1", "same-region"),
    (
        "../templates/guide.md",
        "# <<",
        "# << '<' '<' >> cookiecutter.x >>\n# <<",
        "template-residue",
    ),
]


@pytest.mark.parametrize(
    ("name", "before", "after", "rule"), BROKEN_TEMPLATES, ids=lambda t: t[:20]
)
def test_a_project_broken_on_purpose_is_refused_and_removed(
    tmp_path: Path, run: Run, name: str, before: str, after: str, rule: str
) -> None:
    template = copy_of_template(tmp_path)
    path = template / "<<cookiecutter.project_slug>>" / name
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    status, printed = cookiecutter(tmp_path, run, "-o", "output", template=template)
    assert status == 1
    assert f" {rule} " in printed
    assert "Traceback" not in printed
    assert "Hook script failed (exit status: 1)" in printed.splitlines()[-1]
    assert list((tmp_path / "output").iterdir()) == []


def test_an_unbroken_copy_of_the_template_is_accepted(tmp_path: Path, run: Run) -> None:
    assert cookiecutter(tmp_path, run)[0] == 0
