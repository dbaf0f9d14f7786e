"""service.json, infra/service.tf and what deploys by them: settings, plans, a service's life."""

from __future__ import annotations

import copy as copying
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session
import pytest

import local_extensions
from tests.conftest import SECRETS, Bake, Copy, Script
from tests.emulator import Emulator, emulated_aws
from tests.project import Project

TARGETS = ["ecs-express", "app-runner"]
Plan = Callable[[str], str]
EMOJI = "\U0001f680"
HOSTILE = 'it\'s "${HOME}" %{if} <<x>> \\ $(id) `id` ::error::x\t' + EMOJI
ONE, PARAMETER = SECRETS["B"], SECRETS["C"]


def settings(project: Project) -> dict[str, Any]:
    """Return what service.json says."""
    return dict(json.loads((project.path / "service.json").read_text()))


def write(project: Project, **values: Any) -> None:
    """Write settings: all of them, or some beside those that are there; None removes one."""
    both = {**({} if len(values) > 9 else settings(project)), **values}
    kept = {key: value for key, value in both.items() if value is not None}
    (project.path / "service.json").write_text(json.dumps(kept, indent=2) + "\n")


@pytest.fixture
def found(script: Script) -> Callable[[Project], list[tuple[str, str]]]:
    """Return a function that judges a project: rule and message of each finding."""
    check = script("check")

    def judged(project: Project) -> list[tuple[str, str]]:
        try:
            return [(one.rule, f"{one.path} {one.message}") for one in check.findings(project.path)]
        except check.CannotJudge as reason:
            return [("cannot-be-judged", str(reason))]

    return judged


# Settings


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_generated_is_accepted(
    bake: Bake, found: Callable[[Project], Any], target: str
) -> None:
    assert found(bake(deploy_to=target)) == []


GOOD: list[dict[str, Any]] = [
    {"port": 1, "health_check_path": "/", "min_instances": 25, "max_instances": 25},
    {"environment": {"A": HOSTILE, "_b9": ""}, "secrets": {"KEY": PARAMETER, "DB": ONE}},
    {"secrets": {"DB": f"{ONE}:password::"}},
    {"cpu": 4096, "memory": 8192},
    {"name": "A-b_c"},
]
MULTILINE = {"environment": {"A": f"{HOSTILE}\n::error::y"}}
# What is wrong, for both targets: the rule, and what the message must name.
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no port": ({"port": 0}, "service-settings", "port 0 is no port"),
    "text as port": ({"port": "8080"}, "cannot-be-judged", "port is '8080'"),
    "true as port": ({"port": True}, "cannot-be-judged", "port is 'True'"),
    "no name": ({"name": "a b"}, "service-settings", "'a b' is no name of a service"),
    "a name with a line": ({"name": "abcd\n"}, "service-settings", "is no name of a service"),
    "a path without /": ({"health_check_path": "healthz"}, "service-settings", "is no path"),
    "a path with a space": ({"health_check_path": "/a b"}, "service-settings", "is no path"),
    "half a vCPU too much": ({"cpu": 300}, "service-settings", "cpu 300 is not what it can have"),
    "memory that does not fit": (
        {"memory": 500},
        "service-settings",
        "memory 500 does not go with",
    ),
    "none": ({"min_instances": 0}, "service-settings", "min_instances 0 is not 1 to 3"),
    "more least than most": ({"min_instances": 4}, "service-settings", "4 is not 1 to 3 (max"),
    "too many": ({"max_instances": 1001}, "service-settings", "max_instances 1001 is not 1 to"),
    "a key of AWS": (
        {"environment": {"AWS_ACCESS_KEY_ID": ""}},
        "service-settings",
        "is a key that",
    ),
    "the port as variable": ({"environment": {"PORT": "1"}}, "service-settings", "PORT is set by"),
    "half an ARN": ({"secrets": {"A": ONE[:-7]}}, "service-settings", "A is not the ARN"),
    "a key without ::": ({"secrets": {"A": f"{ONE}:key"}}, "service-settings", "ARN:KEY::"),
    "a number as variable": ({"environment": {"A": 1}}, "service-settings", "A is no text"),
    "a NUL": ({"environment": {"A": "x\0y"}}, "service-settings", "A is no text"),
    "a variable with -": ({"environment": {"A-B": ""}}, "service-settings", "'A-B' is no name"),
    "the pipeline's own": (
        {"environment": {"IMAGE_TAG": ""}},
        "service-settings",
        "IMAGE_TAG is set",
    ),
    "too much": ({"environment": {"A": "x" * 33000}}, "service-settings", "33,015 bytes as JSON"),
    "in both": (
        {"environment": {"A": ""}, "secrets": {"A": ONE}},
        "service-settings",
        "A stands in environment, too",
    ),
    "a secret itself": ({"secrets": {"A": "hunter2"}}, "service-settings", "A is not the ARN"),
    "all secrets": ({"secrets": {"A": f"{ONE[:-9]}*"}}, "service-settings", "A is not the ARN"),
    "a variable of IAM": (
        {"secrets": {"A": f"{ONE}${{x}}"}},
        "service-settings",
        "A is not the ARN",
    ),
    "a secret elsewhere": (
        {"secrets": {"A": ONE.replace("us-east-1", "eu-west-1")}},
        "service-settings",
        "A is not the ARN of a secret or parameter in us-east-1",
    ),
    "a secret of another service": (
        {"secrets": {"A": ONE.replace("secretsmanager", "ssm")}},
        "service-settings",
        "A is not the ARN",
    ),
    "a key too many": ({"colour": "red"}, "cannot-be-judged", "'colour' is no setting"),
    "a key too few": ({"memory": None}, "cannot-be-judged", "memory is missing"),
    "another target": ({"deploy_to": "lambda"}, "cannot-be-judged", "deploy_to is 'lambda'"),
    "another entry": ({"entry": "web"}, "cannot-be-judged", "entry 'web' is none of"),
    "a list": ({"environment": ["A"]}, "cannot-be-judged", "environment is"),
    "nothing as secrets": ({"secrets": []}, "cannot-be-judged", "secrets is"),
}
ONLY: dict[str, list[tuple[dict[str, Any], str]]] = {
    "ecs-express": [({"cpu": 1024, "memory": 1024}, "memory 1024 does not go with 1024 of cpu")],
    "app-runner": [
        ({"environment": {"A": "x\ny"}}, "A has several lines, which App Runner refuses"),
        ({"cpu": 512, "memory": 2048}, "memory 2048 does not go with 512 of cpu"),
        ({"max_instances": 26}, "max_instances 26 is not 1 to 25"),
        ({"cpu": 8192, "memory": 16384}, "cpu 8192 is not what it can have"),
        ({"environment": {"AWSAPPRUNNER_X": ""}}, "AWSAPPRUNNER_X is set by"),
    ],
}


