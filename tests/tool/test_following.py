"""A job followed step by step: which steps run, and what is in effect when each of them does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from keyless.model.account import parse_account
from keyless.model.documents import Mapping
from keyless.model.environment import written_variables
from keyless.model.following import MOST_WORLDS, World, follow
from keyless.model.job_search import find_jobs
from keyless.model.jobs import Job
from keyless.model.refs import Run
from keyless.model.sources import source_of
from keyless.model.workflows import inline_actions, read_workflow
from keyless.paths import TFVARS

from tests.conftest import Bake

CHECKOUT = "actions/checkout@v7"
CREDENTIALS = "aws-actions/configure-aws-credentials@v6"
LOGIN = "aws-actions/amazon-ecr-login@v2"
BUILD = "docker/build-push-action@v7"
HEAD = "on: [release, workflow_dispatch]\njobs:\n  publish:\n    runs-on: ubuntu-24.04\n"
Jobs = Callable[..., Job]


@pytest.fixture
def job(tmp_path: Path, bake: Bake) -> Jobs:
    """Return a function that makes the one job of a workflow from its steps."""

    def made(*steps: str, head: str = HEAD, action: str = "") -> Job:
        root = tmp_path / "repository"
        folder = root / ".github/workflows"
        folder.mkdir(parents=True)
        (folder / "deploy.yml").write_text(f"{head}    steps:\n" + "".join(map(listed, steps)))
        if action:
            (root / "act").mkdir()
            (root / "act/action.yml").write_text(action)
        workflow = read_workflow(root, ".github/workflows/deploy.yml")
        inline_actions(root, workflow.root.of("jobs"), {})
        account = parse_account({TFVARS: (bake().path / TFVARS).read_text()})
        (found,) = find_jobs([workflow], account, "octo-org/example-service")
        return found

    return made


def listed(step: str) -> str:
    """Return a step as an item of a list."""
    first, *rest = step.splitlines()
    return f"      - {first}\n" + "".join(f"        {line}\n" for line in rest)


def release(job: Job) -> list[World]:
    """Follow a job for a release of any tag."""
    worlds = follow(job, Run("release", "refs/tags/*", types=("published",)))
    assert worlds is not None
    return worlds


def ran(job: Job) -> list[list[str]]:
    """Return the ids of the steps that run, for each way in which a job may go."""
    return sorted(
        [visit.step.text("id") for visit in world.visits if visit.ran] for world in release(job)
    )


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        ("success()", True),
        ("always()", True),
        ("failure()", False),
        ("cancelled()", False),
        ("github.event_name == 'push'", False),
        ("github.event.action == 'published'", True),
        ("github.event.action == 'created'", False),
        ("github.event.release.prerelease == 'false'", False),
        ("github.event.release.draft == false", True),
        ("github.event.head_commit", False),
        ("inputs.tag == ''", True),
        ("inputs.tag != ''", False),
        ("env.MODE == 'fast'", True),
        ("matrix.missing", True),  # nobody knows, and nothing depends on it
        ("${{ false }} && true", True),  # a text, which is true
        ("steps.nowhere.outcome == 'success'", False),
        ("contains(github.ref, 'refs/tags/')", True),
        ("endsWith(github.repository, '/example-service')", True),
        ("github.repository == 'Octo-Org/Example-Service'", True),
        ("github.run_attempt > 0 || true", True),
    ],
)
def test_a_condition_is_decided_for_a_release(job: Jobs, condition: str, runs: bool) -> None:
    step = f"id: one\nif: {condition}\nrun: make test\nenv: {{MODE: fast}}"
    assert (["one"] in ran(job(step))) is runs


def test_what_only_the_run_knows_is_followed_both_ways(job: Jobs) -> None:
    first = f"id: build\nif: vars.PUBLISH == 'yes'\nuses: {BUILD}"
    second = f"id: after\nif: steps.build.outcome == 'success'\nuses: {LOGIN}"
    third = f"id: other\nif: steps.build.outcome == 'skipped'\nuses: {LOGIN}"
    assert ran(job(first, second, third)) == [["build", "after"], ["other"]]


def test_the_same_unknown_value_is_the_same_in_every_condition(job: Jobs) -> None:
    steps = [f"id: s{n}\nif: vars.PUBLISH == 'yes'\nuses: {BUILD}" for n in range(3)]
    assert ran(job(*steps)) == [[], ["s0", "s1", "s2"]]


def test_an_output_of_publish_before_is_true_or_false_as_text(job: Jobs) -> None:
    before = "id: before\nrun: python3 .github/keyless publish before"
    text = f"id: text\nif: steps.before.outputs.build == 'true'\nuses: {BUILD}"
    boolean = f"id: boolean\nif: steps.before.outputs.build == true\nuses: {BUILD}"
    assert ran(job(before, text, boolean)) == [["before"], ["before", "text"]]


def test_its_other_outputs_are_any_text(job: Jobs) -> None:
    before = "id: before\nrun: python3 .github/keyless publish before"
    other = f"id: other\nif: steps.before.outputs.digest == ''\nuses: {BUILD}"
    assert ran(job(before, other)) == [["before"], ["before", "other"]]


def test_a_step_that_is_skipped_puts_nothing_out(job: Jobs) -> None:
    first = f"id: role\nif: github.event_name == 'push'\nuses: {CREDENTIALS}"
    second = f"id: login\nif: steps.role.outputs.aws-account-id\nuses: {LOGIN}"
    assert ran(job(first, second)) == [[]]


def test_outcomes_that_nobody_reads_do_not_multiply(job: Jobs) -> None:
    scans = [f"id: scan{n}\nif: vars.SCAN{n} == 'on'\nrun: docker scout {n}" for n in range(13)]
    assert len(release(job(*scans, f"id: build\nuses: {BUILD}"))) <= MOST_WORLDS


def test_outcomes_that_decide_are_not_followed_without_end(job: Jobs) -> None:
    steps = [f"id: s{n}\nif: vars.A{n} == 'on'\nrun: make {n}" for n in range(13)]
    reads = " && ".join(f"steps.s{n}.outcome == 'success'" for n in range(13))
    one = job(*steps, f"if: {reads}\nuses: {BUILD}")
    assert follow(one, Run("release", "refs/tags/*")) is None


def test_the_steps_of_an_action_run_with_the_step_that_uses_it(job: Jobs) -> None:
    action = "inputs: {way: {default: slow}}\nruns:\n  using: composite\n  steps:\n"
    action += f"    - id: inner\n      if: inputs.way == 'slow'\n      uses: {LOGIN}\n"
    skipped = job("id: outer\nif: github.event_name == 'push'\nuses: $/act", action=action)
    assert ran(skipped) == [[]]


@pytest.mark.parametrize(("given", "runs"), [("", True), ("with: {way: fast}", False)])
def test_an_input_of_an_action_has_its_default(job: Jobs, given: str, runs: bool) -> None:
    action = "inputs: {way: {default: slow}}\nruns:\n  using: composite\n  steps:\n"
    action += f"    - id: inner\n      if: inputs.way == 'slow'\n      uses: {LOGIN}\n"
    (steps,) = ran(job(f"id: outer\nuses: ./act\n{given}".strip(), action=action))
    assert ("inner" in steps) is runs


def test_credentials_logins_and_checkouts_are_those_before_a_step(job: Jobs) -> None:
    role = f"id: role\nuses: {CREDENTIALS}\nwith: {{role-to-assume: a, aws-region: b}}"
    one = job(f"uses: {CHECKOUT}", role, f"id: login\nuses: {LOGIN}", f"id: build\nuses: {BUILD}")
    (world,) = release(one)
    before = [visit.before for visit in world.visits]
    assert [state.credentials is not None for state in before] == [False, False, True, True]
    assert [len(state.logins) for state in before] == [0, 0, 0, 1]
    assert [len(state.trees) for state in before] == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("steps", "logins"),
    [
        ([f"uses: {LOGIN}", "run: docker logout"], 0),
        (["run: docker login --username AWS --password-stdin"], 1),
        ([f"uses: {LOGIN}", "uses: docker/login-action@v4"], 2),
    ],
)
def test_a_login_lasts_until_a_logout(job: Jobs, steps: list[str], logins: int) -> None:
    (world,) = release(job(*steps, f"uses: {BUILD}"))
    assert len(world.visits[-1].before.logins) == logins


def test_a_checkout_into_the_workspace_removes_the_folders_before_it(job: Jobs) -> None:
    tools = f"uses: {CHECKOUT}\nwith: {{repository: octo-org/tools, path: tools}}"
    (world,) = release(job(tools, f"uses: {CHECKOUT}", "run: make"))
    last = world.visits[-1].before
    assert [tree.folder for tree in last.trees] == ["."]
    assert [tree.folder for tree in last.gone] == ["tools"]


OWN = f"uses: {CHECKOUT}"


@pytest.mark.parametrize(
    ("checkout", "context", "other", "remote"),
    [
        (OWN, "context: .", "", False),
        (OWN, "context: ${{ github.workspace }}/app", "", False),
        (OWN, "", "", True),
        (OWN, 'context: "{{defaultContext}}:app"', "", True),
        (OWN, "context: https://github.com/octo-org/example-service#${{ github.sha }}", "", True),
        (OWN, "context: https://github.com/octo-org/example-service#main", "main", True),
        (OWN, "context: https://github.com/octo-org/other#${{ github.sha }}", "other", True),
        (f"{OWN}\nwith: {{ref: main}}", "context: .", "main", False),
        (f"{OWN}\nwith: {{ref: '${{{{ github.ref }}}}'}}", "context: .", "", False),
        (f"{OWN}\nwith: {{repository: octo-org/other}}", "context: .", "octo-org/other", False),
        (f"{OWN}\nwith: {{repository: Octo-Org/Example-Service}}", "context: .", "", False),
        (f"{OWN}\nwith: {{repository: o/other, path: x}}", "context: x/app", "o/other", False),
    ],
)
def test_a_build_is_made_of_what_its_context_holds(
    job: Jobs, checkout: str, context: str, other: str, remote: bool
) -> None:
    one = job(checkout, f"uses: {BUILD}\nwith:\n  push: true\n  {context}")
    (world,) = release(one)
    source = source_of(one, world.visits[-1])
    assert (other in source.other, bool(source.other), source.remote) == (True, bool(other), remote)


@pytest.mark.parametrize(
    ("script", "written"),
    [
        ('echo "A=1" >> "$GITHUB_ENV"', {"A": "1"}),
        ("echo A=1 >> $GITHUB_ENV", {"A": "1"}),
        ("echo 'A=1' | tee -a \"$GITHUB_ENV\"", {"A": "1"}),
        ('printf "A=1\\n" >> "${GITHUB_ENV}"', {"A": "1"}),
        ('cat >> "$GITHUB_ENV" <<EOF\nA=1\nB=2\nEOF', {"A": "1", "B": "2"}),
        ('{ echo "A=1"; echo "B=2"; } >> "$GITHUB_ENV"', {"A": "1", "B": "2"}),
        ('echo "A=$GITHUB_SHA" >> "$GITHUB_ENV"', {"A": "${{ github.sha }}"}),
        ('echo "A=v-${GITHUB_REF_NAME}" >> "$GITHUB_ENV"', {"A": "v-${{ github.ref_name }}"}),
        ('echo "A=${A%%.*}" >> "$GITHUB_ENV"', {"A": "${{ GITHUB_ENV.A }}"}),
        ('echo "A=$(date)" >> "$GITHUB_ENV"', {"A": "${{ GITHUB_ENV.A }}"}),
        ('echo "A<<EOF" >> "$GITHUB_ENV"', {"A": "${{ GITHUB_ENV.A }}"}),
        ('echo "A=1"', {}),
        ('A=1 make >> "$GITHUB_ENV"', {}),
    ],
)
def test_what_a_script_writes_to_the_environment_is_read(
    script: str, written: dict[str, str]
) -> None:
    found = written_variables(script)
    assert {key: value for key, value in found.items() if key in "AB"} == written


def test_the_lines_of_a_file_are_read_where_a_script_writes_them_there() -> None:
    files = {"ci/team.env": "# settings\nA=1\nB = no\n"}
    assert written_variables('cat ci/team.env >> "$GITHUB_ENV"', files) == {"A": "1"}


def test_a_variable_of_the_step_wins_then_what_was_written_then_the_job(job: Jobs) -> None:
    head = HEAD + "    env: {A: job, B: job, C: job}\n"
    write = 'run: |\n  echo "A=written" >> "$GITHUB_ENV"\n  echo "B=written" >> "$GITHUB_ENV"'
    one = job(write, "run: make\nenv: {A: step}", head=head)
    shown = [one.variable(one.steps[1], name) for name in "ABC"]
    assert shown == ["step", "written", "job"]
    assert [one.variable(one.steps[0], name) for name in "ABC"] == ["job"] * 3
    assert one.resolve(Mapping(), "${{ env.A }}") == "job"
