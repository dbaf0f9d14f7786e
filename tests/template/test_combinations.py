"""All combinations of answers: each value, each pair, and the product of what shapes trust."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from itertools import product
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from keyless.model.account import parse_account
from keyless.model.subjects import trust_statement

from tests.conftest import Bake, Copy, Run
from tests.standins.emulator import ROOT
from tests.standins.iam import assume_allowed
from tests.support.attacks import FAMILIES, HOST, MAIN, TAG, WITH_IDS, Claims, Grant, cases
from tests.support.combinations import Answers, every, missing_pairs, pairwise, readable, values
from tests.support.edits import TFVARS
from tests.support.generating import expected, files, workflow
from tests.support.project import Project


def test_each_value_and_each_pair_of_values_is_tried() -> None:
    tried = every()
    assert missing_pairs(tried) == []
    assert missing_pairs(pairwise()[:-1]) != [], "the measure itself would notice"
    alone = [each for each in tried if len(each) < 2]
    assert len(alone) == 1 + sum(len(items) - 1 for items in values().values())
    assert len(tried) >= 30


@pytest.mark.parametrize("answers", every(), ids=readable)
@pytest.mark.slow
def test_a_project_passes_its_own_checks(bake: Bake, run: Run, answers: Answers) -> None:
    """The hook has judged it once; here each program judges it by itself."""
    project = bake(**answers)
    parses_and_holds_no_template_syntax(project)
    no_job_that_builds_can_ask_for_more_than_it_needs(project)
    done = run(sys.executable, "-B", ".github/keyless", "check", cwd=project.path)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout
    flows = sorted((project.path / ".github/workflows").glob("*.yml"))
    linted = run("actionlint", "-shellcheck=shellcheck", *flows, cwd=project.path)
    assert (linted.returncode, linted.stdout) == (0, "")
    judged = run("zizmor", "--offline", "--no-progress", ".", cwd=project.path)
    assert judged.returncode == 0, judged.stdout
    assert "No findings to report" in judged.stdout
    done = run("hadolint", "Dockerfile", cwd=project.path)
    assert (done.returncode, done.stdout) == (0, "")
    done = run("terraform", "fmt", "-check", "-recursive", "-diff", cwd=project.path)
    assert done.returncode == 0, done.stdout


def parses_and_holds_no_template_syntax(project: Project) -> None:
    assert files(project.path) == expected(project)
    for name in expected(project):
        text = (project.path / name).read_text()
        assert not re.search(r"<<|<%|<#|# %|(?<!\.)cookiecutter\.", text), name
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n"), name
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), name
        assert name.endswith(".py") or "\n\n\n" not in text, name
        if name.endswith(".json"):
            json.loads(text)
        elif name.endswith((".yml", ".yaml")):
            yaml.safe_load(text)
        elif name.endswith((".tf", ".hcl")):
            hcl2.loads(text)
        elif name.endswith(".py"):
            ast.parse(text, feature_version=(3, 9))


def no_job_that_builds_can_ask_for_more_than_it_needs(project: Project) -> None:
    deploy, ci = workflow(project, "deploy.yml"), workflow(project, "ci.yml")
    assert deploy["permissions"] == ci["permissions"] == {}
    jobs = deploy["jobs"]
    both = project.answers["platform"] == "both"
    asking = {"look", "publish"} if both and not project.answers["github_environment"] else set()
    for name, job in jobs.items():
        token = {"id-token": "write"} if name in {"publish", *asking} else {}
        reads = {} if name == "refuse" else {"contents": "read"}
        assert job["permissions"] == {**reads, **token}
        builds = any("build-push-action" in item.get("uses", "") for item in job["steps"])
        assert builds == (name in ("build-amd64", "build-arm64") if both else name == "publish")
        assert "environment" not in job or name == "publish"
    assert {str(job["permissions"]) for job in ci["jobs"].values()} == {"{'contents': 'read'}"}
    for name in ("deploy.yml", "ci.yml"):
        text = (project.path / ".github/workflows" / name).read_text()
        assert text.count("\n") < (270 if both else 170), "it can be read as a whole"
        scripts = re.findall(r"(?m)^( +)run: \|\n((?:\1  .*\n)+)", text)
        assert all(script.count("\n") <= 12 for _, script in scripts)
        assert "secrets" not in text
        assert "pull_request_target" not in text
        for job in workflow(project, name)["jobs"].values():
            most = 60 if both else 30
            most += 30 * (project.answers["deploy_to"] != "nothing")
            assert int(job["timeout-minutes"]) <= most
            for item in job["steps"]:
                assert "${{" not in item.get("run", "")
                if item.get("uses", "").startswith("actions/checkout@"):
                    assert item["with"] == {"persist-credentials": "false"}


# What shapes trust, as a full product: no pair hides behind another.
PARTITIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
TRUST = [
    dict(zip(("deploy_on", "github_environment", "oidc_provider", "aws_region"), row, strict=True))
    for row in product(
        ["release", "tag", "branch"],
        ["", "production"],
        ["create", "existing"],
        PARTITIONS.values(),
    )
]


def policy_of(project: Project) -> dict[str, Any]:
    """Return the trust policy of a project; test_subjects.py proves that it is Terraform's, too."""
    text = (project.path / TFVARS).read_text()
    known = text.replace('_prefix": null', f'_prefix": "{WITH_IDS}"')
    account = parse_account({TFVARS: known})
    (entry,) = account.entries.values()
    return {"Version": "2012-10-17", "Statement": [trust_statement(account, entry)]}


