"""A copy of infra/ in which a plan can be made: the backend is local, and no prefix is missing."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from keyless.model.account import Account
from keyless.model.files import SKIPPED
from keyless.model.findings import CannotJudge
from keyless.paths import TFVARS

STATE = "made-up.tfstate"
BACKEND = f'terraform {{\n  backend "local" {{\n    path = "{STATE}"\n  }}\n}}\n'
# What was found or made before, and does not say what is wanted.
_LEFT_OUT = re.compile(r"\.terraform\.lock\.hcl|.*\.tfstate(\..*)?|.*\.tfplan")
_OVERRIDE = re.compile(r"(?:(.*)_)?override(\.tf|\.tofu)(\.json)?")  # [Terraform, "Override Files"]
# An import block, as terraform fmt writes it. The imported object cannot be looked up here, but the
# plan for its address is judged anyway.
_VALUE = r'(?:[\w.-]|\[(?:"[^"\\$%\n]*"|\d+|each\.\w+)\])+|"(?:(?!\*/|/\*)[^"\\$%\n])*"'
_IMPORT = re.compile(
    rf"(?m)^import \{{\n(?:  (?:to|id|provider|for_each) += (?:{_VALUE})\n)+\}}\n?"
)


def with_prefixes(account: Account) -> Account:
    """Return an account in which each entry has a subject prefix, made up where it is null."""
    entries = {
        key: entry
        if entry.get("subject_prefix") is not None
        else {**entry, "subject_prefix": _made_up_prefix(entry["github_repository"])}
        for key, entry in account.entries.items()
    }
    return account._replace(entries=entries)


def _made_up_prefix(repository: str) -> str:
    owner, _, name = repository.partition("/")
    return f"repo:{owner}@1/{name}@2"


def copy_infra(root: Path, account: Account, folder: Path, program: str) -> Path:
    """Copy infra/ into an empty folder, with links to what stands beside it; return its path.

    Args:
        root: of the repository.
        account: what the values shall be; all entries are planned at once, whatever state has them.
        folder: an empty one.
        program: the one that plans: OpenTofu prefers files that only it reads.

    Raises:
        CannotJudge: a file cannot be read.
    """
    copy = folder / "repository"
    copy.mkdir()
    for beside in root.iterdir():
        if beside.name not in {"infra", *SKIPPED}:
            (copy / beside.name).symlink_to(beside.resolve())
    infra = copy / "infra"
    infra.mkdir()
    for inside, folders, files in os.walk(root / "infra", followlinks=True):
        kept = {name: Path(inside, name).resolve() for name in {*folders} - SKIPPED}
        above = Path(inside).resolve()
        # A link to a folder above would lead into itself.
        folders[:] = sorted(name for name in kept if kept[name] not in (above, *above.parents))
        for name in files:
            source = Path(inside, name)
            if source.is_file() and not _LEFT_OUT.fullmatch(name):  # a link may lead nowhere
                _copy_file(source, copy / source.relative_to(root))
    for further in infra.glob("repositories-*.tfvars.json"):
        further.unlink()
    values = {**account.values, "repositories": account.entries}
    (copy / TFVARS).write_text(json.dumps(values), encoding="utf-8")
    _override_backend(infra, program)
    return infra


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if source.suffix not in (".tf", ".tofu"):
            shutil.copyfile(source, target)
            return
        text = source.read_text(encoding="utf-8")
        target.write_text(_IMPORT.sub("", text), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CannotJudge(f"infra: {source.name} cannot be read ({error}); restore it") from error


def _override_backend(infra: Path, program: str) -> None:
    """Write the last override file. Those that are there get names that come before, in order."""
    there = [each for each in infra.iterdir() if _OVERRIDE.fullmatch(each.name)]
    stem_of = {each: re.split(r"\.t(?:f|ofu)\b", each.name)[0] for each in there}
    stems = sorted({*stem_of.values()})
    for each, stem in stem_of.items():
        number = f"{stems.index(stem):06}"
        name = f"{number}~{stem}" if stem.endswith("_override") else f"{number}_override"
        each.rename(infra / f"{name}{each.name[len(stem) :]}")
    suffix = "tofu" if program == "tofu" else "tf"
    (infra / f"~keyless_override.{suffix}").write_text(BACKEND, encoding="utf-8")


def write_state(infra: Path, resources: list[dict[str, Any]]) -> None:
    """Write a state in which resources exist [Terraform, "State", version 4 of its file]."""
    state = {
        "version": 4,
        "terraform_version": "1.10.0",
        "serial": 1,
        "lineage": "keyless",
        "outputs": {},
        "resources": resources,
    }
    (infra / STATE).write_text(json.dumps(state), encoding="utf-8")
