"""One ECR repository of the emulated AWS, and a job that publishes into it in this process."""

from __future__ import annotations

import hashlib
import json

import pytest
from keyless import aws
from keyless.release import images, publish

from tests.standins.account import published
from tests.standins.emulator import Emulator
from tests.support.steps import Job, Ran, by_botocore

ONE, TWO = "1" * 40, "2" * 40  # commits
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"

# Tests of tags that move, which the emulator knows in one way only.
movable = pytest.mark.parametrize(
    "registry", ["MUTABLE"], indirect=True, ids=["MUTABLE-as-the-emulator-has-no-exclusion-filters"]
)


class Registry:
    """One ECR repository, and a job that publishes into it."""

    def __init__(self, emulator: Emulator, name: str, mutability: str, job: Job) -> None:
        self.emulator, self.name, self.job = emulator, name, job
        self.client = emulator.client("ecr")
        self.client.create_repository(repositoryName=name, imageTagMutability=mutability)
        self.patch = job.patch
        self.call = by_botocore(emulator)
        self.patch.setattr(images, "call", self.call)

    def by_cli(self) -> None:
        """Let the job ask with the AWS CLI from now on, as it does on GitHub."""
        self.patch.setattr(images, "call", aws.call)

    def push(self, tag: str, commit: str = "", media_type: str = MANIFEST, seed: str = "") -> str:
        """Push an image under a tag; return its digest. Its manifest has bytes of its own."""
        known = {"org.opencontainers.image.revision": commit} if commit else {}
        values = {"schemaVersion": 2, "mediaType": media_type, "annotations": known, "seed": seed}
        manifest = json.dumps(values, indent=3) + " " * 7 + "\n\n"
        digest = f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
        self.client.put_image(
            repositoryName=self.name,
            imageManifest=manifest,
            imageManifestMediaType=media_type,
            imageDigest=digest,
            imageTag=tag,
        )
        return digest

    @property
    def tags(self) -> dict[str, str]:
        """The digest behind each tag."""
        return published(self.emulator, self.name)

    def run(self, step: str, version: str = "v1.0.0", commit: str = ONE, **more: str) -> Ran:
        """Run one step of `keyless publish`, as the job in deploy.yml does."""
        environment = {
            **self.emulator.environment(),
            "AWS_DEFAULT_REGION": "us-east-1",
            "ECR_REPOSITORY": self.name,
            "IMAGE_TAG": version,
            "SECOND_TAG": commit,
            "PLATFORM": "linux/amd64",
            "SESSION": "run-4711-1",
            "GITHUB_SHA": commit,
            "GITHUB_RUN_ID": "4711",
            "GITHUB_EVENT_NAME": "release",
            "GITHUB_REF_TYPE": "branch" if version.startswith("main-") else "tag",
        }
        return self.job.run(publish.main, step, {**environment, **more})
