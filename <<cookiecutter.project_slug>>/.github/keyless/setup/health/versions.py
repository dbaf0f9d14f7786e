"""Doctor's concern for versions that were tagged, and never published."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.gh import find_on_github, page_of
from keyless.model.refs import ref_matches
from keyless.setup.aws_account import ask_aws
from keyless.setup.git import git
from keyless.setup.github import find_runs
from keyless.setup.health.patient import Line, Patient, ok, unknown, wrong
from keyless.setup.not_started import why_nothing_started

RUNS = 200  # of deploy.yml that are looked through
LOOKED_AT = 5  # tags without run and image that are looked at more closely, the newest first


def versions(patient: Patient) -> Iterator[Line]:
    """Whether each trusted tag on GitHub has a run or an image."""
    trusted = [ref for ref in patient.entry["refs"] if ref.startswith("refs/tags/")]
    if not trusted:
        return
    url = f"{page_of(patient.name)}.git"
    done = git("ls-remote", "--refs", "--sort=-version:refname", url, *trusted)
    if done.status:
        yield unknown("versions", f"git cannot read the tags: {done.said}", "gh auth status")
        return
    refs = [line.split()[1] for line in done.out.splitlines()]
    tags = [ref[len("refs/tags/") :] for ref in refs if any(ref_matches(ref, t) for t in trusted)]
    ran = find_runs(patient.name, "headBranch", RUNS)
    known = {*(each["headBranch"] for each in ran or []), *_tags_of_images(patient)}
    without = [tag for tag in tags if tag not in known]
    lost = [tag for tag in without[:LOOKED_AT] if _can_publish(patient.name, tag)]
    if lost and ran is None:
        text = (
            f"whether {lost[0]} was published: GitHub lists no runs of deploy.yml while the default"
        )
        yield unknown("versions", f"{text} branch has none.")
        return
    for tag in lost[:1]:
        others = f" So have {', '.join(lost[1:])}." * (len(lost) > 1)
        text = f"{tag} is on GitHub, and has neither a run of deploy.yml nor an image."
        why = why_nothing_started(patient.name, f"refs/tags/{tag}")
        text += f" {why}{others} If it is older than a minute, this publishes it:"
        yield wrong("versions", text, f"gh workflow run deploy.yml --ref {tag}")
    if not lost:
        yield ok("versions", _count(len(tags), len(without)))


def _count(tags: int, without: int) -> str:
    """Return what is known of versions, none of which could be published and was not."""
    if not tags:
        return "no version is tagged"
    text = f"{tags - without} of {tags} versions have a run or an image"
    newest = f"the newest {LOOKED_AT} of " * (without > LOOKED_AT)
    return f"{text}; {newest}the others have no deploy.yml" if without else text


def _tags_of_images(patient: Patient) -> set[str]:
    """Return the tags in the registry."""
    where = ("--repository-name", patient.entry["ecr_repository"])
    which = (*where, "--filter", "tagStatus=TAGGED")
    found = ask_aws(patient.account, "ecr", "list-images", *which, missing="RepositoryNotFound")
    return {each.get("imageTag", "") for each in (found or {"imageIds": []})["imageIds"]}


def _can_publish(name: str, tag: str) -> bool:
    """Tell whether a tag has a deploy.yml: older ones cannot publish."""
    path = f"repos/{name}/contents/.github/workflows/deploy.yml?ref=refs/tags/{tag}"
    return find_on_github(path) is not None
