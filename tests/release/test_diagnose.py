"""The diagnosis of a refused role: which difference is named, and which command mends it."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from keyless import paths
from keyless.aws import Refused
from keyless.console import Problem
from keyless.release import diagnose
from keyless.release.differences import GIVEN, explain_difference

IDS = "repo:octo-org@123456/example-service@456789"
BARE = "repo:octo-org/example-service"
TAG = "ref:refs/tags/v0.1.0"
DENIED = "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"
ARN = "arn:aws:iam::111122223333:role/example-service-push"
Judge = Callable[..., tuple[str, tuple[str, ...]]]

pytestmark = pytest.mark.usefixtures("in_a_job")


@pytest.fixture
def in_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the job whose role was refused."""
    monkeypatch.setenv("ECR_REPOSITORY", "example-service")
    monkeypatch.setenv("GITHUB_RUN_ID", "4711")


@pytest.fixture
def judge(root: Path) -> Judge:
    """What is said of a subject, with what the entry holds and with what STS says."""

    def with_entry(
        sub: str, answer: str = DENIED, claims: dict[str, str] | None = None, **entry: Any
    ) -> tuple[str, tuple[str, ...]]:
        edit(root, {"subject_prefix": IDS, **entry})
        presented = {
            "sub": sub,
            "repository": "octo-org/example-service",
            "ref": "refs/tags/v0.1.0",
            "aud": "sts.amazonaws.com",
            **(claims or {}),
        }
        found = explain_difference(diagnose.trusted_entry(), presented, answer)
        return str(found), found.commands

    return with_entry


def edit(root: Path, entry: dict[str, Any]) -> None:
    """Write values into the one entry of a repository."""
    path = root / paths.TFVARS
    values = json.loads(path.read_text())
    values["repositories"]["example-service"].update(entry)
    path.write_text(json.dumps(values, indent=2))


APPLY = ("make bootstrap", "gh run rerun 4711")
NAMED = ('make bootstrap ARGS="--repository octo-org/example-service"', "gh run rerun 4711")
ANEW = ("gh release create vNEXT --target main --generate-notes",)
DIFFERENCES = [
    pytest.param(
        f"{IDS}:{TAG}", {"subject_prefix": BARE}, "numeric ids, but the role trusts none", APPLY,
        id="the role lacks the ids",
    ),
    pytest.param(
        f"{BARE}:{TAG}", {}, "numeric ids, but GitHub presents none", APPLY,
        id="the repository has no ids",
    ),
    pytest.param(
        f"{IDS.replace('456789', '9')}:{TAG}", {}, "deleted and created again", NAMED,
        id="another repository id",
    ),
    pytest.param(
        f"{IDS.replace('123456', '9')}:{TAG}", {}, "belongs to a new owner", APPLY,
        id="another owner id",
    ),
    pytest.param(
        f"{IDS}:{TAG}", {"subject_prefix": None}, "because nobody has asked GitHub for it", APPLY,
        id="nobody has asked",
    ),
    pytest.param(
        f"{IDS}:environment:prod%3Aeu", {},
        'the environment "prod:eu", but the role trusts ref:refs/tags/v*. Either write ',
        APPLY, id="an environment only in the job",
    ),
    pytest.param(
        f"{IDS}:{TAG}", {"environment": "prod: 1"},
        'in no environment. Write this in the job in deploy.yml, commit it, and publish a new '
        'version: environment: "prod: 1"', ANEW, id="an environment only in the entry",
    ),
    pytest.param(
        f"{IDS}:environment:test", {"environment": "prod"}, "but the role trusts environment:prod",
        APPLY, id="another environment",
    ),
    pytest.param(
        f"{IDS}:{TAG}", {"refs": ["refs/heads/main"]},
        "The role trusts ref:refs/heads/main, but this run is for refs/tags/v0.1.0.",
        ("gh workflow run deploy.yml --ref main",), id="another ref",
    ),
    pytest.param(
        f"{IDS}:ref:refs/tags/V1", {}, "for refs/tags/V1. Upper and lower case must match.",
        ("gh workflow run deploy.yml --ref vTAG",), id="a tag in another case",
    ),
    pytest.param(
        f"{IDS}:pull_request", {}, "but this run is for pull_request.",
        ("gh workflow run deploy.yml --ref vTAG",), id="a pull request",
    ),
    *[
        pytest.param(
            sub, {}, "has customised the subject, so the role cannot trust it",
            ("gh api repos/octo-org/example-service/actions/oidc/customization/sub",), id=sub,
        )
        for sub in (
            f"repository_owner:octo-org:{TAG}",
            f"{IDS}:job_workflow_ref:octo-org/x/.github/workflows/y.yml@refs/heads/main",
            f"{IDS}:{TAG}:job_workflow_ref:octo-org/x",
            f"{IDS}:environment:prod:{TAG}",
        )
    ],
]  # fmt: skip


