"""The commit and the push: only what bootstrap has written, and nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from keyless.console import Problem
from keyless.gh import Denied, call_github
from keyless.model.files import repository_files
from keyless.model.scaffold import is_generated
from keyless.paths import ROOT, TFVARS
from keyless.programs import run
from keyless.setup.git import contains, git, head_commit
from keyless.setup.project import account_here
from keyless.setup.retry import AGAIN, require
from keyless.setup.service_files import SERVICES_FOLDER
from keyless.setup.steps.checkout import LOCK, Checkout
from keyless.setup.steps.situation import Step
from keyless.setup.values import without_own_values
from keyless.writing import read_text

SHOWN = 8  # files that are listed
GOING_ON = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "rebase-merge", "rebase-apply")


def look_at_commits(checkout: Checkout, texts: dict[str, str]) -> Iterator[Step]:
    """Yield the commit of what differs, and the push.

    Args:
        checkout: with what is known of the folder and of GitHub.
        texts: the files of bootstrap as they will be, by path.

    Raises:
        Problem: nothing can be committed, or GitHub would refuse the push.
    """
    head, branch = checkout.head, checkout.branch
    first = [
        "everything that .gitignore does not exclude" if checkout.all else "the generated files"
    ]
    files = _files_to_commit(checkout, texts) if head else first
    if files:
        yield Step(f"commit {' and '.join(files)}", lambda: _commit(checkout))
    tip = checkout.heads.get(f"refs/heads/{branch}", "")
    behind = tip not in ("", head) and not contains(head, tip)
    ahead = behind and not contains(tip, head)
    if files and head and _is_busy(branch):
        message = "A merge or a rebase is in progress here, or no branch is checked out, so"
        raise Problem(f"{message} nothing can be committed. To see which:", "git status", AGAIN)
    if (files or ahead) and behind:
        raise Problem(
            f"{branch} of {checkout.name} has commits that this folder does not have, so GitHub"
            " would refuse a push. Pull them first:",
            f"git pull --rebase origin {shlex.quote(branch)}",
            AGAIN,
        )
    if files or not checkout.heads or (tip not in ("", head) and not behind):
        unpushed = _unpushed(checkout)
        text = f", with {unpushed} commit{'s' * (unpushed > 1)} of yours" if unpushed else ""
        yield Step(f"push {branch} to {checkout.name}{text}", _push)


def _is_busy(branch: str) -> bool:
    """Return whether nothing can be committed: during a merge or rebase, or without a branch."""
    paths = [git("rev-parse", "--git-path", name).out.strip() for name in GOING_ON]
    return not branch or any((ROOT / path).exists() for path in paths)


def _unpushed(checkout: Checkout) -> int:
    """Return how many commits here are on no branch on GitHub."""
    tips = (f"^{tip}" for tip in checkout.known_tips())
    listed = git("rev-list", "--count", "HEAD", *tips).out
    return int(listed or 0) if checkout.head else 0


def _files_to_commit(checkout: Checkout, texts: dict[str, str]) -> list[str]:
    """Return the files of bootstrap that differ from the last commit, without others' edits."""
    listed = git("status", "--porcelain", "--untracked-files=all", "--", LOCK).out
    files = [LOCK] if listed and not checkout.lock_is_edited else []
    checkout.edited = []
    changed = []
    for path, text in texts.items():
        before = git("show", f"HEAD:{path}")
        is_values = path.endswith(".tfvars.json")
        others = is_values and without_own_values(before.out) != without_own_values(text)
        if before.status or others:
            checkout.edited.append(path)
        elif before.out.splitlines() != text.splitlines():
            changed.append(path)
    # services/ is made from the values, so it is committed together with them.
    waits = checkout.edited
    return files + [path for path in changed if not (waits and path.startswith(SERVICES_FOLDER))]


def _commit(checkout: Checkout) -> None:
    """Commit only what bootstrap has written; in the first commit, the generated files."""
    if not head_commit():
        if checkout.all:
            require(git("add", "--all"), "git add failed")
        else:
            ours = "\0".join(path for path in repository_files(ROOT) if is_generated(path))
            from_list = ("--pathspec-from-file=-", "--pathspec-file-nul")
            require(run("git", "add", *from_list, given=ours), "git add failed")
        require(git("add", "--force", "--", TFVARS), "git add failed")  # a clone needs it
        require(git("commit", "--quiet", "--message", "First commit"), "git commit failed")
        return
    outputs = [path for path in (ROOT / SERVICES_FOLDER).glob("*") if path.is_file()]
    names = (path.relative_to(ROOT).as_posix() for path in outputs)
    paths = sorted([*account_here(AGAIN).texts, *names])
    files = _files_to_commit(checkout, {path: read_text(ROOT / path) for path in paths})
    if files:
        require(git("add", "--", *files), "git add failed")
        message = ("--quiet", "--message", "Trust the subject that GitHub presents")
        require(git("commit", *message, "--", *files), "git commit failed")


def _push() -> None:
    """Push the branch; never with force.

    Raises:
        Problem: GitHub does not take it.
    """
    branch = git("symbolic-ref", "--short", "HEAD").out.strip()
    done = git("push", "--quiet", "--set-upstream", "origin", f"{branch}:refs/heads/{branch}")
    if done.status:
        raise Problem(
            f"GitHub refused the push. Everything before it is done.\n{done.said}\n"
            f"If {branch} is protected, open a pull request instead:",
            "git push origin HEAD:refs/heads/bootstrap",
            "gh pr create --head bootstrap --fill",
        )


def note_protection(checkout: Checkout) -> list[str]:
    """Return the note that a push may be refused, because the branch is protected.

    [REST API, "Get rules for a branch", "Get a branch"]
    """
    branch = checkout.branch
    if f"refs/heads/{branch}" not in checkout.heads:
        return []
    path = f"repos/{checkout.name}"
    try:
        rules = call_github(f"{path}/rules/branches/{branch}")
        guarded = bool(call_github(f"{path}/branches/{branch}")["protected"])
    except (Denied, LookupError, TypeError) as error:
        return [f"It is unknown whether {branch} of {checkout.name} is protected: {error}"]
    if not guarded and not {rule["type"] for rule in rules} & {"pull_request", "update"}:
        return []
    return [
        f"{branch} of {checkout.name} is protected, so GitHub may refuse the push at the end. What"
        " is done before stays. Then open a pull request with the commit."
    ]


def note_left(checkout: Checkout) -> list[str]:
    """Return the note on files that the first commit does not include."""
    if checkout.head or checkout.all:
        return []
    left = sorted(path for path in repository_files(ROOT) if not is_generated(path))
    if not left:
        return []
    names = ", ".join(left[:SHOWN]) + f" and {len(left) - SHOWN} more" * (len(left) > SHOWN)
    return [
        f"These files were not generated, so they are not committed, and not in a release: {names}."
        f" To commit all of them: {AGAIN} ARGS=--all"
    ]


def note_edits(checkout: Checkout) -> list[str]:
    """Return the note on files with values that have edits which are not committed."""
    if not checkout.edited:
        return []
    contain = "contain" if len(checkout.edited) > 1 else "contains"
    files = " and ".join(checkout.edited)
    return [f"{files} {contain} edits of yours. Commit them yourself."]
