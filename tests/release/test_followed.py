"""What the check says of a job, held against what happens when act runs it.

followed.yml holds edits of deploy.yml and, written by hand, what GitHub makes of each of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from keyless import check

from tests.conftest import Bake, Copy
from tests.standins import runner
from tests.standins.emulator import Emulator
from tests.standins.events import Event, starts
from tests.support.edits import DEPLOY, apply
from tests.support.release import Release

NEVER, EMPTY, PUBLISHES = "never starts", "green without image", "publishes"
VERSION = "v1.2.3"


class Case(NamedTuple):
    """An edit of a project, what it runs for, what happens then, and which rule says so before."""

    name: str
    edit: list[str]
    happens: str
    rule: str = ""
    event: str = "release"
    ref: str = VERSION


def read_cases() -> list[Case]:
    """Return all cases."""
    path = Path(__file__).with_name("followed.yml")
    return [Case(**case) for case in yaml.safe_load(path.read_text())]


CASES = read_cases()


def tolerated(step: dict[str, Any]) -> bool:
    """Tell whether the failure of a step leaves the job green."""
    return step.get("continue-on-error", False) is not False


def first_red(run: runner.Run, workflow: dict[str, Any]) -> str:
    """Return the name of the first step that makes a run red."""
    return next(
        runner.name_of(step)
        for job, step in runner.steps_of(workflow)
        if run.steps[job, runner.name_of(step)].outcome == "failure" and not tolerated(step)
    )


def what_happens(made: Release, case: Case) -> str:
    """Run deploy.yml as a case says; return what happened, in the words of followed.yml."""
    workflow = yaml.safe_load((made.project.path / DEPLOY).read_text())
    sha = made.commit(case.ref)
    if not starts(workflow, Event(case.event, f"refs/tags/{case.ref}", sha)):
        return NEVER
    run = made.publish(case.ref, case.event)
    if run.jobs["publish"] == "skipped":
        return NEVER
    if run.status:
        return f"red at {first_red(run, workflow)}"
    names = {sha: "COMMIT"}
    tags = sorted(names.get(tag, tag) for tag in made.tags)
    if not tags:
        return EMPTY
    one = len(set(made.tags.values())) == 1
    if tags == sorted([VERSION, "COMMIT"]) and one:
        return PUBLISHES
    return f"{PUBLISHES} {' '.join(tags)}{'' if one else ' of several images'}"


def in_order(happens: str) -> str:
    """Return what happens, with tags in the order in which they are compared."""
    word, *tags = happens.split()
    return " ".join([word, *sorted(tags)]) if word == PUBLISHES else happens


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_written_of_an_edit_is_what_happens(
    copy: Copy, emulator: Emulator, case: Case
) -> None:
    made = Release(copy(), emulator)
    apply(made.project.path, case.edit)
    assert what_happens(made, case) == in_order(case.happens)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_the_check_says_of_an_edit_is_what_happens(
    bake: Bake, tmp_path: Path, case: Case
) -> None:
    root = tmp_path / "example-service"
    shutil.copytree(bake().path, root, ignore=shutil.ignore_patterns("keyless"))
    apply(root, case.edit)
    found = check.findings(root, planning=False)
    assert case.rule in {finding.rule for finding in found} or (found, case.rule) == ([], "")


def test_enough_is_followed_of_what_breaks_and_of_what_does_not() -> None:
    broken = [case for case in CASES if case.happens != PUBLISHES]
    assert (len(broken) >= 24, len(CASES) - len(broken) >= 12) == (True, True)
    assert all(case.rule for case in broken)
    assert len([case for case in CASES if case.happens == PUBLISHES and case.rule]) <= 2
    kinds = {case.happens.partition(" ")[0] for case in CASES}
    assert kinds == {"never", "red", "green", "publishes"}
