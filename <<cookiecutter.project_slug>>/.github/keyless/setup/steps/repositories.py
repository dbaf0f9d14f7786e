"""GitHub: each entry's repository, its name and subject. This repository may be created."""

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
    """Compare each entry with its repository on GitHub, and add the steps for this one.

    Raises:
        Problem: nothing can be published from a repository.
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
                f"The entry {key!r} names the repository {name}, which GitHub does not show. Create"
                " it from its own folder, or remove the entry. To see whether it exists:",
                f"gh repo view {name}",
            )
        if key == situation.key:
            situation.repository = facts.repository
    if situation.repository:
        _refuse_unusable(situation, situation.repository)
    else:
        _plan_creation(situation)


def _given_name(situation: Situation, key: str) -> str | None:
    """Return the name that was given as an option, if it is meant for this entry.

    It is meant for the entry that already has this name, otherwise for this repository's own.
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
        message = f"{name} exists, but you do not have permission to push to it, so you cannot"
        message += " publish from it. Ask one of its admins, or log in as somebody who has it:"
        raise Problem(message, *login_to_github(), AGAIN)
    try:
        found = actions_problem(name)
    except Denied as denied:  # only admins can see this
        text = f"It is unknown whether GitHub Actions is switched on in {name}: {denied}"
        situation.notes.append(text)
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
            f"The role trusts {noted}, but GitHub shows no repository {name}. It was deleted, or"
            " your login cannot see it. If you want to create it again, give its name:",
            "gh auth status",
            f'{AGAIN} ARGS="--repository {name}"',
        )
    situation.set_value(situation.key, "github_repository", options.repository or name)
    _refuse_owner(situation.name, "public" if options.public else "private")
    kind = "public" if options.public else "private"
    text = f"create the GitHub repository {situation.name}, {kind} and empty"
    situation.add(text, lambda: _create(situation))
    text = f"ask GitHub for its OIDC subject, and write it into {TFVARS}"
    situation.add(text, lambda: _note_subject(situation))


def _refuse_owner(name: str, kind: str) -> None:
    """Refuse to create a repository that GitHub would refuse to create; `kind` is its visibility.

    If the token cannot read this, GitHub decides when the repository is created.
    [REST API, "Get an organization": members_can_create_private_repositories]

    Raises:
        Problem: there is no such owner, or somebody else has to create it.
    """
    owner, short = name.split("/")
    other = f'{AGAIN} ARGS="--repository OWNER/{short}"'
    with contextlib.suppress(Denied):
        found, me = find_on_github(f"users/{owner}"), call_github("user")["login"]
        if found is None:
            message = f"GitHub has no user or organisation {owner}, so {name} cannot be created."
            raise Problem(f"{message} Give the right owner:", other)
        if found["type"] == "Organization":
            _refuse_member(owner, name, kind)
        elif found["login"].lower() != me.lower():
            message = f"You are logged in to GitHub as {me}, so you cannot create {name}. Log in as"
            message += f" {owner}, or give another owner:"
            raise Problem(message, *login_to_github(), other)


def _refuse_member(owner: str, name: str, kind: str) -> None:
    """Refuse somebody who cannot create repositories in an organisation."""
    membership = find_on_github(f"user/memberships/orgs/{owner}") or {}
    allowed = find_on_github(f"orgs/{owner}") or {}
    member = bool(membership) and allowed.get(f"members_can_create_{kind}_repositories", True)
    if membership.get("role") != "admin" and not member:
        message = f"You do not have permission to create {kind} repositories in {owner}, so nothing"
        message += f" was started. Ask an owner to create {name}, without any commit, and to give"
        message += " you write access. To see whether it exists:"
        raise Problem(message, f"gh repo view {name}", AGAIN)


def compare(
    situation: Situation, key: str, repository: Repository, prefix: str, given: str | None
) -> None:
    """Put name and subject into the entry, as GitHub reports them.

    Args:
        situation: with the texts of the values.
        key: of the entry.
        repository: what GitHub shows under the entry's name.
        prefix: of the subjects of its jobs.
        given: the name that was given as an option for this entry, if any.

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
        text = f"README.md and .cookiecutter.json may still contain {old}. Edit them."
        situation.notes.append(text)


def _refuse_stranger(
    situation: Situation, key: str, repository: Repository, prefix: str, given: str | None
) -> None:
    noted, name = situation.account.entries[key].get("subject_prefix"), repository.full_name
    ids = re.findall("@([0-9]+)", noted or "")
    same = ids == [str(repository.owner_id), str(repository.id)]  # its owner is the same, too
    changed = noted not in (None, prefix) and not same
    if changed and key != situation.key and not repository.writable:
        raise Problem(
            f"The role of {key!r} trusts {noted}, but GitHub now reports {prefix}. You cannot push"
            f" to {name}, so it may belong to a stranger. If it is the right repository, write the"
            f" new value into {TFVARS}. To see it:",
            f"gh repo view {name}",
        )
    if len(ids) == 2 and int(ids[1]) != repository.id and not given:
        raise Problem(
            f"The role of {key!r} trusts {noted}, but {name} has the id {repository.id}."
            " It was deleted and created again, or somebody else took its name. Only if it is"
            " yours, give its name:",
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
        f"GitHub now calls this repository {new}, but the roles of {', '.join(callers)} still trust"
        f" publish-image.yml of {old}. Write the new name, and apply it with the second command."
        " Then each caller gets its new file: make caller",
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
        text = f"GitHub has created {situation.name}, but does not show it yet. Try again:"
        raise Problem(text, AGAIN)
    compare(situation, situation.key, found, subject_prefix(found), situation.name)
    write(situation)
    print(f"    {situation.entry['subject_prefix']}")
