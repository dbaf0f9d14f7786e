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
RELEASE = "What a release does: "


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
            "Who may publish: whoever may push to branch main, in place of whoever may push a tag"
            " v*.",
            "Which images the registry deletes: also tagged ones main-* beyond the newest 100.",
            "What starts a release: also a push of branch main, a start by hand of branch main; no"
            " longer a GitHub release (published) of a tag v*, a start by hand of a tag v*.",
            "Which tags an image gets: also main-NUMBER; no longer its ref's name.",
        ],
    ),
    "an environment": (
        {"github_environment": "production"},
        [
            "Who may publish: whoever may deploy to the environment production (Settings,"
            " Environments), for a tag v*, in place of whoever may push a tag v*.",
            "Which environment a release is in: production, in place of none.",
        ],
    ),
    "latest moves": (
        {"second_tag": "latest"},
        [
            "What the role may do: also ecr:DescribeImages.",
            "Which tags may move to another image: also latest.",
            "Which tags an image gets: also latest; no longer the commit's SHA.",
            f"{RELEASE}the step 'Build the image and push it' has another input tags.",
        ],
    ),
    "one other platform": (
        {"platform": "linux/arm64"},
        [
            f"{RELEASE}it builds for linux/arm64, in place of linux/amd64.",
            f"{RELEASE}the job publish has another runs-on.",
        ],
    ),
    "both platforms": (
        {"platform": "both"},
        [
            f"{RELEASE}it builds for linux/amd64 and linux/arm64, in place of linux/amd64.",
            "What builds the image: the jobs build-amd64 and build-arm64, in place of the job that"
            " pushes it.",
            f"{RELEASE}it has the job look as well.",
            f"{RELEASE}it has the job build-amd64 as well.",
            f"{RELEASE}it has the job build-arm64 as well.",
            f"{RELEASE}it has the step 'Get the images from the build jobs' as well.",
            f"{RELEASE}it has the step 'Push both images as one, under both tags' as well.",
            f"{RELEASE}it no longer has the step 'Build the image and push it under both tags'.",
            f"{RELEASE}the job publish has another needs.",
            f"{RELEASE}the step 'Set up Buildx' has another input driver and another input"
            " version.",
        ],
    ),
    "another region": (
        {"aws_region": "eu-west-1"},
        [
            "Where images go: 111122223333.dkr.ecr.eu-west-1.amazonaws.com/example-service, in"
            " place of 111122223333.dkr.ecr.us-east-1.amazonaws.com/example-service.",
            f"{RELEASE}the step 'Assume the role' has another input aws-region.",
        ],
    ),
    "another role": (
        {"project_slug": "other", "ecr_repository": "example-service"},
        [
            "The entry example-service is called other now.",
            "Which role a release assumes: arn:aws:iam::111122223333:role/other-push, in place of"
            " arn:aws:iam::111122223333:role/example-service-push.",
            f"{RELEASE}the step 'Assume the role' has another input role-to-assume.",
        ],
    ),
    "the provider is there": (
        {"oidc_provider": "existing"},
        [
            "Who creates the OIDC identity provider: somebody else, and it is looked up, in place"
            " of this repository's Terraform."
        ],
    ),
    "a bucket for the state": (
        {"state_bucket": "octo-org.terraform"},
        [
            "Where Terraform keeps its state: bucket octo-org.terraform, key"
            " octo-org/example-service/terraform.tfstate, region us-east-1, in place of a local"
            " file."
        ],
    ),
    "infra/ stands elsewhere": (
        {"iac_tool": "none"},
        [
            "What makes role and registry: another repository, in place of infra/ of this"
            " repository.",
            "Who creates the OIDC identity provider: another repository, in place of this"
            " repository's Terraform.",
            "Where Terraform keeps its state: another repository, in place of a local file.",
        ],
    ),
    "a service": (
        {"deploy_to": "ecs-express"},
        [
            "What runs the image: ECS Express Mode as example-service, with the entry"
            " example-service, in place of nothing.",
            "What the role may do: also ecs:CreateExpressGatewayService,"
            " ecs:DescribeExpressGatewayService, ecs:DescribeServiceDeployments,"
            " ecs:DescribeServices, ecs:ListServiceDeployments, ecs:RegisterTaskDefinition,"
            " ecs:UpdateExpressGatewayService, iam:PassRole.",
            f"{RELEASE}it has the step 'Look at the service' as well.",
            f"{RELEASE}it has the step 'Deploy the image and wait until it is steady' as well.",
            f"{RELEASE}the job publish has another timeout-minutes.",
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
        ["What the role may do: also ecr:BatchDeleteImage; no longer ecr:PutImage."],
    ),
    "longer credentials": (
        with_values(max_session_duration=7200),
        ["How long its credentials last: 7200 seconds, in place of 3600 seconds."],
    ),
    "the subject is known": (
        with_values(subject_prefix="repo:octo-org@1/example-service@2"),
        [
            "What the subject begins with: repo:octo-org@1/example-service@2, in place of what"
            " GitHub will say."
        ],
    ),
    "somebody may pull": (
        with_values(pull_accounts=["444455556666"]),
        ["Which other accounts may pull images: also 444455556666."],
    ),
    "images go sooner": (
        with_values(expire_untagged_after_days=1),
        [
            "Which images the registry deletes: also untagged ones after 1 day; no longer"
            " untagged ones after 7 days."
        ],
    ),
    "a workflow of another repository": (
        with_values(job_workflow_ref="octo-org/ci/.github/workflows/publish.yml@refs/tags/v1"),
        [
            "Which jobs may publish: those of"
            " octo-org/ci/.github/workflows/publish.yml@refs/tags/v1 alone, in place"
            " of those of octo-org/example-service."
        ],
    ),
    "another issuer": (
        with_all(oidc_issuer="https://token.actions.githubusercontent.com/octo"),
        [
            "Whose tokens the roles trust: those of"
            " https://token.actions.githubusercontent.com/octo for sts.amazonaws.com, in place of"
            " those of https://token.actions.githubusercontent.com for sts.amazonaws.com."
        ],
    ),
    "a value without words of its own": (
        with_all(kms_key="arn:aws:kms:us-east-1:111122223333:key/1"),
        [
            f'kms_key in {TFVARS} is "arn:aws:kms:us-east-1:111122223333:key/1", in place of'
            " nothing."
        ],
    ),
    "another event": (
        replaced(DEPLOY, "  workflow_dispatch:", '  push:\n    tags: ["v*"]\n  workflow_dispatch:'),
        ["What starts a release: also a push of a tag v*."],
    ),
    "more permissions": (
        replaced(DEPLOY, "id-token: write", "id-token: write\n      packages: write"),
        ["What the publishing job may do on GitHub: also packages: write."],
    ),
    "another version of an action": (
        replaced(DEPLOY, "setup-buildx-action@37fe6310", "setup-buildx-action@00000000"),
        [f"{RELEASE}it uses another version of docker/setup-buildx-action."],
    ),
    "a further step": (
        replaced(
            DEPLOY, "      - name: Set up the b", "      - run: ./sign\n      - name: Set up the b"
        ),
        [f"{RELEASE}it has the step './sign' as well."],
    ),
    "another script": (
        replaced(DEPLOY, ".github/keyless publish name", ".github/keyless publish name || true"),
        [f"{RELEASE}the step 'Check that the version can name an image' does something else."],
    ),
    "a push that nobody can follow": (
        replaced(DEPLOY, "publish name", 'publish name\n      - run: docker push "$OTHER"'),
        [
            "Which tags an image gets: also what only the run knows.",
            f"{RELEASE}it has the step 'docker push \"$OTHER\"' as well.",
        ],
    ),
    "nothing is published": (
        replaced(DEPLOY, "role-to-assume", "role-for-nobody"),
        [f"{RELEASE}no job publishes any more."],
    ),
    "Terraform's code": (
        replaced("infra/repository/trust.tf", "sts:AssumeRoleWithWebIdentity", "sts:*"),
        [
            "Terraform's code changes in infra/repository/trust.tf. Only a plan shows what that"
            " means: make plan."
        ],
    ),
    "a further file of Terraform": (
        lambda root: (
            (root / "infra/more.tf").write_text('resource "aws_iam_user" "any" {}\n') and None
        ),
        [
            "Terraform's code changes in infra/more.tf. Only a plan shows what that means: make"
            " plan."
        ],
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
    assert found == ["cpu in service.json is 512, in place of 256."]


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
        "site: The entry web is called site now.",
        "site: Who may publish: whoever may push to branch main, in place of whoever may push a"
        " tag v*.",
        "api: the entry is new. A job of octo-org/api may assume it: whoever may push a tag v*.",
    ]
    assert differences(after, before.path)[0] == (
        "api: the entry is removed, so nobody may publish to its registry any more."
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
        f"Which workflow a release calls: {since}, in place of {former}."
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
        f"In the project as it would be this cannot be read: what a release does: {DEPLOY}",
    ),
    "the actions": (
        lambda root: (root / "infra/repository/push-actions.json").unlink(),
        "In the project as it would be this cannot be read: what the role may do, and what runs the"
        " image: infra/repository/push-actions.json",
    ),
    "the values": (
        lambda root: (root / TFVARS).write_text("{"),
        f"It is not known what changes, because this cannot be read: {TFVARS}",
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
    stays = "Nothing changes in what the role may do."
    publisher = "In entry web: Who may publish: nobody, in place of whoever may push a tag v*."
    assert with_what_stays([publisher]) == [stays, publisher]
    assert with_what_stays([NOTHING]) == [NOTHING]
    unread = ["In the project as it is this cannot be read: what a release does: no."]
    assert with_what_stays(unread) == unread
    both = "Nothing changes in who may publish and in what the role may do."
    assert with_what_stays(["What a release does: more."])[0] == both


def test_what_reads_the_same_is_no_difference() -> None:
    """Tags of a registry that was changed by hand are unknown, and called nothing, too."""
    assert list(_compare_facts({"Which tags may move": []}, {"Which tags may move": ""})) == []


def test_without_pyyaml_a_release_is_not_read(bake: Bake, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_yaml(name: str, *given: Any, **known: Any) -> Any:
        if name == "yaml":
            raise ModuleNotFoundError("No module named 'yaml'", name="yaml")
        return real(name, *given, **known)

    monkeypatch.setattr(builtins, "__import__", without_yaml)
    both = differences(bake().path, bake(deploy_on="branch").path)
    missing = "cannot be read: what a release does: the Python module yaml is not installed."
    assert both[:2] == [
        f"In the project as it is this {missing}",
        f"In the project as it would be this {missing}",
    ]
    assert both[2].startswith("Who may publish: ")
