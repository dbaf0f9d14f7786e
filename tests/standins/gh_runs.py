"""Runs of deploy.yml on the GitHub of hub.py: what starts a run, how it goes, what it logs.

A test sets with `hub.change(NAME, course={...})` how the next runs go. Time is counted in requests.
A push is noticed when runs are listed, because git itself does not report it.
"""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from typing import Any

from tests.standins.hub import PUBLIC, Hub, asked, known

# What gh run list --json knows [cli/cli, pkg/cmd/run/shared, RunFields].
FIELDS = set(
    "attempt conclusion createdAt databaseId displayTitle event headBranch headSha name number"
    " startedAt status updatedAt url workflowDatabaseId workflowName".split()
)
COURSE: dict[str, Any] = {
    "never": False,  # nothing starts
    "after": 0,  # so many lists do not show it yet
    "states": [],  # what the next lists show, before it has ended
    "conclusion": "success",
    "log": None,  # messages, each with its step; else what the step of the tool prints
    "log_after": 0,  # so often its log is not found yet
    "errors": [],  # what the next lists answer instead, "" for no error
    "runner": [],  # a command that does what the run does; it prints conclusion and log as JSON
}
JOB = "Publish the image"
TIME = "2026-08-03T10:00:07.1234567Z"
SKIP = r"\[(skip ci|ci skip|no ci|skip actions|actions skip)\]"


def course_of(repository: dict[str, Any]) -> dict[str, Any]:
    """Return how the next run goes.

    Raises:
        KeyError: the test has given something that does not exist.
    """
    unknown = sorted(repository["course"].keys() - COURSE.keys())
    if unknown:
        raise KeyError(f"a run has no {', '.join(unknown)}")
    return {**copy.deepcopy(COURSE), **repository["course"]}


def start(hub: Hub, name: str, ref: str, event: str) -> None:
    """Start deploy.yml for a ref."""
    repository = hub.repository(name)
    course, number = course_of(repository), 4712 + len(repository["runs"])
    found = hub.commit(repository, f"{ref}^{{commit}}")
    if course["never"] or found is None:
        return
    run = {
        **{"databaseId": number, "event": event, "headBranch": ref.split("/", 2)[2]},
        **{"ref": ref, "headSha": found[0], "status": "queued", "conclusion": "", "course": course},
        **{"url": f"{PUBLIC}{name}/actions/runs/{number}", "createdAt": "2026-08-03T10:00:00Z"},
    }
    hub.change(name, runs=[run, *repository["runs"]])


def start_released(hub: Hub, name: str, tag: str) -> None:
    """Start deploy.yml for a release, if the one at its tag wants that."""
    repository = hub.repository(name)
    text = hub.read(repository, ".github/workflows/deploy.yml", f"refs/tags/{tag}")
    if re.search(r"(?m)^  release:", text) and repository["actions_enabled"]:
        start(hub, name, f"refs/tags/{tag}", "release")


def start_pushed(hub: Hub, name: str) -> None:
    """Start deploy.yml for what was pushed since the last time, if the one there wants that."""
    repository = hub.repository(name)
    before, now = repository["looked_at"], pushed_refs(hub, repository)
    hub.change(name, looked_at=now)
    for ref in sorted(now.keys() - {ref for ref in now if before.get(ref) == now[ref]}):
        text = hub.read(repository, ".github/workflows/deploy.yml", ref)
        kind = {"heads": "branches", "tags": "tags"}[ref.split("/")[1]]
        filters = re.search(rf"(?m)^  push:\n    {kind}: \[(.*)\]$", text)
        patterns = [each.strip(" \"'") for each in filters[1].split(",")] if filters else []
        short = ref.split("/", 2)[2]
        wanted = any(re.fullmatch(each.replace("*", "[^/]*"), short) for each in patterns)
        found = hub.commit(repository, ref)
        skipped = found and re.search(SKIP, found[1])
        if wanted and not skipped and repository["actions_enabled"]:
            start(hub, name, ref, "push")


