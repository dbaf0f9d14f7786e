"""infra/ as teams edit it: a plan without AWS is judged, and what bootstrap applies CI accepts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from keyless import check
from keyless.model.findings import Finding

from tests.conftest import Bake, Copy, Run
from tests.standins.emulator import Emulator
from tests.support.check import judge
from tests.support.infra_cases import InfraCase, infra_cases
from tests.support.project import Project

Ready = Callable[[Project], Project]  # makes a project ready for a plan
ORDINARY, BROKEN = infra_cases("ordinary"), infra_cases("broken")
EDITS, UNPLANNABLE = infra_cases("edits"), infra_cases("unplannable")
CHECK = (sys.executable, "-B", ".github/keyless", "check")
PREFIX = "repo:octo-org@123456/example-service@456789"


def label(case: InfraCase) -> str:
    """Return what names a case in a report."""
    return case.name


def together(bake: Bake, folder: Path, cases: list[InfraCase]) -> Project:
    """Return a project with many cases in it."""
    project = Project(shutil.copytree(bake().path, folder / "example-service"))
    for case in cases:
        case.apply(project.path)
    return project


@pytest.fixture(scope="module")
def all_broken(
    planning: Ready, bake: Bake, tmp_path_factory: pytest.TempPathFactory
) -> list[Finding]:
    """What is found in a project that has every broken file at once."""
    project = together(bake, tmp_path_factory.mktemp("broken"), BROKEN)
    return check.findings(planning(project).path)


def test_ordinary_work_stays_green(planning: Ready, bake: Bake, tmp_path: Path, run: Run) -> None:
    project = planning(together(bake, tmp_path, ORDINARY))
    assert check.findings(project.path) == []
    formatted = run("terraform", "fmt", "-check", "-recursive", "-diff", "infra", cwd=project.path)
    assert formatted.returncode == 0, formatted.stdout


@pytest.mark.parametrize("case", BROKEN, ids=label)
def test_what_is_broken_is_found_where_it_stands(
    all_broken: list[Finding], case: InfraCase
) -> None:
    found = [each for each in all_broken if each.path == case.at]
    assert {each.rule for each in found} == case.rules
    assert all(each.line > 0 and each.mend for each in found)


def test_nothing_else_is_found_than_what_is_broken(all_broken: list[Finding]) -> None:
    assert {each.path for each in all_broken} == {case.at for case in BROKEN}


@pytest.mark.parametrize("case", EDITS, ids=label)
def test_an_edit_is_judged_by_what_it_makes(planning: Ready, copy: Copy, case: InfraCase) -> None:
    project = planning(copy(**case.answers))
    case.apply(project.path)
    found = check.findings(project.path)
    assert {each.rule for each in found} == case.rules, found
    assert not found or case.at in {each.path for each in found}


@pytest.mark.parametrize("case", UNPLANNABLE, ids=label)
def test_what_cannot_be_planned_here_is_said_with_its_reason(
    planning: Ready, copy: Copy, case: InfraCase
) -> None:
    project = planning(copy())
    case.apply(project.path)
    status, printed = judge(project.path)
    assert (status, printed.split()[1]) == (2, "cannot-be-judged")
    assert case.says in " ".join(printed.split())
    assert "make plan" in printed
    assert "another root module" in printed


GREEN = [[case] for case in EDITS if not case.rules and "HCP Terraform" not in case.name]
NOT_THERE = ("import*.tf", "other-account.tf")  # need something that the emulated AWS has not


@pytest.mark.parametrize("cases", [ORDINARY, *GREEN], ids=lambda each: each[0].name)
def test_what_ci_accepts_bootstrap_accepts_in_the_plan_for_aws(
    copy: Copy, emulator: Emulator, cases: list[InfraCase]
) -> None:
    """Bootstrap runs the check as CI does, and judges what Terraform is about to do, too."""
    project = copy(**cases[0].answers)
    project.know_subject(PREFIX)
    for case in cases:
        case.apply(project.path)
        for pattern in NOT_THERE:
            for file in project.path.glob(f"infra/{pattern}"):
                file.unlink()
    (project.path / "infra/versions.tf").write_text(without_backend(project))
    project.terraform("init", "-input=false")
    project.terraform("plan", "-input=false", "-out=x.tfplan", emulator=emulator)
    shown = project.terraform("show", "-json", "x.tfplan", emulator=emulator)
    (project.path / "infra/plan.json").write_text(shown)
    status, printed = judge(project.path, Path("infra/plan.json"))
    assert status != 1, printed
    assert status == 0 or ": cannot-be-judged " in printed


def without_backend(project: Project) -> str:
    """Return infra/versions.tf without the backend that a case has added."""
    return (project.path / "infra/versions.tf").read_text().replace('  backend "s3" {}\n\n', "")


def test_the_plan_for_aws_is_judged_by_the_same_rules(
    bake: Bake, all_broken: list[Finding], emulator: Emulator, tmp_path: Path
) -> None:
    """What it does not show yet, a plan without AWS has shown."""
    project = together(bake, tmp_path, BROKEN)
    project.know_subject(PREFIX)
    project.terraform("init", "-input=false")
    project.terraform("plan", "-input=false", "-out=x.tfplan", emulator=emulator)
    shown = project.terraform("show", "-json", "x.tfplan", emulator=emulator)
    (project.path / "infra/plan.json").write_text(shown)
    for_aws = check.findings(project.path, Path(project.path / "infra/plan.json"))
    known = {(each.path, each.rule) for each in all_broken}
    assert {(each.path, each.rule) for each in for_aws if each.rule != "cannot-be-judged"} <= known
    unseen = {each.path for each in all_broken} - {each.path for each in for_aws}
    assert unseen == {"infra/ignored.tf"}  # what is created is not ignored yet