@pytest.mark.parametrize("target", TARGETS)
def test_each_setting_that_aws_would_refuse_is_caught_by_its_rule(
    copy: Copy, found: Callable[[Project], Any], target: str
) -> None:
    project = copy(deploy_to=target)
    first = settings(project)
    for values in [*GOOD, *[MULTILINE] * (target == "ecs-express")]:
        write(project, **{**first, **values})
        assert found(project) == [], values
    for what, (values, rule, message) in WRONG.items():
        write(project, **{**first, **values})
        judged = found(project)
        assert [one for one, _ in judged] == [rule], (what, judged)
        assert judged[0][1].startswith("service.json"), what
        assert message in judged[0][1], (what, judged)
    for values, message in ONLY[target]:
        write(project, **{**first, **values})
        ((rule, text),) = found(project)
        assert (rule, message in text) == ("service-settings", True), text
    write(project, **first)
    (project.path / "service.json").write_text('{"port": 1, "port": 2}')
    ((rule, text),) = found(project)
    assert (rule, "a key stands there twice" in text) == ("cannot-be-judged", True)


def test_what_runs_there_must_fit_to_image_registry_and_roles(
    copy: Copy, found: Callable[[Project], Any]
) -> None:
    project = copy(deploy_to="app-runner")
    deploy = project.path / ".github/workflows/deploy.yml"
    text = deploy.read_text()
    deploy.write_text(text.replace("PLATFORM: linux/amd64", "PLATFORM: linux/arm64"))
    ((rule, message),) = found(project)
    assert (rule, "App Runner runs linux/amd64 alone" in message) == ("service-settings", True)
    deploy.write_text(text)
    values = project.path / "infra/terraform.tfvars.json"
    before = values.read_text()
    values.write_text(before.replace('"example-service-push"', '"example-service-access"'))
    assert ("service-settings", True) in [
        (rule, "makes the role example-service-access, which an entry has" in message)
        for rule, message in found(project)
    ]
    values.write_text(before.replace('"us-east-1"', '"cn-north-1"'))
    said = " ".join(message for _, message in found(project))
    assert "deploy_to app-runner is not known to work in cn-north-1" in said


