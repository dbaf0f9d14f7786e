"""Following a run of deploy.yml to its end: its states, what it has published, or why not.

It polls with `gh run list`, because `gh run watch` clears the screen and needs a terminal. It picks
the run from the list itself, because `--commit` and `--event` are newer than the gh of Debian 12
[cli/cli, pkg/cmd/run/list].
"""

from __future__ import annotations

import contextlib
import re
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

PAUSE = 5  # seconds between two polls
POLLS = 24  # the most polls for a run that does not appear: two minutes
FAULTS = 6  # errors of GitHub in a row after which it stops
LOGS = 4  # the most requests for a log, which appears a moment after the end of its run
LISTED = 50  # the newest runs, in which this one is searched
FIELDS = "databaseId,status,conclusion,headBranch,headSha"

# How a run has ended, if it has neither succeeded nor failed [REST API, workflow runs: conclusion].
ENDS = {
    "cancelled": "Somebody cancelled the run, so {ref} is not published.",
    "timed_out": "The run took longer than timeout-minutes in deploy.yml allows, so GitHub stopped"
    " it.",
    "skipped": "GitHub skipped the run, because no job of deploy.yml starts for {ref}.",
    "startup_failure": "GitHub cannot start the run, because deploy.yml is not valid, or an action"
    " in it is not allowed.",
    "action_required": "Somebody must approve the run on its page before it starts.",
}


class Sought(NamedTuple):
    """The run to follow, and the commands for it."""

    name: str  # of the repository, OWNER/NAME
    ref: str  # in full: refs/tags/v0.1.0
    commit: str
    environment: str | None  # of the publishing job
    again: str  # the command that follows it again
    anew: tuple[str, ...]  # the commands that publish another commit

    @property
    def is_tag(self) -> bool:
        """Whether the ref is a tag, not a branch."""
        return self.ref.startswith("refs/tags/")

    @property
    def short(self) -> str:
        """The name of the tag or of the branch."""
        return self.ref.split("/", 2)[2]


def follow(sought: Sought) -> int:
    """Follow a run to its end, and print what it has published, or why it has failed.

    Returns:
        0 if it has succeeded, 1 if not, 130 after Ctrl-C: the run then continues.

    Raises:
        Problem: no run appears, or GitHub gives no answer for a while.
    """
    following = Following(sought)
    try:
        return following.end()
    except KeyboardInterrupt:
        print("\nInterrupted. The run continues on GitHub. To follow it again:")
        print(*(f"  {line}" for line in following.looking), sep="\n")
        return 130


