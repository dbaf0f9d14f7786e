"""The command release: publish a version of what was pushed, follow its run, show its image."""

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
SHOWN = 8  # files that are named
INTERRUPTED = (
    "If it is on GitHub already, nothing is published twice. This looks, and goes on:\n  {again}"
)


class Here(NamedTuple):
    """This folder, beside the repository on GitHub."""

    entry: dict[str, Any]  # its own one
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
        leave_uncommitted: whether to publish without what is not committed.

    Returns:
        0 where it is published, also before, 1 where it is not, 130 after Ctrl-C.
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
        print(f"{version} is on GitHub already, at this commit, so it is not released again.")
        left = uncommitted_files(SHOWN)
        if left:
            print(wrapped(f"It does not have what is not committed: {left}"))
    return follow(sought_run(entry, f"{TAGS}{version}", here.commit))


def _described(here: Here, version: str) -> str:
    """Return what is about to be published: the commit, its subject, and a branch that has it."""
    branch = _branch_with(here, list(here.heads)).removeprefix(HEADS)
    subject = git("log", "-1", "--format=%s").out.strip()
    return f"{version} is commit {here.commit[:12]} of {branch}: {subject[:60]}"


def _refuse_name(here: Here, version: str) -> None:
    """Refuse what cannot be published under this name.

    Raises:
        Problem: no version is named, the role does not trust it, or no image can have it as a tag.
    """
    refs, another = here.entry["refs"], release_line(here.next)
    if not version:
        newest = newest_of(here.published, here.next)
        text = f"The newest version is {newest}." if newest else "No version is published yet."
        raise Problem(f"{text} Name the one to publish:", another)
    if version not in published_of(refs, {version: ""}):
        trusted = " or ".join(trusted_tags(refs))
        text = (
            f"The role trusts the tags {trusted}, and not {version}, so nothing would be published."
        )
        raise Problem(f"{text} Name one that it trusts:", another)
    if not re.search("[0-9]", version):
        text = f"{version} has no number, so no version could follow it. Name one that has:"
        raise Problem(text, another)
    if not re.fullmatch(IMAGE_TAG, version):
        text = (
            f"{version} cannot be the tag of an image, which holds letters, digits, _ . and -, at"
        )
        part = " Write the name of a part behind the number, as in v1.2.0-web." * ("/" in version)
        raise Problem(f"{text} most 128. So nothing would be published.{part}", another)


def _judge(version: str) -> None:
    """Let the check judge this folder, as CI does.

    Raises:
        Problem: it has findings, or cannot judge.
    """
    done = run_check()
    if done.status:
        text = f"{done.out}{done.err}".strip()
        message = f"make check has found this, so nothing is published:\n{text}\nCorrect that. This"
        message += " offers the edits that can be made for you:"
        raise Problem(message, FIX, release_line(version))


def _refuse_older(here: Here, version: str, allowed: bool) -> None:
    """Refuse a version that is not above the newest one, which is likely a slip.

    Raises:
        Problem: it is older, or the same in other words, and nobody has allowed that.
    """
    newest = newest_of(here.published, version)
    mine, theirs = (order_of(one, version) for one in (version, newest))
    if mine and theirs and mine <= theirs and not allowed:
        how = "the same version as" if mine == theirs else "older than"
        text = f"{version} is {how} {newest}, which is published. If you mean it, add ARGS=--older."
        raise Problem(f"{text} Otherwise publish a newer one:", release_line(here.next))


def _refuse_local_tag(here: Here, version: str) -> None:
    """Refuse a version that names another commit in this folder.

    Raises:
        Problem: it does.
    """
    known = git("rev-parse", "--verify", "--quiet", f"{TAGS}{version}^{{commit}}").out.strip()
    if known not in ("", here.commit):
        text = f"The tag {version} is here, for another commit ({known[:12]}) than the one that is"
        text += f" checked out ({here.commit[:12]}). Publish this one under another version:"
        raise Problem(text, release_line(next_version(version)))


def _refuse_uncommitted(version: str) -> None:
    """Refuse to publish without what is not committed.

    Raises:
        Problem: something is not.
    """
    left = uncommitted_files(SHOWN)
    if left:
        text = f"Not committed, so {version} would not have it: {left}. To publish without it, add"
        lines = ("git add FILE && git commit && git push", release_line(version))
        raise Problem(f"{text} ARGS=--leave-uncommitted. To publish it, too:", *lines)


def _refuse_unpushed(here: Here, version: str) -> None:
    """Refuse a commit that GitHub does not have.

    Raises:
        Problem: no branch there has it.
    """
    if not (_branch_with(here, list(here.heads)) or _fetched_branch_with(here, list(here.heads))):
        text = f"The commits here are not on GitHub, so {version} would not have them."
        branch = git("symbolic-ref", "--quiet", "--short", "HEAD").out.strip()
        push = f"git push --set-upstream origin {shlex.quote(branch)}" if branch else "git push"
        raise Problem(text, push, release_line(version))


def _branch_with(here: Here, refs: list[str]) -> str:
    """Return the first of some branches on GitHub that has the commit; those at it come first."""
    at_it = [ref for ref in refs if here.heads[ref] == here.commit]
    return next(iter(at_it), "") or next(
        (ref for ref in refs if here.commit and contains(here.heads[ref], here.commit)), ""
    )


def _fetched_branch_with(here: Here, refs: list[str]) -> str:
    """Return the same, once the commits of others are known here."""
    git("fetch", "--quiet", "--no-tags", f"{page_of(here.name)}.git", *refs)
    return _branch_with(here, refs)


def _taken(here: Here, version: str) -> Problem:
    """Return the problem that a version names another commit."""
    runs = f"gh run list --repo {here.name} --workflow deploy.yml --branch {version}"
    return Problem(
        f"{version} is on GitHub already, for another commit ({here.tags[version][:12]}) than the"
        f" one that is checked out ({here.commit[:12]}). A published version never changes. Publish"
        " another one; the last line shows the runs of the one that is there:",
        release_line(here.next),
        runs,
    )


def _follow_push(here: Here, version: str) -> int:
    """Follow the run that a push has started, where pushes publish.

    Raises:
        Problem: a version was named, or the commit was not pushed.
    """
    if version:
        text = "Here every push to a trusted branch publishes, under the number of its run, so no"
        raise Problem(
            f"{text} version is named. This follows the run of the last push:", release_line()
        )
    trusted = here.entry["refs"]
    refs = [head for head in here.heads if any(ref_matches(head, ref) for ref in trusted)]
    found = _branch_with(here, refs) or _fetched_branch_with(here, refs)
    if not found:
        names = " or ".join(ref[len(HEADS) :] for ref in trusted)
        text = f"The commit that is checked out is not on {names} of {here.name}, so no run has"
        raise Problem(f"{text} published it.", "git push", release_line())
    return follow(sought_run(here.entry, found, here.commit))
