"""Once a week: the workflow that looks for a newer version, and the issue that says so."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from keyless.console import Problem
from keyless.gh import Denied
from keyless.model.scaffold import is_generated
from keyless.setup.updating import issue
from markdown_it import MarkdownIt

from tests.conftest import Bake, Copy, Run
from tests.standins.emulator import ROOT
from tests.standins.hub import Hub
from tests.support.check import judge
from tests.support.generating import TEMPLATE_PROJECT, TOOL

NAME = "octo-org/example-service"
URL = f"https://github.com/{NAME}/issues"
CHANGELOG = "## 0.2.0 - 2026-12-01\n\n### Fixed\n\n- `deploy.yml` waits for ECR.\n"
OLDER = {"state": "older", "current": "0.1.0", "newest": "0.2.0", "changelog": CHANGELOG}
NEWEST = {"state": "newest", "current": "0.2.0", "newest": "0.2.0", "changelog": ""}
UNKNOWN = {"state": "unknown", "current": "0.1.0", "newest": "", "why": "no network"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A job of a repository on GitHub: gh has the token of the run."""
    hub = Hub(tmp_path / "hub")
    hub.create(NAME)
    hub.user(login="github-actions[bot]")
    for name, value in hub.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_REPOSITORY", NAME)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    return hub


def issues(hub: Hub) -> list[dict[str, Any]]:
    return list(hub.repository(NAME)["issues"])


def comments(hub: Hub) -> list[dict[str, Any]]:
    return list(hub.repository(NAME)["comments"])


def changing(hub: Hub) -> list[str]:
    """Return what was sent to GitHub, apart from questions."""
    return [call for call in hub.calls() if "--method" in call]


def put(hub: Hub, **settings: Any) -> None:
    """Let an issue be there, which somebody has opened."""
    known = issues(hub)
    first = {"title": issue.TITLE, "body": "old", "state": "open", "comments": 0}
    first |= {"author_association": "NONE", "user": {"login": "github-actions[bot]"}}
    number = len(known) + 1
    named = {"number": number, "html_url": f"{URL}/{number}"}
    hub.change(NAME, issues=[*known, {**first, **named, **settings}])


def test_a_newer_version_opens_an_issue_that_says_what_is_new_and_what_to_type(
    hub: Hub, tmp_path: Path
) -> None:
    assert issue.refresh(tmp_path, OLDER) == f"Opened {URL}/1: version 0.2.0 is available."
    (opened,) = issues(hub)
    assert opened["title"] == "A newer version of the template is available"
    assert opened["body"].startswith("Version 0.2.0 of the template is available.")
    assert "This repository has version 0.1.0." in opened["body"]
    assert "\n```sh\nmake update\n```\n" in opened["body"]
    assert f"\n```text\n{CHANGELOG.strip()}\n```\n" in opened["body"]


def test_the_second_week_sends_nothing_and_a_newer_version_edits_the_issue(
    hub: Hub, tmp_path: Path
) -> None:
    issue.refresh(tmp_path, OLDER)
    hub.clear()
    said = issue.refresh(tmp_path, OLDER)
    assert said == f"{URL}/1 already reports that version 0.2.0 is available."
    assert changing(hub) == []
    newer = {**OLDER, "newest": "0.3.0", "changelog": f"## 0.3.0\n\n{CHANGELOG}"}
    assert issue.refresh(tmp_path, newer) == f"Edited {URL}/1: version 0.3.0 is available."
    assert len(changing(hub)) == 1
    (edited,) = issues(hub)
    assert "## 0.3.0" in edited["body"]
    assert (edited["title"], edited["state"], edited["comments"]) == (issue.TITLE, "open", 0)


def test_the_body_is_the_same_where_github_has_changed_its_line_ends(
    hub: Hub, tmp_path: Path
) -> None:
    issue.refresh(tmp_path, OLDER)
    (known,) = issues(hub)
    hub.change(NAME, issues=[{**known, "body": known["body"].replace("\n", "\r\n")}])
    assert "already reports" in issue.refresh(tmp_path, OLDER)


