"""If other jobs build the platforms, the job with the role pushes exactly what they built."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.documents import Mapping
from keyless.model.expressions import normalize_expressions
from keyless.model.findings import UNJUDGED, Finding, first_of_each_line
from keyless.model.jobs import REMOVE, Change
from keyless.model.layouts import Build, Handover, needs_of
from keyless.model.repository import Repository
from keyless.model.texts import EXPRESSION
from keyless.model.workflows import BUILD, BUILDX, name_of_step, script_of
from keyless.rules._artifacts import handed_on, taken

ID = "separate-build"
WHY = (
    "If each platform is built in its own job, no job that can assume the role runs a Dockerfile."
    " No job that builds has a secret. `keyless publish push` pushes only what these jobs built:"
    " it compares the digest of each platform with the output of its job."
)
SOURCES = (
    (
        "GitHub: store and share data with workflow artifacts",
        "https://docs.github.com/en/actions/tutorials/store-and-share-data",
    ),
    (
        "Docker: OCI and Docker exporters",
        "https://docs.docker.com/build/exporters/oci-docker/",
    ),
)
BEFORE = """\
env:
  DIGEST_ARM64: ${{ needs.build-amd64.outputs.digest }}
run: python3 .github/keyless publish push"""
AFTER = """\
env:
  DIGEST_ARM64: ${{ needs.build-arm64.outputs.digest }}
run: python3 .github/keyless publish push"""
OLDEST = (0, 33)  # of Buildx, whose imagetools read a layout from a folder
# Programs and actions that build images, whatever they are made of.
BUILDING = (
    r"\b(docker|podman|nerdctl|buildah)\s+((buildx|image)\s+)?(build|bake|bud)\b"
    r"|\bbuildctl\b[^\n]*\bbuild\b|\bpack\s+build\b|\bkaniko\b|/executor\b|\bearthly\b"
)
BUILDING_ACTIONS = r"[^@]*(build-?push|bake|kaniko|buildah|build-image)[^@]*@"
EMULATING = r"docker/setup-qemu-action@|[^@]*binfmt"
OWN_TOKEN = r"\$\{\{(github\.token|secrets\.github_token)\}\}"


def find(repository: Repository) -> Iterator[Finding]:
    """Follow each layout from the job that builds it to the job that pushes it."""
    for handover in repository.handovers:
        yield from first_of_each_line(_judge(handover))


def _judge(handover: Handover) -> Iterator[Finding]:
    yield from _with_role(handover)
    yield from _platforms(handover)
    for build in handover.builds:
        yield from (*_within_reach(build), *_other_runner(build), *_no_layout(build))
        yield from handed_on(build, handover, ID)
    yield from _digests(handover)
    yield from taken(handover, ID)
    yield from _old_buildx(handover)


def _with_role(handover: Handover) -> Iterator[Finding]:
    """Yield what builds in a job that assumes a role."""
    for job in (handover.job, *handover.beside):
        for step in job.steps if job.assuming() else ():
            if re.match(BUILDING_ACTIONS, step.action()) or re.search(BUILDING, script_of(step)):
                message = f"{name_of_step(step)!r} builds in job {job.name}, which assumes a role,"
                message += " so what the Dockerfile runs could ask for its token"
                mend = "build in a job without id-token: write, as the other platforms are built"
                yield job.at_step(step, ID, message, mend)


def _within_reach(build: Build) -> Iterator[Finding]:
    """Yield the secrets that what a Dockerfile runs could read, and the environment with more."""
    job = build.job
    if job.environment:
        message = f"job {job.name} builds in the environment {job.environment}: what the Dockerfile"
        message += " runs could read its secrets, and its rules may ask for a second approval"
        mend = "remove environment: from it, because the job that publishes has one"
        change = REMOVE._replace(safe=False)
        yield job.at(job.root, "environment", ID, message, mend, change)
    for caller in job.callers:
        if "secrets" in caller.root:
            message = f"job {caller.name} passes secrets to a job whose image another one pushes"
            yield caller.at(caller.root, "secrets", ID, message, "remove secrets:", REMOVE)
    for part, key, text in (*_texts(job.source.root.of("env")), *_texts(job.root)):
        if _reads_secret(text):
            message = f"{key} reads a secret in job {job.name}, so what the Dockerfile runs could"
            mend = "do what needs it in another job, or build without it"
            yield job.at(part, key, ID, f"{message} also read it", mend)
    token = normalize_expressions(job.input(build.step, "github-token"))
    if token and not re.fullmatch(OWN_TOKEN, token):
        message = f"github-token is {token}, which can do more than the token of this job"
        yield job.finding(build.step, "github-token", ID, message, "remove it", "")


def _reads_secret(text: str) -> bool:
    """Tell whether an expression reads a secret; the job's own token is none."""
    inside = EXPRESSION.findall(re.sub(OWN_TOKEN, "", normalize_expressions(text)))
    return any(re.search(r"\bsecrets\b", re.sub(r"'[^']*'", "", one)) for one in inside)


