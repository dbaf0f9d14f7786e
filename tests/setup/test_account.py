"""Bootstrap and AWS: what exists already, what a plan must not destroy, and failures on the way."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.conftest import Copy
from tests.standins import github
from tests.standins.emulator import Emulator
from tests.standins.hub import Hub
from tests.support.bootstrap import AGAIN, APPLY, CREATE, FIRST, IDS, KEEP, NAME, TFVARS, refused
from tests.support.desk import Desk


def provider(desk: Desk, *audiences: str) -> None:
    """Create GitHub's identity provider in the account, as somebody else."""
    desk.emulator.client("iam").create_open_id_connect_provider(
        Url=github.ISSUER, ClientIDList=list(audiences or [github.AUDIENCE])
    )


def role(desk: Desk, subject: str = "repo:somebody/else:ref:refs/heads/main") -> None:
    """Create a role of the expected name, as somebody else."""
    arn = f"arn:aws:iam::{desk.emulator.account}:oidc-provider/token.actions.githubusercontent.com"
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": arn},
        "Condition": {"StringEquals": {"token.actions.githubusercontent.com:sub": subject}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    desk.emulator.client("iam").create_role(
        RoleName="example-service-push", AssumeRolePolicyDocument=document
    )


def test_a_provider_that_somebody_else_made_is_looked_up(desk: Desk) -> None:
    provider(desk)
    ended = desk.bootstrap("--plan")
    assert "  create_oidc_provider: true -> false\n" in ended.out
    assert "exists already, so Terraform uses it and creates none (an account has only one)." in (
        " ".join(ended.out.split())
    )
    assert "OIDC identity provider for GitHub" not in ended.out


def test_a_provider_that_nobody_made_is_created(
    copy: Copy, emulator: Emulator, tmp_path: Path
) -> None:
    desk = Desk(copy(oidc_provider="existing"), emulator, Hub(tmp_path / "hub"))
    ended = desk.bootstrap("--plan")
    assert "  create_oidc_provider: false -> true\n" in ended.out
    assert "create     OIDC identity provider for GitHub\n" in ended.out
    assert "does not exist yet, so it is created here." in " ".join(ended.out.split())


def test_a_provider_of_this_state_stays_in_it(ready: Desk) -> None:
    path = ready.path / TFVARS
    path.write_text(path.read_text().replace('provider": true', 'provider": false'))
    again = ready.bootstrap("--yes")
    assert again.status == 0, again.out
    assert "was created by this state, so it stays there." in " ".join(again.out.split())
    assert ready.project.tfvars["create_oidc_provider"] is True
    assert ready.changes() == []


def test_a_provider_without_the_audience_is_named_with_what_adds_it(desk: Desk) -> None:
    provider(desk, "https://github.com/octo-org")
    said = refused(desk, "--yes")
    assert "does not accept the audience sts.amazonaws.com" in " ".join(said.split())
    assert said.endswith(
        "\n  aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn"
        " arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
        " --client-id sts.amazonaws.com --region us-east-1\n"
    )


def test_resources_of_a_lost_state_are_imported_after_a_yes(ready: Desk) -> None:
    for path in (ready.path / "infra").glob("terraform.tfstate*"):
        path.unlink()
    said = refused(ready, "--yes")
    words = " ".join(said.split())
    assert (
        "The role example-service-push exists already, but Terraform's state here does not" in words
    )
    assert f"It trusts {IDS}:ref:refs/tags/v*." in words
    assert said.endswith(f'\n  {AGAIN} ARGS="--yes --import"\n')
    ended = ready.typed({'Type "yes" to continue: ': "yes"}, "bootstrap")
    assert ended.status == 0, ended.out
    assert "  take over  role example-service-push\n" in ended.out
    assert "  take over  ECR repository example-service\n" in ended.out
    assert "Resources: 3 imported, 2 added, 0 changed, 0 destroyed." in re.sub(
        r"\x1b\[\d*m", "", ended.out
    )
    assert not (ready.path / "infra/bootstrap_imports.tf").exists()


def test_a_role_of_somebody_else_is_shown_with_the_subject_that_it_trusts(desk: Desk) -> None:
    role(desk)
    ended = desk.bootstrap("--plan")
    words = " ".join(ended.out.split())
    assert "It trusts repo:somebody/else:ref:refs/heads/main. It will be taken over." in words
    assert "take over role example-service-push" in words
    assert "create ECR repository example-service" in words


def test_a_plan_that_destroys_what_others_rely_on_is_refused(ready: Desk) -> None:
    ready.edit(ecr_repository="other", role_name="other-push")
    deploy = ready.path / ".github/workflows/deploy.yml"
    text = deploy.read_text().replace('ECR_REPOSITORY: "example-service"', "ECR_REPOSITORY: other")
    deploy.write_text(text.replace("role/example-service-push", "role/other-push"))
    said = refused(ready, "--yes")
    assert said.startswith(
        "Terraform would destroy what others may use, so nothing was changed in AWS:\n"
    )
    assert "  REPLACE    ECR repository other" in said
    assert "  REPLACE    role other-push" in said
    assert said.endswith(f'\n  {AGAIN} ARGS="--allow-destroy"\n')
    ended = ready.bootstrap("--plan", "--allow-destroy")
    assert "      REPLACE    ECR repository other\n" in ended.out


def test_expired_credentials_during_the_apply_leave_a_state_to_go_on_from(desk: Desk) -> None:
    desk.emulator.fail("CreateRepository", 400, 99, "ExpiredTokenException")
    ended = desk.bootstrap("--yes")
    assert ended.status == 1
    assert "ExpiredTokenException" in ended.out
    words = " ".join(ended.out.split())
    assert "The state contains what was created. To continue: make bootstrap" in words
    where = "It stopped at: in AWS account 111122223333, region us-east-1."
    assert words.endswith(f"{where} The steps before it are done.")
    assert desk.changes() == [CREATE, APPLY]
    desk.emulator.clear()
    desk.hub.clear()
    again = desk.bootstrap("--yes")
    assert again.status == 0, again.out
    assert "create     ECR repository example-service" in again.out
    assert "create     role example-service-push" not in again.out
    assert desk.changes() == [APPLY, *FIRST, KEEP]


def test_a_missing_permission_in_aws_is_reported(desk: Desk) -> None:
    desk.emulator.fail("GetRole", 403, 99, "AccessDenied")
    said = refused(desk, "--yes")
    assert said.startswith(
        "Your AWS user or role does not have permission for this: AccessDenied: "
    )


def test_a_plan_that_fails_shows_why(desk: Desk) -> None:
    (desk.path / "infra/broken.tf").write_text('locals {\n  broken = "$"\n  broken = 1\n}\n')
    desk.hub.create(NAME)
    said = refused(desk, "--yes")
    assert "Attribute redefined" in said or "terraform init failed" in said


def test_another_region_gets_a_registry_of_its_own(ready: Desk) -> None:
    path, deploy = ready.path / TFVARS, ready.path / ".github/workflows/deploy.yml"
    for file in (path, deploy):
        file.write_text(file.read_text().replace('"us-east-1"', '"eu-west-1"'))
    planned = ready.bootstrap("--plan")
    assert planned.status == 0, planned.out
    assert "in AWS account 111122223333, region eu-west-1:\n" in planned.out
    assert "      change     push policy of role example-service-push: " in planned.out
