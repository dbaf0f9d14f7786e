"""What is in effect in the middle of a job: credentials, logins and what is checked out."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from keyless.model.documents import Mapping
from keyless.model.environment import written_variables
from keyless.model.jobs import Job
from keyless.model.workflows import CHECKOUT, CREDENTIALS, DOCKER_LOGIN, LOGIN, script_of

OWN_COMMIT = r"((refs/tags/)?\$\{\{\s*github\.(sha|ref|ref_name)\s*\}\})?"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class Tree(NamedTuple):
    """What one step has checked out, and into which folder ("." is the workspace)."""

    folder: str
    step: Mapping
    repository: str  # empty for this one
    ref: str  # empty for the commit that started the run


class State(NamedTuple):
    """What is in effect before a step."""

    credentials: Mapping | None  # the step that they come from
    logins: tuple[Mapping, ...]  # steps that logged in to a registry
    trees: tuple[Tree, ...]
    gone: tuple[Tree, ...] = ()  # what a later checkout has removed

    def tree_of(self, folder: str) -> Tree | None:
        """Return what is checked out in a folder of the workspace, the innermost."""
        fitting = [
            tree
            for tree in self.trees
            if tree.folder in (".", folder) or folder.startswith(f"{tree.folder}/")
        ]
        return max(fitting, key=lambda tree: len(tree.folder) * (tree.folder != "."), default=None)


NOTHING = State(None, (), ())


def ends_logins(step: Mapping) -> bool:
    """Tell whether a script removes what the logins before have left."""
    home = r"(~|\$HOME|\$\{HOME\})/\.docker\b"
    return bool(re.search(rf"\bdocker\s+logout\b|\brm\s[^\n]*{home}", script_of(step)))


def after_step(job: Job, step: Mapping, state: State) -> State:
    """Return what is in effect after a step that has run."""
    action, script = step.action(), script_of(step)
    if action.startswith(f"{CHECKOUT}@"):
        tree = _checked_out(job, step)
        kept = tuple(each for each in state.trees if tree.folder not in (".", each.folder))
        gone = tuple(each for each in state.trees if each not in kept and each.folder != ".")
        return state._replace(trees=(*kept, tree), gone=(*state.gone, *gone))
    if action.startswith(f"{CREDENTIALS}@"):
        exported = job.input(step, "output-env-credentials").lower() != "false"
        return state._replace(credentials=step) if exported else state
    if action.startswith((f"{LOGIN}@", f"{DOCKER_LOGIN}@")) or "docker login" in script:
        return state._replace(logins=(*state.logins, step))
    if ends_logins(step):
        state = state._replace(logins=())
    if {*KEYS} & {*written_variables(script, step.files)}:
        state = state._replace(credentials=step)
    return state


def _checked_out(job: Job, step: Mapping) -> Tree:
    folder = posixpath.normpath(job.input(step, "path") or ".")
    name = job.input(step, "repository")
    own = job.known.get("github.repository", "")
    if name == "${{ github.repository }}" or (own and name.lower() == own.lower()):
        name = ""
    ref = job.input(step, "ref")
    return Tree(folder, step, name, "" if re.fullmatch(OWN_COMMIT, ref) else ref)
