"""What an update means in AWS: planned without an account, against what was there before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from keyless.planning import changing
from keyless.planning.offline import PROVIDERS
from keyless.setup.updating.in_aws import Planned, planned

from tests.conftest import Bake, Copy
from tests.support.project import Project

Ready = Callable[[Project], Project]
TFVARS = "infra/terraform.tfvars.json"
NOTHING = Planned(["Nothing changes in AWS."], [], "")
MOVED = """
moved {
  from = module.repository["moved"]
  to   = module.repository["renamed"]
}
"""
NEVER_THE_SAME = """
resource "aws_ecr_repository_policy" "any" {
  repository = "any"
  policy     = jsonencode({ Version = timestamp() })
}
"""
FORGOTTEN = """
removed {
  from = aws_iam_user.any
  lifecycle {
    destroy = false
  }
}
"""


@pytest.fixture
def no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither Terraform nor OpenTofu is installed."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.fixture
def providers(planning: Ready, copy: Copy) -> Path:
    """A folder with providers, which is empty: the one that is needed runs already."""
    return planning(copy(project_slug="ready")).path / PROVIDERS


def entry(name: str, **values: Any) -> dict[str, Any]:
    """Return an entry; its subject prefix is known only after bootstrap."""
    return {
        "github_repository": f"octo-org/{name}",
        "subject_prefix": None,
        "refs": ["refs/tags/v*"],
        "environment": None,
        "ecr_repository": name,
        "role_name": f"{name}-push",
        **values,
    }


def write_values(root: Path, **values: Any) -> None:
    path = root / TFVARS
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def files(*roots: Path) -> dict[Path, bytes]:
    """Return all files of some projects."""
    return {path: path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()}


def with_a_comment(root: Path) -> None:
    """Let Terraform read other bytes, which mean the same."""
    with (root / "infra/main.tf").open("a") as file:
        file.write("# the same\n")


SAME: dict[str, dict[str, str]] = {
    "a cluster, and a provider of its own": {"deploy_to": "ecs-express"},
    "App Runner, a bucket, and the provider of somebody else": {
        "deploy_to": "app-runner",
        "state_bucket": "octo-org.terraform",
        "oidc_provider": "existing",
    },
}


@pytest.mark.parametrize("answers", SAME.values(), ids=SAME)
def test_what_was_made_up_is_no_change(
    copy: Copy, providers: Path, answers: dict[str, str]
) -> None:
    """Nor is what each plan would change, whatever stands in AWS."""
    before = copy(**answers).path
    boundary = "arn:aws:iam::111122223333:policy/boundary"
    write_values(before, tags={"team": "web"}, permissions_boundary=boundary, role_path="/ci/")
    (before / "infra/any.tf").write_text(NEVER_THE_SAME * ("oidc_provider" in answers))
    after = before.parent / "after"
    shutil.copytree(before, after)
    with_a_comment(after)
    assert planned(before, after, providers) == NOTHING


def test_each_action_is_said_and_what_is_lost_has_its_address(copy: Copy, providers: Path) -> None:
    before = copy().path
    names = ("kept", "moved", "registry", "removed", "role")
    entries = {name: entry(name) for name in names}
    write_values(before, repositories=entries)
    (before / "infra/any.tf").write_text('resource "aws_iam_user" "any" {\n  name = "any"\n}\n')
    after = before.parent / "after"
    shutil.copytree(before, after)
    (after / "infra/any.tf").write_text(FORGOTTEN)
    del entries["removed"]
    entries["renamed"] = entries.pop("moved") | {"max_session_duration": 7200}
    entries["kept"] |= {"expire_untagged_after_days": 3, "force_delete": True}
    entries["role"]["role_name"] = "other-push"
    entries["registry"]["ecr_repository"] = "other"
    write_values(after, repositories=entries, create_oidc_provider=False)
    with (after / "infra/main.tf").open("a") as file:
        file.write(MOVED)
    there = files(before, after)
    found = planned(before, after, providers)
    assert files(before, after) == there
    assert found.unknown == ""
    moves = [
        f'move       module.repository["moved"].{each} to module.repository["renamed"].{each}'
        for each in (
            "aws_ecr_lifecycle_policy.image",
            "aws_ecr_repository.image",
            "aws_iam_role_policy.push",
        )
    ]
    assert sorted(found.lines) == sorted(
        [
            "DESTROY    OIDC identity provider for GitHub",
            "DESTROY    lifecycle policy of ECR repository removed",
            "DESTROY    push policy of role removed-push",
            "DESTROY    ECR repository removed",
            "DESTROY    role removed-push",
            "REPLACE    lifecycle policy of ECR repository other (only the policy)",
            "REPLACE    push policy of role other-push",
            "REPLACE    ECR repository other",
            "REPLACE    role other-push",
            "REPLACE    lifecycle policy of ECR repository kept (only the policy)",
            "change     ECR repository kept: force_delete",
            "change     push policy of role registry-push: policy",
            *moves,
            "change     role moved-push: max_session_duration (moved from"
            ' module.repository["moved"].aws_iam_role.push)',
            "forget     aws_iam_user.any",
        ]
    )
    assert sorted(found.lost) == [
        "aws_iam_openid_connect_provider.github[0]",
        'module.repository["registry"].aws_ecr_repository.image',
        'module.repository["removed"].aws_ecr_repository.image',
        'module.repository["removed"].aws_iam_role.push',
        'module.repository["role"].aws_iam_role.push',
    ]


def test_in_another_region_a_registry_is_new_and_the_former_one_stays(
    bake: Bake, providers: Path
) -> None:
    found = planned(bake().path, bake(aws_region="eu-west-1").path, providers)
    assert found == Planned(
        [
            "create     lifecycle policy of ECR repository example-service",
            "create     ECR repository example-service",
            "change     push policy of role example-service-push: policy",
            "The ECR repository in region us-east-1 stays there, with all images. Nothing updates"
            " them.",
        ],
        [],
        "",
    )


def test_where_infra_comes_to_a_repository_everything_is_new(bake: Bake, providers: Path) -> None:
    found = planned(bake(iac_tool="none").path, bake().path, providers)
    assert found == Planned(
        [
            "create     OIDC identity provider for GitHub",
            "create     lifecycle policy of ECR repository example-service",
            "create     ECR repository example-service",
            "create     role example-service-push",
            "create     push policy of role example-service-push",
        ],
        [],
        "",
    )


def test_what_terraform_refuses_is_said_with_its_reason(
    copy: Copy, bake: Bake, providers: Path
) -> None:
    after = copy()
    with (after.path / "infra/main.tf").open("a") as file:
        file.write("no configuration\n")
    found = planned(bake().path, after.path, providers)
    assert (found.lines, found.lost) == ([], [])
    assert "no plan can be made here: " in found.unknown
    assert "main.tf line" in found.unknown
    assert found.unknown.endswith("look at a plan with credentials: make plan")


@pytest.mark.slow
def test_without_the_provider_nothing_is_known(copy: Copy, bake: Bake) -> None:
    """Nor does the attempt to install it leave anything in the project."""
    after = copy()
    versions = after.path / "infra/versions.tf"
    versions.write_text(versions.read_text().replace("< 7", ">= 999"))
    there = files(after.path)
    found = planned(bake().path, after.path)
    assert files(after.path) == there
    assert found.lines == []
    assert "no available releases match" in found.unknown


@pytest.mark.usefixtures("no_program")
@pytest.mark.parametrize(
    "answers", [{}, {"deploy_to": "ecs-express"}, {"iac_tool": "opentofu"}], ids=str
)
def test_where_terraform_reads_the_same_it_is_not_started(
    copy: Copy, bake: Bake, answers: dict[str, str]
) -> None:
    after = copy(**answers)
    (after.path / "README.md").write_text("another\n")
    (after.path / "infra/tests/trust.tftest.hcl").write_text("# another\n")
    (after.path / "infra/.terraform").mkdir()
    (after.path / "infra/.terraform/any.tf").write_text("# of a module that was downloaded\n")
    assert planned(bake(**answers).path, after.path) == NOTHING


@pytest.mark.usefixtures("no_program")
@pytest.mark.parametrize(
    ("path", "program"),
    [
        ("infra/main.tf", "terraform"),
        ("infra/main.tf", "tofu"),
        ("infra/repository/lifecycle.json", "terraform"),
        ("infra/new.auto.tfvars", "terraform"),
        ("service.json", "terraform"),
    ],
)
def test_without_terraform_nothing_is_known_and_it_is_said_where_to_get_it(
    copy: Copy, bake: Bake, path: str, program: str
) -> None:
    known = {"deploy_to": "ecs-express"} | ({"iac_tool": "opentofu"} if program == "tofu" else {})
    after = copy(**known)
    with (after.path / path).open("a") as file:
        file.write("\n")
    found = planned(bake(**known).path, after.path)
    assert (found.lines, found.lost) == ([], [])
    assert found.unknown.startswith(f"{program} is not installed, so it is unknown what this ")
    assert "/install" in found.unknown


@pytest.mark.usefixtures("no_program")
def test_what_terraform_reads_outside_of_infra_may_differ(copy: Copy) -> None:
    before = copy()
    with (before.path / "infra/main.tf").open("a") as file:
        file.write('module "more" {\n  source = "../more"\n}\n')
    assert planned(before.path, before.path).unknown


@pytest.mark.usefixtures("no_program")
def test_without_an_infra_nothing_is_planned(bake: Bake) -> None:
    own, elsewhere = bake().path, bake(iac_tool="none").path
    same = "infra/ is in another repository, so this update changes nothing in AWS."
    assert planned(elsewhere, elsewhere) == Planned([same], [], "")
    leaves = "infra/ is removed from this repository. Everything that it has created stays in AWS,"
    assert planned(own, elsewhere) == Planned([f"{leaves} and in Terraform's state."], [], "")


def test_what_cannot_be_read_is_said(
    copy: Copy, bake: Bake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with values that is none ends no update; nothing is started for it."""
    monkeypatch.setattr(changing, "initialised", None)
    monkeypatch.setattr("shutil.which", lambda name: name)
    after = copy()
    (after.path / TFVARS).write_text("{")
    found = planned(bake().path, after.path)
    assert found.lines == []
    assert TFVARS in found.unknown
