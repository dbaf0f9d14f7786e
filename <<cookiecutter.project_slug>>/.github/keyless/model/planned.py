"""What a plan makes of one entry: its role, its registry, and what the role is granted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from keyless.model.account import Account
from keyless.model.documents import as_list, parse_json
from keyless.model.findings import CannotJudge
from keyless.model.infra import LOGIN_ACTION, Infra
from keyless.model.plan import Plan, Resource
from keyless.model.policies import canonical, without_sid
from keyless.model.service import Service
from keyless.model.service_plan import deploy_statements

Place = tuple[str, int]


class PlannedEntry(NamedTuple):
    """What a plan makes of one entry. What it makes twice is here once."""

    plan: Plan
    role: Resource | None  # None where it makes none of the name
    registry: Resource | None
    infra: Infra | None  # None where a part is missing, or known only after the apply
    trust: list[Any] | None  # statements; None where they are known only after the apply
    beyond: list[Any]  # statements for more than pushing to the registry, and running the image
    lacking: list[Any]  # statements that it needs, and the role has not
    unknown: list[Resource]  # the role's own policies that are known only after the apply

    def at(self, resource: Resource | None) -> Place:
        """Return where a finding about a resource points at."""
        return self.plan.where(resource.address if resource else "module.repository")


@contextmanager
def shown_in_full(path: str, role_name: str) -> Iterator[None]:
    """Turn what a plan does not show into an error that a reader can act on.

    Raises:
        CannotJudge: a part is missing, or has another shape.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CannotJudge(
            f"{path}: does not show all of {role_name} and its ECR repository ({error!r}); write it"
            " again: make plan. If depends_on or an id hides a value until the apply, remove it"
        ) from error


def planned_entry(
    plan: Plan, account: Account, entry: dict[str, Any], service: Service | None
) -> PlannedEntry:
    """Return what a plan makes of an entry; `service` only where it is the entry's own.

    Raises:
        CannotJudge: what it shows is no policy.
    """
    name, repository = entry["role_name"], entry["ecr_repository"]
    with shown_in_full(plan.path, name):
        role = _first(plan.find("aws_iam_role", "name", name))
        registry = _first(plan.find("aws_ecr_repository", "name", repository))
        statements, unknown = _granted(plan, role) if role else ([], [])
        statements, lacking = _without_service(statements, service)
        arn = account.registry_arn(repository)
        granted = [each for each in statements if _is_pushing(each, arn)]
        trust = role.get("assume_role_policy") if role else None
        return PlannedEntry(
            plan=plan,
            role=role,
            registry=registry,
            infra=_infra(plan, role, registry, granted) if not unknown else None,
            trust=_statements(plan.path, [trust]) if trust is not None else None,
            beyond=[each for each in statements if not _is_pushing(each, arn)],
            lacking=lacking if not unknown else [],
            unknown=unknown,
        )


def _is_pushing(statement: dict[str, Any], arn: str) -> bool:
    """Tell whether a statement allows actions on a registry alone, or to log in."""
    login = canonical(statement.get("Action")) == [LOGIN_ACTION]
    allowed = {"Effect": ["Allow"], "Resource": ["*"] if login else [arn]}
    kept = {key: statement[key] for key in statement if key not in ("Sid", "Action")}
    return bool(canonical(kept) == allowed and "Action" in statement)


def _first(found: list[Resource]) -> Resource | None:
    return found[0] if found else None


def _infra(
    plan: Plan, role: Resource | None, registry: Resource | None, granted: list[Any]
) -> Infra | None:
    """Return what the rules hold the workflow against; None where it is not known in full."""
    if not role or not registry:
        return None
    lifecycle = _first(plan.find("aws_ecr_lifecycle_policy", "repository", registry.get("name")))
    policy = lifecycle.get("policy") if lifecycle else '{"rules": []}'
    longest, mutability = role.get("max_session_duration"), registry.get("image_tag_mutability")
    if None in (policy, longest, mutability):
        return None
    filters = registry.get("image_tag_mutability_exclusion_filter") or []
    return Infra(
        mutability=mutability,
        excluded=[str(item["filter"]) for item in filters],
        longest=int(longest),
        granted=[str(one) for each in granted for one in canonical(each.get("Action", []))],
        lifecycle=parse_json(plan.path, policy),
        where=plan.where(registry.address),
    )


def _statements(path: str, policies: list[str]) -> list[Any]:
    documents = [parse_json(path, policy)["Statement"] for policy in policies]
    return [statement for document in documents for statement in as_list(document)]


def _granted(plan: Plan, role: Resource) -> tuple[list[Any], list[Resource]]:
    """Return the statements of a role's own policies, and those policies that are not known yet.

    After an apply a plan shows them inline, too.
    """
    name = str(role.get("name")).lower()
    policies = plan.of("aws_iam_role_policy")
    managed = [each for each in policies if str(each.get("role")).lower() == name]
    unknown = [each for each in managed if each.get("policy") is None]
    known = [each for each in managed if each.get("policy") is not None]
    granted = _statements(plan.path, [each.get("policy") for each in known])
    names = [each.get("name") for each in managed]  # these replace what the role has now
    inline = [
        each["policy"]
        for each in role.get("inline_policy") or []
        if each.get("policy") and each.get("name") not in names
    ]
    own = [canonical(statement) for statement in granted]
    further = _statements(plan.path, inline)
    return granted + [each for each in further if canonical(each) not in own], unknown


def _without_service(granted: list[Any], service: Service | None) -> tuple[list[Any], list[Any]]:
    """Part what is granted from what running the image needs; return the rest, and what lacks."""
    lacking = []
    for needed in deploy_statements(service) if service else ():
        same = [each for each in granted if without_sid(each) == without_sid(needed)]
        lacking += [needed] * (not same)
        granted = [each for each in granted if each not in same]
    return granted, lacking
