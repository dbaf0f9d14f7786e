"""The command destroy: print what goes and what stays, ask, remove role and ECR repository."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyless.console import NO_TERMINAL, Problem, has_terminal, print_problem, typed, wrapped
from keyless.model.account import Account
from keyless.setup import session
from keyless.setup.aws_account import (
    ask_aws,
    count_images,
    delete_registry_command,
    find_registry,
    find_role,
    roles_with_provider,
)
from keyless.setup.changes import planned_actions
from keyless.setup.project import account_here, own_key, service_target
from keyless.setup.state import addresses_in_state, state_of, states
from keyless.setup.terraform import (
    IAC_TOOL,
    PROVIDER,
    State,
    module_address,
    require_done,
    service_addresses,
    show_plan,
    terraform,
    terraform_initialised,
)
from keyless.setup.tools import missing_tools

DESTROY = "make destroy"
GITHUBS = "GitHub's OIDC identity provider"


@dataclass
class Doomed:
    """What can be destroyed: this repository's entry, and what Terraform's states contain of it."""

    account: Account
    key: str  # of the entry
    state: State  # that contains it
    targets: list[str]  # the addresses to destroy; empty if no state contains one
    last: bool  # whether nothing else in this state needs the provider

    @classmethod
    def read(cls, account: Account) -> Doomed:
        """Read Terraform's states.

        Raises:
            Problem: one cannot be read, or the own entry is unknown.
        """
        key = own_key(account)
        made = set().union(*map(addresses_in_state, states(account)))
        module = module_address(key)
        modules = {address for address in made if address.startswith("module.repository[")}
        own = {address for address in modules if address.startswith(f"{module}.")}
        served = [address for address in service_addresses() if address in made]
        targets = [module, *served] if own or served else []
        last = PROVIDER in made and own == modules
        return cls(account, key, state_of(account, account.places[key]), targets, last)

    @property
    def entry(self) -> dict[str, Any]:
        """The entry."""
        return self.account.entries[self.key]


def main(plan: bool) -> int:
    """Print what will happen, let the user type the name, and do it.

    Args:
        plan: whether only to print it.

    Returns:
        0 if it is done or printed, or nothing exists; 1 if it is not done; 130 after Ctrl-C.
    """
    return session.run(DESTROY, lambda: _destroy(plan))


def _destroy(only_say: bool) -> int:
    account = account_here(DESTROY)
    missing = missing_tools(account)
    for problem in missing:
        print_problem(problem)
    if missing:
        return 1
    doomed = Doomed.read(account)
    if not doomed.targets and not doomed.last:
        return _nothing(doomed)
    with tempfile.TemporaryDirectory() as folder:
        plan = str(Path(folder, "destroy.tfplan"))
        going = _plan(plan, doomed) if doomed.targets else {}
        others = roles_with_provider(account, doomed.entry["role_name"])
        print(*(wrapped(each, " " * 9) for each in _fates(doomed, going, others)), sep="\n")
        _refuse_service(account)
        _refuse_images(doomed, going)
        if only_say:
            return 0
        if not has_terminal():
            raise Problem(f"{NO_TERMINAL} In a terminal, run:", DESTROY)
        if typed(f"Type {doomed.key} to destroy it: ") != doomed.key:
            print("Nothing was changed.")
            return 1
        if going:
            _apply(plan, doomed.state)
    if doomed.last:
        _let_go(account, others)
    print(f"{doomed.key} is gone from account {account.id}. To create it again:\n  make bootstrap")
    return 0


def _nothing(doomed: Doomed) -> int:
    """Print that no state contains anything, and what AWS still has; return the exit status."""
    print(f"Nothing to destroy: Terraform's state contains nothing of {doomed.key}.")
    account, role = doomed.account, doomed.entry["role_name"]
    registry = doomed.entry["ecr_repository"]
    there = [f"the role {role}"] * bool(find_role(account, role))
    there += [f"the ECR repository {registry}"] * bool(find_registry(account, registry))
    if there:
        message = f"But AWS has {' and '.join(there)}. If this is yours, import it into the state"
        message += " first (bootstrap asks you), and then destroy it:"
        print_problem(Problem(message, "make bootstrap", DESTROY))
    return int(bool(there))


def _plan(plan: str, doomed: Doomed) -> dict[str, dict[str, Any]]:
    """Let Terraform plan it; return what it destroys, with dependents: the values by address.

    Raises:
        Problem: it fails.
    """
    which = (f"-target={each}" for each in doomed.targets)
    options = ("-destroy", "-input=false", *which, f"-out={plan}")
    done = terraform_initialised("plan", *options, of=doomed.state)
    require_done(done, f"{IAC_TOOL} plan failed, so nothing was changed")
    changes = json.loads(show_plan(plan)).get("resource_changes", [])
    gone = {
        one["address"]: one["change"]["before"]
        for one in changes
        if "delete" in planned_actions(one)
    }
    return dict(sorted(gone.items()))


def _registry(doomed: Doomed, going: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the ECR repository as it is now; None if it is not destroyed."""
    return going.get(f"{module_address(doomed.key)}.aws_ecr_repository.image")


