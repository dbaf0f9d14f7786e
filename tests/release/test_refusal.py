"""What goes wrong between a job and AWS, and what its reader is told to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from keyless.aws import Refused
from keyless.release import images
from keyless.release.job_environment import Release
from keyless.release.refusal import explain_refusal

from tests.support.registry import ONE, Registry


@pytest.mark.parametrize("word", ["before", "after"])
def test_a_missing_repository_is_named_with_its_region(registry: Registry, word: str) -> None:
    registry.by_cli()
    ran = registry.run(word, ECR_REPOSITORY="nowhere")
    assert ran.status == 1
    assert "There is no ECR repository nowhere in us-east-1" in ran.summary
    assert "```text\nmake bootstrap\ngh run rerun 4711\n```" in ran.summary
    title = "Nothing was published" if word == "before" else "The release is not complete"
    assert ran.printed.startswith(f"::error title={title}::")


def test_the_aws_cli_is_asked_for_the_errors_that_are_read(
    registry: Registry, tmp_path: Path
) -> None:
    program = tmp_path / "aws"  # the pinned CLI does not look at this variable
    program.write_text(
        '#!/bin/sh\necho "An error occurred (A): $AWS_CLI_ERROR_FORMAT" >&2; exit 254\n'
    )
    program.chmod(0o755)
    registry.by_cli()
    ran = registry.run("before", PATH=f"{tmp_path}:/bin", AWS_CLI_ERROR_FORMAT="json")
    assert "A: legacy" in ran.summary


def test_another_region_than_that_of_infra_is_named(registry: Registry, root: Path) -> None:
    values = root / "infra/terraform.tfvars.json"
    values.write_text('{"aws_region": "eu-central-1"}')
    ran = registry.run("before", ECR_REPOSITORY="nowhere")
    assert "in us-east-1, but infra/terraform.tfvars.json says eu-central-1" in ran.summary
    assert "Write aws-region: eu-central-1 in deploy.yml" in ran.summary
    values.write_text("no JSON")
    assert "There is no ECR repository" in registry.run("before", ECR_REPOSITORY="nowhere").summary


@pytest.mark.parametrize(
    ("code", "says", "mend"),
    [
        (
            "AccessDeniedException",
            "The role does not have permission to do this: said AWS.",
            "make bootstrap",
        ),
        ("ExpiredTokenException", "The session of the role ended", "gh run rerun 4711"),
        ("ExpiredTokenException", "lower timeout-minutes or raise role-duration-", "vNEXT"),
        (
            "ServerException",
            "A request to ECR for ",
            "gh run rerun 4711",
        ),
        ("", "A request to ECR for ", "gh run rerun 4711"),
    ],
)
def test_an_answer_of_aws_is_explained(
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    says: str,
    mend: str,
) -> None:
    def answer(*_: Any, **__: Any) -> Any:
        raise Refused(code, "said AWS")

    monkeypatch.setattr(images, "call", answer)
    ran = registry.run("before")
    assert (ran.status, says in ran.summary, mend in ran.summary) == (1, True, True)
    assert "said AWS" in ran.summary


def test_what_make_apply_cannot_mend_is_not_sent_there() -> None:
    job = Release("", "", "v1", ONE, ONE)
    refused = Refused("AccessDeniedException", "with an explicit deny in a service policy")
    problem = explain_refusal(job, refused)
    assert "forbids it. Ask your AWS administrator." in str(problem)
    assert "make bootstrap" not in problem.commands


def test_only_an_image_that_is_missing_is_absent(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = {"failureCode": "KmsError", "failureReason": "the key is gone"}
    monkeypatch.setattr(images, "call", lambda *_, **__: {"images": [], "failures": [failure]})
    ran = registry.run("before")
    assert (ran.status, "KmsError: the key is gone" in ran.summary) == (1, True)


@pytest.mark.parametrize(
    ("printed", "code", "text"),
    [
        ("\nAn error occurred (A) when calling the B operation: c: d\n", "A", "c: d"),
        (
            "An error occurred (A) when calling the B operation (reached max retries: 4): c",
            "A",
            "c",
        ),
        ("aws: [ERROR]: An error occurred (A) when calling the B operation: c", "A", "c"),
        ("aws: [ERROR]: An error occurred (NoRegion): c", "NoRegion", "c"),
        ("\nUnable to locate\n  credentials\n", "", "Unable to locate credentials"),
        ("", "", ""),
    ],
)
def test_what_the_aws_cli_prints_is_read(printed: str, code: str, text: str) -> None:
    refused = Refused.of(printed)
    assert (refused.code, str(refused)) == (code, text)


@pytest.mark.parametrize(
    "denied", ["put-image", "initiate-layer-upload", "batch-check-layer-availability"]
)
def test_a_push_that_left_nothing_is_told_apart_from_one_that_was_denied(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, denied: str
) -> None:
    allowed = registry.run("after", BUILD="failure")
    assert (allowed.status, "the role has permission to push" in allowed.summary) == (1, True)
    commands = "gh run rerun 4711\ngh release create vNEXT --target main --generate-notes"
    assert f"\n{commands}\n" in allowed.summary
    branch = registry.run("after", "main-1", BUILD="failure")
    assert "git commit --allow-empty --message Release && git push" in branch.summary
    assert registry.tags == {}
    call = registry.call

    def deny(service: str, operation: str, **parameters: Any) -> Any:
        if operation == denied:
            raise Refused("AccessDeniedException", f"not authorized: {operation}")
        return call(service, operation, **parameters)

    monkeypatch.setattr(images, "call", deny)
    refused = registry.run("after", BUILD="failure")
    assert (refused.status, f"not authorized: {denied}" in refused.summary) == (1, True)
    assert "make bootstrap\ngh run rerun 4711" in refused.summary


@pytest.mark.parametrize("answer", [{"images": [{}]}, {"images": None}, [], None])
def test_an_answer_that_cannot_be_read_is_no_traceback(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(images, "call", lambda *_, **__: answer)
    ran = registry.run("before")
    assert (ran.status, "An answer of ECR cannot be read" in ran.summary) == (1, True)
