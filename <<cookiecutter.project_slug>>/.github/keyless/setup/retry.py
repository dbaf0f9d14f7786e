"""What is typed to go on: bootstrap begins where it stopped, whatever stopped it."""

from __future__ import annotations

from keyless.programs import Done, Unfinished

AGAIN = "make bootstrap"


def require(done: Done, what: str, *commands: str) -> None:
    """Go on if a program has succeeded.

    Args:
        done: how it ended.
        what: what its failure means; what it printed is added.
        commands: what to type, before the same command is typed again.

    Raises:
        Unfinished: it has failed.
    """
    if done.status:
        raise Unfinished(f"{what}:\n{done.said}", *commands)
