"""What a team has edited is still there after an update, and everything else is new."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.shared import shared_folder
from tests.support.teams import (
    Outcome,
    Row,
    Run,
    append,
    assert_row,
    assert_run,
    both,
    change,
    crlf,
    executable,
    few_programs,
    link,
    nothing,
    remove,
    rename,
    team_of,
    tree_of,
    write,
)
from tests.support.versions import Versions

TFVARS = "infra/terraform.tfvars.json"
OF_WINDOWS = "the line ends of Windows"
PREFIX = "repo:octo-org@1/example-service@2"
BOUNDARY = "arn:aws:iam::111122223333:policy/boundary"
ENTRY = """
    "other": {
      "github_repository": "octo-org/other",
      "subject_prefix": "repo:octo-org@1/other@3",
      "refs": ["refs/tags/v*"],
      "ecr_repository": "other",
      "role_name": "other-push"
    },"""
REGISTRY = "infra/repository/registry.tf"
DEPLOY, CI = ".github/workflows/deploy.yml", ".github/workflows/ci.yml"
TOOL = ".github/keyless"
STEP = """\
      - name: Say hello
        run: echo hello

      - name: Say what to do instead
"""
JOB = """
  ours:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: make ours
"""
ECOSYSTEM = """
  - package-ecosystem: npm
    directory: /
    schedule:
      interval: daily
"""
DOCKERFILE = """\
FROM golang:1.25 AS build
WORKDIR /src
COPY . .
RUN go build -o /server .

