"""The generated Terraform, judged by Terraform itself."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import hcl2
import pytest
from keyless.setup import new_entries

from tests.conftest import INSTALL, Bake, Copy
from tests.scale import SIZE
from tests.standins.emulator import ROOT, Emulator
from tests.support.combinations import distinct_infra, every
from tests.support.project import Failed, Project

# The newest 6.x knows the exclusion filter that `latest` needs; 5.100 does not. CI sets this where
# the former is what Terraform finds.
PROVIDER_KNOWS_LATEST = os.environ.get("AWS_PROVIDER_MAJOR") == "6"
VALIDATED = ["commit", "latest"] if PROVIDER_KNOWS_LATEST else ["commit"]

VALUES = ("backend.tf", "terraform.tfvars.json", "trust.tftest.hcl")  # answers, and nothing else
MODULE_TESTS = ROOT / "tests/infra/module"
FOR_LATEST = (  # what the module's tests say of second_tag=commit, and what holds for latest
    ('mutability == "IMMUTABLE"', 'mutability == "IMMUTABLE_WITH_EXCLUSION"'),
    (
        '            "ecr:CompleteLayerUpload",\n',
        '            "ecr:DescribeImages",\n            "ecr:CompleteLayerUpload",\n',
    ),
)


def content(project: Project) -> str:
    """Return a digest of infra/ without the values.

    They are in terraform.tfvars.json, in the backend, which takes no variables, and in
    tests/trust.tftest.hcl (test_trust_stated.py). What is in shared/ is no Terraform.
    """
    digest = hashlib.sha256()
    for path in sorted((project.path / "infra").rglob("*")):
        if path.is_file() and path.name not in VALUES and path.parent.name != "shared":
            text = path.read_text()
            digest.update(f"{path.relative_to(project.path).as_posix()}{text}".encode())
    return digest.hexdigest()


@pytest.mark.slow
def test_answers_reach_terraform_through_its_values_alone(bake: Bake) -> None:
    """All combinations make twelve contents; what is tested below stands for all of them.

    Of a service it is one file, which stands beside any of the four others.
    """
    contents: dict[str, set[tuple[str, bool, str]]] = {}
    for answers in every():
        if answers.get("iac_tool") == "none":
            continue  # which has no infra/
        kind = (answers.get("second_tag", "commit"), answers.get("deploy_on") == "branch")
        target = answers.get("deploy_to", "nothing")
        contents.setdefault(content(bake(**answers)), set()).add((*kind, target))
    assert all(len(kinds) == 1 for kinds in contents.values())
    kinds = sorted(kind for each in contents.values() for kind in each)
    known = [list(answers.values()) for answers in distinct_infra()]
    assert {(tag, when == "branch", target) for tag, when, target in known} >= set(kinds)
    assert len(kinds) == len(set(kinds))
    assert len({kind[2:] for kind in kinds}) == 3
    assert len({kind[:2] for kind in kinds}) == 4
    other = bake(github_repository="a/bc", aws_account_id="000000000001", aws_region="cn-north-1")
    assert content(other) == content(bake())


def test_what_is_measured_beside_infra_makes_the_same_resources(bake: Bake) -> None:
    def resources(*files: Path) -> list[str]:
        text = "\n".join(path.read_text() for path in files)
        return sorted(re.findall(r'^(?:resource|data) "(aws_[a-z_]+)"', text, re.MULTILINE))

    infra = bake().path / "infra"
    own = resources(infra / "oidc.tf", *(infra / "repository").glob("*.tf"))
    for each in ("aws_ecr_repository_policy", "aws_iam_policy_document"):  # for pull_accounts
        own.remove(each)
    own.remove("aws_iam_openid_connect_provider")  # which is created, or looked up
    assert resources(ROOT / "tests/infra/handwritten/main.tf") == own
    assert new_entries.SIZE == SIZE


# The module's full tests, which stay with the template, run in each distinct infra/.


def module_tests(project: Project, *names: str) -> None:
    """Put tests of the module into a project's infra/tests/, as its answers need them."""
    for name in names:
        text = (MODULE_TESTS / f"{name}.tftest.hcl").read_text()
        if name == "repository" and project.answers["second_tag"] == "latest":
            for before, after in FOR_LATEST:
                assert text.count(before) == 1, before
                text = text.replace(before, after)
        (project.path / f"infra/tests/{name}.tftest.hcl").write_text(text)
    if "refusals" in names:
        (project.path / "infra/variables").mkdir()
        shutil.copy(
            project.path / "infra/repository/variables.tf", project.path / "infra/variables"
        )


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("deploy_on", ["release", "branch"])
@pytest.mark.parametrize("second_tag", VALIDATED)
def test_terraform_validates_and_the_modules_tests_pass(
    copy: Copy, second_tag: str, deploy_on: str
) -> None:
    """The module is the same on branches, and each of its runs takes a second."""
    branch = deploy_on == "branch"
    further = {"state_bucket": "octo-org-terraform", "github_environment": "prod: eu"}
    project = copy(second_tag=second_tag, deploy_on=deploy_on, **(further if branch else {}))
    module_tests(project, *(["account"] if branch else ["account", "repository", "refusals"]))
    project.terraform("init", "-backend=false", "-input=false")
    assert "The configuration is valid" in project.terraform("validate")
    runs = 2 + 7 if branch else 2 + 7 + 13 + 24
    assert f"Success! {runs} passed, 0 failed" in project.terraform("test")


