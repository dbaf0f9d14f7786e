"""Doctor's concerns in AWS: provider, role, registry, what runs the image, and drift."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from keyless.model.account import Account
from keyless.model.documents import as_list
from keyless.model.policies import canonical, without_sid
from keyless.model.refs import names_branch
from keyless.model.subjects import trust_statement
from keyless.paths import ROOT
from keyless.planning.entries import infra_of_entries
from keyless.programs import Done
from keyless.setup.aws_account import (
    audience_missing,
    find_provider,
    find_registry,
    find_role,
    newest_image,
)
from keyless.setup.health.patient import Line, Patient, ok, unknown, wrong
from keyless.setup.project import service_target
from keyless.setup.retry import AGAIN
from keyless.setup.state import states
from keyless.setup.terraform import IAC_TOOL, INFRA, State, failure, terraform


def provider(patient: Patient) -> Iterator[Line]:
    """The account's OIDC identity provider, with the audience."""
    account = patient.account
    found = find_provider(account)
    if not found:
        text = f"account {account.id} has no OIDC identity provider for GitHub"
        yield wrong("provider", text, AGAIN)
        return
    problem = audience_missing(account, found)
    if problem:
        raise problem
    yield ok("provider", f"GitHub's, with the audience {account.audience}")


def role(patient: Patient) -> Iterator[Line]:
    """The role, and whether AWS trusts what infra/ says."""
    name = patient.entry["role_name"]
    found = find_role(patient.account, name)
    if not found:
        yield wrong("role", f"{name} does not exist", AGAIN)
        return
    differ = trust_differences(patient.account, patient.entry, found)
    if not differ:
        yield ok("role", f"{found['Arn']} trusts what infra/ says")
        return
    text = f"{name} trusts {json.dumps(differ)} in AWS, which is not what infra/ says"
    yield wrong("role", text, AGAIN)


def trust_differences(account: Account, entry: dict[str, Any], role: Any) -> list[Any]:
    """Return what a role trusts in AWS where infra/ says something else.

    Args:
        account: with the entry.
        entry: that of the role.
        role: as IAM describes it.

    Returns:
        The parts of each statement that differ, empty where the role trusts what infra/ says.
    """
    wanted = canonical(trust_statement(account, entry))
    statements = as_list(role["AssumeRolePolicyDocument"]["Statement"])
    has = [without_sid(one) for one in statements]
    if has == [wanted]:
        return []
    keys = sorted({*wanted}.union(*has))
    return [{k: one.get(k) for k in keys if one.get(k) != wanted.get(k)} for one in has] or [
        "no one"
    ]


def registry(patient: Patient) -> Iterator[Line]:
    """The registry, and whether its tags stay."""
    name = patient.entry["ecr_repository"]
    found = find_registry(patient.account, name)
    if not found:
        yield wrong("registry", f"{name} does not exist", AGAIN)
        return
    key = next(key for key, one in patient.account.entries.items() if one is patient.entry)
    infra = infra_of_entries(ROOT, patient.account)[key]
    wanted = _mutability(infra.mutability, infra.excluded)
    filters = found.get("imageTagMutabilityExclusionFilters") or []
    has = _mutability(found["imageTagMutability"], (each["filter"] for each in filters))
    if has == wanted:
        yield ok("registry", f"{found['repositoryUri']}, tags {has}")
    else:
        text = f"tags of {name} are {has}, and infra/ says {wanted}"
        yield wrong("registry", text, AGAIN)


def _mutability(kind: str, excluded: Iterable[str]) -> str:
    """Return which tags of a registry can be moved, as ECR says it."""
    names = " and ".join(sorted(excluded))
    return f"{kind} ({names})" if names else kind


def service(patient: Patient) -> Iterator[Line]:
    """What the service runs, beside the newest image."""
    target = service_target(patient.account)
    if target is None:
        return
    name, running = target.service.name, target.find()
    newest = newest_image(patient.account, patient.entry["ecr_repository"])
    digest, version = newest.get("imageDigest"), _version_of(newest)
    again: tuple[str, ...] = ("gh run list --workflow deploy.yml", "gh run rerun RUN_ID")
    if version and not names_branch(patient.entry["refs"]):
        again = (f"gh workflow run deploy.yml --ref {version}",)
    released = f"{digest or 'none'}" + f" ({version})" * bool(version) if newest else "none yet"
    if running is None:
        text = f"{name} does not exist; the newest image is {released}"
        yield wrong("service", text, *again) if newest else ok("service", text)
    elif running.digest != digest and not running.doing:
        text = f"{name} runs {running.shown}, and the newest image is {released}"
        yield wrong("service", text, *again)
    else:
        doing = f"; {running.doing}" * bool(running.doing)
        yield ok("service", f"{name} runs {running.shown}{doing} {running.url}")


def _version_of(image: dict[str, Any]) -> str:
    """Return the first tag of an image that is a version, and no commit; else an empty text."""
    tags = image.get("imageTags", [])
    return next((tag for tag in tags if not re.fullmatch("[0-9a-f]{40}|latest", tag)), "")


def drift(patient: Patient) -> Iterator[Line]:
    """Whether AWS has become different from infra/."""
    kept = ["-lockfile=readonly"] * (INFRA / ".terraform.lock.hcl").exists()
    initialised = terraform("init", "-input=false", *kept)
    for one in states(patient.account):
        yield _drift_of(one, initialised)


def _drift_of(one: State, initialised: Done) -> Line:
    """Return whether what one of the states knows has become different."""
    options = ("-input=false", "-detailed-exitcode")
    done = initialised if initialised.status else terraform("plan", *options, of=one)
    if done.status == 0:
        return ok("drift", f"AWS is what {one.values if one.further else 'infra/'} says")
    if done.status == 2:
        changes = re.findall(r"(?m)^  # ([^(].*)$", done.out) or ["its outputs"]
        return wrong("drift", f"AWS is not what infra/ says: {'; '.join(changes)}", AGAIN)
    problem = failure(done, f"{IAC_TOOL} cannot plan")
    text = " ".join(str(problem).split())
    return unknown("drift", text, *problem.commands)
