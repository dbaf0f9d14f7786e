"""The harness that runs workflows: what it must refuse, and that it shows what GitHub would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import botocore.exceptions
import jwt
import pytest

from tests.standins import github, runner
from tests.standins.emulator import ROOT, STARTED_WITHIN, Emulator
from tests.standins.events import Event, starts
from tests.support.project import Failed
from tests.support.release import REPOSITORY, workflow

NOWHERE = Emulator("http://127.0.0.1:9", "111122223333", "us-east-1")  # nothing answers there
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
CREDENTIALS = "aws-actions/configure-aws-credentials@e6de054238d6b7531b4efff3b6587d9aade6a06c"

pytestmark = pytest.mark.slow  # act runs the workflows

SHOW = """
      - name: Show
        run: |
          {
            echo "ref=${{ github.ref }} name=$GITHUB_REF_NAME type=${{ github.ref_type }}"
            echo "sha=${{ github.sha }} event=${{ github.event_name }} in=${{ github.repository }}"
            echo "run=$GITHUB_RUN_ID/${{ github.run_number }}/${{ github.run_attempt }}"
          } >> "$GITHUB_STEP_SUMMARY"
"""


def push(project: Path, **more: Any) -> runner.Run:
    """Run a project's workflow for a push of main."""
    given = {"event": "push", "ref": "refs/heads/main", "repository": REPOSITORY} | more
    return runner.run(project, NOWHERE, **given)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (f"\n      - uses: {CHECKOUT}\n        with: {{fetch-dept: 1}}", "no input fetch-dept"),
        (f"\n      - uses: {CREDENTIALS}\n        with: {{audience: x}}", "needs the input aws-re"),
        ("\n      - uses: actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae", "no stand-in"),
        ("\n      - uses: someone/checkout@3d3c42e", "someone/checkout@3d3c42e has no stand-in"),
    ],
    ids=["undeclared", "missing", "unknown", "namesake"],
)
def test_an_action_that_cannot_be_played_is_refused(tmp_path: Path, steps: str, says: str) -> None:
    with pytest.raises(Failed, match=says):
        push(workflow(tmp_path, steps + "\n"))


def test_a_workflow_that_github_would_not_start_is_refused(tmp_path: Path) -> None:
    project = workflow(tmp_path, SHOW, on='{push: {tags: ["v*"]}}')
    runner.tag(project, "x1")
    for ref in ("refs/heads/main", "refs/tags/x1"):
        with pytest.raises(Failed, match=f"does not start .* for push on {ref}"):
            push(project, ref=ref)
    with pytest.raises(Failed, match="for release on refs/tags/x1"):
        push(project, event="release", ref="refs/tags/x1")


@pytest.mark.parametrize(
    ("filters", "refs"),
    [
        ({}, ["heads/main", "heads/x/y", "tags/v1", "tags/v1.2"]),
        ({"tags": "v*"}, ["tags/v1", "tags/v1.2"]),
        ({"tags": ["v*", "!v*.*"]}, ["tags/v1"]),
        ({"tags": ["v*", "!v*.*", "v1.2"]}, ["tags/v1", "tags/v1.2"]),
        ({"tags-ignore": ["v*.*"]}, ["tags/v1"]),
        ({"branches-ignore": ["x/**"]}, ["heads/main"]),
        ({"branches": ["*"], "tags-ignore": ["v1"]}, ["heads/main", "tags/v1.2"]),
        ({"paths": ["app/**"]}, ["heads/main", "heads/x/y", "tags/v1", "tags/v1.2"]),
    ],
    ids=str,
)
def test_a_push_starts_what_its_filters_let_pass(filters: dict[str, Any], refs: list[str]) -> None:
    every = ["heads/main", "heads/x/y", "tags/v1", "tags/v1.2"]
    content = {"on": {"push": filters}}
    assert refs == [ref for ref in every if starts(content, Event("push", f"refs/{ref}", ""))]


def with_action(folder: Path, text: str, steps: str = "") -> Path:
    """Make a repository with an action of its own, which its workflow uses after a checkout."""
    use = "      - name: Own\n        uses: ./.github/actions/own\n        with: {word: hello}\n"
    project = workflow(folder, f"\n      - uses: {CHECKOUT}\n{use}{steps}")
    path = project / ".github/actions/own/action.yml"
    if text:
        path.parent.mkdir(parents=True)
        path.write_text(f"name: own\ninputs: {{word: {{}}}}\nruns:\n{text}")
        runner.commit(project)
    return project


