"""The command bootstrap: find what the first image needs, print the steps, ask once, do them."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keyless.console import confirmed, print_problem, wrapped
from keyless.setup import session
from keyless.setup.credentials import for_terraform
from keyless.setup.retry import AGAIN
from keyless.setup.service_files import publishes_releases
from keyless.setup.state import states
from keyless.setup.steps.account import look_at_account, look_at_bucket, look_at_provider
from keyless.setup.steps.applying import IMPORTS
from keyless.setup.steps.checkout import Checkout
from keyless.setup.steps.commits import (
    look_at_commits,
    note_edits,
    note_left,
    note_protection,
)
from keyless.setup.steps.files import (
    look_at_files,
    note_fetching,
    note_stated_trust,
    plan_writing,
)
from keyless.setup.steps.judging import judge_before_github
from keyless.setup.steps.protection import look_at_environment, look_at_tags
from keyless.setup.steps.publishing import follow_up, look_at_version
from keyless.setup.steps.remote import look_at_remote, refuse_missing_branch
from keyless.setup.steps.report import report
from keyless.setup.steps.repositories import look_at_repositories
from keyless.setup.steps.situation import Situation
from keyless.setup.steps.states import look_at_state, read_states
from keyless.setup.terraform import IAC_TOOL
from keyless.setup.tools import missing_tools


@dataclass
class Progress:
    """The step that is being done; empty if there is none."""

    doing: str = ""


def main(options: argparse.Namespace) -> int:
    """Set up everything that the first image needs.

    Args:
        options: plan (only print the steps), yes (do not ask), public and repository (of the
            repository that is created), ruleset, immutable_releases, all, no_release (publish
            nothing), take_over (with yes: what exists already), and allow_destroy.

    Returns:
        0 if it is done, or there was nothing to do; 1 if it is not, or if the run that it started
        did not publish; 130 after Ctrl-C.
    """
    progress = Progress()
    status = session.run(AGAIN, lambda: _set_up(options, progress))
    if progress.doing:
        print(f"It stopped at: {progress.doing}. The steps before it are done.")
    return status


def _set_up(options: argparse.Namespace, progress: Progress) -> int:
    IMPORTS.unlink(missing_ok=True)  # left by a run that was killed
    with tempfile.TemporaryDirectory() as folder:
        situation = Situation.read(options, Path(folder))
        missing = missing_tools(situation.account)
        for problem in missing:
            print_problem(problem)
        if missing:
            return 1
        _look(situation)
        _print_steps(situation)
        if situation.steps and options.plan:
            return 0
        if situation.steps and not options.yes and not confirmed(_unasked(situation)):
            return 1
        return _act(situation, progress)


def _look(situation: Situation) -> None:
    """Find out what is missing, in the order of the steps.

    Raises:
        Problem: something must be corrected first.
    """
    if for_terraform():
        text = f"{IAC_TOOL} uses the credentials of the AWS CLI, for this run only."
        situation.notes.append(text)
    judge_before_github(situation)
    look_at_repositories(situation)
    checkout = Checkout(situation.name, situation.repository, situation.options.all)
    git_steps = list(look_at_remote(checkout, situation.entry["refs"]))
    refuse_missing_branch(checkout, situation.entry["refs"])
    look_at_bucket(situation)
    made = read_states(situation)
    look_at_account(situation, made)
    look_at_provider(situation, made)
    outputs = look_at_files(situation)
    git_steps += look_at_commits(checkout, {**situation.texts, **outputs})
    plan_writing(situation, outputs)
    for state in states(situation.account):
        look_at_state(situation, state, made)
    look_at_environment(situation)
    situation.steps += git_steps
    note_fetching(situation, outputs)
    situation.notes += [*note_left(checkout), *note_edits(checkout)]
    situation.notes += [*note_stated_trust(situation), *_idle_options(situation, checkout)]
    if any(step.text.startswith("push ") for step in git_steps):
        situation.notes += note_protection(checkout)
    look_at_tags(situation)
    look_at_version(situation, checkout)


def _idle_options(situation: Situation, checkout: Checkout) -> Iterator[str]:
    """Yield the options that have no effect here, with the reason."""
    options = situation.options
    if options.all and checkout.head:
        yield "--all has no effect: it applies to the first commit, which exists already."
    if options.public and situation.repository:
        yield f"--public has no effect: {situation.name} exists. To make it public: gh repo edit"
    if options.immutable_releases and not publishes_releases():
        yield "--immutable-releases has no effect: no workflow here starts on a release."


def _print_steps(situation: Situation) -> None:
    for number, step in enumerate(situation.steps, 1):
        print(f"{number:>2}. {step.text}".replace("\n", "\n    "))
    for note in situation.notes:
        print(wrapped(f" -  {note}", "   "))
    if not situation.steps:
        print("Nothing to do: everything is in place.")


def _unasked(situation: Situation) -> str:
    """Return the command that does the same without a question."""
    given = vars(situation.options)
    words = ["--yes"] + ["--import"] * bool(situation.imports or given["take_over"])
    flags = ("public", "ruleset", "immutable_releases", "all", "no_release", "allow_destroy")
    words += [f"--{name.replace('_', '-')}" for name in flags if given[name]]
    words += [f"--repository {given['repository']}"] * bool(given["repository"])
    return f'{AGAIN} ARGS="{" ".join(words)}"'


def _act(situation: Situation, progress: Progress) -> int:
    for number, step in enumerate(situation.steps, 1):
        progress.doing = step.text.partition("\n")[0].rstrip(":")
        print(f"[{number}/{len(situation.steps)}] {progress.doing}")
        step.act()
    progress.doing = ""
    report(situation)
    return follow_up(situation)
