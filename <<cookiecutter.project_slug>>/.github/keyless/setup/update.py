"""The commands update and change: a newer template, or another answer, merged into a project.

The first half needs git and any Python: it finds out what there is. The second half runs in an
environment with cookiecutter, and is that of the newest tool, so that a fix reaches older projects.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from keyless.console import Problem, print_problem
from keyless.paths import TOOL
from keyless.setup import session
from keyless.setup.updating.choosing import (
    CHANGE,
    TOOL_FOLDER,
    Choice,
    address,
    compared,
    fetched,
    typed,
)
from keyless.setup.updating.deciding import WEEKLY
from keyless.setup.updating.environment import environment_python
from keyless.setup.updating.record import Record, read_record
from keyless.setup.updating.repository import stay_in_folders
from keyless.setup.updating.template import PROJECT
from keyless.writing import write_text

INTERRUPTED = "Nothing was changed. To start again:\n  {again}"
AS_NEWEST, AS_UNKNOWN, AS_OLDER = 0, 1, 2  # exit status of --check


class Asked(NamedTuple):
    """What was typed."""

    root: Path  # of the project
    template: str = ""  # another address, or a folder
    start: str = ""  # the commit that it was generated from, if that is not recorded
    goal: str = ""  # the version to go to
    answers: dict[str, str] = {}  # noqa: RUF012  # other ones than now
    change: bool = False  # whether the version stays
    yes: bool = False

    @property
    def command(self) -> str:
        """What a person types for the same."""
        named = {"--template": self.template, "--from": self.start, "--to": self.goal}
        options = [f"{name} {shlex.quote(value)}" for name, value in named.items() if value]
        return self.again(" ".join([*options, *["--yes"] * self.yes]))

    def again(self, options: str) -> str:
        """What a person types for the same, with other options."""
        return typed(self.root, options, self.answers if self.change else None)

    def goal_for(self, record: Record) -> str:
        """Return the version to go to: with a change, the project's own."""
        return (self.start or record.commit or f"v{record.version}") if self.change else self.goal


def main(asked: Asked) -> int:
    """Find and print what would change, ask, and do it.

    Returns:
        0 where it is done, or there is nothing to do; 1 where it is not, or with conflicts or
        findings; 130 after Ctrl-C.
    """
    stay_in_folders()
    return session.run(asked.command, lambda: _prepare(asked), INTERRUPTED)


def check(asked: Asked, form: str) -> int:
    """Print whether there is a newer version, and what its changelog says.

    Args:
        asked: what was typed.
        form: text, json, or issue, which opens or edits an issue on GitHub as well.

    Returns:
        0 for the newest version, 2 for an older one (0 with an issue, which says it), 1 where that
        is unknown; 130 after Ctrl-C.
    """
    stay_in_folders()
    options = "--check" + f" --{form}" * (form != "text")
    return session.run(typed(asked.root, options), lambda: _check(asked, form))


def write_weekly(root: Path) -> int:
    """Write the workflow that looks for a newer version every week."""
    source, copy = WEEKLY
    text = (root / source).read_text(encoding="utf-8")
    there = root / copy
    if os.path.lexists(there) and there.read_bytes() != text.encode():
        refused = (
            f"{copy} exists already and has other content, so nothing was written. To use the"
            " tool's file instead, move yours away, and type the same command again:"
        )
        print_problem(Problem(refused, f"git mv {copy} {copy}.old"))
        return 1
    there.parent.mkdir(parents=True, exist_ok=True)
    write_text(there, text)
    print(f"{copy} was written. It opens an issue when there is a newer version. Commit it:")
    print(f"  git add {copy} && git commit --message 'Look for a newer template every week'")
    return 0


def print_answers(asked: Asked) -> int:
    """Print each question with the answer that the project has, and what else it can be."""
    stay_in_folders()
    return session.run(CHANGE, lambda: _print_answers(asked))


def _print_answers(asked: Asked) -> int:
    from keyless.setup.updating.questions import print_questions

    record = read_record(asked.root)
    goal = asked.goal_for(record)
    with fetched(asked.root, record, asked.template, asked.start, goal, asked.again) as choice:
        whole = json.loads(choice.template.text(choice.current, "cookiecutter.json"))
    print_questions(whole, record.answers)
    print(f'\nTo change some of the answers:\n  {CHANGE} SET="platform=both second_tag=latest"')
    return 0


