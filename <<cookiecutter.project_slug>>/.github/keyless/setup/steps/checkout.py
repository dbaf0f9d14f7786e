"""This folder as a Git repository, and what GitHub has of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from keyless.gh import github_host, page_of
from keyless.programs import run
from keyless.setup.git import git
from keyless.setup.github import Repository

LOCK = "infra/.terraform.lock.hcl"


@dataclass
class Checkout:
    """What is known about the folder, and about what was pushed."""

    name: str  # of the repository on GitHub
    repository: Repository | None  # None if GitHub shows none
    all: bool = False  # whether the first commit includes files that were not generated
    head: str = ""  # the commit that is checked out
    branch: str = "main"  # that is checked out; empty if none is
    heads: dict[str, str] = field(default_factory=dict)  # commits on GitHub, by their refs
    tags: dict[str, str] = field(default_factory=dict)  # commits on GitHub, by the names of tags
    lock_is_edited: bool = False  # the lock file has edits that are not committed
    edited: list[str] = field(default_factory=list)  # files with values that have such edits

    def url(self) -> str:
        """Return the URL that git is given, in the protocol that gh was set up with."""
        ssh = run("gh", "config", "get", "git_protocol").out.strip() == "ssh"
        # With data residency it is the subdomain that logs in, as gh writes it.
        host = github_host()
        user = host.partition(".")[0] if host.endswith(".ghe.com") else "git"
        return f"{user}@{host}:{self.name}.git" if ssh else f"{page_of(self.name)}.git"

    def known_tips(self) -> list[str]:
        """Return the commits on GitHub that are known here."""
        return [sha for sha in self.heads.values() if not git("cat-file", "-e", sha).status]
