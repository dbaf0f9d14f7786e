"""check --plan: a real plan shows both policies, and each weakening of it is caught."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bake, Copy, Run
from tests.standins.emulator import Emulator
from tests.support.check import judge
from tests.support.edits import apply
from tests.support.project import Project

pytestmark = pytest.mark.slow

UNJUDGED = "cannot-be-judged "  # said as a finding, not in one line
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
Values = dict[str, dict[str, Any]]
PREFIX = "repo:octo-org@123456/example-service@456789"
SUB = "token.actions.githubusercontent.com:sub"
AUD = "token.actions.githubusercontent.com:aud"


@pytest.fixture(scope="module")
def plans(
    bake: Bake, running_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """The JSON of the first plan of a fresh project whose prefix is known, and of one after it."""
    folder = tmp_path_factory.mktemp("plan")
    project = Project(shutil.copytree(bake().path, folder / "example-service"))
    project.know_subject(PREFIX)
    shown = []
    running_emulator.reset()
    project.terraform("init", "-input=false")
    for _ in range(2):
        project.terraform("plan", "-input=false", "-out=x.tfplan", emulator=running_emulator)
        shown.append(project.terraform("show", "-json", "x.tfplan", emulator=running_emulator))
        project.terraform("apply", "-input=false", "x.tfplan", emulator=running_emulator)
    return shown


@pytest.fixture
def plan(plans: list[str]) -> str:
    """The JSON of the first plan."""
    return plans[0]


def judged(project: Project, plan: str) -> tuple[int, str]:
    """Judge a project by a plan; return exit status and everything printed."""
    (project.path / "infra/plan.json").write_text(plan)
    return judge(project.path, Path("infra/plan.json"))


def changed(plan: str, change: Callable[[Values, list[Any]], object]) -> str:
    """Return a plan with a change; it gets values by type, and the list of resources."""
    document = json.loads(plan)
    (module,) = document["planned_values"]["root_module"]["child_modules"]
    change({item["type"]: item["values"] for item in module["resources"]}, module["resources"])
    for item in module["resources"]:
        item.setdefault("address", f"{item['type']}.added")
    return json.dumps(document)


def policy(values: Values, kind: str, attribute: str, change: Callable[[Any], object]) -> None:
    """Change a policy that stands in an attribute as JSON."""
    document = json.loads(values[kind][attribute])
    change(document["Statement"])
    values[kind][attribute] = json.dumps(document)


def trust(change: Callable[[Any], object]) -> Callable[[Values, list[Any]], object]:
    """Return a change of the statements of the trust policy."""
    return lambda values, _: policy(values, "aws_iam_role", "assume_role_policy", change)


def push(change: Callable[[Any], object]) -> Callable[[Values, list[Any]], object]:
    """Return a change of the statements of the push policy."""
    return lambda values, _: policy(values, "aws_iam_role_policy", "policy", change)


def known(project: Project) -> Project:
    """Note the subject prefix for which the plan was made."""
    project.know_subject(PREFIX)
    return project


WEAKER: dict[str, tuple[Callable[[Values, list[Any]], object], str]] = {
    "another subject": (
        trust(lambda s: s[0]["Condition"]["StringLike"].update({SUB: f"{PREFIX}:*"})),
        "subject",
    ),
    "no audience": (trust(lambda s: s[0]["Condition"].pop("StringEquals")), "subject"),
    "audience if it exists": (
        trust(
            lambda s: s[0]["Condition"].update(
                {"StringEqualsIfExists": s[0]["Condition"].pop("StringEquals")}
            )
        ),
        "subject",
    ),
    "for all values": (
        trust(
            lambda s: s[0]["Condition"].update(
                {"ForAllValues:StringLike": s[0]["Condition"].pop("StringLike")}
            )
        ),
        "subject",
    ),
    "a second audience": (
        trust(
            lambda s: s[0]["Condition"]["StringEquals"].update({AUD: ["sts.amazonaws.com", "x"]})
        ),
        "subject",
    ),
    "a second statement": (
        trust(lambda s: s.append({**s[0], "Principal": {"AWS": "111122223333"}})),
        "subject",
    ),
    "another issuer": (
        trust(
            lambda s: s[0]["Principal"].update(
                Federated="arn:aws:iam::111122223333:oidc-provider/gitlab.com"
            )
        ),
        "subject",
    ),
    "session tags": (
        trust(lambda s: s[0].update(Action=["sts:AssumeRoleWithWebIdentity", "sts:TagSession"])),
        "subject",
    ),
    "every repository": (push(lambda s: s[1].update(Resource="*")), "least-actions"),
    "another action": (
        push(lambda s: s[1]["Action"].append("ecr:DeleteRepository")),
        "least-actions",
    ),
    "every action": (push(lambda s: s[1].update(Action="ecr:*")), "least-actions"),
    "all but some actions": (
        push(lambda s: s[1].update(NotAction=s[1].pop("Action"))),
        "least-actions",
    ),
    "a missing action": (push(lambda s: s[1]["Action"].remove("ecr:PutImage")), "least-actions"),
    "a third statement": (
        push(lambda s: s.append({"Effect": "Allow", "Action": "iam:*", "Resource": "*"})),
        "least-actions",
    ),
    "a second inline policy": (
        lambda _, resources: resources.append(
            {
                "type": "aws_iam_role_policy",
                "values": {
                    "role": "example-service-push",
                    "policy": json.dumps({"Statement": [EVERYTHING]}),
                },
            }
        ),
        "least-actions",
    ),
    "an attached policy": (
        lambda _, resources: resources.append(
            {
                "type": "aws_iam_role_policy_attachment",
                "values": {
                    "role": "example-service-push",
                    "policy_arn": "arn:aws:iam::aws:policy/A",
                },
            }
        ),
        "least-actions",
    ),
    "a policy for a role that is not known yet": (
        lambda _, resources: resources.append(
            {
                "type": "aws_iam_role_policy",
                "values": {"policy": json.dumps({"Statement": [{**EVERYTHING, "Action": "s3:*"}]})},
            }
        ),
        UNJUDGED,
    ),
    "an attachment to a role that is not known yet": (
        lambda _, resources: resources.append(
            {"type": "aws_iam_role_policy_attachment", "values": {"policy_arn": "x"}}
        ),
        UNJUDGED,
    ),
    "an inline policy": (
        lambda values, _: values["aws_iam_role"].update(
            inline_policy=[{"name": "x", "policy": json.dumps({"Statement": [EVERYTHING]})}]
        ),
        "least-actions",
    ),
    "a registry that anybody may push to": (
        lambda _, resources: resources.append(
            {
                "type": "aws_ecr_repository_policy",
                "values": {"repository": "example-service", "policy": '{"Action": "ecr:PutImage"}'},
            }
        ),
        "least-actions can-be-applied",
    ),
    "a path": (lambda values, _: values["aws_iam_role"].update(path="/ci/"), "same-role"),
    "a registry in another region": (
        lambda values, _: values["aws_ecr_repository"].update(region="eu-west-1"),
        "same-region",
    ),
    "a managed policy": (
        lambda values, _: values["aws_iam_role"].update(managed_policy_arns=["arn:aws:iam::aws:x"]),
        "least-actions",
    ),
    "a shorter session": (
        lambda values, _: values["aws_iam_role"].update(max_session_duration=1800),
        "session-duration",
    ),
    "movable tags": (
        lambda values, _: values["aws_ecr_repository"].update(image_tag_mutability="MUTABLE"),
        "unique-tags",
    ),
    "an exclusion": (
        lambda values, _: values["aws_ecr_repository"].update(
            image_tag_mutability="IMMUTABLE_WITH_EXCLUSION",
            image_tag_mutability_exclusion_filter=[{"filter": "v*", "filter_type": "WILDCARD"}],
        ),
        "unique-tags",
    ),
    "an expiring release": (
        lambda values, _: values["aws_ecr_lifecycle_policy"].update(
            policy=values["aws_ecr_lifecycle_policy"]["policy"].replace("untagged", "any")
        ),
        "lifecycle",
    ),
    "a registry of another name": (
        lambda values, _: values["aws_ecr_repository"].update(name="other"),
        "same-registry",
    ),
    "a key twice": (
        lambda values, _: values["aws_iam_role"].update(
            assume_role_policy='{"Statement": [], "Statement": []}'
        ),
        "cannot-be-judged",
    ),
    "no session": (
        lambda values, _: values["aws_iam_role"].update(max_session_duration=None),
        UNJUDGED,
    ),
    "a nested action": (
        push(lambda s: s[1].update(Action=[["ecr:PutImage"]])),
        "least-actions can-be-applied",
    ),
    "a statement of text": (push(lambda s: s.append("x")), "cannot-be-judged"),
    "a filter of nothing": (
        lambda values, _: values["aws_ecr_repository"].update(
            image_tag_mutability_exclusion_filter=[None]
        ),
        "cannot-be-judged",
    ),
    "a trust policy known after apply": (
        lambda values, _: values["aws_iam_role"].pop("assume_role_policy"),
        UNJUDGED,
    ),
}


@pytest.mark.parametrize("number", [0, 1], ids=["first", "after-an-apply"])
def test_the_plan_of_a_fresh_project_agrees(copy: Copy, plans: list[str], number: int) -> None:
    """After an apply the role's own policy is also shown as its inline_policy."""
    shown = plans[number].split("resource_changes")[0]
    assert ('"inline_policy":[{"name":"push"' in shown) == bool(number)
    status, printed = judged(known(copy()), plans[number])
    assert (status, printed.count("\n")) == (0, 1), printed


