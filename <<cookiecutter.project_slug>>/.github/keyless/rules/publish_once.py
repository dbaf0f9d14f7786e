"""The job pushes the tags that `keyless publish` looks for, and is red if a push fails."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.documents import Mapping
from keyless.model.expressions import normalize_expressions
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.images import Pushes, judges_push, publishing_words
from keyless.model.infra import Infra
from keyless.model.jobs import Job
from keyless.model.layouts import Handover
from keyless.model.repository import Followed, Repository
from keyless.model.sources import source_of
from keyless.model.workflows import BUILD, CHECKOUT, script_of

ID = "publish-once"
WHY = (
    "`keyless publish` looks for the tags of `env:` before and after the push, and for the commit"
    " that an image names. If the job pushes other tags, or no step notices a failed push, a run"
    " is red or green for the wrong reason."
)
SOURCES = (
    (
        "AWS: BatchGetImage",
        "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html",
    ),
)
BEFORE = """\
env:
  IMAGE_TAG: ${{ github.ref_name }}
steps:
  - uses: docker/build-push-action@...
    with:
      tags: ${{ steps.registry.outputs.registry }}/example-service:${{ github.sha }}"""
AFTER = """\
env:
  IMAGE_TAG: ${{ github.ref_name }}
steps:
  - uses: docker/build-push-action@...
    with:
      tags: ${{ steps.registry.outputs.registry }}/example-service:${{ env.IMAGE_TAG }}"""
# In the manifest, or in the index that a build makes; a descriptor is no part of the image.
REVISION = (
    r"(?im)^(?!.*descriptor).*\borg\.opencontainers\.image\.revision=\$\{\{\s*github\.sha\s*\}\}"
)
NAMED = "org.opencontainers.image.revision=${{ github.sha }}"
# What the steps read of the environment (release/job_environment.py).
NEEDED = {
    "before": ("ECR_REPOSITORY", "IMAGE_TAG", "SECOND_TAG"),
    "push": ("ECR_REPOSITORY", "IMAGE_TAG", "SECOND_TAG", "REGISTRY", "PLATFORM", "IMAGES"),
    "after": ("ECR_REPOSITORY", "IMAGE_TAG", "SECOND_TAG", "REGISTRY"),
}
COMPARED = ("IMAGE_TAG", "SECOND_TAG", "ECR_REPOSITORY")
# What replaces the files of the commit by others.
MOVES = re.compile(
    r"(?m)\bgit\s+(?:-C\s+\S+\s+)?(?:pull\b|reset\s+--hard\s+\S|merge\s+\S"
    r"|(?:checkout|switch)\s+(?!.*\s--\s)(?:(?:-f|-q|--force|--quiet|--detach)\s+)*(?!-)[\w./$\"{}-]+\s*$)"
)


def find(repository: Repository) -> Iterator[Finding]:
    """Compare what each job pushes with what its steps of `publish` look for."""
    for publication in repository.publications:
        for job, pushes in zip(publication.jobs, publication.pushes):
            if not pushes.unseen:
                yield from _other_tags(job, pushes, publication.infra)
                yield from _unjudged_pushes(job, pushes)
                yield from _no_commit(job, pushes, publication.infra)
                yield from _other_questions(job)
            yield from _missing_variables(job)
    for handover in repository.handovers:
        yield from _looked_for_others(handover)
        for build in handover.builds:
            yield from _names_no_commit(build.job, build.step)
    for followed in repository.followed:
        named = any(map(publishing_words, followed.job.steps))
        yield from dict.fromkeys(_other_commit(followed, named))
    for followed in repository.built:
        yield from dict.fromkeys(_other_commit(followed, named=True))


def _other_tags(job: Job, pushes: Pushes, infra: Infra) -> Iterator[Finding]:
    """`publish after` looks for a tag that no step pushes."""
    tags = [normalize_expressions(named.tag) for named in pushes.pushed]
    for named in pushes.tagged if tags else []:
        tag = named.tag
        if normalize_expressions(tag) not in tags and tag not in infra.excluded:
            message = f"keyless publish looks for {tag}, which no step pushes, so the image gets it"
            message += " only later, or the job fails"
            mend = "write the same tags in env: (IMAGE_TAG, SECOND_TAG) and in tags: of the push"
            yield job.finding(named.step, "tags", ID, message, mend)


def _unjudged_pushes(job: Job, pushes: Pushes) -> Iterator[Finding]:
    """A push may fail, and no step turns the job red."""
    steps = {id(named.step): named.step for named in pushes.pushed}.values()
    before = any("before" in publishing_words(step) for step in job.steps)
    for step in (job.root, *steps):
        later = job.steps[job.position(step) + 1 :] if step is not job.root else []
        needed = step.text("continue-on-error") not in ("", "false") or (later and before)
        needed = needed or "push" in publishing_words(step)
        if needed and not any(map(judges_push, later)):
            message = "no step checks what was pushed, so the job can be green without an image"
            mend = "end it with a step without if: that runs python3 .github/keyless publish after"
            line = step.line("continue-on-error")
            yield Finding(step.path or job.source.path, line, ID, message, mend)


def _no_commit(job: Job, pushes: Pushes, infra: Infra) -> Iterator[Finding]:
    """Where no tag holds the commit, the image must name it."""
    if not any(named.tag in infra.excluded for named in pushes.tagged):
        return
    for step in {id(named.step): named.step for named in pushes.pushed}.values():
        if step in job.using(BUILD):  # `publish push` writes the commit itself
            yield from _names_no_commit(job, step)


def _names_no_commit(job: Job, step: Mapping) -> Iterator[Finding]:
    """Yield a build whose image does not name the commit of the run."""
    if not re.search(REVISION, job.input(step, "annotations")):
        message = "the image does not name its commit, so a second run does not recognize it"
        mend = f"write annotations: {NAMED}"
        wanted = None if job.input(step, "annotations") else NAMED
        yield job.finding(step, "annotations", ID, message, mend, wanted)


def _missing_variables(job: Job) -> Iterator[Finding]:
    """Yield the variables that a step of `publish` does not find; Linux looks at their case."""
    for step in job.steps:
        for word in publishing_words(step):
            for name in NEEDED[word]:
                scopes = [scope.of("env") for scope in job.scopes(step)]
                if any(name in env for env in scopes) or job.writer_of(step, name):
                    continue
                other = next((one for env in scopes for one in env if one.upper() == name), None)
                if other is None and word == "push":
                    message = f"{name} is missing, so publish push fails"
                    yield job.finding(step, "env", ID, message, f"write {name} below env:")
                if other is not None:
                    message = f"keyless publish reads {name}, but the variable is called {other}"
                    env = next(env for env in scopes if other in env)
                    yield job.at(env, other, ID, message, f"write {name}")


def _other_questions(job: Job) -> Iterator[Finding]:
    """What is asked for before the build is not what is looked for after it."""
    asking = {word: step for step in job.steps for word in publishing_words(step)}
    if "after" in asking:
        for word in ("before", "push"):
            if word in asking:
                yield from _differing(job, asking[word], job, asking["after"])


def _looked_for_others(handover: Handover) -> Iterator[Finding]:
    """A job that looks ahead of the builds asks for something else than what is pushed then."""
    for job in handover.before:
        for step in job.steps:
            if "before" in publishing_words(step):
                yield from _differing(job, step, handover.job, handover.step)


def _differing(asking: Job, before: Mapping, pushing: Job, after: Mapping) -> Iterator[Finding]:
    """Yield the variables that two steps of `publish` read with different values."""
    for name in COMPARED:
        asked, found = asking.variable(before, name), pushing.variable(after, name)
        if name == "ECR_REPOSITORY" and any(name in step.of("env") for step in (before, after)):
            continue  # of that another rule speaks
        if normalize_expressions(asked) != normalize_expressions(found) and found:
            message = f"{name} is {asked} before the build and {found} after it, so a"
            message += " published image is not found"
            mend = "write it once, in env: of the job"
            where = before if name in before.of("env") else after
            if asking is not pushing:
                mend = f"write {name}: {found} in env: of job {asking.name}"
                where = before if name in before.of("env") else asking.root
            yield asking.at(where.of("env"), name, ID, message, mend)


def _on_an_index(job: Job, step: Mapping) -> Iterator[Finding]:
    """Yield an annotation of an index where the build makes none, which BuildKit refuses."""
    plain = all(job.input(step, key) == "false" for key in ("provenance", "sbom"))
    alone = "," not in job.input(step, "platforms") and "\n" not in job.input(step, "platforms")
    if plain and alone and re.match(r"index(-descriptor)?:", job.input(step, "annotations")):
        message = "an annotation is for an index, but a build for one platform makes none, so it"
        mend = "remove index: from annotations"
        yield job.finding(step, "annotations", ID, f"{message} fails", mend)


def _other_commit(followed: Followed, named: bool) -> Iterator[Finding]:
    """The image is not built from the commit that it names."""
    job = followed.job
    has_tool = any(map(publishing_words, job.steps))  # which fails without this repository
    for world in followed.worlds or []:
        moved: Mapping | None = None
        for visit in (visit for visit in world.visits if visit.ran):
            step = visit.step
            moved = step if MOVES.search(script_of(step)) else moved
            moved = None if step.action().startswith(f"{CHECKOUT}@") else moved
            if not followed.builds(step):
                continue
            source = source_of(job, visit)
            tree = source.checkout
            yield from _on_an_index(job, step)
            if job.input(step, "call").lower() not in ("", "build"):
                message = f"call: {job.input(step, 'call')} builds nothing, so nothing is pushed"
                yield job.finding(step, "call", ID, message, "remove call:", "")
            elif source.remote and source.other:
                message = f"the image is built from {source.other}, not from the commit of the run"
                yield job.finding(step, "context", ID, message, "write context: .", ".")
            elif tree and tree.repository and (tree.folder != "." or not has_tool):
                message = f"the image is built from {tree.repository}, not from this repository"
                mend = "check it out into a folder of its own: path:"
                yield job.finding(tree.step, "repository", ID, message, mend)
            elif tree and tree.ref and named:
                message = f"the image is built from {tree.ref}, but names the commit of"
                mend = "remove ref: from the checkout"
                yield job.finding(tree.step, "ref", ID, f"{message} the run", mend, "")
            elif moved is not None and not source.remote and named:
                message = "this may replace the files of the commit, but the image still names"
                message += " that commit"
                mend = "remove it: the checkout has the commit that started the run"
                yield job.at_step(moved, UNJUDGED, message, mend)