def test_a_target_whose_files_are_not_there_is_named(
    copy: Copy, found: Callable[[Project], Any]
) -> None:
    project = copy(deploy_to="ecs-express")
    write(project, deploy_to="app-runner", cpu=1024, memory=2048)
    messages = dict(found(project)[::-1])
    assert (
        "deploy_to is app-runner, and scripts/app_runner.py is not there"
        in messages["same-service"]
    )


def test_the_regions_of_app_runner_are_those_that_botocore_knows(
    bake: Bake, script: Script
) -> None:
    known = botocore.session.get_session().get_available_regions("apprunner")
    sys.path.append(str(bake(deploy_to="app-runner").path / "scripts"))
    import serving

    sys.path.pop()
    assert sorted(serving.REGIONS) == sorted(local_extensions.APP_RUNNER_REGIONS) == sorted(known)
    assert script("check")


def test_app_runner_that_is_closed_to_an_account_is_named(stage: Callable[[str], Stage]) -> None:
    made = stage("app-runner")
    call = made.call

    def closed(service: str, operation: str, region: str, /, **given: Any) -> Any:
        if operation == "create-service":
            raise made.deploy.Refused("SubscriptionRequiredException", "needs a subscription")
        return call(service, operation, region, **given)

    made.patch.setattr(made.deploy.target, "call", closed)
    status, text = made.run("after", "a", "v1")
    assert (status, "It has taken no new customers since 2026-04-30" in text) == (1, True)
    assert "deploy_to=ecs-express is the way" in text


def test_a_service_json_of_somebody_elses_is_nobodys_business(
    copy: Copy, found: Callable[[Project], Any]
) -> None:
    project = copy()
    (project.path / "service.json").write_text('["mine"]')
    assert found(project) == []


LOOK = "        run: python3 scripts/deploy.py before\n"
RUN = "        run: python3 scripts/deploy.py after\n"
DIGEST = "DIGEST: ${{ steps.published.outputs.digest }}"
ALONE = "deploy.py is not run once before the build and once after, alone in its step"
GREEN = "may leave the job green where nothing was deployed"
STEP = "      - name: Deploy the image and wait until it is steady\n"
ACTION = "aws-actions/configure-aws-credentials@e6de054238d6b7531b4efff3b6587d9aade6a06c # v6.2.3"
ROLE = f"""      - uses: {ACTION}
        with:
          role-to-assume: arn:aws:iam::111122223333:role/admin
          aws-region: us-east-1
          role-duration-seconds: 3600

"""
REGISTRY = "REGISTRY: ${{ steps.registry.outputs.registry }}\n          DIGEST"
EDITS: dict[str, tuple[str, str, str]] = {
    "no look before": (LOOK, "        run: 'true'\n", ALONE),
    "nothing deploys": (RUN, "        run: 'true'\n", ALONE),
    "never red": (RUN, RUN.replace("after", "after || true"), ALONE),
    "never red by a pipe": (RUN, RUN.replace("after", "after | tee log"), ALONE),
    "only said": (RUN, RUN.replace("python3", "echo python3"), ALONE),
    "in the background": (RUN, RUN.replace("after", "after &"), ALONE),
    "with another digest": (RUN, RUN.replace("python3", "DIGEST=x python3"), ALONE),
    "from its own folder": (RUN, RUN.replace("python3 scripts/", "cd scripts && python3 "), ALONE),
    "a look that fails": (LOOK, LOOK.replace("before", "before || true"), ALONE),
    "twice": (RUN, f"{RUN}      - run: python3 scripts/deploy.py after\n", ALONE),
    "another shell": (RUN, f"{RUN}        shell: bash --noprofile {{0}}\n", GREEN),
    "another folder": (RUN, f"{RUN}        working-directory: app\n", GREEN),
    "green all the same": (RUN, f"{RUN}        continue-on-error: true\n", GREEN),
    "only sometimes": (RUN, f"{RUN}        if: ${{{{ always() }}}}\n", GREEN),
    "a look only sometimes": (LOOK, f"{LOOK}        if: ${{{{ github.actor != 'x' }}}}\n", GREEN),
    "a tag instead": (DIGEST, DIGEST.replace("digest", "tag"), "DIGEST is ${{ steps."),
    "an input": (DIGEST, "DIGEST: ${{ inputs.digest }}", "DIGEST is ${{ inputs.digest }}, so"),
    "what the push said": (DIGEST, DIGEST.replace("published", "image"), "DIGEST is ${{ steps."),
    "no version before": (
        "          BEFORE: ${{ steps.service.outputs.image }}\n",
        "",
        "BEFORE is missing, so it is not what was published",
    ),
    "another name of the look": ("        id: service\n", "        id: look\n", "BEFORE is"),
    "another registry": (REGISTRY, "REGISTRY: 444455556666\n          DIGEST", "REGISTRY is 4444"),
    "another version": (
        f"          {DIGEST}",
        f"          IMAGE_TAG: v9\n          {DIGEST}",
        "IMAGE_TAG is another one than that of the steps before",
    ),
    "no number": ('WAIT_MINUTES: "25"', 'WAIT_MINUTES: "25m"', "WAIT_MINUTES is 25m"),
    "longer than the job": ('WAIT_MINUTES: "25"', 'WAIT_MINUTES: "60"', "ends after 60 minutes"),
    "another platform": (
        "platforms: ${{ env.PLATFORM }}",
        "platforms: linux/arm64",
        "PLATFORM is linux/amd64, and the image is built for another one",
    ),
    "another role": (STEP, ROLE + STEP, "another role is assumed beside that which may deploy"),
}


