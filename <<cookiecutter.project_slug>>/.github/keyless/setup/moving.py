"""Moving an entry from one of Terraform's states to another. Nothing changes in AWS."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from keyless.console import Problem
from keyless.model.account import Account
from keyless.model.service import read_service
from keyless.paths import ROOT, SERVICE_JSON, TFVARS
from keyless.programs import run
from keyless.setup.state import addresses_in_state, state_of, state_of_file
from keyless.setup.terraform import (
    IAC_TOOL,
    MAIN,
    State,
    module_address,
    require_done,
    terraform,
)


def judge_move(account: Account, key: str, target: str) -> None:
    """Refuse to move an entry to a file where it cannot go.

    Args:
        account: with the entries.
        key: of the entry.
        target: the path of the file.

    Raises:
        Problem: there is no such entry, the file cannot hold entries, or a service uses the entry.
    """
    if key not in account.entries:
        raise Problem(f"There is no entry {key!r}.", "make explain")
    if not re.fullmatch(r"infra/(terraform|repositories-[\w-]+)\.tfvars\.json", target, re.ASCII):
        example = "infra/repositories-2.tfvars.json"
        raise Problem(f"{target!r} is not a file of entries.", f"make move KEY={key} TO={example}")
    service = read_service(ROOT, account)
    if service and service.settings["entry"] == key:
        what = f"{SERVICE_JSON} runs the image of {key}. The roles of the service must stay in the"
        raise Problem(f"{what} same state. Move other entries instead.", "make explain")
    if account.places[key] == target:
        raise Problem(f"{key} is already in {target}.", "make bootstrap")


def move_in_states(account: Account, key: str, target: str) -> bool:
    """Move what one state knows about an entry to the state of a file.

    After an interruption, it continues. Return whether any state knows the entry.

    Raises:
        Problem: Terraform has failed; the first state still knows the entry.
    """
    source = account.places[key]
    here = state_of(account, source)
    there = MAIN if target == TFVARS else state_of_file(target)
    module = module_address(key)
    known_here, known_there = (
        any(each.startswith(f"{module}.") for each in addresses_in_state(one))
        for one in (here, there)
    )
    if known_here and not known_there:
        _learn(here, there, module)
    if known_here:
        done = terraform("state", "rm", module, of=here)
        require_done(done, f"The states of {there.values} and of {source} now both know it")
    return known_here or known_there


def _learn(here: State, there: State, module: str) -> None:
    """Copy what one state knows about a module to another state."""
    with tempfile.TemporaryDirectory() as folder:  # where no backend is configured
        files = {one: Path(folder, f"{one.name}.tfstate") for one in (here, there)}
        for one, file in files.items():
            pulled = terraform("state", "pull", of=one)
            require_done(pulled, "The state cannot be read, and nothing was changed")
            if pulled.out.strip():
                file.write_text(pulled.out, encoding="utf-8")
        options = (f"-state={files[here]}", f"-state-out={files[there]}")
        moved = run(IAC_TOOL, f"-chdir={folder}", "state", "mv", *options, module, module)
        require_done(moved, "Terraform cannot move it, and nothing was changed")
        pushed = terraform("state", "push", str(files[there]), of=there)
        require_done(
            pushed, f"The state of {there.values} was not written, and nothing was changed"
        )
