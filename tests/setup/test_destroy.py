"""make destroy: what goes, what stays, what stands in the way; and it goes on where it stopped."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.support.desk import Desk, Ended

KEY, ROLE = "example-service", "example-service-push"
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
BY_NAME, LAST = f"Type {KEY} to destroy it: ", 'Type "yes" to '
GOES = f"""\
destroy  module.repository["{KEY}"].aws_ecr_lifecycle_policy.image
destroy  module.repository["{KEY}"].aws_ecr_repository.image
destroy  module.repository["{KEY}"].aws_iam_role.push
destroy  module.repository["{KEY}"].aws_iam_role_policy.push
keep     the GitHub repository octo-org/{KEY}. Its next deployment will fail, so delete
         its deploy.yml
keep     the entry '{KEY}' in infra/terraform.tfvars.json
keep     GitHub's OIDC identity provider, """
GONE = f"{KEY} is gone from account 111122223333. To create it again:\n  make bootstrap\n"


class Account:
    """The account's role, registry and provider, and what Terraform's state knows of them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.iam, self.ecr = desk.emulator.client("iam"), desk.emulator.client("ecr")

    def role(self, name: str) -> None:
        """Make a role that trusts GitHub's provider."""
        trust = self.iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))

    def roles(self) -> set[str]:
        """Return the names of the roles."""
        return {each["RoleName"] for each in self.iam.list_roles()["Roles"]}

    def registries(self) -> set[str]:
        """Return the names of the registries."""
        found = self.ecr.describe_repositories()["repositories"]
        return {each["repositoryName"] for each in found}

    def providers(self) -> list[str]:
        """Return the ARNs of the identity providers."""
        found = self.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        return [each["Arn"] for each in found]

    def state(self) -> set[str]:
        """Return what Terraform's state knows, by type."""
        text = (self.desk.path / "infra/terraform.tfstate").read_text()
        return {each["type"] for each in json.loads(text)["resources"] if each["mode"] == "managed"}


@pytest.fixture
def desk(ready: Desk) -> Desk:
    """A desk with a project that was set up."""
    return ready


@pytest.fixture
def account(desk: Desk) -> Account:
    """What is in its account."""
    return Account(desk)


def whole(account: Account) -> bool:
    """Tell whether everything is there."""
    there = (account.roles(), account.registries(), account.providers(), len(account.state()))
    return there == ({ROLE}, {KEY}, [PROVIDER], 5)


def destroy(desk: Desk, *answers: str) -> Ended:
    """Answer the questions of destroy at a terminal."""
    return desk.typed(dict(zip((BY_NAME, LAST), answers, strict=False)), "destroy")


def test_without_a_terminal_it_says_what_would_go_and_refuses(desk: Desk, account: Account) -> None:
    files = desk.files()
    assert desk.destroy() == (1, f"""\
{GOES}which no other role trusts. You will be asked about it
Nothing was changed, because there is no terminal to ask at. In a terminal, run:
  make destroy
""")  # fmt: skip
    assert desk.changes() == []
    assert desk.files() == files
    assert whole(account)


@pytest.mark.parametrize(
    "answer", [pytest.param("Example-Service", id="case"), pytest.param("\x04", id="Ctrl-D")]
)
def test_another_name_than_the_one_asked_for_changes_nothing(
    desk: Desk, account: Account, answer: str
) -> None:
    ended = destroy(desk, answer)
    assert ended.status == 1
    assert ended.out.endswith("\nNothing was changed.\n")
    assert "Traceback" not in ended.out
    assert desk.changes() == []
    assert whole(account)


def test_images_stand_in_the_way_until_the_printed_command_has_removed_them(
    desk: Desk, account: Account
) -> None:
    for number in range(2):
        account.ecr.put_image(
            repositoryName=KEY,
            imageManifest=f'{{"schemaVersion": {number}}}',
            imageTag=f"v{number}",
        )
    blocked = desk.destroy()
    remove = f"aws ecr delete-repository --repository-name {KEY} --region us-east-1 --force"
    assert blocked.status == 1
    assert blocked.out.endswith(f"""
The ECR repository {KEY} holds 2 images, so it cannot be destroyed, and nothing was
changed. If nobody runs these images any more, delete it with its images first:
  {remove}
  make destroy
""")
    assert desk.changes() == []
    assert whole(account)
    assert desk.run(*shlex.split(remove)).status == 0
    assert account.registries() == set()
    assert "\nNothing was changed, because there is no terminal to ask at. " in desk.destroy().out


def test_a_registry_that_may_be_deleted_by_force_goes_with_its_images(
    desk: Desk, account: Account
) -> None:
    account.ecr.put_image(repositoryName=KEY, imageManifest='{"schemaVersion": 1}', imageTag="v1")
    state = desk.path / "infra/terraform.tfstate"
    before = state.read_text()
    assert before.count('"force_delete": false') == 1
    state.write_text(before.replace('"force_delete": false', '"force_delete": true'))
    ended = destroy(desk, KEY, "no")
    assert "destroy  every image in example-service (force_delete)" in ended.out
    assert ended.status == 0, ended.out
    assert account.registries() == set()


