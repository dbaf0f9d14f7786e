"""The commands add, remove, move and outputs: entries of many repositories in one infra/."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from keyless.console import Problem, wrapped
from keyless.model.account import Account
from keyless.model.callers import short_reference
from keyless.paths import ROOT, TOOL
from keyless.setup import session
from keyless.setup.aws_account import count_images, delete_registry_command, find_role
from keyless.setup.entry_files import remove_service_files, write_entries
from keyless.setup.moving import judge_move, move_in_states
from keyless.setup.new_entries import Answers, ask_about, distribute, new_entry
from keyless.setup.project import account_here, own_key
from keyless.setup.requested import (
    Wanted,
    again_command,
    judge_changes,
    judge_options,
    read_wanted,
)
from keyless.setup.service_files import SERVICES_FOLDER, own_name, service_files
from keyless.setup.shared_workflow import shared_files, workflow_reference
from keyless.setup.state import state_of
from keyless.setup.terraform import command_line, module_address
from keyless.setup.values import EMPTY_FILE, edit_json, with_entries, without_entry
from keyless.writing import read_text

Act = Callable[[Account, argparse.Namespace], int]
INTERRUPTED = "Type the same command again: it continues from there."


def main(act: Act, options: argparse.Namespace) -> int:
    """Run one of the commands of this module.

    Args:
        act: add, remove, move or write_outputs.
        options: those of the command, and its name as command.

    Returns:
        0 if it is done, or nothing was to be done; 1 if not; 130 after Ctrl-C.
    """
    command = f"make {options.command}"
    if act is write_outputs:  # it has no make target
        command = f"python3 {TOOL} outputs"

    def run() -> int:
        account = account_here(command)
        texts = {path: read_text(ROOT / path) for path in account.texts}  # with their line ends
        return act(account._replace(texts=texts), options)

    return session.run(command, run, INTERRUPTED)


def add(account: Account, options: argparse.Namespace) -> int:
    """Add entries, or change existing ones; all or none. Return the exit status.

    Args:
        account: with the entries that are there.
        options: names, file, ref, environment, key, registry and calls.

    Raises:
        Problem: no repository was given, or too many, or an option does not fit.
    """
    wanted = read_wanted(options)
    judge_options(account, wanted, options)
    has = {entry["github_repository"].lower(): key for key, entry in account.entries.items()}
    there = [has[one.name.lower()] for one in wanted if one.name.lower() in has]
    new = [one for one in wanted if one.name.lower() not in has]
    called = workflow_reference(account, options.calls)
    answers = ask_about(new)
    entries = _new_entries(account, answers, options, called)
    given = {"refs": options.ref, "environment": options.environment, "job_workflow_ref": called}
    changes = {name: value for name, value in given.items() if value}
    judge_changes(account, there, changes, options)
    if answers.problems:
        _print_problems(answers.problems, new, len(wanted), options)
        return 1
    texts = distribute(account, entries)
    changed = _change(account, there, changes, texts)
    texts |= shared_files(account, called) if called else {}
    write_entries(account, texts, [*entries, *there])
    for key, entry in entries.items():
        print(f"{key:<24} trusts {entry['subject_prefix']} for {' '.join(entry['refs'])}")
    _print_existing("Already there", [key for key in there if key not in changed])
    _print_existing("Changed", [key for key in there if key in changed])
    if texts:
        _print_next(account, {**account.entries, **entries}, [*entries, *changed], texts, called)
    else:
        print("Nothing to do: everything is in place.")
    return 0


def _new_entries(
    account: Account, answers: Answers, options: argparse.Namespace, called: str | None
) -> dict[str, dict[str, Any]]:
    """Return the entries by their keys; add to the answers why one cannot be added."""
    entries: dict[str, dict[str, Any]] = {}
    for one, publisher in answers.found.items():
        key, entry, problem = new_entry(account, entries, one, publisher, options)
        if problem:
            answers.problems[one] = problem
        else:
            entries[key] = {**entry, **({"job_workflow_ref": called} if called else {})}
    return entries


def _print_problems(
    problems: dict[Wanted, str], order: list[Wanted], count: int, options: argparse.Namespace
) -> None:
    for one in sorted(problems, key=order.index):
        print(f"{one.place}{problems[one]}")
    print(f"Nothing was changed: {len(problems)} of {count} cannot be added.")
    print(f"Correct this, and type the same command again:\n  {again_command(options)}")


def _change(
    account: Account, there: list[str], changes: dict[str, Any], texts: dict[str, str]
) -> list[str]:
    """Write the changes of existing entries into texts; return the keys of those that change."""
    changed = []
    for key in there:
        place = account.places[key]
        for name, value in changes.items():
            if account.entries[key].get(name) != value:
                changed.append(key)
                path = ["repositories", key, name]
                texts[place] = edit_json(texts.get(place, account.texts[place]), path, value)
    return changed


def _print_existing(what: str, keys: list[str]) -> None:
    """Print the keys of existing entries after a word for them."""
    if keys:
        print(wrapped(f"{what}: {', '.join(keys[:10])}{' ...' * (len(keys) > 10)}"))


def _print_next(
    account: Account,
    entries: dict[str, Any],
    keys: list[str],
    texts: dict[str, str],
    called: str | None,
) -> None:
    """Print what to do next with entries that were added or changed."""
    files = ", ".join(texts)
    print(
        wrapped(f"\nWritten: {files} and {SERVICES_FOLDER}/. Let somebody review it, then apply:")
    )
    if (ROOT / ".git").exists():
        print('  git add --all && git commit --message "More repositories" && git push')
    print("  make bootstrap")
    key = keys[0]
    if called:
        short = short_reference(called).partition("@")[2]
        print(f"  git tag {short} && git push origin {short}" * ("@refs/tags/" in called))
        whole = f"{SERVICES_FOLDER}/{key}.yml is the whole deploy.yml of that repository"
        text = "(make caller fetches it there). If this repository is private, allow others to use"
        print(wrapped(f"{whole} {text} its workflow: Settings, Actions, General, Access."))
    fits = "has the values that its workflow must use. In that repository:"
    print(wrapped(f"{SERVICES_FOLDER}/{key}.json {fits}"))
    name = entries[key]["github_repository"].split("/")[1].lower()
    print(f"  make fetch FROM={own_name(account)}" + f" KEY={key}" * (key != name))


def write_outputs(account: Account, _options: argparse.Namespace) -> int:
    """Write services/ again for all entries; return the exit status.

    Raises:
        CannotJudge: infra/ was rewritten, so their content is not known.
    """
    service_files(account, own_name(account))  # raises if they are not known
    write_entries(account, {}, list(account.entries))
    print(f"Written: {SERVICES_FOLDER}/")
    return 0


def remove(account: Account, options: argparse.Namespace) -> int:
    """Remove an entry, and print what happens to its role and images; return the exit status.

    Args:
        account: with the entry.
        options: names, with the name of its repository or its key.

    Raises:
        Problem: there is no such entry, or it is this repository's own.
    """
    key = _key_to_remove(account, options.names[0])
    entry, place = account.entries[key], account.places[key]
    images = count_images(account, entry["ecr_repository"])
    write_entries(account, {place: without_entry(account.texts[place], key)}, [])
    remove_service_files(key)
    held = f"holds {images} image{'s' * (images != 1)}, which can still be pulled"
    held = "does not exist" if images is None else held
    assumed = f"can still be assumed by {entry['github_repository']}"
    assumed = assumed if find_role(account, entry["role_name"]) else "does not exist"
    lines = [
        f"Removed the entry {key!r} from {place}. Nothing has changed in AWS yet:",
        f" -  The role {entry['role_name']} {assumed}.",
        f" -  The ECR repository {entry['ecr_repository']} {held}.",
    ]
    print(*(wrapped(each, "    ") for each in lines), sep="\n")
    if images:
        print("To destroy both, delete the images first:")
        print(f"  {delete_registry_command(account, entry['ecr_repository'])}")
    else:
        print("To destroy both:")
    print('  make bootstrap ARGS="--allow-destroy"')
    print("To keep both, without Terraform:")
    module = module_address(key).replace('"', '\\"')
    print(f'  {command_line(state_of(account, place))} state rm "{module}"')
    print("To undo the removal:")
    print(f"  git checkout --patch -- {place} && python3 {TOOL} outputs")
    return 0


def _key_to_remove(account: Account, name: str) -> str:
    """Return the key of the one entry that a name means: the name of its repository, or its key.

    Raises:
        Problem: there is none, or there are several, or it is this repository's own.
    """
    keys = [
        key
        for key, entry in account.entries.items()
        if name.lower() in (key.lower(), entry["github_repository"].lower())
    ]
    if not keys:
        what = f"There is no entry for {name}." if name else "No repository was given."
        raise Problem(what, "make remove REPO=OWNER/NAME")
    keys = [key for key in keys if key.lower() == name.lower()] or keys
    if len(keys) > 1:
        which = [f"make remove REPO={key}" for key in keys]
        raise Problem(f"{name} has several entries. Name one by its key:", *which)
    if keys[0] == own_key(account):
        text = f"{keys[0]} is this repository's own entry. To destroy everything:"
        raise Problem(text, "make destroy")
    return keys[0]


def move(account: Account, options: argparse.Namespace) -> int:
    """Move an entry and what its state knows to another file. Nothing changes in AWS.

    Args:
        account: with the entry.
        options: its key, and the path of the file.

    Raises:
        Problem: there is no such entry, the file cannot hold entries, or Terraform fails.
    """
    key, target = options.key, options.file
    judge_move(account, key, target)
    source = account.places[key]
    entry = json.loads(account.texts[source])["repositories"][key]
    there = account.texts.get(target, EMPTY_FILE)
    known = move_in_states(account, key, target)
    texts = {
        source: without_entry(account.texts[source], key),
        target: with_entries(there, {key: entry}),
    }
    write_entries(account, texts, [])
    what = "Its state has moved with it" if known else "No state knows it yet"
    print(f"Moved {key} from {source} to {target}. {what}.")
    print("Nothing changes in AWS. To verify that:\n  make bootstrap ARGS=--plan")
    return 0
