"""The account: what infra/terraform.tfvars.json says, one entry a repository."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from keyless.model.documents import line_of_key, parse_json, read_file
from keyless.model.findings import CannotJudge, Finding
from keyless.paths import FURTHER_VALUES, INFRA_JSON, TFVARS

ISSUER = "https://token.actions.githubusercontent.com"


# GitHub Enterprise has others: with a slug, with data residency, and each server its own.
ISSUERS = (
    r"https://(token\.actions\.githubusercontent\.com(/[A-Za-z0-9-]+)?"
    r"|token\.actions\.([a-z0-9-]+\.ghe\.com)|([a-z0-9-]+(\.[a-z0-9-]+)+)/_services/token)"
)


# An entry of `repositories`: what infra/variables.tf knows, and its kind of value.
ENTRY_KINDS = {
    "github_repository": "text",
    "subject_prefix": "text or null",
    "refs": "a list of text",
    "dangerously_trust_any_tag": "true or false",
    "environment": "text or null",
    "test_ref": "true or false",
    "test_ids": "true or false",
    "job_workflow_ref": "text or null",
    "ecr_repository": "text",
    "role_name": "text",
    "max_session_duration": "number or null",
    "force_delete": "true or false",
    "pull_accounts": "a list of text or null",
    "expire_untagged_after_days": "number or null",
    "keep_newest_images": "number or null",
}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


# Of each kind, whether a value is of it; what may be left out may be null.
_KINDS: dict[str, Callable[[Any], bool]] = {
    "text": _is_text,
    "text or null": lambda value: value is None or _is_text(value),
    "a list of text": _is_list,
    "a list of text or null": lambda value: value is None or _is_list(value),
    "true or false": lambda value: value is None or isinstance(value, bool),
    "number or null": lambda value: value is None or type(value) is int,
}


# The values for everything that infra/variables.tf knows.
ACCOUNT_KEYS = (
    *("aws_account_id", "aws_region", "create_oidc_provider", "repositories", "oidc_issuer"),
    *("role_path", "permissions_boundary", "kms_key", "tags"),
)


# What infra.json has beside them, and of which kind.
INFRA_JSON_KINDS = {
    "image_tag_mutability": str,
    "excluded_tags": list,
    "push_actions": list,
    "lifecycle": dict,
    "written_by": str,
}


class Account(NamedTuple):
    """What infra/terraform.tfvars.json says: one account, one region, an entry a repository."""

    id: str
    region: str
    entries: dict[str, dict[str, Any]]
    texts: dict[str, str]  # by path; the first one has the values for everything
    places: dict[str, str]  # the path of each entry
    issuer: str  # without https://, as ARNs and condition keys have it
    role_path: str
    values: dict[str, Any]  # all of the file

    @property
    def path(self) -> str:
        """The file with the values for everything."""
        return next(iter(self.texts))

    @property
    def made_here(self) -> bool:
        """Whether infra/ is in this repository."""
        return self.path != INFRA_JSON

    @property
    def changing(self) -> str:
        """How what it says is changed."""
        if self.made_here:
            return f"change {self.path} and apply it"
        return "have the entry changed where infra/ is, and type: make fetch"

    @property
    def partition(self) -> str:
        """The partition of the region."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    @property
    def domain(self) -> str:
        """The domain of the partition's hosts and audience."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    @property
    def audience(self) -> str:
        """The audience of the tokens that STS takes there."""
        return f"sts.{self.domain}"

    @property
    def registry(self) -> str:
        """The host of the account's registry in the region."""
        return f"{self.id}.dkr.ecr.{self.region}.{self.domain}"

    @property
    def oidc_provider(self) -> str:
        """The ARN of GitHub's identity provider."""
        return self.arn(f"oidc-provider/{self.issuer}")

    @property
    def host(self) -> str:
        """The host of the GitHub that signs the tokens."""
        match = re.fullmatch(ISSUERS, f"https://{self.issuer}")
        return (match and (match[3] or match[4])) or "github.com"

    def registry_arn(self, name: str) -> str:
        """Return the ARN of a repository in ECR."""
        return f"arn:{self.partition}:ecr:{self.region}:{self.id}:repository/{name}"

    def role(self, entry: dict[str, Any]) -> str:
        """Return the ARN of an entry's role."""
        return self.arn(f"role{self.role_path}{entry['role_name']}")

    def arn(self, resource: str) -> str:
        """Return the ARN of a role or of the identity provider."""
        return f"arn:{self.partition}:iam::{self.id}:{resource}"

    def at(self, key: str) -> int:
        """Return the line of a value for everything."""
        return line_of_key(self.texts[self.path], key)

    def line(self, key: str, attribute: str = "") -> int:
        """Return the line of an entry, or of an attribute in it."""
        lines = self.texts[self.places[key]].splitlines()
        start = next((n for n, line in enumerate(lines) if f"{json.dumps(key)}:" in line), 0)
        behind = (n for n in range(start, len(lines)) if f'"{attribute}"' in lines[n])
        return next(behind, start) + 1

    def finding(self, key: str, attribute: str, rule: str, message: str, mend: str) -> Finding:
        """Return a finding that points at an attribute of an entry."""
        return Finding(self.places[key], self.line(key, attribute), rule, message, mend)


