"""A plan without AWS: nothing in infra/, in the environment or on the network leads it astray."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from keyless import check
from keyless.model import generated
from keyless.model.account import read_account
from keyless.model.answers import applying_program
from keyless.model.findings import CannotJudge, Finding
from keyless.planning import offline, program, verdict
from keyless.planning.local_aws import REFUSAL, local_aws
from keyless.planning.workspace import copy_infra, with_prefixes
from keyless.programs import Done

from tests.conftest import Bake, Copy, Run
from tests.support.check import judge
from tests.support.project import Project
from tests.support.sums import MODULE, sums, written

Ready = Callable[[Project], Project]
CHECK = (sys.executable, "-B", ".github/keyless", "check")
ANYBODY = """
resource "aws_iam_role" "anybody" {
  name               = "anybody"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [local.anybody] })
}

locals {
  anybody = { Effect = "Allow", Action = "sts:*", Principal = "*" }
}
"""


@pytest.fixture
def edited(copy: Copy) -> Project:
    """A project with a role that everybody may assume, initialised as `make test` does it."""
    project = copy()
    (project.path / "infra/anybody.tf").write_text(ANYBODY)
    project.terraform("init", "-backend=false", "-input=false")
    return project


def rules_of(found: list[Finding]) -> set[tuple[str, str]]:
    """Return where something was found, and by which rule."""
    return {(each.path, each.rule) for each in found}


FOUND = {("infra/anybody.tf", "known-roles")}


@pytest.mark.slow
def test_no_setting_and_no_key_of_this_machine_reaches_a_plan(
    edited: Project, run: Run, tmp_path: Path
) -> None:
    """-target would plan nothing; a key, a profile or a proxy would lead to somebody's account."""
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws/config").write_text("[default]\nregion = mars-1\ncredential_process = false\n")
    (home / ".terraformrc").write_text("this is no configuration {\n")
    given = {
        "TF_CLI_ARGS": "-bogus",
        "TF_CLI_ARGS_plan": "-target=data.aws_partition.current -destroy",
        "TF_VAR_aws_region": "eu-west-1",
        "TF_WORKSPACE": "other",
        "TF_DATA_DIR": str(tmp_path / "data"),
        "AWS_PROFILE": "nobody",
        "AWS_REGION": "mars-1",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HOME": str(home),
    }
    done = run(*CHECK, "--format", "json", cwd=edited.path, env={**os.environ, **given})
    assert done.returncode == 1, done.stdout
    assert {(each["path"], each["rule"]) for each in json.loads(done.stdout)} == FOUND


@pytest.mark.slow
def test_a_plan_asks_no_network(edited: Project, run: Run) -> None:
    """In a namespace without a route there is nothing but the loopback."""
    alone = (*no_network(run), "sh", "-c")
    probe = 'ip link set lo up 2>/dev/null || python3 -c "$UP"; exec "$@"'
    up = (
        "import fcntl, socket, struct; s = socket.socket();"
        "fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', 1))"
    )
    given = {**os.environ, "UP": up}
    done = run(*alone, probe, "sh", *CHECK, cwd=edited.path, env=given)
    assert done.returncode == 1, done.stdout
    assert "GitHub's tokens can assume anybody" in done.stdout
    outside = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    refused = run(*alone, probe, "sh", sys.executable, "-c", outside, cwd=edited.path, env=given)
    assert "Network is unreachable" in refused.stdout


def no_network(run: Run) -> tuple[str, ...]:
    """Return what runs a command in a network namespace of its own, as this machine allows it."""
    if sys.platform != "linux":
        pytest.skip("only Linux has network namespaces")
    ways = (("--map-root-user", "--net"), ("--net",))
    for before in ((), ("sudo", "-n", "--preserve-env")):
        for options in ways:
            command = (*before, "unshare", *options)
            if shutil.which(command[0]) and not run(*command, "true", cwd=Path("/")).returncode:
                return command
    pytest.fail("unshare makes no namespace here; install util-linux, or allow user namespaces")


