"""Three-way merge: what the template rendered then and renders now, and what the team has made.

Git merges, in a clone. What is not Git's to decide is decided before, in the two trees that it
gets: where the first one equals what the team has, the second one is simply taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from keyless.console import Problem
from keyless.setup.updating.deciding import Sides, decide, naming_what_is_gone
from keyless.setup.updating.repository import ask, git
from keyless.setup.updating.trees import object_of, read, read_tree, tree_of_head, write_tree

BRANCH = "keyless-update"  # in the clone


class Conflict(NamedTuple):
    """A file that both sides have changed, and how."""

    path: str
    what: str


class Merge(NamedTuple):
    """What a merge leads to, in a clone of the project."""

    clone: Path  # in which the result is checked out
    commit: str  # whose difference to its parent is what is to be picked; empty for no change
    conflicts: list[Conflict]
    edited: set[str]  # the files that the team has edited
    replaced: set[str]  # the files of the tool, old and new
    tool_edited: list[str]  # those among them that the team has edited
    left: list[str]  # what the template has changed and the team keeps as it is, in words


def clone_of(root: Path, folder: Path) -> Path:
    """Clone a project, with its last commit checked out; nothing is copied but the files.

    Raises:
        Unfinished: Git cannot.
    """
    quiet = ("--quiet", "--shared", "--no-checkout")
    ask(folder.parent, "The project cannot be cloned", "clone", *quiet, str(root), str(folder))
    url = git(root, "config", "--get", "remote.origin.url").out.strip()
    for key, value in {
        "core.autocrlf": "false",
        "core.safecrlf": "false",
        "remote.origin.url": url or str(root),  # the check asks for it
        "commit.gpgSign": "false",
    }.items():
        ask(folder, "The clone cannot be set up", "config", key, value)
    head = ask(root, "The last commit cannot be read", "rev-parse", "HEAD")
    ask(folder, "The last commit cannot be checked out", "checkout", "--quiet", "--detach", head)
    return folder


def merge(
    clone: Path, old: dict[str, Path], new: dict[str, Path], message: str, known: dict[str, str]
) -> Merge:
    """Merge in a clone of the project, and leave the result checked out there.

    Args:
        clone: of the project.
        old: the files that the template rendered then, by path.
        new: those that it renders now.
        message: of the commit.
        known: the variables that tell Git who commits.

    Raises:
        Unfinished: Git cannot.
    """
    sides = Sides(clone, old, new)
    replaced, tool_edited = decide(sides)
    commit, conflicts = _pick(sides, message, known)
    rendered, ours = sides.rendered, sides.ours
    edited = {path for path in rendered if path in ours and ours[path] != rendered[path]}
    left = [*sides.left, *naming_what_is_gone(clone, replaced - {*sides.theirs})]
    return Merge(clone, commit, conflicts, edited, replaced, tool_edited, left)


def _pick(sides: Sides, message: str, known: dict[str, str]) -> tuple[str, list[Conflict]]:
    """Let Git merge in the clone; return the commit that was picked, and the conflicts."""
    clone = sides.clone
    trees = [write_tree(clone, tree) for tree in (sides.base, sides.theirs)]
    if trees[0] == trees[1]:
        return "", []
    what = "The merge cannot be prepared"
    head = ask(clone, what, "rev-parse", "HEAD")
    then = ("commit-tree", trees[0], "-p", head, "-m", "Then")  # so that few objects are fetched
    parent = ask(clone, what, *then, known=known)
    commit = ask(clone, what, "commit-tree", trees[1], "-p", parent, given=message, known=known)
    ask(clone, what, "reset", "--quiet", "--hard", head)
    ask(clone, what, "update-ref", f"refs/heads/{BRANCH}", commit)
    done = git(clone, "cherry-pick", "--no-commit", commit)
    conflicts = unmerged(clone)
    if done.status and not conflicts:
        raise Problem(f"Git cannot merge, so nothing was changed:\n{done.said}")
    return commit, conflicts


def unmerged(folder: Path) -> list[Conflict]:
    """Return the files that Git could not merge, and why."""
    meanings = {
        "UU": "both sides have changed the same lines",
        "AA": "both sides have added it",
        "DU": "deleted or renamed here, changed in the template",
        "UD": "changed here, removed from the template",
        "AU": "renamed here or in the template, to two names",
        "UA": "renamed here or in the template, to two names",
        "DD": "renamed on both sides, to two names",
    }
    plain = ("--porcelain", "-z", "--untracked-files=no", "--no-renames")
    listed = git(folder, "status", *plain).out.split("\0")
    found = [(one[:2], one[3:]) for one in listed if one[:2] in meanings]
    aside = "put aside by Git: on the other side this name is a folder or a link"
    return [
        Conflict(path, aside if status in ("AU", "UA") and "~" in path else meanings[status])
        for status, path in found
    ]


def again(merged: Merge, paths: list[str], known: dict[str, str]) -> Merge:
    """Take files of the clone, as they are now, into what is to be picked: a command wrote them.

    Args:
        merged: without conflicts.
        paths: of files that the template does not render.
        known: the variables that tell Git who commits.
    """
    clone, what = merged.clone, "The files of services/ cannot be merged"
    trees = []
    for commit, source in ((f"{merged.commit}^", "HEAD"), (merged.commit, "")):
        tree = read_tree(ask(clone, what, "ls-tree", "-r", "-z", commit))
        here = tree_of_head(clone) if source else {}
        for path in paths:
            tree.pop(path, None)
            if source and path in here:
                tree[path] = here[path]
            elif not source and (clone / path).is_file():
                tree[path] = ("100644", object_of(clone, read(clone / path)))
        trees.append(write_tree(clone, tree))
    message = ask(clone, what, "log", "-1", "--format=%B", merged.commit)
    then = ("commit-tree", trees[0], "-p", "HEAD", "-m", "Then")
    parent = ask(clone, what, *then, known=known)
    commit = ask(clone, what, "commit-tree", trees[1], "-p", parent, given=message, known=known)
    ask(clone, what, "update-ref", f"refs/heads/{BRANCH}", commit)
    return merged._replace(commit=commit)


def with_message(merged: Merge, message: str, known: dict[str, str]) -> Merge:
    """Give the commit that is to be picked its final message."""
    clone, what = merged.clone, "The commit cannot be written"
    new = ("commit-tree", f"{merged.commit}^{{tree}}", "-p", f"{merged.commit}^")
    commit = ask(clone, what, *new, given=message, known=known)
    ask(clone, what, "update-ref", f"refs/heads/{BRANCH}", commit)
    return merged._replace(commit=commit)
