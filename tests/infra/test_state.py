"""Where the state is, which program applies infra/, and which GitHub signs the tokens."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from keyless.aws import Refused
from keyless.console import Problem
from keyless.gh import page_of
from keyless.model.account import ENTRY_KINDS, Account, parse_account
from keyless.model.entry_errors import subjects_by_entry
from keyless.model.subjects import trust_statement
from keyless.paths import TFVARS
from keyless.setup import bucket, github
from keyless.setup.steps.checkout import Checkout
from keyless.setup.steps.remote import look_at_url

from tests.conftest import Bake, Copy
from tests.standins.emulator import Emulator
from tests.standins.hub import Hub
from tests.support.desk import Desk
from tests.support.pages import actions_for, page, rows_of
from tests.support.project import Project
from tests.support.remedies import commands_of, follow, words

BUCKET = "octo-org-terraform"
NAME = "octo-org/example-service"
KEY = f"{NAME}/terraform.tfstate"
BACKEND = "infra/backend.tf"


@pytest.fixture
def with_bucket(copy: Copy, emulator: Emulator, tmp_path: Path) -> Desk:
    """A desk with a fresh project whose state shall be in S3."""
    return Desk(copy(state_bucket=BUCKET), emulator, Hub(tmp_path / "hub"))


def test_a_bucket_that_is_missing_is_made_first_and_the_state_goes_there(with_bucket: Desk) -> None:
    desk = with_bucket
    ended = desk.bootstrap("--plan")
    assert ended.status == 0, ended.out
    assert desk.changes() == []
    made = f" 3. create the S3 bucket {BUCKET} in us-east-1 for the state, with versioning and"
    assert made in ended.out
    assert "infra/terraform.tfstate" not in ended.out
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    s3 = desk.emulator.client("s3")
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    closed = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(closed.values()) == {True}
    assert len(closed) == 4
    (state,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert state["Key"] == KEY, "and no lock is left beside it"
    assert not (desk.path / "infra/terraform.tfstate").exists()
    shutil.rmtree(desk.path / "infra/.terraform")  # as in a fresh clone: nothing is taken over
    assert "Nothing to do: everything is in place." in desk.bootstrap("--yes").out


def test_a_lock_that_was_left_says_whose_it_is_and_is_removed_by_the_line(
    with_bucket: Desk,
) -> None:
    assert with_bucket.bootstrap("--yes").status == 0
    lock = {
        "ID": "5f2d9c1e-7c6b-4a3e-9f3d-0d2b6a1c8e55",
        **{"Operation": "OperationTypeApply", "Info": "", "Version": "1.11.4", "Path": KEY},
        **{"Who": "runner@desk-2", "Created": "2026-11-27T08:15:30.123456789Z"},
    }
    s3 = with_bucket.emulator.client("s3")
    s3.put_object(Bucket=BUCKET, Key=f"{KEY}.tflock", Body=json.dumps(lock).encode())
    with_bucket.hub.rename("octo-org/example-service", "octo-org/renamed")
    first = with_bucket.bootstrap("--yes")
    assert first.status == 1
    who = "Terraform's state is locked: runner@desk-2 started to apply at 2026-11-27 08:15:30"
    assert who in words(first)
    unlock, again = commands_of(first)
    assert again == "make bootstrap"
    drift = json.loads(with_bucket.doctor("--json", "--plan").out)[-1]
    assert (drift["state"], drift["commands"]) == ("unknown", [unlock])
    follow(with_bucket, unlock, given="yes")
    assert with_bucket.bootstrap("--yes").status == 0


def test_a_bucket_in_another_region_is_told_with_the_line_to_write(with_bucket: Desk) -> None:
    with_bucket.emulator.client("s3").create_bucket(Bucket=BUCKET)
    backend = with_bucket.path / BACKEND
    backend.write_text(backend.read_text().replace('"us-east-1"', '"eu-central-1"'))
    ended = with_bucket.bootstrap("--yes")
    assert ended.status == 1
    assert f"The bucket {BUCKET} is in us-east-1, but {BACKEND} says" in ended.out
    assert f'write region = "us-east-1" in {BACKEND}' in ended.out
    assert with_bucket.changes() == []


class Answers:
    """Stands in for `ask_aws` of setup/bucket.py: an answer or a refusal for each operation."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def __call__(self, _: Any, __: str, operation: str, *arguments: str, missing: str = "") -> Any:
        assert missing in ("", "NoSuchBucket")
        key = operation + " of the account" * ("--expected-bucket-owner" in arguments)
        answer = self.answers.get(key, {"Status": "Enabled"})
        if answer == "AccessDenied":
            raise Refused("AccessDenied", "Access Denied")
        return answer


