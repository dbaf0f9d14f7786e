"""AWS accepts what Terraform plans."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from keyless.model.documents import as_list
from keyless.model.findings import REFUSED, Finding
from keyless.model.grants import grants_of
from keyless.model.lifecycle import grammar_errors
from keyless.model.plan import Plan, Resource
from keyless.model.policies import statements_of
from keyless.model.repository import Repository
from keyless.model.tags import tag_errors

ID = REFUSED
WHY = (
    "If Terraform or AWS refuses a part of `infra/`, the apply stops halfway. A role or an ECR"
    " repository is then missing, or differs from what the workflow needs."
)
SOURCES = (
    (
        "AWS: IAM and STS quotas",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html",
    ),
    (
        "AWS: grammar of the IAM policy language",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
    ),
    (
        "AWS: tagging IAM resources",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html",
    ),
)
BEFORE = 'tags = { team = "R&D" }'
AFTER = 'tags = { team = "R and D" }'

# By type, what two resources of one account may not share; a name may belong to one region alone.
ACCOUNT_WIDE = {
    "aws_iam_group": "name",
    "aws_iam_instance_profile": "name",
    "aws_iam_openid_connect_provider": "url",
    "aws_iam_policy": "name",
    "aws_iam_role": "name",
    "aws_iam_user": "name",
    "aws_s3_bucket": "bucket",
    "aws_s3_bucket_policy": "bucket",
}
REGIONAL = {
    "aws_apprunner_service": "service_name",
    "aws_cloudwatch_log_group": "name",
    "aws_db_instance": "identifier",
    "aws_dynamodb_table": "name",
    "aws_ecr_lifecycle_policy": "repository",
    "aws_ecr_registry_policy": "",
    "aws_ecr_repository": "name",
    "aws_ecr_repository_policy": "repository",
    "aws_ecs_cluster": "name",
    "aws_kms_alias": "name",
    "aws_lambda_function": "function_name",
    "aws_secretsmanager_secret": "name",
    "aws_sns_topic": "name",
    "aws_sqs_queue": "name",
    "aws_ssm_parameter": "name",
}
INLINE = {"aws_iam_role_policy": "role", "aws_iam_user_policy": "user"}
# By type, the attribute with a policy, and how many characters it may have without white space.
LONGEST = {
    "aws_iam_role": ("assume_role_policy", 8192),  # 2,048 until raised
    "aws_iam_role_policy": ("policy", 10240),  # all of a role together
    "aws_iam_user_policy": ("policy", 2048),
    "aws_iam_group_policy": ("policy", 5120),
    "aws_iam_policy": ("policy", 6144),
    "aws_ecr_repository_policy": ("policy", 10240),
    "aws_ecr_registry_policy": ("policy", 10240),
}
OF_RESOURCES = ("aws_ecr_repository_policy", "aws_iam_role")  # their policies name no resource
# What takes away each attachment that it does not list itself.
EXCLUSIVE = (
    *("aws_iam_policy_attachment", "aws_iam_role_policy_attachments_exclusive"),
    *("aws_iam_user_policy_attachments_exclusive", "aws_iam_group_policy_attachments_exclusive"),
    "aws_iam_role",
)
# What IAM takes in a text [CreateRole, CreatePolicy, "Request Parameters"].
TEXTS = {"description": r"[\t\n\r -~\u00a1-\u00ff]{0,1000}", "path": r"/|/[!-~]{1,510}/"}
ACTION = r"\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+"


def find(repository: Repository) -> Iterator[Finding]:
    """Report what Terraform refuses, and what AWS would refuse of a plan."""
    yield from (each for each in repository.unplanned if each.rule == ID)
    plan = repository.plan
    if plan is None:
        return
    yield from _twice(plan)
    yield from _takes_from_others(plan)
    for each in plan.resources:
        errors = [*_policy_errors(plan, each), *_tag_errors(each)]
        errors += [*_name_errors(each), *_text_errors(each), *_lifecycle_errors(plan, each)]
        for message, mend in errors:
            yield Finding(*plan.where(each.address), ID, f"{each.address}: {message}", mend)


def _twice(plan: Plan) -> Iterator[Finding]:
    """Yield the resources that another one has taken the name of."""
    seen: dict[tuple[Any, ...], Resource] = {}
    for each in plan.resources:
        identity = _identity(plan, each)
        if identity is None:
            continue
        first = seen.setdefault(identity, each)
        if first is not each:
            named = f" ({identity[1]})" if identity[1] else ""
            message = (
                f"{each.address} and {first.address} are the same object in AWS{named}, so the"
            )
            message += " apply fails, or one overwrites the other"
            mend = "give each its own name, or remove one of them"
            yield Finding(*plan.where(each.address), ID, message, mend)


def _identity(plan: Plan, resource: Resource) -> tuple[Any, ...] | None:
    """Return what makes a resource one of its kind, None where that is not known."""
    kind = resource.type
    if kind in INLINE:
        owner, name = resource.get(INLINE[kind]), resource.get("name")
        return (kind, name, owner) if owner and name else None
    attribute = {**ACCOUNT_WIDE, **REGIONAL}.get(kind)
    name = resource.get(attribute) if attribute else ""
    if attribute is None or name is None:
        return None
    if kind == "aws_iam_openid_connect_provider":
        name = resource.issuer
    if kind.startswith("aws_iam_"):  # case alone makes no other name there
        name = str(name).lower()
    provider = plan.provider_of(resource)
    where = json.dumps(provider.get("assume_role"))  # in another account
    if kind in REGIONAL:
        where += json.dumps(resource.get("region") or provider.get("region"))
    return kind, name, where


def _policy_errors(plan: Plan, resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield what IAM or ECR refuses of a policy, and what to write."""
    if resource.type not in LONGEST:
        return
    attribute, longest = LONGEST[resource.type]
    text = resource.get(attribute)
    if text is None:
        return
    statements = statements_of(text)
    if not statements or not isinstance(json.loads(text), dict):
        yield f"its {attribute} has no statements", "write a policy with a Statement"
        return
    length = _length(text)
    if resource.type == "aws_iam_role_policy":
        others = plan.find("aws_iam_role_policy", "role", resource.get("role"))
        lengths = [_length(each.get("policy")) for each in others if each.get("policy")]
        length = sum(lengths) if length == max(lengths) else 0  # reported for the longest one
    if length > longest:
        message = f"its {attribute} has {length:,} characters, but AWS accepts {longest:,}"
        yield message, "shorten it, for example with a * at the end of similar names"
    for statement in statements:
        for why in _statement_errors(statement, resource.type):
            yield f"AWS refuses {json.dumps(statement)[:200]}: {why}", "correct the statement"


