"""An update that is interrupted, wherever it is, leaves everything as it was before."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.desk import LIMIT, TOOL, at_terminal, group_of
from tests.support.teams import Team, append, few_programs, team_of
from tests.support.versions import Versions

# A program in front of the real one. A call that fits stops before it, or after it, until it may go
# on; a test that is killed does not leave it behind.
STOPS = """\
#!{python}
import os, re, subprocess, sys, time
stop, go, real = {stop!r}, {go!r}, {real!r}
def wait():
    with open(stop, "x"):
        pass
    while not os.path.exists(go) and os.getppid() != 1:
        time.sleep(0.01)
fits = re.search({pattern!r}, " ".join(sys.argv[1:])) and not os.path.exists(stop)
if fits and {before}:
    wait()
done = subprocess.run([real, *sys.argv[1:]]) if real else None
if fits and not {before}:
    wait()
sys.exit(done.returncode if done else 0)
"""
INTERRUPTED = "Interrupted. Nothing was changed. To start again:\n  make update"
# Where it is interrupted: a call of a program, and whether that has been made by then.
POINTS = {
    "fetching": ("git", r" clone .*keyless-\S+/template$", True),
    "writing the template": ("git", " worktree add .*/new ", False),
    "rendering": ("git", " config --get remote.origin.url$", True),
    "cloning the project": ("git", " clone .*--shared", False),
    "merging": ("git", " cherry-pick --no-commit ", True),
    "planning": ("terraform", "", True),
    "writing the message": ("git", " commit-tree .*{tree}", False),
    "bringing it here": ("git", " fetch .*keyless-update$", False),
    "on the new branch": ("git", " checkout --quiet -b ", False),
    "before the commit": ("git", " cherry-pick --allow-empty ", True),
    "after the commit": ("git", " cherry-pick --allow-empty ", False),
}


class Stopping:
    """A program on PATH that stops once, at a call."""

    def __init__(self, team: Team, program: str, pattern: str, before: bool) -> None:
        self.stop, self.go = (team.path.parent / name for name in ("stop", "go"))
        folder = team.path.parent / "first"
        folder.mkdir()
        real = "" if program == "terraform" else shutil.which(program)
        text = STOPS.format(
            python=sys.executable,
            stop=str(self.stop),
            go=str(self.go),
            real=real,
            pattern=pattern,
            before=before,
        )
        (folder / program).write_text(text)
        (folder / program).chmod(0o755)
        team.environment["PATH"] = f"{folder}{os.pathsep}{team.environment['PATH']}"

    def reached(self, process: subprocess.Popen[str]) -> None:
        """Wait until the call is reached."""
        wait_for(lambda: self.stop.exists() or process.poll() is not None)
        assert self.stop.exists(), process.communicate()[0]


def wait_for(condition: object) -> None:
    """Wait until something holds."""
    began = time.monotonic()
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < began + LIMIT
        time.sleep(0.01)


@contextmanager
def started(team: Team) -> Iterator[subprocess.Popen[str]]:
    """Start an update in a session of its own."""
    process = subprocess.Popen(
        [sys.executable, TOOL, "update", "--yes", "--to", "v0.3.0"],
        cwd=team.path,
        env=team.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with group_of(process):
        yield process


@pytest.fixture
def team(versions: Versions, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with edits, and with what it has put aside."""
    programs = few_programs(tmp_path_factory.getbasetemp() / "programs")
    team = team_of(versions, tmp_path, "0.2.0", append("Makefile", "# Ours\n"), PATH=programs)
    append("README.md", "Put aside\n")(team.path)
    team.git("stash", "--quiet")
    append("notes.txt", "Not in Git\n")(team.path)
    return team


@pytest.mark.parametrize("point", POINTS)
def test_ctrl_c_leaves_everything_as_it_was(team: Team, point: str) -> None:
    before = team.state()
    stopping = Stopping(team, *POINTS[point])
    with started(team) as process:
        stopping.reached(process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, _ = process.communicate(timeout=LIMIT)
    assert left_by(team) == []
    assert process.returncode == 130, out
    assert INTERRUPTED in out
    assert "Traceback" not in out
    assert team.state() == before


@pytest.mark.parametrize("point", ["fetching", "rendering", "planning", "after the commit"])
def test_so_does_an_end_of_the_first_process(team: Team, point: str) -> None:
    before = team.state()
    stopping = Stopping(team, *POINTS[point])
    with started(team) as process:
        stopping.reached(process)
        waiting = lowest(process.pid)
        woken = switches(waiting)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: switches(waiting) != woken)
        stopping.go.touch()
        out, _ = process.communicate(timeout=LIMIT)
    assert left_by(team) == []
    assert process.returncode == 130, out
    assert INTERRUPTED in out
    assert "Traceback" not in out
    assert team.state() == before


def lowest(process: int) -> int:
    """Return the process of the tool that waits for the program which has stopped."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    for child in children:
        if "--handed-over" in Path(f"/proc/{child}/cmdline").read_text():
            return int(child)
    return process


def switches(process: int) -> int:
    """Return how often a process has gone to sleep: one that waits does it again when signalled."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:  # it has ended
        return -1
    found = re.search(r"(?m)^voluntary_ctxt_switches:\s+(\d+)", status)
    return int(found[1]) if found else -1  # it has just ended


def left_by(team: Team) -> list[str]:
    """Return the processes that still run for a team."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            command = process.read_text().replace("\0", " ")
            found += [command] * (str(team.path.parent) in command)
    return found


def test_at_the_question_nothing_has_changed(team: Team) -> None:
    before = team.state()
    command = [sys.executable, TOOL, "update", "--to", "v0.3.0"]
    for answer, said in {"\x03": INTERRUPTED, "no": "Nothing was changed."}.items():
        ended = at_terminal(
            command, team.path, team.environment, {'Type "yes" to continue: ': answer}
        )
        assert ended.status == (130 if answer == "\x03" else 1), ended.out
        assert said in ended.out
        assert team.state() == before


@pytest.mark.parametrize("committed", [False, True], ids=["edited", "committed"])
def test_what_somebody_does_meanwhile_is_not_lost(team: Team, committed: bool) -> None:
    """The question may wait for an hour. What is refused then stays as it is."""
    stopping = Stopping(team, *POINTS["writing the message"])
    with started(team) as process:
        stopping.reached(process)
        append("Makefile", "# Meanwhile\n")(team.path)
        if committed:
            team.commit("Meanwhile")
        before = team.state()
        stopping.go.touch()
        out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    said = (
        "You have checked out another commit since the merge began"
        if committed
        else "You have uncommitted edits: Makefile."
    )
    assert said in " ".join(out.split())
    assert out.endswith('  make update ARGS="--to v0.3.0 --yes"\n')
    assert team.state() == before | {"temporary": []}
