"""A service and the repository that holds its infra/: the check works across the two.

The central one writes services/KEY.json, the service keeps it as infra.json. Each part of either
side is broken once, and caught where it can be seen.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from keyless.model.account import read_account
from keyless.planning.entries import infra_of_entries

from tests.conftest import Bake, Copy, Run
from tests.standins import runner
from tests.standins.hub import Hub
from tests.support.check import judge
from tests.support.project import Project

CALLED = "octo-org/example-service/.github/workflows/publish-image.yml@refs/tags/v1"
DEPLOY = ".github/workflows/deploy.yml"
SHARED = ".github/workflows/publish-image.yml"
TFVARS = "infra/terraform.tfvars.json"

Edit = Callable[[Path], object]


def entry(key: str, **different: Any) -> dict[str, Any]:
    """Return the entry of a service."""
    return {
        "github_repository": f"octo-org/{key}",
        "subject_prefix": f"repo:octo-org@123456/{key}@9",
        "refs": ["refs/tags/v*"],
        "environment": None,
        "ecr_repository": key,
        "role_name": f"{key}-push",
        **different,
    }


def with_services(project: Project, run: Run) -> Project:
    """Let a project hold the infra/ of two services: one has its own job, one calls a workflow."""
    values = project.tfvars
    values["repositories"]["own"] = entry("own")
    values["repositories"]["web"] = entry("web", job_workflow_ref=CALLED)
    branch = {"refs": ["refs/heads/main"], "job_workflow_ref": CALLED}
    values["repositories"]["zzz"] = entry("zzz", **branch)
    (project.path / TFVARS).write_text(json.dumps(values, indent=2))
    shared = (project.path / "infra/shared/publish-image.yml").read_text()
    text = shared.replace("OWNER/NAME/", "octo-org/example-service/").replace("@REF", "@v1")
    (project.path / SHARED).write_text(text)
    done = run(sys.executable, "-B", ".github/keyless", "outputs", cwd=project.path)
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture(scope="module")
def written(bake: Bake, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder services/ of a central repository."""
    folder = tmp_path_factory.mktemp("central") / "example-service"
    return with_services(Project(shutil.copytree(bake().path, folder)), run).path / "services"


def service(copy: Copy, written: Path, key: str) -> Path:
    """Return a service with what the central repository has written for it."""
    path = copy(github_repository=f"octo-org/{key}", iac_tool="none").path
    shutil.copy(written / f"{key}.json", path / "infra.json")
    if key == "web":
        shutil.copy(written / "web.yml", path / DEPLOY)
    return path


def judged(path: Path) -> tuple[int, set[str], str]:
    """Return status, rules and output of a repository's check."""
    status, printed = judge(path)
    return status, set(re.findall(r"(?m)^\S+:\d+: (\S+) ", printed)), printed


def replaced(name: str, before: str, after: str) -> Edit:
    """Return an edit of one text in a file."""

    def act(path: Path) -> None:
        text = (path / name).read_text()
        assert before in text, before
        (path / name).write_text(text.replace(before, after))

    return act


def both(*edits: Edit) -> Edit:
    """Return several edits as one."""
    return lambda path: [edit(path) for edit in edits]


def said(**values: Any) -> Edit:
    """Return an edit of infra.json; an entry's value where the entry has it."""

    def act(path: Path) -> None:
        content = json.loads((path / "infra.json").read_text())
        (own,) = content["repositories"].values()
        for key, value in values.items():
            (own if key in own or key == "job_workflow_ref" else content)[key] = value
        (path / "infra.json").write_text(json.dumps(content, indent=2))

    return act


def lacks(key: str) -> Edit:
    """Return an edit that removes a value of infra.json."""

    def act(path: Path) -> None:
        content = json.loads((path / "infra.json").read_text())
        del content[key]
        (path / "infra.json").write_text(json.dumps(content, indent=2))

    return act


EXPIRING = {
    "rulePriority": 2,
    "selection": {
        "tagStatus": "any",
        "countType": "imageCountMoreThan",
        "countNumber": 5,
    },
    "action": {"type": "expire"},
}
PUSH = "ecr:BatchCheckLayerAvailability ecr:BatchGetImage ecr:CompleteLayerUpload"

