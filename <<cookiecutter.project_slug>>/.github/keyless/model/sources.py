"""What a build is made of: this commit, something else, or nothing that is checked out."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from keyless.model.documents import Mapping
from keyless.model.following import Visit
from keyless.model.jobs import Job
from keyless.model.state import OWN_COMMIT, Tree

REMOTE = r"(https?|ssh|git)://|git@|github\.com/"
# build-push-action's default: the commit that started the run, taken from GitHub.
DEFAULT = r"\{\{\s*defaultContext\s*\}\}(:(?P<folder>.*))?"


class Source(NamedTuple):
    """What a build reads."""

    context: str  # the input, with what is known filled in
    folder: str | None  # in the workspace, or in this repository; None where it is elsewhere
    remote: bool  # whether it is taken from GitHub, not from the workspace
    other: str  # what it is if not the commit that started the run; empty for that
    checkout: Tree | None  # what is checked out there
    known: bool  # whether all of this is known before the run


def source_of(job: Job, visit: Visit) -> Source:
    """Return what a build reads that runs in a world."""
    context = job.input(visit.step, "context")
    default = re.fullmatch(DEFAULT, context or "{{defaultContext}}")
    if default:
        folder = posixpath.normpath(default["folder"] or ".")
        return Source(context, folder, True, "", None, True)
    if re.match(REMOTE, context):
        return Source(context, None, True, _other_than_this(job, context), None, True)
    if context == "-" or context.startswith(("/", "$", "~")) or "${{" in context:
        own = re.fullmatch(r"\$\{\{\s*github\.workspace\s*\}\}(?P<folder>/[^$]*)?", context)
        if not own:
            return Source(context, None, False, "", None, False)
        context = (own["folder"] or "/.")[1:]
    folder = posixpath.normpath(context)
    tree = visit.before.tree_of(folder)
    other = tree.repository or tree.ref if tree else ""
    return Source(context, folder, False, other, tree, True)


def _other_than_this(job: Job, address: str) -> str:
    """Return a Git address if it is not that of the commit that started the run."""
    own = str(job.known.get("github.repository", "${{ github.repository }}"))
    match = re.fullmatch(r".*?github\.com[:/](?P<name>.+?)(\.git)?#(?P<ref>[^:]*)(:.*)?", address)
    named = re.sub(r"\s", "", match["name"]).lower() if match else ""
    this = named in (own.lower(), "${{github.repository}}")
    commit = match and match["ref"] and re.fullmatch(OWN_COMMIT, match["ref"])
    return "" if this and commit else address


def dockerfile_of(job: Job, step: Mapping, source: Source) -> str | None:
    """Return the path of a build's Dockerfile in this repository, None where it is elsewhere."""
    file = job.input(step, "file")
    folder = source.folder
    if not source.known or folder is None or re.search(r"\$\{\{|://|^[/~]|^-$", file):
        return None
    name = posixpath.normpath(posixpath.join(folder, file or "Dockerfile"))
    if file and not source.remote:  # it counts from the root of the workspace
        name = posixpath.normpath(file)
    tree = source.checkout
    if tree and tree.folder != ".":
        inside = name.startswith(f"{tree.folder}/") and not tree.repository
        return name[len(tree.folder) + 1 :] if inside else None
    return name
