"""Somebody's desk: a generated project, with gh, git, the AWS CLI and Terraform set up.

GitHub is tests/hub.py, AWS the emulator; git, Terraform and the AWS CLI are the real ones, and each
call of a program is noted.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pexpect

from tests.emulator import ROOT, Emulator
from tests.hub import Hub
from tests.project import Project

LOGGED = ROOT / "tests/bin/logged"  # git and Terraform, in front of the real ones
LIMIT = 120  # seconds that a command may take
# What is changed by a command, among those that bootstrap, doctor and destroy know.
CHANGES = (
    r"gh repo create |gh api --method |terraform -chdir=infra (apply|destroy|state rm)"
    r"|git .*\b(init|add|commit|push|remote (add|set-url)) |aws \S+ (?!get|list|describe)"
)


class Ended(NamedTuple):
    """How a command ended, and everything that it printed."""

    status: int
    out: str


class Account(NamedTuple):
    """What Terraform has made in AWS, so that it can be made again in 0.1 s."""

    provider: dict[str, Any]
    role: dict[str, Any]
    policy: dict[str, Any]
    registry: dict[str, Any]
    lifecycle: dict[str, Any]

    @classmethod
    def of(cls, emulator: Emulator) -> Account:
        """Read it, for the project with the default answers."""
        iam, ecr, name = emulator.client("iam"), emulator.client("ecr"), "example-service"
        arn = f"arn:aws:iam::{emulator.account}:oidc-provider/token.actions.githubusercontent.com"
        provider = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        role = iam.get_role(RoleName=f"{name}-push")["Role"]
        policy = iam.get_role_policy(RoleName=f"{name}-push", PolicyName="push")
        registry = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
        lifecycle = ecr.get_lifecycle_policy(repositoryName=name)
        known = ("RoleName", "Description", "MaxSessionDuration")
        trust = json.dumps(role["AssumeRolePolicyDocument"])
        scanned = ("repositoryName", "imageTagMutability", "imageScanningConfiguration")
        return cls(
            {
                "Url": "https://" + provider["Url"].removeprefix("https://"),
                "ClientIDList": provider["ClientIDList"],
            },
            {key: role[key] for key in known} | {"AssumeRolePolicyDocument": trust},
            {
                "RoleName": f"{name}-push",
                "PolicyName": "push",
                "PolicyDocument": json.dumps(policy["PolicyDocument"]),
            },
            {key: registry[key] for key in (*scanned, "encryptionConfiguration")},
            {"repositoryName": name, "lifecyclePolicyText": lifecycle["lifecyclePolicyText"]},
        )

    def restore(self, emulator: Emulator) -> None:
        """Make it again, in an empty account."""
        iam, ecr = emulator.client("iam"), emulator.client("ecr")
        iam.create_open_id_connect_provider(**self.provider)
        iam.create_role(**self.role)
        iam.put_role_policy(**self.policy)
        ecr.create_repository(**self.registry)
        ecr.put_lifecycle_policy(**self.lifecycle)


def at_terminal(
    command: list[str], folder: Path, environment: dict[str, str], answers: dict[str, str]
) -> Ended:
    """Run a command at a terminal, and answer each question in turn; "\\x03" is Ctrl-C."""
    child = pexpect.spawn(
        command[0],
        command[1:],
        cwd=str(folder),
        env=environment,
        encoding="utf-8",
        timeout=LIMIT,
        dimensions=(50, 300),
    )
    seen = ""
    for question, answer in answers.items():
        child.expect_exact([question, pexpect.EOF])
        seen += str(child.before) + str(child.after if child.after == question else "")
        if answer == "\x03":
            child.sendintr()
        elif child.isalive():
            child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    return Ended(int(child.exitstatus), (seen + str(child.before)).replace("\r\n", "\n"))


class Desk:
    """Somebody's machine, on which a project was generated."""

    def __init__(self, project: Project, emulator: Emulator, hub: Hub) -> None:
        self.project, self.emulator, self.hub = project, emulator, hub

    @property
    def path(self) -> Path:
        """The generated project."""
        return self.project.path

    def environment(self, *, person: bool = True, **further: str) -> dict[str, str]:
        """Return the environment of a shell there."""
        github = self.hub.environment(person=person)
        known = self.emulator.environment() | github | {"CHECKPOINT_DISABLE": "1", **further}
        return known | {"PATH": further.get("PATH", f"{LOGGED}:{github['PATH']}")}

    def bootstrap(self, *arguments: str, **environment: Any) -> Ended:
        """Run scripts/bootstrap.py without a terminal."""
        return self.run(sys.executable, "scripts/bootstrap.py", *arguments, **environment)

    def run(self, *command: str, **environment: Any) -> Ended:
        """Run a command in the project."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
        )
        return Ended(done.returncode, done.stdout)

    def typed(self, answers: dict[str, str], *arguments: str) -> Ended:
        """Run scripts/bootstrap.py at a terminal, and answer each question; "\\x03" is Ctrl-C."""
        command = [sys.executable, "scripts/bootstrap.py", *arguments]
        return at_terminal(command, self.path, self.environment(), answers)

    def git(self, *arguments: str) -> str:
        """Run git as the person at the desk; return what it prints."""
        environment = self.environment(PATH=self.hub.environment()["PATH"])
        command = ["git", *arguments]
        done = subprocess.run(
            command, cwd=self.path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def changes(self) -> list[str]:
        """Return the commands that changed something, in order, without what differs by run."""
        login = r"-c credential\.https://github\.com\.helper= -c '[^']*' "
        calls = [re.sub(login, "", call) for call in self.hub.calls()]
        calls = [re.sub(r"/\S*/(\w+\.tfplan)", r"\1", call) for call in calls]
        return [call for call in calls if re.match(CHANGES, f"{call} ")]

    def files(self) -> dict[str, bytes]:
        """Return the project's files, apart from what git and Terraform keep for themselves."""
        listed = [path for path in self.path.rglob("*") if path.is_file()]
        own = {".git", ".terraform", "__pycache__", "terraform.tfstate", "terraform.tfstate.backup"}
        names = {path: path.relative_to(self.path) for path in listed}
        return {
            str(name): path.read_bytes()
            for path, name in names.items()
            if not own & set(name.parts) and name.name != ".terraform.lock.hcl"
        }

    @property
    def entry(self) -> dict[str, Any]:
        """The project's own entry."""
        return dict(self.project.tfvars["repositories"][self.project.key])

    def edit(self, **values: Any) -> None:
        """Write values into the project's own entry, in the file's format."""
        path = self.path / "infra/terraform.tfvars.json"
        content = json.loads(path.read_text())
        content["repositories"][self.project.key].update(values)
        path.write_text(json.dumps(content, indent=2) + "\n")
