"""Cases of infra/: what is written or edited there, and what must be found (tests/tool/infra/)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.standins.emulator import ROOT
from tests.support.edits import change

FOLDER = ROOT / "tests/tool/infra"
TFVARS = "infra/terraform.tfvars.json"


class InfraCase(NamedTuple):
    """One case: its name, what must be found and where, and what is done to a fresh project."""

    name: str
    rules: frozenset[str]  # empty where nothing may be found
    at: str  # the file that a finding points at
    says: str  # a part of what is printed
    files: dict[str, str]  # written; what is there already goes on with it
    edits: list[list[str]]  # file, what stands there, and what is written instead
    answers: dict[str, str]
    values: dict[str, Any]  # of each entry
    account: dict[str, Any]  # for everything

    def apply(self, root: Path) -> None:
        """Do to a project what the case says."""
        for path, before, after in self.edits:
            change(root / path, before, after)
        for path, text in self.files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text((file.read_text() if file.exists() else "") + text)
        if self.values or self.account:
            values = json.loads((root / TFVARS).read_text())
            values.update(self.account)
            for entry in values["repositories"].values():
                entry.update(self.values)
            (root / TFVARS).write_text(json.dumps(values, indent=2) + "\n")


def infra_cases(name: str) -> list[InfraCase]:
    """Return the cases of a file."""
    found = []
    for case in yaml.safe_load((FOLDER / f"{name}.yml").read_text()):
        files, edits = case.get("files", {}), case.get("edits", [])
        first = [*files, *(path for path, *_ in edits)]
        rules = [case["rule"]] if "rule" in case else []
        found.append(
            InfraCase(
                case["name"],
                frozenset([*rules, *case.get("also", [])]),
                case.get("at") or first[0],
                case.get("says", ""),
                files,
                edits,
                case.get("answers", {}),
                case.get("values", {}),
                case.get("account", {}),
            )
        )
    return found
