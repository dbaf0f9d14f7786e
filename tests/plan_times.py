"""How long the check takes: of an infra/ that is as generated, and of one that must be planned.

    make bench

A plan stands beside `terraform validate` of the same project, because both start Terraform and its
provider; what counts is their ratio. Nothing is kept running for it.
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


def main() -> int:
    """Print what was measured; return 1 where a check of an unchanged project takes too long."""
    with tempfile.TemporaryDirectory() as folder:
        project = generate(Path(folder), [])
        unchanged = seconds(project, *CHECK)
        project.terraform("init", "-backend=false", "-input=false")
        validating = seconds(project, "terraform", "-chdir=infra", "validate")
        trust = project.path / "infra/repository/trust.tf"
        trust.write_text(f"# Ours.\n{trust.read_text()}")
        planning = seconds(project, *CHECK)
        with_entries(project, MANY)
        many = seconds(project, *CHECK)
    print(f"check, as generated {unchanged:.2f} s, at most {UNCHANGED} s (median of {RUNS} runs)")
    print(f"terraform validate  {validating:.2f} s")
    print(f"check with a plan   {planning:.2f} s, {planning / validating:.1f} times as long")
    print(f"{MANY} entries         {many:.1f} s, {many / planning:.1f} times one plan")
    return int(unchanged > UNCHANGED)


if __name__ == "__main__":
    sys.exit(main())