@pytest.mark.parametrize("name", WEAKER)
def test_each_weakening_of_a_plan_is_caught_by_its_rule(copy: Copy, plan: str, name: str) -> None:
    change, rule = WEAKER[name]
    status, printed = judged(known(copy()), changed(plan, change))
    if rule == "cannot-be-judged":
        assert (status, printed.count("\n")) == (2, 1), printed
        return
    assert status == (2 if rule is UNJUDGED else 1), printed
    findings = printed.splitlines()[::2]
    assert {line.split()[1] for line in findings} == {*rule.split()}
    allowed = (
        "infra/(main|oidc|repository/(registry|trust)).tf|infra/plan.json|.github/.*/deploy.yml"
    )
    assert all(re.fullmatch(allowed, line.split(":")[0]) for line in findings), findings


def test_what_the_plan_shows_is_not_asked_of_rewritten_files(copy: Copy, plan: str) -> None:
    rewritten = ["trust", 'test     = "StringEquals"', "test     = local.test"]
    project = known(copy())
    apply(project.path, rewritten)
    assert judged(project, plan)[0] == 0


def test_a_provider_of_another_region_or_a_failed_plan_is_caught(copy: Copy, plan: str) -> None:
    project, document = known(copy()), json.loads(plan)
    document["configuration"]["provider_config"]["aws"]["expressions"]["region"] = {
        "constant_value": "eu-west-1"
    }
    status, printed = judged(project, json.dumps(document))
    assert (status, printed.split()[1]) == (1, "same-region")
    status, printed = judged(project, json.dumps({**json.loads(plan), "errored": True}))
    assert (status, printed.count("\n")) == (2, 1)


