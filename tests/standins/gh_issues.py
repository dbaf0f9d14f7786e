"""Issues of a repository, as GitHub's REST API answers [REST API, "Issues", "Issue comments"]."""

from __future__ import annotations

from typing import Any

from tests.standins.gh_requests import NOT_FOUND, HTTPError, fields, invalid, one_of
from tests.standins.hub import PUBLIC

LONGEST = 65_536  # characters of a body


def issues(
    repository: dict[str, Any],
    request: list[str],
    given: dict[str, str],
    body: dict[str, Any],
    login: str,
) -> tuple[int, Any]:
    """Answer a request: its method, and its path below issues."""
    if not repository["has_issues"]:
        raise HTTPError(410, "Issues has been disabled in this repository.")
    match request:
        case ["GET"]:
            return 200, page(repository["issues"], given)
        case ["POST"]:
            fields(body, {"title": str}, {"body": str})
            if not body["title"].strip():
                raise HTTPError(422, "Validation Failed")
            return 201, opened(repository, body, login)
        case ["PATCH", number]:
            issue = found(repository, number, login)
            kinds = ("title", "body", "state", "state_reason")
            fields(body, {}, dict.fromkeys(kinds, str))
            one_of({"state": "open", **body}, "state", "open", "closed")
            reasons = ("completed", "not_planned", "duplicate", "reopened")
            one_of({"state_reason": "completed", **body}, "state_reason", *reasons)
            check_body(body)
            issue.update(body)
            return 200, issue
        case ["POST", number, "comments"]:
            issue = found(repository, number, login)
            fields(body, {"body": str}, {})
            check_body(body)
            issue["comments"] += 1
            repository["comments"].append({"issue": issue["number"], **body})
            return 201, body
    raise NOT_FOUND


def page(known: list[dict[str, Any]], given: dict[str, str]) -> list[dict[str, Any]]:
    """Return a page of issues and pull requests, the newest first."""
    if unknown := given.keys() - {"state", "per_page", "page"}:
        raise invalid(f"this stand-in knows no {', '.join(unknown)}")
    wanted = {"state": "open", "per_page": "30", "page": "1", **given}
    one_of(wanted, "state", "open", "closed", "all")
    size = min(int(wanted["per_page"]), 100)
    start = (int(wanted["page"]) - 1) * size
    listed = [each for each in known[::-1] if wanted["state"] in ("all", each["state"])]
    return listed[start : start + size]


def opened(repository: dict[str, Any], body: dict[str, Any], login: str) -> dict[str, Any]:
    """Add an issue; whoever can read the repository may."""
    check_body(body)
    number = len(repository["issues"]) + 1
    known = "COLLABORATOR" if repository["permissions"]["push"] else "NONE"
    issue = {
        "number": number,
        "title": body["title"],
        "body": body.get("body"),
        "state": "open",
        "state_reason": None,
        "comments": 0,
        "user": {"login": login},
        "author_association": "NONE" if login.endswith("[bot]") else known,
        "html_url": f"{PUBLIC}{repository['full_name']}/issues/{number}",
    }
    repository["issues"].append(issue)
    return issue


def found(repository: dict[str, Any], number: str, login: str) -> dict[str, Any]:
    """Return an issue that the user may change."""
    for issue in repository["issues"]:
        if str(issue["number"]) == number:
            if not repository["permissions"]["triage"] and issue["user"]["login"] != login:
                raise HTTPError(403, "Must have admin rights to Repository.")
            return issue  # type: ignore[no-any-return]
    raise NOT_FOUND


def check_body(body: dict[str, Any]) -> None:
    """Refuse a text that is too long."""
    if len(body.get("body") or "") > LONGEST:
        text = f"body is too long (maximum is {LONGEST} characters)"
        raise HTTPError(422, f"Validation Failed\n{text}")
