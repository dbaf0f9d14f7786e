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


def explain_missing_push(job: Release) -> Problem:
    """Return why a push has left nothing, as far as ECR shows it.

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
    return Problem(
        "The image was not built, or not pushed, although the role may push it as far as can be"
        " asked. The step before this one shows why (it looks green): where the registry did not"
        " answer, run it again; where the Dockerfile fails, correct it, commit that, and publish a"
        " new version.",
        rerun_command(),
        publish_command("main"),
    )


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
        message = f"ECR was asked for {where}, and {values_path()} says {own}: {refused}"
        mend = f"Write aws-region: {own} in deploy.yml, commit it, and publish a new version."
        return Problem(f"{message}. {mend}", publish_command("main"))
    if refused.code == "RepositoryNotFoundException":
        message = f"There is no ECR repository {where}, so nothing can be pushed."
        return Problem(message, *apply_commands())
    if refused.code == "AccessDeniedException":
        message = f"The role may not do this: {refused}."
        if re.search("explicit deny|boundary|control policy", str(refused)):
            message += " A policy of the account or the organisation forbids it: ask who runs them."
            return Problem(message, rerun_command())
        message += " Its policy is older than infra/, or was changed."
        return Problem(message, *apply_commands())
    if "Expired" in refused.code:
        message = f"The session of the role has ended before the job: {refused}. If the image was"
        message += " pushed before that, run the job again. Otherwise the job takes longer than its"
        message += " session. In deploy.yml, write less into timeout-minutes or more into"
        message += " role-duration-seconds (the role allows 3600, or max_session_duration of its"
        message += " entry), commit that, and publish a new version."
        return Problem(message, rerun_command(), publish_command("main"))
    message = f"ECR did not do what it was asked for {where}: {refused.said}"
    return Problem(message, rerun_command())


def runner_lacks_aws() -> Problem:
    """Return what a runner needs, where its AWS CLI is missing; GitHub's own runners have it."""
    return Problem(
        "This runner has no AWS CLI, so ECR cannot be asked and nothing was published. A runner of"
        " your own needs git, Docker with Buildx, Python 3.9 or newer, and the AWS CLI 2. Install"
        " it there, and run the job again.",
        AWS_PAGE,
        rerun_command(),
    )
