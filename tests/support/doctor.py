"""Helpers for the tests of doctor: ways to break a project, and the lines that doctor prints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.support.bootstrap import ENVIRONMENT, NAME
from tests.support.desk import Desk, Ended

ROLE = "example-service-push"
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
DEPLOY = ".github/workflows/deploy.yml"
Break = Callable[[Desk], object]


def change(desk: Desk, path: str, old: str, new: str) -> None:
    """Replace a text in a file of the project."""
    text = (desk.path / path).read_text()
    assert text.count(old) == 1
    (desk.path / path).write_text(text.replace(old, new))


def trust(desk: Desk, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the one statement of the role's trust policy, in AWS."""
    iam = desk.emulator.client("iam")
    policy = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    edit(policy["Statement"][0])
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(policy))


def subjects(*trusted: str) -> Break:
    """Let the role trust other subjects, in AWS."""
    claim = {"token.actions.githubusercontent.com:sub": [*trusted]}
    return lambda desk: trust(desk, lambda one: one["Condition"]["StringEquals"].update(claim))


def settings(**changed: Any) -> Break:
    """Change settings of the repository on GitHub."""
    return lambda desk: desk.hub.change(NAME, **changed)


def admits(*policies: str) -> Break:
    """Let branches and tags use the environment, "tag v*"."""
    made = [dict(zip(("type", "name"), each.split(), strict=True)) for each in policies]
    custom = {"protected_branches": False, "custom_branch_policies": True}
    environment = {"deployment_branch_policy": custom, "policies": made}
    return settings(environments={ENVIRONMENT: environment})


def ran(**run: str) -> Break:
    """Let deploy.yml have run."""
    url = f"https://github.com/{NAME}/actions/runs/4711"
    known = {"headBranch": "v0.1.0", "url": url, "createdAt": "2026-08-02T10:00:00Z"}
    return settings(runs=[{"conclusion": "", "status": "completed", **known, **run}])


def provider(operation: str, **arguments: str) -> Break:
    """Call an operation of IAM on the identity provider."""
    return lambda desk: getattr(desk.emulator.client("iam"), operation)(
        OpenIDConnectProviderArn=PROVIDER, **arguments
    )


def mutable(desk: Desk) -> None:
    """Let the tags of the registry be moved."""
    ecr = desk.emulator.client("ecr")
    ecr.put_image_tag_mutability(repositoryName="example-service", imageTagMutability="MUTABLE")


def said(ended: Ended, start: str = "") -> list[str]:
    """Return what doctor printed, a text for each thing, of those that begin so; no verdict.

    It fits the screen; only a command or an address stays whole.
    """
    wide = [line.strip() for line in ended.out.splitlines() if len(line) > 100]
    assert [line for line in wide if not line.startswith(("gh ", "aws ", "(https://"))] == []
    text = re.sub(r"deploy\.yml:\d+", "deploy.yml:N", ended.out.rpartition("\n\n")[0])
    return [one for one in re.split(r"\n(?! )", text) if one.startswith(start)]
