"""Git in this repository: how it is run, and what it reports about commits."""

from __future__ import annotations

from keyless.gh import github_host
from keyless.programs import Done, run
from keyless.setup.retry import require


def git(*arguments: str) -> Done:
    """Run git in the repository; for GitHub it gets gh's login."""
    helper = f"credential.https://{github_host()}.helper="
    login = ["-c", helper, "-c", f"{helper}!gh auth git-credential"]
    talks = arguments[0] in ("fetch", "ls-remote", "push")
    return run("git", *login * talks, *arguments)


def refs_on_github(name: str, url: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the commits of the branches by their refs, and those of the tags by their names.

    Args:
        name: of the repository, OWNER/NAME.
        url: where git reads it.

    Raises:
        Unfinished: git cannot read them.
    """
    done = git("ls-remote", "--heads", "--tags", url)
    require(done, f"git cannot read {name}", "gh auth setup-git")
    heads: dict[str, str] = {}
    tags: dict[str, str] = {}
    for commit, ref in map(str.split, done.out.splitlines()):
        if ref.startswith("refs/heads/"):
            heads[ref] = commit
        else:  # what ends in ^{} is the commit of an annotated tag, and follows it
            tags[ref[len("refs/tags/") :].partition("^{}")[0]] = commit
    return heads, tags


def contains(newer: str, older: str) -> bool:
    """Tell whether a commit contains another one."""
    return git("merge-base", "--is-ancestor", older, newer).status == 0


def head_commit() -> str:
    """Return the commit that is checked out, empty where there is none yet."""
    return git("rev-parse", "--verify", "--quiet", "HEAD").out.strip()


def uncommitted_files(most: int) -> str:
    """List what differs from the last commit, so a release does not contain it; at most `most`."""
    return shortened(uncommitted(), most)


def uncommitted() -> list[str]:
    """Return what differs from the last commit."""
    listed = git("status", "--porcelain", "--untracked-files=normal").out
    return [line[3:] for line in listed.splitlines()]


def shortened(left: list[str], most: int) -> str:
    """Return names in a sentence, at most so many of them."""
    return ", ".join(left[:most]) + f" and {len(left) - most} more" * (len(left) > most)
