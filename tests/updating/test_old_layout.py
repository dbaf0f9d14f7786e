"""A repository of the old layout reaches the new one by one command, with what a team has written.

The old tool, in scripts/, is that of the last commit that had it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.standins.emulator import ROOT, Emulator
from tests.standins.hub import Hub
from tests.support.check import judge
from tests.support.generating import contents
from tests.support.old_layout import (
    BEFORE,
    OLD,
    TFVARS,
    Shallow,
    Team,
    edit,
    edit_tool,
    old_template,
    require_commit,
)
from tests.support.project import Project
from tests.support.published import Published, published, without_terraform

SHARED = "infra/shared/publish-image.yml"
PUBLISH_IMAGE, ACTION = ".github/workflows/publish-image.yml", ".github/actions/scripts/action.yml"


class Case(NamedTuple):
    """A kind of repository."""

    answers: dict[str, str]
    there: tuple[str, ...] = ()  # the files of a repository that it was added to
    in_aws: str = ""  # what an update without credentials says of AWS; empty: it is not asked
    gone: str = ""  # which file still names the old tool


CASES = {
    "branch and latest": Case({"deploy_on": "branch", "second_tag": "latest"}),
    "both": Case({"platform": "both"}),
    "existing provider": Case({"oidc_provider": "existing"}),
    "state in S3": Case({"state_bucket": "octo-org.terraform"}),
    "ECS Express": Case(  # fewer actions: CHANGELOG.md of 0.1.0
        {"deploy_to": "ecs-express"},
        in_aws="  In AWS: change     deploy policy of role example-service-push: policy\n",
    ),
    "new on GitHub": Case({}, there=("README.md", ".gitignore")),
    "adopted": Case(
        {},
        there=(*BEFORE,),
        gone=".github/workflows/ci.yml:8: scripts/check.py no longer exists",
    ),
}


class Repository(NamedTuple):
    """One of the old layout with a team's edits, and a fresh generation with the same."""

    path: Path
    fresh: Path


class Workshop(NamedTuple):
    """Where they are made."""

    team: Team
    folder: Path

    def repository(self, answers: dict[str, str], there: Iterable[str] = ()) -> Repository:
        """Generate both."""
        old, new = (
            self.team.generate(self.folder / name, answers, old=name == "old", there=there)
            for name in ("old", "new")
        )
        self.team.published.commit_all(old, "What was generated")
        return Repository(old, new)

    def edit(self, repository: Repository) -> None:
        """Let the team write into it."""
        edit(repository.fresh)
        edit(repository.path)
        edit_tool(repository.path)
        self.team.published.commit_all(repository.path, "Edits")

    def update(self, path: Path, *, with_plan: bool = False) -> str:
        """Update it, and look at what is true in any case; return what was printed."""
        made = self.team.published
        variables = {} if with_plan else without_terraform(self.folder / "programs")
        ended = self.team.update(path, "--from", OLD, "--yes", **variables)
        assert ended.status == 0, ended.out
        assert (
            "lost            your edits of the tool, which is replaced: scripts/check.py."
            in ended.out
        )
        assert "  The check reports: Workflows and " in ended.out
        assert judge(path)[0] == 0, judge(path)[1]
        branch = made.git(path, "branch", "--show-current")
        assert branch.startswith("keyless/update-")
        assert made.git(path, "log", "--format=%s", "main..").count("\n") == 0
        assert made.git(path, "log", "-1", "--format=%s", "main") == "Edits"
        assert made.git(path, "status", "--porcelain", "--untracked-files=no") == ""
        again = made.run(path, "make", "--silent", "update")
        assert (again.status, "has the newest version of" in again.out) == (0, True), again.out
        return ended.out


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return published(tmp_path_factory)


@pytest.fixture(scope="session")
def team(template: Published, tmp_path_factory: pytest.TempPathFactory) -> Team:
    return Team(template, old_template(template, tmp_path_factory))


@pytest.fixture
def workshop(team: Team, tmp_path: Path) -> Workshop:
    return Workshop(team, tmp_path)


