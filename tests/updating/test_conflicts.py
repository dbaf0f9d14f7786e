"""Where both sides have changed the same, Git marks it, and what is printed resolves it."""

from __future__ import annotations

import pytest

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
    nothing,
    rename,
    write,
)

DEPLOY, CI = ".github/workflows/deploy.yml", ".github/workflows/ci.yml"
TFVARS = "infra/terraform.tfvars.json"
EXPIRE, ENVIRONMENT = '"expire_untagged_after_days"', '"environment"'
NO_PREFIX, PREFIX = (
    f'"subject_prefix": {value}' for value in ("null", '"repo:octo-org@1/example-service@2"')
)
HOOKS = ".pre-commit-config.yaml"
SAME_LINES = "both sides have changed the same lines"

LINES = Run(
    "lines",
    "0.1.0",
    "0.2.0",
    (
        Row(
            "the same line of deploy.yml",
            change(DEPLOY, "timeout-minutes: 5\n", "timeout-minutes: 8\n"),
            after=change(DEPLOY, "timeout-minutes: 6\n", "timeout-minutes: 8\n"),
            said=f"{DEPLOY}: {SAME_LINES}",
            conflict=DEPLOY,
            markers=("    timeout-minutes: 8\n", "    timeout-minutes: 6\n"),
        ),
        Row(
            "the line before one that the template changes",
            change(CI, "runs-on: ubuntu-24.04\n", "runs-on: ubuntu-22.04\n"),
            said=f"{CI}: {SAME_LINES}",
            conflict=CI,
            markers=(
                "    runs-on: ubuntu-22.04\n    timeout-minutes: 10\n",
                "    runs-on: ubuntu-24.04\n    timeout-minutes: 12\n",
            ),
        ),
        Row(
            "lines inserted at the same place",
            change("Makefile", ".DEFAULT_GOAL", "# Ours\n.DEFAULT_GOAL"),
            after=change("Makefile", "# Version", "# Ours\n# Version"),
            said=f"Makefile: {SAME_LINES}",
            conflict="Makefile",
            markers=("# Ours\n", "# Version 0.2.0 or newer\n"),
        ),
        Row(
            "a line beyond one that the template changes",
            change(".github/dependabot.yml", "default-days: 7", "default-days: 9"),
        ),
        Row(
            "lines appended on both sides",
            append(".dockerignore", "node_modules\n"),
            said=f".dockerignore: {SAME_LINES}",
            conflict=".dockerignore",
            markers=("node_modules\n", ".cache\n"),
        ),
        Row(
            "the title of the README",
            change("README.md", "# example-service\n", "# Example\n"),
            after=change("README.md", "# example-service-image\n", "# Example\n"),
            said=f"README.md: {SAME_LINES}",
            conflict="README.md",
            markers=("# Example\n", "# example-service-image\n"),
        ),
        Row(
            "a file of the same name as a new one",
            write("docs/label.md", "# Ours\n"),
            said="docs/label.md: both sides have added it",
            conflict="docs/label.md",
            markers=("# Ours\n", "# example-service-image\n"),
        ),
        Row(
            "a file that both sides rename",
            rename("app/server.py", "app/service.py"),
            after=rename("app/main.py", "app/service.py"),
            said="app/server.py",
            conflict="app/service.py",
        ),
    ),
)
GONE = Run(
    "gone",
    "0.2.0",
    "0.4.0",
    (
        Row(
            "an edit in a file that the template removes",
            change(HOOKS, "repos:", "# Ours\nrepos:"),
            after=write(HOOKS, "# Ours\n"),
            said=f"{HOOKS}: changed here, removed from the template",
            conflict=HOOKS,
        ),
        Row(
            "the same key of terraform.tfvars.json",
            change(TFVARS, '"environment"', f"{EXPIRE}: 30,\n      {ENVIRONMENT}"),
            after=change(TFVARS, f"{EXPIRE}: 14", f"{EXPIRE}: 30"),
            said=f"{TFVARS}: {SAME_LINES}",
            conflict=TFVARS,
            markers=(f"      {EXPIRE}: 30,\n", f"      {EXPIRE}: 14,\n"),
        ),
        Row("an own entry in the same file", change(TFVARS, NO_PREFIX, PREFIX)),
        Row(
            "a renamed file that the template removes, and that is let go",
            rename(".gitattributes", "attributes.txt"),
            after=nothing,
            said="attributes.txt: changed here, removed from the template",
            conflict="attributes.txt",
        ),
        Row(
            "the same line, with the line ends of Windows",
            both(change(DEPLOY, "timeout-minutes: 6\n", "timeout-minutes: 9\n"), crlf(DEPLOY)),
            after=both(
                change(DEPLOY, "timeout-minutes: 7\n", "timeout-minutes: 9\n"), crlf(DEPLOY)
            ),
            said=f"{DEPLOY}: {SAME_LINES}",
            conflict=DEPLOY,
            markers=("    timeout-minutes: 9\r\n", "    timeout-minutes: 7\r\n"),
        ),
    ),
)
RUNS = (LINES, GONE)
ROWS = [pytest.param(run, row, id=row.name) for run in RUNS for row in run.rows]


@pytest.mark.parametrize(("run", "row"), ROWS)
def test_a_conflict_is_named_and_resolved_as_printed(outcome: Outcome, row: Row) -> None:
    assert_row(outcome, row)


@pytest.mark.parametrize("run", [pytest.param(run, id=run.name) for run in RUNS])
def test_everything_else_is_as_a_fresh_generation(outcome: Outcome, run: Run) -> None:
    print(outcome.printed)
    assert_run(outcome, run)
