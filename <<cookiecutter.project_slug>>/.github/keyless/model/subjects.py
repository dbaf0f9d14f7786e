"""What infra/repository/trust.tf derives from an entry, computed again here: whom a role trusts."""

from __future__ import annotations

import json
import re
from typing import Any

from keyless.model.account import Account


def tests_ref_claim(account: Account, entry: dict[str, Any]) -> bool:
    """Tell whether the claim ref is tested beside the subject, which then names the environment."""
    asked = entry.get("test_ref") is not False and entry.get("environment") is not None
    return asked and account.partition == "aws"


def ref_is_tested(account: Account, entry: dict[str, Any]) -> bool:
    """Tell whether the role looks at the ref: in the subject, or in the claim beside it."""
    return entry.get("environment") is None or tests_ref_claim(account, entry)


def trusted_contexts(entry: dict[str, Any]) -> list[str]:
    """Return what the trusted subjects hold behind their prefix."""
    environment = entry.get("environment")
    if environment is not None:
        return ["environment:" + environment.replace(":", "%3A")]
    return [f"ref:{ref}" for ref in entry["refs"]]


def trusted_claims(account: Account, entry: dict[str, Any]) -> dict[str, list[str]]:
    """Return the values that the role accepts for each claim that it tests."""
    prefix = entry.get("subject_prefix")
    tested = {
        "aud": [account.audience],
        "sub": [f"{prefix}:{context}" for context in trusted_contexts(entry)] if prefix else [],
    }
    if tests_ref_claim(account, entry):
        tested["ref"] = entry["refs"]
    if entry.get("test_ids"):
        ids = re.findall("@([0-9]+)", prefix or "")
        tested["repository_owner_id"], tested["repository_id"] = ids[:1], ids[1:]
    if entry.get("job_workflow_ref"):
        tested["job_workflow_ref"] = [entry["job_workflow_ref"]]
    return tested


def trust_conditions(account: Account, entry: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return the conditions of the trust policy: StringLike only where there is a *."""
    found: dict[str, dict[str, list[str]]] = {}
    for claim, values in trusted_claims(account, entry).items():
        like = any(value.endswith("*") for value in values)
        test = found.setdefault("StringLike" if like else "StringEquals", {})
        test[f"{account.issuer}:{claim}"] = values
    return found


def trust_statement(account: Account, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the one statement of the trust policy."""
    return {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": account.oidc_provider},
        "Condition": trust_conditions(account, entry),
    }


def trust_length(account: Account, entry: dict[str, Any]) -> int:
    """Return how many characters IAM counts in an entry's trust policy: no white space."""
    policy = {"Version": "2012-10-17", "Statement": [trust_statement(account, entry)]}
    return len(json.dumps(policy, ensure_ascii=False, separators=(",", ":")))
