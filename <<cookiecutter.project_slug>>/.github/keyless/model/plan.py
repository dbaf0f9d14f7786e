"""What the JSON of a plan shows: roles, policies, registries [Terraform, "JSON Output Format"]."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from keyless.model.account import Account
from keyless.model.documents import LARGEST_PLAN, as_list, parse_json, read_file
from keyless.model.findings import CannotJudge
from keyless.model.infra import Infra
from keyless.model.policies import canonical, without_sid
from keyless.model.service import Service
from keyless.model.service_plan import deploy_statements

Resources = dict[str, list[dict[str, Any]]]  # the values of a plan's resources, by their type


class Plan(NamedTuple):
    """A plan: its file, its JSON, its resources, and the keys of the entries that it is of."""

    path: str
    shown: Any
    resources: Resources
    keys: set[str]

    def find(self, kind: str, attribute: str, value: str) -> list[dict[str, Any]]:
        """Return the values of the resources of a type with a value of an attribute."""
        return [item for item in self.resources.get(kind, []) if item.get(attribute) == value]


class PlannedEntry(NamedTuple):
    """What a plan makes of one entry."""

    plan: Plan
    infra: Infra
    role: dict[str, Any]
    registry: dict[str, Any]
    trust: list[Any]  # statements
    granted: list[Any]  # statements that the service does not need
    lacking: list[Any]  # statements that it needs, and the role has not
    in_region: bool  # whether the registry is made in the region of the account

    @property
    def where(self) -> tuple[str, int]:
        """Where a finding points at: the file of the plan."""
        return self.plan.path, 1


def read_plan(path: Path, account: Account) -> Plan:
    """Read what `terraform show -json` has printed.

    Raises:
        CannotJudge: it is no plan, or one for other entries.
    """
    shown = parse_json(str(path), read_file(Path(), str(path), LARGEST_PLAN))
    resources = _resources_in(str(path), shown)
    return Plan(str(path), shown, resources, _planned_keys(str(path), shown, account))


def _resources_in(path: str, shown: Any) -> Resources:
    found: Resources = {}
    try:
        modules = [shown["planned_values"]["root_module"]]
        for module in modules:
            modules += module.get("child_modules", [])
            for resource in module.get("resources", []):
                found.setdefault(resource["type"], []).append(resource["values"])
    except (LookupError, TypeError, AttributeError) as error:
        raise CannotJudge(f"{path}: no JSON of a plan ({error!r}); write it: make plan") from error
    return found


def _planned_keys(path: str, shown: Any, account: Account) -> set[str]:
    """Return the keys of the entries that a plan is of: those of one file, all of them."""
    try:
        keys = {*shown["variables"]["repositories"]["value"]}
    except (LookupError, TypeError) as error:
        raise CannotJudge(f"{path}: no JSON of a plan ({error!r}); write it: make plan") from error
    for name in account.texts:
        own = {key for key, place in account.places.items() if place == name}
        if keys == own:
            return own
    raise CannotJudge(f"{path}: was made for other entries than {account.path} has; write it anew")


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
            f"{path}: does not show {role_name} and its registry in full ({error!r}); write it anew"
            ": make plan. Where depends_on or an id hides a value until the apply, remove it"
        ) from error


def planned_entry(
    plan: Plan, account: Account, entry: dict[str, Any], service: Service | None
) -> PlannedEntry:
    """Return what a plan makes of an entry; `service` only where it is the entry's own.

    Raises:
        CannotJudge: the plan does not show it in full.
    """
    name, repository = entry["role_name"], entry["ecr_repository"]
    with shown_in_full(plan.path, name):
        variables = plan.shown["variables"]
        given = [variables[key]["value"] for key in ("aws_account_id", "aws_region")]
        if given != [account.id, account.region] or plan.shown.get("errored"):
            raise ValueError("it was made for other values, or failed")
        (role,) = plan.find("aws_iam_role", "name", name)
        (registry,) = plan.find("aws_ecr_repository", "name", repository)
        (lifecycle,) = plan.find("aws_ecr_lifecycle_policy", "repository", repository)
        providers = plan.shown["configuration"]["provider_config"]
        region = providers["aws"]["expressions"]["region"]
        made_there = registry.get("region") in (None, account.region)
        granted, lacking = _without_service(_granted(plan, role), service)
        filters = registry.get("image_tag_mutability_exclusion_filter") or []
        infra = Infra(
            mutability=registry["image_tag_mutability"],
            excluded=[str(item["filter"]) for item in filters],
            longest=int(role["max_session_duration"]),
            granted=[str(one) for each in granted for one in canonical(each.get("Action", []))],
            lifecycle=parse_json(plan.path, lifecycle["policy"]),
            where=(plan.path, 1),
        )
        return PlannedEntry(
            plan=plan,
            infra=infra,
            role=role,
            registry=registry,
            trust=_statements(plan.path, [role["assume_role_policy"]]),
            granted=granted,
            lacking=lacking,
            in_region=region.get("references") == ["var.aws_region"] and made_there,
        )


def _statements(path: str, policies: list[str]) -> list[Any]:
    documents = [parse_json(path, policy)["Statement"] for policy in policies]
    return [statement for document in documents for statement in as_list(document)]


def _granted(plan: Plan, role: dict[str, Any]) -> list[Any]:
    """Return the statements of a role's own policies; after an apply they are inline, too."""
    managed = plan.find("aws_iam_role_policy", "role", role["name"])
    granted = _statements(plan.path, [item["policy"] for item in managed])
    names = [item.get("name") for item in managed]  # these replace what the role has now
    inline = [
        item["policy"]
        for item in role.get("inline_policy") or []
        if item.get("policy") and item.get("name") not in names
    ]
    own = [canonical(statement) for statement in granted]
    further = _statements(plan.path, inline)
    return granted + [statement for statement in further if canonical(statement) not in own]


def _without_service(granted: list[Any], service: Service | None) -> tuple[list[Any], list[Any]]:
    """Part what is granted from what running the image needs; return the rest, and what lacks."""
    lacking = []
    for needed in deploy_statements(service) if service else ():
        same = [each for each in granted if without_sid(each) == without_sid(needed)]
        lacking += [needed] * (not same)
        granted = [each for each in granted if each not in same]
    return granted, lacking
