"""The roles of the service: a plan of Terraform shows what is derived, and nothing more."""

from __future__ import annotations

import copy as copying
import json
from collections.abc import Callable
from typing import Any

import pytest
from keyless import check

from tests.conftest import Copy
from tests.support.service import PARAMETER, SECRET, SECRETS, TARGETS

Plan = Callable[[str], str]


@pytest.mark.parametrize("target", TARGETS)
def test_a_plan_is_what_is_derived_and_each_weakening_of_it_is_caught(
    copy: Copy, service_plan: Plan, target: str
) -> None:
    project = copy(deploy_to=target)
    project.know_subject("repo:octo-org@123456/example-service@456789")
    project.run_with(secrets=SECRETS)
    path = project.path / "infra/plan.json"

    def judged(plan: Any) -> list[tuple[str, str]]:
        path.write_text(json.dumps(plan))
        return [(one.rule, one.message) for one in check.findings(project.path, path)]

    first = json.loads(service_plan(target))
    assert judged(first) == []
    reader = {"ecs-express": "execution", "app-runner": "instance"}[target]
    resources = first["planned_values"]["root_module"]["resources"]
    (one,) = [each["values"] for each in resources if each["values"].get("name") == "secrets"]
    assert one["role"] == f"example-service-{reader}"
    granted = {each["Action"]: each["Resource"] for each in json.loads(one["policy"])["Statement"]}
    assert granted == {"secretsmanager:GetSecretValue": SECRET, "ssm:GetParameters": PARAMETER}
    for what, change in WEAKER.items():
        plan = copying.deepcopy(first)
        other = {"ecs-express": "execution", "app-runner": "access"}[target]
        change(plan["planned_values"]["root_module"]["resources"], other)
        assert plan != first, what
        rules = judged(plan)
        assert rules, what
        assert {rule for rule, _ in rules} == {"least-actions"}, (what, rules)
    own = {"ecs-express": "task", "app-runner": "instance"}[target]
    plan = copying.deepcopy(first)
    project.run_with(secrets=SECRETS)
    for kind in ("aws_iam_role_policy_attachment", "aws_iam_role_policy"):
        known = {"role": "ROLE", "name": "more", "policy": READING, "policy_arn": READ_ONLY}
        added(kind, **known)(plan["planned_values"]["root_module"]["resources"], own)
    assert judged(plan) == [], "what the application may do is its owner's to say"
    project.run_with(secrets={"A": SECRET.replace("main", "other")})
    ((rule, message),) = judged(first)
    said = (
        f"example-service-{reader} has other permissions than to read the secrets of service.json"
    )
    assert (rule, message) == ("least-actions", said)


def deploy_policy(change: Callable[[list[Any]], object]) -> Callable[[list[Any], str], None]:
    """Return a change of the statements of what the deploy role may do."""

    def changed(resources: list[Any], _role: str) -> None:
        (one,) = [each["values"] for each in resources if each["values"].get("name") == "deploy"]
        document = json.loads(one["policy"])
        change(document["Statement"])
        one["policy"] = json.dumps(document)

    return changed


def with_role(change: Callable[[dict[str, Any]], object]) -> Callable[[list[Any], str], None]:
    """Return a change of one of the roles that are passed on."""

    def changed(resources: list[Any], role: str) -> None:
        name = f"example-service-{role}"
        (one,) = [each["values"] for each in resources if each["values"].get("name") == name]
        change(one)

    return changed


def added(kind: str, **values: str) -> Callable[[list[Any], str], None]:
    """Return the addition of a resource; ROLE stands for a role that is passed on."""

    def changed(resources: list[Any], role: str) -> None:
        known = {k: v.replace("ROLE", f"example-service-{role}") for k, v in values.items()}
        address = f"{kind}.more"
        resources.append({"type": kind, "address": address, "name": "more", "values": known})

    return changed


READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
READING = json.dumps(
    {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
EVERYTHING = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
WEAKER: dict[str, Callable[[list[Any], str], None]] = {
    "pass any role": deploy_policy(lambda s: s[-1].update(Resource="*")),
    "pass to anybody": deploy_policy(lambda s: s[-1].pop("Condition")),
    "pass to Lambda": deploy_policy(
        lambda s: s[-1]["Condition"]["StringEquals"]["iam:PassedToService"].append("lambda")
    ),
    "pass nothing": deploy_policy(lambda s: s.pop()),
    "any service": deploy_policy(lambda s: s[1].update(Resource="*")),
    "any task definition, or any service": deploy_policy(lambda s: s[2].update(Resource="*")),
    "one resource fewer of two": deploy_policy(lambda s: s[1]["Resource"].pop()),
    "delete, too": deploy_policy(
        lambda s: s.append({"Effect": "Allow", "Action": "ecs:DeleteService", "Resource": "*"})
    ),
    "nothing at all": lambda resources, _: resources.remove(
        next(each for each in resources if each["values"].get("name") == "deploy")
    ),
    "a role for everybody": with_role(
        lambda role: role.update(
            assume_role_policy=role["assume_role_policy"].replace("Service", "AWS")
        )
    ),
    "managed policies": with_role(lambda role: role.update(managed_policy_arns=[ADMINISTRATOR])),
    "a policy of AWS more": added(
        "aws_iam_role_policy_attachment",
        role="ROLE",
        policy_arn=ADMINISTRATOR,
    ),
    "a policy of its own": added(
        "aws_iam_role_policy", role="ROLE", name="more", policy=EVERYTHING
    ),
}
