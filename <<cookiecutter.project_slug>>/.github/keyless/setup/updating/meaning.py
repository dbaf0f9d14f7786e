"""What an update changes, in words: who can publish, what the role can do, what a release does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from keyless.explain import describe_trusted
from keyless.model.account import Account, read_account
from keyless.model.findings import CannotJudge
from keyless.model.generated import changed_infra
from keyless.model.service import read_service
from keyless.setup.updating.infra_facts import (
    Facts,
    facts_of_account,
    facts_of_entry,
    facts_of_grants,
    facts_of_service,
)
from keyless.setup.updating.release_facts import Release, Step, read_releases

NOTHING = "Nothing changes in who can publish, in what the role can do, and in what a release does."

FIRST = ("who can publish", "what the role can do")


class _Side(NamedTuple):
    """What could be read of a project; None is what could not."""

    root: Path
    account: Account
    of_all: Facts
    of_entries: dict[str, Facts]
    service: Facts | None
    grants: dict[str, Facts] | None
    releases: dict[str, Release] | None
    unread: list[str]  # what could not be read, and why


def differences(before: Path, after: Path, planned: bool = False) -> list[str]:
    """Return what changes, a sentence each; one sentence says so if nothing does.

    Args:
        before: the root of the project as it is, also of one with an older layout.
        after: the root of the project as an update makes it.
        planned: whether a plan is shown beside this, which says what other Terraform files mean.
    """
    try:
        then = _read(before, "as it is")
        now = _read(after, "as it would be")
    except CannotJudge as reason:
        return [f"What changes is unknown, because a file cannot be read: {reason}."]
    found = [*then.unread, *now.unread]
    found += _compare_facts(then.of_all, now.of_all)
    if then.service is not None and now.service is not None:
        found += _compare_facts(*_of_both(then.service, now.service))
    found += _compare_entries(then, now)
    found += [] if planned else _terraform_files(then, now)
    return found or [NOTHING]


def with_what_stays(found: list[str]) -> list[str]:
    """Return differences, and that nothing changes in what a reader looks for first."""
    silent = [topic for topic in FIRST if not any(topic in line.lower() for line in found)]
    if not silent or any("cannot be read" in line for line in found):
        return found
    return [f"Nothing changes in {' and in '.join(silent)}.", *found]


def _read(root: Path, when: str) -> _Side:
    """Read a project.

    Raises:
        CannotJudge: what it says of its account cannot be read.
    """
    account = read_account(root)
    unread: list[tuple[str, str]] = []  # what, and why
    of_entries = {key: facts_of_entry(account, key) for key in account.entries}
    served, grants, releases = None, None, None
    try:
        service = read_service(root, account)
        grants = facts_of_grants(root, account, service)
        served = facts_of_service(service)
    except CannotJudge as reason:
        unread.append(("What the role can do, and what runs the image,", str(reason)))
    try:
        releases = read_releases(root, account)
    except CannotJudge as reason:
        unread.append(("What a release does", str(reason)))
    except ModuleNotFoundError as missing:
        why = f"the Python module {missing.name} is not installed"
        unread.append(("What a release does", why))
    lines = [f"{what} cannot be read from the project {when}: {why}." for what, why in unread]
    of_all = facts_of_account(root, account)
    return _Side(root, account, of_all, of_entries, served, grants, releases, lines)


def _compare_facts(then: Facts, now: Facts, lead: str = "") -> Iterator[str]:
    """Yield what differs; of what one side does not say, only what the other one says."""
    for topic in dict.fromkeys([*then, *now]):
        was, becomes = then.get(topic), now.get(topic)
        if was == becomes or _shown(was) == _shown(becomes):
            continue
        if isinstance(was, list) and isinstance(becomes, list):
            yield f"{lead}{topic} {_in_and_out(was, becomes)}."
        elif becomes is None:
            yield f"{lead}{topic} no longer set (it was {_shown(was)})."
        else:
            yield f"{lead}{topic} {_shown(becomes)}, instead of {_shown(was)}."


def _of_both(then: Facts, now: Facts) -> tuple[Facts, Facts]:
    """Return two services; where one side has none, without the settings of the other one."""
    common = {*then} & {*now}
    if min(len(then), len(now)) > 1:
        return then, now
    return {key: then[key] for key in common}, {key: now[key] for key in common}


def _shown(value: str | list[str] | None) -> str:
    return ", ".join(value) or "nothing" if isinstance(value, list) else value or "nothing"


def _in_and_out(was: list[str], becomes: list[str]) -> str:
    comes = ", ".join(each for each in becomes if each not in was)
    goes = ", ".join(each for each in was if each not in becomes)
    return "; ".join([f"now also {comes}"] * bool(comes) + [f"no longer {goes}"] * bool(goes))


def _compare_entries(then: _Side, now: _Side) -> Iterator[str]:
    former = _former_keys(then.account, now.account)
    several = max(len(then.of_entries), len(now.of_entries)) > 1
    for key in [each for each in then.of_entries if each not in former.values()]:
        yield f"{key}: The entry is removed. Nobody can publish to its ECR repository any more."
    for key, entry in now.account.entries.items():
        was = former.get(key)
        if was is None:
            yield f"{key}: The entry is new. {describe_trusted(now.account, entry)}"
            continue
        lead = f"{key}: " if several else ""
        if was != key:
            yield f"{lead}The entry {was} is now called {key}."
        yield from _compare_facts(then.of_entries[was], now.of_entries[key], lead)
        if then.grants is not None and now.grants is not None:
            yield from _compare_facts(then.grants[was], now.grants[key], lead)
        if then.releases is not None and now.releases is not None:
            yield from _compare_releases(then.releases.get(was), now.releases.get(key), lead)


def _former_keys(then: Account, now: Account) -> dict[str, str]:
    """Return the former key of each entry that was there.

    That is its own key, else the one with the same role or the same registry.
    """
    found = {key: key for key in now.entries if key in then.entries}
    for attribute in ("role_name", "ecr_repository"):
        left = {entry[attribute]: key for key, entry in then.entries.items()}
        left = {name: key for name, key in left.items() if key not in found.values()}
        for key, entry in now.entries.items():
            if key not in found and entry[attribute] in left:
                found[key] = left[entry[attribute]]
    return found


def _compare_releases(then: Release | None, now: Release | None, lead: str) -> Iterator[str]:
    if not then or not now:
        words = "A job now publishes images" if now else "No job publishes images any more"
        yield from [f"{lead}{words}."] * bool(then or now)
        return
    yield from _compare_facts(then.facts, now.facts, lead)
    for each in dict.fromkeys(_compare_jobs(then.steps, now.steps)):
        yield f"{lead}A release {each}."


def _compare_jobs(then: list[Step], now: list[Step]) -> Iterator[str]:
    """Yield jobs that come or go, and what differs in those that stay; a release is the subject."""
    was, becomes = (dict.fromkeys(step.job for step in steps) for steps in (then, now))
    yield from (f"now also runs the job '{job}'" for job in becomes if job not in was)
    yield from (f"no longer runs the job '{job}'" for job in was if job not in becomes)
    for job in [each for each in becomes if each in was]:
        yield from _compare_steps(*([s for s in steps if s.job == job] for steps in (then, now)))


def _compare_steps(then: list[Step], now: list[Step]) -> Iterator[str]:
    """Yield steps that come or go, and those that stay and are done in another way."""
    was, becomes = (Counter(step.does for step in steps) for steps in (then, now))
    gone = [step.name for step in then if step.does not in becomes]
    new = [step.name for step in now if step.does not in was]
    yield from (f"now also runs the {name}" for name in new if name not in gone)
    yield from (f"no longer runs the {name}" for name in gone if name not in new)
    yield from (f"does something else in the {name}" for name in gone if name in new)
    for does in [each for each in becomes if each in was]:
        old, same = ([each for each in steps if each.does == does] for steps in (then, now))
        if len(old) != len(same):
            yield f"runs the {same[0].name} {len(same)} times, instead of {len(old)} times"
        for one, other in zip(old, same):
            if one.version != other.version:
                yield f"uses another version of {does}"
            changed = _changed_keys(one.settings, other.settings)
            if changed:
                yield f"runs the {other.name} with another {' and another '.join(changed)}"


def _changed_keys(then: dict[str, str], now: dict[str, str]) -> list[str]:
    return sorted(key for key in {*then, *now} if then.get(key) != now.get(key))


def _terraform_files(then: _Side, now: _Side) -> Iterator[str]:
    """Yield which Terraform files change, where it is unknown what they create."""
    was, becomes = _terraform_code(then.root), _terraform_code(now.root)
    changed = sorted(path for path in {*was, *becomes} if was.get(path) != becomes.get(path))
    if changed and not (_is_generated(then) and _is_generated(now)):
        files = " and ".join(changed)
        yield f"The Terraform code changes in {files}. To see what that means, type: make plan"


def _is_generated(side: _Side) -> bool:
    try:
        return not changed_infra(side.root, side.account)
    except CannotJudge:
        return False


def _terraform_code(root: Path) -> dict[str, str]:
    """Return what Terraform reads as code in infra/, without comments and empty lines."""
    found = {}
    for path in (root / "infra").rglob("*.t*"):
        inside = path.relative_to(root)
        if path.is_file() and re.search(r"\.(tf|tofu)(\.json)?$", path.name):
            text = path.read_text(encoding="utf-8", errors="replace")
            text = re.sub(r"(?m)^\s*((#|//).*)?\n", "", text + "\n")
            if ".terraform" not in inside.parts:
                found[inside.as_posix()] = text
    return found
