"""Terraform's states: whether each contains the entries of its file, and what it lacks."""

from __future__ import annotations

import shlex

from keyless.console import Problem
from keyless.setup.changes import KEPT_KINDS
from keyless.setup.state import addresses_in_state, forgotten_states, states
from keyless.setup.steps.account import REGISTRY, ROLE
from keyless.setup.steps.applying import apply, apply_unseen, plan
from keyless.setup.steps.situation import Situation
from keyless.setup.terraform import (
    IAC_TOOL,
    PROVIDER,
    State,
    module_address,
    require_done,
    resource_type,
    terraform,
)


def read_states(situation: Situation) -> set[str]:
    """Return the addresses in all of Terraform's states.

    Raises:
        Problem: a state cannot be read, or does not match the files of the entries.
    """
    if situation.no_place_for_state:
        return set()
    made = {one: addresses_in_state(one) for one in states(situation.account)}
    _refuse_forgotten(situation)
    _refuse_half_moved(situation, made)
    return set().union(*made.values())


def _refuse_forgotten(situation: Situation) -> None:
    for name in forgotten_states(situation.account):
        path = f"infra/{name}.tfvars.json"
        raise Problem(
            f"The state {name} contains roles and ECR repositories, but {path} is missing, so they"
            " would no longer be managed. Restore the file, and remove its entries one by one:",
            f"git log --diff-filter=D -- {path}",
        )


def _refuse_half_moved(situation: Situation, made: dict[State, set[str]]) -> None:
    """Refuse an entry that was moved to another file without its state."""
    modules = {
        one: {f"{each.rpartition('].')[0]}]" for each in known} for one, known in made.items()
    }
    for key, place in situation.account.places.items():
        know = [one.values for one in made if module_address(key) in modules[one]]
        for other in know:
            if other != place:
                also = ", too: a move was interrupted" * (place in know)
                raise Problem(
                    f"The entry {key!r} is in {place}, but the state of {other} contains its role"
                    f" and its ECR repository{also}. To bring both together there, without a"
                    " change in AWS:",
                    f"make move KEY={shlex.quote(key)} TO={other}",
                )


def look_at_state(situation: Situation, of: State, made: set[str]) -> None:
    """Add the step in which Terraform does what one of its states lacks.

    Args:
        situation: with everything that was found before.
        of: the state.
        made: the addresses in all states.

    Raises:
        Problem: Terraform cannot plan it, or must not do it.
    """
    waits = of.further and situation.creates_provider and PROVIDER not in made
    waits = waits or situation.no_place_for_state
    if situation.repository and not waits:
        changes = plan(situation, of)
        if changes:
            situation.add(_in_account(situation, of, changes), lambda: apply(situation, of))
        return
    if situation.no_place_for_state:  # at least what is downloaded can be
        done = terraform("init", "-backend=false", "-input=false")
        require_done(done, f"{IAC_TOOL} init failed, so nothing was changed")
    said = _expected(situation, of, made) if waits else _plan_with_made_up_ids(situation, of)
    text = _in_account(situation, of, said)
    situation.add(text, lambda: apply_unseen(situation, of, said))


def _plan_with_made_up_ids(situation: Situation, of: State) -> list[str]:
    """Plan before the repository and its ids exist: only the trust will differ.

    So an error of Terraform is reported before anything is created on GitHub.
    """
    texts, (owner, name) = dict(situation.texts), situation.name.split("/")
    situation.set_value(situation.key, "subject_prefix", f"repo:{owner}@1/{name}@1")
    try:
        return plan(situation, of)
    finally:
        situation.texts = texts


def _in_account(situation: Situation, of: State, changes: list[str]) -> str:
    """Return the text of the step in which Terraform works."""
    place, account = f" ({of.values})" * of.further, situation.account
    where = f"in AWS account {account.id}, region {account.region}{place}:"
    return "\n  ".join([where, *changes])


def _expected(situation: Situation, of: State, made: set[str]) -> list[str]:
    """Return what Terraform will do, if it cannot plan yet."""
    creates = situation.creates_provider and not of.further
    wanted = [(PROVIDER, "for GitHub")] * creates
    places = situation.account.places
    for key, entry in situation.wanted.entries.items():
        if places[key] == of.values:
            module = module_address(key)
            wanted.append((f"{module}.{ROLE}", entry["role_name"]))
            wanted.append((f"{module}.{REGISTRY}", entry["ecr_repository"]))
    service = situation.service
    if service and places[service.settings["entry"]] == of.values:
        wanted += service.resource_names.items()
    imports = situation.imports
    taken = {address.partition('["')[0] for address in imports if "module." not in address}
    return [
        f"{'take over' if address in {*imports, *taken} else 'create':<10}"
        f" {KEPT_KINDS[resource_type(address)]} {name}"
        for address, name in wanted
        if address not in made
    ] or ["apply infra/"]
