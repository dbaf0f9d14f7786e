"""Check out the commit of the run, as actions/checkout does, from the test's repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.standins.actions import step

KNOWN = (
    *("fetch-depth", "path", "ref", "repository"),
    # They change nothing here: no token is kept, and nothing was there before.
    *("clean", "persist-credentials", "set-safe-directory", "show-progress", "token"),
    *("sparse-checkout-cone-mode", "ssh-strict", "ssh-user"),  # nothing without their main input
)


def git(folder: Path, *arguments: str) -> None:
    """Run Git in a folder; its failure is the step's."""
    done = subprocess.run(["git", *arguments], cwd=folder)
    if done.returncode:
        step.fail(f"The process 'git' failed with exit code {done.returncode}")


def main() -> None:
    """Put the files of one commit into the workspace, or into `path` there, and nothing else.

    The token of a job reads its own repository alone; any other is not found (its README, `token`).
    """
    given = step.inputs()
    step.only("actions/checkout", given, *KNOWN)
    if given["repository"].lower() != os.environ["GITHUB_REPOSITORY"].lower():
        step.fail(f"repository 'https://github.com/{given['repository']}/' not found")
    workspace = Path(os.environ["GITHUB_WORKSPACE"]).resolve()
    folder = (workspace / given["path"]).resolve()
    if not folder.is_relative_to(workspace):
        step.fail(f"Repository path '{folder}' is not under '{workspace}'")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = given["ref"] or os.environ["GITHUB_SHA"]
    depth = [] if given["fetch-depth"] == "0" else [f"--depth={given['fetch-depth']}"]
    git(folder, "init", "--quiet", ".")
    # The runner's workspace is empty; act gives all jobs the same folder.
    git(folder, "clean", "-ffdxq")
    source = f"file://{os.environ['STAND_IN_REPOSITORY']}"
    git(folder, "fetch", "--quiet", "--no-tags", *depth, source, wanted)
    git(folder, "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=folder, text=True).strip()
    step.output("commit", commit)
    step.output("ref", given["ref"] or os.environ["GITHUB_REF"])


if __name__ == "__main__":
    main()