def test_the_newest_version_closes_the_issue_with_a_comment(hub: Hub, tmp_path: Path) -> None:
    issue.refresh(tmp_path, OLDER)
    text = "This repository has the newest version of the template, 0.2.0."
    assert issue.refresh(tmp_path, NEWEST) == f"{text} Closed {URL}/1."
    (closed,) = issues(hub)
    assert (closed["state"], closed["state_reason"]) == ("closed", "completed")
    assert comments(hub) == [{"issue": 1, "body": text}]
    hub.clear()
    assert issue.refresh(tmp_path, NEWEST) == text
    assert changing(hub) == []
    assert issue.refresh(tmp_path, OLDER) == f"Opened {URL}/2: version 0.2.0 is available."


def test_what_is_not_known_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    issue.refresh(tmp_path, OLDER)
    hub.clear()
    said = issue.refresh(tmp_path, UNKNOWN)
    assert said.endswith("because the newest version is unknown: no network")
    assert hub.calls() == []


@pytest.mark.parametrize(
    "settings",
    [
        {"title": "A newer version of the template is available!"},
        {"state": "closed"},
        {"pull_request": {"url": "x"}},
        {"user": {"login": "stranger"}},
        {"user": {"login": "stranger"}, "author_association": "CONTRIBUTOR"},
        {"user": None},
    ],
    ids=["another title", "closed", "a pull request", "a stranger", "a contributor", "nobody"],
)
def test_an_issue_of_somebody_else_is_neither_edited_nor_closed(
    hub: Hub, tmp_path: Path, settings: dict[str, Any]
) -> None:
    put(hub, **settings)
    (before,) = issues(hub)
    assert issue.refresh(tmp_path, NEWEST).endswith("the template, 0.2.0.")
    assert issue.refresh(tmp_path, OLDER).startswith(f"Opened {URL}/2")
    assert issues(hub)[0] == before


@pytest.mark.parametrize("association", ["OWNER", "MEMBER", "COLLABORATOR"])
def test_an_issue_that_a_person_of_the_team_has_opened_is_taken(
    hub: Hub, tmp_path: Path, association: str
) -> None:
    put(hub, user={"login": "octocat"}, author_association=association)
    assert issue.refresh(tmp_path, OLDER).startswith(f"Edited {URL}/1")


def test_it_is_found_behind_hundreds_of_others_and_copies_are_closed_with_it(
    hub: Hub, tmp_path: Path
) -> None:
    put(hub)
    put(hub)
    first = issues(hub)
    others = [{**first[0], "number": number, "title": "x"} for number in range(3, 202)]
    hub.change(NAME, issues=[*first, *others])
    assert issue.refresh(tmp_path, OLDER).startswith(f"Edited {URL}/2")
    said = issue.refresh(tmp_path, NEWEST)
    assert said.endswith(f"Closed {URL}/2, {URL}/1.")
    assert len([each for each in issues(hub) if each["state"] == "open"]) == 199


HOSTILE = [
    "@octocat and @octo-org/team, fixes #1, octo-org/other#2",
    "```\n@octocat\n```\n@octocat",
    "``````text\n@octocat\n``````",
    "~~~\n@octocat\n~~~\n```sh\n@octocat",
    "<img src=https://x.y/z.png> ![x](https://x.y/z.png) [x](javascript:x) <!-- ",
    "</code></pre>@octocat <details><summary>",
    "    @octocat\n\t@octocat\n> @octocat\n1. @octocat",
    "a\r\n@octocat\r@octocat\x00\x1b[31m\u202e\u200b",
    "{newest} {0} %s ${{ github.token }} $(id)",
    "`" * 500 + "@octocat",
    "",
    "\n\n",
]