@pytest.mark.slow
def test_in_china_an_environment_alone_decides_and_the_generated_test_says_so(copy: Copy) -> None:
    project = copy(aws_region="cn-north-1", github_environment="production", deploy_on="branch")
    project.terraform("init", "-backend=false", "-input=false")
    printed = project.terraform("test")
    assert 'run "only_a_job_in_the_environment_may_publish"... pass' in printed
    assert "Success! 2 passed, 0 failed" in printed


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("target", ["ecs-express", "app-runner"])
def test_terraform_validates_what_runs_the_image_and_its_tests_pass(
    copy: Copy, target: str
) -> None:
    project = copy(deploy_to=target)
    module_tests(project, target)
    project.terraform("init", "-backend=false", "-input=false")
    assert "The configuration is valid" in project.terraform("validate")
    assert "Success! 6 passed, 0 failed" in project.terraform("test")
    # Seen to fail: one line an edit, all at once, and the run that notices each.
    path = project.path / "infra/service.tf"
    text = path.read_text()
    for before, after in (
        (r'variable = "iam:PassedToService"', 'variable = "aws:SourceVpc"'),
        (r'"\$\{each.key\}\.(apprunner\.)?amazonaws.com"', '"ec2.amazonaws.com"'),
        (r"role\$\{var.role_path\}", "role/"),
        (r"if key == local.service.entry", "if true"),
    ):
        edited, count = re.subn(before, after, text)
        assert count > 0, before
        text = edited
    text = text.replace("for key, entry in var.repositories", 'for key in ["x"]')
    path.write_text(text.replace("key => entry if true", "key => { role_name = key } if true"))
    with pytest.raises(Failed, match=r"2 passed, 4 failed"):
        project.terraform("test")


@pytest.mark.slow
def test_opentofu_validates_and_passes_the_same_tests(copy: Copy) -> None:
    """Where `tofu` is on PATH; the workflow of this repository installs it."""
    if not shutil.which("tofu"):
        reason = f"tofu is not on PATH, so OpenTofu was not tried; install it: {INSTALL['tofu']}"
        assert not os.environ.get("TOFU_IS_NEEDED"), reason
        pytest.skip(reason)
    project = copy(iac_tool="opentofu", deploy_on="branch", state_bucket="octo-org-terraform")
    module_tests(project, "account", "repository", "refusals")
    project.terraform("init", "-backend=false", "-input=false")
    assert (project.path / "infra/.terraform.lock.hcl").read_text().count("opentofu.org") == 1
    assert "The configuration is valid" in project.terraform("validate")
    assert re.search(r"Success! \d\d passed, 0 failed", project.terraform("test"))


