"""Terraform, or OpenTofu: how it is run in infra/, with one of its states, and its addresses."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from keyless.model.answers import INSTALL_PAGES, applying_program
from keyless.model.plan import quote_key
from keyless.paths import ROOT, SERVICE_TF, TFVARS
from keyless.programs import Done, Unfinished, run
from keyless.setup.credentials import EXPORT, for_terraform, typed_by_hand

INFRA = ROOT / "infra"
PROVIDER = "aws_iam_openid_connect_provider.github"  # the address of the account's provider


IAC_TOOL = applying_program(ROOT)


class State(NamedTuple):
    """One of Terraform's states: the workspace that keeps it, and the file with its entries."""

    name: str
    values: str

    @property
    def further(self) -> bool:
        """Whether it belongs to another file than infra/terraform.tfvars.json."""
        return self.values != TFVARS


MAIN = State("default", TFVARS)


def terraform(command: str, *arguments: str, show: bool = False, of: State = MAIN) -> Done:
    """Run Terraform in infra/ with one of its states; it never asks anything.

    Args:
        command: its subcommand.
        arguments: what follows the subcommand.
        show: whether it prints to the terminal, where it may use colours.
        of: the state. For a further state, a plan also reads the file of its entries.

    Raises:
        Problem: the AWS CLI has credentials that it does not export.
    """
    colours = show and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    plain = [] if colours or command in ("state", "workspace") else ["-no-color"]
    # Terraform docs, "TF_WORKSPACE": a workspace that is named there is created by the first write.
    known = {"TF_WORKSPACE": of.name} if command != "init" else {}
    known = {**known, **for_terraform()}
    first, last = [], []
    if of.further and command == "plan":  # Terraform uses the last of several values
        first = [f"-var-file={Path(of.values).name}"]
        last = ["-var=create_oidc_provider=false"]  # it belongs to the first state
    every = (*plain, *first, *arguments, *last)
    return run(IAC_TOOL, "-chdir=infra", command, *every, show=show, known=known)


def terraform_initialised(command: str, *arguments: str, of: State = MAIN) -> Done:
    """Run Terraform; if it must be initialised first, do that and run it again.

    Raises:
        Problem: it cannot be initialised.
    """
    done = Done(1, "", f"{IAC_TOOL} init")
    if (INFRA / ".terraform/providers").exists():
        done = terraform(command, *arguments, of=of)
    if done.status == 1 and f"{IAC_TOOL} init" in done.said:
        failed = f"{IAC_TOOL} init failed, so nothing was changed"
        require_done(terraform("init", "-input=false"), failed)
        done = terraform(command, *arguments, of=of)
    return done


def show_plan(plan: str) -> str:
    """Return the JSON of a plan; `plan` is the path of its file.

    Raises:
        Problem: Terraform cannot show it.
    """
    done = terraform("show", "-json", plan)
    require_done(done, "Terraform cannot show its plan")
    return done.out


def failure(done: Done, what: str) -> Unfinished:
    """Return what an error of Terraform means, and what to type before it is run again.

    Args:
        done: how it ended.
        what: what was not done, for example "terraform plan failed, so nothing was changed".
    """
    said = done.said
    if "acquiring the state lock" in said:
        return _locked(said)
    if re.search("No valid credential|refresh cached credentials|ExpiredToken", said):
        message = f"{what}: it finds no valid AWS credentials:\n{said}\nGive it the credentials of"
        return Unfinished(f"{message} the AWS CLI, which must be version 2:", EXPORT)
    if re.search("available provider packages|install provider|registry service", said):
        message = f"{what}: it cannot download the AWS provider. Check the network and proxy."
        return Unfinished(f"{message}\n{said}", f"{IAC_TOOL} -chdir=infra init")
    if "Unsupported Terraform Core version" in said:
        return Unfinished(f"{what}: it is too old for infra/.\n{said}", INSTALL_PAGES[IAC_TOOL])
    if re.search("nconsistent dependency lock|doesn't match any of the checksums", said):
        lines = typed_by_hand(f"{IAC_TOOL} -chdir=infra init -upgrade")
        return Unfinished(
            f"{what}: infra/.terraform.lock.hcl does not match infra/.\n{said}", *lines
        )
    if "Backend configuration changed" in said or "Backend initialization required" in said:
        lines = typed_by_hand(f"{IAC_TOOL} -chdir=infra init -migrate-state")
        return Unfinished(f"{what}: infra/ now names another place for the state.\n{said}", *lines)
    return Unfinished(f"{what}:\n{said}\nCorrect what it reports, then try again.")


def require_done(done: Done, what: str) -> None:
    """Go on if Terraform has succeeded; `what` is what its failure means.

    Raises:
        Unfinished: it has failed.
    """
    if done.status:
        raise failure(done, what)


def _locked(said: str) -> Unfinished:
    """Return who has locked the state, since when, and how to unlock it."""
    lock = dict(re.findall(r"(?m)^[│ ]*(ID|Path|Who|Operation|Created): +(\S.*?) *$", said))
    who, since = lock.get("Who", "somebody"), lock.get("Created", "an unknown time")
    doing = lock.get("Operation", "").replace("OperationType", "").lower() or "run"
    message = f"Terraform's state is locked: {who} started to {doing} at {since}."
    if "resource temporarily unavailable" in said:  # a process has locked a local file
        message += " A program on this machine holds the lock and is still running. Wait for it:"
        return Unfinished(message, f"pgrep -fl {IAC_TOOL}")
    message += " Find out whether that is still running. If it is, wait until it ends. Only if it"
    message += " has died, remove its lock:"
    further = re.search(r"/(repositories-[\w-]+)/", lock.get("Path", ""))  # another state's
    where = f"TF_WORKSPACE={further[1]} " if further else ""
    unlock = f"{where}{IAC_TOOL} -chdir=infra force-unlock {lock.get('ID', 'ID')}"
    return Unfinished(message, *typed_by_hand(unlock))


def command_line(of: State) -> str:
    """Return how Terraform is called by hand for a state."""
    return f"{f'TF_WORKSPACE={of.name} ' * of.further}{IAC_TOOL} -chdir=infra"


def module_address(key: str) -> str:
    """Return the address of what Terraform makes for an entry."""
    return f"module.repository[{quote_key(key)}]"


def resource_type(address: str) -> str:
    """Return the type of the resource that an address names, with its key or without."""
    return re.sub(r"\[(\d+|\".*\")\]$", "", address).split(".")[-2]


def service_addresses() -> list[str]:
    """Return the addresses of what infra/service.tf makes, without their keys."""
    path = ROOT / SERVICE_TF
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [".".join(pair) for pair in re.findall(r'(?m)^resource "(\w+)" "(\w+)"', text)]
