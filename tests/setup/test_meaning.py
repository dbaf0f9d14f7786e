"""What an update or another answer changes, in words: each kind of difference once."""

from __future__ import annotations

import builtins
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from keyless.setup.updating.meaning import (
    NOTHING,
    _compare_facts,
    differences,
    with_what_stays,
)

from tests.conftest import Bake, Copy
from tests.support.project import Project

Edit = Callable[[Path], object]
DEPLOY = ".github/workflows/deploy.yml"
TFVARS = "infra/terraform.tfvars.json"


def replaced(path: str, old: str, new: str) -> Edit:
    """Return an edit of one file, which must have what is replaced."""

    def edit(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return edit


def with_values(**values: Any) -> Edit:
    """Return an edit of the only entry."""

    def edit(root: Path) -> None:
        given = json.loads((root / TFVARS).read_text())
        (entry,) = given["repositories"].values()
        entry.update(values)
        (root / TFVARS).write_text(json.dumps(given, indent=2))

    return edit


def with_all(**values: Any) -> Edit:
    """Return an edit of the values for everything."""

    def edit(root: Path) -> None:
        given = json.loads((root / TFVARS).read_text())
        (root / TFVARS).write_text(json.dumps({**given, **values}))

    return edit


ANSWERS: dict[str, tuple[dict[str, str], list[str]]] = {
    "a branch publishes": (
        {"deploy_on": "branch"},
        [
            "Who can publish: anyone who can push to branch main, instead of anyone who can push a"
            " tag v*.",
            "Which images ECR deletes: now also tagged images (main-*) except the newest 100.",
            "What starts a release: now also a push of branch main, a start by hand of branch main;"
            " no longer a GitHub release (published) of a tag v*, a start by hand of a tag v*.",
            "Which tags an image gets: now also main-NUMBER; no longer its ref's name.",
        ],
    ),
    "an environment": (
        {"github_environment": "production"},
        [
            "Who can publish: anyone who can deploy to the environment production (Settings,"
            " Environments), for a tag v*, instead of anyone who can push a tag v*.",
            "Which environment a release uses: production, instead of none.",
        ],
    ),
    "latest moves": (
        {"second_tag": "latest"},
        [
            "What the role can do: now also ecr:DescribeImages.",
            "Which tags can move to another image: now also latest.",
            "Which tags an image gets: now also latest; no longer the commit's SHA.",
            "A release runs the step 'Build the image and push it' with another input tags.",
        ],
    ),
    "one other platform": (
        {"platform": "linux/arm64"},
        [
            "Which platforms a release builds for: linux/arm64, instead of linux/amd64.",
            "A release runs the job 'publish' with another runs-on.",
        ],
    ),
    "both platforms": (
        {"platform": "both"},
        [
            "Which platforms a release builds for: linux/amd64 and linux/arm64, instead of"
            " linux/amd64.",
            "What builds the image: the jobs build-amd64 and build-arm64, instead of the job that"
            " pushes it.",
            "A release now also runs the job 'look'.",
            "A release now also runs the job 'build-amd64'.",
            "A release now also runs the job 'build-arm64'.",
            "A release now also runs the step 'Get the images from the build jobs'.",
            "A release now also runs the step 'Push both images as one, under both tags'.",
            "A release no longer runs the step 'Build the image and push it under both tags'.",
            "A release runs the job 'publish' with another needs.",
            "A release runs the step 'Set up Buildx' with another input driver and another input"
            " version.",
        ],
    ),
    "another region": (
        {"aws_region": "eu-west-1"},
        [
            "Where images go: 111122223333.dkr.ecr.eu-west-1.amazonaws.com/example-service,"
            " instead of 111122223333.dkr.ecr.us-east-1.amazonaws.com/example-service.",
            "A release runs the step 'Assume the role' with another input aws-region.",
        ],
    ),
    "another role": (
        {"project_slug": "other", "ecr_repository": "example-service"},
        [
            "The entry example-service is now called other.",
            "Which role a release assumes: arn:aws:iam::111122223333:role/other-push, instead of"
            " arn:aws:iam::111122223333:role/example-service-push.",
            "A release runs the step 'Assume the role' with another input role-to-assume.",
        ],
    ),
    "the provider is there": (
        {"oidc_provider": "existing"},
        [
            "Who creates the OIDC identity provider: somebody else (it is only read), instead of"
            " this repository's Terraform."
        ],
    ),
    "a bucket for the state": (
        {"state_bucket": "octo-org.terraform"},
        [
            "Where Terraform keeps its state: bucket octo-org.terraform, key"
            " octo-org/example-service/terraform.tfstate, region us-east-1, instead of a local"
            " file."
        ],
    ),
    "infra/ stands elsewhere": (
        {"iac_tool": "none"},
        [
            "What creates the role and the ECR repository: another repository, instead of infra/"
            " of this repository.",
            "Who creates the OIDC identity provider: another repository, instead of this"
            " repository's Terraform.",
            "Where Terraform keeps its state: another repository, instead of a local file.",
        ],
    ),
    "a service": (
        {"deploy_to": "ecs-express"},
        [
            "What runs the image: ECS Express Mode as example-service, with the entry"
            " example-service, instead of nothing.",
            "What the role can do: now also ecs:CreateExpressGatewayService,"
            " ecs:DescribeExpressGatewayService, ecs:DescribeServiceDeployments,"
            " ecs:DescribeServices, ecs:ListServiceDeployments, ecs:RegisterTaskDefinition,"
            " ecs:UpdateExpressGatewayService, iam:PassRole.",
            "A release now also runs the step 'Look at the service'.",
            "A release now also runs the step 'Deploy the image and wait until it is steady'.",
            "A release runs the job 'publish' with another timeout-minutes.",
        ],
    ),
}


@pytest.mark.parametrize(("answers", "sentences"), ANSWERS.values(), ids=ANSWERS)
def test_another_answer_is_said_in_words(
    bake: Bake, answers: dict[str, str], sentences: list[str]
) -> None:
    assert differences(bake().path, bake(**answers).path) == sentences


@pytest.mark.parametrize(
    "answers",
    [{}, {"iac_tool": "none"}, {"platform": "both"}, {"deploy_to": "app-runner"}],
    ids=str,
)
def test_the_same_project_changes_nothing(bake: Bake, answers: dict[str, str]) -> None:
    path = bake(**answers).path
    assert differences(path, path) == [NOTHING]


EDITS: dict[str, tuple[Edit, list[str]]] = {
    "a comment": (replaced("infra/main.tf", "data ", "# why\n\ndata "), [NOTHING]),
    "another action": (
        replaced("infra/repository/push-actions.json", "ecr:PutImage", "ecr:BatchDeleteImage"),
        ["What the role can do: now also ecr:BatchDeleteImage; no longer ecr:PutImage."],
    ),
    "longer credentials": (
        with_values(max_session_duration=7200),
        ["How long the role's credentials last: 7200 seconds, instead of 3600 seconds."],
    ),
    "the subject is known": (
        with_values(subject_prefix="repo:octo-org@1/example-service@2"),
        [
            "What the subject begins with: repo:octo-org@1/example-service@2, instead of what"
            " GitHub will report."
        ],
    ),
    "somebody may pull": (
        with_values(pull_accounts=["444455556666"]),
        ["Which other accounts can pull images: now also 444455556666."],
    ),
    "images go sooner": (
        with_values(expire_untagged_after_days=1),
        [
            "Which images ECR deletes: now also untagged images after 1 day; no longer untagged"
            " images after 7 days."
        ],
    ),
    "a workflow of another repository": (
        with_values(job_workflow_ref="octo-org/ci/.github/workflows/publish.yml@refs/tags/v1"),
        [
            "Which jobs can publish: only those of"
            " octo-org/ci/.github/workflows/publish.yml@refs/tags/v1, instead of those of"
            " octo-org/example-service."
        ],
    ),
    "another issuer": (
        with_all(oidc_issuer="https://token.actions.githubusercontent.com/octo"),
        [
            "Which tokens the roles trust: those of"
            " https://token.actions.githubusercontent.com/octo for sts.amazonaws.com, instead of"
            " those of https://token.actions.githubusercontent.com for sts.amazonaws.com."
        ],
    ),
    "a value without words of its own": (
        with_all(kms_key="arn:aws:kms:us-east-1:111122223333:key/1"),
        [f'kms_key in {TFVARS} is "arn:aws:kms:us-east-1:111122223333:key/1", instead of nothing.'],
    ),
    "another event": (
        replaced(DEPLOY, "  workflow_dispatch:", '  push:\n    tags: ["v*"]\n  workflow_dispatch:'),
        ["What starts a release: now also a push of a tag v*."],
    ),
    "more permissions": (
        replaced(DEPLOY, "id-token: write", "id-token: write\n      packages: write"),
        ["Which GitHub permissions the publishing job has: now also packages: write."],
    ),
    "another version of an action": (
        replaced(DEPLOY, "setup-buildx-action@37fe6310", "setup-buildx-action@00000000"),
        ["A release uses another version of docker/setup-buildx-action."],
    ),
    "a further step": (
        replaced(
            DEPLOY, "      - name: Set up the b", "      - run: ./sign\n      - name: Set up the b"
        ),
        ["A release now also runs the step './sign'."],
    ),
    "another script": (
        replaced(DEPLOY, ".github/keyless publish name", ".github/keyless publish name || true"),
        ["A release does something else in the step 'Check that the version can name an image'."],
    ),
    "a push that nobody can follow": (
        replaced(DEPLOY, "publish name", 'publish name\n      - run: docker push "$OTHER"'),
        [
            "Which tags an image gets: now also one that only the run knows.",
            "A release now also runs the step 'docker push \"$OTHER\"'.",
        ],
    ),
    "nothing is published": (
        replaced(DEPLOY, "role-to-assume", "role-for-nobody"),
        ["No job publishes images any more."],
    ),
    "Terraform's code": (
        replaced("infra/repository/trust.tf", "sts:AssumeRoleWithWebIdentity", "sts:*"),
        [
            "The Terraform code changes in infra/repository/trust.tf. To see what that means,"
            " type: make plan"
        ],
    ),
    "a further file of Terraform": (
        lambda root: (
            (root / "infra/more.tf").write_text('resource "aws_iam_user" "any" {}\n') and None
        ),
        ["The Terraform code changes in infra/more.tf. To see what that means, type: make plan"],
    ),
}


@pytest.mark.parametrize(("edit", "sentences"), EDITS.values(), ids=EDITS)
def test_an_edit_is_said_in_words(copy: Copy, bake: Bake, edit: Edit, sentences: list[str]) -> None:
    after = copy()
    edit(after.path)
    assert differences(bake().path, after.path) == sentences


def test_a_setting_of_the_service_is_said_in_words(copy: Copy, bake: Bake) -> None:
    after = copy(deploy_to="ecs-express")
    after.run_with(cpu=512)
    found = differences(bake(deploy_to="ecs-express").path, after.path)
    assert found == ["cpu in service.json is 512, instead of 256."]


def test_of_terraforms_code_nothing_is_said_beside_a_plan(copy: Copy, bake: Bake) -> None:
    after = copy()
    replaced("infra/main.tf", "var.kms_key", "null")(after.path)
    assert differences(bake().path, after.path, planned=True) == [NOTHING]


def test_entries_are_named_where_there_are_several(copy: Copy, tmp_path: Path) -> None:
    before = copy()
    given = before.tfvars
    entry = given["repositories"]["example-service"]
    web = {**entry, "github_repository": "octo-org/web", "ecr_repository": "web"}
    given["repositories"]["web"] = {**web, "role_name": "web-push"}
    (before.path / TFVARS).write_text(json.dumps(given))
    after = Path(shutil.copytree(before.path, tmp_path / "after"))
    site = given["repositories"].pop("web") | {"refs": ["refs/heads/main"]}
    api = {**web, "github_repository": "octo-org/api", "ecr_repository": "api"}
    given["repositories"] |= {"site": site, "api": {**api, "role_name": "api-push"}}
    (after / TFVARS).write_text(json.dumps(given))
    assert differences(before.path, after) == [
        "site: The entry web is now called site.",
        "site: Who can publish: anyone who can push to branch main, instead of anyone who can push"
        " a tag v*.",
        "api: The entry is new. Jobs of octo-org/api can assume the role. Anyone who can push a tag"
        " v* can start them.",
    ]
    assert differences(after, before.path)[0] == (
        "api: The entry is removed. Nobody can publish to its ECR repository any more."
    )


CALLER = """\
name: deploy
on:
  release: {types: [published]}
permissions: {}
jobs:
  publish:
    if: ${{ startsWith(github.ref, 'refs/tags/v') }}
    permissions: {contents: read, id-token: write}
    uses: octo-org/ci/.github/workflows/publish-image.yml@publish-v1
"""


def test_a_caller_of_a_workflow_of_another_repository_is_read(copy: Copy, tmp_path: Path) -> None:
    before = copy(iac_tool="none")
    infra = json.loads((before.path / "infra.json").read_text())
    called = "octo-org/ci/.github/workflows/publish-image.yml@refs/tags/publish-v1"
    infra["repositories"]["example-service"]["job_workflow_ref"] = called
    (before.path / "infra.json").write_text(json.dumps(infra))
    (before.path / DEPLOY).write_text(CALLER)
    after = Path(shutil.copytree(before.path, tmp_path / "after"))
    assert differences(before.path, after) == [NOTHING]
    (after / DEPLOY).write_text(CALLER.replace("publish-v1", "publish-v2"))
    former, since = (called.replace("refs/tags/", "").replace("v1", each) for each in ("v1", "v2"))
    assert differences(before.path, after) == [
        f"Which workflow a release calls: {since}, instead of {former}."
    ]


def in_the_former_layout(project: Project) -> Project:
    """Return a project whose workflow calls scripts, as they stood before the tool had a folder."""
    shutil.rmtree(project.path / ".github/keyless")
    (project.path / "scripts").mkdir()
    for name in ("publish", "diagnose"):
        (project.path / f"scripts/{name}.py").write_text("# as it was\n")
    path = project.path / DEPLOY
    text = re.sub(r"\.github/keyless publish", "scripts/publish.py", path.read_text())
    path.write_text(text.replace(".github/keyless diagnose", "scripts/diagnose.py"))
    return project


@pytest.mark.parametrize("answers", [{}, {"second_tag": "latest"}], ids=["commit", "latest"])
def test_the_former_layout_does_the_same(copy: Copy, bake: Bake, answers: dict[str, str]) -> None:
    before = in_the_former_layout(copy(**answers))
    assert differences(before.path, bake(**answers).path) == [NOTHING]
    assert "scripts/publish.py" in (before.path / DEPLOY).read_text()


UNREAD: dict[str, tuple[Edit, str]] = {
    "a workflow": (
        lambda root: (root / DEPLOY).write_text("on: [\n"),
        f"What a release does cannot be read from the project as it would be: {DEPLOY}",
    ),
    "the actions": (
        lambda root: (root / "infra/repository/push-actions.json").unlink(),
        "What the role can do, and what runs the image, cannot be read from the project as it would"
        " be: infra/repository/push-actions.json",
    ),
    "the values": (
        lambda root: (root / TFVARS).write_text("{"),
        f"What changes is unknown, because a file cannot be read: {TFVARS}",
    ),
}


@pytest.mark.parametrize(("edit", "begins"), UNREAD.values(), ids=UNREAD)
def test_what_cannot_be_read_is_said_with_the_reason(
    copy: Copy, bake: Bake, edit: Edit, begins: str
) -> None:
    after = copy()
    edit(after.path)
    (found,) = differences(bake().path, after.path)
    assert found.startswith(begins)


def test_what_a_reader_looks_for_first_is_said_also_where_nothing_changes() -> None:
    """But only where it could be read."""
    stays = "Nothing changes in what the role can do."
    publisher = "In entry web: Who can publish: nobody, instead of anyone who can push a tag v*."
    assert with_what_stays([publisher]) == [stays, publisher]
    assert with_what_stays([NOTHING]) == [NOTHING]
    unread = ["What a release does cannot be read from the project as it is: no."]
    assert with_what_stays(unread) == unread
    both = "Nothing changes in who can publish and in what the role can do."
    assert with_what_stays(["A release does more."])[0] == both


def test_what_reads_the_same_is_no_difference() -> None:
    """Tags of a registry that was changed by hand are unknown, and called nothing, too."""
    assert list(_compare_facts({"Which tags can move": []}, {"Which tags can move": ""})) == []


def test_without_pyyaml_a_release_is_not_read(bake: Bake, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_yaml(name: str, *given: Any, **known: Any) -> Any:
        if name == "yaml":
            raise ModuleNotFoundError("No module named 'yaml'", name="yaml")
        return real(name, *given, **known)

    monkeypatch.setattr(builtins, "__import__", without_yaml)
    both = differences(bake().path, bake(deploy_on="branch").path)
    missing = "the Python module yaml is not installed."
    assert both[:2] == [
        f"What a release does cannot be read from the project as it is: {missing}",
        f"What a release does cannot be read from the project as it would be: {missing}",
    ]
    assert both[2].startswith("Who can publish: ")
