"""Helpers for the tests of bootstrap: names, commands that change something, the output."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.desk import Desk, Ended
from tests.support.pages import actions_for

NAME = "octo-org/example-service"
IDS = "repo:octo-org@123456/example-service@456789"
TFVARS = "infra/terraform.tfvars.json"
LOCK = "infra/.terraform.lock.hcl"
CREATE = f"gh repo create {NAME} --private"
APPLY = "terraform -chdir=infra apply -no-color -input=false plan.tfplan"
FIRST = [
    "git init --quiet --initial-branch=main",
    f"git remote add origin https://github.com/{NAME}.git",
    "git add --pathspec-from-file=- --pathspec-file-nul",
    f"git add --force -- {TFVARS}",
    "git commit --quiet --message 'First commit'",
    "git push --quiet --set-upstream origin main:refs/heads/main",
]
KEEP = f"gh api --method POST repos/{NAME}/rulesets --input -"  # that published tags stay
RELEASE = f"gh release create v0.1.0 --repo {NAME} --generate-notes --target SHA"
AGAIN = "make bootstrap"


def refused(desk: Desk, *arguments: str, **environment: Any) -> str:
    """Run bootstrap, which must change nothing; return what it prints."""
    before = desk.files()
    desk.hub.clear()
    ended = desk.bootstrap(*arguments, **environment)
    assert ended.status == 1, ended.out
    assert desk.changes() == []
    assert desk.files() == before
    readable(ended)
    return ended.out


def readable(ended: Ended) -> None:
    """Check that our output fits 100 columns, and contains no traceback and no secret."""
    assert "Traceback" not in ended.out
    ours = [
        line for line in ended.out.splitlines() if not re.match(r"  |\S+: |#|Image |Pull ", line)
    ]
    assert [line for line in ours if len(line) > 100] == []
    assert not re.search(r"gho_|ghp_|AKIA|ASIA|eyJ", ended.out)


def allowed(desk: Desk) -> None:
    """Nothing was called in AWS that the page on permissions does not list."""
    named = actions_for(desk.path, "to set up and to change")
    made = {call for call in desk.emulator.calls() if not call.startswith("/")}
    assert made - {"GetCallerIdentity"} <= named
    assert "PutImage" not in named


ENVIRONMENT = "eu: prod"


def with_environment(desk: Desk, name: str = ENVIRONMENT) -> None:
    """Give entry and job an environment."""
    desk.edit(environment=name)
    deploy = desk.path / ".github/workflows/deploy.yml"
    text = deploy.read_text()
    mark = "    timeout-minutes: 30\n"
    assert text.count(mark) == 1
    deploy.write_text(text.replace(mark, f"    environment: {json.dumps(name)}\n{mark}"))


def with_a_value_to_write(desk: Desk) -> None:
    """Let the last commit say something else than is true: bootstrap writes, commits and pushes.

    In AWS nothing changes by it. The desk must have been set up, as its state knows the provider.
    """
    path = desk.path / TFVARS
    text = path.read_text()
    assert text.count('provider": true') == 1
    path.write_text(text.replace('provider": true', 'provider": false'))
    desk.git("commit", "--quiet", "--all", "--message=another value")
    desk.git("push", "--quiet", "origin", "main")
