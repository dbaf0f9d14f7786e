"""Many repositories in one account: one provider, a role and a registry each, and none for two.

Thirty services in one infra/ are applied once. MiniStack and tests/standins/iam.py say what each
may do. Terraform, the AWS provider, deploy.yml and the runner (act) are the real ones.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import botocore.exceptions
import pytest

from tests.conftest import Bake
from tests.rehearsal import assume
from tests.standins import github, runner
from tests.standins.account import published
from tests.standins.emulator import ROOT, Emulator
from tests.standins.hub import Hub
from tests.standins.iam import assume_allowed
from tests.support.desk import Desk
from tests.support.prepared import Prepared, prepare
from tests.support.project import Project

SERVICES = 30
OWN = "octo-org/example-service"
CALLED = f"{OWN}/.github/workflows/publish-image.yml@refs/tags/publish-v1"
CALLING = ("service-03", "service-04")  # these publish by publish-image.yml of the central one
REPOSITORIES = {
    f"service-{n:02}": github.Repository(f"octo-org/service-{n:02}", repository_id=500000 + n)
    for n in range(SERVICES)
}
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"


class Central(NamedTuple):
    """The repository whose infra/ holds the entries of all services, applied."""

    desk: Desk
    services: dict[str, github.Repository]  # by their keys
    first: Desk  # of a repository with its own infra/, which has made the account's provider

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.desk.path

    @property
    def emulator(self) -> Emulator:
        """The account."""
        return self.desk.emulator

    def role(self, key: str) -> str:
        """Return the ARN of a service's role."""
        return f"arn:aws:iam::{self.emulator.account}:role/{key}-push"

    def token(self, key: str, ref: str = "refs/tags/v1.0.0", **further: Any) -> str:
        """Return the token of a release of a service."""
        called = further.pop("called", CALLED if key in CALLING else None)
        return github.token(self.services[key], "release", ref, "a" * 40, called=called, **further)