FROM scratch
COPY --from=build /server /server
USER 65532
ENTRYPOINT ["/server"]
"""
OWN_README = "# Our service\n\nNothing of the old text.\n"

APART = Run(
    "apart",
    "0.1.0",
    "0.2.0",
    (
        Row("a step added to deploy.yml", change(DEPLOY, STEP.splitlines(True)[-1], STEP)),
        Row(
            "another line of deploy.yml", change(DEPLOY, "name: deploy\n", "name: deploy # ours\n")
        ),
        Row("a job added to ci.yml", append(CI, JOB)),
        Row("a target added to the Makefile", append("Makefile", "\nours:\n\techo ours\n")),
        Row("a line of the Dockerfile", change("Dockerfile", "3.13-slim", "3.14-slim")),
        Row(
            "a line before the first one",
            change(".gitignore", "# Local secrets", "*.log\n# Local secrets"),
        ),
        Row("an ecosystem added", append(".github/dependabot.yml", ECOSYSTEM)),
        Row(
            "a rewritten README",
            write("README.md", OWN_README),
            said="README.md: rewritten here, changed in the template. Your file stays as it is.",
        ),
        Row(
            "a deleted file that the template changes",
            remove(".dockerignore"),
            said=".dockerignore: deleted here, changed in the template. It stays deleted.",
        ),
        Row("a deleted file that the template leaves alone", remove(".gitattributes")),
        Row(
            "an edit in a file that the template renames",
            change("app/server.py", "Hello from", "Welcome to"),
            after=change("app/main.py", "Hello from", "Welcome to"),
        ),
        Row(
            "a bit in a file that the template renames",
            executable("app/server.py"),
            after=executable("app/main.py"),
        ),
        Row("an executable file", executable("infra/main.tf")),
        Row("a new file", write("LICENSE", "Ours\n")),
        Row("a file in a folder that the template makes", write("docs/ours.md", "Ours\n")),
        Row(
            "what the template does, too",
            append(".editorconfig", "\n[*.tf]\nindent_size = 2\n"),
            nothing,
        ),
        Row("a new file as the template has it", write("docs/region.md", "The label is short.\n")),
        Row("a name beyond ASCII", write("Übersicht für alle.md", "Ours\n")),
        Row("a name that is not UTF-8", lambda root: write("caf\udce9.txt", "Ours\n")(root)),
        Row("a symbolic link", link("docs/latest", "ours.md")),
        Row(
            "an edit in the tool",
            append(f"{TOOL}/explain.py", "# ours\n"),
            nothing,
            said=f"{TOOL}/explain.py",
        ),
        Row(
            "a new file in the tool",
            write(f"{TOOL}/rules/ours.txt", "ours\n"),
            nothing,
            said=f"{TOOL}/rules/ours.txt. They stay in Git's history",
        ),
    ),
)
RENAMED = Run(
    "renamed",
    "0.1.0",
    "0.2.0",
    (
        Row("a renamed file that the template changes", rename("Makefile", "GNUmakefile")),
        Row(
            "a renamed file with edits",
            both(
                rename(".editorconfig", "config/editorconfig"),
                change("config/editorconfig", "charset = utf-8", "charset = latin1"),
            ),
        ),
        Row(
            "a renamed file that the template leaves alone",
            rename("infra/tests/trust.tftest.hcl", "infra/tests/ours.tftest.hcl"),
        ),
        Row(
            "a renamed file with edits in every line",
            both(
                rename(".dockerignore", "Dockerfile.dockerignore"), crlf("Dockerfile.dockerignore")
            ),
        ),
        Row(
            "a README that got another name, beside a new one",
            both(rename("README.md", "PUBLISHING.md"), write("README.md", OWN_README)),
            both(
                rename("README.md", "PUBLISHING.md"),
                change("PUBLISHING.md", "# example-service-image\n", "# example-service\n"),
                write("README.md", OWN_README),
            ),
            said="README.md: rewritten here, changed in the template.",
        ),
        Row(
            "a Dockerfile written anew",
            write("Dockerfile", DOCKERFILE),
            said="Dockerfile: rewritten here, changed in the template. Your file stays as it is.",
        ),
        Row(
            "a symbolic link instead of a file",
            both(
                rename(".github/dependabot.yml", "dependabot.yml"),
                link(".github/dependabot.yml", "../dependabot.yml"),
            ),
            both(
                rename(".github/dependabot.yml", "dependabot.yml"),
                change("dependabot.yml", "interval: monthly", "interval: weekly"),
                link(".github/dependabot.yml", "../dependabot.yml"),
            ),
            said=".github/dependabot.yml: rewritten here, changed in the template.",
        ),
        Row(f"{OF_WINDOWS} in a workflow", crlf(DEPLOY)),
        Row("and an edit", both(change(CI, "name: ci\n", "name: ci # ours\n"), crlf(CI))),
        Row("and a file that the template renames", crlf("app/server.py"), crlf("app/main.py")),
    ),
)
REMOVED = Run(
    "removed",
    "0.2.0",
    "0.3.0",
    (
        Row("a file that the template removes", nothing),
        Row(
            "the subject of an entry",
            change(TFVARS, '"subject_prefix": null', f'"subject_prefix": "{PREFIX}"'),
        ),
        Row("an added entry", change(TFVARS, '"repositories": {', f'"repositories": {{{ENTRY}')),
        Row(
            "another key beside that of the template",
            change(
                TFVARS,
                '  "repositories"',
                f'  "permissions_boundary": "{BOUNDARY}",\n  "repositories"',
            ),
        ),
    ),
)
BY_KEY = Run(
    "by key",
    "0.2.0",
    "0.3.0",
    (
        Row(
            "the key that the template adds",
            change(TFVARS, '  "repositories"', '  "role_path": "/",\n  "repositories"'),
            nothing,
        ),
        Row(f"terraform.tfvars.json with {OF_WINDOWS}", crlf(TFVARS)),
        Row("a deleted file that the template removes", remove(".pre-commit-config.yaml"), nothing),
    ),
)
ALL_CRLF = Run("all crlf", "0.1.0", "0.2.0", (Row(f"{OF_WINDOWS} everywhere", crlf()),))
WHOLE = Run(
    "whole",
    "0.1.0",
    "0.4.0",
    (
        Row(
            "tags in Terraform",
            change(
                REGISTRY, "\n  name  ", '\n  tags                 = { team = "ours" }\n  name  '
            ),
            said='moved from module.repository["example-service"].aws_ecr_lifecycle_policy.image',
        ),
    ),
    terraform=True,
)
RUNS = (APART, RENAMED, REMOVED, BY_KEY, ALL_CRLF, WHOLE)
ROWS = [
    pytest.param(run, row, id=row.name, marks=[pytest.mark.slow] * run.terraform)
    for run in RUNS
    for row in run.rows
]


@pytest.mark.parametrize(("run", "row"), ROWS)
def test_an_edit_stays(outcome: Outcome, row: Row) -> None:
    assert_row(outcome, row)


@pytest.mark.parametrize(
    "run",
    [pytest.param(run, id=run.name, marks=[pytest.mark.slow] * run.terraform) for run in RUNS],
)
def test_everything_else_is_as_a_fresh_generation(outcome: Outcome, run: Run) -> None:
    print(outcome.printed)
    assert_run(outcome, run)


def test_step_by_step_leads_to_the_same_as_at_once(
    versions: Versions, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    programs = few_programs(shared_folder(tmp_path_factory) / "programs")
    team = team_of(versions, tmp_path, "0.2.0", append(CI, JOB), PATH=programs)
    for version in ("0.3.0", "0.4.0"):
        ended = team.update("--yes", "--to", f"v{version}")
        assert ended.status == 0, ended.out
    expected = Path(shutil.copytree(versions.rendered["0.4.0"], tmp_path / "expected"))
    append(CI, JOB)(expected)
    assert tree_of(team.path) == tree_of(expected)
    titles = [f"Update from template {step}" for step in ("0.3.0 to 0.4.0", "0.2.0 to 0.3.0")]
    assert team.git("log", "--format=%s").splitlines()[:2] == titles


def test_what_a_new_rule_finds_is_named(
    versions: Versions, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    programs = few_programs(shared_folder(tmp_path_factory) / "programs")
    todo = change(DEPLOY, "name: deploy\n", "name: deploy # TODO\n")
    team = team_of(versions, tmp_path, "0.2.0", todo, PATH=programs)
    ended = team.update("--yes", "--to", "v0.3.0")
    assert ended.status == 1
    assert "no-todo something is still to be done" in " ".join(ended.out.split())
    assert "The check has findings in the result. Correct them on this branch:" in ended.out
