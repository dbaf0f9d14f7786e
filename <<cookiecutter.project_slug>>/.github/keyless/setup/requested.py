"""What somebody has asked to add: repositories by their names, typed or in a list."""

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
MIXED = "refs are tags and branches, and one caller has one kind of version; leave one kind"
SHOWN = 20  # wrong lines that are printed


class Wanted(NamedTuple):
    """One repository that was asked for: where it was named, and its name."""

    place: str  # "FILE:LINE: ", empty where it was typed
    name: str


def again_command(options: argparse.Namespace) -> str:
    """Return the command that was typed, without its options."""
    return f"{ADD} FILE={options.file}" if options.file else f"{ADD} REPO=OWNER/NAME"


def read_wanted(options: argparse.Namespace) -> list[Wanted]:
    """Return what was named, each once.

    Args:
        options: names, and the path of a list as file.

    Raises:
        Problem: something is no name, or stands there twice, or nothing does.
    """
    wanted = [Wanted("", name.strip()) for name in options.names if name.strip()]
    if options.file:
        wanted += _read_list(options)
    if not wanted:
        raise Problem("No repository was named.", f"{ADD} REPO=OWNER/NAME", f"{ADD} FILE=LIST")
    wrong = _wrong_names(wanted)
    if wrong:
        more = [f"and {len(wrong) - SHOWN:,} more"] if len(wrong) > SHOWN else []
        last = "Nothing was written. Correct that, and type the same again:"
        raise Problem("\n".join([*wrong[:SHOWN], *more, last]), again_command(options))
    return wanted


def _read_list(options: argparse.Namespace) -> list[Wanted]:
    if not options.file.is_file():
        raise Problem(f"There is no file {options.file}.", again_command(options))
    text = read_file(Path(), str(options.file)).lstrip("\ufeff")  # as PowerShell writes it
    names = (line.partition("#")[0].strip() for line in text.splitlines())
    numbered = ((number, name) for number, name in enumerate(names, 1) if name)
    return [Wanted(f"{options.file}:{number}: ", name) for number, name in numbered]


def _wrong_names(wanted: list[Wanted]) -> list[str]:
    """Return a line for each that is no name, or was named before."""
    wrong = []
    before: dict[str, Wanted] = {}
    for one in wanted:
        if not re.fullmatch(REPOSITORY_NAME, one.name):
            wrong.append(f"{one.place}{one.name!a:.60} is not OWNER/NAME, as GitHub shows it")
        elif one.name.lower() in before:
            first = before[one.name.lower()]
            line = first.place.rstrip(": ").rpartition(":")[2]
            where = f"stands in line {line}" if line else "was named"
            also = f" as {first.name}" * (one.name != first.name)
            wrong.append(f"{one.place}{one.name} {where}{also}, too")
        else:
            before[one.name.lower()] = one
    return wrong


def judge_options(account: Account, wanted: list[Wanted], options: argparse.Namespace) -> None:
    """Judge what needs no answer of GitHub.

    Args:
        account: with the entries that are there.
        wanted: what was named.
        options: key and registry, which are for one repository.

    Raises:
        Problem: it is too much, or an option is for one repository alone.
    """
    if options.key and not re.fullmatch(ENTRY_KEY, options.key):
        raise Problem(
            f"{options.key!r} is no key, which names a file in {SERVICES_FOLDER}/ and a role:"
            " letters, digits, '-', '_' and '.'.",
            f'{ADD} REPO=OWNER/NAME ARGS="--key NAME"',
        )
    if len(wanted) > 1 and (options.key or options.registry):
        raise Problem("--key and --registry are for one repository.", f"{ADD} REPO=OWNER/NAME")
    total = len(account.entries) + len(wanted)
    if total > ROLES:
        raise Problem(
            f"That would be {total:,} entries, each with a role, and of the IAM quota 'Roles per"
            f" account' an account has 1,000, and {ROLES:,} at most. Use several accounts, each"
            " with a repository like this one.",
            "https://console.aws.amazon.com/servicequotas/home/services/iam/quotas",
        )
    if len(wanted) > AT_A_TIME:
        raise Problem(
            f"That is {len(wanted):,} at a time, and GitHub is asked twice for each and answers"
            " 5,000 questions an hour. Split the list:",
            f"split --lines={AT_A_TIME} {options.file}",
        )


def _refuse_second_entry(account: Account, key: str, options: argparse.Namespace) -> None:
    """Refuse another key or registry for a repository that has an entry.

    Raises:
        Problem: what was asked for would be a second entry, which is made by hand.
    """
    has = {"--key": key, "--registry": account.entries[key]["ecr_repository"]}
    asked = {"--key": options.key, "--registry": options.registry}
    for option, value in asked.items():
        if value and value != has[option]:
            name = account.entries[key]["github_repository"]
            raise Problem(
                f"{name} has the entry {key!r} already, with {option} {has[option]}, and {option}"
                f" {value} would be a second one. A second image of one repository is added by"
                " hand: copy the entry in infra/terraform.tfvars.json under another key, with a"
                " role, a registry and an environment of its own, and add a second workflow (see"
                ' "Two images from one repository" in .github/keyless/docs/many-repositories.md).',
                "make check",
            )


def judge_changes(
    account: Account, there: list[str], changes: dict[str, Any], options: argparse.Namespace
) -> None:
    """Judge what entries that are there would become.

    Args:
        account: with these entries.
        there: their keys.
        changes: values by attribute.
        options: calls, the ref of a workflow that they shall call.

    Raises:
        Problem: one of them could not be.
    """
    for key in there:
        _refuse_second_entry(account, key, options)
    if options.calls and own_key(account) in there:
        raise Problem("This repository's own deploy.yml publishes it.", again_command(options))
    for key in there:
        asked = {**account.entries[key], **changes}
        errors = [f"{name} {why}; {mend}" for name, why, mend in entry_errors(account, asked)]
        if errors or (options.calls and len(ref_kinds(asked["refs"])) > 1):
            raise Problem(f"{key}: {(errors or [MIXED])[0]}", again_command(options))
