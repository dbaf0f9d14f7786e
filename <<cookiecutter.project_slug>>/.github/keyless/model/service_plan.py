"""What running the image needs in IAM, and no more. infra/service.tf creates it, a plan shows it.

It is derived here again, so that a plan of Terraform can be compared with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from keyless.model.service import (
    APP_RUNNER,
    APPLICATION_ROLES,
    ECS,
    SCALING,
    SECRETS_ROLE,
    SERVICE_ROLES,
    Service,
)
from keyless.paths import SERVICE_JSON

Statement = dict[str, Any]
Resources = dict[str, list[dict[str, Any]]]  # the values of a plan's resources, by their type
ParsePolicy = Callable[[Any], list[Any]]  # JSON or a list of statements -> statements, sorted

# The services to which a role can be passed [AmazonECS_FullAccess, AWSAppRunnerFullAccess].
PASSED_TO = {
    ECS: ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"],
    APP_RUNNER: [
        "apprunner.amazonaws.com",
        "build.apprunner.amazonaws.com",
        "tasks.apprunner.amazonaws.com",
    ],
}
READING = {":secretsmanager:": "secretsmanager:GetSecretValue", ":ssm:": "ssm:GetParameters"}


def deploy_statements(service: Service) -> list[Statement]:
    """Return what the role of the job may do beside pushing: what `keyless deploy` asks of AWS."""
    allowed = _ecs_actions(service) if service.target == ECS else _app_runner_actions(service)
    passing = {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": [*service.roles.values()],
        "Condition": {"StringEquals": {"iam:PassedToService": PASSED_TO[service.target]}},
    }
    return [
        *(
            {"Effect": "Allow", "Action": actions, "Resource": resources}
            for actions, resources in allowed
        ),
        passing,
    ]


def _ecs_actions(service: Service) -> list[tuple[list[str], list[str]]]:
    """Return actions, and the resources that each is allowed on.

    ecs:DescribeServiceDeployments needs the service beside the deployment. Creating a service in
    Express Mode needs ecs:RegisterTaskDefinition, and so does an update [Service Authorization
    Reference of ECS; README of amazon-ecs-deploy-express-service, "IAM Permissions"]. The family
    of these task definitions is CLUSTER-SERVICE, and the cluster is named as the service is.
    """
    deployments = service.arn("ecs", f"service-deployment/{service.name}/{service.name}/*")
    family = service.arn("ecs", f"task-definition/{service.name}-{service.name}:*")
    on_service = [
        "ecs:CreateExpressGatewayService",
        "ecs:DescribeExpressGatewayService",
        "ecs:DescribeServices",
        "ecs:ListServiceDeployments",
        "ecs:UpdateExpressGatewayService",
    ]
    return [
        (on_service, [service.service_arn]),
        (["ecs:DescribeServiceDeployments"], [service.service_arn, deployments]),
        (["ecs:RegisterTaskDefinition"], [family]),
    ]


def _app_runner_actions(service: Service) -> list[tuple[list[str], list[str]]]:
    """Return actions, and the resources that each is allowed on."""
    own = service.arn("apprunner", f"service/{service.name}/*")
    scaling = service.arn("apprunner", f"autoscalingconfiguration/{SCALING}-*")
    events = service.arn("logs", f"log-group:/aws/apprunner/{service.name}/*")
    on_scaling = [
        "apprunner:CreateAutoScalingConfiguration",
        "apprunner:DescribeAutoScalingConfiguration",
    ]
    return [
        (["apprunner:ListServices"], ["*"]),
        (["apprunner:CreateService", "apprunner:UpdateService"], [own, scaling]),
        (["apprunner:DescribeService", "apprunner:ListOperations"], [own]),
        (on_scaling, [scaling]),
        (["logs:FilterLogEvents"], [events]),
    ]


def secrets_statements(service: Service) -> list[Statement]:
    """Return what the role that reads the secrets may read: those, and nothing else."""
    secrets = sorted(service.settings["secrets"].values())
    found = []
    for mark, action in READING.items():  # behind the seventh part a key in the secret may be named
        arns = sorted({":".join(arn.split(":")[:7]) for arn in secrets if mark in arn})
        if arns:
            found.append({"Effect": "Allow", "Action": action, "Resource": arns})
    return found


def role_errors(service: Service, resources: Resources, parse: ParsePolicy) -> Iterator[str]:
    """Yield where the roles that are passed on may do more than they must, in a plan.

    Anyone who deploys a service can use the roles that are passed to it.
    """
    for kind, (principal, policy) in SERVICE_ROLES[service.target].items():
        name = f"{service.name}-{kind}"
        roles = resources.get("aws_iam_role", [])
        role = next((one for one in roles if one.get("name") == name), {})
        trust = [
            {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": principal}}
        ]
        if not role or parse(role["assume_role_policy"]) != parse(trust):
            yield f"{name} does not trust {principal} alone"
        extendable = kind in APPLICATION_ROLES  # its owner decides what the application can do
        if not extendable:
            yield from _attachment_errors(resources, role, name, policy)
        reads = secrets_statements(service) if kind == SECRETS_ROLE[service.target] else []
        has = [parse(document) for document in _own_policies(resources, role, name)]
        wanted = [parse(reads)] if reads else []
        if not all(one in has for one in wanted) or (has != wanted and not extendable):
            yield f"{name} has other permissions than to read the secrets of {SERVICE_JSON}"


def _attachment_errors(
    resources: Resources, role: dict[str, Any], name: str, policy: str
) -> Iterator[str]:
    """Yield where a role has other policies of AWS than the one that it needs (empty: none)."""
    attachments = resources.get("aws_iam_role_policy_attachment", [])
    own = [one for one in attachments if one.get("role") == name]
    attached = [_policy_name(one.get("policy_arn") or "") for one in own]
    managed = {_policy_name(arn) for arn in role.get("managed_policy_arns") or []}
    if attached != [policy] * bool(policy) or not managed <= {policy}:
        shown = ", ".join({*attached, *managed}) or "none"
        yield f"{name} has the policies {shown} and not just {policy or 'none'}"


def _policy_name(arn: str) -> str:
    return arn.partition(":policy/")[2]


def _own_policies(resources: Resources, role: dict[str, Any], name: str) -> list[Any]:
    """Return the policies that are a role's own; after an apply a plan shows them inline, too."""
    own = [one for one in resources.get("aws_iam_role_policy", []) if one.get("role") == name]
    names = [one.get("name") for one in own]
    inline = [
        one["policy"]
        for one in role.get("inline_policy") or []
        if one.get("policy") and one.get("name") not in names
    ]
    return [one["policy"] for one in own] + inline