def read_account(root: Path, values: Path | None = None) -> Account:
    """Return what a repository says of its account; `values` replaces TFVARS and what is beside it.

    Raises:
        CannotJudge: a file is missing, or is none that says it.
    """
    here = (root / TFVARS).is_file() or not (root / INFRA_JSON).is_file()
    path = TFVARS if here else INFRA_JSON
    folder = values.parent if values else (root / path).parent
    further = sorted(folder.glob(FURTHER_VALUES)) if path == TFVARS else []
    for each in further:
        if not re.fullmatch(r"repositories-[\w-]+\.tfvars\.json", each.name, re.ASCII):
            example = "repositories-2.tfvars.json"
            raise CannotJudge(
                f"infra/{each.name}: not a valid name; rename it, for example {example}"
            )
    texts = {path: read_file(root, str(values or path))}
    return parse_account(
        texts | {f"infra/{each.name}": read_file(folder, each.name) for each in further}
    )


def parse_account(texts: dict[str, str]) -> Account:
    """Return what the first of some files says, by path, with the entries of the further ones."""
    (path, text), *further = texts.items()
    values = parse_json(path, text)
    values = values if isinstance(values, dict) else {}
    account, region = values.get("aws_account_id"), values.get("aws_region")
    if not re.fullmatch("[0-9]{12}", str(account)) or not isinstance(account, str):
        raise CannotJudge(f"{path}: aws_account_id must be text of 12 digits; correct it")
    if not re.fullmatch(r"[a-z]{2}(-gov)?-[a-z]+-[0-9]+", str(region)):
        raise CannotJudge(f"{path}: aws_region must be the code of a region; correct it")
    if path == TFVARS and not isinstance(values.get("create_oidc_provider"), bool):
        raise CannotJudge(f"{path}: create_oidc_provider must be true or false; correct it")
    issuer, role_path = (values.get(key) for key in ("oidc_issuer", "role_path"))
    if issuer is not None and not (isinstance(issuer, str) and re.fullmatch(ISSUERS, issuer)):
        raise CannotJudge(f"{path}: oidc_issuer is not an issuer of GitHub; leave it out")
    form = r"/([A-Za-z0-9_+=,.@-]+/)*"
    if role_path is not None and not (isinstance(role_path, str) and re.fullmatch(form, role_path)):
        raise CannotJudge(f"{path}: role_path must be like /NAME/; correct it, or leave it out")
    entries = parse_entries(path, values)
    places = dict.fromkeys(entries, path)
    for name, other in further:
        content = parse_json(name, other)
        if not isinstance(content, dict) or {*content} - {"repositories"}:
            raise CannotJudge(f"{name}: must contain repositories and nothing else; correct it")
        for key, entry in parse_entries(name, content).items():
            if key in entries:
                raise CannotJudge(f"{name}: the entry {key} is also in {places[key]}; remove one")
            entries[key], places[key] = entry, name
    if not entries:
        raise CannotJudge(f"{path}: repositories has no entry; add one")
    issuer, role_path = (issuer or ISSUER)[8:], role_path or "/"
    return Account(account, str(region), entries, texts, places, issuer, role_path, values)


def parse_entries(path: str, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the entries of a file, each value of its kind."""
    entries = values.get("repositories")
    if not isinstance(entries, dict):
        raise CannotJudge(f"{path}: repositories has no entry; add one")
    for key, entry in entries.items():
        for attribute, kind in ENTRY_KINDS.items():
            value = entry.get(attribute) if isinstance(entry, dict) else None
            if not _KINDS[kind](value):
                raise CannotJudge(f"{path}: {attribute} of {key} must be {kind}; correct it")
    return dict(entries)
