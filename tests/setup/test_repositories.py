"""Bootstrap and GitHub: names and subjects, renames and transfers, one entry or several."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.standins.emulator import ROOT
from tests.support.bootstrap import AGAIN, APPLY, IDS, NAME, TFVARS, allowed, refused
from tests.support.desk import Desk


def test_an_empty_repository_is_taken(desk: Desk) -> None:
    desk.hub.create(NAME, private=False)
    planned = desk.bootstrap("--plan")
    assert planned.out.startswith(
        f" 1. write into {TFVARS}:\n"
        f'      subject_prefix: null -> "{IDS}"\n'
        " 2. in AWS account 111122223333, region us-east-1:\n"
    )
    assert "\n 5. push main to octo-org/example-service\n" in planned.out
    assert desk.changes() == []


@pytest.mark.parametrize(
    ("settings", "says", "mend"),
    [
        (
            {"permissions": {"pull": True, "push": False}},
            "exists, but you do not have permission to push to it",
            "gh auth login --scopes workflow",
        ),
        ({"archived": True}, "is archived, so nothing can be published", "gh repo unarchive"),
        (
            {"actions_enabled": False},
            "GitHub Actions is switched off in octo-org/example-service",
            f"gh api --method PUT repos/{NAME}/actions/permissions -F enabled=true -f allowed",
        ),
        (
            {"allowed_actions": "local_only"},
            *("allows only some actions, but its workflows also use", "patterns_allowed[]=docker/"),
        ),
        (
            {"oidc": {"use_default": False, "include_claim_keys": ["repo", "job_workflow_ref"]}},
            "customised: it contains repo, job_workflow_ref, instead of repository and context.",
            f"gh api --method PUT repos/{NAME}/actions/oidc/customization/sub -F use_default=true",
        ),
        (
            {"oidc": {"use_default": False}},
            "was customised: it has the form that its organisation chose, instead of",
            f"gh api --method PUT repos/{NAME}/actions/oidc/customization/sub -F use_default=true",
        ),
        (
            {"oidc": {"sub_claim_prefix": "repo:octo-org@1/example-service@2"}},
            f"begins with repo:octo-org@1/example-service@2, but that the repository is {IDS}.",
            f"gh api repos/{NAME}/actions/oidc/customization/sub",
        ),
        (
            {"oidc": {"use_default": True, "sub_claim_prefix": "repo:octo-org/Example-Service"}},
            "begins with repo:octo-org/Example-Service, but that",
            f"gh api repos/{NAME}/actions/oidc/customization/sub",
        ),
        ({"oidc": None}, "so it cannot be guessed.", f"repos/{NAME}/actions/oidc"),
    ],
    ids=[
        *("not yours", "archived", "actions off", "actions of others off", "customised"),
        *("of the organisation", "other ids", "other case", "silent on a new repository"),
    ],
)  # fmt: skip
def test_a_repository_that_cannot_be_trusted_or_used_is_refused(
    desk: Desk, settings: dict[str, Any], says: str, mend: str
) -> None:
    desk.hub.create(NAME, **settings)
    said = refused(desk, "--yes")
    assert says in " ".join(said.split())
    assert mend in said


@pytest.mark.parametrize(
    ("oidc", "prefix"),
    [
        ("derived", "repo:octo-org/example-service"),
        ({"use_default": True}, "repo:octo-org/example-service"),
        (None, "repo:octo-org/example-service"),
        ({"use_default": True, "use_immutable_subject": False, "sub_claim_prefix": IDS}, IDS),
        (
            {
                **{"use_default": False, "include_claim_keys": ["repo", "context"]},
                "sub_claim_prefix": IDS,
            },
            IDS,
        ),
    ],
    ids=["classic", "no prefix", "an older API", "contradicts itself", "customised to the default"],
)
def test_an_older_repository_has_the_subject_that_github_says(
    desk: Desk, oidc: Any, prefix: str
) -> None:
    desk.hub.create(NAME, classic=True, oidc=oidc)
    code = (
        "import sys; sys.path.insert(0, '.github')\n"
        "from keyless.setup.github import find_repository, subject_prefix\n"
        f"print(subject_prefix(find_repository('{NAME}')))"
    )
    assert desk.run(sys.executable, "-c", code) == (0, f"{prefix}\n")


def test_the_name_is_written_as_github_writes_it(ready: Desk) -> None:
    ready.git("commit", "--quiet", "--allow-empty", "--message=mine")
    ready.edit(github_repository="Octo-Org/Example-Service", subject_prefix=None)
    planned = ready.bootstrap("--plan")
    assert (
        f'      github_repository: "Octo-Org/Example-Service" -> "{NAME}"\n'
        f'      subject_prefix: null -> "{IDS}"\n'
    ) in planned.out
    assert f"push main to {NAME}, with 1 commit of yours\n" in planned.out
    assert (planned.status, ready.changes()) == (0, [])


def test_an_invalid_name_is_refused_before_anything_is_asked(desk: Desk) -> None:
    ended = desk.bootstrap("--repository", "example-service")
    assert ended.status == 2
    assert "'example-service' is not OWNER/NAME, as GitHub shows it" in ended.out
    assert desk.hub.calls() == []


def test_github_may_refuse_to_create_it_for_a_reason_that_it_does_not_show(
    desk: Desk, tmp_path: Path
) -> None:
    gh = tmp_path / "gh"
    gh.write_text(
        "#!/bin/sh\n"
        '[ "$2" != create ] || { echo "octocat cannot create a repository" >&2; exit 1; }\n'
        f'exec {ROOT / "tests/standins/bin/gh"} "$@"\n'
    )
    gh.chmod(0o755)
    ended = desk.bootstrap("--yes", PATH=f"{tmp_path}:{desk.environment()['PATH']}")
    assert ended.status == 1
    assert "GitHub did not create octo-org/example-service:\noctocat cannot create" in ended.out
    assert f"It stopped at: create the GitHub repository {NAME}, private and empty." in ended.out
    assert desk.changes() == []


def test_actions_that_an_organisation_disables_are_reported_at_the_end(ready: Desk) -> None:
    ready.hub.change(NAME, actions_enabled=False)
    said = refused(ready, "--yes")
    assert said.startswith("GitHub Actions is switched off")


def test_a_renamed_repository_changes_one_role_in_place_and_keeps_its_images(ready: Desk) -> None:
    registry = ready.emulator.client("ecr")
    manifest = '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}'
    registry.put_image(repositoryName="example-service", imageManifest=manifest, imageTag="v0.1.0")
    ready.emulator.clear()
    ready.hub.rename(NAME, "new-org/renamed", owner_id=7)
    ended = ready.bootstrap("--yes")
    assert ended.status == 0, ended.out
    prefix = "repo:new-org@7/renamed@456789"
    assert (
        f" 1. write into {TFVARS}:\n"
        f'      github_repository: "{NAME}" -> "new-org/renamed"\n'
        f'      subject_prefix: "{IDS}" -> "{prefix}"\n'
        " 2. in AWS account 111122223333, region us-east-1:\n"
        "      change     role example-service-push: assume_role_policy, description\n"
        " 3. change the remote origin to new-org/renamed\n"
        f" 4. commit {TFVARS}\n"
        " 5. push main to new-org/renamed\n"
    ) in ended.out
    assert "Apply complete! Resources: 0 added, 1 changed, 0 destroyed." in ended.out
    assert list(ready.project.tfvars["repositories"]) == ["example-service"]
    assert ready.entry["subject_prefix"] == prefix
    assert ready.changes() == [
        APPLY,
        "git remote set-url origin https://github.com/new-org/renamed.git",
        f"git add -- {TFVARS}",
        f"git commit --quiet --message 'Trust the subject that GitHub presents' -- {TFVARS}",
        "git push --quiet --set-upstream origin main:refs/heads/main",
    ]
    allowed(ready)
    tags = registry.list_images(repositoryName="example-service")["imageIds"]
    assert [tag["imageTag"] for tag in tags] == ["v0.1.0"]


def test_another_repository_under_the_name_is_trusted_only_by_name(ready: Desk) -> None:
    ready.hub.delete(NAME)
    ready.hub.create(NAME, repository_id=9)
    said = refused(ready, "--yes")
    assert f"'example-service' trusts {IDS}, but {NAME} has the id 9." in " ".join(said.split())
    assert said.endswith(f'\n  gh repo view {NAME}\n  {AGAIN} ARGS="--repository {NAME}"\n')
    ended = ready.bootstrap("--plan", "--repository", NAME)
    assert f'"{IDS}" -> "repo:octo-org@123456/example-service@9"\n' in ended.out


def test_a_repository_that_is_gone_is_created_again_only_by_name(ready: Desk) -> None:
    ready.hub.delete(NAME)
    said = refused(ready, "--yes")
    assert f"The role trusts {IDS}, but GitHub shows no repository {NAME}." in " ".join(
        said.split()
    )
    assert said.endswith(f'\n  gh auth status\n  {AGAIN} ARGS="--repository {NAME}"\n')
    planned = ready.bootstrap("--plan", "--repository", NAME)
    assert f"\n 1. create the GitHub repository {NAME}" in f"\n{planned.out}"


def test_a_new_name_can_be_given_by_hand(desk: Desk) -> None:
    ended = desk.bootstrap("--plan", "--repository", "octo-org/other")
    assert ended.out.startswith(
        " 1. create the GitHub repository octo-org/other, private and empty\n"
    )
    assert f'      github_repository: "{NAME}" -> "octo-org/other"\n' in ended.out


def test_a_prefix_that_no_longer_matches_is_replaced(desk: Desk) -> None:
    desk.hub.create("octo-org/renamed")
    desk.edit(github_repository="octo-org/renamed", subject_prefix="repo:octo-org/example-service")
    planned = desk.bootstrap("--plan")
    assert planned.status == 0, planned.out
    assert '-> "repo:octo-org@123456/renamed@456789"\n' in planned.out


def test_a_prefix_with_one_id_is_replaced(ready: Desk) -> None:
    ready.edit(subject_prefix="repo:octo-org@123456/example-service")
    assert f'-> "{IDS}"\n' in ready.bootstrap("--plan").out


def test_all_entries_are_asked_for_and_only_this_repository_is_created(desk: Desk) -> None:
    values = desk.project.tfvars
    other = {**desk.entry, "github_repository": "octo-org/other", "ecr_repository": "other"}
    values["repositories"]["other"] = {**other, "role_name": "other-push"}
    (desk.path / TFVARS).write_text(json.dumps(values, indent=2))
    said = refused(desk, "--yes")
    assert (
        "The entry 'other' names the repository octo-org/other, which GitHub does not show." in said
    )
    desk.hub.create("octo-org/other", repository_id=5)
    unseen = desk.bootstrap("--plan")  # Terraform plans with an id that is made up
    for name in ("example-service", "other"):
        assert f"      create     role {name}-push\n" in unseen.out
        assert f"      create     ECR repository {name}\n" in unseen.out
    desk.hub.create(NAME)
    ended = desk.bootstrap("--plan")
    assert f'      subject_prefix: null -> "{IDS}"\n' in ended.out
    assert '      subject_prefix: null -> "repo:octo-org@123456/other@5"\n' in ended.out
    assert "create     role other-push\n" in ended.out


def test_entries_none_of_which_is_the_own_one_are_refused(desk: Desk) -> None:
    values = desk.project.tfvars
    entry = values["repositories"].pop("example-service")
    values["repositories"] = {
        name: {**entry, "ecr_repository": name, "role_name": name} for name in ("one", "two")
    }
    (desk.path / TFVARS).write_text(json.dumps(values, indent=2))
    said = refused(desk, "--yes")
    assert "has no entry 'example-service', so it is unknown which of its 2" in said


def with_other(desk: Desk, **entry: Any) -> None:
    """Add an entry for another repository, which trusts its classic subject."""
    values = desk.project.tfvars
    other = {**desk.entry, "github_repository": "octo-org/other", "ecr_repository": "other"}
    other |= {"role_name": "other-push", "subject_prefix": "repo:octo-org/other", **entry}
    values["repositories"] = {"other": other, **values["repositories"]}
    (desk.path / TFVARS).write_text(json.dumps(values, indent=2))


def test_another_entrys_role_is_not_given_to_a_stranger(desk: Desk) -> None:
    with_other(desk)
    desk.hub.create("octo-org/other", owner_id=666, permissions={"pull": True, "push": False})
    words = " ".join(refused(desk, "--yes").split())
    assert (
        "The role of 'other' trusts repo:octo-org/other, but GitHub now reports repo:octo-org@6"
        in words
    )
    assert "You cannot push to octo-org/other, so it may belong to a stranger." in words


def test_without_the_answers_the_own_entry_is_not_guessed(desk: Desk) -> None:
    with_other(desk)
    (desk.path / ".cookiecutter.json").unlink()
    assert "so it is unknown which of its 2 entries belongs" in " ".join(
        refused(desk, "--yes").split()
    )