# What the central repository says, or the service does, and the rule that catches it.
OWN: dict[str, tuple[Edit, str]] = {
    "another role": (said(role_name="other-push"), "same-role"),
    "another account": (said(aws_account_id="444455556666"), "same-role"),
    "another region": (said(aws_region="eu-west-1"), "same-region"),
    "another registry": (said(ecr_repository="other"), "same-registry"),
    "another ref": (said(refs=["refs/heads/main"]), "subject"),
    "an environment": (said(environment="production"), "subject"),
    "a path of the role": (said(role_path="/ci/"), "same-role"),
    "a subject of another one": (said(subject_prefix="repo:octo-org@1/other@2"), "subject"),
    "one workflow alone": (said(job_workflow_ref=CALLED), "subject"),
    "tags that move": (said(image_tag_mutability="MUTABLE"), "unique-tags"),
    "more that moves": (
        said(image_tag_mutability="IMMUTABLE_WITH_EXCLUSION", excluded_tags=["v*"]),
        "unique-tags",
    ),
    "less granted": (said(push_actions=PUSH.split()), "least-actions"),
    "a lifecycle that expires": (said(lifecycle={"rules": [EXPIRING]}), "lifecycle"),
    "a key that is none": (said(kms="x"), "known-keys"),
    "no mutability": (lacks("image_tag_mutability"), ""),
    "no lifecycle": (lacks("lifecycle"), ""),
    "no entry": (said(repositories={}), ""),
    "another role in deploy.yml": (replaced(DEPLOY, "role/own-push", "role/x"), "same-role"),
    "no if": (replaced(DEPLOY, "if: ${{ startsWith(github", "if: ${{ true }} # ${{"), "subject"),
}
CALLER: dict[str, tuple[Edit, str]] = {
    "another ref of the workflow": (replaced(DEPLOY, ".yml@v1", ".yml@main"), "subject"),
    "a commit of the workflow": (replaced(DEPLOY, ".yml@v1", f".yml@{'a' * 40}"), "subject"),
    "another role": (replaced(DEPLOY, "role/web-push", "role/own-push"), "same-role"),
    "another region": (replaced(DEPLOY, '"us-east-1"', '"eu-west-1"'), "same-region"),
    "another registry": (
        replaced(DEPLOY, 'repository: "web"', 'repository: "own"'),
        "same-registry",
    ),
    "no registry": (replaced(DEPLOY, '      ecr-repository: "web"\n', ""), "same-registry"),
    "any tag": (replaced(DEPLOY, "'refs/tags/v'", "'refs/tags/'"), "subject"),
    "no if": (
        replaced(DEPLOY, "    if: ${{ startsWith(github.ref, 'refs/tags/v') }}\n", ""),
        "subject",
    ),
    "an environment": (
        replaced(DEPLOY, "      aws-region", '      environment: "production"\n      aws-region'),
        "subject",
    ),
    "no token": (replaced(DEPLOY, ", id-token: write", ""), "least-permissions"),
    "more permissions": (
        replaced(DEPLOY, "contents: read", "contents: write"),
        "least-permissions",
    ),
    "a pull request": (
        both(
            replaced(DEPLOY, "permissions: {}\njobs", "  issue_comment:\npermissions: {}\njobs"),
            replaced(DEPLOY, "if: ${{ startsWith(github", "if: ${{ true }} # ${{"),
        ),
        "untrusted-trigger",
    ),
    "a version that is another one": (
        replaced(DEPLOY, "${{ github.ref_name }}", "${{ github.run_id }}"),
        "unique-tags",
    ),
    "what GitHub refuses beside it": (
        replaced(DEPLOY, "    with:", "    runs-on: ubuntu-24.04\n    with:"),
        "cannot-be-judged",
    ),
    "no workflow that is trusted": (said(job_workflow_ref=None), "least-permissions"),
}
CENTRAL: dict[str, tuple[Edit, str]] = {
    "a role of its own": (
        replaced(SHARED, "${{ inputs.role-to-assume }}", "arn:aws:iam::111122223333:role/x"),
        "same-role",
    ),
    "another region": (replaced(SHARED, "${{ inputs.aws-region }}", "eu-west-1"), "same-region"),
    "another registry": (replaced(SHARED, "${{ inputs.ecr-repository }}", "x"), "same-registry"),
    "no environment": (replaced(SHARED, "${{ inputs.environment }}", "production"), "subject"),
    "no provenance": (replaced(SHARED, "provenance: false", "pull: true"), "explicit-provenance"),
    "a tag that is one for all": (replaced(SHARED, "${{ inputs.version }}", "new"), "unique-tags"),
    "no push": (replaced(SHARED, "  push: true", "  push: false"), "cannot-be-judged"),
    "a tool of another ref": (replaced(SHARED, "keyless@v1", "keyless@main"), "pinned-actions"),
    "an action by its tag": (
        replaced(SHARED, "@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"),
        "pinned-actions",
    ),
    "an input in a script": (
        replaced(
            SHARED, 'keyless" publish name', 'keyless" publish name ${{ inputs.environment }}'
        ),
        "no-injection",
    ),
    "nothing that judges": (
        replaced(SHARED, 'keyless" publish after', 'keyless" publish name'),
        "publish-once",
    ),
    "no more permissions": (
        replaced(SHARED, "id-token: write", "packages: write"),
        "least-permissions",
    ),
    "a workflow of a stranger": (
        replaced(TFVARS, "octo-org/example-service/.github", "evil/other/.github"),
        "subject",
    ),
    "a workflow that is not there": (replaced(TFVARS, "publish-image.yml", "no.yml"), "subject"),
    "an input more": (
        replaced(
            SHARED, "    inputs:\n", "    inputs:\n      more: {type: string, required: true}\n"
        ),
        "cannot-be-judged",
    ),
    "an input less": (
        both(
            replaced(SHARED, "      aws-region:\n", "      region:\n"),
            replaced(SHARED, "inputs.aws-region", "inputs.region"),
        ),
        "cannot-be-judged",
    ),
    "a session that is longer": (
        both(
            replaced(SHARED, "seconds: 3600", "seconds: 7200"),
            replaced(TFVARS, '"web-push",', '"web-push", "max_session_duration": 7200,'),
            replaced(TFVARS, '"zzz-push",', '"zzz-push", "max_session_duration": 3600,'),
        ),
        "session-duration",
    ),
    "another ref in the trust": (replaced(TFVARS, "@refs/tags/v1", "@v1"), "subject"),
    "a workflow that is none": (replaced(TFVARS, "publish-image.yml", "x.txt"), "subject"),
}