@pytest.mark.parametrize(("sub", "entry", "why", "mend"), DIFFERENCES)
def test_a_difference_is_named_with_what_mends_it(
    judge: Judge, sub: str, entry: dict[str, Any], why: str, mend: tuple[str, ...]
) -> None:
    ref = sub.partition(":ref:")[2] or "refs/tags/v0.1.0"
    found = judge(sub, claims={"ref": ref.partition(":")[0]}, **entry)
    assert why in found[0]
    assert found[1] == mend


@pytest.mark.parametrize(
    ("name", "prefix", "why", "named"),
    [
        ("Octo-Org/example-service", IDS, "differs in upper and lower case", False),
        ("Octo-Org/example-service", BARE, "differs in upper and lower case", False),
        ("octo-org/renamed", IDS, "is octo-org/renamed now", False),
        ("other-org/example-service", IDS, "is other-org/example-service now", False),
        ("octo-org/renamed", BARE, "A fork or a copy must not get the role", True),
        ("octo-org/renamed", None, "because nobody has asked GitHub for it", True),
    ],
)
def test_a_changed_name_is_told_from_a_changed_case(
    judge: Judge, name: str, prefix: str | None, why: str, named: bool
) -> None:
    owner, repository = name.split("/")
    sub = f"repo:{owner}@7/{repository}@456789:{TAG}"
    found = judge(sub, claims={"repository": name}, subject_prefix=prefix)
    assert why in found[0]
    option = f' ARGS="--repository {name}"' if named else ""
    assert found[1] == (f"make bootstrap{option}", "gh run rerun 4711")


def test_a_fork_is_not_told_to_take_the_role(judge: Judge) -> None:
    sub = f"repo:mallory@9/example-service@10:{TAG}"
    found = judge(sub, claims={"repository": "mallory/example-service"})
    assert "mallory/example-service (id 10)" in found[0]
    assert "octo-org/example-service (id 456789)" in found[0]
    assert found[1] == ("gh repo view octo-org/example-service",)
    classic = judge(f"repo:mallory/example-service:{TAG}", claims={"repository": "mallory/x"})
    assert "mallory/x (id unknown)" in classic[0]
    assert classic[1] == ("gh repo view octo-org/example-service",)


@pytest.mark.parametrize(
    ("said", "why", "mend"),
    [
        pytest.param(
            "InvalidIdentityToken: No OpenIDConnect provider found in your account for https",
            "make bootstrap was not run there", APPLY, id="the provider is missing",
        ),
        pytest.param(
            "InvalidIdentityToken: Incorrect token audience",
            "does not know the audience", ("make doctor",), id="the provider knows another one",
        ),
        pytest.param(
            "ExpiredTokenException: Token expired", "had expired when AWS read it",
            ("gh run rerun 4711",), id="the token has expired",
        ),
        pytest.param(
            "InvalidIdentityToken: Couldn't retrieve verification key from your identity provider",
            "STS could not check the token: Inv", ("gh run rerun 4711",), id="a hiccup",
        ),
        pytest.param(
            "Could not connect to the endpoint URL", "STS could not check the token: Could",
            ("gh run rerun 4711",), id="STS is not to be reached",
        ),
        pytest.param(DENIED, "make bootstrap was never run", APPLY, id="nothing was applied"),
        pytest.param(
            "the job can assume the role", "The job can assume the role now",
            ("gh run rerun 4711", "make check"), id="it is given now",
        ),
    ],
)  # fmt: skip
def test_where_the_subjects_agree_the_reason_is_taken_from_sts(
    judge: Judge, said: str, why: str, mend: tuple[str, ...]
) -> None:
    found = judge(f"{IDS}:{TAG}", said)
    assert why in found[0]
    assert found[1] == mend


