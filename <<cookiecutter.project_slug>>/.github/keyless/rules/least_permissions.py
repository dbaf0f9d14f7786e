"""Only the job that assumes the role, and the jobs that call it, can ask for a token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from keyless.model.account import Account
from keyless.model.documents import Mapping
from keyless.model.expressions import evaluate_text
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.jobs import REMOVE, Change, Job, permissions_of
from keyless.model.refs import common_refs
from keyless.model.repository import Repository
from keyless.model.subjects import ref_is_tested
from keyless.model.syntax import SCOPES
from keyless.model.triggers import event_names
from keyless.model.values import is_known
from keyless.model.workflows import Workflow, local_path, script_of

ID = "least-permissions"
WHY = (
    "Everything that runs in a job with `id-token: write` can ask for the token that assumes the"
    " role."
)
SOURCES = (
    (
        "GitHub: OIDC in AWS",
        "https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws",
    ),
)
BEFORE = """\
permissions: write-all
jobs:
  publish:"""
AFTER = """\
permissions: {}
jobs:
  publish:
    permissions: {contents: read, id-token: write}"""
NEEDED = {"contents": "read", "id-token": "write"}
READABLE = {"actions", "checks", "statuses", "pull-requests", "issues", "deployments"}
# What else a job may be granted, where a step needs it: what its actions and scripts hold.
REASONS = {
    "attestations": r"actions/attest",
    "artifact-metadata": r"actions/attest",
    "packages": r"ghcr\.io|\.pkg\.github\.com",
    "security-events": r"upload-sarif|codeql-action",
    "pull-requests": r"sticky|comment|gh pr |github-script|labeler|octocov|codecov",
    "issues": r"comment|gh issue |github-script",
    "checks": r"test-reporter|publish-unit-test|junit|reviewdog|checks|clippy",
    "statuses": r"commit-status|statuses|github-script|gh api",
    "deployments": r"deployment|github-script|gh api",
    "actions": r"gh (workflow|run|cache)|download-artifact|github-script|workflow",
    "contents": (
        r"gh release|action-gh-release|release-action|create-release|upload-release|release-drafter"
        r"|semantic-release|gh api|github-script|git push"
    ),
}
# Actions and commands that ask for a token for somebody else than AWS: they need id-token: write.
CONSUMERS = (
    r"actions/(deploy-pages|attest|configure-pages)|pypa/gh-action-pypi-publish|rubygems/"
    r"|ossf/scorecard|sigstore/|google-github-actions/auth|azure/login|hashicorp/vault"
    r"|slsa-framework/|codecov/|rust-lang/crates-io-auth|jfrog/setup|nuget/login|docker/.*-oidc"
    r"|infisical/|1password/|octo-sts/|chainguard-dev/|pulumi/auth|goreleaser/|tailscale/"
)
CONSUMING = (
    r"\bnpm\s+(publish|stage)|\b(p|y)?npm\s+publish|\byarn\s+npm\s+publish|\bcosign\s+sign"
    r"|\bcargo\s+publish|\b(uv|poetry|hatch|flit)\s+publish|\btwine\s+upload|\bgem\s+push"
    r"|\bgcloud\s|\baz\s+login|\bvault\s|ACTIONS_ID_TOKEN_REQUEST_(URL|TOKEN)"
)


def find(repository: Repository) -> Iterator[Finding]:
    """Look at the permissions of each workflow, and of each job."""
    for source in repository.sources:
        yield from _token_by_default(source)
    building = [build.job for handover in repository.handovers for build in handover.builds]
    for job in repository.jobs:
        if any(job is other for other in building) and not job.assuming():
            yield from _token_of_build(job)
        elif repository.needs_token(job):
            yield from _other_permissions(job)
        else:
            yield from _needless_token(job, repository.account)


def _token_by_default(source: Workflow) -> Iterator[Finding]:
    """What the workflow grants at its top, every job without permissions of its own gets.

    Unless a job grants it, no job can ask for a token: only where a role is assumed the top must be
    tidy.
    """
    granted = source.root.get("permissions")
    scopes = granted if isinstance(granted, Mapping) else {}
    tidy = granted != "write-all" and scopes.get("id-token") != "write"
    if any(part.input("role-to-assume") for _, part in source.parts()):
        tidy = granted in ("", "read-all") or (scopes is granted and "write" not in scopes.values())
        tidy = tidy or (
            granted is None and event_names(source) in ([], ["workflow_call"])
        )  # or a composite
    if not tidy:
        message = "every job gets write permissions here, or the repository's default permissions"
        mend = "write permissions: {} at the top, and in each job what it needs"
        line = source.root.line("permissions")
        yield Finding(source.path, line, ID, message, mend)


def _line_of_permissions(job: Job) -> int:
    return job.root.line("permissions") if "permissions" in job.root else job.where[1]


def _other_permissions(job: Job) -> Iterator[Finding]:
    """A job that assumes the role, or calls one that does, has what it needs and no more."""
    granted = permissions_of(job)
    own = granted if isinstance(granted, Mapping) else Mapping()
    held = {key: own[key] for key in own if own[key] != "none" and key in SCOPES}
    used = " ".join(
        f"{step.action()} {step.of('with').values()} {script_of(step)}" for step in job.steps
    )
    checks_out = job.using("actions/checkout") or not job.steps  # a call grants it on
    missing = [
        f"{key}: {NEEDED[key]}"
        for key in NEEDED
        if held.get(key) not in (NEEDED[key], "write")
        and (key in held or key != "contents" or checks_out)
    ]
    extra = [
        f"{key}: {held[key]}"
        for key in held
        if held[key] != NEEDED.get(key)
        and not re.search(REASONS.get(key, "(?!)"), used, re.I)
        and not (held[key] == "read" and key in READABLE)
    ]
    message = f"job {job.name} assumes the role"
    message += f" and lacks {', '.join(missing)}, so it fails" * bool(missing)
    message += f" and has {', '.join(extra)}, which no step here needs" * bool(extra)
    mend = f"add {', '.join(missing)} to permissions: of the job" if missing else ""
    mend += "; " * bool(missing and extra)
    mend += f"remove {', '.join(extra)} from it" if extra else ""
    if granted == "write-all" or not held:
        mend = "write permissions: {contents: read, id-token: write} in the job, and add what"
        mend += " else its steps need"
    if len(extra) == 1 and not missing and extra[0].split(":")[0] in job.root.of("permissions"):
        key = extra[0].split(":")[0]
        change = Change("read") if key == "contents" else REMOVE
        mend = f"write contents: read instead of {extra[0]}" if key == "contents" else mend
        yield job.at(own, key, ID, message, mend, change)
    elif missing or extra:
        yield Finding(job.source.path, _line_of_permissions(job), ID, message, mend)


def _token_of_build(job: Job) -> Iterator[Finding]:
    """A job that builds what another one pushes runs a Dockerfile, so it gets no token of value."""
    granted = permissions_of(job)
    scopes = granted if isinstance(granted, Mapping) else Mapping()
    what = {
        "id-token": "ask for the token that assumes the role",
        "contents": "push to this repository",
        "actions": "start the job that publishes",
    }
    for scope, able in what.items():
        if scopes.get(scope) == "write":
            message = f"job {job.name} builds what another job pushes. With {scope}: write, what"
            message += f" the Dockerfile runs could {able}"
            change = Change("read") if scope == "contents" else REMOVE
            mend = f"write {scope}: read" if scope == "contents" else f"remove {scope}: write"
            outside = job.root.get("permissions") is not granted
            if outside:  # others may need it there
                mend = "write permissions: {contents: read} in the job"
            yield job.at(scopes, scope, ID, message, mend, Change(None) if outside else change)
    if granted == "write-all":
        message = f"job {job.name} builds what another job pushes, and has all permissions,"
        mend = "write permissions: {contents: read} in the job"
        line = _line_of_permissions(job)
        yield Finding(job.source.path, line, ID, f"{message} including the OIDC token", mend)


def _needless_token(job: Job, account: Account) -> Iterator[Finding]:
    """Another job can ask for a token only for somebody else than AWS."""
    granted = permissions_of(job)
    scopes = granted if isinstance(granted, Mapping) else Mapping()
    if scopes.get("id-token") != "write" and granted != "write-all":
        return
    hidden = any(local_path(step.text("uses")) for step in job.steps)
    consumes = any(
        re.match(CONSUMERS, step.action()) or re.search(CONSUMING, script_of(step))
        for step in job.steps
    )
    elsewhere = bool(job.assuming()) or consumes
    trusted = any(_is_accepted(job, account, entry) for entry in account.entries.values())
    if granted != "write-all" and elsewhere and (not trusted or job.assuming()):
        return
    message = f"job {job.name} can ask for an OIDC token, but assumes no role that the check finds"
    mend = "remove id-token: write from it"
    if granted == "write-all":
        message = f"job {job.name} has all permissions, including the OIDC token"
        mend = "write permissions: with what its steps need"
    elif consumes:
        message = f"job {job.name} needs an OIDC token for another service, but the role also"
        message += " trusts what the job presents"
        mend = "give the job an environment of its own, for example environment: packages"
    rule = UNJUDGED if hidden and granted != "write-all" else ID
    if scopes and not consumes:
        yield job.at(scopes, "id-token", rule, message, mend, REMOVE)
    else:
        yield Finding(job.source.path, _line_of_permissions(job), rule, message, mend)


def _is_accepted(job: Job, account: Account, entry: dict[str, Any]) -> bool:
    """Tell whether a job can present a subject that an entry's role accepts."""
    wanted = entry.get("environment")
    refs_count = ref_is_tested(account, entry)
    return any(
        not is_known(value)
        or (
            value in (wanted, wanted or "")
            and (not refs_count or any(common_refs(then.ref, ref) for ref in entry["refs"]))
        )
        for run in job.runs
        for value, then in evaluate_text(job.environment, run, job.known)
    )
