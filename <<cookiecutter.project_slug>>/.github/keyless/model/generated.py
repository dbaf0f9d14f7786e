"""Whether infra/ is as it was generated: then what it makes is known, and nothing need be planned.

The sums are of whole files. (They protect against mistakes: anyone who can change such a file can
also change this one.) `python -m tests.support.sums` of the template writes them.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from keyless.model.account import Account
from keyless.model.service import read_service
from keyless.paths import BACKEND_TF, REGISTRY_TF, SERVICE_TF

# For each file, the sum of each way in which it is generated.
SUMS: dict[str, dict[str, str]] = {
    "infra/backend.tf": {
        "faaab65b86d74864968b07ab8689d547": "backend",
    },
    "infra/main.tf": {
        "560e48b35cef14d6ed92588f748dac7e": "plain",
    },
    "infra/oidc.tf": {
        "91728b005b4bf31859f7bf3f6de49ec5": "plain",
    },
    "infra/outputs.tf": {
        "19f23145e7f9c03282dedcd2d8dad51a": "plain",
    },
    "infra/repository/outputs.tf": {
        "23de5335b3309ec0911472f7f487e429": "plain",
    },
    "infra/repository/registry.tf": {
        "2723c4ae445514b6932961fc362779f2": "plain",
        "7b2f65c8f704129a9708a90ec581d928": "latest",
    },
    "infra/repository/trust.tf": {
        "f87b9035fddf64eff63c52315d490dcc": "plain",
    },
    "infra/repository/variables.tf": {
        "91745692bec0410a93e143a8d428d5b8": "plain",
    },
    "infra/repository/versions.tf": {
        "14ec582a8798ce6e2143e19d6b0cc13d": "plain",
        "654f80059318d9f5dd4f9f1d5e25429d": "latest",
    },
    "infra/service.tf": {
        "df66f2a77d59c65533a53e0addc8b03f": "ecs-express",
        "379b76f7e4df02592dfbc3578b19c5d8": "app-runner",
    },
    "infra/variables.tf": {
        "465bf68335c46d95cd77a91007102ad3": "plain",
    },
    "infra/versions.tf": {
        "e818d40d41679ccd77e4ae8b25b23efd": "plain",
        "74003814d2267c062ebc40408326c526": "latest",
    },
}
# What Terraform reads in the root module and in the module of an entry, and no other program.
_CODE = re.compile(r"\.(tf|tofu)(\.json)?$")
_VALUES = re.compile(r"\.auto\.tfvars(\.json)?$|^terraform\.tfvars$")
VERSIONS = ("infra/versions.tf", "infra/repository/versions.tf")
FOLDERS = ("infra", "infra/repository")


def sum_of(path: str, text: str) -> str:
    """Return the sum of a file's text; of the backend, which grants nothing, that of its form."""
    if path == BACKEND_TF:
        text = re.sub(r'"[^"\n]*"', '""', text)
        text = re.sub(r"[ \t]*#[^\n]*|\n(?=\s*(\n|#))", "", text)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def kind_of(root: Path, path: str) -> str:
    """Return in which way a file was generated; empty where it is another one, or missing."""
    try:
        text = (root / path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return SUMS.get(path, {}).get(sum_of(path, text), "")


def changed_files(root: Path, service: str = "") -> list[str]:
    """Return the files of infra/ that are not as they were generated, are missing or came along.

    Args:
        root: of the repository.
        service: what runs the image, for whose roles infra/service.tf is; empty where nothing does.
    """
    there = [
        each.relative_to(root).as_posix()
        for folder in FOLDERS
        for each in sorted((root / folder).glob("*"))
        if each.is_file() and (_CODE.search(each.name) or _VALUES.search(each.name))
    ]
    optional = {BACKEND_TF: "backend", SERVICE_TF: service}
    needed = [path for path in SUMS if path not in optional or (path == SERVICE_TF and service)]
    found = []
    for path in sorted({*there, *needed}):
        kind = kind_of(root, path)
        if not kind or (path in optional and kind != optional[path]):
            found.append(path)
    kinds = {kind_of(root, path) for path in (REGISTRY_TF, *VERSIONS)}
    return found or [REGISTRY_TF] * (len(kinds) > 1)  # what latest needs, all three have or none


def changed_infra(root: Path, account: Account) -> list[str]:
    """Return the same for a repository as it is; nothing for one without an infra/.

    Raises:
        CannotJudge: the settings of the service cannot be read.
    """
    if not account.made_here:
        return []
    service = read_service(root, account)
    return changed_files(root, service.target if service else "")


def tags_stay(root: Path) -> bool:
    """Tell whether every tag of a registry is immutable; else `latest` may move."""
    return kind_of(root, REGISTRY_TF) != "latest"