def pushed_refs(hub: Hub, repository: dict[str, Any]) -> dict[str, str]:
    """Return the commits of branches and tags."""
    form = ("--format=%(refname) %(objectname)", "refs/heads", "refs/tags")
    printed = asked(hub.bare(repository["full_name"]), "for-each-ref", *form).stdout
    return dict(line.split() for line in printed.splitlines())


def next_error(hub: Hub, name: str) -> str:
    """Return the error that a list ends with this time, empty for none."""
    course = hub.repository(name)["course"]
    first, *rest = course.get("errors") or [""]
    if course.get("errors"):
        hub.change(name, course={**course, "errors": rest})
    return str(first)


def listed(hub: Hub, name: str) -> list[dict[str, Any]]:
    """Return the runs that a list shows, the newest first; each goes on by this question."""
    state = hub.state()
    runs = known(state, name)["runs"]
    shown = [each for each in runs if "course" not in each or goes_on(each)]
    hub.save(state)
    return shown


def goes_on(run: dict[str, Any]) -> bool:
    """Let a run go on by one question; tell whether it is shown."""
    course = run["course"]
    if course["after"]:
        course["after"] -= 1
        return False
    if course["states"]:
        run["status"] = course["states"].pop(0)
    elif run["status"] != "completed":
        if course["runner"]:
            course |= done_by(course["runner"], run)
        run |= {"status": "completed", "conclusion": course["conclusion"]}
    return True


def done_by(command: list[str], run: dict[str, Any]) -> dict[str, Any]:
    """Let a program do what a run does; return conclusion and log."""
    words = [*command, run["event"], run["ref"]]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
    return dict(json.loads(done.stdout))


def one_run(repository: dict[str, Any], number: str) -> dict[str, Any] | None:
    """Return a run by its number."""
    return next(
        (each for each in repository["runs"] if str(each.get("databaseId")) == number), None
    )


def begin_again(hub: Hub, name: str, number: str) -> None:
    """Let a run begin again; it goes as the repository says now."""
    state = hub.state()
    repository = known(state, name)
    run = one_run(repository, number)
    assert run
    run |= {"status": "queued", "conclusion": "", "course": course_of(repository)}
    hub.save(state)


def log_is_there(hub: Hub, name: str, number: str) -> bool:
    """Tell whether the log of a run is found; each question brings that nearer."""
    state = hub.state()
    run = one_run(known(state, name), number)
    assert run
    left = run["course"]["log_after"]
    run["course"]["log_after"] = max(left - 1, 0)
    hub.save(state)
    return not left


def log_of(run: dict[str, Any], failed: bool) -> str:
    """Return the log of a run as gh prints it: job, step and text, with tabs between them.

    A time stands before each message, and none before its further lines; a byte order mark begins
    the file of a step [actions/runner, src/Runner.Common/Logging.cs].
    """
    messages = run["course"]["log"]
    steps = published(run) if messages is None else messages
    if failed:
        steps = [each for each in steps if each[2:] == ["failed"]]
    printed, last = [], ""
    for step, text, *_ in steps:
        first, *further = text.split("\n")
        begin = "\ufeff" * (step != last) + TIME
        printed += [f"{JOB}\t{step}\t{one}\n" for one in (f"{begin} {first}", *further)]
        last = step
    return "".join(printed)


def published(run: dict[str, Any]) -> list[list[str]]:
    """Return what a run prints that has published, as release/publish.py does."""
    version, commit = run["headBranch"], run["headSha"]
    if run["event"] == "push" and not version.startswith("v"):
        version = f"{version}-1"
    uri = f"111122223333.dkr.ecr.us-east-1.amazonaws.com/example-service@sha256:{'5e' * 32}"
    step = "Check both tags and report the image"
    texts = [
        *("##[group]Run python3 .github/keyless publish after", "env:", "##[endgroup]"),
        *(f"Published {version}", f"Image         {uri}", f"Tags          {version}, {commit}"),
        *("Platform      linux/amd64", f"Pull          docker pull {uri}"),
        f"Role session  run-{run['databaseId']}-1",
    ]
    return [["Set up job", "Current runner version: '2.329.0'"], *([step, one] for one in texts)]