class Following:
    """One run that is followed: its number, once it is known, and what was printed last."""

    def __init__(self, sought: Sought) -> None:
        self.sought, self.number, self.printed = sought, "", ""

    def view(self, flag: str = "") -> str:
        """Return the command that shows the run."""
        return f"gh run view {self.number} --repo {self.sought.name}{flag}"

    @property
    def looking(self) -> list[str]:
        """The commands that show the run."""
        return [*[self.view()] * bool(self.number), self.sought.again]

    @property
    def page(self) -> str:
        """The address of the run."""
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
        """Wait until the run has ended; return its conclusion, or nothing if it did not wait."""
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
        """Print a text if it differs from the last one; return whether it does."""
        changed = text != self.printed
        if changed:
            if not self.printed:
                print("Ctrl-C only stops following: the run continues.")
            print(f"{'' if self.printed else 'Run':<10}{text}")
        self.printed = text
        return changed

    def waits_for_people(self) -> bool:
        """Print what the run waits for; return whether to keep following it."""
        place = f" {self.sought.environment!r}" if self.sought.environment else ""
        text = f"The run waits until the rules of the environment{place} are met. For example,"
        print(wrapped(f"{text} somebody must approve it on this page: {self.page}"))
        terminal = sys.stdin is not None and sys.stdin.isatty()
        if not terminal:
            print("This is not a terminal, so this command does not wait. To follow the run again:")
            print(*(f"  {line}" for line in self.looking), sep="\n")
        return terminal

    def unanswered(self, denied: Denied) -> Problem:
        """Return the problem that GitHub has answered several times with an error."""
        meant = of_github(denied)
        text = (
            f"GitHub has failed to answer {FAULTS} times in a row, so this command stops. The run"
        )
        return Problem(f"{text} continues. {meant}", *meant.commands, self.sought.again)

    def not_started(self) -> Problem:
        """Return why there is no run, and what to type."""
        name, short, again = self.sought.name, self.sought.short, self.sought.again
        start = f"gh workflow run deploy.yml --ref {short} --repo {name}"
        text = f"GitHub has not started a run of deploy.yml for {short} in"
        text += f" {PAUSE * POLLS // 60} minutes, so nothing is published."
        for found in start_problems(name):
            return Problem(f"{text} {found}", *found.commands, start, again)
        with contextlib.suppress(Denied):
            text += f" {why_nothing_started(name, self.sought.ref)}"
        return Problem(f"{text} Start a run by hand, then follow it:", start, again)

    def log(self, flag: str) -> str:
        """Return a log of the run, which appears a moment after its end; empty if there is none."""
        for turn in range(LOGS):
            done = run(*self.view(flag).split())
            if done.status == 0 and done.out.strip():
                return done.out
            if turn < LOGS - 1:
                time.sleep(PAUSE)
        return ""

    def show_image(self) -> None:
        """Print what was published: image, tags and the commands that pull it."""
        rows = published_rows(self.log(" --log"))
        if rows:
            print("", *rows, *login_lines(rows), sep="\n")
        else:
            print(f"The log of the run shows no image. To see the run:\n  {self.view()}")

    def show_failure(self) -> None:
        """Print the log of the failed step, and what to type."""
        failure: Failure = failure_of(self.log(" --log-failed"))
        sought, lines = self.sought, failure.lines
        lines = lines or [f"(The log is empty: {self.page})"]
        print(f"\nThe run for {sought.short} has failed. The log of the failed steps:")
        print(*(f"  {line}".rstrip() for line in lines), sep="\n")
        rerun = f"gh run rerun {self.number} --failed --repo {sought.name}"
        if failure.says_what_to_type:
            text = "Type what the error says. If the run starts again, follow it:"
            print_problem(Problem(text, sought.again))
            return
        kept = f" {sought.short} stays at the commit that failed." * sought.is_tag
        text = f"Correct the error, and publish the correction.{kept}"
        print_problem(Problem(text, *sought.anew))
        text = "If the cause was GitHub, AWS or the network, start the same run again:"
        print_problem(Problem(text, rerun, sought.again))

    def show_other(self, conclusion: str) -> None:
        """Print how the run has ended, if it has neither succeeded nor failed."""
        text = ENDS.get(conclusion, "The run has ended without success: {how}.")
        said = text.format(ref=self.sought.short, how=conclusion)
        rerun = f"gh run rerun {self.number} --repo {self.sought.name}"
        lines = {
            "skipped": ("make check",),
            "startup_failure": (self.view(), "make doctor"),
            "action_required": (self.page, self.sought.again),
        }
        print_problem(Problem(said, *lines.get(conclusion, (rerun, self.sought.again))))


def login_lines(rows: list[str]) -> list[str]:
    """Return how to log Docker in to ECR, so that the command of the row Pull works."""
    image = next((row.split()[-1] for row in rows if row.startswith("Image ")), "")
    host = image.partition("/")[0]
    region = re.search(r"\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.", host)
    if not region:
        return []
    ask = f"aws ecr get-login-password --region {region[1]}"
    login = f"docker login --username AWS --password-stdin {host}"
    return ["To pull it, log Docker in to ECR first:", f"  {ask} |", f"    {login}"]


def start_problems(name: str) -> list[Problem]:
    """Return why GitHub starts no workflow of a repository; only admins see some of the reasons."""
    try:
        found = actions_problem(name)
        return [found] if isinstance(found, Problem) else list(workflow_problems(name))
    except Denied:
        return []
