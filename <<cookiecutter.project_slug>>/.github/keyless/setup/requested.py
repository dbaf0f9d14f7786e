"""The repositories that `make add` was asked to add: typed, or in a list."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, NamedTuple

from keyless.console import Problem
from keyless.model.account import Account
from keyless.model.documents import read_file
from keyless.model.entry_errors import entry_errors
from keyless.model.refs import ref_kinds
from keyless.setup.project import own_key
from keyless.setup.service_files import ENTRY_KEY, SERVICES_FOLDER

ADD = "make add"

# An account may have 1,000 roles, and 10,000 at most [IAM quotas, "Roles per account"].
ROLES = 10_000

# GitHub is asked twice for each, and answers 5,000 questions an hour [REST API, "Rate limits"].
AT_A_TIME = 2_000

REPOSITORY_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9._-]{1,100}"
MIXED = "refs are both tags and branches. A caller can publish only one kind: remove the other"
SHOWN = 20  # wrong lines that are printed


class Wanted(NamedTuple):
    """One repository to add: its place in the list, and its name."""

    place: str  # "FILE:LINE: ", empty where it was typed
    name: str


def again_command(options: argparse.Namespace) -> str:
    """Return the command that was typed, without its options."""
    return f"{ADD} FILE={options.file}" if options.file else f"{ADD} REPO=OWNER/NAME"


def read_wanted(options: argparse.Namespace) -> list[Wanted]:
    """Return the repositories to add, each once.

    Args:
        options: names, and the path of a list as file.

    Raises:
        Problem: something is not a name, or is listed twice, or nothing is listed.
    """
    wanted = [Wanted("", name.strip()) for name in options.names if name.strip()]
    if options.file:
        wanted += _read_list(options)
    if not wanted:
        raise Problem("No repository was given.", f"{ADD} REPO=OWNER/NAME", f"{ADD} FILE=LIST")
    wrong = _wrong_names(wanted)
    if wrong:
        more = [f"and {len(wrong) - SHOWN:,} more"] if len(wrong) > SHOWN else []
        last = "Nothing was changed. Correct this, and type the same command again:"
        raise Problem("\n".join([*wrong[:SHOWN], *more, last]), again_command(options))
    return wanted


def _read_list(options: argparse.Namespace) -> list[Wanted]:
    if not options.file.is_file():
        raise Problem(f"The file {options.file} does not exist.", again_command(options))
    text = read_file(Path(), str(options.file)).lstrip("\ufeff")  # as PowerShell writes it
    names = (line.partition("#")[0].strip() for line in text.splitlines())
    numbered = ((number, name) for number, name in enumerate(names, 1) if name)
    return [Wanted(f"{options.file}:{number}: ", name) for number, name in numbered]


def _wrong_names(wanted: list[Wanted]) -> list[str]:
    """Return a line for each that is not a name, or is listed twice."""
    wrong = []
    before: dict[str, Wanted] = {}
    for one in wanted:
        if not re.fullmatch(REPOSITORY_NAME, one.name):
            wrong.append(f"{one.place}{one.name!a:.60} is not the name of a repository: OWNER/NAME")
        elif one.name.lower() in before:
            first = before[one.name.lower()]
            line = first.place.rstrip(": ").rpartition(":")[2]
            where = f"in line {line}" if line else "before"
            also = f" as {first.name}" * (one.name != first.name)
            wrong.append(f"{one.place}{one.name} is already listed {where}{also}")
        else:
            before[one.name.lower()] = one
    return wrong


def judge_options(account: Account, wanted: list[Wanted], options: argparse.Namespace) -> None:
    """Refuse what is wrong before GitHub is asked.

    Args:
        account: with the entries that are there.
        wanted: the repositories to add.
        options: key and registry, which are allowed for one repository only.

    Raises:
        Problem: there are too many, or an option is allowed for one repository only.
    """
    if options.key and not re.fullmatch(ENTRY_KEY, options.key):
        raise Problem(
            f"{options.key!r} is not a valid key. A key names a file in {SERVICES_FOLDER}/ and a"
            " role, so use letters, digits, '-', '_' and '.':",
            f'{ADD} REPO=OWNER/NAME ARGS="--key NAME"',
        )
    if len(wanted) > 1 and (options.key or options.registry):
        text = "--key and --registry work only if you add one repository at a time:"
        raise Problem(text, f"{ADD} REPO=OWNER/NAME")
    total = len(account.entries) + len(wanted)
    if total > ROLES:
        raise Problem(
            f"That would be {total:,} entries, each with a role. The IAM quota 'Roles per account'"
            f" is 1,000, and AWS raises it to {ROLES:,} at most. Use several accounts, each with a"
            " repository like this one.",
            "https://console.aws.amazon.com/servicequotas/home/services/iam/quotas",
        )
    if len(wanted) > AT_A_TIME:
        raise Problem(
            f"The list has {len(wanted):,} repositories. Each needs two requests to GitHub, which"
            " allows 5,000 an hour. Split the list:",
            f"split --lines={AT_A_TIME} {options.file}",
        )


def _refuse_second_entry(account: Account, key: str, options: argparse.Namespace) -> None:
    """Refuse another key or registry for a repository that has an entry.

    Raises:
        Problem: the options ask for a second entry, which is made by hand.
    """
    has = {"--key": key, "--registry": account.entries[key]["ecr_repository"]}
    asked = {"--key": options.key, "--registry": options.registry}
    for option, value in asked.items():
        if value and value != has[option]:
            name = account.entries[key]["github_repository"]
            raise Problem(
                f"{name} already has the entry {key!r} with {option} {has[option]}, and {option}"
                f" {value} would need a second one. Add a second image by hand: in"
                " infra/terraform.tfvars.json, copy the entry under another key. Give it its own"
                " role, ECR repository and environment. Then add a second workflow (see"
                ' "Two images from one repository" in .github/keyless/docs/many-repositories.md).',
                "make check",
            )


def judge_changes(
    account: Account, there: list[str], changes: dict[str, Any], options: argparse.Namespace
) -> None:
    """Refuse changes that an existing entry cannot have.

    Args:
        account: with these entries.
        there: their keys.
        changes: values by attribute.
        options: calls, the ref of the workflow that they will call.

    Raises:
        Problem: an entry cannot be changed so.
    """
    for key in there:
        _refuse_second_entry(account, key, options)
    if options.calls and own_key(account) in there:
        text = "This repository publishes with its own deploy.yml, so --calls is for others:"
        raise Problem(text, again_command(options))
    for key in there:
        asked = {**account.entries[key], **changes}
        errors = [f"{name} {why}; {mend}" for name, why, mend in entry_errors(account, asked)]
        if errors or (options.calls and len(ref_kinds(asked["refs"])) > 1):
            raise Problem(f"{key}: {(errors or [MIXED])[0]}", again_command(options))
