"""The rehearsal: the main job on an emulated AWS, and mistakes that it must notice."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from tests import rehearsal
from tests.conftest import only_questions
from tests.standins import github
from tests.standins.account import published
from tests.standins.emulator import Emulator, FirstAnswerAgain, emulated_aws
from tests.support.combinations import readable
from tests.support.desk import Desk
from tests.support.project import Failed, Project

REPOSITORY = github.Repository("octo-org/example-service")
TAG = ("release", "refs/tags/v0.1.0")
# Each way to publish, with an environment, both kinds of provider and of state, and two platforms;
# the default answers are rehearsed for the README.
REHEARSED = [
    {"deploy_on": "tag", "github_environment": "eu: production", "platform": "both"},
    {"deploy_on": "branch", "oidc_provider": "existing", "state_bucket": "octo-org-terraform"},
]


@pytest.mark.parametrize("answers", REHEARSED, ids=readable)
@pytest.mark.slow
def test_ecr_has_one_image_and_the_role_refuses_five_other_tokens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answers: dict[str, str]
) -> None:
    only_questions(answers)
    assert rehearsal.main([f"{key}={value}" for key, value in answers.items()]) == 0
    printed = capsys.readouterr().out
    assert printed.count("refused ") == 7  # five tokens, one moved tag, and the closing line
    assert "bootstrap, again: Nothing to do: everything is in place." in printed
    first = "main-1" if answers["deploy_on"] == "branch" else "v0.1.0"
    last = {"tag": "make release VERSION=v0.1.1", "branch": "make release"}
    assert f"\n          next: {last[answers['deploy_on']]}\n" in printed
    assert f"it ran deploy.yml with act: Published {first}\n" in printed
    assert "ran it again: nothing was built" in printed
    environment = "eu%3A production" if "github_environment" in answers else None
    context = f":environment:{environment}\n" if environment else ":ref:refs/heads/main\n"
    assert f"as repo:octo-org@123456/example-service@456789{context}" in printed
    assert re.search(f"one image as {first} and [0-9a-f]{{40}}\n", printed)
    assert not list(tmp_path.iterdir())


def rehearse(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rehearse a project whose set-up was rehearsed before."""
    monkeypatch.setattr(rehearsal, "set_up", lambda _: False)
    rehearsal.rehearse(ready.project, ready.emulator, ready.hub)


def test_if_act_cannot_run_the_image_is_pushed_without_deploy_yml(
    ready: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rehearsal, "runs", lambda program: program != "act")
    rehearse(ready, monkeypatch)
    printed = capsys.readouterr().out
    assert "act is missing; install it: make test" in printed
    assert "Without act, deploy.yml is not run:" in printed
    assert "ran deploy.yml" not in printed
    assert "pushed one image" in printed


def test_a_program_that_is_missing_or_does_not_start_cannot_run(tmp_path: Path) -> None:
    assert rehearsal.runs("act")
    assert not rehearsal.runs("no-such-program")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    assert not rehearsal.runs(str(broken))


def test_a_deploy_yml_that_builds_twice_fails_the_rehearsal(
    ready: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ready.path / ".github/workflows/deploy.yml"
    path.write_text(path.read_text().replace("steps.before.outputs.build == 'true'", "true"))
    ready.git("commit", "-qam", "Build always")
    with pytest.raises(Failed, match="'ran it again: nothing was built' was expected, but the log"):
        rehearse(ready, monkeypatch)


def test_a_wrong_answer_ends_the_rehearsal_with_its_message(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert rehearsal.main(["aws_region=us-east1"]) == 1
    assert "'us-east1' is not an AWS region" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("second_tag=latest", "the emulator has no exclusion filters"),
        ("deploy_on=Friday", "Friday provided for choice variable deploy_on"),
    ],
)
def test_an_answer_that_cannot_be_rehearsed_is_refused_in_one_line(
    capfd: pytest.CaptureFixture[str], answer: str, says: str
) -> None:
    assert rehearsal.main([answer]) == 1
    said = capfd.readouterr().err
    assert (says in said, said.count("\n")) == (True, 1)


