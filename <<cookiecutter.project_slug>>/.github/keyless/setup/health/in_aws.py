"""Doctor's concerns in AWS: identity provider, role, ECR repository, service, and drift."""

from __future__ import annotations

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
    """Whether the account has the OIDC identity provider for GitHub, with the audience."""
    account = patient.account
    found = find_provider(account)
    if not found:
        text = f"account {account.id} has no OIDC identity provider for GitHub"
        yield wrong("provider", text, AGAIN)
        return
    problem = audience_missing(account, found)
    if problem:
        raise problem
    yield ok("provider", f"the identity provider for GitHub has the audience {account.audience}")


def role(patient: Patient) -> Iterator[Line]:
    """Whether the role exists, and its trust policy matches infra/."""
    name = patient.entry["role_name"]
    found = find_role(patient.account, name)
    if not found:
        yield wrong("role", f"the role {name} does not exist", AGAIN)
        return
    differ = trust_differences(patient.account, patient.entry, found)
    if not differ:
        yield ok("role", f"the trust policy of {found['Arn']} matches infra/")
        return
    text = f"the trust policy of {name} does not match infra/:"
    yield wrong("role", "\n".join([text, *differ]), AGAIN)


def trust_differences(account: Account, entry: dict[str, Any], role: Any) -> list[str]:
    """Return how the trust policy of a role in AWS differs from infra/.

    Args:
        account: with the entry.
        entry: that of the role.
        role: as IAM describes it.

    Returns:
        A text for each difference; none if the trust policy matches infra/.
    """
    wanted = canonical(trust_statement(account, entry))
    statements = as_list(role["AssumeRolePolicyDocument"]["Statement"])
    has = [without_sid(one) for one in statements]
    if has == [wanted]:
        return []
    if len(has) != 1:
        return [f"  in AWS     {len(has)} statements\n  in infra/  1 statement"]
    here, there = dict(_elements(wanted)), dict(_elements(has[0]))
    found = [
        f"{name}:\n"
        f"  in AWS     {there.get(name, 'nothing')}\n  in infra/  {here.get(name, 'nothing')}"
        for name in sorted({*here, *there})
        if here.get(name) != there.get(name)
    ]
    found = [each.replace(f" {account.issuer}:", " ", 1) for each in found]
    return found or ["  AWS has an empty element that infra/ does not have"]


def _elements(statement: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each element of a statement that has values: its path and the values, as texts."""
    if isinstance(statement, dict):
        for key, value in statement.items():
            yield from _elements(value, f"{path} {key}".strip())
    else:
        yield path, " and ".join(map(str, as_list(statement))) or "nothing"


def registry(patient: Patient) -> Iterator[Line]:
    """Whether the ECR repository exists, and its tags can be moved only if infra/ says so."""
    name = patient.entry["ecr_repository"]
    found = find_registry(patient.account, name)
    if not found:
        yield wrong("registry", f"the ECR repository {name} does not exist", AGAIN)
        return
    key = next(key for key, one in patient.account.entries.items() if one is patient.entry)
    infra = infra_of_entries(ROOT, patient.account)[key]
    wanted = _mutability(infra.mutability, infra.excluded)
    filters = found.get("imageTagMutabilityExclusionFilters") or []
    has = _mutability(found["imageTagMutability"], (each["filter"] for each in filters))
    if has == wanted:
        yield ok("registry", f"the tags of {found['repositoryUri']} are {has}")
    else:
        text = f"the tags of the ECR repository {name} are {has}, but infra/ says {wanted}"
        yield wrong("registry", text, AGAIN)


def _mutability(kind: str, excluded: Iterable[str]) -> str:
    """Return which tags of an ECR repository can be moved, in the words of ECR."""
    names = " and ".join(sorted(excluded))
    return f"{kind} ({names})" if names else kind


def service(patient: Patient) -> Iterator[Line]:
    """Whether the service runs the newest image."""
    target = service_target(patient.account)
    if target is None:
        return
    name, running = target.service.name, target.find()
    newest = newest_image(patient.account, patient.entry["ecr_repository"])
    digest, version = newest.get("imageDigest"), _version_of(newest)
    again: tuple[str, ...] = ("gh run list --workflow deploy.yml", "gh run rerun RUN_ID")
    if version and not names_branch(patient.entry["refs"]):
        again = (f"gh workflow run deploy.yml --ref {version}",)
    shown = f"{digest}" + f" ({version})" * bool(version)
    released = f"the newest image is {shown}" if newest else "the ECR repository has no image"
    if running is None and newest:
        yield wrong("service", f"the service {name} does not exist, but {released}", *again)
    elif running is None:
        text = f"no image has been published yet, so the service {name} does not exist yet"
        yield ok("service", text)
    elif running.digest != digest and not running.doing:
        text = f"the service {name} runs {running.shown}, but {released}"
        yield wrong("service", text, *again)
    else:
        doing = f"; {running.doing}" * bool(running.doing)
        yield ok("service", f"the service {name} runs {running.shown}{doing} {running.url}")


def _version_of(image: dict[str, Any]) -> str:
    """Return the first tag of an image that is a version and not a commit; else an empty text."""
    tags = image.get("imageTags", [])
    return next((tag for tag in tags if not re.fullmatch("[0-9a-f]{40}|latest", tag)), "")


def drift(patient: Patient) -> Iterator[Line]:
    """Whether AWS still matches infra/."""
    kept = ["-lockfile=readonly"] * (INFRA / ".terraform.lock.hcl").exists()
    initialised = terraform("init", "-input=false", *kept)
    for one in states(patient.account):
        yield _drift_of(one, initialised)


def _drift_of(one: State, initialised: Done) -> Line:
    """Return whether AWS still matches what one of the states records."""
    options = ("-input=false", "-detailed-exitcode")
    done = initialised if initialised.status else terraform("plan", *options, of=one)
    if done.status == 0:
        return ok("drift", f"AWS matches {one.values if one.further else 'infra/'}")
    if done.status == 2:
        changes = re.findall(r"(?m)^  # ([^(].*)$", done.out) or ["its outputs"]
        return wrong("drift", f"AWS does not match infra/: {'; '.join(changes)}", AGAIN)
    problem = failure(done, f"{IAC_TOOL} cannot plan")
    text = " ".join(str(problem).split())
    return unknown("drift", text, *problem.commands)
