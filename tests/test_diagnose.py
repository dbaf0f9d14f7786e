"""The diagnosis of a refused role: which difference is named, and which command mends it."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bake, Copy
from tests.project import Project

IDS = "repo:octo-org@123456/example-service@456789"
BARE = "repo:octo-org/example-service"
TAG = "ref:refs/tags/v0.1.0"
DENIED = "(AccessDenied) when calling ...: Not authorized to perform sts:AssumeRoleWithWebIdentity"
ARN = "arn:aws:iam::111122223333:role/example-service-push"
Judge = Callable[..., tuple[str, str]]


@pytest.fixture
def diagnose(bake: Bake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The script as a module."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # nobody may change what is cached
    monkeypatch.syspath_prepend(str(bake().path / "scripts"))
    monkeypatch.setenv("ECR_REPOSITORY", "example-service")
    monkeypatch.setenv("GITHUB_RUN_ID", "4711")
    yield importlib.import_module("diagnose")
    for name in ("diagnose", "publish"):
        sys.modules.pop(name, None)


@pytest.fixture
def judge(diagnose: Any, copy: Copy, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """What the script says of a subject, with what the entry holds and with what STS says."""
    project = copy()

    def with_entry(
        sub: str, said: str = DENIED, shown: dict[str, str] | None = None, **entry: Any
    ) -> tuple[str, str]:
        edit(project, {"subject_prefix": IDS, **entry})
        monkeypatch.setattr(diagnose, "CHECK", project.path / "scripts/check.py")
        claims = {
            "sub": sub,
            "repository": "octo-org/example-service",
            "ref": "refs/tags/v0.1.0",
            "aud": "sts.amazonaws.com",
            **(shown or {}),
        }
        found = diagnose.difference(diagnose.trusted(), claims, said)
        return str(found[0]), str(found[1])

    return with_entry


def edit(project: Project, entry: dict[str, Any]) -> None:
    """Write values into the project's one entry."""
    values = project.tfvars
    values["repositories"][project.key].update(entry)
    (project.path / "infra/terraform.tfvars.json").write_text(json.dumps(values, indent=2))


DIFFERENCES = [
    pytest.param(
        f"{IDS}:{TAG}", {"subject_prefix": BARE}, "without numeric ids", "make subject apply",
        id="the role lacks the ids",
    ),
    pytest.param(
        f"{BARE}:{TAG}", {}, "GitHub presents none", "make subject apply",
        id="the repository has no ids",
    ),
    pytest.param(
        f"{IDS.replace('456789', '9')}:{TAG}", {}, "ids are others", "make subject apply",
        id="another repository id",
    ),
    pytest.param(
        f"{IDS.replace('123456', '9')}:{TAG}", {}, "ids are others", "make subject apply",
        id="another owner id",
    ),
    pytest.param(
        f"{IDS}:{TAG}", {"subject_prefix": None}, "Nobody has asked GitHub", "make subject apply",
        id="nobody has asked",
    ),
    pytest.param(
        f"{IDS}:environment:prod%3Aeu", {}, "environment prod%3Aeu, and the role trusts ref:refs",
        'write "environment": "prod:eu" in infra/terraform.tfvars.json, and type: make apply',
        id="an environment only in the job",
    ),
    pytest.param(
        f"{IDS}:{TAG}", {"environment": "prod"}, "trusts environment:prod, and the job runs in no",
        "write environment: prod in the job of deploy.yml and publish a new version",
        id="an environment only in the entry",
    ),
    pytest.param(
        f"{IDS}:environment:test", {"environment": "prod"}, "environment test, and the role trusts",
        'write "environment": "test" in infra/terraform.tfvars.json, and type: make apply',
        id="another environment",
    ),
    pytest.param(
        f"{IDS}:{TAG}", {"refs": ["refs/heads/main"]}, "trusts ref:refs/heads/main, and the run is",
        "gh workflow run deploy.yml --ref main",
        id="another ref",
    ),
    pytest.param(
        f"{IDS}:ref:refs/tags/V1", {}, "the run is for refs/tags/V1",
        "gh workflow run deploy.yml --ref v0.1.0",
        id="a tag in another case",
    ),
    pytest.param(
        f"{IDS}:pull_request", {}, "and not pull_request",
        "gh workflow run deploy.yml --ref v0.1.0",
        id="a pull request",
    ),
    pytest.param(
        f"repository_owner:octo-org:{TAG}", {}, "has customised",
        "gh api repos/octo-org/example-service/actions/oidc/customization/sub",
        id="a customised subject",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sub", "entry", "why", "mend"), DIFFERENCES)
def test_a_difference_is_named_with_the_one_command_that_mends_it(
    judge: Judge, sub: str, entry: dict[str, Any], why: str, mend: str
) -> None:
    found = judge(sub, **entry)
    assert why in found[0]
    assert found[1] == mend


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Octo-Org/example-service", "differs in upper and lower case"),
        ("octo-org/renamed", "is octo-org/renamed now"),
        ("other-org/example-service", "is other-org/example-service now"),
    ],
)
def test_a_changed_name_is_told_from_a_changed_case(judge: Judge, name: str, why: str) -> None:
    owner, repository = name.split("/")
    sub = f"repo:{owner}@123456/{repository}@456789:{TAG}"
    found = judge(sub, shown={"repository": name})
    assert why in found[0]
    assert found[1] == f"make subject apply GITHUB_REPOSITORY={name}"


