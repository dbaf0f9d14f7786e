"""Doctor's concern about versions that were tagged and never published."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.gh import find_on_github, page_of
from keyless.model.refs import ref_matches
from keyless.setup.aws_account import ask_aws
from keyless.setup.git import git, shortened
from keyless.setup.github import find_runs
from keyless.setup.health.patient import FINE, Line, Patient, ok, unknown, wrong
from keyless.setup.not_started import why_nothing_started

RUNS = 200  # the newest runs of deploy.yml, in which a version is looked for
INSPECTED = 5  # the newest tags without a run and an image, which are inspected further


def versions(patient: Patient) -> Iterator[Line]:
    """Whether each trusted tag on GitHub was published."""
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
    ran = find_runs(patient.name, "headBranch,conclusion,status", RUNS)
    ends: dict[str, set[str]] = {tag: {"success"} for tag in _tags_of_images(patient)}
    for each in ran or []:
        ends.setdefault(each["headBranch"], set()).add(each["conclusion"] or each["status"])
    without = [tag for tag in tags if tag not in ends]
    lost = [tag for tag in without[:INSPECTED] if _can_publish(patient.name, tag)]
    if lost and ran is None:
        text = "GitHub lists the runs of deploy.yml only if the default branch has this file. So it"
        yield unknown("versions", f"{text} is not known whether {lost[0]} was published.")
        return
    for tag in lost[:1]:
        others = f" The same is true of {', '.join(lost[1:])}." * (len(lost) > 1)
        text = f"{tag} is on GitHub, but has neither a run of deploy.yml nor an image."
        why = why_nothing_started(patient.name, f"refs/tags/{tag}")
        text += f" {why}{others} If it is older than a minute, publish it:"
        yield wrong("versions", text, f"gh workflow run deploy.yml --ref {tag}")
    if not lost:
        yield ok("versions", "; ".join(_counted(tags, ends)))


def _counted(tags: list[str], ends: dict[str, set[str]]) -> Iterator[str]:
    """Yield how many versions were published, and what became of the others.

    Args:
        tags: the versions.
        ends: how the runs of each one have ended; nothing for one without a run and an image.
    """
    if not tags:
        yield "no version is tagged yet"
        return
    left = [tag for tag in tags if "success" not in ends.get(tag, ())]
    count, noun = len(tags) - len(left), "version" if len(tags) == 1 else "versions"
    yield f"{count} of {len(tags)} {noun} {'was' if count == 1 else 'were'} published"
    running = [tag for tag in left if not ends.get(tag, set()).isdisjoint(FINE)]
    if running:
        yield f"not ended yet: the run of {shortened(running, INSPECTED)}"
    failed = [tag for tag in left if tag in ends and tag not in running]
    if failed:
        yield f"not successful: the run of {shortened(failed, INSPECTED)}"
    without = [tag for tag in left if tag not in ends]
    if len(without) > INSPECTED:
        yield f"{len(without)} have no run, and the newest {INSPECTED} of these have no deploy.yml"
    elif without:
        yield f"{len(without)} {'has' if len(without) == 1 else 'have'} no deploy.yml"


def _tags_of_images(patient: Patient) -> set[str]:
    """Return the tags in the ECR repository."""
    where = ("--repository-name", patient.entry["ecr_repository"])
    which = (*where, "--filter", "tagStatus=TAGGED")
    found = ask_aws(patient.account, "ecr", "list-images", *which, missing="RepositoryNotFound")
    return {each.get("imageTag", "") for each in (found or {"imageIds": []})["imageIds"]}


def _can_publish(name: str, tag: str) -> bool:
    """Tell whether a tag has a deploy.yml: older ones cannot publish."""
    path = f"repos/{name}/contents/.github/workflows/deploy.yml?ref=refs/tags/{tag}"
    return find_on_github(path) is not None