@pytest.mark.parametrize(("before", "after", "message"), EDITS.values(), ids=EDITS)
def test_each_edit_that_would_run_something_else_is_caught(
    copy: Copy,
    found: Callable[[Project], Any],
    before: str,
    after: str,
    message: str,
) -> None:
    project = copy(deploy_to="ecs-express")
    path = project.path / ".github/workflows/deploy.yml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    judged = found(project)
    assert {rule for rule, _ in judged} == {"same-service"}, judged
    assert any(message in text for _, text in judged), judged


def test_a_look_behind_the_build_and_another_workflow_that_deploys_are_caught(
    copy: Copy, found: Callable[[Project], Any]
) -> None:
    project = copy(deploy_to="ecs-express")
    path = project.path / ".github/workflows/deploy.yml"
    text = path.read_text()
    look = "      - name: Look at the service\n        id: service\n" + LOOK + "\n"
    assert look in text
    end = "      - name: Check both tags and report the image\n"
    path.write_text(text.replace(look, "").replace(end, look + end))
    ((rule, message),) = found(project)
    assert (rule, "noted behind the build" in message) == ("same-service", True)
    # What is no harm.
    for before, after in (
        ("python3 scripts/deploy.py", "python scripts/deploy.py"),
        ('WAIT_MINUTES: "25"', 'WAIT_MINUTES: "7.5"'),
    ):
        path.write_text(text.replace(before, after))
        assert found(project) == []
    path.write_text(text)
    other = re.sub(r"(?s)      - name: Look up what.*?(?=      - name: Deploy the image)", "", text)
    other = re.sub(r"(?s)\n  refuse:.*", "\n", other).replace(DIGEST, "DIGEST: sha256:1")
    (project.path / ".github/workflows/again.yml").write_text(other)
    assert "same-service" in {rule for rule, _ in found(project)}


@pytest.mark.parametrize("role", ["execution", "infrastructure"])
def test_a_role_that_is_passed_on_is_given_nothing_more_and_the_applications_own_may_be(
    copy: Copy, found: Callable[[Project], Any], role: str
) -> None:
    project = copy(deploy_to="ecs-express")
    more = project.path / "infra/app.tf"
    policy = """resource "aws_iam_role_policy_attachment" "more" {
  role       = NAME
  policy_arn = "arn:aws:iam::aws:policy/AdministratorAccess"
}
"""
    for name in (f'"example-service-{role}"', f"aws_iam_role.{role}[local.service.entry].name"):
        more.write_text(policy.replace("NAME", name))
        ((rule, message),) = found(project)
        assert (rule, "may grant more to a role" in message) == ("cannot-be-judged", True)
    more.write_text(policy.replace("NAME", "aws_iam_role.task[local.service.entry].name"))
    assert found(project) == []


