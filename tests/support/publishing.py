"""Helpers for the tests of publishing: desks that can publish a version, and the log of a run.

`make release` does not use AWS, so these desks have none.
"""

from __future__ import annotations

import re

from tests.standins.emulator import Emulator
from tests.standins.hub import Hub, git
from tests.support.bootstrap import NAME
from tests.support.desk import Desk
from tests.support.project import Project

RUN = f"https://github.com/{NAME}/actions/runs/4712"
REGISTRY = "111122223333.dkr.ecr.us-east-1.amazonaws.com/example-service"
IMAGE = f"{REGISTRY}@sha256:{'5e' * 32}"
STEP = "Look up what is published already"
ANNOTATION = "v0.1.0 names another image. Publish a new version:\ngh release create vNEXT"
FAILED = [
    [STEP, "##[group]Run python3 .github/keyless publish before", "failed"],
    [STEP, "env:\n  ECR_REPOSITORY: example-service", "failed"],
    [STEP, "##[endgroup]", "failed"],
    [STEP, "asking \x1b[31mECR\x1b[0m", "failed"],
    [STEP, f"##[error]{ANNOTATION}", "failed"],
    [STEP, "##[error]Process completed with exit code 1.", "failed"],
    ["Post", "a step that has not failed"],
]


def pushed(project: Project, hub: Hub) -> Desk:
    """Return a desk whose project was committed and pushed, without AWS."""
    desk = Desk(project, Emulator("http://127.0.0.1:9", "111122223333", "us-east-1"), hub)
    hub.create(NAME)
    desk.git("init", "--quiet", "--initial-branch=main")
    desk.git("remote", "add", "origin", f"https://github.com/{NAME}.git")
    desk.git("add", "--all")
    desk.git("commit", "--quiet", "--message=mine")
    desk.git("push", "--quiet", "--set-upstream", "origin", "main")
    return desk


def unpublished(desk: Desk) -> Desk:
    """Let GitHub have no version, as after a bootstrap that has published nothing."""
    bare = desk.hub.bare(NAME)
    git(f"--git-dir={bare}", "tag", "--delete", "v0.1.0")
    desk.hub.change(NAME, releases=[], runs=[])
    return desk


def commit(desk: Desk, *, push: bool = True) -> str:
    """Commit something; return the commit."""
    desk.git("commit", "--quiet", "--allow-empty", "--message=more")
    if push:
        desk.git("push", "--quiet", "origin", "HEAD")
    return desk.git("rev-parse", "HEAD")


def tags(desk: Desk) -> dict[str, str]:
    """Return the tags on GitHub with their commits."""
    lines = desk.git("ls-remote", "--tags", "origin").splitlines()
    return {line.split()[1].removeprefix("refs/tags/"): line.split()[0] for line in lines}


def published(version: str, commit: str) -> str:
    """Return what is printed at the end about an image that was published."""
    rows = f"Image     {IMAGE}\nTags      {version}, {commit}\nPlatform  linux/amd64\n"
    login = (
        "To pull it, log Docker in to ECR first:\n"
        "  aws ecr get-login-password --region us-east-1 |\n"
        "    docker login --username AWS --password-stdin"
        " 111122223333.dkr.ecr.us-east-1.amazonaws.com\n"
    )
    return f"\nPublished {version}\n{rows}Pull      docker pull {IMAGE}\n{login}"


def followed(out: str) -> list[str]:
    """Return the lines of a run that was followed: its address, then each change."""
    (block,) = re.findall(r"(?m)^Run {7}(.*\n(?: {10}.*\n)*)", out)
    return [line.strip() for line in block.splitlines()]