@pytest.mark.parametrize("key", ["own", "web"])
def test_what_was_written_for_a_service_agrees_with_it(
    copy: Copy, run: Run, written: Path, key: str
) -> None:
    path = service(copy, written, key)
    assert judged(path)[0] == 0
    linted = run("actionlint", "-no-color", DEPLOY, cwd=path)
    assert linted.stdout == ""
    done = run("zizmor", "--offline", "--no-progress", ".", cwd=path)
    text = (written / f"{key}.json").read_text()
    assert "No findings" in done.stdout or key == "web", done.stdout
    assert len(text) < 2500
    assert "secret" not in text.lower()


@pytest.mark.parametrize("name", OWN)
def test_a_service_that_does_not_fit_is_caught(copy: Copy, written: Path, name: str) -> None:
    change, rule = OWN[name]
    path = service(copy, written, "own")
    change(path)
    status, rules, printed = judged(path)
    assert status == (1 if rule else 2), printed
    assert rule in rules or not rule, printed
    assert "infra/" not in printed.partition(" ")[0]


@pytest.mark.parametrize("name", CALLER)
def test_a_caller_that_does_not_fit_is_caught(copy: Copy, written: Path, name: str) -> None:
    change, rule = CALLER[name]
    path = service(copy, written, "web")
    change(path)
    status, rules, printed = judged(path)
    assert status == (2 if rules == {"cannot-be-judged"} else 1), printed
    assert rule in rules, printed


def test_an_environment_is_passed_to_the_workflow_that_is_called(copy: Copy, run: Run) -> None:
    central = with_services(copy(), run)
    values = central.tfvars
    values["repositories"]["web"]["environment"] = "eu: production"
    (central.path / TFVARS).write_text(json.dumps(values))
    assert run(sys.executable, "-B", ".github/keyless", "outputs", cwd=central.path).returncode == 0
    assert judged(central.path)[0] == 0
    path = copy_of_service(central.path, copy)
    assert judged(path)[0] == 0
    replaced(DEPLOY, "eu: production", "eu: staging")(path)
    assert judged(path)[1] == {"subject"}


def copy_of_service(central: Path, copy: Copy) -> Path:
    """Return the calling service, with what a central repository has written a moment ago."""
    shutil.move(central.parent, central.parent.with_name("moved"))
    return service(copy, central.parent.with_name("moved") / central.name / "services", "web")