def _length(policy: str) -> int:
    """Return how many characters AWS counts in a policy: no white space between its parts."""
    return len(json.dumps(json.loads(policy), ensure_ascii=False, separators=(",", ":")))


def _statement_errors(statement: dict[str, Any], kind: str) -> Iterator[str]:
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield "Effect is neither Allow nor Deny"
    needed = [("Action", "NotAction")]
    of_resource = kind in (*OF_RESOURCES, "aws_ecr_registry_policy")
    if kind not in OF_RESOURCES:
        needed.append(("Resource", "NotResource"))
    if of_resource:
        needed.append(("Principal", "NotPrincipal"))
    for pair in needed:
        if sum(1 for each in pair if statement.get(each)) != 1:
            yield f"it needs either {pair[0]} or {pair[1]}"
    if not of_resource and {"Principal", "NotPrincipal"} & {*statement}:
        yield "a policy of a role, user or group must not have a Principal"
    if kind == "aws_iam_role" and {"Resource", "NotResource"} & {*statement}:
        yield "a trust policy must not have a Resource"
    actions = as_list(statement.get("Action")) + as_list(statement.get("NotAction"))
    for each in actions:
        if not re.fullmatch(ACTION, str(each)):
            yield f"{each} is not SERVICE:ACTION"
    for each in as_list(statement.get("Resource")) + as_list(statement.get("NotResource")):
        if not re.fullmatch(r"\*|arn:.*|\$\{.*", str(each), re.DOTALL):
            yield f"{each} is not an ARN"
    if kind.startswith("aws_iam_") and not re.fullmatch("[A-Za-z0-9]*", statement.get("Sid") or ""):
        yield "its Sid can have only letters and digits"


