"""The issue that says once a week that a newer version of the template is available.

It is found by its title, and there is never more than one: it is opened, kept up to date, and
closed when the repository has the newest version.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from keyless.console import Problem
from keyless.gh import Denied, call_github
from keyless.model.identity import identify
from keyless.setup.updating.record import VERSION

_NAME = re.compile(rf"{VERSION.pattern}( \([0-9a-f]{{12}}\))?|[0-9a-f]{{12}}")  # or a commit
TITLE = "A newer version of the template is available"
# Whose issue it can be: in a public repository anyone may open one with this title, and edit it.
BOT = "github-actions[bot]"
TRUSTED = ("OWNER", "MEMBER", "COLLABORATOR")  # [REST API, author_association]
PAGE = 100  # issues and pull requests, the most of an answer
# GitHub takes 65,536 characters [REST API: "body is too long (maximum is 65536 characters)"].
LONGEST_CHANGELOG = 60_000
# Control characters, and those that change the direction of the text.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
BODY = """\
Version {newest} of the template is available. This repository has version {current}.

To update, type this in a clone of the repository:

```sh
make update
```

It shows what would change, and asks once. Then it makes the changes on a new branch. If the
`Makefile` has no such target, type `python3 .github/keyless update`.

What is new:

{changelog}

A workflow keeps this issue up to date. It closes it when the repository has the newest version."""
UNKNOWN = "unknown"  # of a version that has not the form of one
CLOSING = "This repository has the newest version of the template, {current}."


def refresh(root: Path, check: dict[str, Any]) -> str:
    """Open, edit or close the issue on GitHub, as a comparison of the versions says.

    Args:
        root: of the repository.
        check: `state` is older, newest or unknown; `current` and `newest` are versions, `changelog`
            is what is new (Markdown), and `why` says what is unknown.

    Returns:
        What was done, in one line.

    Raises:
        Denied: GitHub refuses it.
        Garbled: GitHub answers something else than JSON.
        Problem: it is not known which repository this is, or it has no issues.
    """
    if check["state"] not in ("older", "newest"):
        return f"The issue was not changed, because the newest version is unknown: {check['why']}"
    path = f"repos/{_name(root)}/issues"
    try:
        found = _open_issues(path)
        if check["state"] == "newest":
            return _close(path, found, check)
        return _say(path, found, check)
    except FileNotFoundError as error:
        text = "gh is not installed, so no issue can be opened. Install it: https://cli.github.com"
        raise Problem(text) from error
    except Denied as denied:
        if denied.status != 410:
            raise
        raise Problem(
            f"Issues are disabled in this repository ({denied}), so none can be opened for a newer"
            " version. Enable issues, or remove the workflow:",
            "gh repo edit --enable-issues",
        ) from denied


def _name(root: Path) -> str:
    name = identify(root).name
    if name is None:
        raise Problem(
            "The name of this repository is unknown, or it is a fork, so no issue can be opened."
            " This shows what GitHub knows about it:",
            "gh repo view",
        )
    return name


def _open_issues(path: str) -> list[dict[str, Any]]:
    """Return the open issues with the title, the newest first; pull requests are listed, too."""
    found: list[dict[str, Any]] = []
    page = 0
    while True:
        page += 1
        listed = call_github(f"{path}?state=open&per_page={PAGE}&page={page}")
        found += [issue for issue in listed if _is_own(issue)]
        if len(listed) < PAGE:
            return found


def _is_own(issue: dict[str, Any]) -> bool:
    login = (issue.get("user") or {}).get("login")
    trusted = login == BOT or issue.get("author_association") in TRUSTED
    return issue["title"] == TITLE and "pull_request" not in issue and trusted


def _say(path: str, found: list[dict[str, Any]], check: dict[str, Any]) -> str:
    newest = _version(check["newest"])
    body = BODY.format(
        newest=newest,
        current=_version(check["current"]),
        changelog=quoted(check["changelog"]),
    )
    if not found:
        issue = call_github(path, "POST", {"title": TITLE, "body": body})
        return f"Opened {issue['html_url']}: version {newest} is available."
    issue = found[0]
    if (issue.get("body") or "").replace("\r\n", "\n") == body:
        return f"{issue['html_url']} already reports that version {newest} is available."
    call_github(f"{path}/{issue['number']}", "PATCH", {"body": body})
    return f"Edited {issue['html_url']}: version {newest} is available."


def _close(path: str, found: list[dict[str, Any]], check: dict[str, Any]) -> str:
    closing = CLOSING.format(current=_version(check["current"]))
    for issue in found:
        call_github(f"{path}/{issue['number']}/comments", "POST", {"body": closing})
        closed = {"state": "closed", "state_reason": "completed"}
        call_github(f"{path}/{issue['number']}", "PATCH", closed)
    which = ", ".join(issue["html_url"] for issue in found)
    return f"{closing} Closed {which}." if found else closing


def _version(text: str | None) -> str:
    return text if text and _NAME.fullmatch(text) else UNKNOWN


def quoted(text: str) -> str:
    """Return a text of strangers as Markdown that shows it as it is.

    In a block of code GitHub sends no notification for @somebody, links no #1, and shows no HTML
    and no picture [html-pipeline, MentionFilter: pre and code are left out]. The fence is longer
    than each row of backticks in the text, so the block ends where it should.
    """
    plain = UNSEEN.sub("", text.replace("\r\n", "\n").replace("\t", "    ")).strip("\n")
    if len(plain) > LONGEST_CHANGELOG:
        plain = plain[:LONGEST_CHANGELOG].rpartition("\n")[0] or plain[:LONGEST_CHANGELOG]
        plain += "\n... The rest is in CHANGELOG.md of the template."
    fence = "`" * max([3, *(len(row) + 1 for row in re.findall("`+", plain))])
    return f"{fence}text\n{plain}\n{fence}"