def test_with_latest_the_hcl_is_parsed_because_provider_5_has_no_exclusion_filter(
    bake: Bake,
) -> None:
    infra = bake(second_tag="latest").path / "infra"
    (registry,) = [
        block["aws_ecr_repository"]["image"]
        for block in parse(infra / "repository/registry.tf")["resource"]
        if "aws_ecr_repository" in block
    ]
    assert registry["image_tag_mutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert registry["image_tag_mutability_exclusion_filter"] == [
        {"filter": "latest", "filter_type": "WILDCARD"}
    ]
    for path, constraint in (("versions.tf", ">= 6.8, < 7"), ("repository/versions.tf", ">= 6.8")):
        (terraform,) = parse(infra / path)["terraform"]
        assert terraform["required_providers"][0]["aws"]["version"] == constraint


def test_with_commit_every_tag_is_immutable_and_provider_5_is_enough(bake: Bake) -> None:
    infra = bake().path / "infra"
    registry = (infra / "repository/registry.tf").read_text()
    assert 'image_tag_mutability = "IMMUTABLE"' in registry
    assert "exclusion" not in registry
    (terraform,) = parse(infra / "versions.tf")["terraform"]
    assert terraform["required_version"] == ">= 1.10"
    assert terraform["required_providers"][0]["aws"]["version"] == ">= 5.100, < 7"


