"""The command check --fix: show the edit of each finding, ask, write, and check again."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass, field
from pathlib import Path

from keyless import check
from keyless.console import Problem, print_problem, wrapped
from keyless.model.edits import Place, Unfit, find_place, line_starts, read_target, with_edits
from keyless.model.findings import Edit, Finding
from keyless.paths import ROOT
from keyless.writing import write_text

QUESTION = "    Make this edit? (y: yes, n: no, a: yes to this and all others, q: stop asking) [n] "
UNSAFE = (
    "The check does not make this edit, because it changes who is trusted, or what runs. "
    "If the edit is right, make it by hand."
)
INTERRUPTED = "\nInterrupted. Nothing was changed."


@dataclass
class Accepted:
    """The edits of one file that shall be made: its path, its text when they were shown."""

    path: str
    text: str
    places: list[Place] = field(default_factory=list)


@dataclass
class Fixing:
    """What was shown, accepted and written so far."""

    root: Path
    every: bool  # nothing more is asked: each safe edit is accepted
    stopped: bool = False  # nothing more is asked, and nothing more is accepted
    unasked: bool = False  # an edit could be made, and there is no terminal to ask at
    accepted: dict[Path, Accepted] = field(default_factory=dict)  # by the file behind its links
    writing: bool = False

    def report(self, found: list[Finding], _form: str, _root: Path) -> None:
        """Print findings; show the edits that they carry, and ask about those that are safe."""
        for finding in found:
            print(finding)
            if finding.edit and not self.stopped:
                self._offer(finding.edit)

    def _offer(self, edit: Edit) -> None:
        print(f"    {edit.path}:{edit.line}")
        try:
            file, text = read_target(self.root, edit.path)
            place = find_place(text, edit)
            accepted = self.accepted.get(file) or Accepted(edit.path, text)
            if accepted.text != text:
                raise Unfit(f"{edit.path} changed while the check was asking")
            if any(place.touches(other) for other in accepted.places):
                raise Unfit("it no longer fits, because an edit above changes the same place")
        except Unfit as reason:
            _print_diff(edit.before.splitlines(), edit.after.splitlines())
            _say(f"This edit is not made: {reason}.")
            return
        _print_diff(*_changed_lines(text, place))
        if not edit.safe:
            _say(UNSAFE)
        elif self._is_granted():
            accepted.places.append(place)
            self.accepted[file] = accepted

    def _is_granted(self) -> bool:
        """Ask whether to make an edit. Only a clear yes is a yes, and Ctrl-D stops."""
        if self.every:
            return True
        if sys.stdin is None or not sys.stdin.isatty():
            self.unasked = True
            return False
        try:
            answer = input(QUESTION).strip().lower()
        except EOFError:
            print()
            answer = "q"
        self.every, self.stopped = answer == "a", answer == "q"
        return answer in ("a", "y", "yes")

    def write(self) -> None:
        """Write the files whose edits were accepted, each whole or not at all."""
        self.writing = True
        for file, accepted in self.accepted.items():
            path = accepted.path
            try:
                if read_target(self.root, path) != (file, accepted.text):
                    raise Unfit(f"{path} changed while the check was asking")
                write_text(file, with_edits(accepted.text, accepted.places))
            except (Unfit, OSError) as reason:
                print(wrapped(f"{path} was not written: {reason}."))
            else:
                print(f"Edited {path}.")


def main(yes: bool, root: Path = ROOT, name: str | None = None) -> int:
    """Offer the edits that findings carry, write those that are accepted, and check again.

    Args:
        yes: whether each safe edit is made without a question.
        root: the folder of the repository.
        name: whose repository it is, if that was said.

    Returns:
        The exit status of the check afterwards; 130 after Ctrl-C.
    """
    fixing = Fixing(root, yes)
    try:
        status = check.main(None, None, "text", root, fixing.report, name)
        if fixing.accepted:
            fixing.write()
            return check.main(None, None, "text", root, name=name)
    except KeyboardInterrupt:
        message = "Each file is complete or unchanged. This shows what was edited:"
        print(f"\nInterrupted. {message}\n  git diff" if fixing.writing else INTERRUPTED)
        return 130
    if fixing.unasked:
        message = (
            "Nothing was changed, because there is no terminal to ask at. To make the safe edits:"
        )
        print_problem(Problem(message, 'make check ARGS="--fix --yes"'))
    elif status:
        print("Nothing was changed.")
    return status


def _say(text: str) -> None:
    print(wrapped(f"    {text}"))


def _changed_lines(text: str, place: Place) -> tuple[list[str], list[str]]:
    """Return the lines that an edit changes, whole, as they are and as they will be."""
    bounds = [*line_starts(text), len(text)]
    begin = max(start for start in bounds if start <= place.start)
    new = text[begin : place.start] + place.after
    end = place.end
    if end not in bounds or not (new == "" or new.endswith(("\r", "\n"))):  # the line goes on
        end = min((start for start in bounds if start > end), default=end)
    return text[begin:end].splitlines(), (new + text[place.end : end]).splitlines()


def _print_diff(before: list[str], after: list[str]) -> None:
    """Print lines as a diff; characters that could steer a terminal are written as their codes."""
    lines = difflib.unified_diff(before, after, lineterm="", n=len(before) + len(after))
    for line in [*lines][3:]:  # behind the names of two files, and the numbers of their lines
        shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line[1:])
        print(f"    {line[0]} {shown}".rstrip())
