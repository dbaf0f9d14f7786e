"""What an error of GitHub, AWS or Terraform means: each kind by its text, and what to type."""

from __future__ import annotations

import pytest
from keyless.aws import Refused
from keyless.gh import Denied
from keyless.programs import Done
from keyless.setup.credentials import EXPORT
from keyless.setup.remedies import meaning
from keyless.setup.terraform import failure

LOCK = """\
Error: Error acquiring the state lock
Error message: {why}
Lock Info:
  ID:        5f2d9c1e
  Path:      {path}
  Operation: OperationTypePlan
  Who:       kim@laptop
  Created:   2026-11-27 08:15:30 UTC
"""
TERRAFORM = [
    (LOCK.format(why="PreconditionFailed", path="b/o/n/terraform.tfstate"),
     "kim@laptop started to plan at 2026-11-27 08:15:30", "terraform -chdir=infra force-unlock"),
    (LOCK.format(why="PreconditionFailed", path="b/o/n/repositories-2/o/n/terraform.tfstate"),
     "kim@laptop", "TF_WORKSPACE=repositories-2 terraform -chdir=infra force-unlock 5f2d9c1e"),
    (LOCK.format(why="resource temporarily unavailable", path="terraform.tfstate"),
     "A program on this machine holds the lock and is still running.", "pgrep -fl terraform"),
    ("Error: No valid credential sources found", "finds no valid AWS credentials", EXPORT),
    ("Error: Failed to query available provider packages", "cannot download the AWS provider",
     "terraform -chdir=infra init"),
    ("Error: Unsupported Terraform Core version", "it is too old for infra/",
     "https://developer.hashicorp.com/terraform/install"),
    ("Error: Inconsistent dependency lock file", ".terraform.lock.hcl does not match",
     "terraform -chdir=infra init -upgrade"),
    ("Error: Backend configuration changed", "now names another place for the state",
     "terraform -chdir=infra init -migrate-state"),
]  # fmt: skip
GITHUB = [
    (Denied(403, "Resource protected by organization SAML enforcement."), "gh auth refresh"),
    (Denied(403, "You have exceeded a secondary rate limit"), "gh api rate_limit"),
    (Denied(403, "Resource not accessible by personal access token"), "gh auth login --scopes"),
    (Denied(401, "Bad credentials"), "gh auth login --scopes workflow"),
    (Denied(502, "Server Error"), "https://www.githubstatus.com"),
    (Denied(0, "error connecting"), "https://www.githubstatus.com"),
    (Denied(422, "Validation Failed"), "gh auth status"),
]
AWS = [
    (Refused("ExpiredToken", "no"), "aws sso login"),
    (Refused("InvalidClientTokenId", "no"), "aws configure"),
    (Refused("", "Session has expired. Please reauthenticate using 'aws login'."), "aws login"),
    (Refused("", "Unable to locate credentials"), "aws configure"),
    (Refused("", "The config profile (x) could not be found"), "aws configure list-profiles"),
    (Refused("", "Could not connect to the endpoint URL"), "https://health.aws.amazon.com"),
    (Refused("ThrottlingException", "Rate exceeded"), "https://health.aws.amazon.com"),
    (Refused("AccessDeniedException", "not authorized to perform: ecr:GetAuthorizationToken"),
     "aws sts get-caller-identity"),
    (Refused("ValidationException", "no"), "aws sts get-caller-identity"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that Terraform finds itself, so that none has to be handed over."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GH_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("said", "means", "line"), TERRAFORM)
def test_an_error_of_terraform_is_explained(said: str, means: str, line: str) -> None:
    problem = failure(Done(1, "", said), "terraform plan failed")
    assert means in str(problem)
    assert problem.commands[-1].startswith(line)


def test_other_errors_of_terraform_are_shown_as_they_are() -> None:
    problem = failure(Done(1, "", "Error: Invalid value"), "terraform plan failed")
    assert (str(problem).splitlines()[-1], problem.commands) == (
        "Correct what it reports, then try again.",
        (),
    )


@pytest.mark.parametrize(("error", "line"), [*GITHUB, *AWS])
def test_an_error_of_github_or_aws_is_explained(error: Denied | Refused, line: str) -> None:
    commands = meaning(error).commands
    assert commands[-1 if "profile" not in str(error) else 0].startswith(line)


def test_variables_that_override_a_login_are_unset_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "x")
    monkeypatch.setenv("GH_HOST", "octo.ghe.com")
    assert meaning(Denied(401, "no")).commands == (
        "unset GH_TOKEN",
        "gh auth login --scopes workflow --hostname octo.ghe.com",
    )
    assert meaning(Refused("ExpiredToken", "no")).commands[0] == "unset AWS_ACCESS_KEY_ID"


def test_a_command_of_terraform_is_typed_after_the_credentials_that_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    problem = failure(Done(1, "", TERRAFORM[0][0]), "terraform plan failed")
    assert problem.commands == (EXPORT, "terraform -chdir=infra force-unlock 5f2d9c1e")
