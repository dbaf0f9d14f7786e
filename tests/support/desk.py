"""Somebody's desk: a generated project, with gh, git, the AWS CLI and Terraform set up.

GitHub is tests/standins/hub.py, AWS the emulator; git, Terraform and the AWS CLI are the real ones,
and each call of a program is recorded.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pexpect

from tests.standins.emulator import ROOT, Emulator
from tests.standins.hub import Hub
from tests.support.project import Project

LOGGED = ROOT / "tests/standins/bin/logged"  # git and Terraform, in front of the real ones
TOOL = ".github/keyless"
# Seconds after which a command is considered to hang. The limit is high, because on a busy machine
# a command of ten seconds has taken two minutes.
LIMIT = 1200
# The tool, for which time flies where it waits for GitHub.
HURRIED = """
import sys, time
sys.path.insert(0, ".github")
time.sleep = lambda seconds: None
from keyless.commands import main
sys.exit(main(sys.argv[1:]))
"""
# What is changed by a command, among those that bootstrap, doctor and destroy know.
CHANGES = (
    r"gh (repo|release) create |gh api --method |terraform -chdir=infra (apply|destroy|state rm)"
    r"|git .*\b(init|add|commit|push|remote (add|set-url)) "
    r"|aws (?!configure )\S+ (?!get|list|describe)"
)


class Ended(NamedTuple):
    """How a command ended, and everything that it printed."""

    status: int
    out: str


class Account(NamedTuple):
    """What Terraform has made in AWS, so that it can be made again in 0.1 s: calls of boto."""

    iam: list[tuple[str, dict[str, Any]]]
    ecr: list[tuple[str, dict[str, Any]]]

    @classmethod
    def of(cls, emulator: Emulator) -> Account:
        """Read identity providers, roles with their policies, and registries."""
        iam, ecr = emulator.client("iam"), emulator.client("ecr")
        account = cls([], [])
        for each in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
            found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=each["Arn"])
            url = "https://" + found["Url"].removeprefix("https://")
            given = {"Url": url, "ClientIDList": found["ClientIDList"]}
            account.iam.append(("create_open_id_connect_provider", given))
        for each in iam.list_roles()["Roles"]:
            account.iam.extend(role_calls(iam, each["RoleName"]))
        for found in ecr.describe_repositories()["repositories"]:
            account.ecr.extend(registry_calls(ecr, found))
        return account

    def restore(self, emulator: Emulator) -> None:
        """Make it again, in an empty account."""
        for service, calls in (("iam", self.iam), ("ecr", self.ecr)):
            client = emulator.client(service)
            for operation, given in calls:
                getattr(client, operation)(**given)


def role_calls(iam: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the calls that make a role again, with its inline policies."""
    role = iam.get_role(RoleName=name)["Role"]
    known = {key: role[key] for key in ("RoleName", "Description", "MaxSessionDuration")}
    trust = json.dumps(role["AssumeRolePolicyDocument"])
    yield "create_role", {**known, "AssumeRolePolicyDocument": trust}
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        found = iam.get_role_policy(RoleName=name, PolicyName=policy)
        which = {"RoleName": name, "PolicyName": policy}
        yield "put_role_policy", {**which, "PolicyDocument": json.dumps(found["PolicyDocument"])}


def registry_calls(ecr: Any, found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the calls that make a registry again, with its lifecycle policy."""
    name = {"repositoryName": found["repositoryName"]}
    kept = ("imageTagMutability", "imageScanningConfiguration", "encryptionConfiguration")
    yield "create_repository", {**name, **{key: found[key] for key in kept}}
    text = ecr.get_lifecycle_policy(**name)["lifecyclePolicyText"]
    yield "put_lifecycle_policy", {**name, "lifecyclePolicyText": text}


@contextmanager
def group_of(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """End a process with everything that it has started, however the block ends.

    It must lead a session of its own.
    """
    try:
        yield process
    finally:
        end_group(process.pid)
        process.wait()
        if process.stdout:
            process.stdout.close()


def end_group(leader: int) -> None:
    """Kill what is left of a process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


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
    try:
        for question, answer in answers.items():
            child.expect_exact([question, pexpect.EOF])
            seen += str(child.before) + str(child.after if child.after == question else "")
            if answer == "\x03":
                child.sendintr()
            elif child.isalive():
                child.sendline(answer)
        child.expect(pexpect.EOF)
        seen += str(child.before)
        child.wait()
    finally:
        end_group(child.pid)  # a terminal gives each child a session of its own
        child.close(force=True)
    return Ended(int(child.exitstatus), seen.replace("\r\n", "\n"))


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

    def keyless(self, command: str, *arguments: str, **environment: Any) -> Ended:
        """Run a command of the tool without a terminal."""
        return self.run(sys.executable, TOOL, command, *arguments, **environment)

    def bootstrap(self, *arguments: str, **environment: Any) -> Ended:
        """Run the command bootstrap without a terminal."""
        return self.keyless("bootstrap", *arguments, **environment)

    def doctor(self, *arguments: str, **environment: Any) -> Ended:
        """Run the command doctor without a terminal."""
        return self.keyless("doctor", *arguments, **environment)

    def destroy(self, *arguments: str, **environment: Any) -> Ended:
        """Run the command destroy without a terminal."""
        return self.keyless("destroy", *arguments, **environment)

    def typed(self, answers: dict[str, str], command: str, *arguments: str) -> Ended:
        """Run a command of the tool at a terminal, and answer each question in turn.

        The answer "\\x03" is Ctrl-C.
        """
        words = [sys.executable, TOOL, command, *arguments]
        return at_terminal(words, self.path, self.environment(), answers)

    def hurried(self, *words: str, answers: dict[str, str] | None = None) -> Ended:
        """Run a command of the tool whose pauses take no time; with answers at a terminal."""
        command = [sys.executable, "-c", HURRIED, *words]
        if answers is not None:
            return at_terminal(command, self.path, self.environment(), answers)
        return self.run(*command)

    def run(self, *command: str, **environment: Any) -> Ended:
        """Run a command in the project."""
        with self.started(*command, **environment) as process:
            out, _ = process.communicate(timeout=LIMIT)
        return Ended(process.returncode, out)

    @contextmanager
    def started(self, *command: str, **environment: Any) -> Iterator[subprocess.Popen[str]]:
        """Start a command in the project, in a session of its own; end it when the block ends."""
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        with group_of(process):
            yield process

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
        calls = [re.sub(r"--target [0-9a-f]{40}$", "--target SHA", call) for call in calls]
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