def test_an_action_of_the_repository_runs_as_it_is_in_the_commit(tmp_path: Path) -> None:
    steps = f"""\
  using: composite
  steps:
    - uses: {CHECKOUT}
      with: {{path: again}}
    - run: echo first >> "$GITHUB_STEP_SUMMARY"
      shell: bash
    - run: echo "${{{{ inputs.word }}}} from $(ls again/.github)" >> "$GITHUB_STEP_SUMMARY"
      shell: bash
"""
    done = push(with_action(tmp_path, steps))
    assert (done.status, done.outcome("Own")) == (0, "success"), done.log
    assert done.summary.split() == ["first", "hello", "from", "actions", "workflows"]


def test_an_action_that_is_not_in_the_commit_fails_its_step(tmp_path: Path) -> None:
    done = push(with_action(tmp_path, "", "      - name: Later\n        run: echo later\n"))
    assert (done.status, done.outcome("Own"), done.outcome("Later")) == (1, "failure", "skipped")


@pytest.mark.parametrize(
    "text",
    ["  using: node24\n  main: index.js\n", "  using: composite\n  steps: [{uses: x/y@v1}]\n"],
    ids=["program", "unknown"],
)
def test_an_action_of_the_repository_needs_stand_ins_too(tmp_path: Path, text: str) -> None:
    with pytest.raises(Failed, match="has no stand-in"):
        push(with_action(tmp_path, text))


def test_a_run_that_takes_too_long_is_ended_with_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"

    class OnceItRuns(threading.Timer):
        """A timer that does not count: the time is over as soon as the step runs."""

        def run(self) -> None:
            while not self.finished.wait(0.05):
                if pid.is_file() and pid.read_text().endswith("\n"):
                    self.finished.set()
                    self.function(*self.args, **self.kwargs)

    monkeypatch.setattr(runner, "TIMER", OnceItRuns)
    project = workflow(tmp_path, f"\n      - run: echo $$ > {pid}; sleep 3600; true\n")
    with pytest.raises(Failed, match="took more than 600 s"):
        push(project)
    with pytest.raises(ProcessLookupError):
        for _ in range(600):
            os.kill(int(pid.read_text()), 0)
            time.sleep(0.1)


@pytest.mark.parametrize(("before", "name"), [("nohup", "HUP"), ("trap '' INT;", "INT")])
def test_what_is_started_can_be_interrupted_also_from_the_background(
    before: str, name: str
) -> None:
    command = f"import subprocess; subprocess.run(['sh', '-c', 'kill -{name} $$; echo goes on'])"
    for imported, printed in (("", "goes on\n"), ("import tests; ", "")):
        done = subprocess.run(
            ["sh", "-c", f'{before} "$@"', "sh", sys.executable, "-c", imported + command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        assert done.stdout == printed


def test_where_act_is_missing_the_line_that_installs_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed, match="install it: make test"):
        push(tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        'echo "$ACTIONS_ID_TOKEN_REQUEST_TOKEN"',
        'curl -s -H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN"'
        ' "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.amazonaws.com"',
        'echo "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" >> "$GITHUB_STEP_SUMMARY"',
        'echo "authorization: Bearer $GITHUB_RUN_ID"',
        "echo ASIAIOSFODNN7EXAMPLE",
    ],
    ids=["bearer", "token", "summary", "header", "key"],
)
def test_a_leak_is_caught(tmp_path: Path, command: str) -> None:
    project = workflow(
        tmp_path, f"\n      - run: |\n          {command}\n", permissions="{id-token: write}"
    )
    with pytest.raises(Failed, match="shows a"):
        push(project)
    assert runner.leaks(push(project, leaks_fail=False))


