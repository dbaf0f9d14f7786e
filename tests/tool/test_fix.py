"""check --fix, with made-up findings: what it refuses, asks and writes; and the edits of rules."""

from __future__ import annotations

import builtins
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from keyless import check, commands, fix
from keyless.model.edits import Place, Unfit, find_place, read_target, with_edits
from keyless.model.findings import CannotJudge, Edit, Finding
from keyless.rules.no_keys import find_in_files
from keyless.writing import write_text

from tests.conftest import Copy, Run
from tests.support.cases import CAUGHT, Case, Edited, label
from tests.support.check import judge
from tests.support.desk import at_terminal
from tests.support.edits import DEPLOY

COMMAND = (sys.executable, "-B", ".github/keyless", "check", "--fix")
ASKED = "Make this edit?"
MADE_UP = """
from keyless.model.findings import Edit, Finding

ID, WHY, SOURCES, BEFORE, AFTER = "made-up", "It is made up.", (), "two", "2"

def find(repository):
    if "two" in (repository.root / "notes.txt").read_text():
        edit = Edit("notes.txt", 2, "two", "2")
        yield Finding("notes.txt", 2, ID, "two is a word", "write 2", edit)
"""
MINIMUM = 90  # edits that the rules give for all cases together; raise it with them
ROUNDS = 4  # of edits, until none is left: one may lead to another, but not for ever


