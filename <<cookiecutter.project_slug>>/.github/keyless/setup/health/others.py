"""Doctor's concerns about other repositories: their entries, and the workflow they call."""

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
from keyless.setup.health.patient import RENAMED, Line, Patient, ok, unknown, wrong
from keyless.setup.parallel import in_parallel
from keyless.setup.remedies import of_github
from keyless.setup.retry import AGAIN


def others(patient: Patient) -> Iterator[Line]:
    """Whether the entries of other repositories match GitHub, their roles and ECR repositories."""
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
            texts.append(f"the trust policy of {entry['role_name']} does not match infra/")
        if entry["ecr_repository"] not in registries:
            texts.append(f"the ECR repository {entry['ecr_repository']} does not exist")
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
        match = "other repository matches" if right == 1 else "other repositories match"
        yield ok("others", f"{right} {match} infra/, on GitHub and in AWS")


def _ask_github_about(entry: dict[str, Any]) -> Facts | Problem | Denied:
    """Return what GitHub reports about an entry's repository, or why it does not answer."""
    try:
        return look_up(entry["github_repository"])
    except (Problem, Denied) as error:
        return error


def _renamed(entry: dict[str, Any], facts: Facts) -> str:
    """Return how a repository on GitHub differs from its entry; an empty text if it does not."""
    name, noted = entry["github_repository"], entry.get("subject_prefix")
    if facts.repository is None:
        return f"GitHub has no repository {name}, or you do not have access to it"
    if facts.repository.full_name != name:
        return f"{name} is {facts.repository.full_name} on GitHub: {RENAMED}"
    if facts.prefix != noted:
        return f"GitHub presents {facts.prefix}, but infra/ has {noted or 'no subject yet'}"
    return "the repository is archived, so no workflow runs" * facts.repository.archived


def _called_workflow(patient: Patient) -> Iterator[Line]:
    """Whether GitHub has the refs at which others call the workflow of this repository."""
    start = f"{patient.name}/{SHARED_WORKFLOW}@"
    entries = patient.account.entries.values()
    trusted = [entry.get("job_workflow_ref") or "" for entry in entries]
    for ref in sorted({each[len(start) :] for each in trusted if each.startswith(start)}):
        kind, short = ref.split("/", 2)[1:]
        done = git("ls-remote", f"{page_of(patient.name)}.git", ref)
        if done.status:
            text = f"git cannot read {ref} of publish-image.yml on GitHub: {done.said}"
            yield unknown("workflow", text, "gh auth status")
        elif done.out.strip():
            yield ok("workflow", f"{short} of publish-image.yml is on GitHub")
        else:
            text = f"other roles trust publish-image.yml at {ref}, but that ref is not on GitHub"
            command = f"git tag {short} && " * (kind == "tags") + f"git push origin {short}"
            yield wrong("workflow", text, command)
