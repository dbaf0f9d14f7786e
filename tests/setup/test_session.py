"""What surrounds each command at a desk: each error is printed in words, with what to type."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from keyless.aws import Refused
from keyless.console import Problem
from keyless.gh import Denied
from keyless.model.answers import applying_program
from keyless.model.findings import CannotJudge
from keyless.programs import parse_answer
from keyless.setup import release, session


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Keep what a session changes in its process: signals and environment."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    environment = dict(os.environ)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    os.environ.clear()
    os.environ.update(environment)


@pytest.mark.parametrize(
    ("error", "status", "printed"),
    [
        (Problem("It is wrong.", "mend it"), 1, "It is wrong.\n  mend it\n"),
        (CannotJudge("x.json:1: not JSON; correct it"), 1, "x.json:1: not JSON; correct it\n"),
        (
            Denied(403, "no"),
            1,
            "GitHub refused the request: no. To see which login you use:\n  gh auth status\n"
            "  make it\n",
        ),
        (
            Refused("AccessDenied", "no"),
            1,
            "Your AWS user or role does not have permission for this: AccessDenied: no. All actions"
            " that it needs\nare listed in .github/keyless/docs/permissions.md. Ask an"
            " administrator of the account for them. To\nsee who you are:\n"
            "  aws sts get-caller-identity\n  make it\n",
        ),
        (OSError("disk full"), 1, "This machine reported an error: disk full\n  make it\n"),
        (
            KeyboardInterrupt(),
            130,
            "\nInterrupted. No file is half-written. To continue where it stopped:\n  make it\n",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_error_is_printed_with_what_to_type(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, printed: str
) -> None:
    def fail() -> int:
        raise error

    assert session.run("make it", fail) == status
    assert capsys.readouterr().out == printed


def test_an_answer_that_cannot_be_read_lets_the_same_be_typed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = session.run("make it", lambda: len(parse_answer("GitHub", "<html>\n busy")))
    assert ended == 1
    expected = "GitHub's answer is not JSON, so it cannot be read: <html> busy\n  make it\n"
    assert capsys.readouterr().out == expected


def test_a_command_can_print_its_own_text_after_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> int:
        raise KeyboardInterrupt

    assert session.run("make it", interrupt, "Type the same again.") == 130
    assert capsys.readouterr().out == "\nInterrupted. Type the same again.\n"


def test_an_interrupted_release_may_be_on_github(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(release, "_release", interrupt)
    assert release.main("v1", older=False, leave_uncommitted=False) == 130
    said = "Nothing is published twice. To continue, type the same command again:"
    assert capsys.readouterr().out == f"\nInterrupted. {said}\n  make release VERSION=v1\n"


def test_a_signal_to_end_counts_as_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    def ended_by_somebody() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    assert session.run("make it", ended_by_somebody) == 130
    assert "Interrupted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "program"),
    [
        (json.dumps({"default_context": {"iac_tool": "opentofu"}}), "tofu"),
        (json.dumps({"default_context": {"iac_tool": "terraform"}}), "terraform"),
        (json.dumps({"default_context": {}}), "terraform"),
        ("[]", "terraform"),
        ("<< cookiecutter >>", "terraform"),
        (None, "terraform"),
    ],
    ids=["tofu", "terraform", "no answer", "a list", "no JSON", "no file"],
)
def test_the_answers_name_the_program_that_applies_infra(
    tmp_path: Path, text: str | None, program: str
) -> None:
    if text is not None:
        (tmp_path / ".cookiecutter.json").write_text(text)
    assert applying_program(tmp_path) == program
