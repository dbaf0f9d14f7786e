"""The check as a whole: what it prints, what it refuses to judge, shapes of workflows, explain."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bake, Copy, Run
from tests.standins.emulator import ROOT
from tests.standins.hub import Hub
from tests.support.check import judge
from tests.support.edits import CI, DEPLOY, LIFECYCLE, TFVARS
from tests.support.edits import change as change_file
from tests.support.project import Project

CHECK = (sys.executable, "-B", ".github/keyless", "check")


def change(project: Project, name: str, before: str, after: str) -> None:
    """Replace the first place of a part that must be there."""
    change_file(project.path / name, before, after)


def check(project: Project) -> tuple[int, str]:
    """Run the check in this process; return exit status and everything printed."""
    return judge(project.path)


def test_a_finding_points_at_the_line(copy: Copy) -> None:
    project = copy()
    change(project, DEPLOY, 'aws-region: "us-east-1"', 'aws-region: "us-east-2"')
    text = (project.path / DEPLOY).read_text().splitlines()
    line = next(n for n, content in enumerate(text, 1) if "aws-region" in content)
    assert check(project)[1].startswith(f"{DEPLOY}:{line}: same-region aws-region is us-east-2")


def test_a_remedy_can_be_typed_as_it_is(copy: Copy) -> None:
    project = copy(github_environment="eu: prod (#1)")
    change(project, DEPLOY, '"eu: prod (#1)"', "staging")
    assert 'write environment: "eu: prod (#1)"' in check(project)[1]


def test_a_timer_that_only_gives_an_old_image_a_new_number_is_reported(copy: Copy) -> None:
    project = copy(deploy_on="branch")
    timer = '    branches: [main]\n  schedule: [{cron: "0 4 * * 1"}]\n'
    change(project, DEPLOY, "    branches: [main]\n", timer)
    status, printed = check(project)
    assert (status, printed.split()[1]) == (1, "unique-tags")
    assert "nothing is built and the old image only gets another tag" in printed
    change(project, DEPLOY, "SECOND_TAG: ${{ github.sha }}", "SECOND_TAG: latest")
    assert "only gets another tag" not in check(project)[1], "with latest it is built again"


def test_several_accounts_and_environments_are_refused_with_the_true_reason(copy: Copy) -> None:
    project = copy(github_environment="production")
    text = (project.path / DEPLOY).read_text()
    job = text[text.index("  publish:\n") : text.index("  refuse:\n")]
    staging = job.replace("  publish:", "  staging:").replace('"production"', '"staging"')
    (project.path / DEPLOY).write_text(f"{text}\n{staging}")
    assert (
        "A second environment needs its own entry, with a role and an ECR repository"
        in check(project)[1]
    )
    values = project.tfvars
    own = values["repositories"]["example-service"]
    role = {"role_name": "example-service-staging-push", "environment": "staging"}
    values["repositories"]["staging"] = {**own, **role}
    (project.path / TFVARS).write_text(json.dumps(values, indent=2))
    assert "Each environment has one entry, one role and one ECR repository" in check(project)[1]
    values["repositories"]["staging"]["ecr_repository"] = "staging"
    (project.path / TFVARS).write_text(json.dumps(values, indent=2))
    own_role = staging.replace("example-service-push", role["role_name"])
    own_role = own_role.replace('ECR_REPOSITORY: "example-service"', "ECR_REPOSITORY: staging")
    (project.path / DEPLOY).write_text(f"{text}\n{own_role}")
    assert check(project)[0] == 0, "one entry, one role and one registry for each works"
    account = own_role.replace("111122223333", "444455556666")
    (project.path / DEPLOY).write_text(f"{text}\n{account}")
    printed = check(project)[1]
    assert "several accounts in one repository are not supported yet" in printed
    assert "pushed twice or more" not in printed


def test_a_job_that_calls_foreign_code_cannot_ask_for_a_token(copy: Copy) -> None:
    project = copy()
    call = f"  call:\n    uses: evil/repo/.github/workflows/x.yml@{'0' * 40} # v1\n"
    call += "    permissions:\n      id-token: write\n"
    path = project.path / CI
    path.write_text(path.read_text() + call)
    status, printed = check(project)
    assert (status, printed.split()[1]) == (1, "least-permissions")


def test_a_finding_can_be_printed_on_any_console(copy: Copy, run: Run) -> None:
    project = copy()
    change(project, DEPLOY, "SECOND_TAG: ${{ github.sha }}", "SECOND_TAG: caf\u00e9")
    given = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run(*CHECK, cwd=project.path, env=given)
    assert (done.returncode, "the tag caf\\xe9 can be" in done.stdout) == (1, True)


def test_other_files_beside_the_workflows_are_left_alone(copy: Copy) -> None:
    project = copy()
    folder = project.path / ".github/workflows"
    (folder / "notes.ysomethingml").write_text("jobs")
    (folder / "folder.yml").mkdir()
    (folder / ".#deploy.yml").symlink_to("nowhere")
    assert check(project)[0] == 0


VALUES = (
    '{"aws_account_id": "111122223333", "aws_region": "us-east-1", "create_oidc_provider": true, '
)


def test_each_job_is_held_against_the_entry_of_its_role(copy: Copy) -> None:
    project = copy()
    entry = '"example-service": {'
    other = (
        entry.replace("example", "a")
        + '"github_repository": "octo-org/aa", "refs": ["refs/tags/v*"],'
    )
    other += ' "ecr_repository": "aa", "role_name": "aa-push"},\n    '
    change(project, TFVARS, entry, other + entry)
    assert check(project)[0] == 0


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (TFVARS, None, "cannot be read"),
        (TFVARS, "{", "not JSON"),
        (TFVARS, "[" * 100_000, "not JSON"),
        (TFVARS, f'{{"aws_region": {"1" * 5000}}}', "not JSON"),
        (
            TFVARS,
            VALUES + '"repositories": {"a": {"github_rep'
            'ository": "o/a", "ecr_repository": "a", "role_name": "a", "refs": [1]}}}',
            "refs of a must be a list of text",
        ),
        (TFVARS, "[]", "aws_account_id must be text of 12 digits"),
        (TFVARS, VALUES + '"x": 1}', "repositories has no entry"),
        (TFVARS, VALUES + '"repositories": {"a": 1}}', "github_repository of a must be text"),
        (TFVARS, VALUES.replace("us-east-1", "us-east1"), "not JSON"),
        (
            TFVARS,
            VALUES.replace("us-east-1", "us-east1") + '"x": 1}',
            "aws_region must be the code of a region",
        ),
        (
            TFVARS,
            VALUES + '"oidc_issuer": "https://gitlab.com"}',
            "oidc_issuer is not an issuer of GitHub",
        ),
        (
            TFVARS,
            VALUES + '"oidc_issuer": "https://token.actions.githubusercontent.com.evil.example"}',
            "oidc_issuer is not an issuer of GitHub",
        ),
        (TFVARS, VALUES + '"role_path": "github"}', "role_path must be like /NAME/"),
        (
            TFVARS,
            VALUES.replace("true", "null") + '"x": 1}',
            "create_oidc_provider must be true or false",
        ),
        (TFVARS, VALUES + '"x": NaN}', "NaN is not a value"),
        (LIFECYCLE, None, "cannot be read"),
        (TFVARS, '{"aws_region": "a", "aws_region": "b"}', "twice"),
        (DEPLOY, "a: [", "not YAML"),
        (DEPLOY, "", "no jobs"),
        (DEPLOY, "jobs: 1", "no jobs"),
        (DEPLOY, "jobs: &a [*a]", "not YAML"),
        (DEPLOY, "jobs: &a {x: *a}", "not YAML"),
        (DEPLOY, "? [a]\n: b", "not YAML"),
    ],
)
def test_a_file_that_cannot_be_judged_is_said_in_one_line(
    copy: Copy, name: str, content: str | None, says: str
) -> None:
    project = copy()
    if content is None:
        (project.path / name).unlink()
    else:
        (project.path / name).write_text(content)
    status, printed = check(project)
    assert status == 2
    assert says in printed
    assert printed.count("\n") == 1
    assert "Traceback" not in printed


def test_without_pyyaml_it_says_how_to_install_it(bake: Bake, run: Run, tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise ModuleNotFoundError('no yaml', name='yaml')\n")
    project = bake()
    done = run(
        *CHECK,
        cwd=project.path,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert "make check" in done.stdout


# Workflows of other shapes, as public documentation describes them, in the place of deploy.yml, and
# what must be found; `cannot-be-judged` alone is exit status 2.
SHAPES = {
    "after-ci-workflow-run": "untrusted-trigger least-permissions no-injection subject",
    "bake-on-release": "subject cannot-be-judged",
    "dispatch-choice-environment": "cannot-be-judged no-injection",
    "environment-by-expression": "subject cannot-be-judged",
    "environment-per-stage": "subject",
    "matrix-of-regions": "same-region",
    "metadata-generated-tags": "cannot-be-judged explicit-provenance",
    "monorepo-matrix-include": "subject unique-tags same-registry no-injection",
    "nightly-rebuild": "subject unique-tags cannot-be-judged",
    "pull-request-and-push": "untrusted-trigger",
    "release-please-publish": "subject",
    "reusable-build-push": "cannot-be-judged",
    "reusable-caller reusable-build-push": "",
    "several-roles": "cannot-be-judged",
    "starter-shell-access-keys": "no-keys no-injection cannot-be-judged",
}


def test_every_shape_has_its_expectation() -> None:
    named = {name for names in SHAPES for name in names.split()}
    assert named == {path.stem for path in (ROOT / "tests/tool/shapes").glob("*.yml")}
    assert len(SHAPES) >= 10


@pytest.mark.parametrize("names", SHAPES)
def test_workflows_of_other_shapes_are_judged_with_reasons(copy: Copy, names: str) -> None:
    project = copy()
    (project.path / DEPLOY).unlink()
    for name in names.split():
        shutil.copy(ROOT / f"tests/tool/shapes/{name}.yml", project.path / ".github/workflows")
    status, printed = check(project)
    found = {line.split()[1] for line in printed.splitlines()[::2]} if status else set()
    assert set(SHAPES[names].split()) <= found, printed
    unjudged = found == {"cannot-be-judged"}
    assert status == (2 if unjudged else 1 if found else 0)
    assert "Traceback" not in printed


CALLED = """
on:
  workflow_call:
    inputs:
      role: {type: string}
      region: {type: string, default: us-east-1}
