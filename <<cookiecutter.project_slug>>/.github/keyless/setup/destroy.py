"""The command destroy: say what goes and what stays, ask by name, and remove role and registry."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyless.console import Problem, print_problem, wrapped
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


@dataclass
class Doomed:
    """What may be destroyed: this repository's entry, and what Terraform's states know of it."""

    account: Account
    key: str  # of the entry
    state: State  # that knows it
    targets: list[str]  # the addresses to destroy, empty where no state knows one
    last: bool  # whether nothing else in this state needs the provider

    @classmethod
    def read(cls, account: Account) -> Doomed:
        """Read Terraform's states.

        Raises:
            Problem: one cannot be read, or the own entry is not known.
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
    """Say what will happen, ask by name, and do it.

    Args:
        plan: whether only to say it.

    Returns:
        0 where it is done or said, or nothing is there; 1 where it is not, 130 after Ctrl-C.
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
        print(*(wrapped(each, " " * 8) for each in _fates(doomed, going, others)), sep="\n")
        _refuse_service(account)
        _refuse_images(doomed, going)
        if only_say:
            return 0
        if not confirm(f"Type {doomed.key} to destroy it: ", doomed.key):
            print("Nothing was changed.")
            return 1
        if going:
            _apply(plan, doomed.state)
    if doomed.last:
        _let_go(account, others)
    print(f"{doomed.key} is gone from account {account.id}. To create it again:\n  make bootstrap")
    return 0


def _nothing(doomed: Doomed) -> int:
    """Say that no state knows anything, and what is there all the same; return the exit status."""
    print(f"Nothing to destroy: Terraform's state knows nothing of {doomed.key}.")
    account, role = doomed.account, doomed.entry["role_name"]
    registry = doomed.entry["ecr_repository"]
    there = [f"the role {role}"] * bool(find_role(account, role))
    there += [f"the registry {registry}"] * bool(find_registry(account, registry))
    if there:
        what = f"In AWS there {'are' if len(there) > 1 else 'is'} {' and '.join(there)}."
        message = f"{what} If that is yours, let the state know it first, after a yes:"
        print_problem(Problem(message, "make bootstrap", DESTROY))
    return int(bool(there))


def _plan(plan: str, doomed: Doomed) -> dict[str, dict[str, Any]]:
    """Let Terraform plan it; return what goes, also by dependence: what it is now, by address.

    Raises:
        Problem: it fails.
    """
    which = (f"-target={each}" for each in doomed.targets)
    options = ("-destroy", "-input=false", *which, f"-out={plan}")
    done = terraform_initialised("plan", *options, of=doomed.state)
    require_done(done, f"{IAC_TOOL} plan failed, and nothing was changed")
    changes = json.loads(show_plan(plan)).get("resource_changes", [])
    gone = {
        one["address"]: one["change"]["before"]
        for one in changes
        if "delete" in planned_actions(one)
    }
    return dict(sorted(gone.items()))


def _registry(doomed: Doomed, going: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the registry as it is now, None where it does not go."""
    return going.get(f"{module_address(doomed.key)}.aws_ecr_repository.image")


def _fates(doomed: Doomed, going: dict[str, dict[str, Any]], others: list[str]) -> Iterator[str]:
    """Yield what goes and what stays, a line each; `others` are roles that need the provider."""
    entry = doomed.entry
    yield from (f"goes    {address}" for address in going)
    if (_registry(doomed, going) or {}).get("force_delete"):
        yield f"goes    every image in {entry['ecr_repository']} (force_delete)"
    yield (
        f"stays   the GitHub repository {entry['github_repository']}, whose next"
        " deployment will fail: take deploy.yml away"
    )
    yield f"stays   the entry {doomed.key!r} in {doomed.state.values}"
    whose = f"trusted by {', '.join(others)}" if others else "which no other role trusts"
    asked = ", and you are asked about it" * doomed.last
    yield f"stays   GitHub's OIDC identity provider, {whose}{asked}"


def _refuse_service(account: Account) -> None:
    """Refuse to destroy the roles of a service while it is there.

    Raises:
        Problem: it is.
    """
    target = service_target(account)
    line = target.removal() if target else ""
    if target and line:
        raise Problem(
            f"The service {target.service.name} is there, or still being deleted, so its roles"
            " cannot go, and nothing was changed. If nobody needs it any more, this deletes it;"
            " AWS takes minutes for that:",
            line,
            DESTROY,
        )


def _refuse_images(doomed: Doomed, going: dict[str, dict[str, Any]]) -> None:
    """Refuse to destroy a registry while it holds images, unless Terraform may do that.

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
            f"The registry {name} holds {count} image{'s' * (count > 1)}, so it cannot go,"
            " and nothing was changed. If nobody runs them any more, this deletes it with them:",
            delete_registry_command(doomed.account, name),
            DESTROY,
        )


def _apply(plan: str, state: State) -> None:
    if terraform("apply", "-input=false", plan, show=True, of=state).status:
        message = f"{IAC_TOOL} apply ended with the error above. What is gone is noted in the"
        raise Problem(f"{message} state, and this goes on from there:", DESTROY)


def _let_go(account: Account, others: list[str]) -> None:
    """Ask about the provider: it leaves the state, and the account only if nobody needs it."""
    question = "Delete GitHub's OIDC identity provider, which no role trusts any more?"
    if others:
        question = f"Take the provider out of this state? It stays for {', '.join(others)}."
    if not confirm(f'{question} Only "yes" does: ', "yes"):
        return
    if not others:  # first, so that the state still knows of it where AWS refuses
        which = ("--open-id-connect-provider-arn", account.oidc_provider)
        ask_aws(account, "iam", "delete-open-id-connect-provider", *which, missing="NoSuchEntity")
    require_done(terraform("state", "rm", f"{PROVIDER}[0]"), "The provider is still in the state")


def confirm(question: str, answer: str) -> bool:
    """Ask somebody, and tell whether they typed the answer.

    Raises:
        Problem: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise Problem("Nothing was changed: this asks, and there is no terminal.", DESTROY)
    try:
        return input(question) == answer
    except EOFError:  # Ctrl-D
        print()
        return False