def test_a_provider_that_nobody_else_trusts_is_deleted_after_a_yes(
    desk: Desk, account: Account
) -> None:
    desk.emulator.fail("DeleteOpenIDConnectProvider", 403, 9, "AccessDenied")
    refused = destroy(desk, KEY, "yes")
    assert "\nNo role trusts GitHub's OIDC identity provider any more.\n" in refused.out
    assert refused.status == 1
    assert "Your AWS user or role does not have permission for this: AccessDenied" in refused.out
    assert (account.roles(), account.registries()) == (set(), set())
    assert account.state() == {"aws_iam_openid_connect_provider"}
    desk.emulator.clear()
    ended = destroy(desk, KEY, "yes")
    assert ended.status == 0
    assert ended.out.endswith(GONE)
    assert (account.state(), account.providers()) == (set(), [])


def test_a_provider_that_another_role_trusts_stays_and_leaves_the_state_after_a_yes(
    desk: Desk, account: Account
) -> None:
    account.role("billing-push")
    kept = destroy(desk, KEY, "no")
    assert kept.status == 0
    assert f"{GOES}trusted by billing-push. You will be asked about it\n" in kept.out
    assert "These roles still trust GitHub's OIDC identity provider: billing-push\n" in kept.out
    assert 'Type "yes" to remove it from this state and keep it in AWS: ' in kept.out
    assert kept.out.endswith(GONE)
    assert (account.roles(), account.registries()) == ({"billing-push"}, set())
    assert account.state() == {"aws_iam_openid_connect_provider"}
    let_go = destroy(desk, KEY, "yes")
    assert let_go.status == 0
    assert account.state() == set()
    assert account.providers() == [PROVIDER]


def test_of_several_entries_only_the_own_one_goes(desk: Desk, account: Account) -> None:
    second = {**desk.entry, "ecr_repository": "second", "role_name": "second-push"}
    values = desk.project.tfvars
    values["repositories"] = {"a-second": second, **values["repositories"]}
    (desk.path / "infra/terraform.tfvars.json").write_text(json.dumps(values, indent=2))
    desk.project.terraform("apply", "-auto-approve", "-input=false", emulator=desk.emulator)
    ended = destroy(desk, KEY)
    assert ended.status == 0
    assert f"{GOES}trusted by second-push\n" in ended.out
    assert ended.out.endswith(GONE)
    assert (account.roles(), account.registries()) == ({"second-push"}, {"second"})
    assert account.providers() == [PROVIDER]
    assert len(account.state()) == 5
    nothing = f"Nothing to destroy: Terraform's state contains nothing of {KEY}.\n"
    assert desk.destroy() == (0, nothing)


def test_a_destroy_that_failed_goes_on_from_there(desk: Desk, account: Account) -> None:
    desk.emulator.fail("DeleteRole", 400, 9, "AccessDenied")
    failed = destroy(desk, KEY)
    assert failed.status == 1
    assert failed.out.endswith(
        "terraform apply failed with the error above. The state records what is already destroyed."
        " To\ncontinue:\n  make destroy\n"
    )
    assert (account.roles(), account.registries()) == ({ROLE}, set())
    desk.emulator.clear()
    again = destroy(desk, KEY, "no")
    assert again.out.startswith(f'destroy  module.repository["{KEY}"].aws_iam_role.push\n')
    assert again.status == 0
    assert account.roles() == set()


def test_an_ecr_repository_that_is_not_in_the_state_does_not_block_destroy(
    desk: Desk, account: Account
) -> None:
    kinds = ("aws_ecr_lifecycle_policy", "aws_ecr_repository")
    addresses = [f'module.repository["{KEY}"].{kind}.image' for kind in kinds]
    desk.run("terraform", "-chdir=infra", "state", "rm", *addresses)
    account.ecr.put_image(
        repositoryName=KEY, imageManifest='{"schemaVersion": 2}', imageTag="v0.1.0"
    )
    ended = destroy(desk, "no")
    assert ended.out.startswith(f'destroy  module.repository["{KEY}"].aws_iam_role.push\n')
    assert ended.out.endswith("\nNothing was changed.\n")


def test_a_backend_that_cannot_be_reached_is_reported(desk: Desk) -> None:
    broken = desk.path / "infra/backend.tf"
    broken.write_text('terraform {\n  backend "nowhere" {}\n}\n')
    try:
        ended = desk.destroy()
    finally:
        broken.unlink()
    assert ended.status == 1
    assert ended.out.startswith("Terraform's state cannot be read:\n")
    assert "There is no backend type named" in ended.out
    assert ended.out.endswith("\nCorrect what it reports, then try again.\n  make destroy\n")


def test_it_can_only_say_what_would_go(desk: Desk, account: Account) -> None:
    ended = desk.destroy("--plan")
    assert (ended.status, ended.out.startswith(GOES)) == (0, True)
    assert (account.roles(), account.registries()) == ({ROLE}, {KEY})
    refused = desk.destroy("--yes")
    assert refused.status == 2
    assert "unrecognized arguments: --yes" in refused.out


@pytest.mark.usefixtures("account")
def test_what_exists_in_aws_but_not_in_the_state_is_reported(desk: Desk) -> None:
    (desk.path / "infra/terraform.tfstate").unlink()
    ended = desk.destroy()
    assert ended.status == 1
    words = " ".join(ended.out.split())
    assert f"But AWS has the role {ROLE} and the ECR repository {KEY}." in words
    assert ended.out.endswith("\n  make bootstrap\n  make destroy\n")
