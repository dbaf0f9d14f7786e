"""What infra/ makes of every entry, where its files are as they were generated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keyless.model.account import INFRA_JSON_KINDS, Account
from keyless.model.documents import parse_json, read_file
from keyless.model.findings import CannotJudge
from keyless.model.generated import tags_stay
from keyless.model.infra import LOGIN_ACTION, Infra
from keyless.paths import INFRA_JSON, LIFECYCLE, PUSH_ACTIONS


def read_infra(root: Path, account: Account) -> Infra:
    """Read what Terraform makes of every entry: files that were generated, and JSON beside them.

    Raises:
        CannotJudge: a file is missing, or is not of the kind that it must be.
    """
    if not account.made_here:
        return _read_infra_json(account)
    granted = parse_json(PUSH_ACTIONS, read_file(root, PUSH_ACTIONS))
    if not isinstance(granted, list) or not all(isinstance(name, str) for name in granted):
        raise CannotJudge(f"{PUSH_ACTIONS}: must be a list of texts; restore it")
    stay = tags_stay(root)
    return Infra(
        mutability="IMMUTABLE" if stay else "IMMUTABLE_WITH_EXCLUSION",
        excluded=[] if stay else ["latest"],
        longest=3600,
        granted=[LOGIN_ACTION, *granted],
        lifecycle=parse_json(LIFECYCLE, read_file(root, LIFECYCLE)),
    )


def _read_infra_json(account: Account) -> Infra:
    values = account.values
    for key, kind in INFRA_JSON_KINDS.items():
        if not isinstance(values.get(key), kind):
            raise CannotJudge(
                f"{INFRA_JSON}: {key} is missing or wrong; type: make fetch FROM=OWNER/NAME"
            )
    return Infra(
        mutability=values["image_tag_mutability"],
        excluded=values["excluded_tags"],
        longest=3600,
        granted=[LOGIN_ACTION, *values["push_actions"]],
        lifecycle=values["lifecycle"],
        where=(INFRA_JSON, 1),
    )


def infra_json_by_entry(
    account: Account, made: dict[str, Infra], written_by: str
) -> dict[str, dict[str, Any]]:
    """Return, by key, what the repository of an entry needs to know of infra/: its infra.json.

    Args:
        account: with the entries.
        made: what Terraform makes of each, by key.
        written_by: the name of this repository.
    """
    keys = ("aws_account_id", "aws_region", "oidc_issuer", "role_path")
    shared = {key: account.values[key] for key in keys if account.values.get(key) is not None}
    return {
        key: {
            "written_by": written_by,
            **shared,
            "repositories": {key: account.entries[key]},
            "image_tag_mutability": side.mutability,
            "excluded_tags": side.excluded,
            "push_actions": [action for action in side.granted if action != LOGIN_ACTION],
            "lifecycle": side.lifecycle,
        }
        for key, side in made.items()
    }
