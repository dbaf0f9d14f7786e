"""Where the state is, which program applies infra/, and which GitHub signs the tokens."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bake, Copy
from tests.desk import Desk
from tests.emulator import Emulator
from tests.hub import Hub

BUCKET = "octo-org-terraform"
KEY = "octo-org/example-service/terraform.tfstate"


@pytest.fixture
def with_bucket(copy: Copy, emulator: Emulator, tmp_path: Path) -> Desk:
    """A desk with a fresh project whose state shall be in S3."""
    return Desk(copy(state_bucket=BUCKET), emulator, Hub(tmp_path / "hub"))


def test_a_bucket_that_is_missing_is_made_first_and_the_state_goes_there(with_bucket: Desk) -> None:
    desk = with_bucket
    ended = desk.bootstrap("--plan")
    assert ended.status == 0, ended.out
    assert desk.changes() == []
    made = f" 3. make the S3 bucket {BUCKET} in us-east-1 for the state, versioned and closed to"
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
    assert "Nothing to change: everything is there." in desk.bootstrap("--yes").out


def test_a_lock_of_somebody_else_is_told(with_bucket: Desk) -> None:
    desk = with_bucket
    desk.hub.create("octo-org/example-service")
    s3 = desk.emulator.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    lock = {"ID": "1", "Operation": "apply", "Info": "", "Who": "somebody@else", "Version": "1.10"}
    s3.put_object(Bucket=BUCKET, Key=f"{KEY}.tflock", Body=json.dumps(lock).encode())
    ended = desk.bootstrap("--yes")
    assert ended.status == 1
    assert "somebody@else" in ended.out
    assert "terraform plan failed, and nothing was changed in AWS" in ended.out
    assert "Traceback" not in ended.out


def test_a_bucket_in_another_region_is_told_with_the_line_to_write(with_bucket: Desk) -> None:
    with_bucket.emulator.client("s3").create_bucket(Bucket=BUCKET)
    backend = with_bucket.path / "infra/backend.tf"
    backend.write_text(backend.read_text().replace('"us-east-1"', '"eu-central-1"'))
    ended = with_bucket.bootstrap("--yes")
    assert ended.status == 1
    assert f"The bucket {BUCKET} is in us-east-1, and infra/backend.tf says" in ended.out
    assert 'write region = "us-east-1" in infra/backend.tf' in ended.out
    assert with_bucket.changes() == []


@pytest.fixture
def outside(script: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The project's scripts/outside.py."""
    monkeypatch.setenv("GH_HOST", "github.com")
    yield script("outside")


class Answers:
    """Stands in for `aws` of scripts/outside.py: an answer or a refusal for each operation."""

    def __init__(self, outside: Any, answers: dict[str, Any]) -> None:
        self.outside, self.answers = outside, answers

    def __call__(self, _: Any, __: str, operation: str, *arguments: str, missing: str = "") -> Any:
        assert missing in ("", "NoSuchBucket")
        key = operation + " of the account" * ("--expected-bucket-owner" in arguments)
        answer = self.answers.get(key, {"Status": "Enabled"})
        if answer == "AccessDenied":
            raise self.outside.Refused("AccessDenied", "Access Denied")
        return answer


LOCATION = "get-bucket-location"
OWN = f"{LOCATION} of the account"
HERE = {"LocationConstraint": None}


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({OWN: None}, None),
        ({OWN: HERE}, []),
        ({OWN: HERE, "get-bucket-versioning": {}}, ["keeps no former versions"]),
        ({OWN: HERE, "get-bucket-versioning": "AccessDenied"}, []),
        ({OWN: "AccessDenied", LOCATION: HERE}, ["belongs to another account than 111122223333"]),
        (
            {OWN: {"LocationConstraint": "EU"}},
            "is in eu-west-1, and infra/backend.tf says us-east-1",
        ),
        ({OWN: "AccessDenied", LOCATION: "AccessDenied"}, "it is somebody else's .* or you lack"),
    ],
    ids=["missing", "ours", "no versions", "may not ask", "another's", "elsewhere", "closed"],
)
def test_a_bucket_is_looked_at_before_it_is_used(
    outside: Any,
    script: Any,
    bake: Bake,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, Any],
    found: Any,
) -> None:
    monkeypatch.setattr(outside, "aws", Answers(outside, answers))
    text = (bake().path / "infra/terraform.tfvars.json").read_text()
    account, wanted = (
        script("check").account_in({"infra/terraform.tfvars.json": text}),
        outside.Bucket(BUCKET, "us-east-1"),
    )
    if isinstance(found, str):
        with pytest.raises(outside.Problem, match=found):
            outside.bucket_notes(account, wanted)
        return
    said = outside.bucket_notes(account, wanted)
    assert (said is None) is (found is None)
    assert len(said or []) == len(found or [])
    assert all(part in line for part, line in zip(found or [], said or [], strict=True))


