"""Push the images that build jobs have made, as one: an index that names them, under both tags.

Buildx does that without a builder and without a daemon, from 0.33 on
[docker/buildx, pull request 3721].
"""

from __future__ import annotations

import subprocess

from keyless.release.images import REVISION, find_published
from keyless.release.job_environment import Release
from keyless.release.layouts import read_layouts
from keyless.release.refusal import explain_failed_push, runner_lacks_docker


def push_layouts(job: Release) -> None:
    """Push one index of all images under the tags of the release.

    A tag that moves is put on the newest version later, by `publish after`.

    Raises:
        Problem: an image is not what was built, or nothing was pushed.
        Refused: ECR answers with an error, or not at all.
    """
    layouts = read_layouts(job)
    # The commit's tag comes first: the loser of a race then has not pushed its version yet.
    tags = [job.second] * (not job.moving) + [job.version]
    command = ["docker", "buildx", "imagetools", "create"]
    for tag in tags:
        command += ["--tag", f"{job.registry}/{job.repository}:{tag}"]
    command += ["--annotation", f"index:{REVISION}={job.commit}"]
    command += [layout.source for layout in layouts]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError as missing:
        raise runner_lacks_docker() from missing
    print(done.stdout, end="", flush=True)
    if done.returncode == 0:
        return
    if any(find_published(job)):  # the next step looks at its tags
        print("The push reported an error, but ECR has an image of this commit.", flush=True)
        return
    raise explain_failed_push(job, done.stdout)
