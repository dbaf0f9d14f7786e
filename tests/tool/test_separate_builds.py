"""Images that other jobs build than the one that pushes: shapes that people write, and breaks."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import Bake, Copy, Run
from tests.support.check import judge
from tests.support.edits import DEPLOY, TFVARS, change
from tests.support.project import Project

SHARED = ".github/workflows/publish-image.yml"
BUILD = ".github/workflows/build.yml"
CALLED = f"octo-org/example-service/{SHARED}@refs/tags/v1"
REUSED = """\
name: build
on:
  workflow_call:
    inputs:
      architecture: {type: string, required: true}
      runner: {type: string, required: true}
    outputs:
      digest:
        value: ${{ jobs.image.outputs.digest }}
permissions: {}
jobs:
  image:
"""


def rules(path: Path) -> set[str]:
    """Return the rules that find something."""
    return set(re.findall(r"(?m)^\S+:\d+: (\S+) ", judge(path)[1]))


def build_job(path: Path, architecture: str) -> str:
    """Return the text of a build job of deploy.yml, without its name."""
    text = (path / DEPLOY).read_text()
    found = re.search(rf"(?ms)^  build-{architecture}:\n(.*?)(?=^  [\w-]+:\n)", text)
    assert found, f"there is no job build-{architecture}"
    return found[1]


@pytest.fixture
def reusing(copy: Copy) -> Project:
    """A project whose two build jobs call one workflow."""
    project = copy(platform="both")
    body = build_job(project.path, "amd64")
    steps = body[body.index("    runs-on") :].replace("amd64", "${{ inputs.architecture }}")
    steps = steps.replace("runs-on: ubuntu-24.04\n", "runs-on: ${{ inputs.runner }}\n")
    (project.path / BUILD).write_text(REUSED + steps)
    for architecture, runner in (("amd64", "ubuntu-24.04"), ("arm64", "ubuntu-24.04-arm")):
        call = (
            "    needs: look\n    if: ${{ needs.look.outputs.build == 'true' }}\n"
            "    permissions: {contents: read}\n    uses: ./.github/workflows/build.yml\n"
            f"    with: {{architecture: {architecture}, runner: {runner}}}\n\n"
        )
        change(project.path / DEPLOY, build_job(project.path, architecture), call)
    yaml.safe_load((project.path / DEPLOY).read_text())
    return project


def test_a_workflow_that_builds_each_platform_may_be_called(reusing: Project) -> None:
    assert judge(reusing.path)[0] == 0, judge(reusing.path)[1]


@pytest.mark.parametrize(
    ("name", "before", "after", "rule"),
    [
        (DEPLOY, "DIGEST_ARM64: ${{ needs.build-arm64", "DIGEST_ARM64: ${{ needs.build-amd64", ""),
        (DEPLOY, "runner: ubuntu-24.04-arm", "runner: ubuntu-24.04", ""),
        (DEPLOY, "architecture: arm64", "architecture: amd64", ""),
        (DEPLOY, "    uses: ./.github/w", "    secrets: inherit\n    uses: ./.github/w", ""),
        (BUILD, "jobs.image.outputs.digest", "jobs.image.outputs.imageid", ""),
        (BUILD, "steps.image.outputs.digest", "steps.image.outputs.imageid", ""),
        (BUILD, "name: image-${{ inputs.architecture }}", "name: image", ""),
        (BUILD, "    timeout-minutes: 60\n", "    environment: build\n", ""),
        (BUILD, "          provenance: false", "          provenance: true", "explicit-provenance"),
        (BUILD, "persist-credentials: false", "ref: main", "publish-once"),
    ],
)  # fmt: skip
def test_what_breaks_the_hand_over_is_found_in_a_called_workflow(
    reusing: Project, name: str, before: str, after: str, rule: str
) -> None:
    change(reusing.path / name, before, after)
    assert rules(reusing.path) == {rule or "separate-build"}


def test_a_called_build_has_the_permissions_of_its_caller(reusing: Project) -> None:
    text = (reusing.path / BUILD).read_text()
    own = re.findall(r"(?m)^    permissions:\n      contents: read.*\n", text)[0]
    (reusing.path / BUILD).write_text(text.replace(own, "").replace("permissions: {}\n", ""))
    assert rules(reusing.path) == set()
    wide = "permissions: {contents: read, id-token: write}\n    uses"
    change(reusing.path / DEPLOY, "permissions: {contents: read}\n    uses", wide)
    assert rules(reusing.path) == {"least-permissions"}


def test_a_matrix_has_the_outputs_of_one_of_its_parts(copy: Copy) -> None:
    project = copy(platform="both")
    body = build_job(project.path, "amd64").replace("amd64", "${{ matrix.architecture }}")
    strategy = "    strategy: {matrix: {include: [{architecture: amd64, runner: ubuntu-24.04}, "
    strategy += "{architecture: arm64, runner: ubuntu-24.04-arm}]}}\n"
    body = strategy + body.replace("runs-on: ubuntu-24.04\n", "runs-on: ${{ matrix.runner }}\n")
    text = (project.path / DEPLOY).read_text()
    text = text.replace(build_job(project.path, "amd64"), body)
    text = text.replace("  build-arm64:\n" + build_job(project.path, "arm64"), "")
    text = text.replace("build-amd64, build-arm64]", "build-amd64]").replace(
        "needs.build-arm64", "needs.build-amd64"
    )
    (project.path / DEPLOY).write_text(text)
    status, printed = judge(project.path)
    assert status == 1
    assert printed.count("separate-build") == 1
    assert "has a matrix, and its outputs are those of the last part that ends" in printed


# publish-image.yml, which other repositories call with and without an environment


@pytest.fixture
def shared(copy: Copy) -> Project:
    """A project whose workflow publishes for two others, of which one has an environment."""
    project = copy(platform="both")
    values = project.tfvars
    for key, environment in (("web", None), ("shop", "production")):
        values["repositories"][key] = {
            "github_repository": f"octo-org/{key}",
            "subject_prefix": f"repo:octo-org@123456/{key}@9",
            "refs": ["refs/tags/v*"],
            "environment": environment,
            "ecr_repository": key,
            "role_name": f"{key}-push",
            "job_workflow_ref": CALLED,
        }
    (project.path / TFVARS).write_text(json.dumps(values, indent=2))
    text = (project.path / "infra/shared/publish-image.yml").read_text()
    text = text.replace("OWNER/NAME/", "octo-org/example-service/").replace("@REF", "@v1")
    (project.path / SHARED).write_text(text)
    return project


def test_the_workflow_for_others_hands_on_what_it_builds(shared: Project) -> None:
    assert judge(shared.path)[0] == 0, judge(shared.path)[1]


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        # With an environment nobody has looked, so the output is empty.
        ("needs.look.outputs.build != 'false'", "needs.look.outputs.build == 'true'", "job-starts"),
        ("if: ${{ !failure() && !cancelled() && needs.look", "if: ${{ needs.look", "job-starts"),
        ("    if: ${{ !failure() && !cancelled() }}\n", "", "job-starts subject"),
        ("DIGEST_ARM64: ${{ needs.build-arm64", "DIGEST_ARM64: ${{ needs.build-amd64", ""),
        ("retention-days: 30", "retention-days: 1", ""),
        ("          overwrite: true # when the job runs again\n", "", ""),
        ("      IMAGE_TAG: ${{ inputs.version }}", "      IMAGE_TAG: v1", "publish-once"),
        ("can ask for a token\n", "\n      id-token: write\n", "least-permissions"),
    ],
)  # fmt: skip
def test_what_breaks_it_for_one_of_its_callers_is_found(
    shared: Project, before: str, after: str, rule: str
) -> None:
    change(shared.path / SHARED, before, after)
    assert rules(shared.path) == {*(rule or "separate-build").split()}


# What explain says of it


def test_explain_says_what_separate_builds_protect_and_what_not(bake: Bake, run: Run) -> None:
    command = (sys.executable, "-B", ".github/keyless", "explain")
    said = run(*command, cwd=bake(platform="both").path).stdout
    words = " ".join(said.split())
    assert "the jobs build-amd64 and build-arm64 run the Dockerfile. They cannot ask for" in words
    assert "publish can, but it builds nothing." in words
    assert (
        "What they do not protect: a Dockerfile, a base image or another step of a build job can"
        in words
    )
    assert max(map(len, said[said.index("What the separate") :].splitlines())) <= 100
    alone = run(*command, cwd=bake(platform="linux/arm64").path).stdout
    assert "separate builds" not in alone