def test_a_plan_for_other_values_does_not_fit(copy: Copy, plan: str) -> None:
    project = copy()
    project.know_subject(PREFIX.replace("456789", "456780"))
    status, printed = judged(project, plan)
    assert (status, "subject example-service-push trusts" in printed) == (1, True)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"planned_values": {"root_module": 1}}'])
def test_what_is_no_plan_is_said_in_one_line(copy: Copy, text: str) -> None:
    status, printed = judged(copy(), text)
    assert (status, printed.count("\n")) == (2, 1)


def test_a_plan_that_is_not_there_is_said_in_one_line(bake: Bake, run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "plan.json"
    command = (sys.executable, "-B", ".github/keyless", "check", "--plan", str(missing))
    done = run(*command, cwd=bake().path)
    assert (done.returncode, done.stdout.count("\n")) == (2, 1)


def registry_policy(action: Any, principal: Any = "*", kind: str = "Action") -> Any:
    """Return a change that adds a policy of the registry."""
    statement = {"Effect": "Allow", "Principal": principal, kind: action}
    values = {
        "repository": "example-service",
        "policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    }
    added = {"type": "aws_ecr_repository_policy", "values": values}
    return lambda _, resources: resources.append(added)


PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
MORE_THAN_PULLING = [
    *("ecr:putimage", "ECR:PutImage", "ecr:P*", "ecr:?utImage", "ecr:B*", "ecr:BatchD*", "*:*"),
    *("*", "ecr:*Image", "ecr:ReplicateImage", "ecr:TagResource", [*PULL, "ecr:PutImage"]),
]


@pytest.mark.parametrize("action", MORE_THAN_PULLING, ids=str)
def test_others_are_given_nothing_on_the_registry_but_pulling(
    copy: Copy, plan: str, action: Any
) -> None:
    status, printed = judged(known(copy()), changed(plan, registry_policy(action)))
    assert (status, "lets others change images in" in printed) == (1, True)


def test_pulling_is_nobodys_harm_and_all_but_something_is(copy: Copy, plan: str) -> None:
    project = known(copy())
    account = {"AWS": [ROOT_OF.format("444455556666")]}
    assert judged(project, changed(plan, registry_policy(PULL, account)))[0] == 0
    status, printed = judged(project, changed(plan, registry_policy(PULL)))
    assert (status, "lets everybody (*) pull from example-service" in printed) == (1, True)
    status, printed = judged(project, changed(plan, registry_policy(PULL, kind="NotAction")))
    assert (status, "lets others change" in printed) == (1, True)


ROOT_OF = "arn:aws:iam::{}:root"
SAID: dict[str, tuple[dict[str, Any], Any, str]] = {  # in the values; another plan; the finding
    "a longer session": (
        {"max_session_duration": 7200},
        lambda values, _: values["aws_iam_role"].update(max_session_duration=43200),
        "sessions of example-service-push last 43200 s, not 7200",
    ),
    "an account that is not named": (
        {"pull_accounts": ["444455556666"]},
        registry_policy(PULL, {"AWS": [ROOT_OF.format("999999999999")]}),
        "this lets arn:aws:iam::999999999999:root pull from example-service",
    ),
    "everybody": (
        {"pull_accounts": ["444455556666"]},
        registry_policy(PULL),
        "lets everybody (*) pull from example-service",
    ),
    "no boundary": (
        {"permissions_boundary": "arn:aws:iam::111122223333:policy/boundary"},
        lambda *_: None,
        "lacks the boundary arn:aws:iam::111122223333:policy/boundary",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_a_plan_is_held_against_what_nobody_was_asked(copy: Copy, plan: str, name: str) -> None:
    given, change, says = SAID[name]
    project = known(copy())
    values = project.tfvars
    (entry,) = values["repositories"].values()
    (values if "permissions_boundary" in given else entry).update(given)
    (project.path / "infra/terraform.tfvars.json").write_text(json.dumps(values))
    status, printed = judged(project, changed(plan, change))
    assert (status, says in printed) == (1, True), printed


def for_latest(values: Values, filters: list[Any], mutability: str) -> None:
    """Write a plan by hand, after the schema of provider 6.8, which cannot be had here."""
    blocks = [{"filter": each, "filter_type": "WILDCARD"} for each in filters]
    values["aws_ecr_repository"].update(
        image_tag_mutability=mutability,
        image_tag_mutability_exclusion_filter=blocks,
        region="us-east-1",
    )
    push(lambda s: s[1]["Action"].append("ecr:DescribeImages"))(values, [])


WITH_EXCLUSION = "IMMUTABLE_WITH_EXCLUSION"


@pytest.mark.parametrize(
    ("filters", "mutability", "rules"),
    [
        (["latest"], WITH_EXCLUSION, set()),
        (["dev-*"], WITH_EXCLUSION, {"unique-tags"}),
        (["latest", "v*"], WITH_EXCLUSION, {"unique-tags"}),
        (["*"], WITH_EXCLUSION, {"unique-tags"}),
        ([], WITH_EXCLUSION, {"unique-tags"}),
        ([], "IMMUTABLE", {"unique-tags"}),
        (["latest"], "MUTABLE", {"unique-tags"}),
        (["latest"], "MUTABLE_WITH_EXCLUSION", {"unique-tags"}),
    ],
)
def test_with_latest_a_plan_written_by_hand_after_the_providers_schema_is_judged(
    copy: Copy, plan: str, filters: list[str], mutability: str, rules: set[str]
) -> None:
    project = known(copy(second_tag="latest"))
    by_hand = changed(plan, lambda values, _: for_latest(values, filters, mutability))
    status, printed = judged(project, by_hand)
    found = {line.split()[1] for line in printed.splitlines()[::2]} if status else set()
    assert found - {"publish-once"} == rules, printed
    assert status == bool(rules)