LOCATION = "get-bucket-location"
OWN = f"{LOCATION} of the account"
HERE = {"LocationConstraint": None}


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({OWN: None}, None),
        ({OWN: HERE}, []),
        (
            {OWN: HERE, "get-bucket-versioning": {}},
            ["keeps no old versions, so a lost state cannot be restored."],
        ),
        (
            {OWN: HERE, "get-bucket-versioning": "AccessDenied"},
            ["It is unknown whether the bucket"],
        ),
        ({OWN: "AccessDenied", LOCATION: HERE}, ["does not belong to account 111122223333."]),
        (
            {OWN: {"LocationConstraint": "EU"}},
            f"is in eu-west-1, but {BACKEND} says us-east-1",
        ),
        (
            {OWN: "AccessDenied", LOCATION: "AccessDenied"},
            "Either somebody else owns it .* or you lack",
        ),
    ],
    ids=["missing", "ours", "no versions", "may not ask", "another's", "elsewhere", "closed"],
)
def test_a_bucket_is_looked_at_before_it_is_used(
    bake: Bake, monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], found: Any
) -> None:
    monkeypatch.setattr(bucket, "ask_aws", Answers(answers))
    account, wanted = account_of(bake()), bucket.Bucket(BUCKET, "us-east-1", BACKEND)
    if isinstance(found, str):
        with pytest.raises(Problem, match=found):
            bucket.bucket_notes(account, wanted)
        return
    said = bucket.bucket_notes(account, wanted)
    assert (said is None) is (found is None)
    assert len(said or []) == len(found or [])
    assert all(part in line for part, line in zip(found or [], said or [], strict=True))


def account_of(project: Project, **values: Any) -> Account:
    """Return what the check reads of a project, with further values."""
    text = (project.path / TFVARS).read_text()
    return parse_account({TFVARS: json.dumps({**json.loads(text), **values})})


def test_a_state_that_is_still_a_file_is_moved_before_anything_else(ready: Desk) -> None:
    """The way of the guide: nothing is taken over as if the state were lost."""
    (backend,) = re.findall(r"```hcl\n(.*?)```", page(ready.path, "state"), re.DOTALL)
    for before, after in (("BUCKET", BUCKET), ("OWNER/NAME", NAME), ("REGION", "us-east-1")):
        backend = backend.replace(f'"{before}', f'"{after}')
    (ready.path / "infra/backend.tf").write_text(backend)
    ended = ready.bootstrap("--yes")
    assert ended.status == 1
    assert "Nothing is lost. Move the state there" in ended.out
    assert ready.changes() == []
    make, move, again = [line.strip() for line in ended.out.splitlines()[-3:]]
    assert again == "make bootstrap"
    assert ready.run("bash", "-euc", f"{make}; yes yes | {move}").status == 0
    done = ready.bootstrap("--yes")
    assert done.status == 0, done.out
    assert "apply" not in done.out
    assert "keeps no old versions" in " ".join(done.out.split())


def test_opentofu_does_the_whole_set_up(copy: Copy, emulator: Emulator, tmp_path: Path) -> None:
    """Without `tofu` on PATH its name leads to Terraform: then only the commands are tried."""
    desk = Desk(copy(iac_tool="opentofu"), emulator, Hub(tmp_path / "hub"))
    further = {}
    if not shutil.which("tofu"):
        programs = tmp_path / "programs"
        programs.mkdir()
        (programs / "tofu").symlink_to(str(shutil.which("terraform")))
        further["PATH"] = f"{desk.environment()['PATH']}:{programs}"
    ended = desk.bootstrap("--yes", **further)
    assert ended.status == 0, ended.out
    ran = [call.split()[0] for call in desk.hub.calls()]
    assert "tofu" in ran
    assert "terraform" not in ran
    assert "tofu -chdir=infra apply" in "\n".join(desk.hub.calls())
    assert "ok       drift" in desk.doctor("--plan", **further).out


def test_a_program_that_is_missing_is_named_with_its_own_page(
    copy: Copy, emulator: Emulator, tmp_path: Path
) -> None:
    desk = Desk(copy(iac_tool="opentofu"), emulator, Hub(tmp_path / "hub"))
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "aws", "python3", "sh"):
        (programs / name).symlink_to(str(shutil.which(name)))
    (programs / "gh").symlink_to(str(shutil.which("gh", path=desk.environment()["PATH"])))
    ended = desk.bootstrap("--plan", PATH=str(programs))
    assert ended.status == 1
    assert "tofu is not installed, so nothing can be set up." in ended.out
    assert "https://opentofu.org/docs/intro/install (1.10 or newer)" in ended.out
    assert "terraform" not in ended.out


ISSUERS = [
    (None, "token.actions.githubusercontent.com", "github.com"),
    *[
        (f"https://{issuer}", issuer, host)
        for issuer, host in (
            ("token.actions.githubusercontent.com/octo-enterprise", "github.com"),
            ("token.actions.octo.ghe.com", "octo.ghe.com"),
            ("github.octo.example/_services/token", "github.octo.example"),
        )
    ],
]