@pytest.mark.parametrize("answers", TRUST, ids=readable)
@pytest.mark.slow
def test_the_attack_matrix_holds_for_each_trust(bake: Bake, answers: Answers) -> None:
    policy = policy_of(bake(**answers))
    (partition,) = [name for name in PARTITIONS if PARTITIONS[name] == answers["aws_region"]]
    arn = f"arn:{partition}:iam::111122223333:oidc-provider/{HOST}"
    branch = answers["deploy_on"] == "branch"
    in_environment = answers["github_environment"] != ""
    if not in_environment:
        grant = Grant("branch", WITH_IDS, MAIN) if branch else Grant("tags", WITH_IDS, *TAG)
    else:  # the ref is tested beside it where AWS knows that key
        role = "environment" if partition == "aws" else "an environment alone"
        grant = Grant(role, WITH_IDS, "environment:production")
    tried = cases([grant], FAMILIES)
    wrong = []
    for case in tried:
        claims = as_there(case.claims, partition, in_environment and branch)
        if assume_allowed(policy, arn, claims) is not case.meant:
            wrong.append(case)
    assert wrong == []
    assert sum(not case.meant for case in tried) > 200
    assert sum(case.meant for case in tried) > 5


def as_there(claims: Claims, partition: str, branch: bool) -> Claims:
    """Return claims with China's audience and the usual one exchanged, and both kinds of refs."""
    claims = dict(claims)
    usual, china = "amazonaws.com", "amazonaws.com.cn"
    if partition == "aws-cn" and "aud" in claims:
        text = json.dumps(claims["aud"])
        claims["aud"] = json.loads(
            text.replace(china, "\\u0000").replace(usual, china).replace("\\u0000", usual)
        )
    refs = {"refs/heads/main": "refs/tags/v1.2.0", "refs/tags/v1.2.0": "refs/heads/main"}
    if branch and isinstance(claims.get("ref"), str):
        claims["ref"] = refs.get(claims["ref"], claims["ref"])
    return claims


def test_a_trust_that_ignores_an_answer_fails_the_matrix(bake: Bake) -> None:
    """Each answer that shapes trust is needed: with another one's policy something passes."""
    tags = cases([Grant("tags", WITH_IDS, *TAG)], FAMILIES)
    arn = f"arn:aws:iam::111122223333:oidc-provider/{HOST}"
    for other in (
        {"deploy_on": "branch"},
        {"github_environment": "production"},
        {"aws_region": "cn-north-1"},
    ):
        policy = policy_of(bake(**other))
        assert [one for one in tags if assume_allowed(policy, arn, one.claims) is not one.meant]


@pytest.mark.slow
def test_scanners_find_nothing_that_is_not_explained(copy: Copy, run: Run, tmp_path: Path) -> None:
    """Each distinct content of infra/ at once; what is suppressed says why in the same line."""
    folder = tmp_path / "contents"
    contents = [*product(["commit", "latest"], ["release", "branch"], ["nothing"])]
    contents += [("commit", "release", target) for target in ("ecs-express", "app-runner")]
    for second_tag, deploy_on, target in contents:
        slug = f"{second_tag}-{deploy_on}{f'-{target}' * (target != 'nothing')}"
        project = copy(
            second_tag=second_tag, deploy_on=deploy_on, deploy_to=target, project_slug=slug
        )
        shutil.copytree(project.path, folder / project.path.name)
    scanner = ROOT / ".venv/scan/bin/checkov"
    assert scanner.exists(), "checkov is missing; install it: make .venv/scan/done"
    command = (scanner, "--directory", folder, "--compact", "--quiet", "--skip-download")
    done = run(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "Failed checks: 0" in done.stdout
    text = (folder / "latest-branch/infra/repository/registry.tf").read_text()
    skips = re.findall(r"#\s*(?:checkov:skip|trivy:ignore).*", text)
    assert all(re.search(r"[:=][A-Z\d_-]+:? .{20,}", skip) for skip in skips), skips
    registry = folder / "commit-release/infra/repository/registry.tf"
    registry.write_text(registry.read_text().replace('"IMMUTABLE"', '"MUTABLE"'))
    done = run(*command, "--framework", "terraform", cwd=tmp_path)
    assert "CKV_AWS_51" in done.stdout, "it is seen to object"


@pytest.mark.slow
def test_pre_commit_is_green_on_a_fresh_project(copy: Copy, run: Run) -> None:
    """Its tools are those of this environment: actionlint's download is no part of the project."""
    project = copy()
    config = project.path / ".pre-commit-config.yaml"
    text = re.sub(
        r"language: python\n +additional_dependencies: .*", "language: system", config.read_text()
    )
    config.write_text(text)
    for arguments in (["init", "--quiet"], ["add", "--all"]):
        assert run("git", *arguments, cwd=project.path).returncode == 0
    command = (ROOT / ".venv/scan/bin/pre-commit", "run", "--all-files")
    done = run(*command, cwd=project.path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Passed") == len(yaml.safe_load(text)["repos"][0]["hooks"]) == 3
    path = project.path / ".github/workflows/deploy.yml"
    path.write_text(path.read_text().replace("id-token: write", "id-token: wrote"))
    done = run(*command, cwd=project.path)
    assert done.stdout.count("Failed") == 2, done.stdout