def role(emulator: Emulator, condition: dict[str, Any]) -> str:
    """Make a role that trusts GitHub's provider under a condition; return its ARN."""
    arn = f"arn:aws:iam::{emulator.account}:oidc-provider/token.actions.githubusercontent.com"
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": arn},
        "Condition": condition,
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    created = emulator.client("iam").create_role(RoleName="weak", AssumeRolePolicyDocument=document)
    return str(created["Role"]["Arn"])


def test_a_role_that_trusts_too_much_fails_the_rehearsal(emulator: Emulator) -> None:
    audiences = [github.AUDIENCE, "https://github.com/octo-org"]
    emulator.client("iam").create_open_id_connect_provider(
        Url=github.ISSUER, ClientIDList=audiences
    )
    weak = role(
        emulator, {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:octo-org@*"}}
    )
    for refusal in rehearsal.refusals(REPOSITORY, *TAG):
        with pytest.raises(Failed, match=f"the role accepted a token of {refusal.name}"):
            rehearsal.must_be_refused(emulator, weak, refusal)


def test_a_registry_with_movable_tags_fails_the_rehearsal(emulator: Emulator) -> None:
    registry = emulator.client("ecr")
    registry.create_repository(repositoryName="loose", imageTagMutability="MUTABLE")
    login = rehearsal.log_in(registry, emulator)
    name = f"{emulator.host}/loose:v0.1.0"
    first = rehearsal.push(login, name, rehearsal.SHA)
    assert published(emulator, "loose") == {"v0.1.0": first}
    with pytest.raises(Failed, match="was moved to another image"):
        rehearsal.must_not_move(login, name)


def test_each_refusal_differs_in_one_thing_from_what_is_trusted() -> None:
    prefix = "repo:octo-org@123456/example-service@456789"
    subjects = {
        refusal.name: (refusal.repository.subject(refusal.event, refusal.ref), refusal.audience)
        for refusal in rehearsal.refusals(REPOSITORY, *TAG)
    }
    sts = "sts.amazonaws.com"
    assert subjects == {
        "another repository": (f"{prefix.replace('@456', '-2@456')}:ref:refs/tags/v0.1.0", sts),
        "another branch": (f"{prefix}:ref:refs/heads/feature", sts),
        "a pull request": (f"{prefix}:pull_request", sts),
        "another owner id": (f"{prefix.replace('123456', '654321')}:ref:refs/tags/v0.1.0", sts),
        "another audience": (f"{prefix}:ref:refs/tags/v0.1.0", "https://github.com/octo-org"),
    }


def test_a_step_of_terraform_that_fails_shows_what_it_printed(tmp_path: Path) -> None:
    (tmp_path / ".cookiecutter.json").write_text('{"default_context": {"project_slug": "x"}}')
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra/main.tf").write_text("resource {}\n")
    with pytest.raises(Failed, match=r"validate ended with 1:\n(.|\n)*Error"):
        Project(tmp_path).terraform("validate")


def test_the_emulator_stops_when_its_block_ends(tmp_path: Path) -> None:
    with emulated_aws("111122223333", "us-east-1", tmp_path / "log") as emulator:
        identity = emulator.client("sts").get_caller_identity()
        assert identity["Account"] == "111122223333"
    host, port = emulator.host.split(":")
    assert host == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_a_repeated_request_gets_its_first_answer_and_a_failure_is_tried_again() -> None:
    calls: list[bytes] = []
    statuses = iter([200, 500, 200])

    async def application(_: Any, receive: Any, send: Any) -> None:
        calls.append((await receive())["body"])
        await send({"type": "http.response.start", "status": next(statuses)})
        await send({"type": "http.response.body", "body": b"answer %d" % len(calls)})

    async def ask(server: FirstAnswerAgain, invocation: bytes) -> list[Any]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"question", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"amz-sdk-invocation-id", invocation)]
        await server({"type": "http", "headers": headers}, receive, send)
        return [sent[0]["status"], sent[1]["body"]]

    async def scenario() -> list[Any]:
        server = FirstAnswerAgain(application)
        return [await ask(server, name) for name in (b"a", b"a", b"b", b"b")]

    first, again, failed, then = asyncio.run(scenario())
    assert first == again == [200, b"answer 1"]
    assert (failed, then) == ([500, b"answer 2"], [200, b"answer 3"])
    assert calls == [b"question"] * 3
