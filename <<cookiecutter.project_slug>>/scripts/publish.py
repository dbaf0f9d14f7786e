#!/usr/bin/env python3
"""<% raw %>Publish each version once: what ECR holds already decides what the job does.

    publish.py name      before any call to AWS: refuse a version that no image can have as its tag
    publish.py before    look into ECR, and say whether an image must be built
    publish.py after     settle what the push has left, then write job summary and outputs

It reads the environment of the job in deploy.yml, and asks ECR with the AWS CLI, as the role.
Exit status: 0 the image stands there or can be built, 1 not; the annotation says why, and the mend.
"""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

REVISION = "org.opencontainers.image.revision"  # the annotation that names an image's commit
ROOT = Path(__file__).resolve().parent.parent
TFVARS = ROOT / "infra/terraform.tfvars.json"
if not TFVARS.is_file():  # the infra/ of another repository has said it
    TFVARS = ROOT / "infra.json"
ENTRIES = TFVARS.relative_to(ROOT).as_posix()


def infra() -> str:
    """Return where infra/ stands, as a reader of the log looks for it."""
    name = ""
    try:
        if TFVARS.name == "infra.json":
            name = json.loads(TFVARS.read_text(encoding="utf-8"))["written_by"].partition(":")[0]
        elif os.environ.get("BESIDE"):  # the workflow of another repository runs this
            answers = json.loads((ROOT / ".cookiecutter.json").read_text(encoding="utf-8"))
            name = answers["default_context"]["github_repository"]
    except (OSError, ValueError, LookupError, AttributeError):
        name = "another repository"
    return f"infra/ of {name}" if name else "infra/"


