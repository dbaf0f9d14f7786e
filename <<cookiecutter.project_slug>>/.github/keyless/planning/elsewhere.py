"""Whether infra/ can be planned here, or is left to another job of CI."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from keyless.model.answers import applying_program
from keyless.model.documents import Mapping
from keyless.model.triggers import starting_runs
from keyless.model.workflows import Workflow, read_workflow, workflow_paths

# How a job of CI judges infra/: it sets up the program that plans, and runs the check.
SETS_UP = r"^(hashicorp/setup-terraform|opentofu/setup-opentofu)@"
CHECKS = r"\.github/keyless\"? +check\b"


def is_at_hand(root: Path) -> bool:
    """Tell whether the program that applies infra/ can be run here."""
    return shutil.which(applying_program(root)) is not None


def elsewhere(root: Path) -> bool:
    """Tell whether infra/ is left to another job: in CI, without the program that plans it."""
    in_ci = os.environ.get("GITHUB_ACTIONS") == "true"
    return in_ci and not is_at_hand(root) and _is_judged_in_ci(root)


def _is_judged_in_ci(root: Path) -> bool:
    return any(_judges_infra(read_workflow(root, path)) for path in workflow_paths(root))


def _judges_infra(workflow: Workflow) -> bool:
    """Tell whether a job of each pull request sets the program up, and then runs the check."""
    if all(run.event != "pull_request" for run in starting_runs(workflow)):
        return False
    for job in workflow.root.of("jobs").values():
        if not isinstance(job, Mapping) or _may_pass_by(job):
            continue
        steps = [step for step in job.get("steps") or [] if isinstance(step, Mapping)]
        set_up = [n for n, step in enumerate(steps) if re.search(SETS_UP, step.action())]
        checks = [
            n
            for n, step in enumerate(steps)
            if re.search(CHECKS, step.text("run")) and not _may_pass_by(step)
        ]
        if set_up and checks and set_up[0] < checks[-1]:
            return True
    return False


def _may_pass_by(part: Mapping) -> bool:
    """Tell whether a job or a step may be left out, or be green where it fails."""
    return bool(part.text("if")) or part.text("continue-on-error") not in ("", "false")
