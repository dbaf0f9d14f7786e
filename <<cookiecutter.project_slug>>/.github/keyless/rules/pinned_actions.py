"""Actions of others are pinned to a full commit SHA, with the version in a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.callers import uses_spellings
from keyless.model.findings import Finding
from keyless.model.repository import Repository
from keyless.model.workflows import Workflow, local_path
from keyless.paths import SHARED_WORKFLOW, TOOL

ID = "pinned-actions"
WHY = "Somebody can move a tag to other code. A full commit SHA always names the same code."
SOURCES = (
    (
        "GitHub: secure use",
        "https://docs.github.com/en/actions/reference/security/secure-use",
    ),
)
BEFORE = "uses: actions/checkout@v7"
AFTER = "uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"


def find(repository: Repository) -> Iterator[Finding]:
    """Look at what each step and each job uses.

    A workflow that a role trusts by its ref can be used by that ref: AWS tests it.
    """
    entries = repository.account.entries.values()
    trusted = {spelling for entry in entries for spelling in uses_spellings(entry)}
    for source in repository.sources:
        for _, part in source.parts():
            used = part.text("uses")
            if used and not local_path(used) and not _is_trusted(source, used, trusted):
                yield from _judge(source, used, part.line("uses"))


def _is_trusted(source: Workflow, used: str, trusted: set[str]) -> bool:
    """Tell whether a role trusts what is used by its ref, or an action beside such a workflow."""
    if used in trusted:
        return True  # of a called workflow its own finding says which ref is trusted
    if source.path != SHARED_WORKFLOW:
        return False
    places = {re.sub(r"\.github/workflows/.*@", "@", each) for each in trusted}
    if not places:  # nobody calls it any more, or yet
        return f"/{TOOL}@" in used
    return re.sub("[.]github/(keyless|actions/.*)@", "@", used) in places


def _judge(source: Workflow, used: str, line: int) -> Iterator[Finding]:
    written = " ".join(source.text[line - 1 : line + 1]).partition(used)[2]
    # A version may be written as v4, 4.1.0, tag=v4 or ratchet:owner/action@v4.
    commented = re.match(r"""["']?(,[^#]*)?\s*[^\s:]*\s*#.*?\bv?\d""", written)
    image = used.startswith("docker://")
    pinned = re.search("@sha256:[0-9a-f]{64}$" if image else "@[0-9a-fA-F]{40}$", used)
    if not pinned or not (commented or image):
        message = f"{used} is pinned, but no comment gives the version"
        if not pinned:
            message = f"{used} is not a full commit SHA, so other code can run under that name"
        mend = "write owner/action@SHA # vVERSION. This shows the SHA: "
        mend += "git ls-remote https://github.com/OWNER/ACTION VERSION"
        yield Finding(source.path, line, ID, message, mend)