@pytest.mark.parametrize(
    "name", ["zz_override.tf", "~~~_override.tf", "override.tf", "\u00fc_override.tf.json"]
)
def test_no_override_file_comes_behind_that_of_the_backend(
    planning: Ready, copy: Copy, name: str
) -> None:
    project = planning(copy(state_bucket="octo-state"))
    (project.path / "infra/anybody.tf").write_text(ANYBODY)
    backend = 'terraform {\n  backend "s3" {\n    bucket = "other"\n    region = "us-east-1"\n'
    text = f'{backend}    key    = "other"\n  }}\n}}\n'
    if name.endswith("json"):
        given = {"bucket": "other", "region": "us-east-1", "key": "other"}
        text = json.dumps({"terraform": {"backend": {"s3": given}}})
    (project.path / "infra" / name).write_text(text)
    assert rules_of(check.findings(project.path)) == FOUND


def test_override_files_keep_their_order(bake: Bake, tmp_path: Path) -> None:
    root = Path(shutil.copytree(bake().path, tmp_path / "project"))
    for name in ("z_override.tf", "a_override.tf", "a_override.tf.json", "override.tf"):
        (root / "infra" / name).write_text("{}" if name.endswith("json") else f"# {name}\n")
    (tmp_path / "aside").mkdir()
    infra = copy_infra(root, read_account(root), tmp_path / "aside", "terraform")
    names = sorted(each.name for each in infra.glob("*override.tf*"))
    assert [each.partition("~")[2] or each for each in names] == [
        *("a_override.tf", "a_override.tf.json", "000001_override.tf", "z_override.tf"),
        "keyless_override.tf",
    ]


def test_opentofu_reads_the_override_that_only_it_reads(bake: Bake, tmp_path: Path) -> None:
    project = bake(iac_tool="opentofu")
    (tmp_path / "aside").mkdir()
    infra = copy_infra(project.path, read_account(project.path), tmp_path / "aside", "tofu")
    assert (infra / "~keyless_override.tofu").is_file()
    assert applying_program(project.path) == "tofu"
    assert "infra/main.tofu" in generated.changed_files(with_file(project, tmp_path, "main.tofu"))


def with_file(project: Project, folder: Path, name: str) -> Path:
    """Return a copy of a project with a further, empty file in infra/."""
    path = Path(shutil.copytree(project.path, folder / "other"))
    (path / "infra" / name).write_text("")
    return path


@pytest.mark.slow
def test_neither_a_copied_folder_of_terraform_nor_a_state_is_taken_along(
    edited: Project, tmp_path: Path
) -> None:
    """They say where a state is, and which modules are meant."""
    data = edited.path / "infra/.terraform"
    backend: dict[str, Any] = {"type": "s3", "config": {"bucket": "octo", "key": "x"}, "hash": 1}
    state = {"version": 3, "serial": 1, "lineage": "x", "backend": backend}
    (data / "terraform.tfstate").write_text(json.dumps(state))
    (edited.path / "infra/terraform.tfstate").write_text("{")
    (edited.path / "infra/.terraform.lock.hcl").write_text("this is no lock {")
    assert rules_of(check.findings(edited.path)) == FOUND
    (tmp_path / "aside").mkdir()
    infra = copy_infra(edited.path, read_account(edited.path), tmp_path / "aside", "terraform")
    assert not list(infra.rglob(".terraform*"))
    assert not list(infra.glob("*.tfstate"))


def test_the_copy_keeps_what_stands_beside_infra_and_links(bake: Bake, tmp_path: Path) -> None:
    root = Path(shutil.copytree(bake().path, tmp_path / "project"))
    (root / "shared").mkdir()
    (root / "shared/common.tf").write_text("# common\n")
    (root / "infra/common.tf").symlink_to("../shared/common.tf")
    (tmp_path / "aside").mkdir()
    infra = copy_infra(root, read_account(root), tmp_path / "aside", "terraform")
    assert (infra / "common.tf").read_text() == "# common\n"
    assert (infra / "../shared/common.tf").read_text() == "# common\n"
    assert (infra / "../app/server.py").is_file()


def test_a_folder_that_leads_into_itself_is_copied_once(bake: Bake, tmp_path: Path) -> None:
    root = Path(shutil.copytree(bake().path, tmp_path / "project"))
    (root / "infra/repository/loop").symlink_to("..")
    (tmp_path / "aside").mkdir()
    infra = copy_infra(root, read_account(root), tmp_path / "aside", "terraform")
    assert not (infra / "repository/loop").exists()


