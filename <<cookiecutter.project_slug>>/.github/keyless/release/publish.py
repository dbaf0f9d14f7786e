"""Publish each version once: what is already in ECR decides what the job does.

Each step asks ECR with the AWS CLI, as the role of the job.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil

from keyless.aws import Refused
from keyless.console import Problem, append_to, report_problem
from keyless.model.tags import IMAGE_TAG
from keyless.release.images import find_published, settle_tags
from keyless.release.job_environment import (
    Release,
    publish_command,
    rerun_command,
    trusted_refs,
)
from keyless.release.push import push_layouts
from keyless.release.refusal import explain_missing_push, explain_refusal, runner_lacks_aws
from keyless.release.versions import move_tag


def check_name(job: Release) -> None:
    """Refuse a version that cannot be the tag of an image (Docker docs, image tag).

    Raises:
        Problem: it has characters that a Git tag can have and an image's cannot. Or there is no
            AWS CLI, which every later step needs.
    """
    if not re.fullmatch(IMAGE_TAG, job.version):
        name = legal_version(job.version)
        raise Problem(
            f"{job.version} cannot be the tag of an image: a tag has at most 128 letters, digits,"
            f" _ . and -. So the job stopped before it contacted AWS. {trusted_refs(job)}Leave this"
            " Git tag as it is, and publish its commit under another version. The name of a part of"
            f" the repository comes after the version, as in {name}",
            publish_command(job.commit).replace("vNEXT", shlex.quote(name)),
        )
    if shutil.which("aws") is None:
        raise runner_lacks_aws()


def legal_version(version: str) -> str:
    """Return a version that an image can have: its parts, the one with the number first."""
    words = [word.strip("-.") for word in re.split("[^A-Za-z0-9_.-]+", version)]
    words = [word for word in words if word]
    numbered = next((word for word in words if re.match("[A-Za-z]+[0-9]", word)), None)
    if numbered:
        words.remove(numbered)
        words.insert(0, numbered)
    return "-".join(words)[:128].rstrip("-.") or "vNEXT"


def look_before(job: Release) -> None:
    """Ask ECR whether an image must be built, and write that as the output `build`.

    Raises:
        Problem: a tag names the image of another commit.
        Refused: ECR answers with an error, or not at all.
    """
    found = next(filter(None, find_published(job)), None)
    state = f"ECR has {found.digest}" if found else "ECR has no image, so one is built"
    print(f"{job.version}: {state}")
    append_to("GITHUB_OUTPUT", f"build={str(found is None).lower()}")


def settle_after(job: Release) -> None:
    """Settle the tags, and write job summary and outputs.

    Raises:
        Problem: there is no image, or its tags are not as they should be.
        Refused: ECR answers with an error, or not at all.
    """
    found, tags, given = settle_tags(job)
    if found is None:
        raise explain_missing_push(job)
    append_to("GITHUB_OUTPUT", f"digest={found.digest}\ntag={job.version}")
    if job.moving:
        newest = move_tag(job)
        tags.append(f"{job.moving} ({f'names {newest}' if newest else 'was not moved'})")
    uri = f"{job.registry}/{job.repository}@{found.digest}"
    rows = {
        "Image": uri,
        "Tags": ", ".join(tags),
        "Platform": os.environ.get("PLATFORM", ""),
        "Pull": f"docker pull {uri}",
        "Role session": os.environ.get("SESSION", ""),
    }
    write_summary(summary_title(job, bool(given)), rows)


def summary_title(job: Release, tagged: bool) -> str:
    """Return what this run did, by the outcome of the build in BUILD.

    Args:
        job: the release.
        tagged: whether a tag was put on an image that was there.
    """
    title, build = f"Published {job.version}", os.environ.get("BUILD", "")
    if build == "success":
        return title
    if build == "failure":
        return f"{title}: the push reported an error, but ECR has the image"
    if tagged:
        return f"{title}: ECR already had the image of this commit"
    return f"{job.version} was already published: nothing was built"


def write_summary(title: str, rows: dict[str, str]) -> None:
    """Write a table into the job summary, and the same into the log; values may be lists."""
    table = [f"### {title}", "", "| | |", "| --- | --- |"]
    table += [f"| {name} | `{value.replace(', ', '`, `')}` |" for name, value in rows.items()]
    append_to("GITHUB_STEP_SUMMARY", "\n".join(table))
    print(title, *(f"{name:<13} {value}" for name, value in rows.items()), sep="\n")


STEPS = {
    "name": check_name,
    "before": look_before,
    "push": push_layouts,
    "after": settle_after,
}


def main(step: str) -> int:
    """Do one of the steps: name, before, push or after.

    Returns:
        The exit status: 0 where the image is there or can be built, 1 where not. Then the
        annotation says why, and what to type.

    Raises:
        KeyError: there is no such step.
    """
    run = STEPS[step]
    job = Release.of(dict(os.environ))
    try:
        run(job)
    except Refused as refused:
        problem = explain_refusal(job, refused)
    except Problem as found:
        problem = found
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        problem = Problem(f"An answer of ECR cannot be read: {error!r}", rerun_command())
    else:
        return 0
    title = "The release is not complete" if step == "after" else "Nothing was published"
    report_problem(problem, title)
    return 1