def _fates(doomed: Doomed, going: dict[str, dict[str, Any]], others: list[str]) -> Iterator[str]:
    """Yield a line for each thing destroyed or kept; `others` are roles that need the provider."""
    entry = doomed.entry
    yield from (f"destroy  {address}" for address in going)
    if (_registry(doomed, going) or {}).get("force_delete"):
        yield f"destroy  every image in {entry['ecr_repository']} (force_delete)"
    yield (
        f"keep     the GitHub repository {entry['github_repository']}. Its next deployment will"
        " fail, so delete its deploy.yml"
    )
    yield f"keep     the entry {doomed.key!r} in {doomed.state.values}"
    whose = f"trusted by {', '.join(others)}" if others else "which no other role trusts"
    asked = ". You will be asked about it" * doomed.last
    yield f"keep     {GITHUBS}, {whose}{asked}"


def _refuse_service(account: Account) -> None:
    """Refuse to destroy the roles of a service that exists.

    Raises:
        Problem: it exists.
    """
    target = service_target(account)
    line = target.removal() if target else ""
    if target and line:
        raise Problem(
            f"The service {target.service.name} exists, or is still being deleted, so its roles"
            " cannot be destroyed, and nothing was changed. If nobody needs the service any more,"
            " delete it first. This takes AWS some minutes:",
            line,
            DESTROY,
        )


def _refuse_images(doomed: Doomed, going: dict[str, dict[str, Any]]) -> None:
    """Refuse to destroy an ECR repository that holds images, unless Terraform may do that.

    Raises:
        Problem: it holds some.
    """
    registry = _registry(doomed, going)
    if registry is None or registry.get("force_delete"):
        return
    name = doomed.entry["ecr_repository"]
    count = count_images(doomed.account, name)
    if count:
        raise Problem(
            f"The ECR repository {name} holds {count} image{'s' * (count > 1)}, so it cannot be"
            " destroyed, and nothing was changed. If nobody runs these images any more, delete it"
            " with its images first:",
            delete_registry_command(doomed.account, name),
            DESTROY,
        )


def _apply(plan: str, state: State) -> None:
    if terraform("apply", "-input=false", plan, show=True, of=state).status:
        message = f"{IAC_TOOL} apply failed with the error above. The state records what is already"
        raise Problem(f"{message} destroyed. To continue:", DESTROY)


def _let_go(account: Account, others: list[str]) -> None:
    """Ask about the provider: remove it from the state, and from AWS only if no role needs it."""
    whose = f"These roles still trust {GITHUBS}: {', '.join(others)}"
    print(wrapped(whose if others else f"No role trusts {GITHUBS} any more."))
    what = "remove it from this state and keep it in AWS" if others else "delete it"
    if typed(f'Type "yes" to {what}: ') != "yes":
        return
    if not others:  # first, so that it stays in the state if AWS refuses
        which = ("--open-id-connect-provider-arn", account.oidc_provider)
        ask_aws(account, "iam", "delete-open-id-connect-provider", *which, missing="NoSuchEntity")
    require_done(
        terraform("state", "rm", f"{PROVIDER}[0]"), "The provider was not removed from the state"
    )
