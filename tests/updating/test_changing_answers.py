"""Every answer is changed to every other one, and back; what a team has written stays."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from keyless.console import Problem
from keyless.setup.updating import staying

from tests.support.changing import (
    DEPLOY,
    EDITED,
    PREFIX,
    TFVARS,
    Changer,
    changer,
    defaults,
    found,
)
from tests.support.combinations import questions
from tests.support.desk import Ended
from tests.support.generating import TEMPLATE_PROJECT, TOOL
from tests.support.published import Published, published, without_terraform
from tests.support.versions import ADDRESS

INFRA_JSON = "infra.json"
OTHER = {  # of the questions that take free text
    "github_repository": "Octo_Org/My.Svc_2",
    "project_slug": "A.b_c-d",
    "aws_account_id": "000000000001",
    "aws_region": "cn-north-1",
    "ecr_repository": "team-a/web.app__v2/x--y",
    "github_environment": "\u00e9t\u00e9: #1 (it's blue)",
    "state_bucket": "octo-org.terraform",
}


def changes() -> list[tuple[str, str, str]]:
    """Return each question with each ordered pair of its answers."""
    found = []
    for key, asked in questions().items():
        values = asked if isinstance(asked, list) else [defaults()[key], OTHER[key]]
        found += [(key, one, other) for one in values for other in values if one != other]
    return found


EACH = pytest.mark.parametrize(("key", "before", "after"), changes())


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return published(tmp_path_factory)


@pytest.fixture(scope="module")
def changing(template: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changer]:
    with changer(template, tmp_path_factory.mktemp("changing")) as made:
        yield made


@pytest.mark.slow
@EACH
def test_a_changed_answer_leads_to_what_a_fresh_generation_makes(
    changing: Changer, key: str, before: str, after: str
) -> None:
    project = changing.project({**defaults(), key: before})
    status, printed = changing.change(project, **{key: after})
    assert status == 0, printed
    assert found(project) == changing.expected({**defaults(), key: after})


@pytest.mark.slow
@EACH
def test_what_the_team_has_written_stays(
    changing: Changer, key: str, before: str, after: str
) -> None:
    project = changing.project({**defaults(), key: before}, edited=True)
    stays = frozenset(path for path in EDITED if (project / path).is_file())
    status, printed = changing.change(project, **{key: after})
    expected = changing.expected({**defaults(), key: after}, stays)
    if key == "github_repository":  # another one has another subject, which bootstrap asks for
        text, mode = expected[TFVARS]
        expected[TFVARS] = text.replace(f'"{PREFIX}"'.encode(), b"null"), mode
    if (key, after) == ("iac_tool", "none"):
        assert status == 1
        assert f"conflict        {TFVARS}: changed here, removed from" in printed
        changing.published.git(project, "rm", "--quiet", TFVARS)
        changing.published.git(project, "-c", "core.editor=true", "cherry-pick", "--continue")
    else:
        assert status == 0, printed
    assert found(project) == expected


# What commands have written


@pytest.fixture
def fetched(changing: Changer, tmp_path: Path) -> Path:
    """A repository without infra/, and with what make fetch has taken from another one."""
    path = tmp_path / "fetched"
    shutil.copytree(changing.project({**defaults(), "iac_tool": "none"}), path)
    facts = json.loads((path / INFRA_JSON).read_text())
    facts["written_by"] = "octo-org/central"
    facts["repositories"]["example-service"]["subject_prefix"] = PREFIX
    (path / INFRA_JSON).write_text(json.dumps(facts))
    changing.published.commit_all(path, "make fetch")
    return path


def test_what_was_fetched_is_changed_by_another_fetch_alone(
    changing: Changer, fetched: Path
) -> None:
    before = found(fetched)[INFRA_JSON]
    answers = {"second_tag": "latest", "deploy_on": "branch"}
    status, printed = changing.change(fetched, **answers)
    assert status == 0
    said = " ".join(printed.split())
    assert "infra.json: it describes what the infra/ of another repository has created" in said
    assert "then type make fetch here" in said
    expected = changing.expected({**defaults(), "iac_tool": "none", **answers})
    assert found(fetched) == {**expected, INFRA_JSON: before}


def test_an_answer_that_infra_json_has_not_says_nothing_of_it(
    changing: Changer, fetched: Path
) -> None:
    before = found(fetched)[INFRA_JSON]
    status, printed = changing.change(fetched, platform="both")
    assert (status, "infra.json" in printed) == (0, False)
    assert found(fetched)[INFRA_JSON] == before


def test_what_was_fetched_goes_when_infra_comes(changing: Changer, fetched: Path) -> None:
    status, printed = changing.change(fetched, iac_tool="terraform")
    assert status == 0, printed
    assert found(fetched) == changing.expected(defaults())


def test_what_services_take_from_here_follows_an_answer(changing: Changer, tmp_path: Path) -> None:
    path = tmp_path / "central"
    shutil.copytree(changing.project(defaults(), edited=True), path)
    changing.published.must(path, sys.executable, TOOL, "outputs")
    changing.published.commit_all(path, "make add")
    before = json.loads((path / "services/other.json").read_text())
    assert (before["image_tag_mutability"], before["excluded_tags"]) == ("IMMUTABLE", [])
    status, printed = changing.change(path, second_tag="latest")
    assert status == 0, printed
    after = json.loads((path / "services/other.json").read_text())
    latest = {"image_tag_mutability": "IMMUTABLE_WITH_EXCLUSION", "excluded_tags": ["latest"]}
    actions = sorted([*before["push_actions"], "ecr:DescribeImages"])
    assert after == {**before, **latest, "push_actions": actions}
    assert changing.published.git(path, "status", "--porcelain") == ""


# What cannot be changed

ENVIRONMENT = "github_environment: "
REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "a misspelled question": (
        {"platfrom": "both"},
        "platfrom is not a question, so nothing was changed. Did you mean platform?",
    ),
    "no question": (
        {"colour": "blue"},
        "colour is not a question, so nothing was changed. The questions are github_repository,",
    ),
    "a setting of cookiecutter": ({"_extensions": "os"}, "_extensions is not a question"),
    "a private value": ({"__infra": "elsewhere"}, "__infra is not a question"),
    "no key": ({"": "both"}, " is not a question"),
    "no choice": (
        {"platform": "windows"},
        "platform: 'windows' is not one of the choices. Use one of: linux/amd64, linux/arm64, both",
    ),
    "an empty choice": ({"platform": ""}, "platform: '' is not one of the choices."),
    "another case": ({"deploy_on": "Branch"}, "deploy_on: 'Branch' is not one of the choices."),
    "quotes": ({"github_environment": 'a"b'}, f"{ENVIRONMENT}'a\"b' is not an environment"),
    "a variable": ({"github_environment": "$HOME"}, f"{ENVIRONMENT}'$HOME' is not an environment"),
    "a template": ({"github_environment": "<< 7 * 7 >>"}, "'<< 7 * 7 >>' contains template syntax"),
    "a statement": ({"github_environment": "a\n# % if"}, "contains template syntax"),
    "an emoji": ({"github_environment": "\U0001f600"}, "' is not an environment name that a role"),
    "a line break": ({"github_environment": "a\nb"}, f"{ENVIRONMENT}'a\\nb' is not an environment"),
    "a path": ({"project_slug": "../other"}, "project_slug: '../other' is not a valid folder name"),
    "no infra/, and a state": (
        {"iac_tool": "none", "state_bucket": "octo-org"},
        "state_bucket: 'octo-org' is not needed: with iac_tool=none there is no infra/ here",
    ),
    "no infra/, and a service": (
        {"iac_tool": "none", "deploy_to": "ecs-express"},
        "deploy_to: 'ecs-express' ",
    ),
    "App Runner, and both": ({"deploy_to": "app-runner", "platform": "both"}, "platform: 'both' "),
    "a service in China": (
        {"deploy_to": "ecs-express", "aws_region": "cn-north-1"},
        "deploy_to: 'ecs-express' ",
    ),
}


@pytest.mark.parametrize(("answers", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_changes(
    changing: Changer, answers: dict[str, str], said: str
) -> None:
    project = changing.project(defaults(), edited=True)
    before = found(project), changing.published.git(project, "branch", "--all", "--verbose")
    with pytest.raises(Problem) as refused:
        changing.change(project, **answers)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert before == (
        found(project),
        changing.published.git(project, "branch", "--all", "--verbose"),
    )


def test_the_present_answer_changes_nothing(changing: Changer) -> None:
    project = changing.project(defaults(), edited=True)
    status, printed = changing.change(project, platform="linux/amd64", github_environment="")
    assert status == 0
    assert printed.splitlines()[-1].startswith("Nothing changes: ")


# Typed


def typed(made: Published, project: Path, given: str, options: str = "--yes") -> Ended:
    """Type make change, as docs/changes.md says."""
    return made.run(project, "make", "--no-print-directory", "change", given, f"ARGS={options}")


@pytest.mark.slow
def test_several_answers_are_changed_at_once_in_one_commit(
    template: Published, changing: Changer, tmp_path: Path
) -> None:
    template = template._replace(further=without_terraform(tmp_path / "programs"))
    project = changing.project(defaults(), edited=True)
    ended = typed(template, project, 'SET=platform=both deploy_on=branch github_environment="a b"')
    assert ended.status == 0, ended.out
    answers = {"platform": "both", "deploy_on": "branch", "github_environment": "a b"}
    assert found(project) == changing.expected({**defaults(), **answers}, frozenset(EDITED))
    branch = "keyless/change-platform-deploy_on-github_environment"
    assert template.git(project, "branch", "--show-current") == branch
    assert template.git(project, "rev-parse", "HEAD^") == template.git(project, "rev-parse", "main")
    assert template.git(project, "status", "--porcelain") == ""
    text = template.git(project, "log", "-1", "--format=%B")
    title = "Change platform to both, deploy_on to branch, github_environment to a b"
    assert text.startswith(f"{title}\n\n- ")
    assert "Who can publish: anyone who can deploy to the environment a b (Settings, Env" in text
    assert "- terraform is not installed, so it is unknown what this means in AWS." in text
    assert text.endswith(f"Template: {ADDRESS}, commit {template.commit}")
    ended = typed(template, project, "SET=deploy_on=branch")
    assert (ended.status, "\nNothing changes: " in ended.out) == (0, True), ended.out


@pytest.mark.slow
def test_what_stays_behind_in_aws_is_said_before_it_is_asked(
    template: Published, changing: Changer
) -> None:
    project = changing.project(defaults(), edited=True)
    before = found(project)
    pairs = "aws_region=eu-central-1 ecr_repository=web deploy_on=branch"
    ended = typed(template, project, f"SET={pairs}", options="")
    said = " ".join(ended.out.split())
    assert "aws_region: A new, empty ECR repository is created." in said
    assert "ecr_repository: A new, empty ECR repository replaces the old one." in said
    assert "The ECR repository in region us-east-1 stays there, with all images." in said
    assert "Nothing was changed, because there is no terminal to ask at." in said
    assert "In AWS: change role example-service-push: assume_role_policy" in said
    assert "ARGS=--yes" in said
    assert f'SET="{pairs}"' in said
    assert ended.status == 2  # make's own, of the tool's 1
    assert found(project) == before
    assert template.git(project, "branch", "--show-current") == "main"


def test_what_is_not_committed_is_not_mixed_with_a_change(
    template: Published, changing: Changer
) -> None:
    project = changing.project(defaults())
    with (project / DEPLOY).open("a") as file:
        file.write("# not committed\n")
    before = found(project)
    ended = typed(template, project, "SET=platform=both")
    assert ended.status != 0
    assert f"You have uncommitted edits: {DEPLOY}." in ended.out
    assert found(project) == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("SET=platform", "'platform' is not QUESTION=ANSWER, for example platform=both"),
        ("SET=platform both", "'platform' is not QUESTION=ANSWER, for example platform=both"),
    ],
)
def test_what_is_no_answer_is_refused(
    template: Published, changing: Changer, given: str, said: str
) -> None:
    ended = typed(template, changing.project(defaults()), given)
    assert ended.status != 0
    assert said in ended.out


def test_without_an_answer_the_questions_are_listed(template: Published, changing: Changer) -> None:
    """With the answers of the project, and what else they can be."""
    ended = typed(template, changing.project({**defaults(), "platform": "both"}), "SET=", "")
    assert ended.status == 0
    assert (
        """\
platform=both
    Which platform does the image run on?
    one of: linux/amd64, linux/arm64, both
"""
        in ended.out
    )
    listed = re.findall(r"(?m)^(\w+)=", ended.out)
    assert listed == [*questions()]
    assert ended.out.endswith('\n  make change SET="platform=both second_tag=latest"\n')


# What the guide says


def test_the_guide_says_what_the_command_says() -> None:
    text = (TEMPLATE_PROJECT / TOOL / "docs/changes.md").read_text()
    rows = re.findall(r"(?m)^\| `(\w+)` \| (.*) \|$", text)
    assert dict(rows) == staying.IN_AWS
    assert {key for key, _ in rows} <= {*questions()}
