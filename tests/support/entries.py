"""Helpers for the tests of add, remove and move: the commands, and the files that they write."""

from __future__ import annotations

import json

from tests.support.desk import Desk

SECOND = "infra/repositories-2.tfvars.json"


def refused(desk: Desk, command: str, *arguments: str) -> list[str]:
    """Run a command that must write nothing; return the lines that it prints."""
    before = desk.files()
    ended = desk.keyless(command, *arguments)
    assert ended.status == 1, ended.out
    assert desk.files() == before
    assert "Traceback" not in ended.out
    return ended.out.splitlines()


def keys(desk: Desk, path: str = "infra/terraform.tfvars.json") -> list[str]:
    """Return the keys of the entries of a file, in their order."""
    return list(json.loads((desk.path / path).read_text())["repositories"])


def values() -> str:
    """Return the text of infra/terraform.tfvars.json, as it is generated."""
    entry = {
        "github_repository": "octo-org/example-service",
        "subject_prefix": None,
        "refs": ["refs/tags/v*"],
        "environment": None,
        "ecr_repository": "example-service",
        "role_name": "example-service-push",
    }
    account = {"aws_account_id": "111122223333", "aws_region": "us-east-1"}
    repositories = {"example-service": entry}
    return json.dumps({**account, "create_oidc_provider": True, "repositories": repositories})
