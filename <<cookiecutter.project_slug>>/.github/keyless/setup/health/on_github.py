"""Doctor's concerns on GitHub: repository, subject, Actions, what is protected, what is stored."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

from keyless.explain import describe_guard
from keyless.gh import Denied, find_on_github, page_of
from keyless.paths import TFVARS
from keyless.programs import run
from keyless.setup.github import actions_disabled, find_repository
from keyless.setup.github import subject_prefix as ask_subject_prefix
from keyless.setup.health.patient import Line, Patient
from keyless.setup.protection import admitted_policies, environment_path, wanted_policies
from keyless.setup.retry import AGAIN

# The names of secrets that hold a long-lived key.
STORED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

# How a run ends that is no failure: it goes on, or the job's condition has left it out.
FINE = ("success", "skipped", "in_progress", "queued", "waiting", "pending", "requested")


def repository(patient: Patient) -> Iterator[Line]:
    """The name, with its case; what is found is kept for the concerns that follow."""
    name = patient.name
    found = patient.repository = find_repository(name)
    patient.gone = found is None
    if found is None:
        yield Line("repository", False, f"GitHub shows no repository {name}", (AGAIN,))
    elif found.full_name != name:
        text = f"GitHub calls {name} {found.full_name}: renamed, transferred or other case"
        yield Line("repository", False, text, (AGAIN,))
    elif found.archived:
        text = f"{name} is archived, so no workflow runs"
        yield Line("repository", False, text, (f"gh repo unarchive {name}",))
    else:
        yield Line("repository", True, page_of(name))


def subject(patient: Patient) -> Iterator[Line]:
    """What GitHub puts into the subject."""
    found = patient.repository or find_repository(patient.name)
    if found is None:
        return
    prefix, noted = ask_subject_prefix(found), patient.entry.get("subject_prefix")
    if prefix == noted:
        yield Line("subject", True, f"GitHub presents {prefix}")
    else:
        text = f"GitHub presents {prefix}, and {TFVARS} has {noted or 'nothing yet'}"
        yield Line("subject", False, text, (AGAIN,))


def actions(patient: Patient) -> Iterator[Line]:
    """Whether GitHub Actions run."""
    problem = actions_disabled(patient.name)
    if problem:
        raise problem
    yield Line("actions", True, "GitHub Actions run")


def environment(patient: Patient) -> Iterator[Line]:
    """Whether the environment admits the trusted refs alone."""
    name, refs = patient.entry.get("environment"), patient.entry["refs"]
    if name is None or not all(re.match("refs/(heads|tags)/", ref) for ref in refs):
        return  # what is no ref is the contract's
    path = environment_path(patient.name, name)
    settings = f"{page_of(patient.name)}/settings/environments"
    there = find_on_github(path)
    if there is None:
        yield Line("environment", False, f"{name} does not exist", (AGAIN,))
        return
    policies = admitted_policies(path, there)
    if policies is None:
        text = f"{name} does not say which refs may use it"
        yield Line("environment", False, text, (settings,))
        return
    have, wanted = (sorted(map(str, side)) for side in (policies, wanted_policies(refs)))
    if have == wanted:
        yield Line("environment", True, f"{name} admits {', '.join(have)}")
    else:
        text = f"{name} admits {', '.join(have) or 'nothing'}, and the role {', '.join(wanted)}"
        yield Line("environment", False, text, (AGAIN, settings))


def refs(patient: Patient) -> Iterator[Line]:
    """Who may create the trusted refs."""
    for ref in patient.entry["refs"]:
        said = describe_guard(patient.name, ref)
        limit = f" ({AGAIN} ARGS=--ruleset leaves it to admins)" * ("no ruleset" in said)
        yield Line("refs", True, said + limit)


def keys(patient: Patient) -> Iterator[Line]:
    """Long-lived keys that were left behind."""
    places: list[tuple[str, ...]] = [()]
    if patient.entry.get("environment") is not None:
        places.append(("--env", patient.entry["environment"]))
    left = [(name, place) for place in places for name in _stored_keys(patient.name, place)]
    if not left:
        yield Line("keys", True, "no AWS key is stored in the repository's secrets")
    for name, place in left:
        delete = shlex.join(["gh", "secret", "delete", name, "--repo", patient.name, *place])
        text = f"the secret {name} is still set, and a key lives until somebody deactivates it"
        deactivate = "aws iam update-access-key --status Inactive --user-name USER"
        yield Line("keys", False, text, (delete, f"{deactivate} --access-key-id ID"))


def _stored_keys(name: str, place: tuple[str, ...]) -> list[str]:
    """Return the names of stored keys; `place` is how gh is told of an environment, or empty."""
    done = run("gh", "secret", "list", "--repo", name, *place, "--json", "name")
    if done.status and not (place and "HTTP 404" in done.said):
        raise Denied(0, " ".join(done.said.split()))
    names = [each["name"] for each in json.loads(done.out or "[]")]
    return [each for each in names if each in STORED]


def deployment(patient: Patient) -> Iterator[Line]:
    """How the newest run of deploy.yml ended."""
    fields = "conclusion,status,headBranch,url,createdAt"
    where = ("--repo", patient.name)
    command = ("run", "list", *where, "--workflow", "deploy.yml", "--limit", "1")
    done = run("gh", *command, "--json", fields)
    said = " ".join(done.said.split())
    if done.status and not re.search("HTTP 404|could not find any", said):
        raise Denied(0, said)
    if done.status:
        text = f"GitHub has no deploy.yml to run: {said}"
        yield Line("deployment", False, text, (AGAIN,))
        return
    runs: list[dict[str, Any]] = json.loads(done.out)
    if not runs:
        yield Line("deployment", True, "none yet")
        return
    newest = runs[0]
    ended = newest["conclusion"] or newest["status"]
    text = f"{newest['headBranch']} at {newest['createdAt']}: {ended} ({newest['url']})"
    number = newest["url"].rpartition("/")[2]
    lines = (f"gh run view {number} --repo {patient.name} --log-failed",)
    yield Line("deployment", ended in FINE, text, () if ended in FINE else lines)
