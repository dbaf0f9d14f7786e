"""GitHub: each entry's repository, its name and its subject; this one may have to be created."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

from keyless.console import Problem
from keyless.gh import Denied, call_github, find_on_github
from keyless.paths import SHARED_WORKFLOW, TFVARS
from keyless.programs import run
from keyless.setup.allowed_actions import actions_problem, workflow_problems
from keyless.setup.github import (
    Repository,
    find_repository,
    look_up,
    subject_prefix,
)
from keyless.setup.parallel import in_parallel
from keyless.setup.remedies import login_to_github
from keyless.setup.retry import AGAIN, require
from keyless.setup.steps.files import write
from keyless.setup.steps.situation import Situation


def look_at_repositories(situation: Situation) -> None:
    """Compare each entry with its repository on GitHub, and add what this one lacks.

    Raises:
        Problem: a repository cannot be published from.
    """
    entries = situation.account.entries
    given = {key: _given_name(situation, key) for key in entries}
    names = [given[key] or entry["github_repository"] for key, entry in entries.items()]
    for (key, entry), facts in zip(entries.items(), in_parallel(look_up, names)):
        if facts.repository:
            compare(situation, key, facts.repository, facts.prefix, given[key])
        elif key != situation.key:
            name = entry["github_repository"]
            raise Problem(
                f"GitHub shows no repository {name}, which the entry {key!r} names. Create it"
                " from its own folder, or remove the entry.",
                f"gh repo view {name}",
            )
        if key == situation.key:
            situation.repository = facts.repository
    if situation.repository:
        _refuse_unusable(situation, situation.repository)
    else:
        _plan_creation(situation)


def _given_name(situation: Situation, key: str) -> str | None:
    """Return the name that was typed, for the one entry that it is for.

    That is the entry which has this name already, else this repository's own.
    """
    name = situation.options.repository
    if not name:
        return None
    has = [each for each, one in situation.account.entries.items() if _has_name(one, name)]
    return str(name) if key == [*has, situation.key][0] else None


def _has_name(entry: dict[str, Any], name: str) -> bool:
    """Tell whether an entry has a name of a repository; GitHub ignores its case."""
    return str(entry["github_repository"]).lower() == name.lower()


def _refuse_unusable(situation: Situation, repository: Repository) -> None:
    name = situation.name
    if repository.archived:
        message = f"{name} is archived, so nothing can be published from it."
        raise Problem(message, f"gh repo unarchive {name}", AGAIN)
    if not repository.writable:
        message = f"{name} exists, and you may not push to it, so nothing can be published from it."
        message += " Ask one of its admins for that, or log in as somebody who may:"
        raise Problem(message, *login_to_github(), AGAIN)
    try:
        found = actions_problem(name)
    except Denied as denied:  # only admins may ask
        situation.notes.append(f"Whether GitHub Actions run in {name} is unknown: {denied}")
        return
    if isinstance(found, Problem):
        raise found
    for problem in workflow_problems(name):
        raise problem


def _plan_creation(situation: Situation) -> None:
    options, name = situation.options, situation.name
    noted = situation.account.entries[situation.key].get("subject_prefix")
    if noted and not options.repository:
        raise Problem(
            f"GitHub shows no repository {name}, which the role trusts as {noted}. It was"
            " deleted, or gh is logged in as somebody who may not see it. Only if it is to be"
            " created anew, name it:",
            "gh auth status",
            f'{AGAIN} ARGS="--repository {name}"',
        )
    situation.set_value(situation.key, "github_repository", options.repository or name)
    _refuse_owner(situation.name, "public" if options.public else "private")
    kind = "public" if options.public else "private"
    text = f"create the GitHub repository {situation.name}, {kind} and empty"
    situation.add(text, lambda: _create(situation))
    text = f"ask GitHub for its OIDC subject, and note that in {TFVARS}"
    situation.add(text, lambda: _note_subject(situation))


def _refuse_owner(name: str, kind: str) -> None:
    """Refuse to create a repository that GitHub would refuse to create; `kind` is its visibility.

    Where a token may not ask, GitHub itself decides when the repository is created.
    [REST API, "Get an organization": members_can_create_private_repositories]

    Raises:
        Problem: there is no such owner, or somebody else has to create it.
    """
    owner, short = name.split("/")
    other = f'{AGAIN} ARGS="--repository OWNER/{short}"'
    with contextlib.suppress(Denied):
        found, me = find_on_github(f"users/{owner}"), call_github("user")["login"]
        if found is None:
            message = f"GitHub knows no {owner}, so {name} cannot be created. Name the right owner:"
            raise Problem(message, other)
        if found["type"] == "Organization":
            _refuse_member(owner, name, kind)
        elif found["login"].lower() != me.lower():
            message = (
                f"{owner} is another person than {me}, as whom you are logged in to GitHub, so"
            )
            raise Problem(f"{message} you cannot create {name}.", *login_to_github(), other)


def _refuse_member(owner: str, name: str, kind: str) -> None:
    """Refuse somebody who may not create repositories in an organisation."""
    membership = find_on_github(f"user/memberships/orgs/{owner}") or {}
    allowed = find_on_github(f"orgs/{owner}") or {}
    member = bool(membership) and allowed.get(f"members_can_create_{kind}_repositories", True)
    if membership.get("role") != "admin" and not member:
        message = f"You cannot create {kind} repositories in {owner}, so nothing was begun. Ask an"
        message += f" owner to create {name}, empty, and to let you write to it. To look for it:"
        raise Problem(message, f"gh repo view {name}", AGAIN)


def compare(
    situation: Situation, key: str, repository: Repository, prefix: str, given: str | None
) -> None:
    """Note what GitHub says of a repository where the entry says something else.

    Args:
        situation: with the texts that the values are put into.
        key: of the entry.
        repository: what GitHub shows under the entry's name.
        prefix: of the subjects of its jobs.
        given: the name that somebody has typed for this entry, if they did.

    Raises:
        Problem: it is another repository than the one that the role trusts.
    """
    _refuse_stranger(situation, key, repository, prefix, given)
    situation.set_value(key, "github_repository", repository.full_name)
    situation.set_value(key, "subject_prefix", prefix)
    old = situation.account.entries[key]["github_repository"]
    if key != situation.key:
        return
    if repository.full_name != old:
        _refuse_with_callers(situation, old, repository.full_name)
    if repository.full_name.lower() != old.lower():
        text = f"README.md and .cookiecutter.json may still name {old}: edit them."
        situation.notes.append(text)


def _refuse_stranger(
    situation: Situation, key: str, repository: Repository, prefix: str, given: str | None
) -> None:
    noted, name = situation.account.entries[key].get("subject_prefix"), repository.full_name
    ids = re.findall("@([0-9]+)", noted or "")
    same = ids == [str(repository.owner_id), str(repository.id)]  # its owner is who it was, too
    changed = noted not in (None, prefix) and not same
    if changed and key != situation.key and not repository.writable:
        raise Problem(
            f"The role of {key!r} trusts {noted}, and GitHub says {prefix} now. You may not"
            f" push to {name}, so it may be a stranger's. If it is right, write it"
            f" into {TFVARS}.",
            f"gh repo view {name}",
        )
    if len(ids) == 2 and int(ids[1]) != repository.id and not given:
        raise Problem(
            f"The role of {key!r} trusts {noted}, and {name} has the id {repository.id}."
            " It was deleted and created again, or somebody else took its name. Only if it is"
            " yours, name it:",
            f"gh repo view {name}",
            f'{AGAIN} ARGS="--repository {name}"',
        )


def _refuse_with_callers(situation: Situation, old: str, new: str) -> None:
    """Refuse a new name while the roles of others trust a workflow under the old one."""
    callers = [
        key
        for key, entry in situation.account.entries.items()
        if (entry.get("job_workflow_ref") or "").startswith(f"{old}/")
    ]
    if not callers:
        return
    files = f"{SHARED_WORKFLOW} infra/*.tfvars.json"
    both = f"-e 's#{old}/[.]github/#{new}/.github/#' -e 's#\"{old}\"#\"{new}\"#'"
    raise Problem(
        f"GitHub calls this repository {new} now, and publish-image.yml is"
        f" called as one of {old}, which the roles of {', '.join(callers)} trust. Write"
        " the new name, let this apply it, and the callers take their file: make caller",
        f"sed -i.bak {both} {files} && rm -f infra/*.bak .github/workflows/*.bak",
        AGAIN,
    )


def _create(situation: Situation) -> None:
    """Create the repository on GitHub, without a first commit."""
    kind = "--public" if situation.options.public else "--private"
    done = run("gh", "repo", "create", situation.name, kind)
    require(done, f"GitHub did not create {situation.name}", "gh auth status")
    situation.created = True


def _note_subject(situation: Situation) -> None:
    """Ask GitHub for the subject of the repository that was just created, and write it.

    Raises:
        Problem: GitHub does not show the repository yet.
    """
    for seconds in (1, 2, 4, 0):
        situation.repository = find_repository(situation.name)
        if situation.repository:
            break
        time.sleep(seconds)
    found = situation.repository
    if found is None:
        text = f"GitHub does not show {situation.name} yet, which it has created."
        raise Problem(text, AGAIN)
    compare(situation, situation.key, found, subject_prefix(found), situation.name)
    write(situation)
    print(f"    {situation.entry['subject_prefix']}")
