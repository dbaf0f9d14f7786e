"""What `make test ARGS=...` hands on: tests start makes of their own, which must not get it."""

from __future__ import annotations

from collections.abc import MutableMapping

# Make's own, and the variables that a Makefile here or in a generated project takes.
OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "GNUMAKEFLAGS")
TAKEN = (
    *("ARGS", "FILE", "FROM", "KEY", "OUT", "PROJECT", "PYTHON", "REPO", "SET", "TO", "VERSION"),
)


def forget_make(environment: MutableMapping[str, str]) -> None:
    """Remove from an environment what a make has put into it."""
    for name in (*OF_MAKE, *TAKEN):
        environment.pop(name, None)