def parse(path: Path) -> dict[str, Any]:
    """Return a Terraform file as plain data: no quotes around strings, no marks of the parser."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            items = value.items()
            return {plain(key): plain(item) for key, item in items if key != "__is_block__"}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return value.strip('"') if isinstance(value, str) else value

    return plain(hcl2.loads(path.read_text()))  # type: ignore[no-any-return]


@pytest.mark.usefixtures("offline")
def test_each_validation_is_tested_and_seen_to_be_needed(copy: Copy) -> None:
    """With all of them removed, every run that expects a failure fails by itself."""
    project = copy()
    module_tests(project, "account", "repository", "refusals")
    expecting = one_run_a_file(project.path / "infra/tests")
    guarded = set()
    for path in (project.path / "infra").rglob("*.tf"):
        blocks = parse(path)
        for variable in blocks.get("variable", []):
            guarded |= {f"var.{name}" for name, body in variable.items() if "validation" in body}
        for data in blocks.get("data", []):
            for kind, named in data.items():
                guarded |= {f"data.{kind}.{name}" for name in named if "lifecycle" in named[name]}
        without = r"^( *)(validation|postcondition|check \"\w+\") \{\n.*?^\1\}\n"
        path.write_text(re.sub(without, "", path.read_text(), flags=re.DOTALL | re.MULTILINE))
        guarded |= {f"check.{name}" for check in blocks.get("check", []) for name in check}
    assert guarded == set().union(*expecting.values())
    project.terraform("init", "-backend=false", "-input=false")
    with pytest.raises(Failed) as failed:
        project.terraform("test")
    printed = str(failed.value)
    for name in expecting:
        assert f'run "{name}"... fail' in printed
    of_the_module = [each for each in expecting.values() if each & {"var.entry", "var.account"}]
    assert printed.count("Error: Missing expected failure") >= len(of_the_module), printed


def one_run_a_file(tests: Path) -> dict[str, set[str]]:
    """Give each run that expects a failure a file of its own; return what each expects to fail."""
    expecting = {}
    for path in sorted(tests.glob("*.hcl")):
        head, *runs = re.split(r"^(?=run )", path.read_text(), flags=re.MULTILINE)
        path.unlink()
        for text in runs:
            name = text.split('"')[1]
            for expected in re.findall(r"expect_failures = \[([\w., ]+)\]", text):
                expecting[name] = set(expected.split(", "))
                (tests / f"{name}.tftest.hcl").write_text(head + text)
    return expecting


def edit(path: Path, before: str, after: str) -> None:
    """Replace a part of a file that must be there exactly once."""
    text = path.read_text()
    assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times in {path.name}"
    path.write_text(text.replace(before, after))


def test_without_a_subject_prefix_the_plan_is_refused_with_the_command_that_fills_it_in(
    copy: Copy, emulator: Emulator
) -> None:
    project = copy()
    project.terraform("init", "-input=false")
    with pytest.raises(Failed) as failed:
        project.terraform("plan", "-input=false", emulator=emulator)
    printed = re.sub(r"[\s│]+", " ", str(failed.value))
    assert "octo-org/example-service is not known yet, so no role can trust it" in printed
    assert (
        "gh api repos/octo-org/example-service/actions/oidc/customization/sub "
        "--jq .sub_claim_prefix" in printed
    )
    assert "make bootstrap" in printed


def test_the_first_plan_shows_both_policies_and_another_account_is_refused(
    copy: Copy, emulator: Emulator
) -> None:
    project = copy(aws_account_id="111122223333")
    project.know_subject("repo:octo-org@123456/example-service@456789")
    project.terraform("init", "-input=false")
    project.terraform("plan", "-input=false", "-out=plan.bin", emulator=emulator)
    plan = json.loads(project.terraform("show", "-json", "plan.bin", emulator=emulator))
    resources = {
        change["address"]: change["change"]["after"] for change in plan["resource_changes"]
    }
    module = 'module.repository["example-service"]'
    trust = json.loads(resources[f"{module}.aws_iam_role.push"]["assume_role_policy"])
    (statement,) = trust["Statement"]
    assert statement["Condition"]["StringLike"] == {
        "token.actions.githubusercontent.com:sub": (
            "repo:octo-org@123456/example-service@456789:ref:refs/tags/v*"
        )
    }
    policy = json.loads(resources[f"{module}.aws_iam_role_policy.push"]["policy"])
    assert policy["Statement"][1]["Resource"] == (
        "arn:aws:ecr:us-east-1:111122223333:repository/example-service"
    )
    edit(
        project.path / "infra/terraform.tfvars.json",
        '"aws_account_id": "111122223333"',
        '"aws_account_id": "999999999999"',
    )
    with pytest.raises(Failed, match="AWS account ID not allowed: 111122223333"):
        project.terraform("plan", "-input=false", emulator=emulator)


def test_the_lifecycle_removes_what_has_no_tag_and_keeps_releases(bake: Bake) -> None:
    rules = lifecycle(bake())
    assert [rule["selection"]["tagStatus"] for rule in rules] == ["untagged"]
    assert [rule["rulePriority"] for rule in rules] == [1]


def test_in_branch_mode_the_newest_images_stay(bake: Bake) -> None:
    untagged, newest = lifecycle(bake(deploy_on="branch"))
    assert untagged["selection"]["tagStatus"] == "untagged"
    assert newest["selection"] == {
        "tagStatus": "tagged",
        "tagPatternList": ["main-*"],
        "countType": "imageCountMoreThan",
        "countNumber": 100,
    }


def lifecycle(project: Project) -> list[dict[str, Any]]:
    """Return the rules of the lifecycle policy."""
    text = (project.path / "infra/repository/lifecycle.json").read_text()
    return json.loads(text)["rules"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("answers", "refs", "create"),
    [
        ({}, ["refs/tags/v*"], True),
        ({"deploy_on": "tag", "oidc_provider": "existing"}, ["refs/tags/v*"], False),
        ({"deploy_on": "branch"}, ["refs/heads/main"], True),
    ],
    ids=["release", "tag-existing", "branch"],
)
def test_the_values_are_those_of_the_design(
    bake: Bake, answers: dict[str, str], refs: list[str], create: bool
) -> None:
    assert bake(**answers).tfvars == {
        "aws_account_id": "111122223333",
        "aws_region": "us-east-1",
        "create_oidc_provider": create,
        "repositories": {
            "example-service": {
                "github_repository": "octo-org/example-service",
                "subject_prefix": None,
                "refs": refs,
                "environment": None,
                "ecr_repository": "example-service",
                "role_name": "example-service-push",
            }
        },
    }