@pytest.mark.parametrize(
    ("event", "ref", "kind"),
    [
        ("push", "refs/tags/v1.2.3", "tag"),
        ("push", "refs/heads/main", "branch"),
        ("push", "refs/heads/feature/x", "branch"),
        ("release", "refs/tags/v1.2.3", "tag"),
        ("workflow_dispatch", "refs/tags/v1.2.3", "tag"),
        ("workflow_dispatch", "refs/heads/main", "branch"),
    ],
)
def test_a_job_sees_what_github_would_show(tmp_path: Path, event: str, ref: str, kind: str) -> None:
    project = workflow(tmp_path, SHOW, on="[push, release, workflow_dispatch]")
    runner.tag(project, "v1.2.3")
    runner.git(project, "branch", "feature/x")
    sha = runner.git(project, "rev-parse", "HEAD").strip()
    runner.commit(project, "a newer one")
    done = push(project, event=event, ref=ref, sha=sha, run_number=7, run_attempt=2, run_id=5)
    name = ref.split("/", 2)[2]
    assert (done.status, done.summary.splitlines()) == (
        0,
        [
            f"ref={ref} name={name} type={kind}",
            f"sha={sha} event={event} in=octo-org/example-service",
            "run=5/7/2",
        ],
    )


def test_a_step_for_failures_runs_and_its_summary_is_read(tmp_path: Path) -> None:
    steps = """
      - name: Break
        id: break
        run: sleep 0.3; exit 3
      - name: Skip
        run: echo never
      - name: Explain
        if: failure() && steps.break.outcome == 'failure'
        run: |
          echo "It broke." >> "$GITHUB_STEP_SUMMARY"
          echo "::error title=Broken::Mend it"
"""
    done = push(workflow(tmp_path, steps))
    assert (done.status, done.summary, done.jobs) == (1, "It broke.\n", {"only": "failure"})
    outcomes = [done.outcome(name) for name in ("Break", "Skip", "Explain")]
    assert outcomes == ["failure", "skipped", "success"]
    seconds = done.steps["only", "Explain"].end - done.steps["only", "Break"].start
    assert 0.3 <= seconds <= done.seconds
    assert "::error title=Broken::Mend it" in done.log
    with pytest.raises(KeyError):
        done.outcome("Brake")


def test_outputs_reach_a_later_job_which_has_a_workspace_of_its_own(tmp_path: Path) -> None:
    project = workflow(
        tmp_path,
        """
      - id: first
        run: |
          touch left-behind
          echo "digest=sha256:1" >> "$GITHUB_OUTPUT"
    outputs: {digest: "${{ steps.first.outputs.digest }}"}
  later:
    needs: only
    runs-on: ubuntu-24.04
    steps:
      - run: echo "got ${{ needs.only.outputs.digest }} and $(ls)." >> "$GITHUB_STEP_SUMMARY"
  never:
    if: github.ref == 'refs/heads/other'
    runs-on: ubuntu-24.04
    steps: [{run: exit 1}]
""",
    )
    done = push(project)
    assert (done.status, done.summary) == (0, "got sha256:1 and .\n")
    assert done.jobs == {"only": "success", "later": "success", "never": "skipped"}


def test_a_checkout_shows_the_committed_files_only(tmp_path: Path) -> None:
    listing = "\n      - run: ls >> $GITHUB_STEP_SUMMARY"
    project = workflow(tmp_path, f"{listing}\n      - uses: {CHECKOUT}{listing}; cat old; pwd\n")
    (project / "old").write_text("before\n")
    sha = runner.commit(project)
    (project / "old").write_text("after\n")
    (project / "new").touch()
    done = push(project, sha=sha)
    assert (done.status, done.summary) == (0, "old\n")
    assert "before" in done.log
    assert str(project) not in done.log
    assert runner.git(project, "status", "--short").split() == ["M", "old", "??", "new"]


def test_a_checkout_into_a_folder_leaves_the_rest_as_it_is(tmp_path: Path) -> None:
    steps = f"""
      - run: touch kept
      - uses: {CHECKOUT}
        with: {{path: src/one}}
      - run: echo $(ls -A) $(ls -A src/one) >> "$GITHUB_STEP_SUMMARY"
"""
    done = push(workflow(tmp_path, steps))
    assert (done.status, done.summary) == (0, "kept src .git .github\n"), done.log


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("repository: octo-org/other", "repository 'https://github.com/octo-org/other/' not found"),
        ("path: ../other", "is not under"),
        ("ref: v9", "The process 'git' failed"),
    ],
)
def test_a_checkout_of_what_is_not_there_ends_the_job(
    tmp_path: Path, given: str, says: str
) -> None:
    steps = f"\n      - name: Check out\n        uses: {CHECKOUT}\n        with: {{{given}}}\n"
    done = push(workflow(tmp_path, steps))
    assert (done.status, done.outcome("Check out"), says in done.log) == (1, "failure", True)