def test_what_is_missing_or_was_rewritten_is_named(
    copy: Copy, found: Callable[[Project], Any]
) -> None:
    project = copy(deploy_to="ecs-express")
    infra = project.path / "infra/service.tf"
    text = infra.read_text()
    infra.write_text(text.replace("# Starts the containers", "# My own words"))
    assert found(project) == []
    infra.write_text(text.replace('values   = ["ecs-tasks', 'values   = ["*", "ecs-tasks'))
    ((rule, message),) = found(project)
    assert rule == "cannot-be-judged"
    assert re.match(r"infra/service.tf it was rewritten, .* \(now [0-9a-f]{8}\)", message)
    infra.unlink()
    ((rule, message),) = found(project)
    assert (rule, message.startswith("infra/service.tf: cannot be read")) == (
        "cannot-be-judged",
        True,
    )
    infra.write_text(text)
    (project.path / "scripts/serving.py").unlink()
    rules = {rule for rule, _ in found(project)}
    assert rules == {"same-service", "cannot-be-judged"}  # the latter: who made infra/service.tf?


# The plan


@pytest.mark.parametrize("target", TARGETS)
def test_a_plan_is_what_is_derived_and_each_weakening_of_it_is_caught(
    copy: Copy, service_plan: Plan, script: Script, target: str
) -> None:
    check = script("check")
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
    assert granted == {"secretsmanager:GetSecretValue": ONE, "ssm:GetParameters": PARAMETER}
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
        known = {"role": "ROLE", "name": "more", "policy": EVERYTHING, "policy_arn": ADMINISTRATOR}
        added(kind, **known)(plan["planned_values"]["root_module"]["resources"], own)
    assert judged(plan) == [], "what the application may do is its owner's to say"
    project.run_with(secrets={"A": ONE.replace("main", "other")})
    ((rule, message),) = judged(first)
    said = f"example-service-{reader} may do something else than read the secrets of service.json"
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
        resources.append({"type": kind, "name": "more", "mode": "managed", "values": known})

    return changed


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


# A service's life, in this process: botocore asks the stand-in what the AWS CLI would


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One emulated AWS for all tests here: each has a service of its own."""
    log = tmp_path_factory.mktemp("service") / "emulator.log"
    with emulated_aws("111122223333", "us-east-1", log) as running:
        yield running


class Stage:
    """A service of one name, and the step that deploys to it."""

    def __init__(self, project: Project, aws: Emulator, name: str, target: str) -> None:
        self.project, self.aws, self.name, self.target = project, aws, name, target
        self.deploy: Any = None
        self.patch: pytest.MonkeyPatch
        self.capture: pytest.CaptureFixture[str]
        self.summary = ""
        self.rename(name)
        aws.client("ecs").create_cluster(clusterName=name)

    def rename(self, name: str) -> None:
        """Give the service a name, and make the roles for it."""
        write(self.project, name=name)
        trust = json.dumps({"Principal": {"Service": "x.amazonaws.com"}})
        for kind in ("execution", "infrastructure", "task", "access", "instance"):
            role = {"RoleName": f"{name}-{kind}", "AssumeRolePolicyDocument": trust}
            self.aws.client("iam").create_role(**role)

    def call(self, service: str, operation: str, region: str, /, **given: Any) -> Any:
        """Ask as the AWS CLI would, with the same parameters and the same errors."""
        from publish import Refused  # of the project

        try:
            client = self.aws._replace(region=region).client(service)
            return getattr(client, operation.replace("-", "_"))(**given)
        except botocore.exceptions.ClientError as error:
            said = error.response["Error"]
            raise Refused(said["Code"], said["Message"]) from error

    def run(self, word: str, digest: str, version: str, **more: str) -> tuple[int, str]:
        """Run one step; return its exit status and everything that is read."""
        files = {key: self.project.path / key for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        known = {
            **{key: str(file) for key, file in files.items()},
            "AWS_REGION": "us-east-1",
            "REGISTRY": "111122223333.dkr.ecr.us-east-1.amazonaws.com",
            "ECR_REPOSITORY": "example-service",
            "IMAGE_TAG": version,
            "SECOND_TAG": "1" * 40,
            "DIGEST": f"sha256:{digest * 64}",
            "BEFORE": "",
            "WAIT_MINUTES": "0.2",
            "GITHUB_SHA": "1" * 40,
            "GITHUB_RUN_ID": "4711",
            "GITHUB_REF_TYPE": "tag",
            "PLATFORM": "linux/amd64",
        }
        for key, value in {**known, **more}.items():
            self.patch.setenv(key, value)
        self.capture.readouterr()
        self.aws.clear()
        self.deploy.target.Target.started = None
        status = self.deploy.main([word])
        self.summary = files["GITHUB_STEP_SUMMARY"].read_text()
        self.outputs = files["GITHUB_OUTPUT"].read_text()
        return status, self.capture.readouterr().out + self.summary

    def after(self, digest: str, version: str, **more: str) -> str:
        """Deploy; it must be green. Return what is read."""
        status, text = self.run("after", digest, version, **more)
        assert status == 0, text
        return text

    def asked(self) -> list[str]:
        """Return what was asked that changes something."""
        names = [one["name"] for one in self.aws.requests()]
        return [name for name in names if re.match("Create|Update", name)]

    @property
    def given(self) -> dict[str, Any]:
        """What the last creation or update was given."""
        changing = r"(Create|Update)(Express|Service)"
        every = [one for one in self.aws.requests() if re.match(changing, one["name"])]
        return dict(every[-1]["parameters"])


@pytest.fixture
def stage(
    copy: Copy,
    aws: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[[str], Stage]]:
    """Return a function that sets up a service's name, for this test alone."""
    before = set(sys.modules)

    def made(target: str) -> Stage:
        project = copy(deploy_to=target)
        name = f"s-{os.getpid()}-{re.sub('[^a-z0-9]', '', tmp_path.name.lower())}"[-40:].lstrip("-")
        stage = Stage(project, aws, name, target)
        monkeypatch.syspath_prepend(str(project.path / "scripts"))
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        stage.deploy = __import__("deploy")
        monkeypatch.setattr(stage.deploy.target, "call", stage.call)
        stage.patch, stage.capture = monkeypatch, capsys
        return stage

    yield made
    names = ("check", "deploy", "publish", "serving", "ecs_express", "app_runner")
    for name in {*names} & (set(sys.modules) - before):
        sys.modules.pop(name, None)


