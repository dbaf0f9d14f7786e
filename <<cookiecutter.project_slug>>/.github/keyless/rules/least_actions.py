"""The role can do what the steps do, and nothing else. Nothing else can push."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from keyless.model.account import Account
from keyless.model.calls import calls_of
from keyless.model.dockerfiles import read_dockerfile
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.grants import Grant, grants_of, managed_arn, reach_of
from keyless.model.images import PUSH
from keyless.model.infra import LOGIN_ACTION
from keyless.model.plan import Plan, Resource
from keyless.model.planned import PlannedEntry, shown_in_full
from keyless.model.policies import (
    PUSHING,
    in_words,
    only_pulls,
    parse_policy,
    principals_of,
    pulled_by_anybody,
    reaches,
    statements_of,
)
from keyless.model.repository import Followed, Publication, Repository, Side
from keyless.model.service import Service
from keyless.model.service_plan import role_errors
from keyless.model.sources import dockerfile_of, source_of
from keyless.model.workflows import name_of_step
from keyless.paths import INFRA_JSON, PUSH_ACTIONS, SERVICE_TF, TRUST_TF
from keyless.rules._entries import refused

ID = "least-actions"
WHY = (
    "Anyone who steals a session can do everything that the role can do. An action that the role"
    " lacks fails in the middle of a push."
)
SOURCES = (
    (
        "AWS: pushing an image",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html",
    ),
)
BEFORE = '["ecr:*"] # in infra/repository/push-actions.json'
AFTER = '["ecr:BatchCheckLayerAvailability", "ecr:PutImage", ...]'


# What a role that pushes may ask ECR for, and be granted for that.
READING = {
    *PUSH,
    LOGIN_ACTION,
    *("ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:ListImages"),
    *("ecr:DescribeImageScanFindings", "ecr:GetLifecyclePolicy", "ecr:GetRepositoryPolicy"),
}
RUNNING = {"ecs", "apprunner", "elasticloadbalancing", "logs"}  # what runs the image


def find(repository: Repository) -> Iterator[Finding]:
    """Compare what is granted with what the steps call, and a plan with the entries."""
    for publication in repository.publications:
        if publication.pushed and not publication.unseen:
            yield from _compare(publication)
    for followed in repository.followed:
        yield from dict.fromkeys(_other_calls(repository.account, followed))
        yield from dict.fromkeys(_other_bases(repository, followed))
    for followed in repository.built:
        yield from dict.fromkeys(_other_bases(repository, followed, by_role=False))
    yield from refused(repository, ID, {"pull_accounts"})
    grants = grants_of(repository.plan) if repository.plan else []
    for side in repository.sides:
        if side.planned:
            with shown_in_full(side.planned.plan.path, side.entry["role_name"]):
                yield from list(_planned(side, side.planned, grants))
    if repository.plan:
        yield from _others(repository.plan, grants)
        yield from _on_registries(repository.plan)


def _compare(publication: Publication) -> Iterator[Finding]:
    """Hold the calls of the steps against the actions that are granted."""
    infra = publication.infra
    where, granted = infra.where or (PUSH_ACTIONS, 1), set(infra.granted)
    place = "infra/" if infra.where else PUSH_ACTIONS
    apply = " and apply it"
    if where[0] == INFRA_JSON:
        place, apply = "the infra/ that makes the role", ", apply it, and type: make fetch"
    needed = {action for action in publication.needed if action in READING or action in granted}
    lacking, idle = needed - granted, granted - needed
    if lacking:
        message = f"the role lacks {', '.join(sorted(lacking))}, which the steps need, so they fail"
        yield Finding(*where, ID, message, f"add it to {place}{apply}")
    if idle:
        message = f"the role is granted {', '.join(sorted(idle))}, which no step needs"
        yield Finding(*where, ID, message, f"remove it from {place}{apply}")


def _other_calls(account: Account, followed: Followed) -> Iterator[Finding]:
    """Yield the calls to AWS that a job makes with the credentials of its role, which may not."""
    job, service = followed.job, followed.side.service
    granted = {*(followed.side.infra.granted if followed.side.infra else ())}
    role = account.role(followed.side.entry)
    for world in followed.worlds or []:
        for visit in (visit for visit in world.visits if visit.ran):
            source = visit.before.credentials
            if source is None or job.input(source, "role-to-assume") != role:
                continue
            for action in calls_of(visit.step):
                if action in READING | granted or (service and action.split(":")[0] in RUNNING):
                    continue
                message = f"the role cannot call {action}, so {name_of_step(visit.step)!r} fails"
                mend = "do it in another job, with its own role"
                yield job.at_step(visit.step, ID, message, mend)


def _other_bases(
    repository: Repository, followed: Followed, by_role: bool = True
) -> Iterator[Finding]:
    """Yield the images that a build pulls from repositories which the job may not read.

    Args:
        by_role: whether the job that builds assumes the role; else it may read none of them.
    """
    account, entry = repository.account, followed.side.entry
    for world in followed.worlds or []:
        for visit in world.visits:
            if not visit.ran or not followed.builds(visit.step):
                continue
            name = dockerfile_of(followed.job, visit.step, source_of(followed.job, visit))
            if name is None or not (repository.root / name).is_file():
                continue
            for image, line in read_dockerfile(repository.root / name).bases:
                host, _, rest = image.partition("/")
                own = by_role and re.split("[:@]", rest)[0] == entry["ecr_repository"]
                if host == account.registry and not own:
                    who = "the role" if by_role else f"job {followed.job.name} without a role"
                    message = f"the build pulls {image}, which {who} cannot read, so it fails"
                    mend = "pull it from a public registry"
                    mend += ", or log in to that one with another role" * by_role
                    yield Finding(name, line, ID, message, mend)


def _planned(side: Side, planned: PlannedEntry, grants: list[Grant]) -> Iterator[Finding]:
    """Judge what a plan grants to an entry's role, and to what runs its image."""
    name, service, role = side.entry["role_name"], side.service, planned.role
    if role is None:
        return  # which is a finding already
    for statement in planned.lacking:
        message = f"{name} is not granted {in_words(statement)}, so no image can run"
        yield Finding(*planned.at(role), ID, message, f"restore {SERVICE_TF}")
    plan = planned.plan
    if service:
        yield from _passed_on(service, plan)
    for each in planned.unknown:
        message = f"the plan does not show what {each.address} allows {name}: the value is known"
        message += " only after the apply, or ignore_changes covers it"
        mend = "write ARNs as text, and remove ignore_changes"
        yield Finding(*planned.at(each), UNJUDGED, message, mend)
    yield from _more_than_pushing(side.entry, planned)
    yield from _further_policies(name, plan, grants)
    yield from _too_narrow(side.entry, planned, role)
    account = plan.account
    boundary = account.values.get("permissions_boundary")
    if boundary and role.get("permissions_boundary") != boundary:
        message = f"{name} lacks the boundary {boundary}, which {account.path} sets"
        mend = f"let {TRUST_TF} use permissions_boundary"
        yield Finding(*planned.at(role), ID, message, mend)


