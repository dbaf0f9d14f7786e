"""The first version: bootstrap publishes it where none is published, and follows its run."""

from __future__ import annotations

import contextlib

from keyless.console import Problem
from keyless.gh import Denied
from keyless.model.files import repository_files
from keyless.model.refs import ref_matches
from keyless.model.scaffold import is_generated
from keyless.paths import ROOT, WORKFLOWS
from keyless.setup.allowed_actions import actions_problem
from keyless.setup.following import follow
from keyless.setup.git import contains, git, head_commit, shortened, uncommitted
from keyless.setup.publishing import (
    HEADS,
    TAGS,
    first_version,
    next_release,
    publish,
    published_of,
    release_line,
    sought_run,
    trusted_tags,
)
from keyless.setup.retry import AGAIN
from keyless.setup.service_files import SERVICES_FOLDER, publishes_releases
from keyless.setup.steps.checkout import LOCK, Checkout
from keyless.setup.steps.situation import Situation

SHOWN = 5  # files that are listed


def look_at_version(situation: Situation, checkout: Checkout) -> None:
    """Add the step that publishes the first version, or note why it is not published.

    Args:
        situation: with all other steps, which come before this one.
        checkout: with what is known about the folder and GitHub.
    """
    refs, pushes = situation.entry["refs"], _pushed_branch(situation)
    situation.published = published_of(refs, checkout.tags)
    if not trusted_tags(refs):
        _look_at_branch(situation, pushes)
        return
    reason = _reason_against(situation, checkout)
    version = first_version(refs)
    if reason is None:
        situation.publishing = f"{TAGS}{version}"
        kind = "as a GitHub release" if publishes_releases() else "by its tag"
        text = f"publish {version} {kind}, and follow the run of deploy.yml that this starts"
        situation.add(text, lambda: _publish(situation, version))
        situation.notes.append(f"To set all this up without publishing: {AGAIN} ARGS=--no-release")
    elif reason:
        situation.notes.append(reason)


def _pushed_branch(situation: Situation) -> str:
    """Return the branch that a step pushes; empty if no step pushes."""
    pushed = [step.text.split()[1] for step in situation.steps if step.text.startswith("push ")]
    return pushed[0] if pushed else ""


def _look_at_branch(situation: Situation, pushed: str) -> None:
    """Add the step that follows the run which a push to a trusted branch starts."""
    starts = any(ref_matches(f"{HEADS}{pushed}", ref) for ref in situation.entry["refs"])
    if not (pushed and starts):
        if situation.options.no_release:
            situation.notes.append("--no-release has no effect: bootstrap publishes nothing here.")
        return
    if situation.options.no_release:
        text = f"The push to {pushed} publishes, also with --no-release. Its run is not followed."
        situation.notes.append(text)
        return
    situation.publishing = f"{HEADS}{pushed}"
    text = f"follow the run of deploy.yml that the push to {pushed} starts"
    situation.add(text, lambda: _refuse_switched_off(situation))


def _reason_against(situation: Situation, checkout: Checkout) -> str | None:
    """Return why no version is published (empty: no note is needed); None if one is published."""
    refs, branch = situation.entry["refs"], checkout.branch
    if situation.published:
        text = f"--no-release has no effect: {situation.published[-1]} is already published."
        return text if situation.options.no_release else ""
    if situation.options.no_release or not (ROOT / WORKFLOWS / "deploy.yml").is_file():
        return ""
    here = published_of(refs, dict.fromkeys(git("tag", "--list").out.split(), ""))
    later = release_line(here[-1] if here else first_version(refs))
    if here:
        return (
            f"The tag {here[-1]} exists here but not on GitHub, so nothing is published. To publish"
            f" it: {later}"
        )
    left = _left(situation, checkout)
    if left:
        text = "No version is published, because these files are not committed:"
        return f"{text} {shortened(left, SHOWN)}. Commit those that belong to it, then: {later}"
    default = situation.repository.default_branch if situation.repository else branch
    if checkout.heads and branch != default:
        text = f"No version is published from {branch or 'a commit without a branch'}, which is not"
        return f"{text} the default branch {default}. Once it is merged: {later}"
    tip = checkout.heads.get(f"{HEADS}{branch}", "")
    if tip not in ("", checkout.head) and not contains(checkout.head, tip):
        text = f"{branch} on GitHub has newer commits, so no version is published from here. Pull"
        return f"{text} them, then: {later}"
    return None


def _left(situation: Situation, checkout: Checkout) -> list[str]:
    """Return what bootstrap does not commit: the check judged it, but no release would have it."""
    if not checkout.head:
        ours = () if situation.options.all else repository_files(ROOT)
        return sorted(path for path in ours if not is_generated(path))
    own = {*situation.texts, *[LOCK] * (not checkout.lock_is_edited)} - {*checkout.edited}
    left = [path for path in uncommitted() if path not in own]
    return [path for path in left if not path.startswith(f"{SERVICES_FOLDER}/")]


def _publish(situation: Situation, version: str) -> None:
    """Publish a version of the commit that was pushed.

    Raises:
        Problem: GitHub does not start deploy.yml there, or refuses the version.
    """
    _refuse_switched_off(situation)
    publish(situation.name, version, head_commit())


def _refuse_switched_off(situation: Situation) -> None:
    """Refuse to publish from a new repository that starts no workflow; its owner may forbid that.

    Raises:
        Problem: it starts none.
    """
    if not situation.created:
        return
    with contextlib.suppress(Denied):  # only admins can see this
        found = actions_problem(situation.name)
        if isinstance(found, Problem):
            raise Problem(f"{found} Then publish:", *found.commands, later_line(situation))


def later_line(situation: Situation) -> str:
    """Return the command that publishes the next version, or follows the newest run."""
    refs = situation.entry["refs"]
    if not trusted_tags(refs):
        return release_line()
    return release_line(next_release(refs, situation.published))


def follow_up(situation: Situation) -> int:
    """Follow the run that the steps have started; return the exit status.

    Raises:
        Problem: no run appears, or GitHub gives no answer for a while.
    """
    if not situation.publishing:
        return 0
    print()
    return follow(sought_run(situation.entry, situation.publishing, head_commit()))