class Desk:
    """A project with notes.txt, in which made-up rules find what their edits would change."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.notes = root / "notes.txt"
        self.notes.write_text("one\ntwo\nthree\n")
        self.questions: list[str] = []
        self._patch = patch

    def finds(self, *edits: Edit | None) -> None:
        """Let the check find these, each as long as its edit fits, or for ever if it has none."""

        def findings(*_: object, **__: object) -> list[Finding]:
            return [finding for edit in edits for finding in self._finding(edit)]

        self._patch.setattr(check, "findings", findings)

    def _finding(self, edit: Edit | None) -> Iterable[Finding]:
        path, line = (edit.path, edit.line) if edit else (DEPLOY, 1)
        if edit is None or edit.before in (self.root / path).read_bytes().decode():
            yield Finding(path, line, "made-up", f"line {line} is wrong", "mend it", edit)

    def fix(
        self,
        capsys: pytest.CaptureFixture[str],
        *answers: str | type[BaseException] | Callable[[], str],
        yes: bool = False,
        terminal: bool = True,
    ) -> tuple[int, str]:
        """Run the command, and answer its questions, all of which must be asked."""
        left = list(answers)

        def ask(question: str) -> str:
            self.questions.append(question)
            answer = left.pop(0)
            if isinstance(answer, str):
                return answer
            if isinstance(answer, type):
                raise answer
            return answer()

        self._patch.setattr(builtins, "input", ask)
        self._patch.setattr(sys.stdin, "isatty", lambda: terminal)
        status = fix.main(yes, self.root)
        assert not left
        return status, capsys.readouterr().out


@pytest.fixture
def desk(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(copy().path, monkeypatch)


Out = pytest.CaptureFixture[str]
ONE, TWO, THREE = (
    Edit("notes.txt", line, word, str(line)) for line, word in enumerate(("one", "two", "three"), 1)
)
UNSAFE = TWO._replace(safe=False)
WORDS = "one\ntwo\nthree\n"


# What is refused


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fix", "--plan", "plan.json"], "Leave out --plan"),
        (["--fix", "--values", "values.json"], "Leave out --values"),
        (["--fix", "--format", "json"], "Leave out --format"),
        (["--fix", "--yes", "--format", "github"], "Leave out --format"),
        (["--yes"], "--yes does nothing without --fix"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: list[str], says: str, capsys: Out) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main(["check", *arguments])
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert says in printed.err


def test_without_a_terminal_nothing_is_asked_or_changed(desk: Desk, capsys: Out) -> None:
    desk.finds(ONE, UNSAFE)
    status, printed = desk.fix(capsys, terminal=False)
    assert (status, desk.notes.read_text(), desk.questions) == (1, WORDS, [])
    assert "    - one\n    + 1\n" in printed
    assert "    - two\n    + 2\n" in printed
    assert printed.endswith(
        "Nothing was changed, because there is no terminal to ask at. To make the safe edits:\n"
        '  make check ARGS="--fix --yes"\n'
    )


def test_without_stdin_nothing_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    desk.finds(ONE)
    monkeypatch.setattr(sys, "stdin", None)
    assert (fix.main(False, desk.root), desk.notes.read_text()) == (1, WORDS)
    assert "there is no terminal" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["n", "", "no", "ja", "yy"])
def test_only_a_clear_yes_changes_a_file(desk: Desk, capsys: Out, answer: str) -> None:
    desk.finds(ONE, TWO)
    status, printed = desk.fix(capsys, answer, answer)
    assert (status, desk.notes.read_text(), len(desk.questions)) == (1, WORDS, 2)
    assert printed.endswith("Nothing was changed.\n")


@pytest.mark.parametrize("answer", ["q", EOFError], ids=["q", "Ctrl-D"])
def test_q_stops_asking_and_shows_the_other_findings(
    desk: Desk, capsys: Out, answer: str | type[BaseException]
) -> None:
    desk.finds(ONE, TWO, None)
    status, printed = desk.fix(capsys, answer)
    assert (status, desk.notes.read_text(), len(desk.questions)) == (1, WORDS, 1)
    assert "notes.txt:2: made-up line 2 is wrong" in printed
    assert "- two" not in printed
    assert f"{DEPLOY}:1: made-up" in printed


def test_what_was_accepted_before_q_is_made(desk: Desk, capsys: Out) -> None:
    desk.finds(ONE, TWO, THREE)
    status, printed = desk.fix(capsys, "y", "q")
    assert (status, desk.notes.read_text()) == (1, "1\ntwo\nthree\n")
    assert printed.count("made-up line 3 is wrong") == 2  # at first, and when it checks again


def test_an_unsafe_edit_is_shown_and_not_made(desk: Desk, capsys: Out) -> None:
    desk.finds(UNSAFE)
    for yes in (False, True):
        status, printed = desk.fix(capsys, yes=yes)
        assert (status, desk.notes.read_text(), desk.questions) == (1, WORDS, [])
        said = " ".join(printed.split())
        assert (
            "notes.txt:2 - two + 2 The check does not make this edit, because it changes who"
            in said
        )
        assert "make it by hand. Nothing was changed." in said


def test_a_file_that_changes_while_this_asks_is_not_written(desk: Desk, capsys: Out) -> None:
    desk.finds(ONE, TWO)

    def meanwhile() -> str:
        desk.notes.write_text("one\ntwo\nfour\n")
        return "y"

    status, printed = desk.fix(capsys, "y", meanwhile)
    assert (status, desk.notes.read_text()) == (1, "one\ntwo\nfour\n")
    assert "notes.txt was not written: notes.txt changed while the check was asking." in printed
    status, printed = desk.fix(capsys, lambda: "y" if desk.notes.write_text(WORDS) else "")
    assert (status, desk.notes.read_text()) == (1, WORDS)
    assert "This edit is not made: notes.txt changed while the check was asking." in printed


def test_a_link_that_leads_elsewhere_while_this_asks_is_not_followed(
    desk: Desk, capsys: Out, tmp_path: Path
) -> None:
    (tmp_path / "outside.txt").write_text(WORDS)
    desk.finds(ONE)

    def meanwhile() -> str:
        desk.notes.unlink()
        desk.notes.symlink_to(tmp_path / "outside.txt")
        return "y"

    status, printed = desk.fix(capsys, meanwhile)
    assert (status, (tmp_path / "outside.txt").read_text()) == (1, WORDS)
    assert "notes.txt was not written: notes.txt is outside of the repository." in printed


def test_links_and_paths_out_of_the_repository_are_not_followed(
    desk: Desk, capsys: Out, tmp_path: Path
) -> None:
    outside = tmp_path / "outside/notes.txt"
    outside.parent.mkdir()
    outside.write_text(WORDS)
    (desk.root / "link.txt").symlink_to(outside)
    (desk.root / "folder").symlink_to(outside.parent)
    up = os.path.relpath(outside, desk.root)
    paths = ("link.txt", "folder/notes.txt", up, str(outside))
    desk.finds(*(ONE._replace(path=path) for path in paths))
    status, printed = desk.fix(capsys, yes=True)
    assert (status, outside.read_text(), desk.notes.read_text()) == (1, WORDS, WORDS)
    assert " ".join(printed.split()).count("is outside of the repository") == len(paths)


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.unlink(), "is not a file"),
        (lambda path: (path.unlink(), path.mkdir()), "is not a file"),
        (make_pipe, "is not a file"),
        (lambda path: path.write_bytes(b"one\xe9\n"), "is not UTF-8"),
        (lambda path: (path.unlink(), path.symlink_to(path.name)), "notes.txt "),
    ],
    ids=["missing", "folder", "pipe", "Latin-1", "loop"],
)
def test_what_cannot_be_edited_is_reported(
    desk: Desk, make: Callable[[Path], object], says: str
) -> None:
    make(desk.notes)
    with pytest.raises(Unfit, match=says):
        read_target(desk.root, "notes.txt")


def test_a_file_that_cannot_be_written_is_reported(
    desk: Desk, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "notes.txt")

    desk.finds(ONE)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    status, printed = desk.fix(capsys, "y")
    assert (status, desk.notes.read_text()) == (1, WORDS)
    assert "notes.txt was not written: [Errno 13] Permission denied" in printed


def test_two_edits_of_one_place_are_not_both_made(desk: Desk, capsys: Out) -> None:
    other = Edit("notes.txt", 1, "ne\ntwo", "X")
    desk.finds(ONE, other, TWO)
    status, printed = desk.fix(capsys, "y", "y")
    assert (status, desk.notes.read_text()) == (0, "1\n2\nthree\n")
    assert "an edit above changes the same place" in " ".join(printed.split())
    assert "    - ne\n    - two\n    + X\n" in printed


@pytest.mark.parametrize("when", ["at a question", "while it writes", "while it checks again"])
def test_ctrl_c_leaves_nothing_half_written(
    desk: Desk, capsys: Out, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def interrupt_check(*_: object) -> None:
        monkeypatch.setattr(check, "findings", interrupt)

    desk.finds(ONE, TWO)
    before = sorted(desk.root.iterdir())
    if when == "while it writes":
        monkeypatch.setattr(os, "replace", interrupt)
    if when == "while it checks again":
        monkeypatch.setattr(fix, "write_text", interrupt_check)
    second = KeyboardInterrupt if when == "at a question" else "y"
    status, printed = desk.fix(capsys, "y", second)
    assert (status, desk.notes.read_text(), sorted(desk.root.iterdir())) == (130, WORDS, before)
    nothing, complete = "Nothing was changed.", "Each file is complete or unchanged."
    assert f"\nInterrupted. {nothing if when == 'at a question' else complete}" in printed
    assert ("git diff" in printed) == (when != "at a question")


# What is done


def test_a_yes_makes_the_edit_and_the_check_runs_again(desk: Desk, capsys: Out) -> None:
    desk.finds(TWO)
    status, printed = desk.fix(capsys, "y")
    assert (status, desk.notes.read_text()) == (0, "one\n2\nthree\n")
    assert printed.startswith(
        "notes.txt:2: made-up line 2 is wrong\n    mend it\n"
        "    notes.txt:2\n    - two\n    + 2\nEdited notes.txt.\n"
    )
    assert "agree" in printed.splitlines()[-1]


def test_the_exit_status_is_that_of_the_check_afterwards(desk: Desk, capsys: Out) -> None:
    desk.finds(ONE, TWO, None)
    status, printed = desk.fix(capsys, "y", "n")
    assert (status, desk.notes.read_text()) == (1, "1\ntwo\nthree\n")
    again = printed.partition("Edited notes.txt.\n")[2]
    assert re.findall(r"(?m)^\S+:\d+", again) == [f"{DEPLOY}:1", "notes.txt:2"]


def test_an_edit_after_which_nothing_can_be_judged_ends_with_2(
    desk: Desk, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy = (desk.root / DEPLOY).read_text()
    judged = check.findings
    desk.finds(Edit(DEPLOY, 1, "", "a: [\n"))

    def accept() -> str:
        monkeypatch.setattr(check, "findings", judged)
        return "y"

    status, printed = desk.fix(capsys, accept)
    assert (status, (desk.root / DEPLOY).read_text()) == (2, f"a: [\n{deploy}")
    assert f"Edited {DEPLOY}.\n{DEPLOY}: not YAML" in printed


def test_a_makes_this_edit_and_all_other_safe_ones(desk: Desk, capsys: Out) -> None:
    desk.finds(ONE, UNSAFE, THREE)
    status, _ = desk.fix(capsys, "a")
    assert (status, desk.notes.read_text()) == (1, "1\ntwo\n3\n")


def test_with_yes_all_safe_edits_are_made_without_a_question(desk: Desk, capsys: Out) -> None:
    desk.finds(ONE, TWO, THREE)
    status, printed = desk.fix(capsys, yes=True, terminal=False)
    assert (status, desk.notes.read_text(), desk.questions) == (0, "1\n2\n3\n", [])
    assert printed.count("Edited") == 1


def test_where_nothing_is_found_there_is_nothing_to_ask(desk: Desk, capsys: Out) -> None:
    assert desk.fix(capsys)[0] == 0
    desk.finds(None)
    assert desk.fix(capsys) == (
        1,
        f"{DEPLOY}:1: made-up line 1 is wrong\n    mend it\nNothing was changed.\n",
    )


def test_a_link_within_the_repository_stays_one_and_so_does_the_mode(
    desk: Desk, capsys: Out
) -> None:
    real = desk.root / "app/notes.txt"
    desk.notes.rename(real)
    real.chmod(0o751)
    desk.notes.symlink_to("app/notes.txt")
    desk.finds(ONE, TWO._replace(path="app/notes.txt"))
    status, _ = desk.fix(capsys, yes=True)
    assert (status, real.read_text(), desk.notes.is_symlink()) == (0, "1\n2\nthree\n", True)
    assert real.stat().st_mode & 0o777 == 0o751


def test_what_is_shown_cannot_steer_the_terminal(desk: Desk, capsys: Out) -> None:
    desk.notes.write_bytes("one \x1b[2J\u202e\ttwo\n".encode())
    desk.finds(ONE)
    assert "    - one \\x1b[2J\\u202e\\ttwo\n" in desk.fix(capsys, "n")[1]


LINE_ENDS = ["\n", "\r\n", "\r"]


@pytest.mark.parametrize("end", LINE_ENDS, ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(
    ("before", "edits", "after"),
    [
        ("a\nb\nc\n", [(2, "b", "x\ny")], "a\nx\ny\nc\n"),
        ("a\nb\nc\n", [(1, "a\n", "x\n"), (3, "c\n", "")], "x\nb\n"),
        ("a\nb\nc\n", [(1, "a\nb\n", "")], "c\n"),
        ("a\nb\n", [(2, "", "x\n"), (1, "", "y\n"), (3, "", "z\n")], "y\na\nx\nb\nz\n"),
        ("a\nb", [(2, "b\n", "x\n")], "a\nx"),
        ("a\nb", [(2, "b\n", "")], "a"),
        ("a\nb\n", [(2, "b\n", "x")], "a\nx\n"),
        ("a\nb", [(1, "a", "x")], "x\nb"),
        ("a: b # b\n", [(1, "b #", "c #")], "a: c # b\n"),
        ("\ufeffa\n\u00e9\n", [(1, "a", "x"), (2, "\u00e9", "e")], "\ufeffx\ne\n"),
        ("a\n\nb\n", [(1, "\n\nb", "\nb")], "a\nb\n"),
        ("a", [(1, "a", "")], ""),
        ("a\u2028b\nc\n", [(2, "c", "x")], "a\u2028b\nx\n"),
    ],
)
def test_all_else_in_a_file_stays_as_it_is(
    before: str, edits: list[tuple[int, str, str]], after: str, end: str
) -> None:
    text = before.replace("\n", end)
    places = [find_place(text, Edit("a.txt", *edit)) for edit in edits]
    assert with_edits(text, places) == after.replace("\n", end)


def test_an_edit_may_have_line_ends_of_its_own() -> None:
    place = find_place("a\r\nb\nc", Edit("a.txt", 2, "b\r\n", "x\r\ny\r\n"))
    assert with_edits("a\r\nb\nc", [place]) == "a\r\nx\ny\nc"


@pytest.mark.parametrize(
    ("line", "before", "says"),
    [
        (1, "b", "has another text on line 1"),
        (2, "a", "has another text on line 2"),
        (2, "b\nc\nd", "has another text on line 2"),
        (3, "c", "this text twice on line 3"),
        (0, "", "has no line 0"),
        (5, "", "has no line 5"),
    ],
)
def test_an_edit_that_does_not_fit_once_is_refused(line: int, before: str, says: str) -> None:
    with pytest.raises(Unfit, match=says):
        find_place("a\nb\nc cc\n", Edit("a.txt", line, before, "x"))


def test_two_lines_are_not_both_inserted_at_one_place(desk: Desk, capsys: Out) -> None:
    desk.finds(Edit("notes.txt", 2, "", "a\n"), Edit("notes.txt", 2, "", "b\n"))
    status, printed = desk.fix(capsys, "y")
    assert (status, desk.notes.read_text()) == (1, "one\na\ntwo\nthree\n")
    assert "an edit above changes the same place" in " ".join(printed.split())


def test_bytes_are_kept(desk: Desk, capsys: Out) -> None:
    desk.notes.write_bytes("\ufeffone\r\ntwo \u00e9\r\nthree".encode())
    desk.finds(TWO, THREE)
    assert desk.fix(capsys, yes=True)[0] == 0
    assert desk.notes.read_bytes() == "\ufeffone\r\n2 \u00e9\r\n3".encode()


def test_json_has_the_edit_or_null(desk: Desk) -> None:
    desk.finds(UNSAFE, None)
    other, one = json.loads(judge(desk.root, form="json")[1])
    assert (one["edit"], other["edit"]) == (UNSAFE._asdict(), None)
    assert list(one["edit"]) == ["path", "line", "before", "after", "safe"]
    desk.finds(UNSAFE)
    assert judge(desk.root, form="github")[1].count("\n") == 1


def run_at_terminal(root: Path, answer: str) -> tuple[int, str]:
    """Run the command at a real terminal, with a rule that is made up; answer its one question."""
    (root / ".github/keyless/rules/made_up.py").write_text(MADE_UP)
    ended = at_terminal(list(COMMAND), root, dict(os.environ), {ASKED: answer})
    return ended.status, ended.out


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1), ("", 1), ("\x03", 130)])
def test_it_asks_at_a_real_terminal(desk: Desk, answer: str, status: int) -> None:
    ended, printed = run_at_terminal(desk.root, answer)
    assert (ended, "Traceback" in printed) == (status, False), printed
    assert (desk.notes.read_text() == WORDS) == bool(status)
    assert ("Nothing was changed." in printed) == bool(status)


def test_make_check_passes_the_options_on(desk: Desk, run: Run) -> None:
    (desk.root / ".github/keyless/rules/made_up.py").write_text(MADE_UP)
    python = desk.root / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    os.utime(desk.root / ".github/keyless/requirements.txt", (0, 0))
    given = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = run("make", "check", "ARGS=--fix --yes", cwd=desk.root, env=given)
    assert (done.returncode, "Edited notes.txt." in done.stdout) == (0, True), done.stdout
    assert desk.notes.read_text() == "one\n2\nthree\n"


# The edits of the rules


def findings(root: Path) -> list[Finding]:
    """Return everything that the check finds in a project."""
    return [*check.findings(root), *find_in_files(root)]


def make_edits(root: Path, edits: Iterable[Edit]) -> list[Edit]:
    """Make edits, safe or not, each of which must fit; return those that no other one touches."""
    made: list[Edit] = []
    by_path: dict[str, list[Edit]] = {}
    for edit in edits:
        by_path.setdefault(edit.path, []).append(edit)
    for path, those in by_path.items():
        file, text = read_target(root, path)
        chosen: dict[Edit, Place] = {}
        for edit in those:
            place = find_place(text, edit)
            assert place.after != text[place.start : place.end], edit
            if not any(place.touches(other) for other in chosen.values()):
                chosen[edit] = place
        write_text(file, with_edits(text, [*chosen.values()]))
        made += chosen
    return made


@pytest.mark.parametrize("case", CAUGHT, ids=label)
def test_the_edits_of_a_finding_mend_it(edited: Edited, case: Case) -> None:
    """A finding never comes back, and what is reported instead has no edits without end."""
    root = edited(case)
    mended: set[tuple[str, str, str]] = set()
    for _ in range(ROUNDS):
        try:
            found = findings(root)
        except CannotJudge as reason:
            pytest.fail(f"an edit has left a file that cannot be read: {reason}")
        assert not mended & {(one.path, one.rule, one.message) for one in found}
        edits = {one.edit: None for one in found if one.edit}  # in their order
        if not edits:
            return
        made = make_edits(root, edits)
        mended |= {(one.path, one.rule, one.message) for one in found if one.edit in made}
    pytest.fail(f"after {ROUNDS} rounds there are still edits: {[*edits]}")


def test_the_timer_that_older_projects_have_is_removed(copy: Copy, capsys: Out) -> None:
    root = copy().path
    fresh = (root / DEPLOY).read_text()
    older = fresh.replace(" short outages\n", " short outages\n          action-timeout-s: 60\n")
    (root / DEPLOY).write_text(older)
    assert (fix.main(True, root), (root / DEPLOY).read_text() == fresh != older) == (0, True)
    assert (
        "every-step-runs action-timeout-s is 60, but the action stops this timer only if it "
        "succeeds. After a failure the job waits until the timer ends, and then reports why\n"
        "    remove it, and write timeout-minutes: 5 into the step\n"
    ) in capsys.readouterr().out


def test_a_step_of_an_action_is_limited_where_the_action_is_used(edited: Edited) -> None:
    cases = [one for one in CAUGHT if one.edit[0] == "action"]
    case = next(one for one in cases if "action-timeout-s" in one.edit[2])
    (found,) = findings(edited(case))
    assert found.mend.endswith("write timeout-minutes: 5 into the step that uses this action")


def test_the_rules_give_so_many_edits_for_their_cases(edited: Edited) -> None:
    edits = 0
    for case in CAUGHT:
        root = edited(case)
        edits += len({one.edit for one in findings(root) if one.edit})
        shutil.rmtree(root)
    assert edits >= MINIMUM
