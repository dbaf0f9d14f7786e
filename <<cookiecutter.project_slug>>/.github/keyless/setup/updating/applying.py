"""A merge brought into the project: on a branch of its own, or not at all."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path, PurePosixPath

from keyless.console import Problem
from keyless.setup.updating.merging import BRANCH, Conflict, Merge, unmerged
from keyless.setup.updating.repository import ask, git

# What Git keeps of a command that is not finished, and what cancels it.
BEGUN = {
    "MERGE_HEAD": "merge --abort",
    "CHERRY_PICK_HEAD": "cherry-pick --abort",
    "REVERT_HEAD": "revert --abort",
    "rebase-merge": "rebase --abort",
    "rebase-apply": "rebase --abort",
    "BISECT_LOG": "bisect reset",
}


def require_clean(root: Path, command: str) -> None:
    """Go on if everything is committed: then nothing can be lost.

    Raises:
        Problem: something is not, or there is no commit.
    """
    inside = git(root, "rev-parse", "--show-prefix")
    if inside.status:
        raise Problem(
            f"{root} is not a Git repository, so your edits cannot be told from generated files."
            " Create a repository:",
            "git init && git add --all && git commit --message 'As it is'",
            command,
        )
    if inside.out.strip():
        raise Problem(
            f"{root} is a folder of another Git repository, so nothing can be updated: GitHub runs"
            " only the workflows of that repository. Move the project to a repository of its own."
        )
    if git(root, "rev-parse", "--verify", "--quiet", "HEAD").status:
        raise Problem("Nothing is committed here yet. Commit first.", "git add --all", "git commit")
    _require_nothing_begun(root, command)
    plain = ("--porcelain", "--untracked-files=no", "--ignore-submodules=dirty")
    edited = git(root, "status", *plain).out.splitlines()
    if edited:
        names = ", ".join(line[3:] for line in edited[:5])
        names += f" and {len(edited) - 5} more" * (len(edited) > 5)
        raise Problem(
            f"You have uncommitted edits: {names}. They would be mixed with the changes of the"
            " template, so nothing was changed. Commit them, or put them aside (git stash pop"
            " brings them back):",
            "git stash",
            command,
        )


def require_same(root: Path, merged: Merge, command: str) -> None:
    """Go on if nothing was edited or committed since the merge: somebody may think for an hour.

    Raises:
        Problem: something was.
    """
    require_clean(root, command)
    what = "The last commit cannot be read"
    if ask(root, what, "rev-parse", "HEAD") != ask(merged.clone, what, "rev-parse", "HEAD"):
        raise Problem(
            "You have checked out another commit since the merge began, so nothing was changed."
            " Start again:",
            command,
        )


def _require_nothing_begun(root: Path, command: str) -> None:
    """Go on if no command of Git waits to be continued: bringing things back would end it.

    Raises:
        Problem: one does.
    """
    for file, what in BEGUN.items():
        path = git(root, "rev-parse", "--git-path", file).out.rstrip("\n")
        if (root / path).exists():
            raise Problem(
                f"A git {what.split()[0]} is not finished here, so nothing was changed. Finish it,"
                " or cancel it:",
                f"git {what}",
                command,
            )


def committer(root: Path) -> dict[str, str]:
    """Return the variables that tell Git who commits here.

    Raises:
        Unfinished: Git does not know.
    """
    what = 'Git does not know who you are. Type git config user.email "you@example.org"'
    said = ask(root, what, "var", "GIT_COMMITTER_IDENT")
    name, _, rest = said.partition(" <")
    mail = rest.partition(">")[0]
    who = {"NAME": name, "EMAIL": mail}
    return {f"GIT_{role}_{key}": who[key] for role in ("AUTHOR", "COMMITTER") for key in who}


def free_branch(root: Path, name: str) -> str:
    """Return a name that no branch has yet: this one, or one with a number behind it."""
    number = 1
    while True:
        branch = name if number == 1 else f"{name}-{number}"
        if git(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}").status:
            return branch
        number += 1


def require_free(root: Path, merged: Merge) -> None:
    """Go on if nothing is in the way of the new files.

    An ignored file would be overwritten without a word. (Tried, Git 2.39.)

    Raises:
        Problem: something is.
    """
    added = _added(merged)
    known = set(ask(root, "Files cannot be listed", "ls-files", "-z").split("\0"))
    known |= {str(folder) for path in known for folder in PurePosixPath(path).parents}
    there = [place for path in added for place in _taking(root, path) if place not in known]
    if there:
        name = shlex.quote(there[0])
        raise Problem(
            f"{there[0]} is not in Git, and a new file of the template needs this name. It would"
            " overwrite yours, so nothing was changed. Commit your file, or move it away:",
            f"mv {name} {name}.mine",
        )


def _taking(root: Path, path: str) -> list[str]:
    """Return what stands where a file is to be written: it, or a file where its folder should be.

    A folder of that name is passed over where Git knows it, and then moves the file aside.
    """
    folders = [each for each in PurePosixPath(path).parents if not (root / each).is_dir()]
    return [str(each) for each in (PurePosixPath(path), *folders) if os.path.lexists(root / each)]


def way_back(root: Path) -> list[str]:
    """Return the arguments of git that bring back what is checked out now: a branch, or a commit.

    Raises:
        Unfinished: Git cannot say it.
    """
    name = git(root, "symbolic-ref", "--quiet", "--short", "HEAD").out.strip()
    if name:
        return ["switch", name]
    commit = ask(root, "The last commit cannot be read", "rev-parse", "HEAD")
    return ["switch", "--detach", commit]


def apply(root: Path, merged: Merge, branch: str) -> list[Conflict]:
    """Commit a merge on a new branch of the project; with conflicts, leave them to be resolved.

    If it is interrupted, or fails, the project is as it was before.

    Returns:
        The conflicts.

    Raises:
        Problem: Git refuses.
    """
    back = way_back(root)
    quiet = ("--quiet", "--no-tags", "--no-recurse-submodules")
    try:
        what = "The merge cannot be brought here"
        ask(root, what, "fetch", *quiet, str(merged.clone), f"refs/heads/{BRANCH}")
        ask(root, f"The branch {branch} cannot be created", "checkout", "--quiet", "-b", branch)
        done = git(root, "cherry-pick", "--allow-empty", merged.commit)
        conflicts = unmerged(root)
        if done.status and not conflicts:
            raise Problem(f"Git cannot commit the merge, so nothing was changed:\n{done.said}")
    except BaseException:
        _restore(root, merged, back, branch)
        raise
    return conflicts


def _added(merged: Merge) -> list[str]:
    listed = ("diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=A")
    sides = (f"{merged.commit}^", merged.commit)
    found = ask(merged.clone, "The new files cannot be listed", *listed, *sides)
    return [path for path in found.split("\0") if path]


def _restore(root: Path, merged: Merge, back: list[str], branch: str) -> None:
    """Bring back what was checked out, and remove the branch, if it is there."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if git(root, "symbolic-ref", "--quiet", "--short", "HEAD").out.strip() == branch:
        git(root, "cherry-pick", "--abort")
        git(root, "reset", "--quiet", "--hard")
        git(root, *back, "--quiet")
        known = set(git(root, "ls-files", "-z").out.split("\0"))
        for path in _added(merged):  # written, and not yet known to Git
            if path not in known and (root / path).is_file():
                (root / path).unlink()
    git(root, "branch", "--quiet", "-D", branch)
