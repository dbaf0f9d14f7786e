#!/usr/bin/env python3
"""<% raw %>Publish each version once: what ECR holds already decides what the job does.

    publish.py name      before any call to AWS: refuse a version that no image can have as its tag
    publish.py before    look into ECR, and say whether an image must be built
    publish.py after     settle what the push has left, then write job summary and outputs

It reads the environment of the job in deploy.yml, and asks ECR with the AWS CLI, as the role.
Exit status: 0 the image stands there or can be built, 1 not; the annotation says why, and the mend.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

REVISION = "org.opencontainers.image.revision"  # the annotation that names an image's commit
TFVARS = Path(__file__).resolve().parent.parent / "infra/terraform.tfvars.json"
# A manifest is returned as it was pushed only if its media type is accepted (AWS docs, ECR API,
# BatchGetImage), and a digest is that of its exact bytes.
MEDIA_TYPES = (
    *("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"),
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
# Answers of ECR when another run was faster (AWS docs, ECR API, PutImage).
TAKEN = ("ImageTagAlreadyExistsException", "ImageAlreadyExistsException")
# How the AWS CLI says what went wrong (AWS CLI user guide, "Structured error output"), and retries.
CLI = {"AWS_CLI_ERROR_FORMAT": "legacy", "AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "5"}
NO_IMAGE = {"schemaVersion": 2, "mediaType": MEDIA_TYPES[0], "config": {}, "layers": []}


# A re-run has the files of its commit, so a change of the workflow needs another commit.
ANEW = "and publish a new version"


class Problem(Exception):
    """Why nothing was published: what is wrong and what follows, and what to type."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.mend = mend


