"""Doctor's concerns in this folder: the contract, and what is not committed or pushed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.gh import page_of
from keyless.setup.contract import run_check
from keyless.setup.git import git, head_commit, uncommitted_files
from keyless.setup.health.patient import Line, Patient


def contract(_patient: Patient) -> Iterator[Line]:
    """What the check says."""
    done = run_check()
    text = done.out.strip() or done.said
    if done.status:
        count = len(re.findall("(?m)^[^ ]", text))
        text = text.splitlines()[0] + f" ({count} in all)" * (count > 1)
    yield Line("contract", done.status == 0, text, ("make check",) if done.status else ())


def commits(patient: Patient) -> Iterator[Line]:
    """Whether what is here is what GitHub has, and so what a release has."""
    left = uncommitted_files(3)
    if left:
        text = f"not committed, so a release will not have it: {left}"
        yield Line("commits", False, text, ("git add --all && git commit && git push",))
        return
    done = git("ls-remote", "--heads", f"{page_of(patient.name)}.git")
    head = head_commit()
    if done.status or head not in done.out or not head:
        text = done.said if done.status else "the commits here are not on GitHub"
        yield Line("commits", False, text, ("git push",))
    else:
        yield Line("commits", True, "everything here is committed and on GitHub")
