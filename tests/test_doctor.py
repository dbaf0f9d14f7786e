"""make doctor: what is broken is named with what mends it, and nothing is changed by looking."""

from __future__ import annotations

import functools
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import github
from tests.conftest import Bake
from tests.desk import Desk, Ended
from tests.emulator import Emulator, emulated_aws
from tests.hub import Hub
from tests.project import Project

NAME = "octo-org/example-service"
ENVIRONMENT = "eu prod"
ROLE = "example-service-push"
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
DEPLOY, TFVARS = ".github/workflows/deploy.yml", "infra/terraform.tfvars.json"
client = functools.cache(Emulator.client)
Break = Callable[[Desk], object]


@pytest.fixture(scope="module")
def whole(bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk on which bootstrap has set everything up, with an environment, too."""
    folder = tmp_path_factory.mktemp("doctor")
    project = Project(shutil.copytree(bake().path, folder / "example-service"))
    with emulated_aws("111122223333", "us-east-1", folder / "emulator.log") as emulator:
        made = Desk(project, emulator, Hub(folder / "hub"))
        change(made, DEPLOY, "minutes: 30\n", f"minutes: 30\n    environment: {ENVIRONMENT}\n")
        made.edit(environment=ENVIRONMENT)
        ended = made.bootstrap("--yes")
        assert ended.status == 0, ended.out
        yield made


@pytest.fixture
def desk(whole: Desk) -> Iterator[Desk]:
    """That desk for one test, which may break anything; afterwards it is as it was."""
    iam, ecr = client(whole.emulator, "iam"), client(whole.emulator, "ecr")
    state = whole.hub.state()
    files = {path: (whole.path / path).read_bytes() for path in (DEPLOY, TFVARS)}
    trust = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    whole.hub.clear()
    yield whole
    whole.emulator.clear()
    whole.hub.save(state)
    for path, content in files.items():
        (whole.path / path).write_bytes(content)
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))
    ecr.put_image_tag_mutability(repositoryName="example-service", imageTagMutability="IMMUTABLE")
    with suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    iam.create_open_id_connect_provider(Url=github.ISSUER, ClientIDList=[github.AUDIENCE])


def change(desk: Desk, path: str, old: str, new: str) -> None:
    """Replace a text in a file of the project."""
    text = (desk.path / path).read_text()
    assert text.count(old) == 1
    (desk.path / path).write_text(text.replace(old, new))


def trust(desk: Desk, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the one statement of the role's trust policy, in AWS."""
    iam = client(desk.emulator, "iam")
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
    return lambda desk: getattr(client(desk.emulator, "iam"), operation)(
        OpenIDConnectProviderArn=PROVIDER, **arguments
    )


def mutable(desk: Desk) -> None:
    """Let the tags of the registry be moved."""
    ecr = client(desk.emulator, "ecr")
    ecr.put_image_tag_mutability(repositoryName="example-service", imageTagMutability="MUTABLE")


def said(ended: Ended, start: str = "") -> list[str]:
    """Return what was said, a text for each thing, of those that begin so.

    It fits the screen; only a command or an address stays whole.
    """
    wide = [line.strip() for line in ended.out.splitlines() if len(line) > 100]
    assert [line for line in wide if not line.startswith(("gh ", "aws ", "(https://"))] == []
    text = re.sub(r"deploy\.yml:\d+", "deploy.yml:N", ended.out.strip())
    return [one for one in re.split(r"\n(?! )", text) if one.startswith(start)]


TOOLS = [
    pytest.param(lambda desk: desk.hub.user(logged_in=False), """\
--  tools        GitHub does not know who you are: gh says 'To get started with GitHub CLI, please
                 run: gh auth login Alternatively, populate the GH_TOKEN environment variable with a
                 GitHub API authentication token.'.
                 gh auth login --scopes workflow
""", id="nobody is logged in"),
    pytest.param(lambda desk: desk.hub.user(offline=True), """\
--  tools        GitHub cannot be asked: error connecting to api.github.com check your internet
                 connection or https://githubstatus.com
                 gh auth status
""", id="GitHub cannot be reached"),
    pytest.param(lambda desk: desk.emulator.fail("GetCaller", 403, 9, "ExpiredToken"), """\
--  tools        AWS does not know who you are: ExpiredToken: the emulator was asked to fail
                 GetCallerIdentity with 403
                 aws sso login
""", id="the AWS credentials have expired"),
    pytest.param(lambda desk: change(desk, TFVARS, "{\n  \"aws", "{,\n  \"aws"), """\
--  values       infra/terraform.tfvars.json:1: not JSON (Expecting property name enclosed in double
                 quotes); correct it
                 make check
""", id="the values are no JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("breaks", "lines"), TOOLS)
def test_without_tools_logins_and_values_nothing_else_is_looked_at(
    desk: Desk, breaks: Break, lines: str
) -> None:
    breaks(desk)
    assert desk.bootstrap("doctor") == (1, lines)


def test_a_missing_program_is_named_with_where_it_comes_from(desk: Desk, tmp_path: Path) -> None:
    for program in ("git", "aws", "terraform"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    assert desk.bootstrap("doctor", PATH=str(tmp_path)) == (1, """\
--  tools        gh is not installed, so nothing can be set up.
                 https://cli.github.com
""")  # fmt: skip


# What is broken at once, each in a line of its own.
BROKEN = [
    pytest.param([
        lambda desk: change(desk, DEPLOY, f"role/{ROLE}", "role/another-push"),
        provider("delete_open_id_connect_provider"),
        subjects("repo:octo-org/example-service:*"),
        mutable,
        settings(classic=True),
    ], """\
--  contract     .github/workflows/deploy.yml:N: same-role role-to-assume is
                 arn:aws:iam::111122223333:role/another-push and infra/terraform.tfvars.json says
                 arn:aws:iam::111122223333:role/example-service-push, so nothing could be published
                 make check
--  provider     account 111122223333 has no OIDC identity provider for GitHub
                 make bootstrap
--  role         example-service-push trusts [{"Condition": {"StringEquals":
                 {"token.actions.githubusercontent.com:aud": ["sts.amazonaws.com"],
                 "token.actions.githubusercontent.com:sub": ["repo:octo-org/example-service:*"]},
                 "StringLike": {"token.actions.githubusercontent.com:ref": ["refs/tags/v*"]}}}] in
                 AWS, which is not what infra/ says
                 make bootstrap
--  registry     tags of example-service are MUTABLE, and infra/ says IMMUTABLE
                 make bootstrap
--  subject      GitHub presents repo:octo-org/example-service, and infra/terraform.tfvars.json has
                 repo:octo-org@123456/example-service@456789
                 make bootstrap
--  commits      not committed, so a release will not have it: .github/workflows/deploy.yml
                 git add --all && git commit && git push
""", id="in each of the places that must agree stands something else"),
    pytest.param([
        provider("delete_open_id_connect_provider"),
        lambda desk: client(desk.emulator, "iam").create_open_id_connect_provider(
            Url=github.ISSUER, ClientIDList=["https://github.com/octo-org"]
        ),
        lambda desk: trust(desk, lambda one: one.pop("Condition")),
        lambda desk: trust(desk, lambda one: one.update(Principal={"AWS": "*"})),
        lambda desk: desk.emulator.fail("DescribeRepositories", 400, 9, "AccessDeniedException"),
        settings(oidc={"use_default": False, "include_claim_keys": ["repo", "actor"]}),
    ], """\
--  provider     GitHub's identity provider in account 111122223333 does not know the audience
                 sts.amazonaws.com, so AWS would refuse every token.
                 aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com --client-id sts.amazonaws.com --region us-east-1
--  role         example-service-push trusts [{"Condition": null, "Principal": {"AWS": ["*"]}}] in
                 AWS, which is not what infra/ says
                 make bootstrap
--  registry     AWS refuses to tell: AccessDeniedException: the emulator was asked to fail
                 DescribeRepositories with 400
                 aws sts get-caller-identity
--  subject      The subject of octo-org/example-service was customised: it holds repo, actor, not
                 repository and context. A role that trusts repository and ref could not be assumed.
                 This undoes it, for this repository alone; ask first who needs it:
                 gh api --method PUT repos/octo-org/example-service/actions/oidc/customization/sub -F use_default=true
""", id="the role trusts everybody, and the subject was customised"),  # noqa: E501
    pytest.param([
        lambda desk: desk.edit(role_name="another-push", ecr_repository="another"),
        settings(archived=True, actions_enabled=False, environments={}, default_branch="develop"),
        settings(secrets=["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]),
    ], """\
--  contract     .github/workflows/deploy.yml:N: same-role role-to-assume is
                 arn:aws:iam::111122223333:role/example-service-push and infra/terraform.tfvars.json
                 says arn:aws:iam::111122223333:role/another-push, so nothing could be published (3
                 in all)
                 make check
--  role         another-push does not exist
                 make bootstrap
--  registry     another does not exist
                 make bootstrap
--  repository   octo-org/example-service is archived, so no workflow runs
                 gh repo unarchive octo-org/example-service
--  actions      GitHub Actions is switched off in octo-org/example-service, so nothing would be
                 published.
                 gh api --method PUT repos/octo-org/example-service/actions/permissions -F enabled=true -f allowed_actions=all
--  environment  eu prod does not exist
                 make bootstrap
--  keys         the secret AWS_ACCESS_KEY_ID is still set, and a key lives until somebody
                 deactivates it
                 gh secret delete AWS_ACCESS_KEY_ID --repo octo-org/example-service
                 aws iam update-access-key --status Inactive --user-name USER --access-key-id ID
--  keys         the secret AWS_SECRET_ACCESS_KEY is still set, and a key lives until somebody
                 deactivates it
                 gh secret delete AWS_SECRET_ACCESS_KEY --repo octo-org/example-service
                 aws iam update-access-key --status Inactive --user-name USER --access-key-id ID
--  commits      not committed, so a release will not have it: infra/terraform.tfvars.json
                 git add --all && git commit && git push
--  deployment   GitHub has no deploy.yml to run: HTTP 404: workflow deploy.yml not found on the
                 default branch
                 (https://api.github.com/repos/octo-org/example-service/actions/workflows/deploy.yml)
                 make bootstrap
""", id="the repository was put away"),  # noqa: E501
    pytest.param([
        settings(allowed_actions="local_only", environments={ENVIRONMENT: {}}),
        settings(environment_secrets={ENVIRONMENT: ["AWS_SECRET_ACCESS_KEY"]}),
        ran(conclusion="failure"),
        lambda desk: desk.hub.rename(NAME, "new-org/example-service", 654321),
    ], """\
--  repository   GitHub calls octo-org/example-service new-org/example-service: renamed, transferred
                 or other case
                 make bootstrap
--  subject      GitHub presents repo:new-org@654321/example-service@456789, and
                 infra/terraform.tfvars.json has repo:octo-org@123456/example-service@456789
                 make bootstrap
--  actions      GitHub Actions runs no actions of others in octo-org/example-service, so nothing
                 would be published.
                 gh api --method PUT repos/octo-org/example-service/actions/permissions -F enabled=true -f allowed_actions=all
--  environment  eu prod does not say which refs may use it
                 https://github.com/octo-org/example-service/settings/environments
--  keys         the secret AWS_SECRET_ACCESS_KEY is still set, and a key lives until somebody
                 deactivates it
                 gh secret delete AWS_SECRET_ACCESS_KEY --repo octo-org/example-service --env 'eu prod'
                 aws iam update-access-key --status Inactive --user-name USER --access-key-id ID
--  deployment   v0.1.0 at 2026-08-02T10:00:00Z: failure
                 (https://github.com/octo-org/example-service/actions/runs/4711)
                 gh run view 4711 --repo octo-org/example-service --log-failed
""", id="it was transferred, and set up anew by somebody"),  # noqa: E501
    pytest.param([
        admits("tag v*", "branch main"),
        lambda desk: desk.hub.rename(NAME, "octo-org/Example-Service"),
    ], """\
--  repository   GitHub calls octo-org/example-service octo-org/Example-Service: renamed,
                 transferred or other case
                 make bootstrap
--  subject      GitHub presents repo:octo-org@123456/Example-Service@456789, and
                 infra/terraform.tfvars.json has repo:octo-org@123456/example-service@456789
                 make bootstrap
--  environment  eu prod admits branch main, tag v*, and the role tag v*
                 make bootstrap
                 https://github.com/octo-org/example-service/settings/environments
""", id="its name differs in case, and the environment is wide"),
    pytest.param([settings(permissions={"pull": False})], """\
--  repository   GitHub shows no repository octo-org/example-service
                 make bootstrap
""", id="GitHub shows no such repository"),
]  # fmt: skip


@pytest.mark.parametrize(("breaks", "lines"), BROKEN)
def test_what_is_broken_is_caught_and_nothing_else(
    desk: Desk, breaks: list[Break], lines: str
) -> None:
    for each in breaks:
        each(desk)
    ended = desk.bootstrap("doctor")
    assert "\n".join(said(ended, "--")) + "\n" == lines
    assert ended.status == 1


def test_a_whole_project_is_ok_line_for_line_and_looking_changes_nothing(desk: Desk) -> None:
    files, commit = desk.files(), desk.git("rev-parse", "HEAD")
    assert desk.bootstrap("doctor", "--plan") == (0, f"""\
ok  tools        git, gh, aws and terraform are there and logged in
ok  contract     Workflows and infra/ agree: who may publish what, where, under which tags.
ok  provider     GitHub's, with the audience sts.amazonaws.com
ok  role         arn:aws:iam::111122223333:role/{ROLE} trusts what infra/ says
ok  registry     111122223333.dkr.ecr.us-east-1.amazonaws.com/example-service, tags IMMUTABLE
ok  repository   https://github.com/octo-org/example-service
ok  subject      GitHub presents repo:octo-org@123456/example-service@456789
ok  actions      GitHub Actions run
ok  environment  eu prod admits tag v*
ok  refs         refs/tags/v*: no ruleset limits that; whoever may write to the repository may
                 publish. (make bootstrap ARGS=--ruleset leaves it to admins)
ok  keys         no AWS key is stored in the repository's secrets
ok  commits      everything here is committed and on GitHub
ok  deployment   none yet
ok  drift        AWS is what infra/ says
""")  # fmt: skip
    assert desk.changes() == []
    assert (desk.files(), desk.git("rev-parse", "HEAD")) == (files, commit)
    assert desk.git("status", "--porcelain") == ""


def test_drift_is_named_by_its_address_and_a_plan_that_fails_by_its_error(desk: Desk) -> None:
    mutable(desk)
    drift = desk.bootstrap("doctor", "--plan")
    assert drift.status == 1
    assert [one.split()[1] for one in said(drift, "--")] == ["registry", "drift"]
    assert (
        said(drift)[-1]
        == """\
--  drift        AWS is not what infra/ says:
                 module.repository["example-service"].aws_ecr_repository.image will be updated
                 in-place
                 make bootstrap"""
    )
    desk.edit(refs=["main"])
    failed = desk.bootstrap("doctor", "--plan")
    assert said(failed)[-1].startswith("--  drift        Terraform cannot plan: Error: Invalid va")
    assert [one for one in said(failed) if one.startswith("ok  environment")] == []


def test_a_workflow_that_others_call_is_looked_for_at_the_refs_that_roles_trust(desk: Desk) -> None:
    values = json.loads((desk.path / TFVARS).read_text())
    for key, ref in (("web", "refs/tags/publish/v1"), ("api", "refs/heads/shared")):
        values["repositories"][key] = {
            **values["repositories"]["example-service"],
            **{"github_repository": f"octo-org/{key}", "ecr_repository": key, "role_name": key},
            "job_workflow_ref": f"{NAME}/.github/workflows/publish-image.yml@{ref}",
        }
    (desk.path / TFVARS).write_text(json.dumps(values))
    (branch, tag) = said(desk.bootstrap("doctor"), "--  workflow")
    text = "the roles of others trust publish-image.yml at {}, which GitHub has not"
    assert " ".join(branch.split()[2:]) == f"{text} git push origin shared".format(
        "refs/heads/shared"
    )
    assert " ".join(tag.split()[2:]) == (
        f"{text} git tag publish/v1 && git push origin publish/v1".format("refs/tags/publish/v1")
    )
    for line in ("git branch shared", "git push -q origin shared", "git tag publish/v1"):
        desk.git(*line.split()[1:])
    desk.git("push", "-q", "origin", "publish/v1")
    ended = desk.bootstrap("doctor")
    assert said(ended, "--  workflow") == []
    assert [one.split()[2] for one in said(ended, "ok  workflow")] == ["shared", "publish/v1"]
    for ref in ("shared", "publish/v1"):
        desk.git("push", "-q", "origin", "--delete", ref)
    desk.git("branch", "-D", "shared")
    desk.git("tag", "-d", "publish/v1")


@pytest.mark.parametrize(
    ("breaks", "line"),
    [
        pytest.param(
            settings(rulesets=[{
                "id": 7, "name": "releases", "target": "tag", "enforcement": "active",
                "conditions": {"ref_name": {"include": ["refs/tags/v*"], "exclude": []}},
                "rules": [{"type": "creation"}],
            }]),
            "ok  refs         refs/tags/v*: the ruleset 'releases' limits who that is.",
            id="a ruleset",
        ),
        pytest.param(
            lambda desk: desk.hub.user(plan="free"),
            "ok  refs         refs/tags/v*: whether a ruleset limits that is not known: gh api\n"
            "                 repos/octo-org/example-service/rulesets",
            id="no rulesets on this plan",
        ),
        pytest.param(
            ran(status="in_progress"),
            "ok  deployment   v0.1.0 at 2026-08-02T10:00:00Z: in_progress\n"
            f"                 (https://github.com/{NAME}/actions/runs/4711)",
            id="a deployment that goes on",
        ),
    ],
)  # fmt: skip
def test_what_is_no_failure_is_told_and_ok(desk: Desk, breaks: Break, line: str) -> None:
    breaks(desk)
    ended = desk.bootstrap("doctor")
    assert line in said(ended)
    assert (ended.status, said(ended, "--")) == (0, [])


def test_for_machines_the_same_is_json(desk: Desk) -> None:
    desk.hub.change(NAME, secrets=["AWS_ACCESS_KEY_ID"])
    ended = desk.bootstrap("doctor", "--json")
    lines = json.loads(ended.out)
    assert ended.status == 1
    assert [line["name"] for line in lines] == (
        "tools contract provider role registry repository subject actions environment refs keys"
        " commits deployment"
    ).split()
    assert [line for line in lines if not line["ok"]] == [{
        "name": "keys",
        "ok": False,
        "text": "the secret AWS_ACCESS_KEY_ID is still set,"
        " and a key lives until somebody deactivates it",
        "commands": [
            "gh secret delete AWS_ACCESS_KEY_ID --repo octo-org/example-service",
            "aws iam update-access-key --status Inactive --user-name USER --access-key-id ID",
        ],
    }]  # fmt: skip


def test_values_that_cannot_be_read_are_json_for_machines_too(desk: Desk) -> None:
    (desk.path / TFVARS).write_text("{}")
    ended = desk.bootstrap("doctor", "--json")
    assert ended.status == 1
    assert [line["name"] for line in json.loads(ended.out)] == ["values"]
