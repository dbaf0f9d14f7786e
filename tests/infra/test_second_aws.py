"""Apply, plan, change and destroy once more, on an AWS that other people wrote (moto).

What infra/ makes there stands in second_aws.yml, and is read with boto, not from Terraform. The
first AWS (MiniStack) has no TagOpenIDConnectProvider, so only here a change of `tags` after the
first apply is seen to work.

Known of moto 5.2.5: it holds neither trust nor policies against anybody, so who may do what is
tried on MiniStack alone; it has no App Runner, of which infra/ makes only roles; ListClusters goes
on listing a cluster that was deleted. tests/standins/moto_server.py says what is corrected.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Bake, Copy
from tests.standins.account import policy
from tests.standins.moto_server import SecondAws, second_aws
from tests.support.found import asked_for, found
from tests.support.project import Failed, Project
from tests.support.provider import installed, kept_running
from tests.support.service import SECRETS

pytestmark = pytest.mark.slow

ACCOUNT, REGION = "111122223333", "us-east-1"
KEY, ROLE = "example-service", "example-service-push"
PREFIX = "repo:octo-org@123456/example-service@456789"
CASES = yaml.safe_load(Path(__file__).with_name("second_aws.yml").read_text())


@pytest.fixture(scope="module")
def running(bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondAws]:
    """The one second AWS of a worker, and a provider that knows it."""
    program = installed(tmp_path_factory, bake())
    folder = tmp_path_factory.mktemp("moto")
    with (
        second_aws(ACCOUNT, REGION, folder / "moto.log") as aws,
        kept_running(program, aws.environment(), folder / "provider.log") as attach,
    ):
        yield aws._replace(provider=attach)


@pytest.fixture
def moto(running: SecondAws) -> SecondAws:
    """A second AWS, empty."""
    running.reset()
    return running


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_second_aws_takes_what_infra_makes_changes_and_destroys(
    copy: Copy, moto: SecondAws, case: dict[str, Any]
) -> None:
    project = copy(**case["answers"])
    aws = moto._replace(region=project.answers["aws_region"])
    prepare(aws, case.get("there", []))
    begin(project, case.get("values", {}))
    apply(project, aws)
    assert asked_for(found(aws), case["found"]) == case["found"]
    nothing_is_left_to_change(project, aws)
    write(project, case["then"])
    expected = dict.fromkeys(case["updated"], "update")
    expected |= dict.fromkeys(case.get("replaced", []), "replace")
    assert changes(apply(project, aws)) == expected
    assert asked_for(found(aws), case["finally"]) == case["finally"]
    nothing_is_left_to_change(project, aws)
    for name in case.get("pushed", []):
        push_image(aws, name)
    destroy(project, aws)
    assert {kind: sorted(names) for kind, names in found(aws).items() if names} == case["left"]


def prepare(aws: SecondAws, there: list[str]) -> None:
    """Make what the account of a case has before."""
    iam = aws.client("iam")
    if "boundary" in there:
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        iam.create_policy(PolicyName="boundary", PolicyDocument=policy(everything))
    if "provider" in there:
        iam.create_open_id_connect_provider(
            Url="https://token.actions.githubusercontent.com/octo-enterprise",
            ClientIDList=["sts.amazonaws.com"],
        )
    if "bucket" in there:
        aws.client("s3").create_bucket(Bucket="octo-org-terraform")


def begin(project: Project, values: dict[str, Any]) -> None:
    """Write what infra/ needs before its first plan; a service that runs the image has secrets."""
    project.know_subject(PREFIX)
    if (project.path / "service.json").exists():
        project.run_with(secrets=SECRETS)
    write(project, values)


def write(project: Project, values: dict[str, Any]) -> None:
    """Write values over those of infra/terraform.tfvars.json; tags replace all tags."""
    old = project.tfvars
    entries = old["repositories"]
    for key, entry in values.get("repositories", {}).items():
        entries[key] = {**entries.get(key, {}), **entry}
    both = {**old, **values, "repositories": entries}
    (project.path / "infra/terraform.tfvars.json").write_text(json.dumps(both, indent=2))


def apply(project: Project, aws: SecondAws) -> str:
    """Apply infra/, the first time after an init; return what Terraform prints as JSON."""
    if not (project.path / "infra/.terraform").exists():
        project.terraform("init", "-input=false", emulator=aws)
    return project.terraform("apply", "-input=false", "-auto-approve", "-json", emulator=aws)


def nothing_is_left_to_change(project: Project, aws: SecondAws) -> None:
    """Plan once more.

    Raises:
        Failed: the plan is not empty.
    """
    project.terraform("plan", "-input=false", "-detailed-exitcode", emulator=aws)


def changes(printed: str) -> dict[str, str]:
    """Return what Terraform has planned to do, by address, from what it prints as JSON."""
    lines = [json.loads(line) for line in printed.splitlines()]
    planned = [line["change"] for line in lines if line["type"] == "planned_change"]
    return {change["resource"]["addr"]: change["action"] for change in planned}


def push_image(aws: SecondAws, name: str) -> None:
    """Put an image into a registry."""
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    aws.client("ecr").put_image(
        repositoryName=name, imageManifest=json.dumps(manifest), imageTag="v1.0.0"
    )


def destroy(project: Project, aws: SecondAws) -> None:
    """Destroy what `make destroy` does: the module of the own entry, and what runs the image."""
    service = project.path / "infra/service.tf"
    text = service.read_text() if service.exists() else ""
    made = [".".join(pair) for pair in re.findall(r'(?m)^resource "(\w+)" "(\w+)"', text)]
    targets = (f"-target={each}" for each in (f'module.repository["{KEY}"]', *made))
    project.terraform("destroy", "-input=false", "-auto-approve", *targets, emulator=aws)


def test_each_way_to_miss_something_is_seen_to_fail(copy: Copy, moto: SecondAws) -> None:
    """A change by hand, a replacement, a role too many, and a registry that holds an image."""
    project, iam = copy(), moto.client("iam")
    begin(project, {})
    apply(project, moto)
    wanted = {"roles": {ROLE: {"seconds": 3600}}}
    assert asked_for(found(moto), wanted)["roles"] == wanted["roles"]
    iam.update_role(RoleName=ROLE, MaxSessionDuration=7200)
    trust = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    iam.create_role(RoleName="another", AssumeRolePolicyDocument=json.dumps(trust))
    assert asked_for(found(moto), wanted)["roles"] == {ROLE: {"seconds": 7200}, "another": {}}
    with pytest.raises(Failed, match=r"ended with 2:(.|\n)*1 to change, 0 to destroy"):
        nothing_is_left_to_change(project, moto)
    write(project, {"repositories": {KEY: {"role_name": "renamed-push"}}})
    push_image(moto, KEY)
    address = f'module.repository["{KEY}"].aws_iam_role.push'
    assert changes(apply(project, moto))[address] == "replace"
    with pytest.raises(Failed, match="RepositoryNotEmptyException"):
        destroy(project, moto)


def test_a_role_keeps_its_description_where_only_its_duration_is_changed(moto: SecondAws) -> None:
    iam = moto.client("iam")
    trust = policy({"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"})
    iam.create_role(RoleName=ROLE, Description="Pushes", AssumeRolePolicyDocument=trust)
    for given, left in (
        ({"MaxSessionDuration": 7200}, ("Pushes", 7200)),
        ({"Description": "Pulls", "MaxSessionDuration": 3600}, ("Pulls", 3600)),
        ({"Description": ""}, ("", 3600)),
    ):
        iam.update_role(RoleName=ROLE, **given)
        role = iam.get_role(RoleName=ROLE)["Role"]
        assert (role.get("Description", ""), role["MaxSessionDuration"]) == left


def test_it_is_the_account_that_is_asked_for_and_ends_with_its_block(tmp_path: Path) -> None:
    with second_aws("000000000001", REGION, tmp_path / "moto.log") as aws:
        assert aws.client("sts").get_caller_identity()["Account"] == "000000000001"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(aws.host.partition(":")[2])))
