"""Plan infra/ without credentials, until the plan shows who can assume a role and who can push.

Another plan is made where the first one does not show that: it knows what the first one makes.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keyless.model.account import Account
from keyless.model.answers import applying_program
from keyless.model.findings import CannotJudge
from keyless.model.plan import INFRA, Plan, Resource, parse_plan, resources_in
from keyless.planning.local_aws import REFUSAL, local_aws
from keyless.planning.made_up import ignored, lacks, state_of
from keyless.planning.program import SECONDS, Terraform, first_error, in_one_line
from keyless.planning.workspace import copy_infra, write_state
from keyless.programs import Done, run

PROVIDERS = "infra/.terraform/providers"
ROUNDS = 3  # a policy that names a role that is in another policy
# What is no defect of infra/: it needs a host, an account, a value or a program that is not here.
_NOT_HERE = (
    REFUSAL,
    "https response error StatusCode: 403",  # to a HEAD there is no text
    "Error accessing remote module registry",
    "Failed to download module",
    "Could not download module",
    "Failed to query available provider packages",
    "Failed to install provider",
    "Failed to resolve provider packages",
    "Failed to obtain provider schema",
    "Unsupported Terraform Core version",
    "Unsupported OpenTofu Core version",
    "doesn't match any of the checksums",
    "No value for required variable",
    "failed to get shared config profile",
    "No valid credential sources",
    "connection refused",
    "no such host",
    "dial tcp",
    "Plugin did not respond",
    "Inconsistent dependency lock file",
    "Cannot import non-existent remote object",
    "executable file not found",
)


class Refused(Exception):
    """Terraform refuses infra/ itself, with or without an account; the text says why."""


def plan_infra(root: Path, account: Account) -> Plan:
    """Plan the infra/ of a repository, with all entries, as if nothing of it existed yet.

    Args:
        root: of the repository.
        account: with a subject prefix in each entry.

    Raises:
        CannotJudge: it cannot be planned without credentials, or not here.
        Refused: Terraform refuses it.
    """
    with initialised(root, account, applying_program(root)) as terraform:
        infra = terraform.folder
        shown = make_plan(terraform)
        planned = list(resources_in(shown))
        unknown, rounds = sum(map(lacks, planned)), 0
        while unknown and rounds < ROUNDS:
            try:
                shown = _plan_again(terraform, infra, planned, account)
            except CannotJudge:
                break  # what is not known then, the rules report where it matters
            planned = list(resources_in(shown))
            left = sum(map(lacks, planned))
            unknown, rounds = (left if left < unknown else 0), rounds + 1
        hidden: dict[str, set[str]] = {}
        if _may_ignore_changes(infra, shown):
            marked = _plan_again(terraform, infra, planned, account, marked=True)
            before = {each.address: each for each in planned}
            hidden = {
                one.address: ignored(one, before[one.address]) for one in resources_in(marked)
            }
        plan = parse_plan(INFRA, shown, account, root)
        resources = [_without(each, hidden.get(each.address, set())) for each in plan.resources]
        return plan._replace(resources=resources, made_without_aws=True)


@contextmanager
def initialised(
    root: Path, account: Account, program: str, installed: Path | None = None
) -> Iterator[Terraform]:
    """Yield the program that plans, in a copy of infra/ with a local AWS and the providers.

    Args:
        root: of the repository.
        account: with a subject prefix in each entry.
        program: terraform or tofu.
        installed: a folder with providers. Without it they are those of the repository's own
            infra/; where something is missing there, it is installed there.

    Raises:
        CannotJudge, Refused: a file cannot be read, or the providers cannot be installed.
    """
    with tempfile.TemporaryDirectory() as folder, local_aws(account) as known:
        infra = copy_infra(root, account, Path(folder).resolve(), program)
        terraform = Terraform(program, infra, known)
        _initialise(root, terraform, installed)
        yield terraform


def _without(resource: Resource, hidden: set[str]) -> Resource:
    """Return a resource without some values: what stands in AWS decides them."""
    values = {key: value for key, value in resource.values.items() if key not in hidden}
    return resource._replace(values=values)


def _may_ignore_changes(infra: Path, shown: Any) -> bool:
    """Tell whether a file that Terraform reads may ignore changes; of modules elsewhere, yes."""
    calls = json.dumps(shown["configuration"]["root_module"].get("module_calls", {}))
    files = [each for each in infra.rglob("*.t*") if re.search(r"\.(tf|tofu)(\.json)?$", each.name)]
    return '"source": "..' in calls or any(map(_may_be_in, files))


def _may_be_in(file: Path) -> bool:
    text = file.read_text(encoding="utf-8", errors="replace")
    # In JSON an underscore may be written as a number.
    return "ignore_changes" in text or (file.suffix == ".json" and "\\u" in text)


def _initialise(root: Path, terraform: Terraform, installed: Path | None) -> None:
    """Install the providers of a folder, else those that the repository's own infra/ has.

    Where it does not have them, they are installed there first.

    Raises:
        CannotJudge, Refused: that fails.
    """
    plugins = root.resolve() / PROVIDERS
    there = installed.resolve() if installed else plugins
    init = ("init", "-input=false", "-no-color")
    done = terraform.run(*init, f"-plugin-dir={there}") if there.is_dir() else None
    if done is None or (done.status and "provider packages" in done.err):
        try:
            command = (terraform.name, "-chdir=infra", *init, "-backend=false")
            done = run(*command, root=root, seconds=SECONDS)
        except OSError as error:
            message = f"infra: {terraform.name} cannot be run ({error}); install it"
            raise CannotJudge(message) from error
        except subprocess.TimeoutExpired as error:
            message = f"infra: {terraform.name} init did not finish in {SECONDS} s"
            raise CannotJudge(message) from error
        if not done.status:
            done = terraform.run(*init, f"-plugin-dir={plugins}")
    if done.status:
        raise _failure(done)


def make_plan(terraform: Terraform, *options: str) -> Any:
    """Return the JSON of a plan.

    Raises:
        CannotJudge, Refused: there is none.
    """
    done = terraform.run(
        "plan", "-input=false", "-lock=false", "-no-color", "-out=made-up.tfplan", *options
    )
    if done.status:
        raise _failure(done)
    done = terraform.run("show", "-json", "-no-color", "made-up.tfplan")
    if done.status:
        raise _failure(done)
    return json.loads(done.out)


def _plan_again(
    terraform: Terraform,
    infra: Path,
    planned: list[Resource],
    account: Account,
    marked: bool = False,
) -> Any:
    """Plan once more, with a state in which everything exists; else only what may grant.

    Raises:
        CannotJudge: what is known then cannot be looked up here.
    """
    granting = [each for each in planned if re.match("aws_(iam|ecr)_", each.type)]
    for known in (planned, granting):
        made = [each for each in known if is_of_aws(each)]
        write_state(infra, state_of(made, account, marked))
        try:
            return make_plan(terraform, "-refresh=false")
        except (CannotJudge, Refused) as error:
            failed = error
    raise CannotJudge(f"infra: a second plan failed: {failed}") from failed


def is_of_aws(resource: Resource) -> bool:
    """Tell whether a resource is one of AWS's provider, whose attributes can be made up."""
    return resource.provider.endswith("/hashicorp/aws")


def _failure(done: Done) -> CannotJudge | Refused:
    text = in_one_line(done.err or done.out)
    said = first_error(text)
    if any(reason in text for reason in _NOT_HERE):
        return CannotJudge(f"infra: this cannot be planned without AWS: {said}")
    return Refused(said)
