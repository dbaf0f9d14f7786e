"""A tag is pushed only once, or it is excluded from immutability."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.expressions import normalize_expressions
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.images import Named, split_image
from keyless.model.jobs import Job
from keyless.model.refs import common_refs
from keyless.model.repository import Publication, Repository
from keyless.paths import REGISTRY_TF
from keyless.rules._values import compare_called

ID = "unique-tags"
WHY = (
    "If tags are immutable, each tag can be pushed only once. A tag that is not immutable can be"
    " moved to another image."
)
SOURCES = (
    (
        "AWS: image tag mutability",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html",
    ),
)
BEFORE = "SECOND_TAG: stable # in a repository whose tags are immutable"
AFTER = "SECOND_TAG: ${{ github.sha }}"


def find(repository: Repository) -> Iterator[Finding]:
    """Compare the tags that are pushed with those that may move."""
    for publication in repository.publications:
        infra = publication.infra
        where = infra.where or (REGISTRY_TF, 1)
        if infra.mutability not in ("IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION"):
            message = f"image_tag_mutability is {infra.mutability}, so versions can be moved to"
            message += " other images"
            mend = "set it in infra/ to IMMUTABLE, or to IMMUTABLE_WITH_EXCLUSION with a filter"
            if where[0].endswith(".tf"):
                mend = 'write image_tag_mutability = "IMMUTABLE"'
            yield Finding(*where, ID, message, mend)
        for job, pushes in zip(publication.jobs, publication.pushes):
            for step in pushes.untagged:
                message = "the step pushes without tags, so nobody can pull the image by name"
                mend = "write tags, with the version and the commit"
                yield job.finding(step, "tags", ID, message, mend)
        names = [*publication.pushed, *publication.tagged]
        for named in names:
            yield from _not_unique(named, publication)
        yield from _pushed_twice(publication)
        yield from _renumbered(publication)
        for pattern in infra.excluded if not publication.unseen else []:
            if pattern not in [named.tag for named in names]:
                message = (
                    f"the filter {pattern} makes tags mutable that no step moves, so somebody could"
                    " move them to another image"
                )
                mend = "remove the filter, or make it the tag that moves, for example latest"
                yield Finding(*where, ID, message, mend)
    for side in repository.sides:
        planned = side.planned
        if planned and planned.registry and planned.registry.get("image_tag_mutability") is None:
            message = "the plan does not show whether tags can move, because ignore_changes covers"
            message += " image_tag_mutability"
            mend = "remove ignore_changes"
            yield Finding(*planned.at(planned.registry), UNJUDGED, message, mend)
    yield from compare_called(repository, "version", ID)


def _not_unique(named: Named, publication: Publication) -> Iterator[Finding]:
    """Yield the finding for a tag that may name several commits."""
    job, step, tag = named.job, named.step, named.tag
    version = tag == job.variable(step, "IMAGE_TAG")
    inside = [text.strip() for text in re.findall(r"\$\{\{(.*?)\}\}", tag)]
    # GitHub docs, "Contexts": one value for a commit, or a new one for every run.
    unique = ["github.sha", "github.run_id", "github.run_number"]
    unique += [] if publication.to_branch else ["github.ref_name"]
    if all(run.event == "release" for run in job.runs):  # else it is empty
        unique.append("github.event.release.tag_name")
    moves = tag in publication.infra.excluded
    names = [*unique, "github.event.release.tag_name"]  # empty where there is no release
    chosen = [[one.strip() for one in text.split("||")] for text in inside]
    one_commit = any(each[-1] in unique and {*each} <= {*names} for each in chosen)
    if not tag or one_commit or (moves and not version):
        return
    if set(inside) - {"github.ref_name", "github.event.release.tag_name"}:
        message = f"tags has {named.name}, and only the run knows its value"
        mend = "write ${{ github.ref_name }}, ${{ github.sha }} or main-${{ github.run_number }}"
        if "secrets." not in named.name:  # that is a finding of its own
            yield job.finding(step, "tags", UNJUDGED, message, mend)
        return
    follows = "a version would move to another image" if moves else "ECR would refuse a push"
    message = f"the tag {tag} can be the same for different commits, so {follows}"
    mend = "write a tag that names the commit, for example ${{ github.sha }}"
    wanted = None
    if version:
        number = "main-${{ github.run_number }}"
        wanted = number if publication.to_branch else "${{ github.ref_name }}"
        mend = f"write IMAGE_TAG: {wanted}"
    yield job.value_finding(step, "tags", tag, ID, message, mend, wanted)


def _renumbered(publication: Publication) -> Iterator[Finding]:
    """Yield where a timer gives the image of an old commit a new number, and builds nothing.

    The image of a commit is there already, so only its version, the number of the run, is new.
    """
    timed = [job for job in publication.jobs if any(run.event == "schedule" for run in job.starts)]
    for job in timed[:1]:
        tags = [named.tag for named in publication.tagged if named.job is job]
        if not any("github.run_number" in tag or "github.run_id" in tag for tag in tags):
            continue
        if any("github.sha" in tag for tag in tags):
            message = "schedule: starts a run for a commit whose image exists, so nothing is built"
            message += " and the old image only gets another tag"
            mend = "remove schedule:, and push a commit if you need a new image"
            yield job.at(job.source.root.of("on"), "schedule", ID, message, mend)


def _image(named: Named) -> tuple[str, ...]:
    """Return repository and tag of a name; all of them go to the same registry."""
    return tuple(map(normalize_expressions, split_image(named.name)[1:]))


def _pushed_twice(publication: Publication) -> Iterator[Finding]:
    """What one push has tagged, no other one may push for the same ref."""
    before: dict[tuple[str, ...], list[Named]] = {}
    tags = {id(named.step): set[str]() for named in publication.pushed}
    for named in publication.pushed:
        tags[id(named.step)].add(named.name)
    for named in publication.pushed:
        if named.tag in publication.infra.excluded:
            continue
        others = before.setdefault(_image(named), [])
        here = any(each.step is named.step and each.job is named.job for each in others)
        if here and len(tags[id(named.step)]) == 1:
            message = f"every tag of this push is {named.tag}, so the image has one tag, not two"
            mend = "write the version and the commit, or latest"
            yield named.job.finding(named.step, "tags", ID, message, mend)
        elif not here and any(_at_once(named.job, each.job) for each in others):
            message = f"{named.name} is pushed twice or more for a ref, so ECR refuses the second"
            mend = "push it once, or add what differs to the tag"
            yield named.job.finding(named.step, "tags", ID, message, mend)
        others.append(named)


def _at_once(job: Job, other: Job) -> bool:
    """Tell whether two jobs push to one registry for the same ref."""
    registries = {_registry(one) for one in (job, other)}
    both = any(
        common_refs(run.ref, also.ref)
        for run in job.runs
        for also in other.runs
        if run.event == also.event or other.root is not job.root
    )
    return len(registries) == 1 and (both or other is job)


def _registry(job: Job) -> tuple[str, str]:
    """Return the account and the region that a job pushes to."""
    step = job.assuming()[0]
    account = re.search(r":iam::([^:]*):", job.input(step, "role-to-assume"))
    return account[1] if account else "", job.input(step, "aws-region")