permissions: {}
jobs:
"""


def split_in_two(project: Project) -> None:
    """Let deploy.yml call its own publishing job in another file."""
    path = project.path / DEPLOY
    head, job = path.read_text().split("  publish:\n")
    job, refuse = job.split("  refuse:\n")
    condition = "    if: ${{ startsWith(github.ref, 'refs/tags/v') }}\n"
    body = "  publish:\n" + job.replace(condition, "")
    role = '"arn:aws:iam::111122223333:role/example-service-push"'
    body = body.replace(role, "${{ inputs.role }}").replace('"us-east-1"', "${{ inputs.region }}")
    (path.parent / "publish.yml").write_text(CALLED + body)
    call = f"  publish:\n{condition}    uses: ./.github/workflows/publish.yml\n"
    call += f"    with: {{role: {role}}}\n"
    call += "    permissions: {contents: read, id-token: write}\n"
    path.write_text(f"{head}{call}  refuse:\n{refuse}")


@pytest.mark.parametrize(
    ("before", "after", "rule", "where"),
    [
        ("", "", None, None),
        ("role/example-service-push", "role/other", "same-role", "publish.yml"),
        ("{role: ", "{region: eu-west-1, role: ", "same-region", "publish.yml"),
        ("tags/v') }}", "tags/') }}", "subject", "publish.yml"),
        ("contents: read, id-token: write}", "contents: read}", "least-permissions", "deploy.yml"),
        (", id-token: write}", ", id-token: write, packages: write}", "least-permissions", "dep"),
        ("  release:\n", "  pull_request_target:\n  release:\n", None, None),
        ("workflows/publish.yml", "workflows/other.yml", "other.yml does not exist", "deploy.yml"),
    ],
)
def test_calls_to_workflows_of_the_same_repository_are_followed(
    copy: Copy, before: str, after: str, rule: str | None, where: str | None
) -> None:
    project = copy()
    split_in_two(project)
    change(project, DEPLOY, before, after)
    status, printed = check(project)
    assert status == (0 if rule is None else 2 if "not exist" in rule else 1), printed
    if rule and where:
        assert rule in printed
        assert where in printed.split()[0]
        assert len({line.split()[1] for line in printed.splitlines()[::2]}) == 1, printed


def test_a_workflow_that_calls_itself_is_not_followed_for_ever(copy: Copy) -> None:
    project = copy()
    text = (
        "on: {workflow_call: {}, push: {}}\njobs:\n  again:\n    uses: ./.github/workflows/x.yml\n"
    )
    (project.path / ".github/workflows/x.yml").write_text(text)
    status, printed = check(project)
    assert (status, printed.count("\n")) == (2, 1)


def test_findings_become_annotations_and_json(copy: Copy, run: Run) -> None:
    project = copy()
    change(project, DEPLOY, 'aws-region: "us-east-1"', "aws-region: 100%")
    command = (*CHECK, "--format")
    done = run(*command, "github", cwd=project.path)
    assert done.returncode == 1
    assert done.stdout.startswith(f"::error file={DEPLOY},line=")
    assert "title=same-region::aws-region is 100%25, but " in done.stdout
    assert done.stdout.count("\n") == 1
    (finding,) = json.loads(run(*command, "json", cwd=project.path).stdout)
    assert sorted(finding) == ["edit", "line", "mend", "message", "path", "rule"]
    assert (finding["path"], finding["rule"]) == (DEPLOY, "same-region")
    (project.path / TFVARS).write_text("{")
    done = run(*command, "json", cwd=project.path)
    (finding,) = json.loads(done.stdout)
    assert (done.returncode, finding["rule"], finding["path"]) == (2, "cannot-be-judged", TFVARS)
    done = run(*command, "github", cwd=project.path)
    assert done.stdout.startswith(f"::error file={TFVARS},line=1,title=cannot-be-judged::")


def test_agreement_as_json_is_an_empty_list(bake: Bake, run: Run) -> None:
    done = run(*CHECK, "--format", "json", cwd=bake().path)
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
HOSTILE = {
    "empty": b"",
    "binary": bytes(range(256)) * 100,
    "too large": b"# x\n" * 260_000,
    "brackets": b"[" * 200_000,
    "braces": b"{a: " * 200_000,
    "dashes": b"- " * 300_000,
    "indentation": "".join(f"{' ' * n}a:\n" for n in range(1300)).encode(),
    "alias bomb": BOMB.encode(),
    "alias bomb as steps": (BOMB + "jobs: {a: {steps: *a11}}\n").encode(),
    "alias bomb as environment": (BOMB + "env: *a11\njobs: *a11\n").encode(),
    "environment that names itself": b"on: push\nenv:\n  A: "
    + b"${{ env.A }}" * 10_000
    + b"\njobs: {a: {steps: [{run: '${{ env.A }}'}]}, b: 1}\n",
    "a condition that branches": b"on: push\njobs:\n  a:\n    if: "
    + b" || ".join(b"vars.A%d == github.ref" % n for n in range(100))
    + b"\n  b: 1\n",
    "an endless matrix": b"on: push\njobs:\n  a:\n    strategy:\n      matrix:\n"
    + b"".join(b"        a%d: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" % n for n in range(50)),
    "a deep expression": b"on: push\njobs: {a: {if: '" + b"(" * 300 + b"'}, b: 1}\n",
    "two documents": b"on: push\n---\non: push\n",
    "a key twice": b"on: push\non: push\njobs: {}\n",
    "unreadable characters": "on: push\njobs: {a\ud800: 1}".encode("utf-8", "surrogatepass"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line_and_in_time(copy: Copy, name: str) -> None:
    project = copy()
    (project.path / ".github/workflows/x.yml").write_bytes(HOSTILE[name])
    start = time.monotonic()
    status, printed = check(project)
    assert (status, printed.count("\n")) == (2, 1), printed
    assert printed.startswith(".github/workflows/x.yml")
    assert "Traceback" not in printed
    assert len(printed) < 500
    assert time.monotonic() - start < 20  # seconds; a bomb would take minutes


def test_an_unreadable_file_is_refused_in_one_line(copy: Copy) -> None:
    project = copy()
    path = project.path / ".github/workflows/x.yml"
    path.symlink_to(project.path / ".github/workflows/x.yml/y")
    path.unlink()
    path.mkdir()
    (project.path / LIFECYCLE).unlink()
    (project.path / LIFECYCLE).mkdir()
    status, printed = check(project)
    assert (status, printed.count("\n"), "lifecycle.json: cannot be read" in printed) == (
        2,
        1,
        True,
    )


def test_without_a_publishing_job_it_says_so(copy: Copy) -> None:
    project = copy()
    (project.path / DEPLOY).unlink()
    status, printed = check(project)
    assert (status, "no job has a step of aws-actions" in printed) == (2, True)


def test_a_job_that_assumes_another_role_and_pushes_nothing_is_left_alone(copy: Copy) -> None:
    project = copy()
    text = (project.path / DEPLOY).read_text()
    text = text.replace("example-service-push", "terraform-plan").replace(
        "push: true", "push: false"
    )
    text = text.replace("startsWith(github.ref, 'refs/tags/v')", "github.ref == 'refs/heads/main'")
    (project.path / ".github/workflows/plan.yml").write_text(text)
    assert check(project)[0] == 0


def test_a_composite_action_of_the_repository_is_judged_by_itself(copy: Copy) -> None:
    project = copy()
    change(
        project,
        CI,
        "        run: actionlint\n",
        "        run: actionlint\n      - uses: ./tools/greet\n",
    )
    folder = project.path / "tools/greet"
    folder.mkdir(parents=True)
    action = "runs:\n  using: composite\n  steps:\n    - run: echo ${{ github.head_ref }}\n"
    (folder / "action.yml").write_text(action + "    - uses: actions/cache@v5\n")
    status, printed = check(project)
    found = [line.split()[:2] for line in printed.splitlines()[::2]]
    name = "tools/greet/action.yml"
    expected = [[f"{name}:4:", "no-injection"], [f"{name}:5:", "pinned-actions"]]
    assert (status, found) == (1, expected)


def test_where_the_commit_has_no_tag_the_image_must_name_it(copy: Copy) -> None:
    project = copy(second_tag="latest")
    annotation = "          annotations: org.opencontainers.image.revision=${{ github.sha }}\n"
    change(project, DEPLOY, annotation, "          annotations: a=b\n")
    status, printed = check(project)
    assert (status, "publish-once the image does not name its commit" in printed) == (1, True)


def explained(project: Project, run: Run, *rulesets: dict[str, Any]) -> list[str]:
    """Return what `make explain` prints, with gh as a stand-in that knows some rulesets."""
    hub = Hub(project.path.parent / "hub")
    hub.create("octo-org/example-service", rulesets=list(rulesets))
    given = {**os.environ, **hub.environment()}
    done = run("make", "--silent", "explain", cwd=project.path, env=given)
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


def test_it_explains_who_may_assume_the_role(copy: Copy, run: Run) -> None:
    project = copy()
    project.know_subject("repo:octo-org@123456/example-service@456789")
    lines = explained(project, run)
    good = "repo:octo-org@123456/example-service@456789:ref:refs/tags/v1.2.3"
    assert lines[:3] == [
        "arn:aws:iam::111122223333:role/example-service-push",
        "  Jobs of octo-org/example-service can assume the role. Anyone who can push a tag v* can"
        " start them.",
        "  refs/tags/v*: no ruleset limits who can push it. Anyone with write access can publish.",
    ]
    examples = lines[3:]
    assert examples[0] == f"  repository  accepted  {good}"
    refused = [line.split("refused   ")[1] for line in examples[1::2]]
    assert len(set(refused)) == len(refused) == 6
    assert good not in refused
    assert refused[2] == "repo:octo-org@123456/example-service@456789:pull_request"


def test_it_explains_an_environment_and_its_ref(copy: Copy, run: Run) -> None:
    project = copy()
    change(project, TFVARS, '"environment": null', '"environment": "eu: prod"')
    printed = "\n".join(explained(project, run))
    words = " ".join(printed.split())
    assert "Anyone who can deploy to the environment eu: prod" in words
    assert "for a tag v* can start them." in words
    assert ":environment:eu%3A prod\n" in printed
    assert "refused   refs/heads/feature" in printed
    assert "ID stands for the numeric ids" in printed


@pytest.mark.parametrize(
    ("deploy_on", "include", "rules", "enforcement", "guarded"),
    [
        # In a ruleset * stops at a slash, in a trust policy it does not: v1/x is trusted, too.
        ("release", "refs/tags/v*", "creation", "active", False),
        ("release", "refs/tags/v* and refs/tags/v*/**/*", "creation", "active", True),
        ("release", "refs/tags/v?* and refs/tags/v?*/**/*", "creation", "active", False),
        ("release", "~ALL", "creation", "active for branches", False),
        ("release", "refs/tags/**/*", "creation", "active", True),
        ("release", "~ALL", "creation", "active", True),
        ("release", "refs/tags/v*", "deletion", "active", False),
        ("release", "refs/tags/v*", "creation", "disabled", False),
        ("release", "refs/tags/v1*", "creation", "active", False),
        ("release", "refs/tags/v* but not refs/tags/v0*", "creation", "active", False),
        ("branch", "~DEFAULT_BRANCH", "pull_request", "active", True),
        ("branch", "refs/heads/main", "update", "active", True),
        ("branch", "refs/heads/dev", "update", "active", False),
    ],
)
def test_it_says_whether_a_ruleset_guards_the_refs(
    copy: Copy,
    run: Run,
    deploy_on: str,
    include: str,
    rules: str,
    enforcement: str,
    guarded: bool,
) -> None:
    included, _, excluded = include.partition(" but not ")
    state, _, other = enforcement.partition(" for ")
    ruleset = {
        "id": 7,
        "name": "trusted refs",
        "target": "branch" if other or deploy_on == "branch" else "tag",
        "enforcement": state,
        "conditions": {
            "ref_name": {"include": included.split(" and "), "exclude": excluded.split()}
        },
        "rules": [{"type": rules}],
    }
    lines = explained(copy(deploy_on=deploy_on), run, ruleset)
    limits = "the ruleset 'trusted refs' limits who can push it"
    assert any(limits in line for line in lines) is guarded


def test_without_gh_it_says_what_to_ask(bake: Bake, run: Run) -> None:
    command = (sys.executable, "-B", ".github/keyless", "explain")
    printed = run(*command, cwd=bake().path, env={"PATH": "/nowhere"}).stdout
    assert "To look, type: gh api repos/octo-org/example-service/rulesets" in " ".join(
        printed.split()
    )
