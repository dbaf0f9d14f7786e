"""What an answer of AWS means for the reader of the log, and what to type."""

from __future__ import annotations

import json
import os
import re

from keyless.aws import AWS_PAGE, NoProgram, Refused
from keyless.console import Problem
from keyless.release.images import MEDIA_TYPES, call_ecr
from keyless.release.job_environment import (
    Release,
    apply_commands,
    publish_command,
    region_of_infra,
    rerun_command,
    values_path,
)

DOCKER_PAGE = "https://docs.docker.com/engine/install/"


def explain_missing_push(job: Release) -> Problem:
    """Return why a build pushed nothing, as far as ECR shows it."""
    return _refused_push(job) or Problem(
        "The image was not built or not pushed. As far as can be checked, the role has permission"
        " to push. The log of the step before this one shows the reason, although that step is"
        " green. If the registry did not answer, run the job again. If the Dockerfile fails,"
        " correct it, commit the change, and publish a new version.",
        rerun_command(),
        publish_command("main"),
    )


def explain_failed_push(job: Release, printed: str) -> Problem:
    """Return why a push of built images failed; `printed` is what it printed."""
    said = " ".join((printed.rpartition("ERROR: ")[2] or "nothing").split())
    return _refused_push(job) or Problem(
        "The images were built but not pushed. As far as can be checked, the role has permission"
        f" to push. Buildx reports: {said}. Run the failed jobs again: nothing is built a second"
        " time.",
        f"{rerun_command()} --failed",
    )


def _refused_push(job: Release) -> Problem | None:
    """Return what ECR refuses of a push, None where it refuses nothing.

    It asks ECR for what a push needs, with a manifest that is refused in any case.
    """
    # ECR looks at permissions first. Then it refuses this image in any case: the digest is wrong.
    manifest = {"schemaVersion": 2, "mediaType": MEDIA_TYPES[0], "config": {}, "layers": []}
    nothing = {"imageManifest": json.dumps(manifest), "imageDigest": f"sha256:{0:064}"}
    layers = {"layerDigests": [nothing["imageDigest"]]}
    for operation, given in (
        ("batch-check-layer-availability", layers),
        ("initiate-layer-upload", {}),
        ("put-image", nothing),
    ):
        try:
            call_ecr(job, operation, **given)
        except Refused as refused:
            if refused.code in ("AccessDeniedException", "RepositoryNotFoundException", ""):
                return explain_refusal(job, refused)
    return None


def explain_refusal(job: Release, refused: Refused) -> Problem:
    """Return what an error of AWS means for the reader (codes: AWS docs, ECR API, Errors).

    Args:
        job: the release that was refused; AWS_REGION says where.
        refused: what AWS has answered.
    """
    if isinstance(refused, NoProgram):
        return runner_lacks_aws()
    region = os.environ.get("AWS_REGION", "")
    own = region_of_infra()
    where = f"{job.repository} in {region}"
    if own and region and own != region:
        message = f"The job looked for {where}, but {values_path()} says {own}: {refused}"
        mend = (
            f"Write aws-region: {own} in deploy.yml, commit the change, and publish a new version."
        )
        return Problem(f"{message}. {mend}", publish_command("main"))
    if refused.code == "RepositoryNotFoundException":
        message = f"There is no ECR repository {where}, so nothing can be pushed."
        return Problem(message, *apply_commands())
    if refused.code == "AccessDeniedException":
        message = f"The role does not have permission to do this: {refused}."
        if re.search("explicit deny|boundary|control policy", str(refused)):
            message += " A policy of the account or the organisation forbids it. Ask your AWS"
            message += " administrator."
            return Problem(message, rerun_command())
        message += " Its policy is older than infra/, or somebody changed it."
        return Problem(message, *apply_commands())
    if "Expired" in refused.code:
        message = f"The session of the role ended before the job: {refused}. If the image was"
        message += " pushed before that, run the job again. Otherwise the job takes longer than its"
        message += " session. In deploy.yml, lower timeout-minutes or raise role-duration-seconds."
        message += " The role allows 3600 seconds, or the max_session_duration of its entry. Commit"
        message += " the change, and publish a new version."
        return Problem(message, rerun_command(), publish_command("main"))
    message = f"A request to ECR for {where} failed: {refused.said}"
    return Problem(message, rerun_command())


def runner_lacks_aws() -> Problem:
    """Return what a runner needs, where its AWS CLI is missing; GitHub's own runners have it."""
    return _runner_lacks("AWS CLI, so it cannot contact ECR and nothing was published", AWS_PAGE)


def runner_lacks_docker() -> Problem:
    """Return what a runner needs, where its Docker is missing; GitHub's own runners have it."""
    return _runner_lacks("Docker, so nothing was pushed", DOCKER_PAGE)


def _runner_lacks(what: str, page: str) -> Problem:
    return Problem(
        f"This runner has no {what}. A runner of your own needs git, Docker with Buildx, Python 3.9"
        " or newer, and the AWS CLI 2. Install it there, and run the job again.",
        page,
        rerun_command(),
    )
