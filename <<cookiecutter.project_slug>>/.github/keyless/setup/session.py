"""What the commands of setup share: their environment, signals, and errors as messages."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable

from keyless.aws import Refused
from keyless.console import Problem, print_problem
from keyless.gh import Denied
from keyless.model.account import read_account
from keyless.model.findings import CannotJudge
from keyless.paths import ROOT
from keyless.programs import Unfinished
from keyless.setup.remedies import meaning

INTERRUPTED = "No file is half-written. To continue where it stopped:\n  {again}"


def run(command: str, function: Callable[[], int], interrupted: str = INTERRUPTED) -> int:
    """Run a command of setup, and print each error as a message.

    Args:
        command: what a person types to run it again, for example make bootstrap.
        function: the command; it returns its exit status.
        interrupted: what to print after Ctrl-C; {again} in it stands for the command.

    Returns:
        The exit status of the function; 1 after an error; 130 after Ctrl-C.
    """
    _prepare()
    try:
        return function()
    except KeyboardInterrupt:
        print(f"\nInterrupted. {interrupted.format(again=command)}")
        return 130
    except Unfinished as problem:
        print_problem(Problem(str(problem), *problem.commands, command))
    except Problem as problem:
        print_problem(problem)
    except (Denied, Refused) as error:
        meant = meaning(error)
        print_problem(Problem(str(meant), *meant.commands, command))
    except CannotJudge as reason:
        print(reason)
    except BrokenPipeError:  # the program that reads the output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print_problem(Problem(f"This machine reported an error: {error}", command))
    return 1


def _prepare() -> None:
    encoded = {"errors": "backslashreplace", "line_buffering": True}
    sys.stdout.reconfigure(**encoded)  # type: ignore[union-attr]
    os.environ["LANGUAGE"] = "C"  # a program reads the answers
    for name in ("CLICOLOR_FORCE", "GH_FORCE_TTY", "GH_DEBUG"):
        os.environ.pop(name, None)
    _choose_github()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def _choose_github() -> None:
    """Let gh use the GitHub that signs the tokens.

    Without infra/ this is unknown before the first fetch. Until then gh uses its own default.
    """
    with contextlib.suppress(CannotJudge):  # the command itself reports what cannot be read
        account = read_account(ROOT)
        if account.made_here or account.values.get("oidc_issuer"):
            os.environ["GH_HOST"] = account.host
