"""Doctor's concerns for other repositories: their entries, and the workflow that they call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keyless.console import Problem
from keyless.gh import Denied, page_of
from keyless.paths import SHARED_WORKFLOW
from keyless.setup.aws_account import find_registries, find_roles
from keyless.setup.git import git
from keyless.setup.github import Facts, look_up
from keyless.setup.health.in_aws import trust_differences
from keyless.setup.health.patient import Line, Patient, ok, unknown, wrong
from keyless.setup.parallel import in_parallel
from keyless.setup.remedies import of_github
from keyless.setup.retry import AGAIN


def others(patient: Patient) -> Iterator[Line]:
    """The entries of other repositories: their names on GitHub, their roles and registries."""
    entries = {key: one for key, one in patient.account.entries.items() if key != patient.key}
    if not entries:
        return
    every = list(entries.values())
    roles = find_roles(patient.account, [entry["role_name"] for entry in every])
    registries = find_registries(patient.account, [entry["ecr_repository"] for entry in every])
    right = 0
    for (key, entry), answer in zip(entries.items(), in_parallel(_ask_github_about, every)):
        texts = [] if isinstance(answer, Exception) else [_renamed(entry, answer)]
        role = roles.get(entry["role_name"])
        if not role:
            texts.append(f"the role {entry['role_name']} does not exist")
        elif entry.get("subject_prefix") and trust_differences(patient.account, entry, role):
            texts.append(f"{entry['role_name']} trusts in AWS what infra/ does not say")
        if entry["ecr_repository"] not in registries:
            texts.append(f"the registry {entry['ecr_repository']} does not exist")
        said = "; ".join(filter(None, texts))
        if said:
            yield wrong("others", f"{key}: {said}", AGAIN)
        if isinstance(answer, Denied):
            problem = of_github(answer)
            yield unknown("others", f"{key}: {problem}", *problem.commands)
        elif isinstance(answer, Problem):
            yield wrong("others", f"{key}: {answer}", *answer.commands)
        right += not said and not isinstance(answer, Exception)
    yield from _called_workflow(patient)
    if right:
        words = "repository is" if right == 1 else "repositories are"
        yield ok("others", f"{right} more {words} in GitHub and AWS what infra/ says")


def _ask_github_about(entry: dict[str, Any]) -> Facts | Problem | Denied:
    """Return what GitHub says of an entry's repository, or why it does not."""
    try:
        return look_up(entry["github_repository"])
    except (Problem, Denied) as error:
        return error


def _renamed(entry: dict[str, Any], facts: Facts) -> str:
    """Return how GitHub's name and subject of a repository differ from its entry's."""
    name, noted = entry["github_repository"], entry.get("subject_prefix")
    if facts.repository is None:
        return f"GitHub shows no repository {name}"
    if facts.repository.full_name != name:
        full_name = facts.repository.full_name
        return f"GitHub calls {name} {full_name}: renamed, transferred or other case"
    if facts.prefix != noted:
        return f"GitHub presents {facts.prefix}, and infra/ has {noted or 'nothing yet'}"
    return "it is archived, so no workflow runs" * facts.repository.archived


def _called_workflow(patient: Patient) -> Iterator[Line]:
    """Whether the refs are on GitHub at which others call the workflow of this repository."""
    start = f"{patient.name}/{SHARED_WORKFLOW}@"
    entries = patient.account.entries.values()
    trusted = [entry.get("job_workflow_ref") or "" for entry in entries]
    for ref in sorted({each[len(start) :] for each in trusted if each.startswith(start)}):
        kind, short = ref.split("/", 2)[1:]
        done = git("ls-remote", f"{page_of(patient.name)}.git", ref)
        if done.status:
            text = f"whether GitHub has {ref} of publish-image.yml: {done.said}"
            yield unknown("workflow", text, "gh auth status")
        elif done.out.strip():
            yield ok("workflow", f"{short} of publish-image.yml is on GitHub")
        else:
            text = f"the roles of others trust publish-image.yml at {ref}, which GitHub has not"
            command = f"git tag {short} && " * (kind == "tags") + f"git push origin {short}"
            yield wrong("workflow", text, command)
