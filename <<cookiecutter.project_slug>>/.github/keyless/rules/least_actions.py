"""The role may do what the steps do, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from keyless.model.account import Account
from keyless.model.documents import as_list
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.infra import LOGIN_ACTION
from keyless.model.plan import PlannedEntry, shown_in_full
from keyless.model.policies import canonical, only_pulls, parse_policy, principals_of
from keyless.model.repository import Publication, Repository, Side
from keyless.model.service_plan import role_errors
from keyless.paths import INFRA_JSON, PUSH_ACTIONS, SERVICE_TF, TRUST_TF
from keyless.rules._entries import refused

ID = "least-actions"
WHY = (
    "What a role may do beyond pushing, a stolen session may do, too. What it may not do fails in"
    " the middle of a push."
)
SOURCES = (
    (
        "AWS: pushing an image",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html",
    ),
)
BEFORE = '["ecr:*"] # in infra/repository/push-actions.json'
AFTER = '["ecr:BatchCheckLayerAvailability", "ecr:PutImage", ...]'


def find(repository: Repository) -> Iterator[Finding]:
    """Compare what is granted with what the steps call, and a plan with the entry."""
    for publication in repository.publications:
        if publication.pushed and not publication.unseen:
            yield from _compare(publication)
    yield from refused(repository, ID, {"pull_accounts"})
    for side in repository.sides:
        if side.planned:
            with shown_in_full(side.planned.plan.path, side.entry["role_name"]):
                yield from list(_planned(repository.account, side, side.planned))


def _compare(publication: Publication) -> Iterator[Finding]:
    """Hold the calls of the steps against the actions that are granted."""
    infra = publication.infra
    where, granted = infra.where or (PUSH_ACTIONS, 1), set(infra.granted)
    place = "infra/" if infra.where else PUSH_ACTIONS
    apply = " and apply it"
    if where[0] == INFRA_JSON:
        place, apply = "that infra/", ", apply it, and type: make fetch"
    lacking, idle = publication.needed - granted, granted - publication.needed
    if lacking:
        message = f"the steps need {', '.join(sorted(lacking))}, so a push would be denied"
        yield Finding(*where, ID, message, f"add it to {place}{apply}")
    if idle:
        message = f"the role is granted {', '.join(sorted(idle))}, which no step needs"
        yield Finding(*where, ID, message, f"remove it from {place}{apply}")


def _planned(account: Account, side: Side, planned: PlannedEntry) -> Iterator[Finding]:
    """Judge what a plan grants to an entry's role, and to others on its registry."""
    name, service = side.entry["role_name"], side.service
    for statement in planned.lacking:
        message = f"{name} is not granted {json.dumps(statement)}, so no image could be run"
        yield Finding(*planned.where, ID, message, f"restore {SERVICE_TF}")
    path, resources = planned.plan.path, planned.plan.resources
    parse = partial(parse_policy, path)
    for message in role_errors(service, resources, parse) if service else ():
        mend = f"restore {SERVICE_TF}: it is passed on to the service"
        yield Finding(*planned.where, ID, message, mend)
    yield from _more_than_pushing(account, side.entry, planned)
    yield from _further_policies(side.entry, planned)
    yield from _other_than_written(account, side.entry, planned)


def _more_than_pushing(
    account: Account, entry: dict[str, Any], planned: PlannedEntry
) -> Iterator[Finding]:
    name, repository = entry["role_name"], entry["ecr_repository"]
    arn = f"arn:{account.partition}:ecr:{account.region}:{account.id}:repository/{repository}"
    for statement in planned.granted:
        login = canonical(statement.get("Action")) == [LOGIN_ACTION]
        allowed = {"Effect": ["Allow"], "Resource": ["*"] if login else [arn]}
        kept = {key: statement[key] for key in statement if key not in ("Sid", "Action")}
        if canonical(kept) != allowed or "Action" not in statement:
            message = f"{name} is granted {json.dumps(statement)}, which is more than pushing"
            yield Finding(*planned.where, ID, message, f"grant it on {arn} alone")


def _further_policies(entry: dict[str, Any], planned: PlannedEntry) -> Iterator[Finding]:
    """Judge what grants to the role, or on the registry, beside the two known policies."""
    name, repository = entry["role_name"], entry["ecr_repository"]
    resources = planned.plan.resources
    for kind, item in [(kind, item) for kind, items in resources.items() for item in items]:
        roles = [item[key] for key in ("role", "role_name", "roles") if item.get(key)]
        if re.fullmatch(r"aws_iam_(role_|policy_)\w*polic\w*|aws_iam_policy_attachment", kind):
            if not roles:
                message = f"an {kind} names a role that is known only after the apply"
                mend = "write the role's name as text, not its id"
                yield Finding(*planned.where, UNJUDGED, message, mend)
            elif kind != "aws_iam_role_policy" and name in [
                each for role in roles for each in as_list(role)
            ]:
                message = f"{name} gets an {kind}, so it may do more than push"
                yield Finding(*planned.where, ID, message, "remove it from infra/")
        elif (
            kind == "aws_iam_role" and item.get("name") == name and item.get("managed_policy_arns")
        ):
            message = f"{name} gets managed policies, so it may do more than push"
            yield Finding(*planned.where, ID, message, "remove them from infra/")
        elif (
            re.fullmatch(r"aws_ecr_(repository|registry)_policy", kind)
            and item.get("repository") in (None, repository)
            and not only_pulls(item.get("policy"))
        ):
            message = f"an {kind} lets others change what stands in {repository}"
            yield Finding(*planned.where, ID, message, "let it grant pulling alone")


def _other_than_written(
    account: Account, entry: dict[str, Any], planned: PlannedEntry
) -> Iterator[Finding]:
    """Hold a plan against the values that nobody was asked for, where they are set."""
    name, repository = entry["role_name"], entry["ecr_repository"]
    boundary = account.values.get("permissions_boundary")
    if boundary and planned.role.get("permissions_boundary") != boundary:
        message = f"{name} is not bounded by {boundary}, as {account.path} says"
        yield Finding(*planned.where, ID, message, f"let {TRUST_TF} read permissions_boundary")
    written = entry.get("pull_accounts") or []
    known = {f"arn:{account.partition}:iam::{number}:root" for number in written}
    for item in planned.plan.find("aws_ecr_repository_policy", "repository", repository):
        if written and only_pulls(item.get("policy")):
            who = principals_of(item["policy"])
            if not who <= known:
                message = f"{repository} may be pulled by {', '.join(sorted(who))}"
                mend = f"name all in pull_accounts of {account.path}"
                yield Finding(*planned.where, ID, message, mend)
