"""The role that the workflow assumes trusts this repository."""

from __future__ import annotations

from collections.abc import Iterator

from keyless.model.account import Account
from keyless.model.callers import lends
from keyless.model.changes import set_value
from keyless.model.findings import Finding
from keyless.model.identity import Identity
from keyless.model.repository import Repository, Side

ID = "same-repository"
WHY = (
    "Each role trusts only the repository of its entry. Files that were copied from another"
    " repository assume the role of that one, and AWS refuses the job."
)
SOURCES = (
    (
        "GitHub: OpenID Connect reference",
        "https://docs.github.com/en/actions/reference/security/oidc",
    ),
)
BEFORE = '"github_repository": "octo-org/other" # and the repository is octo-org/example-service'
AFTER = '"github_repository": "octo-org/example-service"'


def find(repository: Repository) -> Iterator[Finding]:
    """Compare the entries whose roles are assumed here with the name of this repository."""
    account, identity = repository.account, repository.identity
    if not identity.names:
        return
    for side in repository.sides:
        name = side.entry["github_repository"]
        own = [job for job in side.jobs if not lends(job.source.path, side.entry)]
        if own and "/" in name and not identity.includes(name):
            yield _wrong(account, identity, side)


def _wrong(account: Account, identity: Identity, side: Side) -> Finding:
    """Return the finding at the entry, or at the role where another entry is that of this one."""
    name = side.entry["github_repository"]
    shown = f"{identity.name} ({identity.source})"
    other = [
        key for key, one in account.entries.items() if identity.includes(one["github_repository"])
    ]
    if not other:
        message = f"{side.key} is the entry of {name}, but this repository is {shown}, so the role"
        message += " trusts another repository and refuses this one"
        mend = f"write github_repository: {identity.name}, and type: make bootstrap"
        if "remote" in identity.source:
            mend += f"; if it was renamed: git remote set-url origin https://{account.host}/{name}"
        if not account.made_here:
            mend = "take the file of this repository: make fetch FROM=OWNER/NAME"
        finding = account.finding(side.key, "github_repository", ID, message, mend)
        lines = account.texts[finding.path].splitlines()
        edit = set_value(
            finding.path, lines, finding.line, "github_repository", identity.name or "", safe=False
        )
        return finding._replace(edit=edit if account.made_here else None)
    role = account.role(account.entries[other[0]])
    message = f"the job assumes the role of {name}, but this repository is {shown}, so the role"
    job = next(job for job in side.jobs)
    step = next(iter(job.assuming()), job.root)
    message += " refuses it"
    return job.finding(step, "role-to-assume", ID, message, f"write {role}", role)