def _lifecycle_errors(plan: Plan, resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield what ECR refuses in the lifecycle of an ECR repository that is not an entry's."""
    ours = {entry["ecr_repository"] for entry in plan.account.entries.values()}
    text = resource.get("policy") if resource.type == "aws_ecr_lifecycle_policy" else None
    if isinstance(text, str) and resource.get("repository") not in ours:
        for message in grammar_errors(json.loads(text or "null")):
            yield message, "correct the rule"


def _text_errors(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield the texts that IAM refuses, and Terraform plans."""
    for attribute, form in TEXTS.items():
        text = resource.get(attribute) if resource.type.startswith("aws_iam_") else None
        if isinstance(text, str) and not re.fullmatch(form, text):
            message = f"IAM does not accept its {attribute} {text[:60]!r}"
            yield message, "write at most 1,000 characters of Latin-1, no typographic dash or quote"


def _takes_from_others(plan: Plan) -> Iterator[Finding]:
    """Yield what detaches a policy that another resource attaches: each apply undoes the other."""
    pairs = [
        (each, (each.name or "").lower(), each.arn)
        for each in grants_of(plan)
        if each.arn is not None and each.kind in ("role", "user", "group")
    ]
    for resource in plan.of(*EXCLUSIVE):
        own = {(each.kind, name, arn) for each, name, arn in pairs if each.resource is resource}
        by_policy = resource.type == "aws_iam_policy_attachment"
        for each, name, arn in pairs:
            same = arn == resource.get("policy_arn") if by_policy else name in _holder(resource)
            if each.resource is resource or not same or (each.kind, name, arn) in own:
                continue
            message = f"{resource.address} detaches {arn} from {each.who}, which"
            message += f" {each.resource.address} attaches"
            mend = "attach it in one place, for example by aws_iam_role_policy_attachment"
            yield Finding(*plan.where(resource.address), ID, message, mend)


def _holder(resource: Resource) -> set[str]:
    """Return whose policies a resource holds alone, in lower case."""
    listed = "managed_policy_arns" in resource.settings.get("expressions", {})
    if resource.type == "aws_iam_role" and not (listed and resource.get("managed_policy_arns")):
        return set()  # where its block lists none, it leaves others alone
    names = ("role_name", "user_name", "group_name", "name")
    return {str(resource.get(each)).lower() for each in names if resource.get(each)}


def _name_errors(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield what IAM refuses where a principal is named: an ARN, for example."""
    if not resource.type.startswith("aws_iam_"):
        return
    for attribute in ("role", "role_name", "user", "user_name", "group", "group_name"):
        name = resource.get(attribute)
        if isinstance(name, str) and not re.fullmatch(r"[\w+=,.@-]{1,128}", name, re.ASCII):
            yield f"{attribute} is {name}, which is not a valid name", "write a name, not an ARN"


def _tag_errors(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield what IAM, ECR or ECS refuses of tags, and what to write."""
    if not re.match("aws_(iam|ecr|ecs)_", resource.type):
        return
    tags = {**(resource.get("tags") or {}), **(resource.get("tags_all") or {})}
    for message in tag_errors(tags):
        yield message, "use letters, digits, spaces and _.:/=+-@"
    lower = [key.lower() for key in tags]
    if resource.type.startswith("aws_iam_") and len({*lower}) < len(lower):
        yield "two tag keys differ only in case, and IAM does not distinguish case", "remove one"
