"""Versions: which one is newer, and the tag that moves to the newest."""

from __future__ import annotations

import re

from keyless.console import Problem
from keyless.release.images import TAKEN, call_ecr, find_image, put_tag
from keyless.release.job_environment import Release, apply_commands, rerun_command


def parse_version(job: Release, tag: str) -> list[int] | None:
    """Return a tag's version for comparing; None where it is none, or one before its release.

    As in Semantic Versioning, a version with a suffix, such as v2.0.0-rc.1, comes before v2.0.0.
    """
    prefix = re.split("[0-9]", job.version)[0]
    found = re.fullmatch(re.escape(prefix) + r"([0-9]+(?:\.[0-9]+)*)", tag)
    if not found:
        return None
    version = [int(number) for number in found[1].split(".")]
    while version[-1:] == [0]:  # v1.2 and v1.2.0 are the same version
        version.pop()
    return version


def move_tag(job: Release) -> str:
    """Put the moving tag on the newest version of all; return it, empty where there is none.

    It never moves backwards: a run that ends late, or again, sees what has been published since.

    Raises:
        Problem: it cannot be moved.
    """
    for _ in range(4):  # looked at again, because two runs may move it at the same time
        details = call_ecr(job, "describe-images", filter={"tagStatus": "TAGGED"})["imageDetails"]
        tags = {tag: item["imageDigest"] for item in details for tag in item.get("imageTags", [])}
        known = [(parse_version(job, tag), tag) for tag in tags]
        for _, newest in sorted((pair for pair in known if pair[0] is not None), reverse=True):
            if tags[newest] == tags.get(job.moving):
                return str(newest)
            found = find_image(job, imageTag=newest)
            if found and found.commit:  # else it was not published by this workflow
                if put_tag(job, found, job.moving) == TAKEN:
                    message = (
                        f"{job.version} is published. ECR does not let {job.moving} move, because"
                    )
                    raise Problem(f"{message} its exclusion filter is missing.", *apply_commands())
                break
        else:
            return ""
    message = f"{job.version} is published, but other runs keep moving {job.moving}."
    raise Problem(message, rerun_command())


def version_order(job: Release, tag: str) -> tuple[list[int], bool, str] | None:
    """Return a version for comparing, with v2.0.0-rc.1 before v2.0.0; None where it is none."""
    numbers = parse_version(job, tag)
    if numbers is not None:
        return numbers, True, ""
    release, _, candidate = tag.partition("-")
    numbers = parse_version(job, release) if candidate else None
    return None if numbers is None else (numbers, False, candidate)