class Refused(Exception):
    """An answer of AWS that is an error: its code, empty where AWS was not reached, and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code

    @classmethod
    def of(cls, printed: str) -> Refused:
        """Read what the AWS CLI has printed."""
        said = " ".join(printed.split())
        # Behind the operation may stand "(reached max retries: 4)".
        answer = re.search(r"An error occurred \((\w+)\)[^:(]*(?:\([^)]*\))?: (.*)", said)
        return cls(*answer.groups()) if answer else cls("", said)


class Image(NamedTuple):
    """An image as ECR returns it: the manifest in its exact bytes."""

    digest: str
    manifest: str
    media_type: str

    @property
    def commit(self) -> str:
        """The commit that the image was built from, empty where it does not say."""
        return str(json.loads(self.manifest).get("annotations", {}).get(REVISION, ""))


class Job(NamedTuple):
    """What deploy.yml says in env:, and the commit of the run."""

    registry: str
    repository: str
    version: str  # the first tag: the Git tag, or main-NUMBER
    second: str  # a tag that holds the commit, or one that moves
    commit: str

    @classmethod
    def of(cls, environment: dict[str, str]) -> Job:
        """Read the environment of the step."""
        keys = ("REGISTRY", "ECR_REPOSITORY", "IMAGE_TAG", "SECOND_TAG", "GITHUB_SHA")
        return cls(*(environment.get(key, "") for key in keys))

    @property
    def moving(self) -> str:
        """The tag that moves to the newest version, empty where every tag is immutable."""
        return "" if self.commit in self.second else self.second

    @property
    def again(self) -> str:
        """What publishes a new version."""
        if self.version.startswith("main-"):
            return "push a commit to main"
        return "gh release create NEW_VERSION --generate-notes"


def ecr(job: Job, operation: str, **parameters: Any) -> dict[str, Any]:
    """Return what ECR answers to an operation on the repository.

    Raises:
        Refused: it answers with an error, or not at all.
        Problem: there is nothing to ask it with.
    """
    # As JSON in a file a manifest keeps its exact bytes, and may be longer than an argument.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "parameters.json")
        file.write_text(json.dumps({"repositoryName": job.repository, **parameters}))
        command = [
            "aws",
            "ecr",
            operation,
            "--cli-input-json",
            f"file://{file}",
            "--output",
            "json",
        ]
        try:
            done = subprocess.run(
                command, env={**os.environ, **CLI}, capture_output=True, text=True
            )
        except FileNotFoundError as error:
            mend = "install it: https://docs.aws.amazon.com/cli/latest/userguide"
            raise Problem("the runner has no AWS CLI, so ECR cannot be asked", mend) from error
    if done.returncode:
        raise Refused.of(done.stderr)
    return json.loads(done.stdout or "{}")  # type: ignore[no-any-return]


def image(job: Job, tag: str) -> Image | None:
    """Return the image behind a tag, None where there is none."""
    wanted = [{"imageTag": tag}]
    answer = ecr(job, "batch-get-image", imageIds=wanted, acceptedMediaTypes=MEDIA_TYPES)
    for found in answer.get("images", []):
        known = (found["imageId"]["imageDigest"], found["imageManifest"])
        return Image(*known, found.get("imageManifestMediaType", ""))
    for failure in answer.get("failures", []):
        if failure["failureCode"] != "ImageNotFound":
            raise Refused(failure["failureCode"], failure.get("failureReason", ""))
    return None


def put(job: Job, found: Image, tag: str) -> bool:
    """Put a tag on an image that is there; return whether the tag was still free.

    ECR compares the manifest with the digest.
    """
    kind = {"imageManifestMediaType": found.media_type} if found.media_type else {}
    given = {"imageManifest": found.manifest, "imageDigest": found.digest, **kind}
    try:
        ecr(job, "put-image", imageTag=tag, **given)
    except Refused as refused:
        if refused.code not in TAKEN:
            raise
        return False
    return True


def look(job: Job) -> tuple[Image | None, list[str]]:
    """Return the image of this version, None where it must be built, and the tags it still lacks.

    Raises:
        Problem: a tag names the image of another commit.
    """
    version = image(job, job.version)
    commit = None if job.moving else image(job, job.second)
    for tag, found in ((job.version, version), (job.second, commit)):
        # An image that does not say its commit is known by the commit's tag, which cannot move.
        known = found and (found.commit or (commit and commit.digest == found.digest))
        if found and known not in (job.commit, True):
            raise moved(job, tag, found)
    missing = [job.version] * (not version) + [job.second] * (not commit and not job.moving)
    return version or commit, missing


def settle(job: Job) -> Image | None:
    """Return the image of this version, with every tag on it; None where it must be built.

    Raises:
        Problem: a tag names the image of another commit.
    """
    for _ in range(3):  # where another run was faster, what it left is looked at again
        found, missing = look(job)
        if found is None or all(put(job, found, tag) for tag in missing):
            return found
    raise Problem("another run sets the same tags", f"run it again: {rerun()}")


def moved(job: Job, tag: str, found: Image) -> Problem:
    """Say that a tag is taken by another commit: most often a Git tag that was moved."""
    other = f"the image of commit {found.commit}" if found.commit else "an image of no known commit"
    message = f"{tag} already names {other}, and this run is for commit {job.commit}. What is"
    message += " published stays as it is, so nothing was pushed"
    if job.version.startswith("main-"):
        message += ". (Numbers of runs begin again when the workflow is renamed: then write another"
        message += " prefix than main- into IMAGE_TAG)"
    return Problem(message, f"publish a new version: {job.again}")


def numbers(job: Job, tag: str) -> list[int] | None:
    """Return a tag's version for comparing, None where it is none, or one before its release.

    As in Semantic Versioning what follows the numbers, as in v2.0.0-rc.1, comes before v2.0.0.
    """
    prefix = "main-" if job.version.startswith("main-") else "v"
    found = re.fullmatch(prefix + r"([0-9]+(?:\.[0-9]+)*)", tag)
    if not found:
        return None
    version = [int(number) for number in found[1].split(".")]
    while version[-1:] == [0]:  # v1.2 and v1.2.0 are the same version
        version.pop()
    return version


def move(job: Job) -> str:
    """Put the moving tag on the newest version of all; return which, empty where there is none.

    It never moves backwards: a run that ends late, or again, sees what has been published since.
    """
    newest = ""
    for _ in range(3):  # looked at again, because two runs may move it at the same time
        answer = ecr(job, "describe-images", filter={"tagStatus": "TAGGED"})
        details = answer.get("imageDetails", [])
        tags = {tag: item["imageDigest"] for item in details for tag in item.get("imageTags", [])}
        versions = [tag for tag in tags if numbers(job, tag) is not None]
        newest = max(versions, key=lambda tag: (numbers(job, tag), tag), default="")
        found = image(job, newest) if newest and tags[newest] != tags.get(job.moving) else None
        if found is None:
            break
        put(job, found, job.moving)
    return newest


def not_pushed(job: Job) -> Problem:
    """Say why a push has left nothing, as far as ECR shows it."""
    try:  # an image that ECR never takes, as its digest is that of no image, shows who may push
        ecr(job, "put-image", imageManifest=json.dumps(NO_IMAGE), imageDigest=f"sha256:{0:064}")
    except Refused as refused:
        if refused.code in ("AccessDeniedException", "RepositoryNotFoundException", ""):
            return meaning(job, refused)
    message = (
        "the image was not built, or not pushed, although the role may push it. The log of the"
    )
    message += " step before this one shows why: the Dockerfile, or a registry that did not answer"
    return Problem(message, f"correct the Dockerfile, or run it again: {rerun()}")


def meaning(job: Job, refused: Refused) -> Problem:
    """Return what an error of AWS means for the reader (codes: AWS docs, ECR API, Errors)."""
    region = os.environ.get("AWS_REGION", "")
    own = (
        json.loads(TFVARS.read_text(encoding="utf-8"))["aws_region"] if TFVARS.exists() else region
    )
    where = f"{job.repository} in {region}"
    if own != region:
        message = f"ECR was asked for {where}, and infra/terraform.tfvars.json says {own}"
        return Problem(f"{message}: {refused}", f"write aws-region: {own} in deploy.yml {ANEW}")
    if refused.code == "RepositoryNotFoundException":
        message = f"there is no ECR repository {where}, so nothing could be pushed"
        return Problem(f"{message}: {refused}", "create it: make apply")
    if refused.code == "AccessDeniedException":
        message = "the role may not do this, because its policy is older than infra/ or was changed"
        return Problem(f"{message}: {refused}", "bring it up to date: make apply")
    if "Expired" in refused.code:
        message = f"the session of the role has ended before the job: {refused}"
        return Problem(message, f"run it again: {rerun()}")
    code = f"{refused.code}: " if refused.code else ""
    message = f"ECR did not do what it was asked for {where}: {code}{refused}"
    return Problem(message, f"run it again: {rerun()}")


def rerun() -> str:
    """Return the command that runs this job again."""
    return f"gh run rerun {os.environ.get('GITHUB_RUN_ID', 'RUN_ID')}"


def check_name(job: Job) -> None:
    """Refuse a version that cannot be the tag of an image (Docker docs, image tag).

    Raises:
        Problem: it holds what a Git tag may hold and an image's may not.
    """
    if re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", job.version):
        return
    legal = re.sub("[^A-Za-z0-9_.-]", "-", job.version)[:128]
    message = (
        f"{job.version} cannot be the tag of an image, so nothing was asked of AWS and nothing"
    )
    message += " was published: that takes letters, digits, _ . and - only, and at most 128"
    mend = f"publish it under another name: gh release create {legal} --generate-notes"
    raise Problem(message, f"{mend}, and remove this one")


def before(job: Job) -> None:
    """Say whether an image must be built."""
    found, _ = look(job)
    print(f"{job.version}: {found.digest} is there" if found else f"{job.version}: to be built")
    append("GITHUB_OUTPUT", f"build={str(found is None).lower()}")


def after(job: Job) -> None:
    """Settle the tags, and write job summary and outputs.

    Raises:
        Problem: there is no image.
    """
    found = settle(job)
    if found is None:
        raise not_pushed(job)
    built = os.environ.get("BUILD") == "success"
    uri = f"{job.registry}/{job.repository}@{found.digest}"
    tags = [job.version, job.second]
    if job.moving:
        newest = move(job)
        tags[1] = f"{job.moving} names {newest or 'nothing yet, as no release is published'}"
    rows = {
        "Image": uri,
        "Tags": ", ".join(tags),
        "Platform": os.environ.get("PLATFORM", ""),
        "Pull": f"docker pull {uri}",
        "Role session": os.environ.get("SESSION", ""),
    }
    title = "Published" if built else "Published before: nothing was built"
    append("GITHUB_OUTPUT", f"digest={found.digest}\ntag={job.version}")
    table = [f"### {title}", "", "| | |", "| --- | --- |"]
    table += [f"| {name} | `{value.replace(', ', '`, `')}` |" for name, value in rows.items()]
    append("GITHUB_STEP_SUMMARY", "\n".join(table))
    print(title, *(f"{name:<13} {value}" for name, value in rows.items()), sep="\n")


def append(variable: str, text: str) -> None:
    """Write lines into a file that the runner names in the environment."""
    if os.environ.get(variable):
        with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def fail(problem: Problem, title: str = "Nothing was published", details: str = "") -> None:
    """Show a problem in the log, as an annotation, and in the job summary."""
    parts = [f"### {title}", details, str(problem), f"    {problem.mend}"]
    append("GITHUB_STEP_SUMMARY", "\n\n".join(filter(None, parts)) + "\n")
    text = f"{problem}\n{problem.mend}"
    for character, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(character, code)
    print(f"::error title={title}::{text}")


def main(arguments: list[str]) -> int:
    """Do one of the steps; return the exit status.<% endraw %>"""
    steps = {"name": check_name, "before": before, "after": after}
    if len(arguments) != 1 or arguments[0] not in steps:
        print(__doc__)
        return 2
    job = Job.of(dict(os.environ))
    try:
        steps[arguments[0]](job)
    except Refused as refused:
        fail(meaning(job, refused))
    except Problem as problem:
        fail(problem)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
