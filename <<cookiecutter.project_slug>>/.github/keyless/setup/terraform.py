"""Terraform, or OpenTofu: how it is run in infra/, with one of its states, and its addresses."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from keyless.model.answers import applying_program
from keyless.model.plan import quote_key
from keyless.paths import ROOT, SERVICE_TF, TFVARS
from keyless.programs import Done, run
from keyless.setup.retry import require

INFRA = ROOT / "infra"
PROVIDER = "aws_iam_openid_connect_provider.github"  # the address of the account's provider


IAC_TOOL = applying_program(ROOT)


class State(NamedTuple):
    """One of Terraform's states: the workspace that keeps it, and the file with its entries."""

    name: str
    values: str

    @property
    def further(self) -> bool:
        """Whether it is another one than that of infra/terraform.tfvars.json."""
        return self.values != TFVARS


MAIN = State("default", TFVARS)


def terraform(command: str, *arguments: str, show: bool = False, of: State = MAIN) -> Done:
    """Run Terraform in infra/ with one of its states; it never asks anything.

    Args:
        command: its subcommand.
        arguments: what follows the subcommand.
        show: whether it prints by itself, in colours where that is a terminal.
        of: the state. With another one than the first, a plan reads the file of its entries, too.
    """
    colours = show and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    plain = [] if colours or command in ("state", "workspace") else ["-no-color"]
    # Terraform docs, "TF_WORKSPACE": a workspace that is named so begins with its first write.
    known = {"TF_WORKSPACE": of.name} if command != "init" else {}
    first, last = [], []
    if of.further and command == "plan":  # of several values Terraform takes the last
        first = [f"-var-file={Path(of.values).name}"]
        last = ["-var=create_oidc_provider=false"]  # it is made in the first state
    every = (*plain, *first, *arguments, *last)
    return run(IAC_TOOL, "-chdir=infra", command, *every, show=show, known=known)


def terraform_initialised(command: str, *arguments: str, of: State = MAIN) -> Done:
    """Run Terraform; where it must be initialised first, do that, and run it again.

    Raises:
        Problem: it cannot be initialised.
    """
    done = Done(1, "", f"{IAC_TOOL} init")
    if (INFRA / ".terraform/providers").exists():
        done = terraform(command, *arguments, of=of)
    if done.status == 1 and f"{IAC_TOOL} init" in done.said:
        failed = f"{IAC_TOOL} init failed, and nothing was changed"
        require(terraform("init", "-input=false"), failed)
        done = terraform(command, *arguments, of=of)
    return done


def show_plan(plan: str) -> str:
    """Return the JSON of a plan; `plan` is the path of its file.

    Raises:
        Problem: Terraform cannot show it.
    """
    done = terraform("show", "-json", plan)
    require(done, "Terraform cannot show its plan")
    return done.out


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
