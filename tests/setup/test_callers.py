"""Repositories that call a workflow of this one to publish: the workflow, and their deploy.yml."""

from __future__ import annotations

import json

import pytest
import yaml
from keyless.model.account import parse_account
from keyless.setup.service_files import caller_workflow

from tests.support.bootstrap import TFVARS
from tests.support.desk import Desk
from tests.support.entries import refused, values

CALLED = "octo-org/example-service/.github/workflows/publish-image.yml@refs/tags/publish-v1"


def test_callers_are_written_for_repositories_that_call_the_workflow(
    without_aws: Desk,
) -> None:
    ended = without_aws.keyless(
        "add", "octo-org/web", "octo-org/api", "--calls", "refs/tags/publish-v1"
    )
    assert ended.status == 0, ended.out
    values = json.loads((without_aws.path / TFVARS).read_text())["repositories"]
    assert [values[key].get("job_workflow_ref") for key in values] == [CALLED, None, CALLED]
    workflow = (without_aws.path / ".github/workflows/publish-image.yml").read_text()
    assert "uses: octo-org/example-service/.github/keyless@publish-v1\n" in workflow
    assert (without_aws.path / ".github/keyless/action.yml").is_file()
    caller = (without_aws.path / "services/web.yml").read_text()
    assert len(caller.splitlines()) < 20
    assert caller == (
        "# Publishes one image under two tags, as octo-org/example-service/.github/workflows/"
        "publish-image.yml says.\n"
        "name: deploy\n"
        "on:\n"
        "  release: {types: [published]}\n"
        "  workflow_dispatch:\n"
        "permissions: {}\n"
        "jobs:\n"
        "  publish:\n"
        "    if: ${{ startsWith(github.ref, 'refs/tags/v') }}\n"
        "    permissions: {contents: read, id-token: write}\n"
        "    uses: octo-org/example-service/.github/workflows/publish-image.yml@publish-v1\n"
        "    with:\n"
        '      role-to-assume: "arn:aws:iam::111122223333:role/web-push"\n'
        '      aws-region: "us-east-1"\n'
        '      ecr-repository: "web"\n'
        '      version: "${{ github.ref_name }}"\n'
    )
    assert without_aws.keyless("check").status == 0
    linted = without_aws.run("actionlint", "-no-color", ".github/workflows/publish-image.yml")
    assert linted.out == ""
    for line in (
        "git tag publish-v1 && git push origin publish-v1",
        "make fetch FROM=octo-org/exa",
    ):
        assert f"\n  {line}" in ended.out
    # One that is there already can be moved to it, and another ref is told.
    without_aws.hub.create("octo-org/third", repository_id=9)
    assert without_aws.keyless("add", "octo-org/third").status == 0
    assert (
        without_aws.keyless("add", "octo-org/third", "--calls", "refs/tags/publish-v1").status == 0
    )
    values = json.loads((without_aws.path / TFVARS).read_text())["repositories"]
    assert values["third"]["job_workflow_ref"] == CALLED
    said = refused(without_aws, "add", "octo-org/third", "--calls", "refs/heads/main")
    assert said[0].startswith(
        ".github/workflows/publish-image.yml uses .github/keyless at another ref"
    )


@pytest.mark.parametrize(
    ("refs", "environment", "events", "condition"),
    [
        (
            ["refs/heads/main"],
            None,
            ['  push: {branches: ["main"]}'],
            "github.ref == 'refs/heads/main'",
        ),
        (
            ["refs/tags/w1", "refs/tags/v*"],
            'it\'s "eu": \u00fcber',
            ["  release: {types: [published]}"],
            "github.ref == 'refs/tags/w1' || startsWith(github.ref, 'refs/tags/v')",
        ),
        (
            ["refs/heads/it's/*"],
            None,
            ['  push: {branches: ["it\'s/*"]}'],
            "startsWith(github.ref, 'refs/heads/it''s/')",
        ),
    ],
    ids=["a branch", "two, and an environment", "quotes"],
)
def test_a_caller_matches_its_entry(
    refs: list[str], environment: str | None, events: list[str], condition: str
) -> None:
    account = parse_account({TFVARS: values()})
    entry = {**account.entries["example-service"], "refs": refs, "environment": environment}
    entry |= {"job_workflow_ref": CALLED}
    text = caller_workflow(account, entry, releases=True)
    assert len(text.splitlines()) < 20
    for event in events:
        assert f"\n{event}\n" in text
    job = yaml.safe_load(text)["jobs"]["publish"]
    assert job["if"] == f"${{{{ {condition} }}}}"
    assert job["with"].get("environment") == environment
    by_branch = refs[0].startswith("refs/heads/")
    version = "main-${{ github.run_number }}" if by_branch else "${{ github.ref_name }}"
    assert job["with"]["version"] == version
