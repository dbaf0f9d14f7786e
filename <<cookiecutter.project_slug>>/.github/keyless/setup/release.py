"""The command release: publish a version of a pushed commit, follow its run, show its image."""

from __future__ import annotations

import re
import shlex
from typing import Any, NamedTuple

from keyless.console import Problem, print_problem, wrapped
from keyless.gh import page_of
from keyless.model.account import read_account
from keyless.model.refs import ref_matches
from keyless.model.tags import IMAGE_TAG
from keyless.paths import ROOT
from keyless.setup import session
from keyless.setup.contract import run_check
from keyless.setup.following import follow
from keyless.setup.git import contains, git, head_commit, refs_on_github, uncommitted_files
from keyless.setup.project import own_key
from keyless.setup.publishing import (
    HEADS,
    TAGS,
    newest_of,
    next_release,
    next_version,
    order_of,
    publish,
    published_of,
    release_line,
    sought_run,
    trusted_tags,
)
from keyless.setup.tools import missing_for_release

FIX = "make check ARGS=--fix"
SHOWN = 8  # uncommitted files that a message lists
INTERRUPTED = "Nothing is published twice. To continue, type the same command again:\n  {again}"


class Here(NamedTuple):
    """This folder and the repository on GitHub, to compare them."""

    entry: dict[str, Any]  # this repository's own entry
    heads: dict[str, str]  # commits on GitHub, by the refs of branches
    tags: dict[str, str]  # by the names of tags
    commit: str  # that is checked out

    @property
    def name(self) -> str:
        """OWNER/NAME."""
        return str(self.entry["github_repository"])

    @property
    def published(self) -> list[str]:
        """The versions that are on GitHub."""
        return published_of(self.entry["refs"], self.tags)

    @property
    def next(self) -> str:
        """A version that is not published yet."""
        return next_release(self.entry["refs"], self.published)


def main(version: str, older: bool, leave_uncommitted: bool) -> int:
    """Publish a version, and follow its run.

    Args:
        version: its tag; empty where pushes to a branch publish.
        older: whether a newer version may be published already.
        leave_uncommitted: whether to publish even if files are not committed.

    Returns:
        0 if it is published, now or before; 1 if it is not; 130 after Ctrl-C.
    """
    again = release_line(version)
    return session.run(again, lambda: _release(version, older, leave_uncommitted), INTERRUPTED)


def _release(version: str, older: bool, leave_uncommitted: bool) -> int:
    missing = missing_for_release()
    for problem in missing:
        print_problem(problem)
    if missing:
        return 1
    account = read_account(ROOT)
    entry = account.entries[own_key(account)]
    name = str(entry["github_repository"])
    here = Here(entry, *refs_on_github(name, f"{page_of(name)}.git"), head_commit())
    if not trusted_tags(entry["refs"]):
        return _follow_push(here, version)
    _refuse_name(here, version)
    if version not in here.tags:
        _judge(version)
        _refuse_older(here, version, older)
        _refuse_local_tag(here, version)
        if not leave_uncommitted:
            _refuse_uncommitted(version)
        _refuse_unpushed(here, version)
        print(_described(here, version))
        publish(here.name, version, here.commit)
        print(f"{version} is on GitHub now: {page_of(name)}/releases/tag/{version}")
    elif here.tags[version] != here.commit:
        raise _taken(here, version)
    else:
        print(f"{version} is already on GitHub for this commit, so it is not released again.")
        left = uncommitted_files(SHOWN)
        if left:
            print(wrapped(f"It does not contain what is not committed: {left}"))
    return follow(sought_run(entry, f"{TAGS}{version}", here.commit))


def _described(here: Here, version: str) -> str:
    """Return what will be published: the commit, its message, and a branch that contains it."""
    branch = _branch_with(here, list(here.heads)).removeprefix(HEADS)
    subject = git("log", "-1", "--format=%s").out.strip()
    return f"{version} is commit {here.commit[:12]} of {branch}: {subject[:60]}"


def _refuse_name(here: Here, version: str) -> None:
    """Refuse a version that cannot be published.

    Raises:
        Problem: it is empty, the role does not trust it, or it is not a valid tag of an image.
    """
    refs, another = here.entry["refs"], release_line(here.next)
    if not version:
        newest = newest_of(here.published, here.next)
        text = f"The newest version is {newest}." if newest else "No version is published yet."
        raise Problem(f"{text} Enter the version to publish:", another)
    if version not in published_of(refs, {version: ""}):
        trusted = " or ".join(trusted_tags(refs))
        text = f"The role trusts the tags {trusted}, but not {version}, so the release would fail."
        raise Problem(f"{text} Use a version that the role trusts:", another)
    if not re.search("[0-9]", version):
        text = f"{version} contains no number, so there is no next version. Use one with a number:"
        raise Problem(text, another)
    if not re.fullmatch(IMAGE_TAG, version):
        text = f"{version} is not a valid tag of an image, so the release would fail. Use only"
        text += " letters, digits, '_', '.' and '-', at most 128."
        part = " Write a name after the number, such as v1.2.0-web." * ("/" in version)
        raise Problem(f"{text}{part}", another)


