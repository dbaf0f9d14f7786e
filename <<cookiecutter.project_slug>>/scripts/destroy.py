"""<% raw %>Take this repository's role and registry away again; asks by name.

`make destroy` runs it. It says first what goes, what stays, and what stands in the way.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import check
from outside import (
    TOOL,
    account_here,
    actions,
    aws,
    initialised,
    must,
    own_key,
    print_problem,
    quoted,
    registry,
    role,
    shown,
    state,
    terraform,
    tools,
    wrapped,
)
from publish import Problem

OIDC = "aws_iam_openid_connect_provider.github"
AGAIN = "make destroy"


def main(only_say: bool) -> int:
    """Look, say what will happen, ask by name, and do it; return the exit status.

    Raises:
        Problem: something stands in the way.
    """
    account = account_here()
    key = own_key(account)
    entry = account.entries[key]
    missing = tools(account)
    for problem in missing:
        print_problem(problem)
    if missing:
        return 1
    made = state()
    module = f"module.repository[{quoted(key)}]"
    modules = {address for address in made if address.startswith("module.repository[")}
    known = {address for address in modules if address.startswith(f"{module}.")}
    ours = OIDC in made
    last = ours and known == modules  # no other entry needs the provider in this state
    if not known and not last:
        return nothing(account, entry, key)
    with tempfile.TemporaryDirectory() as folder:
        plan = str(Path(folder, "destroy.tfplan"))
        going = planned(plan, module) if known else {}
        image = going.get(f"{module}.aws_ecr_repository.image")
        forced = image is not None and image.get("force_delete")
        others = roles_with_provider(account, entry["role_name"])
        lines = [f"goes    {address}" for address in going]
        lines += [f"goes    every image in {entry['ecr_repository']} (force_delete)"] * bool(forced)
        lines.append(f"stays   the GitHub repository {entry['github_repository']}, whose next")
        lines[-1] += " deployment will fail: take deploy.yml away"
        lines.append(f"stays   the entry {key!r} in {check.TFVARS}")
        whose = f"trusted by {', '.join(others)}" if others else "which no other role trusts"
        ask = ", and you are asked about it" * last
        lines.append(f"stays   GitHub's OIDC identity provider, {whose}{ask}")
        print(*(wrapped(each, " " * 8) for each in lines), sep="\n")
        if image is not None and not forced:
            no_images(account, entry)
        if only_say:
            return 0
        if not asked(f"Type {key} to destroy it: ", key):
            print("Nothing was changed.")
            return 1
        if going and terraform("apply", "-input=false", plan, show=True).status:
            message = f"{TOOL} apply ended with the error above. What is gone is noted in the"
            raise Problem(f"{message} state, and this goes on from there:", AGAIN)
    if last:
        let_go(account, others)
    print(f"{key} is gone from account {account.id}. To create it again:\n  make bootstrap")
    return 0


def nothing(account: check.Account, entry: dict[str, Any], key: str) -> int:
    """Say that the state knows nothing, and what is there all the same."""
    print(f"Nothing to destroy: Terraform's state knows nothing of {key}.")
    there = [f"the role {entry['role_name']}"] * bool(role(account, entry))
    there += [f"the registry {entry['ecr_repository']}"] * bool(registry(account, entry))
    if there:
        what = f"In AWS there {'are' if len(there) > 1 else 'is'} {' and '.join(there)}."
        message = f"{what} If that is yours, let the state know it first, after a yes:"
        print_problem(Problem(message, "make bootstrap", AGAIN))
    return int(bool(there))


def planned(plan: str, module: str) -> dict[str, dict[str, Any]]:
    """Let Terraform plan it; return the addresses of everything that goes, also by dependence.

    Each comes with what it is now.

    Raises:
        Problem: it fails.
    """
    options = ("-destroy", "-input=false", f"-target={module}", f"-out={plan}")
    must(initialised("plan", *options), f"{TOOL} plan failed, and nothing was changed")
    changes = json.loads(shown(plan)).get("resource_changes", [])
    gone = {one["address"]: one["change"]["before"] for one in changes if "delete" in actions(one)}
    return dict(sorted(gone.items()))


def no_images(account: check.Account, entry: dict[str, Any]) -> None:
    """Look into the registry, which is not destroyed while it holds images.

    Raises:
        Problem: it holds some.
    """
    name = entry["ecr_repository"]
    where = ("--repository-name", name)
    if not registry(account, entry):
        return
    images = aws(account, "ecr", "list-images", *where)["imageIds"]
    if images:
        count = len({image["imageDigest"] for image in images})
        raise Problem(
            f"The registry {name} holds {count} image{'s' * (count > 1)}, so it cannot go,"
            " and nothing was changed. If nobody runs them any more, this deletes it with them:",
            f"aws ecr delete-repository {' '.join(where)} --region {account.region} --force",
            AGAIN,
        )


def roles_with_provider(account: check.Account, own: str) -> list[str]:
    """Return the names of the other roles in the account that trust GitHub's provider."""
    arn = account.oidc_provider
    roles = aws(account, "iam", "list-roles")["Roles"]
    naming = [one for one in roles if arn in json.dumps(one.get("AssumeRolePolicyDocument"))]
    return sorted(one["RoleName"] for one in naming if one["RoleName"] != own)


def let_go(account: check.Account, others: list[str]) -> None:
    """Ask about the provider: it leaves the state, and the account only if nobody needs it."""
    question = "Delete GitHub's OIDC identity provider, which no role trusts any more?"
    if others:
        question = f"Take the provider out of this state? It stays for {', '.join(others)}."
    if not asked(f'{question} Only "yes" does: ', "yes"):
        return
    if not others:  # first, so that the state still knows of it where AWS refuses
        which = ("--open-id-connect-provider-arn", account.oidc_provider)
        aws(account, "iam", "delete-open-id-connect-provider", *which, missing="NoSuchEntity")
    done = terraform("state", "rm", f"{OIDC}[0]")
    if done.status:
        raise Problem(f"The provider is still in the state:\n{done.said}", AGAIN)


def asked(question: str, answer: str) -> bool:
    """Ask somebody, and tell whether they typed the answer.<% endraw %>

    Raises:
        Problem: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise Problem("Nothing was changed: this asks, and there is no terminal.", AGAIN)
    try:
        return input(question) == answer
    except EOFError:  # Ctrl-D
        print()
        return False