def test_a_role_that_is_given_now_is_no_reason_to_ask_for_ids(judge: Judge) -> None:
    found = judge(f"{IDS}:{TAG}", "the job can assume the role", subject_prefix=None)
    assert "The job can assume the role now" in found[0]


def test_a_provider_that_is_looked_up_and_missing_is_to_be_created(
    judge: Judge, root: Path
) -> None:
    path = root / paths.TFVARS
    path.write_text(path.read_text().replace('_provider": true', '_provider": false'))
    found = judge(f"{IDS}:{TAG}", "InvalidIdentityToken: No OpenIDConnect provider found")
    assert 'Write "create_oidc_provider": true' in found[0]


def test_an_issuer_of_an_enterprise_is_named(judge: Judge) -> None:
    issuer = "https://token.actions.githubusercontent.com/acme"
    found = judge(f"{IDS}:{TAG}", "No OpenIDConnect provider found", claims={"iss": issuer})
    assert f"The token comes from {issuer}, but infra/ trusts" in found[0]


def test_what_terraform_would_refuse_is_said_first(judge: Judge) -> None:
    found = judge(f"{IDS}:{TAG}", refs=[])
    assert "Terraform refuses what infra/terraform.tfvars.json says: refs '' is not" in found[0]
    assert found[1] == ("make check",)


def test_the_ref_beside_an_environment_is_compared_too(judge: Judge) -> None:
    sub = f"{IDS}:environment:prod"
    found = judge(sub, environment="prod", claims={"ref": "refs/heads/main"})
    assert "expects the claim ref to be refs/tags/v*. It is refs/heads/main" in found[0]
    assert found[1] == ("gh workflow run deploy.yml --ref vTAG",)
    agreeing = judge(sub, environment="prod")
    assert "make bootstrap was never run" in agreeing[0]


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{}", b'{"value": 1}', b"<html>", b'{"value": "a.W10.c"}', b'{"value": "a.b"}'],
)
def test_an_answer_of_github_that_is_no_token_is_no_traceback(
    judge: Judge,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: bytes,
) -> None:
    judge(f"{IDS}:{TAG}")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1/?a=b")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer")
    monkeypatch.setattr(
        "urllib.request.urlopen", lambda *_, **__: contextlib.nullcontext(io.BytesIO(answer))
    )
    assert diagnose.main() == 1
    assert "::error title=The role was refused::" in capsys.readouterr().out


def test_the_token_is_for_the_audience_of_the_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(request: Any, timeout: float) -> Any:
        asked.append((request.full_url, timeout))
        return contextlib.nullcontext(io.BytesIO(b'{"value": "a.b.c"}'))

    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1/?a=b")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer")
    monkeypatch.setattr("urllib.request.urlopen", answer)
    key = "token.actions.githubusercontent.com:aud"
    conditions = {"StringLike": {}, "StringEquals": {key: ["sts.amazonaws.com.cn"]}}
    entry = {"issuer": f"https://{key[:-4]}", "conditions": conditions}
    assert diagnose.ask_github(entry) == "a.b.c"
    assert asked == [("http://127.0.0.1/?a=b&audience=sts.amazonaws.com.cn", 5)]


def test_sts_is_asked_once_and_its_answer_shows_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(command: list[str], given: str, **environment: str) -> str:
        asked.append((command, given, environment))
        raise Refused("InvalidIdentityToken", "no good: a.b.c")

    monkeypatch.setattr(diagnose, "run_aws", refuse)
    entry = {"role_arn": ARN, "aws_region": "us-east-1"}
    assert diagnose.ask_sts(entry, "a.b.c") == "InvalidIdentityToken: no good: TOKEN"
    ((command, given, environment),) = asked
    assert (given, environment) == ("a.b.c", {"AWS_MAX_ATTEMPTS": "1"})
    assert "a.b.c" not in command
    assert {"--cli-connect-timeout", "--cli-read-timeout"} <= set(command)


JOB = """\
      - uses: aws-actions/configure-aws-credentials@0000 # v6
        with:
          role-to-assume: "{role}"
          role-session-name: {name} # of the run
          role-duration-seconds: {seconds}
          aws-region: ${{{{ vars.REGION }}}}
      - run: echo "role-session-name: other"
"""


