"""What Terraform refuses of infra/terraform.tfvars.json, and what each role trusts in full."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from keyless.model.account import Account
from keyless.model.subjects import trust_conditions, trust_length, trusted_claims
from keyless.model.tags import tag_errors

# The claim job_workflow_ref: a workflow of some repository, at a ref or a commit.
WORKFLOW_REFERENCE = (
    r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/\.github/workflows/[A-Za-z0-9_.-]+\.ya?ml"
    r"@(refs/(heads|tags)/[^\s*?$]+|[0-9a-f]{40})"
)


TRUST_MAXIMUM = 8192  # characters; 2,048 until raised [IAM quotas, "Role trust policy length"]


def entry_errors(account: Account, entry: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what infra/repository/variables.tf refuses: the attribute, why, and what to write."""
    name, prefix = entry["github_repository"], entry.get("subject_prefix")
    environment = entry.get("environment")
    if not re.fullmatch(r"[A-Za-z0-9_-]+/[A-Za-z0-9._-]+", name):
        yield "github_repository", f"{name!r} is not owner/name", "write it as GitHub shows it"
    form = r"repo:[^@/:]+(/[^@/:]+|@[0-9]+/[^@/:]+@[0-9]+)"
    bare = re.sub("@[0-9]+", "", prefix or "")
    if prefix is not None and (not re.fullmatch(form, prefix) or bare != f"repo:{name}"):
        why = f"{prefix!r} does not name {name} with both numeric ids or with neither"
        yield "subject_prefix", why, f"ask: gh api repos/{name}/actions/oidc/customization/sub"
    for ref in entry["refs"] or [""]:
        bounded = re.fullmatch(r"refs/(heads|tags)/[^*?$\x00-\x20\x7f]+[*]?", ref)
        if not bounded and not (ref == "refs/tags/*" and entry.get("dangerously_trust_any_tag")):
            mend = "write refs/tags/v*"
            if ref and not ref.startswith("refs/") and re.fullmatch(r"[\w./-]+\*?", ref):
                mend = f"write refs/heads/{ref} or refs/tags/{ref}"
            yield "refs", f"{ref!r} is not refs/heads/NAME or refs/tags/NAME", mend
    # IAM takes U+0020 to U+00FF in a trust policy; * ? and $ stand for others, % for an escape.
    if environment is not None and not re.fullmatch(
        r"[ -#&-)+->@-~\u00a1-\u00ff]{1,255}", environment
    ):
        yield "environment", f"{environment!r} is not the name of an environment", "write its name"
    called = entry.get("job_workflow_ref")
    if called is not None and (
        account.partition != "aws" or not re.fullmatch(WORKFLOW_REFERENCE, called)
    ):
        why = f"{called!r} is not a workflow at a ref, or AWS does not know its claim here"
        mend = "write OWNER/NAME/.github/workflows/publish-image.yml@refs/tags/v1, or null"
        yield "job_workflow_ref", why, mend
    length = trust_length(account, entry)
    if length > TRUST_MAXIMUM:
        why = f"make a trust policy of {length:,} characters, but the quota 'Role trust policy"
        why += f" length' is at most {TRUST_MAXIMUM:,}"
        yield "refs", why, "trust fewer refs, with a * at the end of what they have in common"
    if entry.get("test_ids") and (account.partition != "aws" or "@" not in (prefix or "@")):
        why = "is true, but the subject has no ids or AWS does not know their claims here"
        yield "test_ids", why, "write false"
    part = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
    registry = entry["ecr_repository"]
    if not re.fullmatch(rf"(?=[a-z].{{1,255}}$){part}(/{part})*", registry):
        why = f"{registry!r} is not a valid ECR repository name"
        yield "ecr_repository", why, "write it in lower case"
    role = entry["role_name"]
    if not re.fullmatch(r"[A-Za-z0-9_+=,.@-]{1,64}", role) or role == "GitHubActions":
        yield "role_name", f"{role!r} is not a name that works", "write for example NAME-push"
    bounds = {"max_session_duration": (3600, 43200)}
    for name in (*bounds, "expire_untagged_after_days", "keep_newest_images"):
        least, most = bounds.get(name, (1, 99999))
        if entry.get(name) is not None and not least <= entry[name] <= most:
            yield name, f"{entry[name]} is not between {least} and {most}", f"write {least} or more"
    for number in entry.get("pull_accounts") or []:
        if not re.fullmatch("[0-9]{12}", number):
            yield "pull_accounts", f"{number!r} is not an account", "write its 12 digits as text"


def account_errors(account: Account) -> Iterator[tuple[str, str, str]]:
    """Yield what Terraform refuses of the values for everything: the key, why, and the mend."""
    values, partition = account.values, account.partition
    forms = {
        "permissions_boundary": rf"arn:{partition}:iam::([0-9]{{12}}|aws):policy/.+",
        "kms_key": rf"arn:{partition}:kms:{account.region}:[0-9]{{12}}:key/.+",
    }
    for key, form in forms.items():
        value = values.get(key)
        if value is not None and not (isinstance(value, str) and re.fullmatch(form, value)):
            yield key, f"{value!r} is not such an ARN in {account.region}", "write its ARN, or null"
    if len(account.role_path) > 512:
        yield "role_path", "is longer than 512 characters", "write for example /github/"
    yield from _tag_errors(values.get("tags") or {})


def _tag_errors(tags: Any) -> Iterator[tuple[str, str, str]]:
    mend = 'write for example {"team": "web"}'
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        yield "tags", f"{tags!r:.60} is not an object of texts", mend
        return
    for why in tag_errors(tags):
        yield "tags", why, mend


def subjects_by_entry(account: Account) -> dict[str, Any]:
    """Return, for each entry, its role, the subjects that it trusts, and its conditions in full."""
    return {
        key: {
            "github_repository": entry["github_repository"],
            "ecr_repository": entry["ecr_repository"],
            "aws_region": account.region,
            "issuer": f"https://{account.issuer}",
            "role_arn": account.role(entry),
            "subject_prefix": entry.get("subject_prefix"),
            "subjects": trusted_claims(account, entry)["sub"],
            "conditions": trust_conditions(account, entry),
            "errors": [f"{attribute} {why}" for attribute, why, _ in entry_errors(account, entry)],
        }
        for key, entry in account.entries.items()
    }
