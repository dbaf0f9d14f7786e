"""What the files of infra/ say, as far as that can be read without parsing HCL.

A part that decides who is trusted or what is granted is known by its checksum. Where it differs,
nothing is guessed: a plan shows both policies in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from keyless.model.account import INFRA_JSON_KINDS, Account
from keyless.model.documents import parse_json, read_file
from keyless.model.findings import CannotJudge
from keyless.model.hcl import checksum, find_block, strip_comments
from keyless.model.infra import LOGIN_ACTION, Infra
from keyless.model.service import Service
from keyless.paths import INFRA_JSON, LIFECYCLE, PUSH_ACTIONS, REGISTRY_TF, SERVICE_TF, TRUST_TF

# Checksums of blocks, or of whole files, that ignore comments and white space. (They are against
# mistakes: whoever can change such a file can change this one, too.)
CHECKSUMS = {
    ("infra/oidc.tf", ""): "95fd71e6",
    ("infra/main.tf", 'module "repository"'): "e8b68c4e",
    ("infra/variables.tf", 'variable "oidc_issuer"'): "7155f814",
    ("infra/variables.tf", 'variable "role_path"'): "3f651dd5",
    ("infra/variables.tf", 'variable "repositories"'): "84df410c",
    ("infra/repository/variables.tf", ""): "e296c988",
    (TRUST_TF, ""): "5bcdb286",
    (REGISTRY_TF, ""): "f381b26d",
}
IMAGE_BLOCK = 'resource "aws_ecr_repository" "image"'
ROLE_BLOCK = 'resource "aws_iam_role" "push"'
# What the role may be given without trusting or granting more.
NEUTRAL_LINES = (
    r"(?m)^  (?:description|tags) *="
    r' *(?:\{(?:"(?:\\.|[^"\\])*"|[^{}"])*\}|[^\n]*)'
)
# Files that Terraform reads after those that are judged here.
OVERRULING = r"\.auto\.tfvars(\.json)?$|/terraform\.tfvars$|(^|_|/)override\.tf$|\.tf\.json$|\.tofu"


class Rewritten(NamedTuple):
    """A part of infra/ that is not as it was generated, so nobody can tell what it grants."""

    path: str
    line: int
    message: str


def read_infra(
    root: Path, account: Account, service: Service | None = None
) -> tuple[Infra, list[Rewritten]]:
    """Read what Terraform makes of every entry, and which parts were rewritten.

    Raises:
        CannotJudge: a file is missing, or is not of the kind that it must be.
    """
    if not account.made_here:
        return _read_infra_json(account), []
    texts = {path: strip_comments(read_file(root, path)) for path, _ in CHECKSUMS}
    image_line, image = find_block(texts[REGISTRY_TF], IMAGE_BLOCK)
    rewritten = [*_rewritten_parts(texts, image), *_rewritten_provider(root)]
    if service:
        own = checksum(strip_comments(read_file(root, SERVICE_TF)))
        if own != service.terraform_checksum:
            message = f"it was rewritten, so what is granted is not known (now {own})"
            rewritten.append(Rewritten(SERVICE_TF, 1, message))
    rewritten += _further_files(root, account, service)
    mutability = re.findall(r'(?m)^\s*image_tag_mutability\s*=\s*"(\w+)"\s*$', image)
    name = re.findall(r"(?m)^\s*name\s*=\s*(.*?)\s*$", image)
    hidden = re.search(r"ignore_|dynamic|region\s*=", image)
    if len(mutability) != 1 or name != ["var.entry.ecr_repository"] or hidden:
        message = "the registry's name, region or tag mutability was rewritten"
        rewritten.append(Rewritten(REGISTRY_TF, image_line, message))
    filters = re.findall(r'(?m)^\s*filter\s*=\s*"([^"]+)"', image)
    granted = parse_json(PUSH_ACTIONS, read_file(root, PUSH_ACTIONS))
    if not isinstance(granted, list) or not all(isinstance(name, str) for name in granted):
        raise CannotJudge(f"{PUSH_ACTIONS}: needs a list of text; restore it")
    lifecycle = parse_json(LIFECYCLE, read_file(root, LIFECYCLE))
    found = Infra(
        mutability=[*mutability, "IMMUTABLE"][0],
        excluded=filters,
        longest=3600,
        granted=[LOGIN_ACTION, *granted],
        lifecycle=lifecycle,
    )
    return found, rewritten


def _read_infra_json(account: Account) -> Infra:
    values = account.values
    for key, kind in INFRA_JSON_KINDS.items():
        if not isinstance(values.get(key), kind):
            raise CannotJudge(f"{INFRA_JSON}: needs {key}, as it was written; fetch it anew")
    return Infra(
        mutability=values["image_tag_mutability"],
        excluded=values["excluded_tags"],
        longest=3600,
        granted=[LOGIN_ACTION, *values["push_actions"]],
        lifecycle=values["lifecycle"],
        where=(INFRA_JSON, 1),
    )


def _rewritten_parts(texts: dict[str, str], image: str) -> Iterator[Rewritten]:
    role = find_block(texts[TRUST_TF], ROLE_BLOCK)[1]
    for (path, head), expected in CHECKSUMS.items():
        line, body = find_block(texts[path], head)
        if not head:  # two blocks have parts that are yours
            body = body.replace(role, re.sub(NEUTRAL_LINES, "", role)).replace(image, "")
        if checksum(body) != expected:
            message = f"{head or 'it'} was rewritten, so what is trusted and granted is not known"
            yield Rewritten(path, line, f"{message} (now {checksum(body)})")


def _rewritten_provider(root: Path) -> Iterator[Rewritten]:
    path = "infra/versions.tf"
    line, provider = find_block(strip_comments(read_file(root, path)), 'provider "aws"')
    for part in ("region=var.aws_region\n", "allowed_account_ids=[var.aws_account_id]\n"):
        if part not in provider.replace(" ", ""):
            yield Rewritten(path, line, "the provider's region or account was rewritten")


def _further_files(root: Path, account: Account, service: Service | None) -> Iterator[Rewritten]:
    """Yield what may overrule the files that are known, or grant more than they do."""
    granting = r'(?m)^\s*(?:resource\s+"?aws_(?:iam_\w*polic\w*|ecr_\w*policy)"?\s|module\s)'
    ours = _own_names(account, service)
    for file in sorted((root / "infra").rglob("*.*")):
        path = file.relative_to(root).as_posix()
        if ".terraform" in file.parts or not file.is_file():
            continue
        if re.search(OVERRULING, path):
            yield Rewritten(path, 1, "it may overrule the files that are judged here")
        elif file.parent == root / "infra/repository" and file.suffix == ".tf":
            if file.stem not in ("trust", "registry", "variables", "outputs", "versions"):
                yield Rewritten(path, 1, "it is a further part of what is trusted and granted")
        elif file.suffix == ".tf" and not (service and path == SERVICE_TF):
            text = strip_comments(read_file(root, path))
            for match in re.finditer(granting, text):
                body = text[match.start() : text.find("\n}", match.start())]
                if _may_grant(body, ours):
                    line = text.count("\n", 0, match.start()) + 1
                    message = "it may grant more to a role or on a registry of infra/"
                    yield Rewritten(path, line, message)


def _own_names(account: Account, service: Service | None) -> re.Pattern[str]:
    """Return what a block names that touches a role or a registry of infra/."""
    entries = account.entries.values()
    names = [re.escape(entry[key]) for entry in entries for key in ("role_name", "ecr_repository")]
    passed = service.roles_of_aws if service else []
    names += [re.escape(f"{service.name}-{kind}") for kind in passed] if service else []
    given = "|".join(rf"aws_iam_role\.{kind}\b" for kind in passed)
    parts = ["module\\.repository", "aws_ecr_registry_policy", f'"({"|".join(names)})"']
    return re.compile("|".join([*parts, *[given] * bool(given)]))


def _may_grant(body: str, ours: re.Pattern[str]) -> bool:
    clear = r'aws_iam_role\.[\w-]+(\[[^\]]*\])?\.(name|id)|"[^"$]*"'
    roles = re.findall(r"(?m)^\s*roles?\s*=\s*(.+?)\s*$", body)
    vague = not all(re.fullmatch(clear, role) for role in roles)
    return bool(ours.search(body) or vague) and 'module "repository"' not in body


def infra_json_by_entry(root: Path, account: Account, written_by: str) -> dict[str, dict[str, Any]]:
    """Return, by key, what the repository of an entry needs to know of infra/: its infra.json.

    Raises:
        CannotJudge: a part was rewritten, so it is not known what Terraform makes of an entry.
    """
    written, rewritten = read_infra(root, account)
    if rewritten:
        first = rewritten[0]
        raise CannotJudge(f"{first.path}:{first.line}: {first.message}; restore it")
    keys = ("aws_account_id", "aws_region", "oidc_issuer", "role_path")
    shared = {key: account.values[key] for key in keys if account.values.get(key) is not None}
    sides = {key: written.of_entry(entry) for key, entry in account.entries.items()}
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
        for key, side in sides.items()
    }