def _prepare(asked: Asked) -> int:
    from keyless.setup.updating.applying import require_clean

    require_clean(asked.root, asked.command)
    record = read_record(asked.root)
    source = address(record, asked.template, asked.again)
    print(f"Fetching the template from {source} ...", flush=True)
    goal = asked.goal_for(record)
    with fetched(asked.root, record, source, asked.start, goal, asked.again) as choice:
        if not asked.change and not asked.goal and choice.is_newest:
            print(f"This project has the newest version of the template, {choice.current_name}.")
            return 0
        return _hand_over(asked, choice, choice.template.folder.parent)


def _hand_over(asked: Asked, choice: Choice, folder: Path) -> int:
    """Let the newer of both tools do the rest, in the environment that has cookiecutter."""
    tool = TOOL_FOLDER
    newer = choice.template.contains(choice.target, choice.current)
    has = choice.template.text(choice.target, f"{PROJECT}/{TOOL}/setup/updating/merging.py")
    if newer and has and not asked.change:
        tool = choice.template.check_out(choice.target, folder / "new") / PROJECT / TOOL
    python = environment_python(tool)
    given = {  # the older of two tools may have written this: a new key needs a default in Course
        "root": str(asked.root),
        "template": str(choice.template.folder),
        "source": choice.template.source,
        "current": choice.current,
        "target": choice.target,
        "answers": asked.answers,
        "change": asked.change,
        "yes": asked.yes,
        "command": asked.command,
        "command_with_yes": asked._replace(yes=True).command,
        "folder": str(folder),
    }
    file = folder / "asked.json"
    file.write_text(json.dumps(given), encoding="utf-8")
    return _run_there(python, tool, file)


def _run_there(python: str, tool: Path, file: Path) -> int:
    """Run the second half, and let it end in its own way: it may have to bring things back.

    A terminal sends Ctrl-C to both. The second half ignores it until it can end in words.
    """
    started: list[subprocess.Popen[bytes]] = []

    def hand_on(*_: object) -> None:
        if not started:
            raise KeyboardInterrupt
        started[0].terminate()

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hand_on)
    command = [python, "-B", str(tool), "update", "--handed-over", str(file)]
    started.append(subprocess.Popen(command))
    return started[0].wait()


def _check(asked: Asked, form: str) -> int:
    found: dict[str, Any] = {"state": "unknown", "current": "", "newest": "", "commit": ""}
    found |= {"changelog": "", "why": ""}
    try:
        record = read_record(asked.root)
        found["current"] = record.version or ""
        with fetched(asked.root, record, asked.template, asked.start, asked.goal) as choice:
            found = compared(choice)
    except (Problem, OSError) as problem:
        if form == "text":
            raise
        found["why"] = "\n".join([str(problem), *getattr(problem, "commands", ())])
    if form == "json":
        print(json.dumps(found, indent=2))
    elif form == "issue":
        from keyless.setup.updating import issue

        print(issue.refresh(asked.root, found))
        return AS_UNKNOWN if found["state"] == "unknown" else AS_NEWEST
    else:
        _print_check(found, asked.command)
    return {"newest": AS_NEWEST, "older": AS_OLDER}.get(found["state"], AS_UNKNOWN)


def _print_check(found: dict[str, Any], command: str) -> None:
    if found["state"] == "newest":
        print(f"This project has the newest version of the template, {found['current']}.")
        return
    print(f"The template has version {found['newest']}, and this project has {found['current']}.")
    if found["changelog"]:
        print(f"\n{found['changelog']}")
    print("\nTo update, type this. It shows what would change, and asks first:")
    print(f"  {command}")


def carry_out(file: Path) -> int:
    """Do the second half; the file holds what `_hand_over` has written."""
    from keyless.setup.updating.course import Course

    signal.signal(signal.SIGINT, signal.default_int_handler)
    stay_in_folders()
    given = json.loads(file.read_text(encoding="utf-8"))
    return session.run(given["command"], lambda: Course(given).run(), INTERRUPTED)