def write_job(
    root: Path, role: str = ARN, name: str = "${{ env.SESSION }}", seconds: int = 3600
) -> None:
    """Write the step of deploy.yml that assumes the role."""
    path = root / ".github/workflows/deploy.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(JOB.format(role=role, name=name, seconds=seconds))


def test_sts_is_asked_as_the_job_has_asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_job(root, seconds=7200)
    monkeypatch.setenv("SESSION", "run-4711-1")
    asked: list[list[str]] = []

    def give(command: list[str], *_: str, **__: str) -> str:
        asked.append(command)
        return ""

    monkeypatch.setattr(diagnose, "run_aws", give)
    assert diagnose.ask_sts({"role_arn": ARN, "aws_region": "us-east-1"}, "a.b.c") == GIVEN
    given = dict(zip(asked[0], asked[0][1:], strict=False))
    assert given["--role-session-name"] == "run-4711-1"
    assert given["--duration-seconds"] == "7200"


@pytest.mark.parametrize(
    ("answer", "job", "says", "write"),
    [
        (
            "ValidationError: Value 'a b' at 'roleSessionName' failed to satisfy constraint",
            {"name": "a b"},
            "AWS refuses the session name 'a b'",
            "role-session-name: run-${{ github.run_id }}",
        ),
        (
            "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration",
            {"seconds": 7200},
            "The role allows no session of 7200 seconds",
            "role-duration-seconds: 3600",
        ),
        (
            GIVEN,
            {"role": ARN.replace("-push", "")},
            "The job asks for the role arn:aws:iam::111122223333:role/example-service, but",
            f"role-to-assume: {ARN}",
        ),
    ],
    ids=["name", "length", "another role"],
)
def test_what_of_the_request_aws_cannot_accept_is_named(
    root: Path, judge: Judge, answer: str, job: dict[str, Any], says: str, write: str
) -> None:
    write_job(root, **job)
    text, commands = judge(f"{IDS}:{TAG}", answer)
    assert says in text
    assert write in text
    assert commands == ANEW, "a run of the same commit would be refused again"


def test_a_run_of_dependabot_gets_no_token_and_one_is_started_by_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "dependabot[bot]")
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    found = explain_difference({}, {}, "")
    assert "GitHub gives such a run no OIDC token, even if somebody runs it again" in str(found)
    assert found.commands == ("gh workflow run deploy.yml --ref main",)


def test_a_runner_without_the_aws_cli_is_told_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Problem, match="This runner has no AWS CLI") as found:
        diagnose.ask_sts({"role_arn": ARN, "aws_region": "us-east-1"}, "a.b.c")
    assert found.value.commands[0].startswith("https://docs.aws.amazon.com/cli/")


@pytest.mark.parametrize("claim", ["repository_id", "repository_owner_id"])
def test_ids_that_are_tested_beside_the_subject_are_compared(judge: Judge, claim: str) -> None:
    known = {"repository_id": "456789", "repository_owner_id": "123456"}
    found = judge(f"{IDS}:{TAG}", claims={**known, claim: "1"}, test_ids=True)
    assert f"The role expects the claim {claim} to be {known[claim]}. It is 1." in found[0]
    assert "make bootstrap was never run" in judge(f"{IDS}:{TAG}", claims=known, test_ids=True)[0]


def test_claims_are_printed_in_one_line() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "a\n::warning::b", "n": 1}).encode())
    assert diagnose.token_claims(f"x.{claims.decode()}.y") == {"sub": "a ::warning::b", "n": "1"}


def test_a_job_that_may_not_ask_for_a_token_is_told_so() -> None:
    found = explain_difference({}, {}, "")
    assert "permissions: {contents: read, id-token: write}" in str(found)
    assert found.commands == ANEW


def test_a_registry_without_an_entry_is_said(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    judge(f"{IDS}:{TAG}")
    monkeypatch.setenv("ECR_REPOSITORY", "other")
    with pytest.raises(ValueError, match="no entry with the ecr_repository 'other'"):
        diagnose.trusted_entry()


def test_a_checkout_without_infra_still_says_what_to_do(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / paths.TFVARS).unlink()
    summary = root / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert diagnose.main() == 1
    reason = "The reason cannot be found: infra/terraform.tfvars.json: cannot be read"
    assert reason in summary.read_text()
    assert "::error title=The role was refused::" in capsys.readouterr().out
