"""Check out the commit of the run, as actions/checkout does, from the test's repository."""

from __future__ import annotations

import os
import subprocess

from tests.standins.actions import step


def git(*arguments: str) -> None:
    """Run Git in the workspace; its failure is the step's."""
    done = subprocess.run(["git", *arguments], cwd=os.environ["GITHUB_WORKSPACE"])
    if done.returncode:
        step.fail(f"The process 'git' failed with exit code {done.returncode}")


def main() -> None:
    """Put the files of one commit into the workspace, and nothing else."""
    given = step.inputs()
    for name in ("path", "sparse-checkout", "ssh-key"):
        if given[name]:
            step.fail(f"The stand-in for actions/checkout does not know the input {name}")
    if given["repository"] != os.environ["GITHUB_REPOSITORY"]:
        step.fail(f"The stand-in for actions/checkout does not know {given['repository']}")
    wanted = given["ref"] or os.environ["GITHUB_SHA"]
    depth = [] if given["fetch-depth"] == "0" else [f"--depth={given['fetch-depth']}"]
    git("init", "--quiet", ".")
    git("clean", "-ffdxq")  # the runner's workspace is empty; act gives all jobs the same folder
    source = f"file://{os.environ['STAND_IN_REPOSITORY']}"
    git("fetch", "--quiet", "--no-tags", *depth, source, wanted)
    git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    step.output("commit", commit)
    step.output("ref", given["ref"] or os.environ["GITHUB_REF"])


if __name__ == "__main__":
    main()
