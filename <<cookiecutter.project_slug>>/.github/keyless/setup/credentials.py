"""The credentials that Terraform gets where the AWS CLI has some that Terraform cannot find.

`aws login`, a plugin or an MFA profile is known to the AWS CLI alone. So Terraform is given what
the CLI uses, for its own process only. Both are then the same person, whose account was looked at.
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
    """Return the variables that Terraform is given; none where the environment has keys.

    Keys of the environment are what both programs take first.
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
    # A profile that Terraform cannot read would end it, although it has keys.
    return {"AWS_PROFILE": "", **{key: str(_known.get(field) or "") for key, field in fields}}


def _is_expiring() -> bool:
    """Tell whether nothing was exported yet, or what was ends within five minutes."""
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
        text = f"The AWS CLI does not hand its credentials on, so Terraform would have none: {said}"
        if "Invalid choice" in said:  # version 1 has nothing that Terraform cannot find
            return {}
        raise Problem(f"{text}. Hand them on yourself, in this shell:", EXPORT) from error


def typed_by_hand(*commands: str) -> tuple[str, ...]:
    """Return commands of Terraform to be typed; before them the credentials, if it needs them."""
    return commands if os.environ.get("AWS_ACCESS_KEY_ID") else (EXPORT, *commands)