# A manifest is returned as it was pushed only if its media type is accepted (AWS docs, ECR API,
# BatchGetImage), and a digest is that of its exact bytes.
MEDIA_TYPES = (
    *("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"),
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
# ECR's answers where a tag is taken, and where it names that image (AWS docs, ECR API, PutImage).
TAKEN, SAME = "ImageTagAlreadyExistsException", "ImageAlreadyExistsException"
# How the AWS CLI says what went wrong (AWS CLI user guide, "Structured error output"), and retries.
CLI = {"AWS_CLI_ERROR_FORMAT": "legacy", "AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "5"}


class Problem(Exception):
    """Why the release is not complete: what is wrong and what follows, and what to type."""

    def __init__(self, message: str, *commands: str) -> None:
        super().__init__(message)
        self.commands = commands


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

    @property
    def said(self) -> str:
        """The code, where there is one, and the text."""
        return f"{self.code}: {self}" if self.code else str(self)


class Image(NamedTuple):
    """An image as ECR returns it: the manifest in its exact bytes, and the commit it names."""

    digest: str
    manifest: str
    media_type: str
    commit: str = ""  # empty where it names none


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


def ecr(job: Job, operation: str, **parameters: Any) -> dict[str, Any]:
    """Return what ECR answers to an operation on the repository.

    Raises:
        Refused: it answers with an error, or not at all.
    """
    return call("ecr", operation, repositoryName=job.repository, **parameters)


def call(service: str, operation: str, region: str = "", /, **parameters: Any) -> dict[str, Any]:
    """Return what a service of AWS answers to an operation, in a region or in that of the job.

    Raises:
        Refused: it answers with an error, or not at all.
    """
    # As JSON in a file a manifest keeps its exact bytes, and may be longer than an argument.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "parameters.json")
        file.write_text(json.dumps(parameters))
        command = ["aws", service, operation, "--cli-input-json", f"file://{file}"]
        command += ["--region", region] * bool(region)
        done = aws([*command, "--output", "json"])
    return json.loads(done or "{}")  # type: ignore[no-any-return]


def aws(command: list[str], given: str = "", **environment: str) -> str:
    """Run the AWS CLI with something as its input; return what it prints.

    Raises:
        Refused: it ends with an error.
    """
    known = {**os.environ, **CLI, **environment}
    try:
        done = subprocess.run(command, env=known, input=given, capture_output=True, text=True)
    except OSError as error:
        raise Refused("", f"The AWS CLI cannot be run on this runner ({error}).") from error
    if done.returncode:
        raise Refused.of(done.stderr)
    return done.stdout


def image(job: Job, **name: str) -> Image | None:
    """Return the image behind an imageTag or imageDigest, None where there is none."""
    answer = ecr(job, "batch-get-image", imageIds=[name], acceptedMediaTypes=MEDIA_TYPES)
    for found in answer.get("images", []):
        digest, manifest = found["imageId"]["imageDigest"], found["imageManifest"]
        known = (digest, manifest, found.get("imageManifestMediaType", ""))
        return Image(*known, commit_of(job, json.loads(manifest)))
    for failure in answer.get("failures", []):
        if failure["failureCode"] != "ImageNotFound":
            raise Refused(failure["failureCode"], failure.get("failureReason", ""))
    return None


def commit_of(job: Job, manifest: dict[str, Any]) -> str:
    """Return the commit that a manifest names; an index names it in its images."""
    commit = (manifest.get("annotations") or {}).get(REVISION)
    if commit:  # what is no commit is not shown to anybody, and not pasted into a command
        return str(commit) if re.fullmatch("[0-9a-f]{40,64}", str(commit)) else ""
    for part in manifest.get("manifests", []):
        if (part.get("platform") or {}).get("os") != "unknown":  # an attestation
            inner = image(job, imageDigest=part["digest"])
            return inner.commit if inner else ""
    return ""


def put(job: Job, found: Image, tag: str) -> str:
    """Put a tag on an image that is there; return ECR's code where the tag is taken, else nothing.

    ECR compares the manifest with the digest.
    """
    kind = {"imageManifestMediaType": found.media_type} if found.media_type else {}
    given = {"imageManifest": found.manifest, "imageDigest": found.digest, **kind}
    try:
        ecr(job, "put-image", imageTag=tag, **given)
    except Refused as refused:
        if refused.code not in (TAKEN, SAME):
            raise
        return refused.code
    return ""


def look(job: Job) -> tuple[Image | None, Image | None]:
    """Return the images behind the version and behind the commit's tag.

    Raises:
        Problem: one of them is the image of another commit.
    """
    version = image(job, imageTag=job.version)
    commit = None if job.moving else image(job, imageTag=job.second)
    for tag, found in ((job.version, version), (job.second, commit)):
        # An image that does not say its commit is known by the commit's tag, which cannot move.
        known = found and (found.commit or (commit and commit.digest == found.digest))
        if found and known not in (job.commit, True):
            raise moved(job, tag, found)
    return version, commit


def settle(job: Job) -> tuple[Image | None, list[str], list[str]]:
    """Return the image of this version, None where there is none; its tags, and those given now.

    Raises:
        Problem: a tag names the image of another commit.
    """
    for _ in range(3):  # where another run was faster, what it left is looked at again
        version, commit = look(job)
        found = version or commit
        missing = [job.version] * (not version) + [job.second] * (not commit and not job.moving)
        if found is None:
            return None, [], []
        if not any(put(job, found, tag) for tag in missing):
            second = not job.moving and (not commit or commit.digest == found.digest)
            return found, [job.version] + [job.second] * second, missing
    raise Problem("Other runs keep changing the same tags.", rerun())


def moved(job: Job, tag: str, found: Image) -> Problem:
    """Say that a tag is taken by another commit: most often a Git tag that was moved."""
    other = f"the image of commit {found.commit}" if found.commit else "an image of no known commit"
    message = f"{tag} already names {other}, and this run is for commit {job.commit}."
    if tag == job.second:
        message += " Somebody has put it there by hand, so this commit cannot be published."
        return Problem(f"{message} Publish another one.", new("main"))
    message += " What is published stays as it is: publish a new version."
    if by_branch():
        message += " (Numbers of runs begin again when the workflow is renamed: then write another"
        return Problem(f"{message} prefix into IMAGE_TAG.)", new("main"))
    back = f"git push --force origin {found.commit}:refs/tags/{job.version} # the tag as it was"
    return Problem(message, new(job.commit), *[back] * bool(found.commit))


def numbers(job: Job, tag: str) -> list[int] | None:
    """Return a tag's version for comparing; None where it is none, or one before its release.

    As in Semantic Versioning what follows the numbers, as in v2.0.0-rc.1, comes before v2.0.0.
    """
    prefix = re.split("[0-9]", job.version)[0]
    found = re.fullmatch(re.escape(prefix) + r"([0-9]+(?:\.[0-9]+)*)", tag)
    if not found:
        return None
    version = [int(number) for number in found[1].split(".")]
    while version[-1:] == [0]:  # v1.2 and v1.2.0 are the same version
        version.pop()
    return version


def move(job: Job) -> str:
    """Put the moving tag on the newest version of all; return which, empty where there is none.

    It never moves backwards: a run that ends late, or again, sees what has been published since.

    Raises:
        Problem: it cannot be moved.
    """
    for _ in range(4):  # looked at again, because two runs may move it at the same time
        details = ecr(job, "describe-images", filter={"tagStatus": "TAGGED"})["imageDetails"]
        tags = {tag: item["imageDigest"] for item in details for tag in item.get("imageTags", [])}
        known = [(numbers(job, tag), tag) for tag in tags]
        for _, newest in sorted((pair for pair in known if pair[0] is not None), reverse=True):
            if tags[newest] == tags.get(job.moving):
                return str(newest)
            found = image(job, imageTag=newest)
            if found and found.commit:  # else it was not published by this workflow
                if put(job, found, job.moving) == TAKEN:
                    message = (
                        f"ECR does not let {job.moving} move: its exclusion filter is missing."
                    )
                    raise Problem(f"{job.version} is published. {message}", *applied())
                break
        else:
            return ""
    raise Problem(f"{job.version} is published. Other runs keep moving {job.moving}.", rerun())


def not_pushed(job: Job) -> Problem:
    """Say why a push has left nothing, as far as ECR shows it."""
    # ECR refuses this image always, as its digest is that of no image, but who may push first.
    manifest = {"schemaVersion": 2, "mediaType": MEDIA_TYPES[0], "config": {}, "layers": []}
    nothing = {"imageManifest": json.dumps(manifest), "imageDigest": f"sha256:{0:064}"}
    layers = {"layerDigests": [nothing["imageDigest"]]}
    for operation, given in (
        ("batch-check-layer-availability", layers),
        ("initiate-layer-upload", {}),
        ("put-image", nothing),
    ):
        try:
            ecr(job, operation, **given)
        except Refused as refused:
            if refused.code in ("AccessDeniedException", "RepositoryNotFoundException", ""):
                return meaning(job, refused)
    return Problem(
        "The image was not built, or not pushed, although the role may push it as far as can be"
        " asked. The step before this one shows why (it looks green): where the registry did not"
        " answer, run it again; where the Dockerfile fails, correct it, commit that, and publish a"
        " new version.",
        rerun(),
        new("main"),
    )


def meaning(job: Job, refused: Refused) -> Problem:
    """Return what an error of AWS means for the reader (codes: AWS docs, ECR API, Errors)."""
    region = os.environ.get("AWS_REGION", "")
    own = region_of_infra()
    where = f"{job.repository} in {region}"
    if own and region and own != region:
        message = f"ECR was asked for {where}, and {ENTRIES} says {own}: {refused}"
        mend = f"Write aws-region: {own} in deploy.yml, commit it, and publish a new version."
        return Problem(f"{message}. {mend}", new("main"))
    if refused.code == "RepositoryNotFoundException":
        return Problem(f"There is no ECR repository {where}, so nothing can be pushed.", *applied())
    if refused.code == "AccessDeniedException":
        message = f"The role may not do this: {refused}."
        if re.search("explicit deny|boundary|control policy", str(refused)):
            message += " A policy of the account or the organisation forbids it: ask who runs them."
            return Problem(message, rerun())
        return Problem(f"{message} Its policy is older than infra/, or was changed.", *applied())
    if "Expired" in refused.code:
        return Problem(f"The session of the role has ended before the job: {refused}", rerun())
    return Problem(f"ECR did not do what it was asked for {where}: {refused.said}", rerun())


def region_of_infra() -> str:
    """Return the region of the registry as infra/ has it, empty where that cannot be read."""
    try:
        return str(json.loads(TFVARS.read_text(encoding="utf-8"))["aws_region"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def rerun() -> str:
    """Return the command that runs this job again, with the files of the same commit."""
    return f"gh run rerun {os.environ.get('GITHUB_RUN_ID', 'RUN_ID')}"


def bootstrap(options: str = "") -> str:
    """Return the command that makes in AWS what infra/ says, and where it is to be typed."""
    place = infra().partition(" of ")[2]
    return "make bootstrap" + f' ARGS="{options}"' * bool(options) + f"  # in {place}" * bool(place)


def applied() -> tuple[str, str]:
    """Return what makes in AWS what infra/ says, and then runs this job again."""
    return bootstrap(), rerun()


def by_branch() -> bool:
    """Tell whether a push to a branch publishes, and not a tag."""
    return os.environ.get("GITHUB_REF_TYPE") == "branch"


def new(target: str) -> str:
    """Return the command that publishes a commit, or the newest one of a branch, anew."""
    if by_branch():
        return "git commit --allow-empty --message Release && git push"
    return f"gh release create vNEXT --target {target} --generate-notes"


def check_name(job: Job) -> None:
    """Refuse a version that cannot be the tag of an image (Docker docs, image tag).

    Raises:
        Problem: it holds what a Git tag may hold and an image's may not.
    """
    if re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", job.version):
        return
    legal = re.sub("[^A-Za-z0-9_.-]", "_", job.version)[:128]
    name = shlex.quote(job.version)
    released = os.environ.get("GITHUB_EVENT_NAME") == "release"
    remove = f"gh release delete {name} --cleanup-tag --yes"
    raise Problem(
        f"{job.version} cannot be the tag of an image, which holds letters, digits, _ . and -, at"
        " most 128. So nothing was asked of AWS. Remove it, and publish it under another name.",
        remove if released else f"git push origin --delete {name}",
        new(job.commit).replace("vNEXT", legal),
    )


def before(job: Job) -> None:
    """Say whether an image must be built."""
    found = next(filter(None, look(job)), None)
    print(f"{job.version}: {found.digest} is there" if found else f"{job.version}: to be built")
    append("GITHUB_OUTPUT", f"build={str(found is None).lower()}")


def after(job: Job) -> None:
    """Settle the tags, and write job summary and outputs.

    Raises:
        Problem: there is no image, or its tags are not as they should be.
    """
    found, tags, given = settle(job)
    if found is None:
        raise not_pushed(job)
    build = os.environ.get("BUILD", "")
    title = f"Published {job.version}"
    if build == "failure":
        title += ": the push has reported an error, but the image is there"
    elif build != "success":
        title += ": the image of this commit was there" if given else " before: nothing was built"
    uri = f"{job.registry}/{job.repository}@{found.digest}"
    append("GITHUB_OUTPUT", f"digest={found.digest}\ntag={job.version}")
    if job.moving:
        newest = move(job)
        tags.append(f"{job.moving} ({f'names {newest}' if newest else 'was not moved'})")
    rows = {
        "Image": uri,
        "Tags": ", ".join(tags),
        "Platform": os.environ.get("PLATFORM", ""),
        "Pull": f"docker pull {uri}",
        "Role session": os.environ.get("SESSION", ""),
    }
    table = [f"### {title}", "", "| | |", "| --- | --- |"]
    table += [f"| {name} | `{value.replace(', ', '`, `')}` |" for name, value in rows.items()]
    append("GITHUB_STEP_SUMMARY", "\n".join(table))
    print(title, *(f"{name:<13} {value}" for name, value in rows.items()), sep="\n")


def append(variable: str, text: str) -> None:
    """Write lines into a file that the runner names in the environment."""
    if os.environ.get(variable):
        with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def fail(problem: Problem, title: str, details: str = "") -> None:
    """Show a problem in the log, as an annotation, and in the job summary."""
    commands = "\n".join(problem.commands)
    parts = [f"### {title}", block(details), html.escape(str(problem), False), block(commands)]
    append("GITHUB_STEP_SUMMARY", "\n\n".join(filter(None, parts)) + "\n")
    text = f"{problem}\n{commands}"
    for character, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(character, code)
    print(f"::error title={title}::{text}")


def block(text: str) -> str:
    """Return lines as Markdown shows them unchanged, with a button that copies them."""
    return f"```text\n{text}\n```" if text else ""


def main(arguments: list[str]) -> int:
    """Do one of the steps; return the exit status.<% endraw %>"""
    steps = {"name": check_name, "before": before, "after": after}
    if len(arguments) != 1 or arguments[0] not in steps:
        print(__doc__)
        return 2
    job = Job.of(dict(os.environ))
    done = "after" in arguments
    title = "The release is not complete" if done else "Nothing was published"
    try:
        steps[arguments[0]](job)
    except Refused as refused:
        fail(meaning(job, refused), title)
    except Problem as problem:
        fail(problem, title)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        fail(Problem(f"An answer of ECR cannot be read: {error!r}", rerun()), title)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