def _too_narrow(entry: dict[str, Any], planned: PlannedEntry, role: Resource) -> Iterator[Finding]:
    """Yield where a boundary that infra/ makes does not let an entry's role push."""
    name, arn = entry["role_name"], planned.plan.account.registry_arn(entry["ecr_repository"])
    boundary = role.get("permissions_boundary")
    for each in planned.plan.of("aws_iam_policy") if boundary else []:
        if managed_arn(planned.plan, each) != boundary:
            continue
        statements = statements_of(each.get("policy")) or []
        refused = {
            action
            for action in (planned.infra.granted if planned.infra else [])
            if not any(reaches(statement, [action], [arn]) for statement in statements)
        }
        if refused:
            message = f"the boundary {each.address} of {name} lacks {', '.join(sorted(refused))}"
            yield Finding(*planned.at(each), ID, f"{message}, so a push fails", "allow it there")


def _passed_on(service: Service, plan: Plan) -> Iterator[Finding]:
    """Judge the roles that are passed on to what runs the image."""
    by_type: dict[str, list[dict[str, Any]]] = {}
    for each in plan.resources:
        by_type.setdefault(each.type, []).append(each.values)
    for message in role_errors(service, by_type, partial(parse_policy, plan.path)):
        found = plan.find("aws_iam_role", "name", message.split()[0])
        where = plan.where(found[0].address) if found else (SERVICE_TF, 1)
        mend = f"restore {SERVICE_TF}, because the service gets this role"
        yield Finding(*where, ID, message, mend)


def _more_than_pushing(entry: dict[str, Any], planned: PlannedEntry) -> Iterator[Finding]:
    arn = planned.plan.account.registry_arn(entry["ecr_repository"])
    name = entry["role_name"]
    own = planned.plan.of("aws_iam_role_policy")
    for statement in planned.beyond:
        message = f"{name} is granted {in_words(statement)}, which is more than it needs to push"
        holds = [each for each in own if statement in (statements_of(each.get("policy")) or [])]
        where = planned.at(holds[0] if holds else planned.role)
        yield Finding(*where, ID, message, f"grant it only on {arn}, or remove it")


