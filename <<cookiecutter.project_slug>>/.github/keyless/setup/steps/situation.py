"""What bootstrap has found, what is wanted, and the steps from one to the other."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from keyless.model.account import Account, parse_account
from keyless.model.service import Service, read_service
from keyless.paths import ROOT, TFVARS
from keyless.setup.github import Repository
from keyless.setup.project import account_here, own_key
from keyless.setup.retry import AGAIN
from keyless.setup.terraform import State
from keyless.setup.values import edit_json
from keyless.writing import read_text, write_text


class Step(NamedTuple):
    """Something that is missing: its text for people, and the function that does it."""

    text: str
    act: Callable[[], None]


@dataclass
class Situation:
    """This repository on its way to the first image."""

    options: argparse.Namespace
    folder: Path  # private: for plans and values
    account: Account  # as the files have it at the start
    key: str  # of this repository's own entry
    service: Service | None
    texts: dict[str, str]  # the files with values, by path, as they will be
    before: dict[str, str]  # as they are
    repository: Repository | None = None  # this one on GitHub; None before it is created
    created: bool = False  # whether it was created in this run
    imports: dict[str, str] = field(default_factory=dict)  # identifiers in AWS, by address
    state_was_lost: bool = False  # a role trusts our subject, but is in no state
    no_place_for_state: bool = False  # nothing can be planned before its bucket is created
    published: list[str] = field(default_factory=list)  # versions that are on GitHub
    publishing: str = ""  # the ref whose run is followed once the steps are done
    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, options: argparse.Namespace, folder: Path) -> Situation:
        """Read the files of this repository.

        Args:
            options: those of the command bootstrap.
            folder: an empty, private one.

        Raises:
            CannotJudge: a file cannot be read.
            Problem: the own entry is unknown.
        """
        account = account_here(AGAIN)
        texts = {path: read_text(ROOT / path) for path in account.texts}
        service = read_service(ROOT, account)
        return cls(options, folder, account, own_key(account), service, texts, dict(texts))

    @property
    def wanted(self) -> Account:
        """The account, with the values as they will be."""
        return parse_account(self.texts)

    @property
    def entry(self) -> dict[str, Any]:
        """This repository's entry, as it will be."""
        return self.wanted.entries[self.key]

    @property
    def name(self) -> str:
        """This repository's name on GitHub, as it will be."""
        return str(self.entry["github_repository"])

    @property
    def creates_provider(self) -> bool:
        """Whether Terraform creates the account's identity provider."""
        return bool(json.loads(self.texts[TFVARS])["create_oidc_provider"])

    def add(self, text: str, act: Callable[[], None]) -> None:
        """Add a step."""
        self.steps.append(Step(text, act))

    def set_value(self, key: str, attribute: str, value: str | None) -> None:
        """Put a value into an entry, in the text that will be written."""
        place = self.account.places[key]
        if json.loads(self.texts[place])["repositories"][key].get(attribute) != value:
            text = edit_json(self.texts[place], ["repositories", key, attribute], value)
            self.texts[place] = text

    def write_aside(self) -> Path:
        """Write the values as they will be into a private folder, and return it."""
        values = self.folder / "values"
        values.mkdir(exist_ok=True)
        for path, text in self.texts.items():
            write_text(values / Path(path).name, text)
        return values

    def plan_file(self, of: State) -> Path:
        """Return where the plan of a state is kept."""
        return self.folder / f"{of.name}.tfplan" if of.further else self.folder / "plan.tfplan"