def _judge(version: str) -> None:
    """Run the check on this folder, as CI does.

    Raises:
        Problem: it has findings, or cannot judge.
    """
    done = run_check()
    if done.status:
        text = f"{done.out}{done.err}".strip()
        message = f"make check has findings, so nothing is published:\n{text}\nCorrect them. This"
        message += " command can make some of the edits for you:"
        raise Problem(message, FIX, release_line(version))


def _refuse_older(here: Here, version: str, allowed: bool) -> None:
    """Refuse a version that is not newer than the newest one: it is probably a typing mistake.

    Raises:
        Problem: it is older, or the same number in another form, and ARGS=--older was not given.
    """
    newest = newest_of(here.published, version)
    mine, theirs = (order_of(one, version) for one in (version, newest))
    if mine and theirs and mine <= theirs and not allowed:
        how = "the same version as" if mine == theirs else "older than"
        text = f"{version} is {how} {newest}, which is already published. Publish a newer version."
        raise Problem(f"{text} To publish it anyway, add ARGS=--older.", release_line(here.next))


def _refuse_local_tag(here: Here, version: str) -> None:
    """Refuse a version that names another commit in this folder.

    Raises:
        Problem: it does.
    """
    known = git("rev-parse", "--verify", "--quiet", f"{TAGS}{version}^{{commit}}").out.strip()
    if known not in ("", here.commit):
        text = f"In this folder, the tag {version} names another commit ({known[:12]}) than the one"
        text += f" that is checked out ({here.commit[:12]}). Publish under another version:"
        raise Problem(text, release_line(next_version(version)))


def _refuse_uncommitted(version: str) -> None:
    """Refuse to publish while files are not committed.

    Raises:
        Problem: a file is not committed.
    """
    left = uncommitted_files(SHOWN)
    if left:
        text = f"{version} would not contain what is not committed: {left}. To publish anyway, add"
        lines = ("git add FILE && git commit && git push", release_line(version))
        raise Problem(f"{text} ARGS=--leave-uncommitted. To include it:", *lines)


def _refuse_unpushed(here: Here, version: str) -> None:
    """Refuse a commit that GitHub does not have.

    Raises:
        Problem: no branch on GitHub contains it.
    """
    if not (_branch_with(here, list(here.heads)) or _fetched_branch_with(here, list(here.heads))):
        text = f"Your last commit is not on GitHub, so {version} would not contain it. Push it:"
        branch = git("symbolic-ref", "--quiet", "--short", "HEAD").out.strip()
        push = f"git push --set-upstream origin {shlex.quote(branch)}" if branch else "git push"
        raise Problem(text, push, release_line(version))


def _branch_with(here: Here, refs: list[str]) -> str:
    """Return a branch on GitHub that contains the commit; best one whose last commit it is."""
    at_it = [ref for ref in refs if here.heads[ref] == here.commit]
    return next(iter(at_it), "") or next(
        (ref for ref in refs if here.commit and contains(here.heads[ref], here.commit)), ""
    )


def _fetched_branch_with(here: Here, refs: list[str]) -> str:
    """Fetch the commits of others, and return the same."""
    git("fetch", "--quiet", "--no-tags", f"{page_of(here.name)}.git", *refs)
    return _branch_with(here, refs)


def _taken(here: Here, version: str) -> Problem:
    """Return the problem that GitHub has the version for another commit."""
    runs = f"gh run list --repo {here.name} --workflow deploy.yml --branch {version}"
    return Problem(
        f"{version} is already on GitHub for another commit ({here.tags[version][:12]}) than the"
        f" one that is checked out ({here.commit[:12]}). A published version never changes. Publish"
        f" another version. The second command shows the runs of {version}:",
        release_line(here.next),
        runs,
    )


def _follow_push(here: Here, version: str) -> int:
    """Follow the run that a push has started, if pushes publish.

    Raises:
        Problem: a version was given, or the commit was not pushed.
    """
    if version:
        text = (
            "In this repository every push to a trusted branch publishes, under the number of its"
        )
        text += " run. So you cannot choose a version. To follow the run of the last push:"
        raise Problem(text, release_line())
    trusted = here.entry["refs"]
    refs = [head for head in here.heads if any(ref_matches(head, ref) for ref in trusted)]
    found = _branch_with(here, refs) or _fetched_branch_with(here, refs)
    if not found:
        names = " or ".join(ref[len(HEADS) :] for ref in trusted)
        text = f"The commit that is checked out is not on {names} of {here.name}, so no run has"
        raise Problem(f"{text} published it. Push it:", "git push", release_line())
    return follow(sought_run(here.entry, found, here.commit))
