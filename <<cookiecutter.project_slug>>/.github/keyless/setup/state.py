"""Terraform's states: which ones exist, and what each of them contains."""

from __future__ import annotations

import re
from pathlib import Path

from keyless.model.account import Account
from keyless.programs import parse_answer
from keyless.setup.bucket import state_bucket
from keyless.setup.terraform import INFRA, MAIN, State, require_done, terraform_initialised


def states(account: Account) -> list[State]:
    """Return Terraform's states: the first one, and one for each further file of entries."""
    others = [path for path in account.texts if path != account.path]
    return [MAIN, *map(state_of_file, others)]


def state_of_file(path: str) -> State:
    """Return the state of a further file with entries; it is named after the file."""
    return State(Path(path).name.partition(".")[0], path)


def state_of(account: Account, place: str) -> State:
    """Return the state of a file with entries."""
    return next(one for one in states(account) if one.values == place)


def forgotten_states(account: Account) -> list[str]:
    """Return the workspaces that contain resources, but whose file with entries is missing."""
    have = [one.name for one in states(account)]
    if state_bucket():
        done = terraform_initialised("workspace", "list")
        names = re.findall(r"(?m)^[ *]+(\S+)$", done.out)
    else:
        names = [path.name for path in (INFRA / "terraform.tfstate.d").glob("*")]
    lost = [name for name in names if name.startswith("repositories-") and name not in have]
    return [
        name
        for name in sorted(lost)
        if addresses_in_state(State(name, f"infra/{name}.tfvars.json"))
    ]


def addresses_in_state(of: State = MAIN) -> set[str]:
    """Return the addresses of what Terraform has created, without the indices of `count`.

    Raises:
        Problem: the state cannot be read.
    """
    done = terraform_initialised("state", "pull", of=of)
    require_done(done, "Terraform's state cannot be read")
    resources = parse_answer("Terraform", done.out or "{}").get("resources", [])
    return {
        ".".join(filter(None, [each.get("module"), each["type"], each["name"]]))
        for each in resources
        if each["mode"] == "managed" and each["instances"]
    }
