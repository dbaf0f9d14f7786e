"""What surrounds each command at a desk: environment, signals, and errors in words."""

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

INTERRUPTED = "Nothing is half-written, and this goes on from there:\n  {again}"


def run(command: str, function: Callable[[], int], interrupted: str = INTERRUPTED) -> int:
    """Run a command of setup, and print in words what stands in its way.

    Args:
        command: what a person types to run it again, for example make bootstrap.
        function: the command; it returns its exit status.
        interrupted: what to print after Ctrl-C; {again} in it stands for the command.

    Returns:
        The exit status of the function; 1 where something stands in the way; 130 after Ctrl-C.
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
    except BrokenPipeError:  # whoever read this has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print_problem(Problem(f"This machine refuses: {error}", command))
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
    """Let gh ask the GitHub that signs the tokens.

    Without infra/ it is not known before the first fetch: then gh itself decides which one it asks.
    """
    with contextlib.suppress(CannotJudge):  # the command itself says what cannot be read
        account = read_account(ROOT)
        if account.made_here or account.values.get("oidc_issuer"):
            os.environ["GH_HOST"] = account.host
