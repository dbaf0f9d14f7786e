"""The target of a push: the folder's repository, its remote, and the history on GitHub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from keyless.console import Problem
from keyless.gh import github_host
from keyless.paths import ROOT
from keyless.setup.branch import missing_branch
from keyless.setup.git import git, head_commit, refs_on_github
from keyless.setup.github import find_repository
from keyless.setup.retry import AGAIN, require
from keyless.setup.steps.checkout import LOCK, Checkout
from keyless.setup.steps.situation import Step


def look_at_remote(checkout: Checkout, refs: list[str]) -> Iterator[Step]:
    """Find out where a push would go; yield the steps for a missing repository or remote.

    `refs` are what the role trusts.

    Raises:
        Problem: it would go to another repository, or overwrite somebody's commits.
    """
    top, url = git("rev-parse", "--show-toplevel"), ""
    if top.status and "not a git repository" not in top.err:
        raise Problem(f"git cannot read this folder:\n{top.said}", "git status")
    if top.status or Path(top.out.strip()).resolve() != ROOT:
        inside = f" (inside {top.out.strip()}, which stays as it is)" * (top.status == 0)
        text = f"turn this folder into a Git repository{inside}"
        yield Step(text, lambda: _init(checkout))
    else:
        _read_folder(checkout)
        urls = _remote_urls()
        for each in urls[1:]:  # a push goes to all of them
            list(look_at_url(checkout, each))
        if urls:
            url = urls[0]
            yield from look_at_url(checkout, url)
        else:
            yield Step(f"add the remote origin, {checkout.url()}", lambda: _add_remote(checkout))
    _compare_histories(checkout, url, refs)


def _init(checkout: Checkout) -> None:
    require(git("init", "--quiet", "--initial-branch=main"), "git init failed")
    _add_remote(checkout)


def _add_remote(checkout: Checkout) -> None:
    require(git("remote", "add", "origin", checkout.url()), "The remote was not added")


def _read_folder(checkout: Checkout) -> None:
    checkout.head = head_commit()
    checkout.branch = git("symbolic-ref", "--quiet", "--short", "HEAD").out.strip()
    checkout.lock_is_edited = "M" in git("status", "--porcelain", "--", LOCK).out[:2]


def _remote_urls() -> list[str]:
    """Return the URLs of origin for reading and pushing; the first one is for reading."""
    keys = [f"remote.origin.{key}" for key in ("url", "pushurl")]
    printed = [git("config", "--get-all", key).out.split("\n") for key in keys]
    return [url for urls in printed for url in urls if url]


def look_at_url(checkout: Checkout, url: str) -> Iterator[Step]:
    """Yield the step that gives the remote the repository's new name; none if it has it.

    Raises:
        Problem: it is another repository.
    """
    own = re.escape(github_host())
    way = rf"(?:https://(?:[^@/]*@)?|(?:ssh://)?[\w-]+@)(?:ssh\.)?{own}(?::443)?[:/]"
    match = re.fullmatch(rf"{way}(.+?)(?:\.git)?/?", url)
    if not match or not _same_repository(checkout, match[1]):
        shown = re.sub("//.*@", "//", url)  # it may contain a password
        raise Problem(
            f"The remote origin of this folder is {shown} instead of {checkout.name}, so nothing is"
            " pushed. Rename this remote. Then bootstrap adds a new origin:",
            "git remote rename origin upstream",
            AGAIN,
        )
    if match[1] != checkout.name:
        new = url[: match.start(1)] + checkout.name + url[match.end(1) :]
        rename = ("remote", "set-url", "origin", new)
        text = f"change the remote origin to {checkout.name}"
        yield Step(text, lambda: require(git(*rename), "The remote was not changed"))


def _same_repository(checkout: Checkout, name: str) -> bool:
    """Tell whether a name is that of the repository, or an older one."""
    if name.lower() == checkout.name.lower():
        return True
    other, own = find_repository(name), checkout.repository
    return bool(other and own and other.id == own.id)


def _compare_histories(checkout: Checkout, url: str, refs: list[str]) -> None:
    """Read the branches on GitHub, and refuse a push that does not match them."""
    name, branch = checkout.name, checkout.branch
    if checkout.repository:
        url = url or checkout.url()
        checkout.heads, checkout.tags = refs_on_github(name, url)
    if checkout.heads:
        _refuse_other_history(checkout, url)
    elif branch != "main" and f"refs/heads/{branch}" not in refs:
        here = f"the branch here is {branch}" if branch else "no branch is checked out here"
        line = "git branch -m main" if branch else "git switch main"
        message = f"{name} is empty, so the first push must be of main, but {here}:"
        raise Problem(message, line, AGAIN)


def refuse_missing_branch(checkout: Checkout, refs: list[str]) -> None:
    """Refuse a role that trusts only branches that GitHub lacks and bootstrap does not push.

    Raises:
        Problem: no push could publish.
    """
    repository, branch = checkout.repository, checkout.branch
    if repository and checkout.heads:  # an empty repository gets its first branch from here
        heads = [*checkout.heads, *[f"refs/heads/{branch}"] * bool(branch)]
        problem = missing_branch(checkout.name, refs, heads, repository.default_branch)
        if problem:
            raise problem


def _refuse_other_history(checkout: Checkout, url: str) -> None:
    """Refuse commits here that have nothing in common with those on GitHub."""
    heads, head = checkout.heads, checkout.head
    likely = (f"refs/heads/{checkout.branch}", "refs/heads/main", *heads)
    ref = next(ref for ref in likely if ref in heads)
    tip = heads[ref]
    if head and git("cat-file", "-e", f"{tip}^{{commit}}").status:
        require(git("fetch", "--quiet", "--no-tags", url, ref), f"git cannot read {ref}")
    if not head or git("merge-base", head, tip).status:
        raise Problem(
            f"{checkout.name} is not empty, and this folder is not a clone of it, so nothing is"
            " pushed. Choose another name for this repository, or add these files to a clone:",
            f'{AGAIN} ARGS="--repository {checkout.name}-2"',
            f"gh repo clone {checkout.name}",
        )
