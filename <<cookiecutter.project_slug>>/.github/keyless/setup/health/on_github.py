"""Doctor's concerns on GitHub: repository, subject, Actions, protections, and stored keys."""

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
from keyless.setup.health.patient import FINE, RENAMED, Line, Patient, ok, unknown, warning, wrong
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


def repository(patient: Patient) -> Iterator[Line]:
    """The name, upper and lower case included. The answer is kept for the concerns that follow."""
    name = patient.name
    found = patient.repository = find_repository(name)
    patient.gone = found is None
    if found is None:
        text = f"GitHub has no repository {name}, or you do not have access to it"
        yield wrong("repository", text, AGAIN)
    elif found.full_name != name:
        yield wrong("repository", f"{name} is {found.full_name} on GitHub: {RENAMED}", AGAIN)
    elif found.archived:
        text = f"{name} is archived, so no workflow runs"
        yield wrong("repository", text, f"gh repo unarchive {name}")
    else:
        yield ok("repository", page_of(name))


def subject(patient: Patient) -> Iterator[Line]:
    """Whether infra/ has the subject that GitHub presents."""
    found = patient.repository or find_repository(patient.name)
    if found is None:
        return
    prefix, noted = ask_subject_prefix(found), patient.entry.get("subject_prefix")
    if prefix == noted:
        yield ok("subject", f"GitHub presents {prefix}")
    else:
        text = f"GitHub presents {prefix}, but {TFVARS} has {noted or 'no subject yet'}"
        yield wrong("subject", text, AGAIN)


def actions(patient: Patient) -> Iterator[Line]:
    """Whether GitHub Actions is switched on and may run the workflows."""
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
    """Whether the environment admits the trusted refs, and no others."""
    name, refs = patient.entry.get("environment"), patient.entry["refs"]
    if name is None or not all(re.match("refs/(heads|tags)/", ref) for ref in refs):
        return  # the contract reports values that are not refs
    path = environment_path(patient.name, name)
    settings = f"{page_of(patient.name)}/settings/environments"
    there = find_on_github(path)
    if there is None:
        yield wrong("environment", f"the environment {name} does not exist", AGAIN)
        return
    policies = admitted_policies(path, there)
    if policies is None:
        text = f"the environment {name} does not limit which refs can use it"
        yield wrong("environment", text, settings)
        return
    have, wanted = (sorted(map(str, side)) for side in (policies, wanted_policies(refs)))
    if have == wanted:
        yield ok("environment", f"the environment {name} admits {', '.join(have)}")
    else:
        admits, trusts = ", ".join(have) or "nothing", ", ".join(wanted)
        text = f"the environment {name} admits {admits}, but the role trusts {trusts}"
        lacking, further = {*wanted} - {*have}, {*have} - {*wanted}
        yield wrong("environment", text, *[AGAIN] * bool(lacking), *[settings] * bool(further))


def refs(patient: Patient) -> Iterator[Line]:
    """Who can push the trusted refs, and so publish."""
    there = patient.rulesets
    for ref in patient.entry["refs"]:
        limits = guard_of(there or [], ref).limits
        if limits:
            yield ok("refs", f"{ref}: the ruleset {limits!r} limits who can publish.")
            continue
        text = f"{ref}: anyone with write access to the repository can publish."
        if there is None:
            plan = "The repository's plan on GitHub has no rulesets, so nothing can limit that."
            yield warning("refs", f"{text} {plan}")
        else:
            yield warning("refs", f"{text} To allow only admins:", f"{AGAIN} ARGS=--ruleset")


def tags(patient: Patient) -> Iterator[Line]:
    """Whether anyone can still move or delete a published tag."""
    trusted = [ref for ref in patient.entry["refs"] if ref.startswith("refs/tags/")]
    there = patient.rulesets if trusted else []
    locked = bool(trusted) and publishes_releases() and patient.repository
    immutable = has_immutable_releases(locked) if locked else False
    for ref in trusted:
        guard = guard_of(there or [], ref)
        if immutable:
            yield ok("tags", f"{ref}: GitHub locks the tag of each published release.")
        elif guard.keeps and not guard.bypassed:
            text = f"{ref}: nobody can move or delete a published tag (ruleset {guard.keeps!r})."
            yield ok("tags", text)
        elif guard.keeps:
            text = f"{ref}: anyone who can bypass the ruleset {guard.keeps!r}"
            text += " can move or delete a published tag."
            yield warning("tags", text, f"{page_of(patient.name)}/settings/rules")
        elif immutable is None:
            text = f"{ref}: no ruleset protects published tags."
            admins = "Only admins can see whether GitHub locks the tags of releases."
            yield unknown("tags", f"{text} {admins}")
        else:
            text = f"{ref}: anyone with write access to the repository can move or delete a"
            text += " published tag. Published images do not change."
            yield warning("tags", text, *[AGAIN] * (there is not None))


def keys(patient: Patient) -> Iterator[Line]:
    """Whether long-lived AWS keys are still stored in the secrets."""
    places: list[tuple[str, ...]] = [()]
    if patient.entry.get("environment") is not None:
        places.append(("--env", patient.entry["environment"]))
    left = [(name, place) for place in places for name in _stored_keys(patient.name, place)]
    if not left:
        yield ok("keys", "no AWS key is stored in the repository's secrets")
    for name, place in left:
        delete = shlex.join(["gh", "secret", "delete", name, "--repo", patient.name, *place])
        text = f"the secret {name} is still set. Delete it, and deactivate the key: it still works."
        deactivate = "aws iam update-access-key --status Inactive --user-name USER"
        yield wrong("keys", text, delete, f"{deactivate} --access-key-id ID")


def _stored_keys(name: str, place: tuple[str, ...]) -> list[str]:
    """Return the names of stored keys; `place` are gh's options for an environment, or empty."""
    done = run("gh", "secret", "list", "--repo", name, *place, "--json", "name")
    if done.status and not (place and "HTTP 404" in done.said):
        raise Denied(0, " ".join(done.said.split()))
    names = [each["name"] for each in json.loads(done.out or "[]")]
    return [each for each in names if each in STORED]


def deployment(patient: Patient) -> Iterator[Line]:
    """How the last run of deploy.yml ended."""
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
        yield ok("deployment", "no release has been published yet")
        return
    newest = runs[0]
    ended = newest["conclusion"] or newest["status"]
    when = f"the last run, for {newest['headBranch']} at {newest['createdAt']}"
    text = f"{when}: {ended.replace('_', ' ')} ({newest['url']})"
    number = newest["url"].rpartition("/")[2]
    lines = (f"gh run view {number} --repo {patient.name} --log-failed",)
    yield ok("deployment", text) if ended in FINE else wrong("deployment", text, *lines)