def test_a_folder_of_that_name_is_no_infra(copy: Copy, written: Path) -> None:
    path = service(copy, written, "own")
    (path / "infra").mkdir()
    (path / "infra/main.bicep").write_text("")
    assert judged(path)[0] == 0


def test_a_service_that_nobody_has_added_says_so(copy: Copy) -> None:
    status, _, printed = judged(copy(iac_tool="none").path)
    assert status == 0
    assert "the answers (to get infra.json, type: make fetch FROM=OWNER/NAME) agree" in printed


def test_a_workflow_that_nobody_calls_any_more_is_in_nobodys_way(copy: Copy, run: Run) -> None:
    central = with_services(copy(), run)
    values = central.tfvars
    del values["repositories"]["web"], values["repositories"]["zzz"]
    (central.path / TFVARS).write_text(json.dumps(values))
    assert judged(central.path)[0] == 0


@pytest.mark.parametrize("name", CENTRAL)
def test_a_workflow_for_others_that_does_not_fit_is_caught(copy: Copy, run: Run, name: str) -> None:
    change, rule = CENTRAL[name]
    central = with_services(copy(), run)
    assert judged(central.path)[0] == 0
    change(central.path)
    status, rules, printed = judged(central.path)
    assert status == (2 if rules == {"cannot-be-judged"} else 1), printed
    assert rule in rules, printed


@pytest.mark.slow
def test_an_infra_that_cannot_be_planned_writes_nothing_for_others(copy: Copy, run: Run) -> None:
    central = with_services(copy(), run)
    (central.path / "infra/more.tf").write_text('variable "more" {\n  type = string\n}\n')
    done = run(sys.executable, "-B", ".github/keyless", "outputs", cwd=central.path)
    assert done.returncode == 1
    assert "No value for required variable" in " ".join(done.stdout.split())


def test_a_changed_infra_writes_what_its_plan_shows(
    copy: Copy, run: Run, planning: Callable[[Project], Project]
) -> None:
    central = with_services(planning(copy()), run)
    registry = central.path / "infra/repository/registry.tf"
    registry.write_text(registry.read_text().replace('"IMMUTABLE"', '"MUTABLE"'))
    account = read_account(central.path)
    found = infra_of_entries(central.path, account)
    assert {key: each.mutability for key, each in found.items()} == dict.fromkeys(found, "MUTABLE")
    assert len(found) > 1


def test_make_fetch_takes_what_the_central_repository_says(
    copy: Copy, run: Run, written: Path, tmp_path: Path
) -> None:
    path, hub = service(copy, written, "own"), Hub(tmp_path / "hub")
    (path / "infra.json").write_text("{}")
    hub.create("octo-org/example-service")
    (path / ".venv/bin").mkdir(parents=True)
    (path / ".venv/bin/python").symlink_to(sys.executable)
    known = {**os.environ, **hub.environment()}
    # Nothing is there yet, and nothing is lost.
    done = run("make", "fetch", "FROM=octo-org/example-service", cwd=path, env=known)
    assert (done.returncode, (path / "infra.json").read_text()) == (2, "{}")
    assert not (path / "infra.json.new").exists()
    runner.commit(written.parent)
    bare = str(hub.bare("octo-org/example-service"))
    runner.git(written.parent, "push", "--quiet", bare, "main")
    done = run("make", "fetch", "FROM=octo-org/example-service", cwd=path, env=known)
    assert done.returncode == 0, done.stdout
    assert (path / "infra.json").read_text() == (written / "own.json").read_text()
    # From then on it knows where it comes from, and says so.
    assert run("make", "fetch", cwd=path, env=known).returncode == 0
    assert run("make", "caller", cwd=path, env=known).returncode != 0
    done = run("make", "caller", "KEY=web", cwd=path, env=known)
    assert done.returncode == 0, done.stdout
    assert (path / DEPLOY).read_text() == (written / "web.yml").read_text()
    fetched = (path / "infra.json").read_text()
    replaced("infra.json", '"written_by": "', '"written_by": "nobody yet: ')(path)
    assert "It is not known which repository has the infra/ for this one." in (
        run("make", "fetch", "FROM=", cwd=path, env=known).stdout
    )
    (path / "infra.json").write_text(fetched)
    told = run("make", "bootstrap", cwd=path, env=known)
    assert (
        "infra/ of this repository is in octo-org/example-service. Type make bootstrap there."
        in (told.stdout)
    )
    assert told.returncode != 0
