"""Doctor's concerns on GitHub: repository, subject, Actions, what is protected, what is stored."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

from keyless.console import Problem
from keyless.explain import guard_of
from keyless.gh import Denied, find_on_github, page_of
from keyless.paths import TFVARS
from keyless.programs import run
from keyless.setup.allowed_actions import actions_problem, workflow_problems
from keyless.setup.branch import missing_branch
from keyless.setup.git import head_commit
from keyless.setup.github import find_repository, find_runs
from keyless.setup.github import subject_prefix as ask_subject_prefix
from keyless.setup.health.patient import Line, Patient, ok, unknown, warning, wrong
from keyless.setup.protection import (
    admitted_policies,
    environment_path,
    has_immutable_releases,
    wanted_policies,
)
from keyless.setup.retry import AGAIN
from keyless.setup.service_files import publishes_releases

# The names of secrets that hold a long-lived key.
STORED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

# How a run is that is no failure: it has succeeded, or goes on.
FINE = ("success", "in_progress", "queued", "waiting", "pending", "requested")


def repository(patient: Patient) -> Iterator[Line]:
    """The name, with its case; what is found is kept for the concerns that follow."""
    name = patient.name
    found = patient.repository = find_repository(name)
    patient.gone = found is None
    if found is None:
        yield wrong("repository", f"GitHub shows no repository {name}", AGAIN)
    elif found.full_name != name:
        text = f"GitHub calls {name} {found.full_name}: renamed, transferred or other case"
        yield wrong("repository", text, AGAIN)
    elif found.archived:
        text = f"{name} is archived, so no workflow runs"
        yield wrong("repository", text, f"gh repo unarchive {name}")
    else:
        yield ok("repository", page_of(name))


def subject(patient: Patient) -> Iterator[Line]:
    """What GitHub puts into the subject."""
    found = patient.repository or find_repository(patient.name)
    if found is None:
        return
    prefix, noted = ask_subject_prefix(found), patient.entry.get("subject_prefix")
    if prefix == noted:
        yield ok("subject", f"GitHub presents {prefix}")
    else:
        text = f"GitHub presents {prefix}, and {TFVARS} has {noted or 'nothing yet'}"
        yield wrong("subject", text, AGAIN)


def actions(patient: Patient) -> Iterator[Line]:
    """Whether GitHub Actions run."""
    found = actions_problem(patient.name)
    if isinstance(found, Problem):
        raise found
    for problem in workflow_problems(patient.name):
        raise problem
    yield ok("actions", found)


def branch(patient: Patient) -> Iterator[Line]:
    """Whether GitHub has the branch whose pushes publish."""
    refs, name = patient.entry["refs"], patient.name
    if not all(ref.startswith("refs/heads/") for ref in refs) or patient.repository is None:
        return
    heads = [*patient.heads]
    problem = heads and missing_branch(name, refs, heads, patient.repository.default_branch)
    if problem:
        raise problem
    yield ok("branch", f"a push to {' or '.join(refs)} publishes")


def environment(patient: Patient) -> Iterator[Line]:
    """Whether the environment admits the trusted refs alone."""
    name, refs = patient.entry.get("environment"), patient.entry["refs"]
    if name is None or not all(re.match("refs/(heads|tags)/", ref) for ref in refs):
        return  # what is no ref is the contract's
    path = environment_path(patient.name, name)
    settings = f"{page_of(patient.name)}/settings/environments"
    there = find_on_github(path)
    if there is None:
        yield wrong("environment", f"{name} does not exist", AGAIN)
        return
    policies = admitted_policies(path, there)
    if policies is None:
        text = f"{name} does not say which refs may use it"
        yield wrong("environment", text, settings)
        return
    have, wanted = (sorted(map(str, side)) for side in (policies, wanted_policies(refs)))
    if have == wanted:
        yield ok("environment", f"{name} admits {', '.join(have)}")
    else:
        text = f"{name} admits {', '.join(have) or 'nothing'}, and the role {', '.join(wanted)}"
        lacking, further = {*wanted} - {*have}, {*have} - {*wanted}
        yield wrong("environment", text, *[AGAIN] * bool(lacking), *[settings] * bool(further))


def refs(patient: Patient) -> Iterator[Line]:
    """Who may make the trusted refs, and so publish."""
    there = patient.rulesets
    for ref in patient.entry["refs"]:
        limits = guard_of(there or [], ref).limits
        if limits:
            yield ok("refs", f"{ref}: the ruleset {limits!r} limits who can publish.")
            continue
        text = f"{ref}: whoever may write to the repository can publish."
        if there is None:
            yield warning("refs", f"{text} GitHub has no rulesets for it that could limit that.")
        else:
            yield warning("refs", f"{text} To leave that to admins:", f"{AGAIN} ARGS=--ruleset")


def tags(patient: Patient) -> Iterator[Line]:
    """Whether a published tag can still be moved or deleted, and by whom."""
    trusted = [ref for ref in patient.entry["refs"] if ref.startswith("refs/tags/")]
    there = patient.rulesets if trusted else []
    locked = bool(trusted) and publishes_releases() and patient.repository
    immutable = has_immutable_releases(locked) if locked else False
    for ref in trusted:
        guard = guard_of(there or [], ref)
        if immutable:
            yield ok("tags", f"{ref}: GitHub locks the tag of each published release.")
        elif guard.keeps and not guard.bypassed:
            yield ok("tags", f"{ref}: nobody can move or delete one (ruleset {guard.keeps!r}).")
        elif guard.keeps:
            text = f"{ref}: who may bypass the ruleset {guard.keeps!r} can move and delete one."
            yield warning("tags", text, f"{page_of(patient.name)}/settings/rules")
        elif immutable is None:
            text = (
                f"{ref}: no ruleset keeps a published tag, and only admins may ask whether GitHub"
            )
            yield unknown("tags", f"{text} locks the tags of releases.")
        else:
            text = f"{ref}: whoever may write to the repository can move or delete one that is"
            text += " published. The images stay as they are."
            yield warning("tags", text, *[AGAIN] * (there is not None))


def keys(patient: Patient) -> Iterator[Line]:
    """Long-lived keys that were left behind."""
    places: list[tuple[str, ...]] = [()]
    if patient.entry.get("environment") is not None:
        places.append(("--env", patient.entry["environment"]))
    left = [(name, place) for place in places for name in _stored_keys(patient.name, place)]
    if not left:
        yield ok("keys", "no AWS key is stored in the repository's secrets")
    for name, place in left:
        delete = shlex.join(["gh", "secret", "delete", name, "--repo", patient.name, *place])
        text = f"the secret {name} is still set, and a key lives until somebody deactivates it"
        deactivate = "aws iam update-access-key --status Inactive --user-name USER"
        yield wrong("keys", text, delete, f"{deactivate} --access-key-id ID")


def _stored_keys(name: str, place: tuple[str, ...]) -> list[str]:
    """Return the names of stored keys; `place` is how gh is told of an environment, or empty."""
    done = run("gh", "secret", "list", "--repo", name, *place, "--json", "name")
    if done.status and not (place and "HTTP 404" in done.said):
        raise Denied(0, " ".join(done.said.split()))
    names = [each["name"] for each in json.loads(done.out or "[]")]
    return [each for each in names if each in STORED]


def deployment(patient: Patient) -> Iterator[Line]:
    """How the newest run of deploy.yml ended."""
    runs = find_runs(patient.name, "conclusion,status,headBranch,url,createdAt", 1)
    if runs is None:
        default = patient.repository.default_branch if patient.repository else "main"
        text = f"the default branch {default} has no deploy.yml, so GitHub cannot start it"
        pushed = head_commit() in patient.heads.values()
        yield wrong(
            "deployment", text, f"gh pr create --base {default} --fill" if pushed else AGAIN
        )
        return
    if not runs:
        yield ok("deployment", "deploy.yml has not run yet")
        return
    newest = runs[0]
    ended = newest["conclusion"] or newest["status"]
    text = f"{newest['headBranch']} at {newest['createdAt']}: {ended} ({newest['url']})"
    number = newest["url"].rpartition("/")[2]
    lines = (f"gh run view {number} --repo {patient.name} --log-failed",)
    yield ok("deployment", text) if ended in FINE else wrong("deployment", text, *lines)