both = pytest.mark.parametrize("target", TARGETS)


@both
def test_settings_alone_are_deployed_too_and_their_order_is_none(
    stage: Callable[[str], Stage], target: str
) -> None:
    made = stage(target)
    write(made.project, environment={"B": HOSTILE, "A": ""}, secrets={"S": ONE})
    assert f"### Deployed v1 to {made.name}" in made.after("a", "v1")
    assert values_of(made.given)["B"] == HOSTILE
    write(made.project, environment={"A": "", "B": HOSTILE})
    assert "already: nothing was deployed" in made.after("a", "v1")
    assert made.asked() == []
    changes: list[dict[str, Any]] = [
        {"environment": {"A": ""}},
        {"secrets": {}},
        {"secrets": {"S": PARAMETER}},
        {"cpu": 1024, "memory": 3072},
        {"max_instances": 2},
        {"port": 80},
        {"health_check_path": "/"},
    ]
    for values in changes:
        write(made.project, **values)
        assert "### Deployed v1" in made.after("a", "v1"), values
        assert "nothing was deployed" in made.after("a", "v1"), values
    # Another version of the same image is what runs already.
    assert f"{made.name} runs this image already, as v1: nothing" in made.after("a", "v2")
    assert made.asked() == []


def values_of(given: dict[str, Any]) -> dict[str, str]:
    """Return the variables that a service was given."""
    if "primaryContainer" in given:
        return {each["name"]: each["value"] for each in given["primaryContainer"]["environment"]}
    image = given["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]
    return dict(image["RuntimeEnvironmentVariables"])


@both
def test_a_newer_version_that_came_meanwhile_stays_and_an_older_one_does_not(
    stage: Callable[[str], Stage], target: str
) -> None:
    made = stage(target)
    made.after("a", "v1.9.0")
    made.after("c", "v1.10.0", BEFORE=f"sha256:{'a' * 64}")
    # This run began when v1.9.0 was there, and v1.10.0 came while it built.
    text = made.after("b", "v1.9.1", BEFORE=f"sha256:{'a' * 64}")
    assert f"### {made.name} runs v1.10.0, which is newer: nothing was deployed" in text
    assert made.asked() == []
    # This one is newer than what came meanwhile.
    assert "### Deployed v1.10.1" in made.after("d", "v1.10.1", BEFORE=f"sha256:{'a' * 64}")
    # This one began afterwards: somebody wants to go back.
    assert "### Deployed v1.9.0" in made.after("a", "v1.9.0", BEFORE=f"sha256:{'d' * 64}")


@both
def test_a_first_deployment_that_fails_says_what_to_do_about_it(
    stage: Callable[[str], Stage], target: str
) -> None:
    made = stage(target)
    ends = {"ecs-express": "ROLLBACK_FAILED", "app-runner": "FAILED"}[target]
    made.aws.mood(ends=ends, reason="container exited\n::warning::with ``` 1")
    status, text = made.run("after", "a", "v1")
    assert status == 1
    assert f"{made.name} did not become steady with this image" in text
    assert "\n::warning" not in text
    assert "- (service" in text
    assert "container exited ::warning::with ''' 1" in text
    if target == "app-runner":
        assert "aws apprunner delete-service --service-arn arn:aws:apprunner:us-east-1:" in text
        status, text = made.run("before", "a", "v1")
        assert (status, "could not be created the last time" in text) == (1, True)
        assert "### Nothing was published" in text
    else:
        assert "Nothing runs there." in text
        assert "### Deployed v1" in made.after("b", "v1")


@both
def test_the_step_before_notes_what_runs(stage: Callable[[str], Stage], target: str) -> None:
    made = stage(target)
    assert made.run("before", "a", "v1") == (0, f"{made.name}: to be created\n")
    assert made.outputs == "image=\n"
    made.after("a", "v1")
    status, text = made.run("before", "b", "v2")
    assert (status, text) == (0, f"{made.name}: runs sha256:{'a' * 64} (v1)\n")
    assert made.outputs == f"image=sha256:{'a' * 64}\n"
    write(made.project, port=0)
    status, text = made.run("before", "b", "v2")
    assert (status, "service.json: port 0 is no port" in text) == (1, True)
    assert "### Nothing was published" in text
    (made.project.path / "service.json").write_text("{")
    status, text = made.run("before", "b", "v2")
    assert (status, "service.json:1: not JSON" in text) == (1, True)


@both
def test_who_creates_it_first_is_noticed(stage: Callable[[str], Stage], target: str) -> None:
    """Two runs find nothing there; the second one's creation is refused, and it looks again."""
    made = stage(target)
    find, calls = made.deploy.target.Target.find, []

    def blind(self: Any, image: str = "") -> Any:
        calls.append(image)
        return None if len(calls) == 2 else find(self, image)

    made.after("a", "v1")
    calls.append("")  # so that the next one sees nothing
    made.patch.setattr(made.deploy.target.Target, "find", blind)
    text = made.after("b", "v2", BEFORE=f"sha256:{'a' * 64}")
    assert "somebody else was faster" in text
    assert "### Deployed v2" in text


@both
def test_roles_that_are_not_there_are_made_by_bootstrap(
    stage: Callable[[str], Stage], target: str
) -> None:
    made = stage(target)
    for kind in ("infrastructure", "access"):
        made.aws.client("iam").delete_role(RoleName=f"{made.name}-{kind}")
    status, text = made.run("after", "a", "v1")
    assert (status, "Unable to assume the service linked role or the role" in text) == (1, True)
    assert "make bootstrap" in text


@both
def test_events_that_cannot_be_read_hide_nothing(
    stage: Callable[[str], Stage], target: str
) -> None:
    made = stage(target)
    ends = {"ecs-express": "ROLLBACK_FAILED", "app-runner": "FAILED"}[target]
    made.aws.mood(ends=ends)

    def no_events(_self: Any) -> list[str]:
        raise made.deploy.Refused("AccessDeniedException", "not for you")

    made.patch.setattr(made.deploy.target.Target, "events", no_events)
    status, text = made.run("after", "a", "v1")
    assert (status, "(its events cannot be read: not for you)" in text) == (1, True)
    assert "did not become steady" in text


@both
def test_a_moment_without_an_answer_ends_nothing_and_a_refusal_does(
    stage: Callable[[str], Stage], target: str
) -> None:
    made = stage(target)
    step, calls = made.deploy.target.Target.step, []

    def shaky(self: Any) -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise made.deploy.Refused(("ThrottlingException", "")[len(calls) - 1], "slow down")
        return step(self)

    made.patch.setattr(made.deploy.target.Target, "step", shaky)
    assert "no answer for a moment: ThrottlingException: slow down" in made.after("a", "v1")

    def refusing(_self: Any) -> Any:
        raise made.deploy.Refused("AccessDeniedException", "not for you")

    made.patch.setattr(made.deploy.target.Target, "step", refusing)
    status, text = made.run("after", "b", "v2")
    assert (status, "The role may not do this: not for you." in text) == (1, True)


@both
@pytest.mark.parametrize(
    ("name", "value"), [("WAIT_MINUTES", ""), ("WAIT_MINUTES", "-1"), ("DIGEST", "latest")]
)
def test_an_odd_value_of_the_job_is_named(
    stage: Callable[[str], Stage], target: str, name: str, value: str
) -> None:
    made = stage(target)
    status, text = made.run("after", "a", "v1", **{name: value})
    assert (status, f"{name} is {value!r}" in text, made.asked()) == (1, True, [])


def test_ecs_still_lists_what_has_failed_and_names_what_has_ended(
    stage: Callable[[str], Stage],
) -> None:
    """What the model allows: a failed configuration is listed, an ended deployment is current."""
    made = stage("ecs-express")
    made.after("a", "v1")
    made.aws.mood(ends="ROLLBACK_SUCCESSFUL")
    assert made.run("after", "b", "v2")[0] == 1
    call, said = made.call, {}

    def untidy(service: str, operation: str, region: str, /, **given: Any) -> Any:
        answer = call(service, operation, region, **given)
        if operation == "list-service-deployments":
            said["newest"] = answer["serviceDeployments"][0]
        if operation == "describe-express-gateway-service" and said:
            container = answer["service"]["activeConfigurations"][0]
            failed = json.loads(json.dumps(container, default=str).replace("a" * 64, "b" * 64))
            failed["serviceRevisionArn"] = said["newest"]["targetServiceRevisionArn"]
            failed["createdAt"] = "9"
            answer["service"]["activeConfigurations"].append(failed)
            answer["service"]["currentDeployment"] = said["newest"]["serviceDeploymentArn"]
        return answer

    call_for_newest = {"service": made.name, "cluster": made.name}
    untidy("ecs", "list-service-deployments", "us-east-1", **call_for_newest)
    made.patch.setattr(made.deploy.target, "call", untidy)
    text = made.after("b", "v2")
    assert made.asked() == ["UpdateExpressGatewayService"]
    assert "waiting for somebody else" not in text


@both
def test_what_others_have_named_is_no_command_of_the_runner(
    stage: Callable[[str], Stage], target: str
) -> None:
    made = stage(target)
    gap = " " if target == "app-runner" else "\n"  # which App Runner refuses
    made.after("a", f"v1{gap}::error::owned{gap}##[add-mask]x")
    status, text = made.run("before", "b", "v2")
    assert status == 0
    assert "(v1 ::error::owned # #[add-mask]x)" in text
    assert "\n::" not in text


@both
def test_a_candidate_comes_before_its_release(stage: Callable[[str], Stage], target: str) -> None:
    made = stage(target)
    made.after("a", "v2.0.0-rc.1")
    before = f"sha256:{'0' * 64}"
    assert "### Deployed v2.0.0 to" in made.after("b", "v2.0.0", BEFORE=before)
    text = made.after("c", "v2.0.0-rc.2", BEFORE=before)
    assert "runs v2.0.0, which is newer: nothing was deployed" in text
    assert made.asked() == []


def test_ecs_without_its_cluster_or_for_arm64(stage: Callable[[str], Stage]) -> None:
    made = stage("ecs-express")
    made.after("a", "v1", PLATFORM="linux/arm64")
    assert made.given["cpuArchitecture"] == "ARM64"
    assert "nothing was deployed" in made.after("a", "v1", PLATFORM="linux/arm64")
    made.after("b", "v2")
    assert made.given["cpuArchitecture"] == "X86_64"
    made.rename(f"x{made.name}"[:40])
    status, text = made.run("after", "a", "v1")
    assert (status, "There is no ECS cluster" in text, "make bootstrap" in text) == (1, True, True)


def test_app_runner_scaling_that_somebody_has_changed_is_named(
    stage: Callable[[str], Stage],
) -> None:
    made = stage("app-runner")
    write(made.project, min_instances=7, max_instances=9)
    made.aws.client("apprunner").create_auto_scaling_configuration(
        AutoScalingConfigurationName="instances-7-9", MinSize=1, MaxSize=9
    )
    status, text = made.run("after", "a", "v1")
    assert (status, "instances-7-9 is for 1 to 9 instances" in text) == (1, True)
    assert "aws apprunner delete-auto-scaling-configuration" in text
    assert not [name for name in made.asked() if name.startswith("CreateService")]