IMPORT = 'import {\n  to = aws_iam_role.x\n  id = "x"\n}\n'


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (IMPORT, ""),
        (f"# before\n{IMPORT}# behind\n", "# before\n# behind\n"),
        (IMPORT.replace("aws_iam_role.x", 'module.a["b"].aws_iam_role.x[0]'), ""),
        # What would hide something else is not taken away.
        ('import {\n  to = 1 */ module "x" { source = "./x" } /*\n}\n', None),
        ('import {\n  id = "*/ x /*"\n}\n', None),
        ('import {\n  id = "${x}"\n}\n', None),
        (f"  {IMPORT}", None),
    ],
)
def test_imports_are_taken_away_and_nothing_else(
    bake: Bake, tmp_path: Path, text: str, left: str | None
) -> None:
    root = Path(shutil.copytree(bake().path, tmp_path / "project"))
    (root / "infra/imports.tf").write_text(text)
    (tmp_path / "aside").mkdir()
    infra = copy_infra(root, read_account(root), tmp_path / "aside", "terraform")
    assert (infra / "imports.tf").read_text() == (text if left is None else left)


def test_a_data_source_that_would_ask_later_hides_nothing(planning: Ready, copy: Copy) -> None:
    """Its input is unknown in the first plan, so it is not asked, and the plan is green."""
    project = planning(copy())
    (project.path / "infra/later.tf").write_text(
        'resource "aws_iam_policy" "more" {\n  name = "more"\n'
        '  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow",'
        ' Action = "s3:*", Resource = "*" }] })\n}\n'
        'data "aws_iam_policy" "more" {\n  arn = aws_iam_policy.more.arn\n}\n'
        'resource "aws_iam_role_policy" "more" {\n  name = "more"\n'
        '  role = "example-service-push"\n  policy = data.aws_iam_policy.more.policy\n}\n'
    )
    found = check.findings(project.path)
    assert rules_of(found) == {("infra/later.tf", "cannot-be-judged")}


def test_a_trust_that_hides_behind_a_provider_that_is_created_is_seen(
    planning: Ready, copy: Copy
) -> None:
    project = planning(copy())
    (project.path / "infra/hidden.tf").write_text(
        'resource "aws_iam_openid_connect_provider" "own" {\n'
        '  url = "https://token.actions.githubusercontent.com/octo"\n'
        '  client_id_list = ["sts.amazonaws.com"]\n}\n'
        'resource "aws_iam_role" "hidden" {\n  name = "hidden"\n'
        '  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect ='
        ' "Allow", Action = "sts:AssumeRoleWithWebIdentity", Principal = { Federated ='
        " aws_iam_openid_connect_provider.own.arn } }] })\n}\n"
    )
    assert rules_of(check.findings(project.path)) == {("infra/hidden.tf", "known-roles")}