@pytest.fixture(scope="session")
def central_once(
    bake: Bake, running_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Prepared:
    """Thirty services added with `make add` and applied with `make bootstrap`."""

    def make(emulator: Emulator, folder: Path) -> Desk:
        path = shutil.copytree(bake().path, folder / "example-service")
        hub = Hub(folder / "hub")
        for key, repository in REPOSITORIES.items():
            hub.create(f"octo-org/{key}", repository_id=repository.repository_id)
        first = with_own_infra(folder / "first", bake, emulator, "one")
        assert first.bootstrap("--yes").status == 0
        desk = Desk(Project(path), emulator, hub)
        (path / "list.txt").write_text("".join(f"octo-org/{key}\n" for key in REPOSITORIES))
        callers = [f"octo-org/{key}" for key in CALLING]
        for given in ([*callers, "--calls", "refs/tags/publish-v1"], ["--file", "list.txt"]):
            ended = desk.keyless("add", *given)
            assert ended.status == 0, ended.out
        (path / "list.txt").unlink()
        ended = desk.bootstrap("--yes")
        assert ended.status == 0, ended.out
        assert "exists already, so Terraform uses it and creates none" in " ".join(
            ended.out.split()
        )
        return desk

    return prepare(tmp_path_factory, "central", running_emulator, make)


@pytest.fixture
def central(central_once: Prepared, emulator: Emulator, tmp_path: Path) -> Central:
    """The repository of those services, with what stands in AWS."""
    place = tmp_path / "central"
    desk = central_once.desk(emulator, place)
    first = Desk(Project(place / "first/one"), emulator, Hub(place / "first/hub-one"))
    return Central(desk, REPOSITORIES, first)


def with_own_infra(folder: Path, bake: Bake, emulator: Emulator, name: str, **answers: str) -> Desk:
    """Return the desk of a repository that keeps its own infra/."""
    known = {"github_repository": f"octo-org/{name}", "project_slug": name, **answers}
    project = Project(shutil.copytree(bake(**known).path, folder / name))
    hub = Hub(folder / f"hub-{name}")
    hub.create(f"octo-org/{name}", repository_id=len(name))
    return Desk(project, emulator, hub)


# Nobody is somebody else


def test_each_of_thirty_tokens_gets_its_own_role_and_none_of_the_others(central: Central) -> None:
    trusts = {
        one["RoleName"].removesuffix("-push"): one["AssumeRolePolicyDocument"]
        for one in central.emulator.client("iam").list_roles(MaxItems=1000)["Roles"]
    }
    assert {*central.services, "example-service"} <= set(trusts)
    sts = central.emulator.client("sts")
    given: dict[str, list[tuple[str, str]]] = {"documentation": [], "MiniStack": []}
    for own in central.services:
        token = central.token(own)
        claims = claims_of(token)
        for other in central.services:
            if assume_allowed(trusts[other], PROVIDER, claims):
                given["documentation"].append((own, other))
            if assumed(sts, central.role(other), token):
                given["MiniStack"].append((own, other))
    each = [(key, key) for key in central.services]
    assert given == {"documentation": each, "MiniStack": each}
    tried = f"| {SERVICES} | {SERVICES} of {SERVICES**2} by both |".replace(" by", ", by")
    assert tried in (ROOT / "docs/many-repositories.md").read_text()


def test_each_role_may_push_to_its_own_registry_alone(central: Central) -> None:
    allowed = []
    for own in central.services:
        credentials = assume(central.emulator, central.role(own), central.token(own))
        ecr = central.emulator.client("ecr", credentials)
        for other in central.services:
            try:
                ecr.initiate_layer_upload(repositoryName=other)
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "AccessDeniedException"
            else:
                allowed.append((own, other))
    assert allowed == [(key, key) for key in central.services]
    # The second judge: what each policy says, read back.
    iam = central.emulator.client("iam")
    for key in central.services:
        document = iam.get_role_policy(RoleName=f"{key}-push", PolicyName="push")["PolicyDocument"]
        resources = [statement["Resource"] for statement in document["Statement"]]
        arn = f"arn:aws:ecr:us-east-1:111122223333:repository/{key}"
        assert resources == ["*", arn]
        assert document["Statement"][0]["Action"] == "ecr:GetAuthorizationToken"
        attached = iam.list_attached_role_policies(RoleName=f"{key}-push")["AttachedPolicies"]
        assert (attached, iam.list_role_policies(RoleName=f"{key}-push")["PolicyNames"]) == (
            [],
            ["push"],
        )


def test_a_role_that_trusts_one_workflow_is_refused_to_every_other_one(central: Central) -> None:
    sts, key = central.emulator.client("sts"), CALLING[0]
    trust = central.emulator.client("iam").get_role(RoleName=f"{key}-push")["Role"]
    path = CALLED.partition("@")[0]
    for called, meant in {
        CALLED: True,
        None: False,  # its own deploy.yml
        f"{path}@refs/heads/main": False,
        f"{path}@refs/tags/publish-v2": False,
        f"{path}@refs/tags/publish-v1.1": False,
        f"{path}@{'a' * 40}": False,
        f"{path.replace('publish-image', 'other')}@refs/tags/publish-v1": False,
        f"{path.replace('octo-org', 'octo-org-2')}@refs/tags/publish-v1": False,
        f"{path.replace('example-service', 'fork')}@refs/tags/publish-v1": False,
        CALLED.upper(): False,
    }.items():
        token = central.token(key, called=called)
        said = (
            assume_allowed(trust["AssumeRolePolicyDocument"], PROVIDER, claims_of(token)),
            assumed(sts, central.role(key), token),
        )
        assert said == (meant, meant), called


def claims_of(token: str) -> dict[str, Any]:
    """Return what a token says."""
    import jwt

    return dict(jwt.decode(token, options={"verify_signature": False}))


def assumed(sts: Any, role: str, token: str) -> bool:
    """Tell whether STS gives a role to a token."""
    try:
        sts.assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="test", WebIdentityToken=token
        )
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied"
        return False
    return True


# Five of them publish


@pytest.mark.parametrize("key", ["service-00", "service-01", "service-02"])
def test_a_service_without_infra_publishes_as_the_role_made_elsewhere(
    central: Central, bake: Bake, tmp_path: Path, key: str
) -> None:
    answers = {"github_repository": f"octo-org/{key}", "iac_tool": "none"}
    project = Project(shutil.copytree(bake(**answers).path, tmp_path / key))
    shutil.copy(central.path / f"services/{key}.json", project.path / "infra.json")
    assert checked(project) == (0, AGREE)
    runner.commit(project.path)
    runner.tag(project.path, "v1.0.0")
    done = runner.run(
        project.path,
        central.emulator,
        event="release",
        ref="refs/tags/v1.0.0",
        repository=central.services[key],
    )
    assert done.status == 0, done.log
    assert set(published(central.emulator, key)) == {"v1.0.0", done_sha(project)}