@pytest.mark.parametrize("changelog", HOSTILE)
def test_a_changelog_is_shown_as_it_is_and_calls_nobody(
    hub: Hub, tmp_path: Path, changelog: str
) -> None:
    """A parser of Markdown sees it as one block of code, in which GitHub looks for no names."""
    issue.refresh(tmp_path, {**OLDER, "changelog": changelog})
    (opened,) = issues(hub)
    blocks = MarkdownIt("commonmark").parse(opened["body"])
    code = [each.content for each in blocks if each.type == "fence"]
    assert len(code) == 2
    assert code[0] == "make update\n"
    around = "".join(each.content for each in blocks if each.type != "fence")
    assert not re.search("@|#[0-9]|<|\\]\\(", around)
    words = re.findall(r"[\w@#/.-]+", changelog.replace("\r\n", "\n"))
    assert all(word in code[1] for word in words if word.isascii())
    assert not re.search("[^\\n -~]", code[1])
    assert opened["body"].endswith("when the repository has the newest version.")


@pytest.mark.parametrize("changelog", ["- a line\n" * 20_000, "x" * 200_000])
def test_a_changelog_that_is_too_long_for_github_is_cut(
    hub: Hub, tmp_path: Path, changelog: str
) -> None:
    issue.refresh(tmp_path, {**OLDER, "changelog": changelog})
    (opened,) = issues(hub)
    assert 50_000 < len(opened["body"]) < 65_536
    assert "... The rest is in CHANGELOG.md of the template.\n```\n" in opened["body"]