def _texts(part: Mapping) -> Iterator[tuple[Mapping, str, str]]:
    """Yield all texts below a part of a workflow, with the mapping and the key of each."""
    for key, value in part.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                yield from _texts(each)
            elif isinstance(each, str):
                yield part, key, each


def _platforms(handover: Handover) -> Iterator[Finding]:
    """Yield the platforms that no job builds, or two, or one for nothing."""
    job, wanted = handover.job, handover.platforms
    platforms = [build.platform for build in handover.builds]
    for number, build in enumerate(handover.builds):
        if not build.platform:
            yield _no_one_platform(build)
        elif build.platform in platforms[:number]:
            left = [each for each in wanted if each not in platforms]
            message = f"two jobs build {build.platform}, but each platform is pushed once"
            mend = f"write platforms: {left[0]}" if left else "remove one of the two"
            value = left[0] if left else None
            yield build.job.finding(build.step, "platforms", ID, message, mend, value)
        elif wanted and build.platform not in wanted:
            message = f"job {build.job.name} builds {build.platform}, but PLATFORM is"
            message += f" {','.join(wanted)}, so its image is not pushed"
            mend = "write it into PLATFORM, or remove the job"
            yield build.job.finding(build.step, "platforms", ID, message, mend)
    for platform in wanted if all(platforms) else ():
        if platform not in platforms:
            value = job.variable(handover.step, "PLATFORM")
            message = f"PLATFORM lists {platform}, but no job builds that with {BUILD} and uploads"
            message += " it, so nothing is pushed"
            mend = "build it in its own job, or remove it from PLATFORM"
            yield job.value_finding(handover.step, "env", value, ID, message, mend)


def _no_one_platform(build: Build) -> Finding:
    """Return the finding for a build whose platform is not one, or not known."""
    written = build.job.input(build.step, "platforms")
    if "," in written or "\n" in written:
        message = f"platforms is {' '.join(written.split())}, but a build job makes the layout of"
        message += " one platform"
        mend = "write one of them, and build each other one in its own job"
        return build.job.finding(build.step, "platforms", ID, message, mend)
    message = f"platforms is {written or 'missing'}, and only the run knows which platform that is"
    mend = "write one platform, for example platforms: linux/arm64"
    return build.job.finding(build.step, "platforms", UNJUDGED, message, mend)


def _other_runner(build: Build) -> Iterator[Finding]:
    """Yield a runner of GitHub that cannot run what the image of another architecture runs."""
    job, architecture = build.job, build.architecture
    if not build.native or build.native == architecture or architecture not in ("amd64", "arm64"):
        return
    before = job.steps[: job.position(build.step)]
    if not any(re.match(EMULATING, f"{each.action()}{script_of(each)}") for each in before):
        written = job.root.text("runs-on")
        right = "ubuntu-24.04-arm" if architecture == "arm64" else "ubuntu-24.04"
        message = f"job {job.name} builds for {architecture} on {written}, which is {build.native},"
        message += " so the first RUN of the Dockerfile fails"
        change = Change(None if "${{" in written else right, safe=False)
        yield job.at(job.root, "runs-on", ID, message, f"write runs-on: {right}", change)


