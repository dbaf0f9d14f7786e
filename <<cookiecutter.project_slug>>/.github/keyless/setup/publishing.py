"""Versions: the first one, the next one, those that are published, and how to publish one."""

from __future__ import annotations

import re
import shlex
from typing import Any

from keyless.gh import Denied, denied
from keyless.model.refs import ref_matches
from keyless.programs import run
from keyless.release.job_environment import Release
from keyless.release.versions import version_order
from keyless.setup.following import Sought
from keyless.setup.git import git
from keyless.setup.remedies import publishing_refused
from keyless.setup.service_files import publishes_releases

TAGS, HEADS = "refs/tags/", "refs/heads/"


def release_line(version: str = "", options: str = "") -> str:
    """Return the command that publishes a version, or follows the run of the pushed commit."""
    named = f" VERSION={shlex.quote(version)}" * bool(version)
    return f"make release{named}" + f" ARGS={options}" * bool(options)


def trusted_tags(refs: list[str]) -> list[str]:
    """Return the names of the tags that a role trusts; a * may end one."""
    return [ref[len(TAGS) :] for ref in refs if ref.startswith(TAGS)]


def first_version(refs: list[str]) -> str:
    """Return a version that a role trusts, to begin with: v0.1.0 for v*, v1.0.0 for v1.*."""
    tag = trusted_tags(refs)[0]
    if not tag.endswith("*"):
        return tag
    start = tag[:-1]
    given = re.findall("[0-9]+", re.split("[^0-9.]", start)[-1])
    rest = ("0.1.0", "0.0", "0")[min(len(given), 2)]
    return f"{start}{'.' * start[-1:].isdigit()}{rest}"


def next_version(version: str) -> str:
    """Return the version after another one: its last number is one more."""
    following = re.sub(r"[0-9]+(?=\D*$)", lambda last: str(int(last[0]) + 1), version)
    return following if following != version else f"{version}-2"


def next_release(refs: list[str], published: list[str]) -> str:
    """Return a version that a role trusts, and that is newer than those that are published."""
    if not published:
        return first_version(refs)
    newest = newest_of(published, first_version(refs))
    following = next_version(newest)
    if newest and published_of(refs, {following: ""}):
        return following
    return trusted_tags(refs)[0].replace("*", "X.Y.Z")


def published_of(refs: list[str], tags: dict[str, str]) -> list[str]:
    """Return the versions among the tags on GitHub: those that a role trusts."""
    trusted = [ref for ref in refs if ref.startswith(TAGS)]
    return [tag for tag in tags if any(ref_matches(f"{TAGS}{tag}", pattern) for pattern in trusted)]


def newest_of(versions: list[str], like: str) -> str:
    """Return the newest of some versions, by their numbers; empty if none has numbers."""
    order = {one: order_of(one, like) for one in versions}
    known = [one for one in versions if order[one] is not None]
    return max(known, key=lambda one: order[one] or ([], False, ""), default="")


def order_of(version: str, like: str) -> tuple[list[int], bool, str] | None:
    """Return what to compare versions of the form of `like` by; None if it is not one."""
    return version_order(Release("", "", like, "", ""), version)


def publish(name: str, version: str, commit: str) -> None:
    """Publish a commit under a version: as a release, or as a tag where tags publish.

    Args:
        name: of the repository, OWNER/NAME.
        version: the tag.
        commit: one that GitHub has.

    Raises:
        Problem: GitHub refuses it.
    """
    here = git("rev-parse", "--verify", "--quiet", f"{TAGS}{version}").status == 0
    if publishes_releases():
        if here:  # as it is, perhaps with a message or a signature
            _push_tag(version)
        which = ("--repo", name, "--generate-notes", "--target", commit)
        done = run("gh", "release", "create", version, *which)
        if done.status:
            raise publishing_refused(denied(done), version, _anew(version))
        return
    if not here:
        git("tag", version, commit)
    _push_tag(version)


def _push_tag(version: str) -> None:
    done = git("push", "--quiet", "origin", f"{TAGS}{version}")
    if done.status:
        refused = Denied(422 if "rejected" in done.err else 0, " ".join(done.said.split()))
        raise publishing_refused(refused, version, _anew(version))


def _anew(version: str) -> str:
    return release_line(next_version(version))


def sought_run(entry: dict[str, Any], ref: str, commit: str) -> Sought:
    """Return the run to look for after a ref of an entry was pushed or published."""
    version = ref[len(TAGS) :] if ref.startswith(TAGS) else ""
    again = release_line(version)
    anew = ("git add FILE && git commit && git push", _anew(version) if version else again)
    name = str(entry["github_repository"])
    return Sought(name, ref, commit, entry.get("environment"), again, anew)