def test_a_job_configures_the_aws_cli_for_itself(tmp_path: Path) -> None:
    done = push(
        workflow(
            tmp_path,
            """
      - run: aws configure set region eu-west-1
      - run: cat ~/.aws/config && aws configure get region >> "$GITHUB_STEP_SUMMARY"
""",
        )
    )
    assert (done.status, done.summary) == (0, "eu-west-1\n"), done.log


def test_a_job_sees_nothing_of_this_machine_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("MY_TOKEN", "x")
    done = push(workflow(tmp_path, "\n      - run: env | cut -d= -f1 >> $GITHUB_STEP_SUMMARY\n"))
    names = set(done.summary.split())
    assert not names & {"MY_TOKEN", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert not names & {"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"}
    assert "AWS_ENDPOINT_URL" in names


def test_two_runs_at_once_do_not_meet(tmp_path: Path) -> None:
    project = workflow(tmp_path, f"\n      - uses: {CHECKOUT}{SHOW}      - run: sleep 0.5\n")
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(push, project, run_number=number) for number in (1, 2)]
    shown = [(done.result().status, done.result().summary.splitlines()[-1][-4:]) for done in both]
    assert shown == [(0, "/1/1"), (0, "/2/1")]


def ask(url: str, bearer: str) -> dict[str, Any]:
    """Ask a token server for a token; return the claims."""
    request = urllib.request.Request(url, headers={"Authorization": f"bearer {bearer}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=STARTED_WITHIN) as answer:  # noqa: S310
        content = json.load(answer)
    return jwt.decode(content["value"], options={"verify_signature": False})


def test_the_token_server_gives_a_token_to_its_run_only() -> None:
    with github.TokenServer() as server:
        first, second = (
            server.run(number, "octo-org", lambda audience: github.token(
                REPOSITORY, "push", "refs/heads/main", "0" * 40, audience
            ))
            for number in ("1", "2")
        )  # fmt: skip
        url, bearer = first.values()
        assert ask(url, bearer)["aud"] == "https://github.com/octo-org"
        assert ask(f"{url}&audience=sts.amazonaws.com", bearer)["aud"] == "sts.amazonaws.com"
        for wrong in ("", "x", second["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]):
            with pytest.raises(urllib.error.HTTPError, match="401") as refused:
                ask(url, wrong)
            refused.value.close()
        assert len(server.issued) == 2


@pytest.mark.parametrize(
    ("repository", "environment", "subject"),
    [
        (REPOSITORY, None, "repo:octo-org@123456/example-service@456789:ref:refs/heads/main"),
        (REPOSITORY, "a:b", "repo:octo-org@123456/example-service@456789:environment:a%3Ab"),
        (REPOSITORY._replace(classic=True), "p", "repo:octo-org/example-service:environment:p"),
    ],
)
def test_a_token_shows_the_environment_and_may_have_expired(
    repository: github.Repository, environment: str | None, subject: str
) -> None:
    given = (repository, "push", "refs/heads/main", "0" * 40)
    token = github.token(*given, environment=environment, lifetime=-60)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims.get("environment")) == (subject, environment)
    assert claims["iat"] < claims["exp"]
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(token, github.signing_key().public_key(), ["RS256"], audience=github.AUDIENCE)


def test_a_fault_comes_as_often_as_asked_for_and_calls_are_counted(aws: Emulator) -> None:
    aws.clear()
    registry = aws.client("ecr")
    aws.fail("GetAuthorizationToken", 500, times=2)  # botocore tries again by itself
    assert registry.get_authorization_token()["authorizationData"]
    assert aws.calls() == ["GetAuthorizationToken"] * 3
    aws.fail("GetCallerIdentity", 400)
    with pytest.raises(botocore.exceptions.ClientError, match="asked to fail GetCallerIdentity"):
        aws.client("sts").get_caller_identity()
    aws.fail("/v2/", 503)
    with pytest.raises(urllib.error.HTTPError, match="503") as refused:
        urllib.request.urlopen(f"{aws.endpoint}/v2/", timeout=STARTED_WITHIN)  # noqa: S310
    assert json.load(refused.value)["errors"][0]["code"] == "UNAVAILABLE"
    refused.value.close()
    assert aws.calls()[-2:] == ["GetCallerIdentity", "/v2/ GET"]
    aws.fail("GetCallerIdentity", times=9)
    aws.clear()
    assert aws.client("sts").get_caller_identity()["Account"] == "111122223333"
    assert aws.calls() == ["GetCallerIdentity"]