def test_a_state_that_is_still_a_file_is_moved_before_anything_else(ready: Desk) -> None:
    """The way of the README: nothing is taken over as if the state were lost."""
    backend = re.findall(r"```hcl\n(.*?)```", (ready.path / "README.md").read_text(), re.DOTALL)[0]
    (ready.path / "infra/backend.tf").write_text(backend.replace("BUCKET", BUCKET))
    ended = ready.bootstrap("--yes")
    assert ended.status == 1
    assert "Nothing is lost: move it there first." in ended.out
    assert ready.changes() == []
    make, move, again = [line.strip() for line in ended.out.splitlines()[-3:]]
    assert again == "make bootstrap"
    assert ready.run("bash", "-euc", f"{make}; yes yes | {move}").status == 0
    done = ready.bootstrap("--yes")
    assert done.status == 0, done.out
    assert "apply" not in done.out
    assert "keeps no former versions" in " ".join(done.out.split())


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
    assert "ok  drift" in desk.bootstrap("doctor", "--plan", **further).out


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
    bake: Bake, script: Any, given: str | None, issuer: str, host: str
) -> None:
    check = script("check")
    text = (bake().path / "infra/terraform.tfvars.json").read_text()
    values = {**json.loads(text), **({"oidc_issuer": given} if given else {})}
    account = check.account_in({"infra/terraform.tfvars.json": json.dumps(values)})
    (entry,) = account.entries.values()
    entry["subject_prefix"] = "repo:octo-org/example-service"
    statement = check.trust_statement(account, entry)
    provider = f"arn:aws:iam::111122223333:oidc-provider/{issuer}"
    assert statement["Principal"] == {"Federated": provider}
    keys = [key for test in statement["Condition"].values() for key in test]
    assert keys == [f"{issuer}:aud", f"{issuer}:sub"]
    assert account.host == host
    assert check.subjects(account)["example-service"]["issuer"] == f"https://{issuer}"


@pytest.mark.parametrize("host", ["octo.ghe.com", "github.octo.example"])
def test_another_github_is_the_one_that_is_pushed_to(
    script: Any, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("GH_HOST", host)
    folder, outside = script("folder"), script("outside")
    assert outside.page_of("a/b") == f"https://{host}/a/b"
    here = folder.Folder("octo-org/example-service", None)
    for url in (
        f"https://{host}/octo-org/example-service.git",
        f"git@{host}:octo-org/example-service",
    ):
        assert list(here.remote(url)) == []
    with pytest.raises(outside.Problem, match="and not octo-org/example-service, so it is not"):
        list(here.remote("https://github.com/octo-org/example-service"))


def test_a_server_of_ones_own_knows_no_ids_and_is_not_asked_for_them(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = script("outside")
    monkeypatch.setattr(outside, "known", lambda _: None)
    found = outside.Repository(
        "octo-org/example-service", 1, 2, "2026-11-01T00:00:00Z", False, True
    )
    monkeypatch.setenv("GH_HOST", "github.octo.example")
    assert outside.subject_prefix(found) == "repo:octo-org/example-service"
    for host in ("github.com", "octo.ghe.com"):
        monkeypatch.setenv("GH_HOST", host)
        with pytest.raises(outside.Problem, match="so it would be a guess"):
            outside.subject_prefix(found)


def test_the_readme_names_each_value_that_nobody_is_asked_for(bake: Bake, script: Any) -> None:
    """Table, variables of Terraform and what the check knows are one list."""
    text = (bake().path / "README.md").read_text()
    (table,) = re.findall(r"## What nobody was asked\n(.*?)\n## ", text, re.DOTALL)
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    infra = bake().path / "infra"
    root = re.findall(r'^variable "(\w+)"', (infra / "variables.tf").read_text(), re.MULTILINE)
    body = (infra / "variables.tf").read_text().partition('variable "repositories"')[2]
    optional = re.findall(r"^ +(\w+) += optional\(", body, re.MULTILINE)
    given = {"aws_account_id", "aws_region", "create_oidc_provider", "repositories"}
    written = {"subject_prefix", "environment"}  # bootstrap and the answers write these
    assert sorted(named) == sorted({*root, *optional} - given - written)
    assert {*optional} <= {*script("check").ENTRY}


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
                "tags": {"team": "web ${x} %{y}"},
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
    assert {"Key": "team", "Value": "web ${x} %{y}"} in role["Tags"]
    ecr = emulator.client("ecr")
    name = {"repositoryName": "example-service"}
    (statement,) = json.loads(ecr.get_repository_policy(**name)["policyText"])["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::444455556666:root"}
    rules = json.loads(ecr.get_lifecycle_policy(**name)["lifecyclePolicyText"])["rules"]
    assert [rule["selection"]["countNumber"] for rule in rules] == [30]
    assert "ok  role" in desk.bootstrap("doctor").out
    assert "Nothing to change: everything is there." in desk.bootstrap("--yes").out
    rows = re.findall(
        r"^\| (?:to set up|for what nobody).*? \| (.*) \|$",
        (desk.path / "README.md").read_text(),
        re.MULTILINE,
    )
    named = set(re.findall(r"\b[A-Z]\w+", " ".join(rows)))
    made = {call for call in emulator.calls() if not call.startswith("/")}
    assert len(rows) == 2
    assert made - {"GetCallerIdentity", "CreatePolicy"} <= named
