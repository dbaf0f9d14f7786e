"""GitHub's command line gh: how GitHub's API is asked, and how its errors are read."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

from keyless.programs import Done, parse_answer, run


class Denied(Exception):
    """An error from GitHub: its HTTP status, which is 0 if GitHub was not reached."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def call_github(
    path: str, method: str = "GET", content: Any = None, seconds: float | None = None
) -> Any:
    """Return what GitHub's API answers to a request, read from JSON.

    Args:
        path: without a slash in front: repos/OWNER/NAME.
        method: GET, or a method that changes something and sends `content` as JSON.
        content: the body of the request.
        seconds: gh is killed after this time.

    Raises:
        Denied: GitHub answers with an error, or not at all, or not in time.
        Garbled: its answer is not JSON.
        OSError: gh cannot be started.
    """
    command, given = ["gh", "api", path], None
    if method != "GET":
        command[2:2] = ["--method", method]
        command += ["--input", "-"]
        given = json.dumps(content)
    try:
        done = run(*command, given=given, seconds=seconds)
    except subprocess.TimeoutExpired as late:
        raise Denied(0, f"no answer within {seconds} seconds") from late
    if done.status == 0:
        return parse_answer("GitHub", done.out if method == "GET" else done.out or "null")
    raise denied(done)


def denied(done: Done) -> Denied:
    """Return the error with which gh has ended."""
    # gh api ends with the status, other commands begin with it [cli/cli, api/client.go].
    status = re.search(r"\bHTTP ([0-9]{3})\b", done.err)
    text = re.sub(r"^gh: | \(HTTP [0-9]{3}\)$", "", " ".join(done.err.split()))
    return Denied(int(status[1]) if status else 0, text)


def find_on_github(path: str) -> Any:
    """Return what GitHub's API answers; None if it shows nothing at this path (404).

    Raises:
        Denied: it answers with another error, or not at all.
    """
    try:
        return call_github(path)
    except Denied as denied:
        if denied.status != 404:
            raise
        return None


def github_host() -> str:
    """Return the host of the GitHub that gh asks: that of the issuer of its tokens."""
    return os.environ.get("GH_HOST", "github.com")


def page_of(name: str) -> str:
    """Return the address of a repository on GitHub; `name` is OWNER/NAME."""
    return f"https://{github_host()}/{name}"