@pytest.mark.parametrize("key", CALLING)
def test_a_service_publishes_by_the_workflow_of_the_central_repository(
    central: Central, tmp_path: Path, key: str
) -> None:
    path = service_with_caller(central, tmp_path, key)
    done = released(central, path, key, "refs/tags/publish-v1")
    assert done.status == 0, done.log
    sha = runner.git(path, "rev-parse", "HEAD").strip()
    assert set(published(central.emulator, key)) == {"v1.0.0", sha}
    assert "| Platform | `linux/amd64` |" in done.summary
    # At another ref it is refused, and the reason names what is tested.
    done = released(central, path, key, "refs/heads/main")
    assert done.status == 1
    assert f"The role expects the claim job_workflow_ref to be {CALLED}. It is" in done.log
    assert f"publish a new version: uses: {CALLED.replace('refs/tags/', '')}" in done.log


def test_a_service_publishes_both_platforms_by_that_workflow(
    bake: Bake, central: Central, tmp_path: Path
) -> None:
    key = CALLING[0]
    text = (bake(platform="both").path / "infra/shared/publish-image.yml").read_text()
    own = f"{OWN}/.github/keyless@publish-v1"
    workflow = central.path / ".github/workflows/publish-image.yml"
    workflow.write_text(text.replace("OWNER/NAME/.github/keyless@REF", own))
    path = service_with_caller(central, tmp_path, key)
    done = released(central, path, key, "refs/tags/publish-v1")
    assert done.status == 0, done.log
    sha = runner.git(path, "rev-parse", "HEAD").strip()
    assert set(published(central.emulator, key)) == {"v1.0.0", sha}
    assert "| Platform | `linux/amd64,linux/arm64` |" in done.summary
    again = released(central, path, key, "refs/tags/publish-v1")
    assert "v1.0.0 was already published: nothing was built" in again.summary
    assert "Build the image" not in again.log
    # A caller's environment would be asked for twice. So nothing looks, and both images are built.
    caller = path / ".github/workflows/deploy.yml"
    caller.write_text(caller.read_text() + '      environment: "production"\n')
    runner.commit(path)
    runner.git(path, "tag", "--force", "v1.0.0")
    waiting = released(central, path, key, "refs/tags/publish-v1", "production")
    assert waiting.log.count("Run Main Build the image") == 2
    assert waiting.log.count("Run Main Assume the role") == 1, "of the job that publishes"
    assert "environment:production" in waiting.log, "which the role does not trust here"


def released(
    central: Central, path: Path, key: str, called_ref: str, environment: str | None = None
) -> runner.Run:
    """Publish a service by the central repository's workflow at a ref."""
    return runner.run(
        path,
        central.emulator,
        event="release",
        ref="refs/tags/v1.0.0",
        repository=central.services[key],
        central=central.path,
        called_ref=called_ref,
        environment=environment,
    )


def service_with_caller(central: Central, tmp_path: Path, key: str) -> Path:
    """Return a service that has nothing but a Dockerfile and the caller that was written for it."""
    path = tmp_path / key
    (path / ".github/workflows").mkdir(parents=True)
    shutil.copy(central.path / f"services/{key}.yml", path / ".github/workflows/deploy.yml")
    (path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    runner.commit(path)
    runner.tag(path, "v1.0.0")
    return path


def done_sha(project: Project) -> str:
    """Return the newest commit of a project."""
    return runner.git(project.path, "rev-parse", "HEAD").strip()


AGREE = "Workflows and infra.json agree: who can publish what, where, under which tags.\n"


def checked(project: Project) -> tuple[int, str]:
    """Return status and output of a project's own check."""
    command = [sys.executable, ".github/keyless", "check"]
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True)
    return done.returncode, done.stdout


# The central repository looks after all of them


