"""Terraform's credentials, if only the AWS CLI can find them.

Only the AWS CLI can use `aws login`, a plugin or an MFA profile. So Terraform gets the credentials
that the CLI uses, for its own process only. Both then use the account that was checked.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from typing import Any

from keyless.aws import Refused, run_aws
from keyless.console import Problem

EXPORT = 'eval "$(aws configure export-credentials --format env)"'

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

_known: dict[str, Any] = {}  # what the AWS CLI has exported in this process


def for_terraform() -> dict[str, str]:
    """Return the variables for Terraform; none if the environment has keys.

    Both programs use keys of the environment first.
    [AWS CLI reference, "configure export-credentials"; AWS SDK for Go v2, "Configure the SDK"]

    Raises:
        Problem: the AWS CLI does not export what it uses.
    """
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return {}
    if _is_expiring():
        _known.update({"asked": True, **_export()})
    if "AccessKeyId" not in _known:
        return {}
    fields = zip(KEYS, ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    # Terraform fails on a profile that it cannot read, even if it has keys.
    return {"AWS_PROFILE": "", **{key: str(_known.get(field) or "") for key, field in fields}}


def _is_expiring() -> bool:
    """Return whether nothing was exported yet, or the export expires within five minutes."""
    if not _known.get("Expiration"):
        return not _known
    ends = datetime.fromisoformat(_known["Expiration"].replace("Z", "+00:00"))
    return ends < datetime.now(timezone.utc) + timedelta(minutes=5)


def _export() -> dict[str, Any]:
    try:
        printed = run_aws(["aws", "configure", "export-credentials", "--format", "process"])
        return dict(json.loads(printed))
    except (Refused, ValueError) as error:
        said = " ".join(str(error).split())
        text = f"The AWS CLI does not export its credentials, so Terraform would have none: {said}"
        if "Invalid choice" in said:  # version 1: Terraform finds everything that it has
            return {}
        raise Problem(f"{text}. Export them yourself, in this shell:", EXPORT) from error


def typed_by_hand(*commands: str) -> tuple[str, ...]:
    """Return Terraform commands to be typed, after the export of credentials if they need it."""
    return commands if os.environ.get("AWS_ACCESS_KEY_ID") else (EXPORT, *commands)