def _no_layout(build: Build) -> Iterator[Finding]:
    """Yield where a build writes something else than a layout in a folder."""
    job, step, output = build.job, build.step, build.output
    mend = "write outputs: type=oci,dest=${{ runner.temp }}/image,tar=false"
    if job.input(step, "push").lower() not in ("", "false"):
        message = f"job {job.name} pushes what it builds, but only another job can push"
        yield job.finding(step, "push", ID, message, "remove push:", "")
    if output.get("type") != "oci" or not output.get("dest"):
        shown = job.input(step, "outputs") or "missing"
        message = f"outputs is {shown}, so the build leaves no OCI layout to push"
        yield job.finding(step, "outputs", ID, message, mend)
    elif output.get("tar") != "false":
        message = "the layout is written as one tar file, but publish push reads a folder"
        yield job.finding(step, "outputs", ID, message, mend)


def _digests(handover: Handover) -> Iterator[Finding]:
    """Yield where a layout is compared with another digest than that of its build."""
    for build in handover.builds:
        twins = [each for each in handover.builds if each.outer is not build.outer]
        if any(each.outer.root is build.outer.root for each in twins):
            message = f"job {build.outer.name} has a matrix, and its outputs are those of the last"
            message += " part that ends, so the digests of the others are lost"
            mend = "write one job for each platform"
            yield build.outer.at(build.outer.root, "strategy", ID, message, mend)
            return
        if build.architecture:
            yield from _digest(handover, build)


def _digest(handover: Handover, build: Build) -> Iterator[Finding]:
    job, step, name = handover.job, handover.step, f"DIGEST_{build.architecture.upper()}"
    value, outer = job.variable(step, name), build.outer
    by_id = f"${{{{ steps.{build.step.text('id') or 'image'}.outputs.digest }}}}"
    right = [f"${{{{ needs.{outer.name}.outputs.{key} }}}}" for key in build.digests]
    if not right:
        outputs = build.job.root.of("outputs")
        read = re.search(r"\.outputs\.([\w-]+)", value)
        message = f"no output of job {build.job.name} is the digest of its build, so publish push"
        message += " cannot tell whether the layout is what was built"
        mend = f"write outputs: with digest: {by_id}"
        mend += "" if build.step.text("id") else ", and id: image into the step"
        if read and read[1] in outputs and build.step.text("id"):
            yield build.job.at(outputs, read[1], ID, message, mend, Change(by_id))
        else:
            yield build.job.at_step(build.step, ID, message, mend)
    elif normalize_expressions(value) not in map(normalize_expressions, right):
        shown = "missing" if "env." in value else value or "empty"
        message = f"{name} is {shown}, but job {outer.name} builds {build.platform}, so the"
        message += " layout is compared with the digest of another build"
        scope = next((each for each in job.scopes(step)[::-1] if name in each.of("env")), None)
        mend = f"write {name}: {right[0]} below env: of the push"
        if scope is None:
            yield job.finding(step, "env", ID, message, mend)
        else:
            yield job.at(scope.of("env"), name, ID, message, mend, Change(right[0]))
    elif outer.name not in needs_of(job):
        message = f"{name} reads job {outer.name}, which is not in needs: of job {job.name}, so it"
        mend = f"write {outer.name} into needs:"
        yield job.at(job.root, "needs", ID, f"{message} is empty", mend)


def _old_buildx(handover: Handover) -> Iterator[Finding]:
    """Yield a Buildx before the push that cannot push layouts, or of which nobody knows."""
    job, step = handover.job, handover.step
    before = [each for each in job.steps[: job.position(step)] if each in job.using(BUILDX)]
    version = job.input(before[-1], "version") if before else ""
    number = re.fullmatch(r"v?(\d+)\.(\d+)(\.\d+)?([-+].*)?", version)
    wanted, needed = "v0.34.1", f"publish push needs {OLDEST[0]}.{OLDEST[1]} or newer"
    if number and (int(number[1]), int(number[2])) < OLDEST:
        message = f"Buildx is {version}, and {needed}, so it fails"
        yield job.finding(before[-1], "version", ID, message, f"write version: {wanted}", wanted)
    elif not version:
        message = f"only the runner knows which Buildx it has, and {needed}"
        mend = f"put {BUILDX} with version: {wanted} and driver: docker before it"
        where = before[-1] if before else step
        edit = wanted if before else None
        yield job.finding(where, "version", UNJUDGED, message, mend, edit)