def test_doctor_names_a_renamed_repository_and_one_command_mends_it(central: Central) -> None:
    desk, hub = central.desk, central.desk.hub
    hub.rename("octo-org/service-09", "octo-org/service-nine")
    output = central.path / "services/service-20.json"
    before = output.read_text()
    output.write_text(before.replace("IMMUTABLE", "MUTABLE"))
    desk.git("commit", "--quiet", "--all", "--message=somebody's edit")
    hub.clear()
    said = desk.doctor().out
    words = " ".join(said.split())
    assert (
        "wrong others service-09: octo-org/service-09 is octo-org/service-nine on GitHub:" in words
    )
    assert "\n" + " " * 22 + "make bootstrap\n" in said
    assert f"ok       others       {SERVICES - 1} other repositories match infra/" in said
    assert desk.changes() == []
    # Others call a workflow here, at a tag that nobody has pushed yet.
    (line,) = re.findall(r"^ +(git tag publish-v1 && git push origin publish-v1)$", said, re.M)
    assert desk.run("sh", "-c", line).status == 0
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert "change     role service-09-push: assume_role_policy, description\n" in ended.out
    assert "Resources: 0 added, 1 changed, 0 destroyed." in ended.out
    # What others take from here follows, and what somebody has written there is written anew.
    changed = desk.git("show", "--stat", "--format=", "HEAD").split("\n")
    assert [line.split()[0] for line in changed[:-1]] == [
        "infra/terraform.tfvars.json",
        "services/service-09.json",
        "services/service-20.json",
    ]
    assert "octo-org/service-nine" in (central.path / "services/service-09.json").read_text()
    assert "type this in the repository of service-09, service-20: make fetch" in (
        " ".join(ended.out.split())
    )
    # Where its own name changes, the workflow that others call has another name, too.
    hub.rename(OWN, "octo-org/platform")
    ended = desk.bootstrap("--yes")
    words = " ".join(ended.out.split())
    trusted = f"the roles of service-03, service-04 still trust publish-image.yml of {OWN}."
    assert trusted in words
    (line,) = re.findall(r"^  (sed .*)$", ended.out, re.MULTILINE)
    assert desk.run("sh", "-c", line).status == 0
    ended = desk.bootstrap("--plan")
    assert ended.status == 0, ended.out
    changes = re.findall(r"^ +(change .*)$", ended.out, re.MULTILINE)
    assert sorted(changes) == [
        "change     role example-service-push: assume_role_policy, description",
        "change     role service-03-push: assume_role_policy",
        "change     role service-04-push: assume_role_policy",
    ]
    hub.rename("octo-org/platform", OWN)
    desk.git("checkout", "--quiet", "--", ".")
    assert output.read_text() == before


# Three repositories, each with its own infra/


def test_three_projects_share_the_account_of_thirty_services_and_any_of_them_may_go(
    central: Central, bake: Bake, tmp_path: Path
) -> None:
    one, emulator = central.first, central.emulator
    two = with_own_infra(tmp_path, bake, emulator, "two2")
    assert two.bootstrap("--yes").status == 0
    # Where the answer is `existing`, Terraform alone does it, too.
    three = with_own_infra(tmp_path, bake, emulator, "three", oidc_provider="existing")
    three.project.know_subject("repo:octo-org@123456/three@5")
    three.project.terraform("init", "-input=false")
    three.project.terraform("apply", "-auto-approve", "-input=false", emulator=emulator)
    known = []
    for desk in (one, two, three, central.desk):
        state = json.loads((desk.path / "infra/terraform.tfstate").read_text())
        known.append(
            {
                (each["type"], instance["attributes"].get("id"))
                for each in state["resources"]
                if each["mode"] == "managed"
                for instance in each["instances"]
            }
        )
    assert [len(each) for each in known] == [5, 4, 4, 4 * (SERVICES + 1)]
    assert len(set().union(*known)) == sum(map(len, known)), "no state knows what is another's"
    # The one that has made the provider goes, and so does another; the rest still publishes.
    question = {"Type one to destroy it: ": "one", 'Type "yes" to ': "yes"}
    ended = one.typed(question, "destroy")
    assert ended.status == 0, ended.out
    three.project.terraform("destroy", "-auto-approve", "-input=false", emulator=emulator)
    roles = emulator.client("iam").list_roles(MaxItems=1000)["Roles"]
    assert len(roles) == SERVICES + 2
    runner.tag(two.path, "v1.0.0")
    for path, key, number in ((two.path, "two2", 4), (tmp_path / "w", "service-05", 500005)):
        if not path.exists():
            answers = {"github_repository": f"octo-org/{key}", "iac_tool": "none"}
            shutil.copytree(bake(**answers).path, path)
            runner.commit(path)
            runner.tag(path, "v1.0.0")
        done = runner.run(
            path,
            emulator,
            event="release",
            ref="refs/tags/v1.0.0",
            repository=github.Repository(f"octo-org/{key}", repository_id=number),
        )
        assert done.status == 0, done.log
        assert "v1.0.0" in published(emulator, key)


# The last one, as it takes things away


def test_doctor_names_what_lacks_in_aws(central: Central) -> None:
    iam = central.emulator.client("iam")
    iam.delete_role_policy(RoleName="service-10-push", PolicyName="push")
    iam.delete_role(RoleName="service-10-push")
    trust = iam.get_role(RoleName="service-11-push")["Role"]["AssumeRolePolicyDocument"]
    text = json.dumps(trust)
    wrong = text.replace("service-11@500011", "service-11@1")
    iam.update_assume_role_policy(RoleName="service-11-push", PolicyDocument=wrong)
    central.emulator.client("ecr").delete_repository(repositoryName="service-12", force=True)
    said = " ".join(central.desk.doctor().out.split())
    for name in (
        "10: the role service-10-push does not exist",
        "11: the trust policy of service-11-push does not match infra/",
        "12: the ECR repository service-12 does not exist",
    ):
        assert f"wrong others service-{name}" in said