def _further_policies(name: str, plan: Plan, grants: list[Grant]) -> Iterator[Finding]:
    """Yield what gives an entry's role more than its own inline policies, or takes these away."""
    for each in grants:
        if each.role != name.lower():
            continue
        if each.attached:
            message = f"{each.resource.address} gives {name} a policy, so it can do more than push"
            where = plan.where(each.resource.address)
            yield Finding(*where, ID, message, "remove it from infra/")
        elif each.statements is None and each.resource.type == "aws_iam_role":
            message = f"an inline policy in {each.resource.address} is known only after the apply"
            where = plan.where(each.resource.address)
            yield Finding(*where, UNJUDGED, message, "remove it from the block of the role")
    own = {each.get("name") for each in plan.find("aws_iam_role_policy", "role", name)}
    for resource in plan.find("aws_iam_role_policies_exclusive", "role_name", name):
        if not own <= {*(resource.get("policy_names") or [])}:
            message = f"{resource.address} removes policies that {name} needs"
            yield Finding(*plan.where(resource.address), ID, message, "remove it from infra/")


def _others(plan: Plan, grants: list[Grant]) -> Iterator[Finding]:
    """Yield who may push beside the entries' roles, and what may be such a grant."""
    account = plan.account
    ours = {entry["role_name"].lower() for entry in account.entries.values()}
    for each in grants:
        if each.role in ours:
            continue  # judged above
        reach = reach_of(each.statements or [], account)
        if reach:
            message = f"{each.resource.address} lets {each.who} {reach}, which is enough to publish"
            mend = "limit it to what it needs, or move it into another root module"
            yield Finding(*plan.where(each.resource.address), ID, message, mend)
        elif each.kind == "role" and each.name is None and each.statements != []:
            message = f"{each.resource.address} names a role that is known only after the apply"
            mend = "write the role's name as text, not its id"
            yield Finding(*plan.where(each.resource.address), UNJUDGED, message, mend)


def _on_registries(plan: Plan) -> Iterator[Finding]:
    """Judge the policies of ECR repositories: others can pull, and nothing else."""
    account = plan.account
    registries = {entry["ecr_repository"]: entry for entry in account.entries.values()}
    for each in plan.of("aws_ecr_repository_policy", "aws_ecr_registry_policy"):
        whole = each.type == "aws_ecr_registry_policy"
        name = each.get("repository")
        if not whole and name is not None and name not in registries:
            continue
        where, policy = plan.where(each.address), each.get("policy")
        shown = "every ECR repository" if whole else name or "an unknown ECR repository"
        if policy is None or (name is None and not whole):
            message = f"the plan does not show what {each.address} allows others: the value is"
            message += " known only after the apply, or ignore_changes covers it"
            mend = "write names and ARNs as text, and remove ignore_changes"
            yield Finding(*where, UNJUDGED, message, mend)
        elif whole:
            yield from _on_every_registry(each, where, account)
        elif not only_pulls(policy):
            message = f"{each.address} lets others change images in {shown}, or refuses a push"
            yield Finding(*where, ID, message, "let it grant only pulling")
        elif pulled_by_anybody(policy):
            message = f"{each.address} lets everybody (*) pull from {shown}"
            mend = "list accounts or services, or add a condition, for example aws:PrincipalOrgID"
            yield Finding(*where, ID, message, mend)
        else:
            yield from _other_accounts(account, registries[name], each, where)


def _on_every_registry(
    resource: Resource, where: tuple[str, int], account: Account
) -> Iterator[Finding]:
    statements = statements_of(resource.get("policy"))
    names = [entry["ecr_repository"] for entry in account.entries.values()]
    for each in statements or []:
        turned = {**each, "Effect": "Allow"}
        reached = [name for name in names if reaches(turned, PUSHING, [account.registry_arn(name)])]
        if reached and each.get("Effect") != "Deny":
            message = f"{resource.address} lets others change images in {reached[0]}"
            mend = "let it grant only pulling, or limit it to other ECR repositories"
            yield Finding(*where, ID, message, mend)
        elif reached:
            message = f"{resource.address} can refuse a push to {reached[0]}"
            yield Finding(*where, ID, message, "remove it, or limit it to other ECR repositories")


def _other_accounts(
    account: Account, entry: dict[str, Any], resource: Resource, where: tuple[str, int]
) -> Iterator[Finding]:
    """Hold who may pull against the accounts of an entry, where it names some."""
    written = entry.get("pull_accounts") or []
    known = {f"arn:{account.partition}:iam::{number}:root" for number in written}
    who = principals_of(resource.get("policy")) if written else set()
    if not who <= known:
        message = f"this lets {', '.join(sorted(who))} pull from {entry['ecr_repository']}"
        mend = f"list all of them in pull_accounts of {account.path}"
        yield Finding(*where, ID, message, mend)
