"""Git: how it is run in this repository, and what it knows of commits."""

from __future__ import annotations

from keyless.gh import github_host
from keyless.programs import Done, run


def git(*arguments: str) -> Done:
    """Run git in the repository; for GitHub it gets gh's login."""
    helper = f"credential.https://{github_host()}.helper="
    login = ["-c", helper, "-c", f"{helper}!gh auth git-credential"]
    talks = arguments[0] in ("fetch", "ls-remote", "push")
    return run("git", *login * talks, *arguments)


def contains(newer: str, older: str) -> bool:
    """Tell whether a commit contains another one."""
    return git("merge-base", "--is-ancestor", older, newer).status == 0


def head_commit() -> str:
    """Return the commit that is checked out, empty where there is none yet."""
    return git("rev-parse", "--verify", "--quiet", "HEAD").out.strip()


def uncommitted_files(most: int) -> str:
    """Name what differs from the last commit, so a release will not have it; at most so many."""
    listed = git("status", "--porcelain", "--untracked-files=normal").out
    left = [line[3:] for line in listed.splitlines()]
    return ", ".join(left[:most]) + f" and {len(left) - most} more" * (len(left) > most)
