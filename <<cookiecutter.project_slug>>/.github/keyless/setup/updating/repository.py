"""Git in a repository that is named: the project, copies of it, and the template."""

from __future__ import annotations

import os
from pathlib import Path

from keyless.gh import github_host
from keyless.programs import Done, run
from keyless.setup.retry import require

# Neither the hooks of a team nor its settings decide what a merge does. With directoryRenames Git
# would move files of the team into folders that the template has renamed. (Tried, Git 2.30, 2.39.)
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.quotePath": "false",
    "merge.directoryRenames": "false",
    "merge.renames": "true",
    "rerere.enabled": "false",
    "advice.detachedHead": "false",
}
_LEADING_ELSEWHERE = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
)


def stay_in_folders() -> None:
    """Forget what Git hands on to its hooks and aliases: it would lead to another repository."""
    for name in _LEADING_ELSEWHERE:
        os.environ.pop(name, None)


def git(
    folder: Path, *arguments: str, given: str | None = None, known: dict[str, str] | None = None
) -> Done:
    """Run git in a folder, without the hooks of a team; for GitHub it gets gh's login, too.

    Args:
        folder: of the repository, or one in it.
        arguments: the command of git and its options.
        given: what it reads.
        known: further variables of its environment.
    """
    settings = [f"{key}={value}" for key, value in _SETTINGS.items()]
    if arguments[0] in ("clone", "fetch"):  # further to the login that git itself has
        helper = f"credential.https://{github_host()}.helper"
        settings.append(f"{helper}=!gh auth git-credential")
    options = [part for setting in settings for part in ("-c", setting)]
    return run("git", *options, *arguments, root=folder, given=given, known=known)


def ask(folder: Path, what: str, *arguments: str, **further: object) -> str:
    """Return what git prints, without the last line break.

    Args:
        folder: of the repository.
        what: what its failure means.
        arguments: the command of git and its options.
        further: as `git` takes it.

    Raises:
        Unfinished: it has failed.
    """
    done = git(folder, *arguments, **further)  # type: ignore[arg-type]
    require(done, what)
    return done.out.rstrip("\n")