@pytest.mark.parametrize(("given", "issuer", "host"), ISSUERS, ids=lambda item: str(item)[-30:])
def test_the_issuer_decides_provider_condition_keys_and_which_github_is_asked(
    bake: Bake, given: str | None, issuer: str, host: str
) -> None:
    account = account_of(bake(), **({"oidc_issuer": given} if given else {}))
    (entry,) = account.entries.values()
    entry["subject_prefix"] = f"repo:{NAME}"
    statement = trust_statement(account, entry)
    provider = f"arn:aws:iam::111122223333:oidc-provider/{issuer}"
    assert statement["Principal"] == {"Federated": provider}
    keys = [key for test in statement["Condition"].values() for key in test]
    assert keys == [f"{issuer}:aud", f"{issuer}:sub"]
    assert account.host == host
    assert subjects_by_entry(account)["example-service"]["issuer"] == f"https://{issuer}"


@pytest.mark.parametrize("host", ["octo.ghe.com", "github.octo.example"])
def test_another_github_is_the_one_that_is_pushed_to(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("GH_HOST", host)
    assert page_of("a/b") == f"https://{host}/a/b"
    here = Checkout(NAME, None)
    for url in (f"https://{host}/{NAME}.git", f"git@{host}:{NAME}"):
        assert list(look_at_url(here, url)) == []
    with pytest.raises(Problem, match=f"instead of {NAME}, so nothing is pushed"):
        list(look_at_url(here, f"https://github.com/{NAME}"))


def test_a_server_of_ones_own_knows_no_ids_and_is_not_asked_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(github, "find_on_github", lambda _: None)
    found = github.Repository(NAME, 1, 2, "2026-11-01T00:00:00Z", False, True, True, "main")
    monkeypatch.setenv("GH_HOST", "github.octo.example")
    assert github.subject_prefix(found) == f"repo:{NAME}"
    for host in ("github.com", "octo.ghe.com"):
        monkeypatch.setenv("GH_HOST", host)
        with pytest.raises(Problem, match="so it cannot be guessed"):
            github.subject_prefix(found)


def test_the_page_of_settings_lists_each_value_that_is_not_asked(bake: Bake) -> None:
    """Table, variables of Terraform and what the check knows are one list."""
    listed = rows_of(page(bake().path, "settings"), "setting")
    infra = bake().path / "infra"
    root = re.findall(r'^variable "(\w+)"', (infra / "variables.tf").read_text(), re.MULTILINE)
    body = (infra / "variables.tf").read_text().partition('variable "repositories"')[2]
    optional = re.findall(r"^ +(\w+) += optional\(", body, re.MULTILINE)
    given = {"aws_account_id", "aws_region", "create_oidc_provider", "repositories"}
    written = {"subject_prefix", "environment"}  # bootstrap and the answers write these
    assert sorted(listed) == sorted(f"`{name}`" for name in {*root, *optional} - given - written)
    assert {*optional} <= {*ENTRY_KINDS}
    defaults = dict(re.findall(r"(\w+) += optional\([\w()]+, (\w+)\)", body))
    for name, default in defaults.items():
        assert f"| `{name}` | `{default}` |" in page(bake().path, "settings"), name


def test_what_nobody_was_asked_is_applied_and_agreed_with(
    copy: Copy, emulator: Emulator, tmp_path: Path
) -> None:
    desk = Desk(copy(), emulator, Hub(tmp_path / "hub"))
    path = desk.path / "infra/terraform.tfvars.json"
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    boundary = emulator.client("iam").create_policy(
        PolicyName="boundary",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
    )["Policy"]["Arn"]
    path.write_text(
        json.dumps(
            {
                **json.loads(path.read_text()),
                "role_path": "/github/",
                "permissions_boundary": boundary,
                "tags": {"team": "web + Zürich @ 4711"},
            },
            indent=2,
        )
    )
    desk.edit(max_session_duration=7200, pull_accounts=["444455556666"], force_delete=True)
    desk.edit(expire_untagged_after_days=30)
    deploy = desk.path / ".github/workflows/deploy.yml"
    text = deploy.read_text().replace("role/example", "role/github/example")
    deploy.write_text(text.replace("duration-seconds: 3600", "duration-seconds: 7200"))
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert "Role      arn:aws:iam::111122223333:role/github/example-service-push" in ended.out
    role = emulator.client("iam").get_role(RoleName="example-service-push")["Role"]
    assert (role["Path"], role["MaxSessionDuration"]) == ("/github/", 7200)
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    assert {"Key": "team", "Value": "web + Zürich @ 4711"} in role["Tags"]
    ecr = emulator.client("ecr")
    name = {"repositoryName": "example-service"}
    (statement,) = json.loads(ecr.get_repository_policy(**name)["policyText"])["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::444455556666:root"}
    rules = json.loads(ecr.get_lifecycle_policy(**name)["lifecyclePolicyText"])["rules"]
    assert [rule["selection"]["countNumber"] for rule in rules] == [30]
    assert "ok       role" in desk.doctor().out
    assert "Nothing to do: everything is in place." in desk.bootstrap("--yes").out
    named = actions_for(
        desk.path, "to set up and to change", "for [further settings]", "for `make doctor`"
    )
    made = {call for call in emulator.calls() if not call.startswith("/")}
    assert made - {"GetCallerIdentity", "CreatePolicy"} <= named
