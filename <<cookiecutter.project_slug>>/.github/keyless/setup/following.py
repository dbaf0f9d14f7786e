"""A run of deploy.yml is followed to its end: how it goes, what it has published, or why not.

It is asked for again and again with `gh run list`: `gh run watch` clears the screen and needs a
terminal. The runs are told apart here, because `--commit` and `--event` are newer than the gh of
Debian 12 [cli/cli, pkg/cmd/run/list].
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any, NamedTuple

from keyless.console import Problem, print_problem, wrapped
from keyless.gh import Denied, page_of
from keyless.programs import Garbled, run
from keyless.setup.allowed_actions import actions_problem, workflow_problems
from keyless.setup.github import find_runs
from keyless.setup.logs import Failure, failure_of, published_rows
from keyless.setup.not_started import why_nothing_started
from keyless.setup.remedies import of_github

PAUSE = 5  # seconds between two questions
POLLS = 24  # so often GitHub is asked for a run that does not appear: two minutes
FAULTS = 6  # so many errors of GitHub in a row end it
LOGS = 4  # so often a log is asked for, which appears a moment after the end of its run
LISTED = 50  # the newest runs, among which this one is looked for
FIELDS = "databaseId,status,conclusion,headBranch,headSha"

# How a run has ended, if it has neither succeeded nor failed [REST API, workflow runs: conclusion].
ENDS = {
    "cancelled": "Somebody has cancelled the run, so {ref} is not published.",
    "timed_out": "The run was stopped: it took longer than timeout-minutes in deploy.yml.",
    "skipped": "GitHub has skipped the run: no job of deploy.yml starts for {ref}.",
    "startup_failure": "GitHub cannot start the run: deploy.yml is not valid, or an action in it is"
    " not allowed.",
    "action_required": "Somebody must allow the run first, on its page.",
}


class Sought(NamedTuple):
    """The run that is looked for, and what is typed about it."""

    name: str  # of the repository, OWNER/NAME
    ref: str  # in full: refs/tags/v0.1.0
    commit: str
    environment: str | None  # of the publishing job
    again: str  # follows it again
    anew: tuple[str, ...]  # publishes another commit

    @property
    def is_tag(self) -> bool:
        """Whether a tag is published, and not a branch."""
        return self.ref.startswith("refs/tags/")

    @property
    def short(self) -> str:
        """The name of the tag or of the branch."""
        return self.ref.split("/", 2)[2]


def follow(sought: Sought) -> int:
    """Follow a run to its end, and print what it has published, or why it has not.

    Returns:
        0 where it has succeeded, 1 where not, 130 after Ctrl-C: the run then goes on.

    Raises:
        Problem: no run appears, or GitHub gives no answer for a while.
    """
    following = Following(sought)
    try:
        return following.end()
    except KeyboardInterrupt:
        print("\nInterrupted. On GitHub everything goes on. To look again:")
        print(*(f"  {line}" for line in following.looking), sep="\n")
        return 130


class Following:
    """One run that is followed: what is known of it, and what was printed."""

    def __init__(self, sought: Sought) -> None:
        self.sought, self.number, self.printed = sought, "", ""

    def view(self, flag: str = "") -> str:
        """Return the command that shows the run."""
        return f"gh run view {self.number} --repo {self.sought.name}{flag}"

    @property
    def looking(self) -> list[str]:
        """The commands that show how it goes."""
        return [*[self.view()] * bool(self.number), self.sought.again]

    @property
    def page(self) -> str:
        """Its address."""
        return f"{page_of(self.sought.name)}/actions/runs/{self.number}"

    def end(self) -> int:
        """Wait until the run has ended; print how, and return the exit status."""
        conclusion = self.wait()
        if conclusion == "success":
            self.show_image()
            return 0
        if conclusion == "failure":
            self.show_failure()
        elif conclusion:
            self.show_other(conclusion)
        return 1

    def wait(self) -> str:
        """Wait until the run has ended; return its conclusion, empty if nobody waits for it."""
        polls = faults = 0
        while True:
            try:
                found = self.ask()
                faults = 0
            except Denied as denied:
                faults += 1
                if faults == FAULTS:
                    raise self.unanswered(denied) from denied
                time.sleep(PAUSE)
                continue
            if found and found["status"] == "completed":
                self.print(str(found["conclusion"]).replace("_", " "))
                return str(found["conclusion"])
            if found:
                changed = self.print(str(found["status"]).replace("_", " "))
                if found["status"] == "waiting" and changed and not self.waits_for_people():
                    return ""
            polls += not found
            if polls == POLLS:
                raise self.not_started()
            time.sleep(PAUSE)

    def ask(self) -> dict[str, Any] | None:
        """Return the newest run of the ref and the commit, None where there is none yet.

        Raises:
            Denied: GitHub does not tell.
        """
        sought = self.sought
        try:
            runs = find_runs(sought.name, FIELDS, LISTED) or []
        except Garbled as garbled:
            raise Denied(0, str(garbled)) from garbled
        wanted = (sought.short, sought.commit)
        found = next((one for one in runs if (one["headBranch"], one["headSha"]) == wanted), None)
        if not found:
            text = f"waiting for GitHub to start deploy.yml for {sought.short}, up to"
            self.print(f"{text} {PAUSE * POLLS // 60} minutes")
        elif not self.number:
            self.number = str(found["databaseId"])
            self.print(self.page)
        return found

    def print(self, text: str) -> bool:
        """Print a line where something has changed; tell whether it has."""
        changed = text != self.printed
        if changed:
            if not self.printed:
                print("Ctrl-C stops only the watching: the run goes on.")
            print(f"{'' if self.printed else 'Run':<10}{text}")
        self.printed = text
        return changed

    def waits_for_people(self) -> bool:
        """Print what the run waits for; tell whether it is followed nevertheless."""
        place = f" {self.sought.environment!r}" if self.sought.environment else ""
        text = f"The run waits until the rules of the environment{place} are met, for example until"
        print(wrapped(f"{text} somebody approves it, on this page: {self.page}"))
        terminal = sys.stdin is not None and sys.stdin.isatty()
        if not terminal:
            print("There is no terminal, so this does not wait. To look again:")
            print(*(f"  {line}" for line in self.looking), sep="\n")
        return terminal

    def unanswered(self, denied: Denied) -> Problem:
        """Return the problem that GitHub has not answered for a while."""
        meant = of_github(denied)
        text = f"GitHub has not answered {FAULTS} times in a row, so this stops. A run goes on by"
        return Problem(f"{text} itself. {meant}", *meant.commands, self.sought.again)

    def not_started(self) -> Problem:
        """Return why there is no run, and what to type."""
        name, short, again = self.sought.name, self.sought.short, self.sought.again
        start = f"gh workflow run deploy.yml --ref {short} --repo {name}"
        text = f"GitHub has started no run of deploy.yml for {short} in"
        text += f" {PAUSE * POLLS // 60} minutes, so nothing is published."
        for found in start_problems(name):
            return Problem(f"{text} {found}", *found.commands, start, again)
        with contextlib.suppress(Denied):
            text += f" {why_nothing_started(name, self.sought.ref)}"
        return Problem(f"{text} This starts one by hand, and then follows it:", start, again)

    def log(self, flag: str) -> str:
        """Return a log of the run, which appears a moment after its end; empty if it does not."""
        for turn in range(LOGS):
            done = run(*self.view(flag).split())
            if done.status == 0 and done.out.strip():
                return done.out
            if turn < LOGS - 1:
                time.sleep(PAUSE)
        return ""

    def show_image(self) -> None:
        """Print what was published: image, tags and the line that pulls it."""
        rows = published_rows(self.log(" --log"))
        if rows:
            print("", *rows, sep="\n")
        else:
            print(f"Its log shows no image. This shows the run:\n  {self.view()}")

    def show_failure(self) -> None:
        """Print what the failed step has printed, and what to type."""
        failure: Failure = failure_of(self.log(" --log-failed"))
        sought, lines = self.sought, failure.lines
        lines = lines or [f"(its log has nothing to show: {self.page})"]
        print(f"\nThe run for {sought.short} has failed. Its failed steps say:")
        print(*(f"  {line}".rstrip() for line in lines), sep="\n")
        rerun = f"gh run rerun {self.number} --failed --repo {sought.name}"
        if failure.says_what_to_type:
            text = "The error says what to type. If it lets the run start again, this follows it:"
            print_problem(Problem(text, sought.again))
            return
        kept = f" {sought.short} stays at the commit that has failed." * sought.is_tag
        text = f"Correct what the error says, and publish that.{kept}"
        print_problem(Problem(text, *sought.anew))
        text = "If only GitHub, AWS or the network have failed, start the same run again:"
        print_problem(Problem(text, rerun, sought.again))

    def show_other(self, conclusion: str) -> None:
        """Print how the run has ended, where it has neither succeeded nor failed."""
        text = ENDS.get(conclusion, "The run has ended as {how}, which is no success.")
        said = text.format(ref=self.sought.short, how=conclusion)
        rerun = f"gh run rerun {self.number} --repo {self.sought.name}"
        lines = {
            "skipped": ("make check",),
            "startup_failure": (self.view(), "make doctor"),
            "action_required": (self.page, self.sought.again),
        }
        print_problem(Problem(said, *lines.get(conclusion, (rerun, self.sought.again))))


def start_problems(name: str) -> list[Problem]:
    """Return why GitHub starts no workflow of a repository; only its admins may ask for some."""
    try:
        found = actions_problem(name)
        return [found] if isinstance(found, Problem) else list(workflow_problems(name))
    except Denied:
        return []