def test_github_refuses_what_is_longer(hub: Hub, tmp_path: Path) -> None:
    """Without the cut: the stand-in is as strict as the original."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issue, "LONGEST_CHANGELOG", 70_000)
        with pytest.raises(Denied, match="body is too long") as raised:
            issue.refresh(tmp_path, {**OLDER, "changelog": "x" * 69_000})
    assert raised.value.status == 422
    assert issues(hub) == []


@pytest.mark.parametrize("version", ["@octocat", "0.2.0\n@octocat", "", None, "[x](https://x.y)"])
def test_a_version_that_is_none_is_not_repeated(
    hub: Hub, tmp_path: Path, version: str | None
) -> None:
    said = issue.refresh(tmp_path, {**OLDER, "newest": version, "current": version})
    assert said == f"Opened {URL}/1: version unknown is available."
    (opened,) = issues(hub)
    assert "octocat" not in opened["body"]


def test_a_repository_without_issues_says_what_to_type(hub: Hub, tmp_path: Path) -> None:
    hub.change(NAME, has_issues=False)
    for check in (OLDER, NEWEST):
        with pytest.raises(Problem, match="Issues are disabled in this repository") as raised:
            issue.refresh(tmp_path, check)
        assert raised.value.commands == ("gh repo edit --enable-issues",)


def test_other_refusals_of_github_are_handed_on(hub: Hub, tmp_path: Path) -> None:
    put(hub)
    hub.change(NAME, permissions={"pull": True, "push": False, "triage": False, "admin": False})
    hub.user(login="octocat")
    with pytest.raises(Denied) as raised:
        issue.refresh(tmp_path, OLDER)
    assert raised.value.status == 403
    hub.user(offline=True)
    with pytest.raises(Denied):
        issue.refresh(tmp_path, OLDER)


def test_without_a_known_name_nothing_is_asked(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY")
    with pytest.raises(Problem, match="The name of this repository is unknown"):
        issue.refresh(tmp_path, OLDER)
    assert hub.calls() == []


def installed(copy: Copy, **answers: str) -> Path:
    """Return a project that has the workflow."""
    project = copy(**answers)
    shutil.copy(project.path / TOOL / "weekly.yml", weekly(project.path))
    return project.path


def weekly(root: Path) -> Path:
    return root / ".github/workflows/update.yml"


def linted(run: Run, root: Path) -> list[int]:
    """Return how the linters end: for the one workflow, at their strictest."""
    path = weekly(root)
    checked = run("actionlint", "-shellcheck=shellcheck", path, cwd=root)
    audited = run("zizmor", "--offline", "--pedantic", path, cwd=root)
    return [checked.returncode, audited.returncode]


def test_the_workflow_is_copied_as_it_is_and_is_off(bake: Bake) -> None:
    project = bake()
    text = (TEMPLATE_PROJECT / TOOL / "weekly.yml").read_bytes()
    assert (project.path / TOOL / "weekly.yml").read_bytes() == text
    assert not weekly(project.path).exists()
    assert is_generated(".github/workflows/update.yml")


@pytest.mark.parametrize(
    "answers",
    [{}, {"deploy_on": "branch", "second_tag": "latest"}, {"iac_tool": "none"}]
    + [{"platform": "both", "github_environment": "production"}],
    ids=["defaults", "branch", "none", "both"],
)
def test_the_check_and_the_linters_accept_the_workflow(
    copy: Copy, run: Run, answers: dict[str, str]
) -> None:
    root = installed(copy, **answers)
    assert judge(root) == judge(copy_without(root))
    assert "update.yml" not in judge(root)[1]
    assert linted(run, root) == [0, 0]


def copy_without(root: Path) -> Path:
    """Return a copy of a project that does not have the workflow."""
    other = shutil.copytree(root, root.parent / "other" / root.name)
    weekly(other).unlink()
    return other


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("issues: write # to open, edit and close the issue", "id-token: write # x"),
        ("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "actions/checkout@v7"),
        ("GH_TOKEN: ${{ github.token }}", "GH_TOKEN: ${{ secrets.AWS_SECRET_ACCESS_KEY }}"),
        ("permissions: {}", "permissions: write-all"),
    ],
    ids=["id-token", "pin", "secret", "permissions"],
)
def test_the_check_is_seen_to_object_to_it(copy: Copy, before: str, after: str) -> None:
    root = installed(copy)
    text = weekly(root).read_text()
    assert before in text
    weekly(root).write_text(text.replace(before, after, 1))
    status, printed = judge(root)
    assert status == 1
    assert ".github/workflows/update.yml:" in printed


@pytest.mark.parametrize(
    ("before", "after", "ended"),
    [
        ("        with:\n          persist-credentials: false\n", "", [0, True]),
        ("issues: write # to open, edit and close the issue", "issues: write", [0, True]),
        ("update --check", "update $CHECK ${{ github.ref_name }}", [1, True]),
    ],
    ids=["credentials", "reason", "injection"],
)
def test_the_linters_are_seen_to_object_to_it(
    copy: Copy, run: Run, before: str, after: str, ended: list[Any]
) -> None:
    root = installed(copy)
    text = weekly(root).read_text()
    assert before in text
    weekly(root).write_text(text.replace(before, after, 1))
    checked, audited = linted(run, root)
    assert [checked, audited > 0] == ended


def test_the_workflow_may_write_issues_and_nothing_else() -> None:
    text = (TEMPLATE_PROJECT / TOOL / "weekly.yml").read_text()
    flow = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506
    assert flow["permissions"] == {}
    assert [*flow["on"]] == ["schedule", "workflow_dispatch"]
    assert re.fullmatch(r"[1-9]\d* \d+ \* \* 1", flow["on"]["schedule"][0]["cron"])
    (job,) = flow["jobs"].values()
    assert job["permissions"] == {"contents": "read", "issues": "write"}
    first, second = job["steps"]
    assert first["with"] == {"persist-credentials": "false"}
    assert second["run"] == "python3 .github/keyless update --check --issue"
    assert second["env"] == {"GH_TOKEN": "${{ github.token }}"}
    assert "aws" not in text.lower()


def test_its_action_has_the_pin_of_the_other_workflows() -> None:
    pin = r"uses: (actions/checkout@[0-9a-f]{40} # v[0-9.]+)"
    (own,) = re.findall(pin, (TEMPLATE_PROJECT / TOOL / "weekly.yml").read_text())
    assert set(re.findall(pin, (TEMPLATE_PROJECT / ".github/workflows/ci.yml").read_text())) == {
        own
    }


@pytest.mark.parametrize("said", ["GITHUB_TOKEN cannot push", "do not start until", "GitHub App"])
def test_it_says_why_it_opens_no_pull_request_and_how_to_get_one(said: str) -> None:
    lines = (TEMPLATE_PROJECT / TOOL / "weekly.yml").read_text().splitlines()
    comment = " ".join(line.lstrip("# ") for line in lines[: lines.index("name: update")])
    assert said in comment
    assert str(ROOT) not in comment
