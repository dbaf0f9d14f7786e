"""Doctor's concerns in this folder: the contract, and what is not committed or not pushed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.setup.contract import run_check
from keyless.setup.git import head_commit, uncommitted_files
from keyless.setup.health.patient import Line, Patient, ok, unknown, wrong
from keyless.setup.retry import AGAIN


def contract(_patient: Patient) -> Iterator[Line]:
    """Whether `make check` passes."""
    done = run_check()
    text = done.out.strip() or done.said
    if done.status:
        count = len(re.findall("(?m)^[^ ]", text))
        text = text.splitlines()[0] + f" ({count} in all)" * (count > 1)
    if done.status == 0:
        yield ok("contract", text)
    else:  # 2 means that the check could not judge
        yield (unknown if done.status == 2 else wrong)("contract", text, "make check")


def commits(patient: Patient) -> Iterator[Line]:
    """Whether GitHub has what is in this folder: a release contains only that."""
    left = uncommitted_files(3)
    if left and head_commit():
        text = f"a release will not contain what is not committed: {left}"
        yield wrong("commits", text, "git add FILE && git commit && git push")
        return
    head, on_github = head_commit(), patient.heads.values()
    if not head:
        yield wrong("commits", "nothing is committed yet, so GitHub has no files", AGAIN)
    elif head not in on_github:
        text = "your last commit is not on GitHub, so a release will not contain it"
        yield wrong("commits", text, "git push")
    else:
        yield ok("commits", "everything here is committed and on GitHub")
