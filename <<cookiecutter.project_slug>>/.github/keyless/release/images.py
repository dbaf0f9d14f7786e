"""Images in ECR: what a tag names, of which commit it is, and how a further tag is put on it."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from keyless.aws import Refused, call
from keyless.console import Problem
from keyless.release.job_environment import Release, is_branch, publish_command, rerun_command

REVISION = "org.opencontainers.image.revision"  # the annotation that names an image's commit
# A manifest is returned as it was pushed only if its media type is accepted (AWS docs, ECR API,
# BatchGetImage), and a digest is that of its exact bytes.
MEDIA_TYPES = (
    *("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"),
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
# ECR's answers where a tag is taken, and where it names that image (AWS docs, ECR API, PutImage).
TAKEN, SAME = "ImageTagAlreadyExistsException", "ImageAlreadyExistsException"


class Image(NamedTuple):
    """An image as ECR returns it: the manifest in its exact bytes, and the commit it names."""

    digest: str
    manifest: str
    media_type: str
    commit: str = ""  # empty where it names none


def call_ecr(job: Release, operation: str, **parameters: Any) -> dict[str, Any]:
    """Return what ECR answers to an operation on the repository.

    Raises:
        Refused: it answers with an error, or not at all.
    """
    return call("ecr", operation, repositoryName=job.repository, **parameters)


def find_image(job: Release, **name: str) -> Image | None:
    """Return the image behind an imageTag or imageDigest, None where there is none.

    Raises:
        Refused: ECR answers with an error, or not at all.
    """
    answer = call_ecr(job, "batch-get-image", imageIds=[name], acceptedMediaTypes=MEDIA_TYPES)
    for found in answer.get("images", []):
        digest, manifest = found["imageId"]["imageDigest"], found["imageManifest"]
        media_type = found.get("imageManifestMediaType", "")
        return Image(digest, manifest, media_type, commit_of(job, json.loads(manifest)))
    for failure in answer.get("failures", []):
        if failure["failureCode"] != "ImageNotFound":
            raise Refused(failure["failureCode"], failure.get("failureReason", ""))
    return None


def commit_of(job: Release, manifest: dict[str, Any]) -> str:
    """Return the commit that a manifest names; an index names it in its images."""
    commit = (manifest.get("annotations") or {}).get(REVISION)
    if commit:  # what is no commit is not shown to anybody, and not pasted into a command
        return str(commit) if re.fullmatch("[0-9a-f]{40,64}", str(commit)) else ""
    for part in manifest.get("manifests", []):
        if (part.get("platform") or {}).get("os") != "unknown":  # an attestation
            inner = find_image(job, imageDigest=part["digest"])
            return inner.commit if inner else ""
    return ""


def put_tag(job: Release, found: Image, tag: str) -> str:
    """Put a tag on an image that is there; return ECR's code where the tag is taken, else nothing.

    ECR compares the manifest with the digest.

    Raises:
        Refused: it is refused for another reason.
    """
    kind = {"imageManifestMediaType": found.media_type} if found.media_type else {}
    given = {"imageManifest": found.manifest, "imageDigest": found.digest, **kind}
    try:
        call_ecr(job, "put-image", imageTag=tag, **given)
    except Refused as refused:
        if refused.code not in (TAKEN, SAME):
            raise
        return refused.code
    return ""


def find_published(job: Release) -> tuple[Image | None, Image | None]:
    """Return the images behind the version and behind the commit's tag; None where there is none.

    Raises:
        Problem: one of them is the image of another commit.
    """
    version = find_image(job, imageTag=job.version)
    commit = None if job.moving else find_image(job, imageTag=job.second)
    for tag, found in ((job.version, version), (job.second, commit)):
        # An image that does not say its commit is known by the commit's tag, which cannot move.
        ours = found and (found.commit or (commit and commit.digest == found.digest))
        if found and ours not in (job.commit, True):
            raise tag_is_taken(job, tag, found)
    return version, commit


def settle_tags(job: Release) -> tuple[Image | None, list[str], list[str]]:
    """Return the image of this version, None where there is none; its tags, and those given now.

    Raises:
        Problem: a tag names the image of another commit.
    """
    for _ in range(3):  # where another run was faster, what it left is looked at again
        version, commit = find_published(job)
        found = version or commit
        missing = [job.version] * (not version) + [job.second] * (not commit and not job.moving)
        if found is None:
            return None, [], []
        if not any(put_tag(job, found, tag) for tag in missing):
            second = not job.moving and (not commit or commit.digest == found.digest)
            return found, [job.version] + [job.second] * second, missing
    raise Problem(
        "Other runs keep changing the same tags, so this run cannot complete them.", rerun_command()
    )


def tag_is_taken(job: Release, tag: str, found: Image) -> Problem:
    """Return what to say of a tag that names the image of another commit.

    Most often the Git tag was moved.
    """
    other = (
        f"the image of commit {found.commit}" if found.commit else "an image that names no commit"
    )
    message = f"{tag} already names {other}, but this run is for commit {job.commit}."
    if tag == job.second:
        message += " Somebody added this tag by hand, so this commit cannot be published."
        return Problem(f"{message} Publish another commit.", publish_command("main"))
    message += " Published images never change. Publish a new version."
    if is_branch():
        message += " If the workflow was renamed, its run numbers started again at 1. Then write"
        return Problem(f"{message} another prefix into IMAGE_TAG.", publish_command("main"))
    back = f"git push --force origin {found.commit}:refs/tags/{job.version} # restores the tag"
    return Problem(message, publish_command(job.commit), *[back] * bool(found.commit))