def files(path: Path) -> dict[str, tuple[bytes, int]]:
    """Return what is in a repository, without what Git and Terraform keep for themselves."""
    own = (".git/", "infra/.terraform", "infra/terraform.tfstate")
    return {name: what for name, what in contents(path).items() if not name.startswith(own)}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_left_differs_from_a_fresh_generation_by_the_edits_alone(
    workshop: Workshop, case: Case
) -> None:
    repository = workshop.repository(case.answers, case.there)
    workshop.edit(repository)
    printed = workshop.update(repository.path, with_plan=bool(case.in_aws))
    assert files(repository.path) == files(repository.fresh)
    assert "Who can publish" not in printed
    assert case.gone in " ".join(printed.split())
    assert printed.count("no longer exists") == bool(case.gone)
    if case.in_aws:
        assert case.in_aws in printed
        assert printed.count(" AWS: ") == case.in_aws.count(" AWS: ")


@pytest.mark.slow
def test_terraform_plans_no_change_of_what_the_old_layout_has_made(
    workshop: Workshop, emulator: Emulator
) -> None:
    repository = workshop.repository({})
    workshop.edit(repository)
    apply(repository.path, emulator)
    workshop.update(repository.path)
    assert files(repository.path) == files(repository.fresh)
    plans_nothing(repository.path, emulator)


@pytest.mark.slow
def test_services_stay_as_they_are_and_call_the_new_tool(
    workshop: Workshop, emulator: Emulator
) -> None:
    repository = workshop.repository({})
    workshop.team.add_services(repository.path, Hub(workshop.folder / "hub"))
    workshop.edit(repository)
    apply(repository.path, emulator)
    before = files(repository.path)
    assert {PUBLISH_IMAGE, ACTION, "services/api.yml", "services/web.json"} <= {*before}
    workshop.update(repository.path)
    expected = files(repository.fresh)
    shared, mode = expected[SHARED]
    ours = b"octo-org/example-service/.github/keyless@publish-v1"
    expected[PUBLISH_IMAGE] = shared.replace(b"OWNER/NAME/.github/keyless@REF", ours), mode
    services = [name for name in before if name.startswith("services/")]
    assert len(services) == 3
    expected |= {name: before[name] for name in (*services, TFVARS)}
    assert files(repository.path) == expected
    plans_nothing(repository.path, emulator)


@pytest.mark.slow
def test_a_repository_without_infra_keeps_what_it_has_fetched(
    workshop: Workshop, tmp_path: Path
) -> None:
    central = workshop.team.generate(tmp_path / "central", {}, old=True)
    workshop.team.add_services(central, Hub(tmp_path / "hub"))
    repository = workshop.repository({"github_repository": "octo-org/web", "iac_tool": "none"})
    for path in repository:
        shutil.copy(central / "services/web.json", path / "infra.json")
    workshop.edit(repository)
    workshop.update(repository.path)
    assert files(repository.path) == files(repository.fresh)


def apply(path: Path, emulator: Emulator) -> None:
    """Let Terraform make what the old layout says."""
    project = Project(path)
    project.terraform("init", "-input=false")
    project.terraform("apply", "-input=false", "-auto-approve", emulator=emulator)


def plans_nothing(path: Path, emulator: Emulator) -> None:
    """Let Terraform plan what the new one says: any change would end with 2."""
    options = ("-input=false", "-detailed-exitcode")
    assert "No changes." in Project(path).terraform("plan", *options, emulator=emulator)


def test_without_the_commit_it_is_said_how_to_name_one(workshop: Workshop) -> None:
    path = workshop.team.generate(workshop.folder / "old", {}, old=True)
    workshop.team.published.commit_all(path, "What was generated")
    ended = workshop.team.update(path, "--yes")
    assert ended.status != 0
    assert "does not say which commit of the template this project was generated from." in ended.out
    commit = workshop.team.published.commit
    assert f'make update PROJECT={path} ARGS="--from {commit}"' in ended.out
    assert workshop.team.published.git(path, "status", "--porcelain") == ""


def test_a_shallow_clone_is_told_how_to_get_the_old_layout(
    template: Published, tmp_path: Path
) -> None:
    source = f"file://{template.folder}"
    template.git(tmp_path, "clone", "--quiet", "--depth=1", source, "shallow")
    with pytest.raises(Shallow, match=f"lacks commit {OLD}.*git fetch --unshallow"):
        require_commit(tmp_path / "shallow")
    ci = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    (checkout,) = (
        step for step in ci["jobs"]["test"]["steps"] if "actions/checkout@" in step.get("uses", "")
    )
    assert checkout["with"]["fetch-depth"] == 0


def test_the_command_is_documented() -> None:
    text = (ROOT / "docs/versions.md").read_text()
    assert f'make update PROJECT=../example-service ARGS="--from {OLD}"' in text
