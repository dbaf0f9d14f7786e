"""OCI layouts: the images from the build jobs, compared with what each job says it built.

[OCI image specification: image layout, image manifest, image configuration, annotations]
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from keyless.console import Problem
from keyless.release.images import MEDIA_TYPES, REVISION, commit_of
from keyless.release.job_environment import Release, publish_command, rerun_command

MANIFEST = MEDIA_TYPES[0]  # of one image; an index holds several


class Layout(NamedTuple):
    """One image in a folder: blobs by their digests, and an index that points at its manifest."""

    folder: Path
    digest: str  # of the manifest

    @property
    def source(self) -> str:
        """The image as `docker buildx imagetools create` takes it."""
        return f"oci-layout://{self.folder}@{self.digest}"


def read_layouts(job: Release) -> list[Layout]:
    """Return the image of each platform in PLATFORM, from the folder that IMAGES names.

    The image for linux/arm64 is in image-arm64 there, and DIGEST_ARM64 is the digest that its
    build job reported.

    Raises:
        Problem: one is missing, or is not what the build job built from this commit.
    """
    platforms = os.environ.get("PLATFORM", "").split(",")
    return [_read_layout(job, platform.strip()) for platform in platforms]


def _read_layout(job: Release, platform: str) -> Layout:
    architecture = platform.rpartition("/")[2]
    folder = Path(os.environ.get("IMAGES", "")) / f"image-{architecture}"
    built = os.environ.get(f"DIGEST_{architecture.upper()}", "")
    if not built or not (folder / "index.json").is_file():
        what = "has no output digest" if not built else "left no image"
        raise Problem(
            f"The build job for {platform} {what}, so nothing was pushed. It was skipped, or its"
            " artifact could not be downloaded. GitHub deletes an artifact after its"
            " retention-days. Build everything again.",
            rerun_command(),
        )
    try:
        return _verified(job, platform, folder, built)
    except (OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise Problem(
            f"The artifact of the build job for {platform} is not an image in an OCI layout, so"
            f" nothing was pushed: {error!r}. Build everything again.",
            rerun_command(),
        ) from error


def _verified(job: Release, platform: str, folder: Path, built: str) -> Layout:
    """Return a layout that holds what was built: one image, its digest, platform and commit."""
    listed = json.loads((folder / "index.json").read_text(encoding="utf-8"))["manifests"]
    if [one["mediaType"] for one in listed] != [MANIFEST]:
        raise _changed(
            f"The artifact of the build job for {platform} holds an index and not one image, so"
            " nothing was pushed. Write one platform, provenance: false and sbom: false into its"
            " build step."
        )
    digest = _digest(listed[0]["digest"])
    if digest != built:
        raise Problem(
            f"The build job for {platform} built {built}, but its artifact holds {digest}."
            " Something else replaced the artifact, so nothing was pushed. Find the steps that"
            " upload an artifact of that name, and build everything again.",
            rerun_command(),
        )
    manifest = _read_blob(folder, digest)
    commit = commit_of(job, manifest)
    if commit != job.commit:
        raise _changed(
            f"The image for {platform} names {f'commit {commit}' if commit else 'no commit'}, but"
            f" this run is for commit {job.commit}, so nothing was pushed. Write annotations:"
            f" {REVISION}=${{{{ github.sha }}}} into its build step, and remove ref: from its"
            " checkout step."
        )
    config = _read_blob(folder, _digest(manifest["config"]["digest"]))
    found = f"{config['os']}/{config['architecture']}"
    if not re.fullmatch("[a-z0-9]+/[a-z0-9]+", found):
        raise ValueError(f"{found!r} is not a platform")
    if found != platform:
        raise _changed(
            f"The image for {platform} was built for {found}, so nothing was pushed. Write"
            f" platforms: {platform} into its build step."
        )
    return Layout(folder, digest)


def _changed(message: str) -> Problem:
    """Return a problem that an edit of the workflow solves."""
    return Problem(
        f"{message} Commit the change, and publish a new version.", publish_command("main")
    )


def _digest(text: str) -> str:
    """Return a digest if it is one.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch("sha256:[0-9a-f]{64}", text):
        raise ValueError(f"{text!r} is not a digest")
    return text


def _read_blob(folder: Path, digest: str) -> Any:
    """Return a document of a layout, whose bytes have the digest that it goes by.

    Raises:
        ValueError: they have another one.
    """
    text = (folder / "blobs" / digest.replace(":", "/")).read_bytes()
    if f"sha256:{hashlib.sha256(text).hexdigest()}" != digest:
        raise ValueError(f"{digest} names other bytes")
    return json.loads(text)
