"""New entries: what GitHub reports about their repositories, their values, and their files."""

from __future__ import annotations

import argparse
import re
from typing import Any, NamedTuple

from keyless.console import Problem
from keyless.gh import Denied
from keyless.model.account import Account
from keyless.model.entry_errors import entry_errors
from keyless.model.refs import ref_kinds
from keyless.setup.github import Facts, Repository, look_up
from keyless.setup.parallel import in_parallel
from keyless.setup.project import own_key
from keyless.setup.requested import MIXED, Wanted
from keyless.setup.tools import login_problems
from keyless.setup.values import EMPTY_FILE, with_entries

# The most entries of a file. A plan takes about 2.3 s + 16 ms for each + 22 us for each pair, so
# two files of 300 are faster than one of 600 (measured, Terraform 1.11).
SIZE = 300


class Publisher(NamedTuple):
    """A repository that can be trusted: as GitHub shows it, and its subjects' prefix."""

    repository: Repository
    prefix: str


class Answers(NamedTuple):
    """What GitHub reports about repositories: which can be trusted, and why others cannot."""

    found: dict[Wanted, Publisher]
    problems: dict[Wanted, str]


class NewEntry(NamedTuple):
    """An entry with its key, and why it cannot be added; an empty text if it can."""

    key: str
    entry: dict[str, Any]
    problem: str


def ask_about(wanted: list[Wanted]) -> Answers:
    """Ask GitHub about repositories, if there are any.

    Raises:
        Problem: gh is not logged in.
    """
    if wanted:
        for problem in login_problems():
            raise problem
    answers = Answers({}, {})
    ids: dict[int, Wanted] = {}
    for one, answer in zip(wanted, in_parallel(_ask, wanted)):
        if isinstance(answer, str):
            answers.problems[one] = answer
        elif answer.repository is None:
            why = f"GitHub has no repository {one.name}, or you do not have access to it"
            answers.problems[one] = f"{why}: gh repo view {one.name}"
        elif answer.repository.id in ids:
            same, name = ids[answer.repository.id].name, answer.repository.full_name
            answers.problems[one] = f"{one.name} and {same} are both names of {name}; list it once"
        elif answer.repository.archived:
            answers.problems[one] = f"{one.name} is archived, so it cannot publish"
        else:
            ids[answer.repository.id] = one
            answers.found[one] = Publisher(answer.repository, answer.prefix)
    return answers


def _ask(one: Wanted) -> Facts | str:
    """Return what GitHub reports about a repository, or why it cannot be trusted."""
    try:
        return look_up(one.name)
    except Problem as problem:
        return " ".join([str(problem), *problem.commands])
    except Denied as denied:
        return f"{one.name}: GitHub refuses the request: {denied}"


def new_entry(
    account: Account,
    entries: dict[str, Any],
    one: Wanted,
    publisher: Publisher,
    options: argparse.Namespace,
) -> NewEntry:
    """Return the entry of a repository.

    Args:
        account: with the entries that are there.
        entries: the other new ones, by their keys.
        one: the repository as it was typed or listed.
        publisher: what GitHub reports about it.
        options: key, registry, ref, environment and calls, as they were typed.
    """
    repository = publisher.repository
    key = options.key or repository.full_name.split("/")[1].lower()
    own = account.entries[own_key(account)]
    entry = {
        "github_repository": repository.full_name,
        "subject_prefix": publisher.prefix,
        "refs": options.ref or own["refs"],
        "environment": options.environment or None,
        "ecr_repository": options.registry or key,
        "role_name": f"{key[:59]}-push",
    }
    problem = (
        _stranger(account, repository)
        or _taken({**account.entries, **entries}, key, entry, one, repository)
        or _refused(account, entry, one)
    )
    if not problem and options.calls and len(ref_kinds(entry["refs"])) > 1:
        problem = f"{one.name}: {MIXED}"
    return NewEntry(key, entry, problem)


def _stranger(account: Account, repository: Repository) -> str:
    """Return why a repository may belong to a stranger; empty if it does not."""
    name = repository.full_name
    owners = {each["github_repository"].lower().split("/")[0] for each in account.entries.values()}
    if repository.writable or name.lower().split("/")[0] in owners:
        return ""
    why = "has another owner than all entries here, and you do not have permission to push to it"
    return f"{name} {why}: gh repo view {name}"


def _taken(
    entries: dict[str, Any], key: str, entry: dict[str, Any], one: Wanted, repository: Repository
) -> str:
    """Return which value of a new entry is already taken; empty if none is."""
    long = repository.full_name.lower().replace("/", "-")
    for other, there in entries.items():
        name = there["github_repository"]
        ids = re.findall("@([0-9]+)", there.get("subject_prefix") or "")
        if len(ids) == 2 and int(ids[1]) == repository.id:
            return f"{one.name} already has the entry {other!r}, as {name}: make bootstrap"
        if key == other:
            again = f'make add REPO={one.name} ARGS="--key {long}"'
            return f"{one.name} would get the key {key!r}, which {name} has: {again}"
        for attribute in ("role_name", "ecr_repository"):
            if entry[attribute].lower() == there[attribute].lower():
                what = f"{attribute} {entry[attribute]} is already that of {other!r}"
                return f'{one.name}: its {what}: make add REPO={one.name} ARGS="--key KEY"'
    return ""


def _refused(account: Account, entry: dict[str, Any], one: Wanted) -> str:
    """Return why Terraform would refuse an entry; empty if it accepts it."""
    for attribute, why, mend in entry_errors(account, entry):
        return f"{one.name}: {attribute} {why}; {mend}"
    return ""


def distribute(account: Account, entries: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the texts of the files that get new entries, by path.

    Each file gets entries up to SIZE, then the next one; new files come last.
    """
    texts: dict[str, str] = {}
    room = {path: SIZE - [*account.places.values()].count(path) for path in account.texts}
    for number in range(2, len(entries) // SIZE + len(room) + 3):
        room.setdefault(f"infra/repositories-{number}.tfvars.json", SIZE)
    left = dict(sorted(entries.items()))
    for path, count in room.items():
        taken = dict(list(left.items())[: max(count, 0)])
        left = {key: entry for key, entry in left.items() if key not in taken}
        if taken:
            texts[path] = with_entries(account.texts.get(path, EMPTY_FILE), taken)
    return texts