@pytest.mark.parametrize(
    ("said", "why", "mend"),
    [
        pytest.param(
            "(InvalidIdentityToken) ...: No OpenIDConnect provider found in your account for https",
            "has no OIDC identity provider", "make apply", id="the provider is missing",
        ),
        pytest.param(
            "(InvalidIdentityToken) ...: Incorrect token audience",
            "does not know the audience", "make plan", id="the provider knows another audience",
        ),
        pytest.param(
            "(ExpiredTokenException) ...: Token expired", "expired", "gh run rerun 4711",
            id="the token has expired",
        ),
        pytest.param(DENIED, "make apply was never run", "make apply", id="nothing was applied"),
        pytest.param("", "asked for another role", "gh run rerun 4711", id="it is given now"),
    ],
)  # fmt: skip
def test_where_the_subjects_agree_the_reason_is_taken_from_sts(
    judge: Judge, said: str, why: str, mend: str
) -> None:
    found = judge(f"{IDS}:{TAG}", said)
    assert why in found[0]
    assert found[1].endswith(mend)


def test_the_ref_beside_an_environment_is_compared_too(judge: Judge) -> None:
    sub = f"{IDS}:environment:prod"
    found = judge(sub, environment="prod", shown={"ref": "refs/heads/main"})
    assert "tests ref for refs/tags/v*, and it is refs/heads/main" in found[0]
    assert found[1] == "gh workflow run deploy.yml --ref v0.1.0"
    agreeing = judge(sub, environment="prod")
    assert "make apply was never run" in agreeing[0]


def test_a_job_that_may_not_ask_for_a_token_is_told_so(diagnose: Any) -> None:
    assert "id-token: write" in diagnose.difference({}, {}, "")[1]


def test_a_registry_without_an_entry_is_said(
    diagnose: Any, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(f"{IDS}:{TAG}")
    monkeypatch.setenv("ECR_REPOSITORY", "other")
    with pytest.raises(ValueError, match="no entry with the ecr_repository 'other'"):
        diagnose.trusted()


def test_a_checkout_without_infra_still_says_what_to_do(
    diagnose: Any, copy: Copy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = copy()
    (project.path / "infra/terraform.tfvars.json").unlink()
    monkeypatch.setattr(diagnose, "CHECK", project.path / "scripts/check.py")
    summary = Path(project.path, "summary")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert diagnose.main() == 1
    assert (
        "Why cannot be found out: infra/terraform.tfvars.json: cannot be read"
        in summary.read_text()
    )
    assert "::error title=The role was refused::" in capsys.readouterr().out