def test_what_waits_is_ended(planning: Ready, copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that accepts and never answers stands for an account that is not there."""
    project = planning(copy())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (project.path / "infra/waits.tf").write_text(
            'provider "aws" {\n  alias = "waits"\n  region = "us-east-1"\n'
            f'  endpoints {{\n    sts = "{address}"\n  }}\n}}\n'
            'data "aws_caller_identity" "waits" {\n  provider = aws.waits\n}\n'
        )
        monkeypatch.setattr(program, "SECONDS", 6)
        status, printed = judge(project.path)
    assert status == 2
    assert re.search(r"(init|plan) was stopped after 6 s", printed)  # init, on a busy machine
    assert "waits for an account or a host" in " ".join(printed.split())


def test_without_the_program_a_desk_is_told_what_to_install(
    copy: Copy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project = copy()
    assert judge_without_terraform(project, monkeypatch, tmp_path)[0] == 0
    (project.path / "infra/anybody.tf").write_text(ANYBODY)
    status, printed = judge_without_terraform(project, monkeypatch, tmp_path)
    assert status == 2
    assert "infra/anybody.tf:1: cannot-be-judged this file was changed or added" in printed
    assert "https://developer.hashicorp.com/terraform/install" in printed


def judge_without_terraform(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[int, str]:
    """Judge a project where neither Terraform nor OpenTofu is on PATH."""
    (tmp_path / "nothing").mkdir(exist_ok=True)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    return judge(project.path)


def test_in_ci_another_job_judges_infra_if_there_is_one(
    copy: Copy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project = copy()
    (project.path / "infra/anybody.tf").write_text(ANYBODY)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    status, printed = judge_without_terraform(project, monkeypatch, tmp_path)
    assert status == 0
    assert "The rest of infra/ is not judged here, because infra/anybody.tf was changed" in printed
    deploy = project.path / ".github/workflows/deploy.yml"
    deploy.write_text(deploy.read_text().replace('aws-region: "us-east-1"', "aws-region: x"))
    status, printed = judge_without_terraform(project, monkeypatch, tmp_path)
    assert (status, "same-region" in printed) == (1, True)
    ci = project.path / ".github/workflows/ci.yml"
    text = ci.read_text()
    command = "      - name: Check\n        run: python .github/keyless check --format github\n"
    assert text.count(command) == 2
    behind = text.rindex(command) + len("      - name: Check\n")
    for broken in (
        text.replace("hashicorp/setup-terraform", "octo-org/something"),
        text.replace("  infra:\n", "  infra:\n    if: ${{ github.actor == 'octocat' }}\n"),
        text[:behind] + "        continue-on-error: true\n" + text[behind:],
        text.replace("  pull_request:\n", ""),
    ):
        assert broken != text
        ci.write_text(broken)
        status, printed = judge_without_terraform(project, monkeypatch, tmp_path)
        assert "infra/anybody.tf:1: cannot-be-judged" in printed


def test_a_generated_infra_needs_no_plan(bake: Bake, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a plan was made")

    monkeypatch.setattr(verdict, "plan_infra", never)
    for answers in (
        {},
        {"second_tag": "latest", "deploy_on": "branch", "state_bucket": "octo-state"},
        {"deploy_to": "ecs-express", "oidc_provider": "existing"},
        {"deploy_to": "app-runner", "iac_tool": "opentofu"},
    ):
        root = bake(**answers).path
        assert check.findings(root) == []
        target = answers.get("deploy_to", "")
        assert generated.changed_files(root, target) == []


def test_the_sums_are_those_of_what_is_generated() -> None:
    text = MODULE.read_text()
    assert written(text, sums()) == text, "type: python -m tests.support.sums"


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("infra/main.tf", lambda path: path.write_text(f"{path.read_text()}\n")),
        ("infra/oidc.tf", lambda path: path.unlink()),
        ("infra/more.tf", lambda path: path.write_text("")),
        ("infra/more.tf.json", lambda path: path.write_text("{}")),
        ("infra/more.tofu", lambda path: path.write_text("")),
        ("infra/more.auto.tfvars", lambda path: path.write_text("")),
        ("infra/more.auto.tfvars.json", lambda path: path.write_text("{}")),
        ("infra/terraform.tfvars", lambda path: path.write_text("")),
        ("infra/service.tf", lambda path: path.write_text("")),
        ("infra/backend.tf", lambda path: path.write_text("terraform {\n}\n")),
        ("infra/repository/override.tf", lambda path: path.write_text("")),
    ],
)
def test_each_change_of_what_terraform_reads_is_one(
    copy: Copy, name: str, act: Callable[[Path], object]
) -> None:
    project = copy()
    act(project.path / name)
    assert generated.changed_files(project.path) == [name]


def test_other_values_of_a_backend_and_other_line_ends_are_no_change(copy: Copy) -> None:
    project = copy(state_bucket="octo-state")
    backend = project.path / "infra/backend.tf"
    text = backend.read_text()
    backend.write_text(text.replace("us-east-1", "eu-west-1"))
    assert generated.changed_files(project.path) == []
    backend.write_bytes(text.replace("\n", "\r\n").encode())
    assert generated.changed_files(project.path) == []
    backend.write_text(text.replace("  backend", '  required_version = "1"\n  backend'))
    assert generated.changed_files(project.path) == ["infra/backend.tf"]


def test_the_backend_that_the_pages_show_is_as_generated(copy: Copy) -> None:
    project = copy()
    page = (project.path / ".github/keyless/docs/state.md").read_text()
    (shown,) = re.findall(r"(?s)```hcl\n(terraform \{\n  backend.*?\n\}\n)```", page)
    (project.path / "infra/backend.tf").write_text(shown)
    assert generated.changed_files(project.path) == []


def test_a_registry_that_lets_latest_move_needs_the_provider_that_can(
    bake: Bake, copy: Copy
) -> None:
    project = copy()
    registry = "infra/repository/registry.tf"
    shutil.copy(bake(second_tag="latest").path / registry, project.path / registry)
    assert generated.changed_files(project.path) == [registry]


@contextmanager
def asked(root: Path) -> Iterator[Callable[..., tuple[int, str]]]:
    """Run the local AWS; yield a function that asks it, and returns status and answer."""
    with local_aws(read_account(root)) as known:

        def ask(body: str, key: str = known["AWS_ACCESS_KEY_ID"], **headers: str) -> Any:
            signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={key}/x/us-east-1/sts"}
            with closing(HTTPConnection(known["AWS_ENDPOINT_URL"].rpartition("/")[2])) as asking:
                asking.request("POST", "/", body.encode(), {**signed, **headers})
                answer = asking.getresponse()
                return answer.status, answer.read().decode()

        yield ask


def test_the_local_aws_says_who_asks_and_which_provider_exists(bake: Bake) -> None:
    with asked(bake().path) as ask:
        status, answer = ask("Action=GetCallerIdentity&Version=2011-06-15")
        assert (status, "<Account>111122223333</Account>" in answer) == (200, True)
        role = "RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Fother"
        status, answer = ask(f"Action=AssumeRole&{role}")
        key = answer.partition("<AccessKeyId>")[2].partition("<")[0]
        assert "<Account>444455556666</Account>" in ask("Action=GetCallerIdentity", key)[1]
        arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
        assert arn in ask("Action=ListOpenIDConnectProviders")[1]
        status, answer = ask(f"Action=GetOpenIDConnectProvider&OpenIDConnectProviderArn={arn}")
        assert "<member>sts.amazonaws.com</member>" in answer
        assert ask("Action=GetOpenIDConnectProvider&OpenIDConnectProviderArn=other")[0] == 403


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("Action=GetRole&RoleName=x", {}),
        ("", {}),
        ("{}", {"X-Amz-Target": "AmazonSSM.GetParameter"}),
        ("{}", {"Content-Type": "application/json"}),
    ],
)
def test_the_local_aws_refuses_everything_else_at_once(
    bake: Bake, body: str, headers: dict[str, str]
) -> None:
    with asked(bake().path) as ask:
        status, answer = ask(body, **headers)
        assert (status, REFUSAL in answer) == (403, True)
        assert answer.startswith("{") is bool(headers)


def test_a_prefix_that_is_null_has_one_that_names_its_entry(bake: Bake) -> None:
    account = read_account(bake().path)
    (entry,) = with_prefixes(account).entries.values()
    assert entry["subject_prefix"] == "repo:octo-org@1/example-service@2"
    assert account.entries["example-service"]["subject_prefix"] is None


@pytest.mark.parametrize(
    ("printed", "kind"),
    [
        ("Error: Failed to query available provider packages", CannotJudge),
        ("\u2502 Error: Unsupported Terraform Core version\n\u2502\n\u2502 on x", CannotJudge),
        ("Error: No value for\n\u2502 required variable", CannotJudge),
        ("Error: Unreadable module directory", offline.Refused),
        ("Error: Invalid count argument", offline.Refused),
    ],
)
def test_what_is_no_defect_of_infra_is_told_from_what_is(printed: str, kind: type) -> None:
    failure = offline._failure(Done(1, "", printed))
    assert type(failure) is kind
    assert "\u2502" not in str(failure)


def test_ctrl_c_ends_the_program_that_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C does not reach what runs in a session of its own."""
    folder = tmp_path / "repository/infra"
    folder.mkdir(parents=True)
    terraform = program.Terraform(sys.executable, folder, {})
    started: list[int] = []
    waiting = subprocess.Popen.communicate

    def interrupted(self: Any, *given: Any, **known: Any) -> Any:
        if not started:
            started.append(self.pid)
            raise KeyboardInterrupt
        return waiting(self, *given, **known)

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        terraform.run("-c", "import time; time.sleep(600)")
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)
