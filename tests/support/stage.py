"""A service of one name on the emulated AWS, and the steps that deploy to it, in this process."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from keyless.release import app_runner, deploy, ecs_express, waiting

from tests.standins.emulator import Emulator
from tests.support.service import write
from tests.support.steps import Job, by_botocore

MODULES = {"ecs-express": ecs_express, "app-runner": app_runner}
CLASSES = {
    "ecs-express": ecs_express.ExpressService,
    "app-runner": app_runner.AppRunnerService,
}


class Stage:
    """A service of one name, and the step that deploys to it."""

    def __init__(self, root: Path, aws: Emulator, name: str, target: str, job: Job) -> None:
        self.root, self.aws, self.name, self.target, self.job = root, aws, name, target, job
        self.patch = job.patch
        self.outputs: dict[str, str] = {}  # of the last step
        self.call = by_botocore(aws)
        self.patch.setattr(self.module, "call", self.call)
        self.patch.setattr(waiting, "POLLS", 30_000)  # one each 10 ms, and load breaks nothing
        self.rename(name)
        aws.client("ecs").create_cluster(clusterName=name)

    @property
    def module(self) -> ModuleType:
        """The module of what runs the image."""
        return MODULES[self.target]

    @property
    def service(self) -> Any:
        """The class of what runs the image."""
        return CLASSES[self.target]

    def rename(self, name: str) -> None:
        """Give the service a name, and make the roles for it."""
        self.write(name=name)
        trust = json.dumps({"Principal": {"Service": "x.amazonaws.com"}})
        for kind in ("execution", "infrastructure", "task", "access", "instance"):
            role = {"RoleName": f"{name}-{kind}", "AssumeRolePolicyDocument": trust}
            self.aws.client("iam").create_role(**role)

    def write(self, **settings: Any) -> None:
        """Write settings of the service beside those that are there."""
        write(self.root, **settings)

    def run(self, step: str, digest: str, version: str, **more: str) -> tuple[int, str]:
        """Run one step; return its exit status and everything that is read.

        `digest` is the character that the image's digest is made of.
        """
        environment = {
            "ECR_REPOSITORY": "example-service",
            "IMAGE_TAG": version,
            "SECOND_TAG": "1" * 40,
            "DIGEST": f"sha256:{digest * 64}",
            "BEFORE": "",
            "WAIT_MINUTES": "5",
            "GITHUB_SHA": "1" * 40,
            "GITHUB_RUN_ID": "4711",
            "GITHUB_REF_TYPE": "tag",
            "PLATFORM": "linux/amd64",
        }
        self.aws.clear()
        self.aws.mood(takes=0, looks=2)  # unless the test has said something else of it
        ran = self.job.run(deploy.main, step, {**environment, **more})
        self.aws.forget("moods")
        self.outputs = ran.outputs
        return ran.status, ran.text

    def after(self, digest: str, version: str, **more: str) -> str:
        """Deploy; it must be green. Return what is read."""
        status, text = self.run("after", digest, version, **more)
        assert status == 0, text
        return text

    def asked(self) -> list[str]:
        """Return what was asked that changes something."""
        names = [one["name"] for one in self.aws.requests()]
        return [name for name in names if re.match("Create|Update", name)]

    @property
    def given(self) -> dict[str, Any]:
        """What the last creation or update was given."""
        changing = r"(Create|Update)(Express|Service)"
        every = [one for one in self.aws.requests() if re.match(changing, one["name"])]
        return dict(every[-1]["parameters"])
