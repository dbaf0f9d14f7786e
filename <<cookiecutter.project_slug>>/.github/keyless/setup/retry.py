"""The command that continues: bootstrap goes on where it stopped, whatever the reason."""

from __future__ import annotations

from keyless.programs import Done, Unfinished

AGAIN = "make bootstrap"


def require(done: Done, what: str, *commands: str) -> None:
    """Go on if a program has succeeded.

    Args:
        done: how it ended.
        what: what its failure means; its output is added.
        commands: what to type before the same command is typed again.

    Raises:
        Unfinished: it has failed.
    """
    if done.status:
        raise Unfinished(f"{what}:\n{done.said}", *commands)
