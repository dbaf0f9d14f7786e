"""How long the check takes: without a plan, and with one because infra/ was changed.

    make bench

A check with a plan is compared with `terraform validate` of the same project, because both start
Terraform and its provider. The ratio is printed. Each run starts its own programs.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.project import Project, generate

RUNS = 5
UNCHANGED = 0.3  # seconds
WORKFLOWS, JOBS, STEPS = 30, 20, 8
FOLLOWED = 2.0  # seconds for all of their jobs
MANY = 200  # entries
CHECK = (sys.executable, ".github/keyless", "check")


def seconds(project: Project, *command: str) -> float:
    """Return the median of the wall-clock times of a command that must succeed."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, cwd=project.path, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def with_entries(project: Project, number: int) -> None:
    """Let a project have many entries."""
    path = project.path / "infra/terraform.tfvars.json"
    values = json.loads(path.read_text())
    (entry,) = values["repositories"].values()
    for each in range(1, number):
        name = f"service-{each}"
        values["repositories"][name] = {
            **entry,
            "github_repository": f"octo-org/{name}",
            "ecr_repository": name,
            "role_name": f"{name}-push",
        }
    path.write_text(json.dumps(values))


def with_workflows(project: Project) -> list[Path]:
    """Add workflows with many jobs and conditions; return their paths."""
    step = "      - if: ${{ success() && env.A == 'b' }}\n        run: make ${{ env.C }}\n"
    jobs = [
        f"  j{number}:\n    needs: [{f'j{number - 1}' if number else ''}]\n"
        "    runs-on: ubuntu-24.04\n    if: github.ref == 'refs/heads/main' && vars.A == 'x'\n"
        "    permissions: {contents: read}\n    env: {A: b, C: '${{ github.sha }}'}\n    steps:\n"
        f"{step * STEPS}"
        for number in range(JOBS)
    ]
    paths = [project.path / f".github/workflows/more-{each}.yml" for each in range(WORKFLOWS)]
    for path in paths:
        path.write_text(f"on: [push, pull_request]\npermissions: {{}}\njobs:\n{''.join(jobs)}")
    return paths


def main() -> int:
    """Print the measured times; return 1 if a check without a plan takes too long."""
    with tempfile.TemporaryDirectory() as folder:
        project = generate(Path(folder), [])
        unchanged = seconds(project, *CHECK)
        added = with_workflows(project)
        followed = seconds(project, *CHECK)
        for path in added:
            path.unlink()
        project.terraform("init", "-backend=false", "-input=false")
        validating = seconds(project, "terraform", "-chdir=infra", "validate")
        trust = project.path / "infra/repository/trust.tf"
        trust.write_text(f"# Ours.\n{trust.read_text()}")
        planning = seconds(project, *CHECK)
        with_entries(project, MANY)
        many = seconds(project, *CHECK)
    print(f"check, no plan      {unchanged:.2f} s, limit {UNCHANGED} s (median of {RUNS} runs)")
    shown = f"{WORKFLOWS} x {JOBS} jobs"
    print(f"{shown}        {followed:.2f} s, limit {FOLLOWED} s")
    print(f"terraform validate  {validating:.2f} s")
    print(f"check with a plan   {planning:.2f} s, {planning / validating:.1f} times validate")
    print(f"{MANY} entries         {many:.1f} s, {many / planning:.1f} times a check with a plan")
    return int(unchanged > UNCHANGED or followed > FOLLOWED)


if __name__ == "__main__":
    sys.exit(main())
