"""scripts/check.py of a generated project: each rule is broken and caught, and only then."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import Bake, Copy, Run, combinations, readable
from tests.rehearsal import Project

DEPLOY = ".github/workflows/deploy.yml"
CI = ".github/workflows/ci.yml"
TFVARS = "infra/terraform.tfvars.json"
REGISTRY = "infra/repository/registry.tf"
LOGIN = "aws-actions/amazon-ecr-login@03f1aad4c6c7ffd436567f42f9384779290529bd"

# One line an edit: file, what stands there, what is written instead, what must be found, and in
# which file it must be pointed at.
BROKEN = [
    (DEPLOY, 'aws-region: "us-east-1"', 'aws-region: "us-east-2"', "same-region", DEPLOY),
    (TFVARS, '"aws_region": "us-east-1"', '"aws_region": "us-east-2"', "same-region", DEPLOY),
    (DEPLOY, '          aws-region: "us-east-1"\n', "", "same-region", DEPLOY),
    (DEPLOY, "role/example-service-push", "role/example-service", "same-role", DEPLOY),
    (DEPLOY, "arn:aws:iam", "arn:aws-cn:iam", "same-role", DEPLOY),
    (DEPLOY, "iam::111122223333", "iam::111122223334", "same-role", DEPLOY),
    (TFVARS, '"111122223333"', '"111122223334"', "same-role", DEPLOY),
    (TFVARS, '"role_name": "example-service-push"', '"role_name": "x-push"', "same-role", DEPLOY),
    (
        DEPLOY,
        'allowed-account-ids: "111122223333"',
        'allowed-account-ids: "111122223334"',
        "same-role",
        DEPLOY,
    ),
    (DEPLOY, 'ECR_REPOSITORY: "example-service"', "ECR_REPOSITORY: other", "same-registry", DEPLOY),
    (
        TFVARS,
        '"ecr_repository": "example-service"',
        '"ecr_repository": "other"',
        "same-registry",
        DEPLOY,
    ),
    (
        DEPLOY,
        "${{ steps.registry.outputs.registry }}/${{ env.ECR_REPOSITORY }}:${{ env.IMAGE_TAG }}",
        "ghcr.io/${{ env.ECR_REPOSITORY }}:${{ env.IMAGE_TAG }}",
        "same-registry",
        DEPLOY,
    ),
    (DEPLOY, "SECOND_TAG: ${{ github.sha }}", "SECOND_TAG: latest", "unique-tags", DEPLOY),
    (DEPLOY, "IMAGE_TAG: ${{ github.ref_name }}", "IMAGE_TAG: stable", "unique-tags", DEPLOY),
    (
        TFVARS,
        '"refs": ["refs/tags/v*"]',
        '"refs": ["refs/heads/main"]',
        "unique-tags",
        DEPLOY,
    ),
    (REGISTRY, '"IMMUTABLE"', '"MUTABLE"', "unique-tags", REGISTRY),
    (DEPLOY, "      id-token: write", "      packages: read", "least-permissions", DEPLOY),
    (DEPLOY, "      contents: read # checkout\n", "", "least-permissions", DEPLOY),
    (
        DEPLOY,
        "      contents: read # checkout\n",
        "      contents: write\n",
        "least-permissions",
        DEPLOY,
    ),
    (
        DEPLOY,
        "      id-token: write",
        "      packages: write\n      id-token: write",
        "least-permissions",
        DEPLOY,
    ),
    (DEPLOY, "    permissions: {}\n", "    permissions: write-all\n", "least-permissions", DEPLOY),
    (
        DEPLOY,
        "    permissions: {}\n",
        "    permissions:\n      id-token: write\n",
        "least-permissions",
        DEPLOY,
    ),
    (DEPLOY, "permissions: {}\n\nconcurrency", "concurrency", "least-permissions", DEPLOY),
    (
        DEPLOY,
        "permissions: {}\n\nconcurrency",
        "permissions:\n  id-token: write\n\nconcurrency",
        "least-permissions",
        DEPLOY,
    ),
    (
        CI,
        "permissions: {}\n\nconcurrency",
        "permissions: write-all\n\nconcurrency",
        "least-permissions",
        CI,
    ),
    (DEPLOY, LOGIN, "aws-actions/amazon-ecr-login@v2", "pinned-actions", DEPLOY),
    (DEPLOY, f"{LOGIN} # v2.1.7", LOGIN, "pinned-actions", DEPLOY),
    (DEPLOY, LOGIN, LOGIN[:-1], "pinned-actions", DEPLOY),
    (DEPLOY, LOGIN, "docker://alpine:3", "pinned-actions", DEPLOY),
    (DEPLOY, f"{LOGIN} # v2.1.7", f"{LOGIN} # latest", "pinned-actions", DEPLOY),
    (DEPLOY, "          tags: |", "          labels: |", "unique-tags", DEPLOY),
    (DEPLOY, "role/example-service-push", "role/Example-Service-push", "same-role", DEPLOY),
    (TFVARS, '"environment": null', '"enviroment": "production"', "known-keys", TFVARS),
    (
        DEPLOY,
        'aws-region: "us-east-1"',
        "aws-region: ${{ vars.REGION }}",
        "cannot-be-judged",
        DEPLOY,
    ),
    (
        DEPLOY,
        "IMAGE_TAG: ${{ github.ref_name }}",
        "IMAGE_TAG: ${{ vars.T }}",
        "cannot-be-judged",
        DEPLOY,
    ),
    (DEPLOY, "          push: true\n", "          push: false\n", "cannot-be-judged", DEPLOY),
]

HARMLESS = [
    (DEPLOY, "  publish:\n", "  ship:\n"),
    (DEPLOY, "name: deploy\n", "# a comment\nname: Deploy it\n"),
    (DEPLOY, "context: .", "context: .\n          file: docker/Dockerfile"),
    (DEPLOY, "SECOND_TAG: ${{ github.sha }}", "SECOND_TAG: ${{github.sha}}"),
    (
        DEPLOY,
        "${{ steps.registry.outputs.registry }}/${{ env.ECR_REPOSITORY }}:${{ env.IMAGE_TAG }}",
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/example-service:${{ github.ref_name }}",
    ),
    (DEPLOY, "SECOND_TAG: ${{ github.sha }}", "SECOND_TAG: sha-${{ github.sha }}"),
    (DEPLOY, '          allowed-account-ids: "111122223333"\n', ""),
    (DEPLOY, "    permissions: {}\n    steps", "    permissions:\n      contents: read\n    steps"),
    (DEPLOY, "permissions: {}\n\nconcurrency", "permissions: read-all\n\nconcurrency"),
    (DEPLOY, LOGIN, "./.github/actions/login"),
    (TFVARS, '"environment": null,\n', ""),
    (CI, "name: ci\n", "name: ci\nenv:\n  COLOUR: never\n"),
    (CI, "permissions: {}\n\nconcurrency", "concurrency"),
    (CI, "permissions: {}\n\nconcurrency", "permissions:\n  contents: write\n\nconcurrency"),
    (DEPLOY, "      - name: Assume", "      - env: ${{ matrix.env }}\n        name: Assume"),
    (DEPLOY, f"{LOGIN} # v2.1.7", f"{LOGIN} # 2.1.7"),
    (DEPLOY, f"{LOGIN} # v2.1.7", f'"{LOGIN}" # tag=v2.1.7'),
    (DEPLOY, f"uses: {LOGIN} # v2.1.7", f"uses:\n          {LOGIN} # v2.1.7"),
    (DEPLOY, "push: true", "push: True"),
    (DEPLOY, "uses: docker/build-push", "uses: Docker/Build-Push"),
    (DEPLOY, "      id-token: write", "      packages: none\n      id-token: write"),
    (DEPLOY, '"111122223333"', '"444455556666, 111122223333"'),
    (DEPLOY, "${{ env.IMAGE_TAG }}", "${{ ENV.IMAGE_TAG }}"),
    (DEPLOY, "name: deploy\n", "name: d\u00e9ploy\n"),
]


def change(project: Project, name: str, before: str, after: str) -> None:
    """Replace the first place of a part that must be there."""
    path = project.path / name
    text = path.read_text()
    assert before in text, f"{before!r} is not in {name}"
    path.write_text(text.replace(before, after, 1))


def check(project: Project, run: Run) -> tuple[int, str]:
    """Run the check as its user does; return exit status and everything printed."""
    done = run(sys.executable, "-B", "scripts/check.py", cwd=project.path)
    return done.returncode, done.stdout


@pytest.mark.parametrize("answers", combinations(), ids=readable)
def test_every_combination_agrees(bake: Bake, run: Run, answers: dict[str, str]) -> None:
    status, printed = check(bake(**answers), run)
    assert (status, printed.count("\n")) == (0, 1)


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_every_partition_agrees(bake: Bake, run: Run, region: str) -> None:
    assert check(bake(aws_region=region), run)[0] == 0


@pytest.mark.parametrize(("name", "before", "after", "rule", "where"), BROKEN)
def test_what_is_broken_is_caught_by_its_rule_alone(
    copy: Copy, run: Run, name: str, before: str, after: str, rule: str, where: str
) -> None:
    project = copy()
    change(project, name, before, after)
    status, printed = check(project, run)
    findings, mends = printed.splitlines()[::2], printed.splitlines()[1::2]
    assert status == (2 if rule == "cannot-be-judged" else 1), printed
    assert {line.split()[1] for line in findings} == {rule}
    assert {line.split(":")[0] for line in findings} == {where}
    assert all(mend.startswith("    ") for mend in mends)


def test_a_finding_points_at_the_line(copy: Copy, run: Run) -> None:
    project = copy()
    change(project, DEPLOY, 'aws-region: "us-east-1"', 'aws-region: "us-east-2"')
    text = (project.path / DEPLOY).read_text().splitlines()
    line = next(n for n, content in enumerate(text, 1) if "aws-region" in content)
    assert check(project, run)[1].startswith(
        f"{DEPLOY}:{line}: same-region aws-region is us-east-2"
    )


@pytest.mark.parametrize(("name", "before", "after"), HARMLESS)
def test_what_is_harmless_stays_green(
    copy: Copy, run: Run, name: str, before: str, after: str
) -> None:
    project = copy()
    change(project, name, before, after)
    status, printed = check(project, run)
    assert status == 0, printed


def test_a_job_that_calls_foreign_code_cannot_ask_for_a_token(copy: Copy, run: Run) -> None:
    project = copy()
    call = f"  call:\n    uses: evil/repo/.github/workflows/x.yml@{'0' * 40} # v1\n"
    call += "    permissions:\n      id-token: write\n"
    path = project.path / CI
    path.write_text(path.read_text() + call)
    status, printed = check(project, run)
    assert (status, printed.split()[1]) == (1, "least-permissions")


def test_a_finding_can_be_printed_on_any_console(copy: Copy, run: Run) -> None:
    project = copy()
    change(project, DEPLOY, "SECOND_TAG: ${{ github.sha }}", "SECOND_TAG: caf\u00e9")
    given = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run(sys.executable, "-B", "scripts/check.py", cwd=project.path, env=given)
    assert (done.returncode, "the tag caf\\xe9 is the same" in done.stdout) == (1, True)


def test_other_files_beside_the_workflows_are_left_alone(copy: Copy, run: Run) -> None:
    project = copy()
    folder = project.path / ".github/workflows"
    (folder / "notes.ysomethingml").write_text("jobs")
    (folder / "folder.yml").mkdir()
    (folder / ".#deploy.yml").symlink_to("nowhere")
    assert check(project, run)[0] == 0


def test_latest_must_be_excluded_from_immutability(copy: Copy, run: Run) -> None:
    project = copy(second_tag="latest")
    change(project, REGISTRY, 'filter      = "latest"', 'filter      = "dev-*"')
    status, printed = check(project, run)
    assert (status, "unique-tags the tag latest" in printed) == (1, True)


def test_each_job_is_held_against_the_entry_of_its_role(copy: Copy, run: Run) -> None:
    project = copy()
    entry = '"example-service": {'
    other = (
        entry.replace("example", "a")
        + '"github_repository": "octo-org/a", "refs": ["refs/tags/v*"],'
    )
    other += ' "ecr_repository": "a", "role_name": "a-push"},\n    '
    change(project, TFVARS, entry, other + entry)
    assert check(project, run)[0] == 0


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (TFVARS, None, "cannot be read"),
        (TFVARS, "{", "not JSON"),
        (TFVARS, "[" * 100_000, "not JSON"),
        (TFVARS, f'{{"aws_region": {"1" * 5000}}}', "not JSON"),
        (
            TFVARS,
            '{"aws_account_id": "1", "aws_region": "x", "repositories": {"a": {"github_rep'
            'ository": "o/a", "ecr_repository": "a", "role_name": "a", "refs": [1]}}}',
            "needs refs",
        ),
        (TFVARS, "[]", "needs aws_account_id"),
        (TFVARS, '{"aws_account_id": "1", "aws_region": "x"}', "needs an entry"),
        (TFVARS, '{"aws_account_id": "1", "aws_region": "x", "repositories": {"a": 1}}', "a needs"),
        (REGISTRY, None, "cannot be read"),
        (REGISTRY, "", "image_tag_mutability"),
        (DEPLOY, None, "no job has a step"),
        (DEPLOY, "a: [", "not YAML"),
        (DEPLOY, "", "no jobs"),
        (DEPLOY, "jobs: 1", "no jobs"),
        (DEPLOY, "jobs: &a [*a]", "not YAML"),
        (DEPLOY, "jobs: &a {x: *a}", "not YAML"),
        (DEPLOY, "? [a]\n: b", "not YAML"),
    ],
)
def test_what_cannot_be_judged_is_said_in_two_lines(
    copy: Copy, run: Run, name: str, content: str | None, says: str
) -> None:
    project = copy()
    if content is None:
        (project.path / name).unlink()
    else:
        (project.path / name).write_text(content)
    status, printed = check(project, run)
    assert status == 2
    assert says in printed
    assert printed.count("\n") == 2
    assert "Traceback" not in printed


def test_without_pyyaml_it_says_how_to_install_it(bake: Bake, run: Run, tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise ImportError('no yaml')\n")
    project = bake()
    done = run(
        sys.executable,
        "-B",
        "scripts/check.py",
        cwd=project.path,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert "make check" in done.stdout
