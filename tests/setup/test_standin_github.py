"""tests/standins/hub.py and the gh that answers from it: what they refuse, and where pushes go."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.standins import github
from tests.standins.emulator import ROOT
from tests.standins.hub import Hub

NAME = "octo-org/example-service"
PATH = f"repos/{NAME}"
ADMIN = {"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}
RULESET: dict[str, Any] = {
    "name": "trusted refs",
    "target": "tag",
    "enforcement": "active",
    "conditions": {"ref_name": {"include": ["refs/tags/v*"], "exclude": []}},
    "rules": [{"type": "creation"}],
    "bypass_actors": [ADMIN],
}
CUSTOM = {"protected_branches": False, "custom_branch_policies": True}
REVIEWED = {"reviewers": [{"type": "User", "id": 1}], "wait_timer": 5}


def limited(**policy: bool) -> dict[str, Any]:
    """Return the settings of an environment with a deployment branch policy."""
    return {"deployment_branch_policy": policy}


POLICY = limited(**CUSTOM)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A GitHub with one private repository."""
    made = Hub(tmp_path / "hub")
    made.create(NAME)
    return made


def run(hub: Hub, command: str, text: str = "", **more: Any) -> tuple[int, str, str]:
    """Run a command as in a shell; return exit status and what went to which stream."""
    done = subprocess.run(
        shlex.split(command),
        env=os.environ | hub.environment(**more),
        input=text,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def ask(hub: Hub, path: str, method: str = "GET", body: Any = None) -> Any:
    """Return the answer to a request that is granted."""
    given = f"--method {method}" + " --input -" * (body is not None)
    status, printed, errors = run(hub, f"gh api {given} {path}", json.dumps(body))
    assert status == 0, errors
    return json.loads(printed or "null")


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ("gh --version", 0, "gh version 2."),
        ("gh", 1, 'unknown command "" for "gh"'),
        ("gh issue list", 1, 'unknown command "issue" for "gh"'),
        ("gh repo delete x", 1, 'unknown command "delete" for "gh repo"'),
        ("gh api user --paginate", 1, "unknown flag: --paginate"),
        ("gh api user --include=true", 1, "unknown flag: --include"),
        ("gh api user --method", 1, "flag needs an argument: --method"),
        ("gh api --method=GET user", 0, '"login": "octocat"'),
        ("gh api", 1, "accepts 1 arg(s), received 0"),
        ("gh api user orgs", 1, "accepts 1 arg(s), received 2"),
        ("gh api teams/octo-org", 1, "gh: Not Found (HTTP 404)"),
        ("gh api user?page=2", 1, "gh: Not Found (HTTP 404)"),
        ("gh api --method DELETE user", 1, "gh: Not Found (HTTP 404)"),
        ("gh api user --include", 0, "\nX-Oauth-Scopes: gist, read:org, repo, workflow\n\n{"),
        ("gh api user --jq .login", 0, "octocat\n"),
        ("gh api user --jq '.login | length'", 1, "failed to parse jq expression"),
        ("gh api repos/octo-org/other --include", 1, "HTTP/2.0 404 Not Found\n"),
        ("gh api repos/Octo-Org/Example-Service --jq .full_name", 0, f"{NAME}\n"),
        (f"gh api {PATH}/actions", 1, "gh: Not Found (HTTP 404)"),
        (f"gh api {PATH}/rulesets/7", 1, "gh: Not Found (HTTP 404)"),
        (f"gh api {PATH}/environments/production", 1, "gh: Not Found (HTTP 404)"),
        (f"gh api {PATH}/rulesets?per_page=100", 0, "[]"),
        ("gh repo create octo-org/new --private", 0, "https://github.com/octo-org/new\n"),
        ("gh repo create octo-org/new", 1, "required when not running interactively"),
        ("gh repo create octo-org/new --private --public", 1, "expected exactly one of"),
        ("gh repo create 'octo org/new' --private", 1, "expected the"),
        (f"gh repo create {NAME.upper()} --public", 1, "Name already exists on this account"),
        ("gh config get git_protocol", 0, "https\n"),
        ("gh config get editor", 1, 'could not find key "editor"'),
        ("gh secret list --json name", 1, "no git remotes found"),
        (f"gh secret list --repo {NAME}", 1, 'Unknown JSON field: ""'),
        ("gh secret list --repo octo-org/other --json name", 1, "secrets: HTTP 404: Not Found"),
        (f"gh secret list --repo {NAME} --env x --json name", 1, "secrets: HTTP 404: Not Found"),
        (f"gh run list --repo {NAME} --limit 0", 1, "invalid limit: 0"),
        (f"gh run list --repo {NAME} --workflow deploy.yml --json url", 1, "on the default branch"),
        (f"gh run list --repo {NAME} --workflow deploy.yml --json sha", 1, "Unknown JSON field"),
        (f"gh run list --repo {NAME} --all", 1, "unknown flag: --all"),
        ("gh run watch 4712", 1, 'unknown command "watch" for "gh run"'),
        (f"gh run view 4712 --repo {NAME}", 1, "failed to get run: HTTP 404: Not Found"),
        (f"gh run view 4712 --repo {NAME} --log --log-failed", 1, "specify only one of --log or"),
        (f"gh run rerun 4712 --repo {NAME}", 1, "failed to get run: HTTP 404: Not Found"),
        ("gh release create v0.1.0 --generate-notes", 1, "HTTP 422: Repository is empty."),
        (
            "gh workflow run deploy.yml --ref v0.1.0",
            1,
            "HTTP 404: workflow deploy.yml not found on the default branch",
        ),
        ("gh auth git-credential get", 0, ""),
    ],
)
def test_it_answers_what_is_known_and_nothing_else(
    hub: Hub, command: str, status: int, text: str
) -> None:
    done = run(hub, command)
    assert (done[0], text in done[1] + done[2]) == (status, True), done
    assert done[2] == "" or status == 1
    assert hub.calls() == [shlex.join(shlex.split(command))] * (command != "gh --version")


@pytest.mark.parametrize(
    ("user", "settings", "command", "status", "text"),
    [
        ({"logged_in": False}, {}, "gh api user", 4, "gh auth login\nAlternatively"),
        ({"logged_in": False}, {}, "gh config get git_protocol", 0, "https"),
        ({"bad_token": True}, {}, "gh api user", 1, "gh: Bad credentials (HTTP 401)"),
        ({"bad_token": True}, {}, "gh repo create o/n --private", 1, "HTTP 401: Bad credentials"),
        ({"offline": True}, {}, "gh api user", 1, "error connecting to api.github.com\ncheck"),
        ({"may_create": False}, {}, "gh repo create o/n --private", 1, "octocat cannot create"),
        ({"plan": "free"}, {}, f"gh api {PATH}/rulesets", 1, "Upgrade to GitHub Pro"),
        ({"plan": "free"}, {"private": False}, f"gh api {PATH}/rulesets", 0, "[]"),
        ({"git_protocol": "ssh"}, {}, "gh config get git_protocol", 0, "ssh"),
        (
            {"old_gh": True},
            {},
            f"gh run list --repo {NAME} --workflow deploy.yml --json url",
            1,
            "could not find any workflows named deploy.yml",
        ),
        ({}, {"permissions": {"pull": False}}, f"gh api {PATH}", 1, "Not Found (HTTP 404)"),
        (
            {},
            {"permissions": {"pull": True, "admin": False}},
            f"gh api {PATH}/actions/permissions",
            1,
            "Must have admin rights",
        ),
        ({}, {"oidc": None}, f"gh api {PATH}/actions/oidc/customization/sub", 1, "Not Found"),
        (
            {},
            {"actions_enabled": False},
            f"gh api {PATH}/actions/permissions",
            0,
            '{"enabled": false}',
        ),
        ({}, {"archived": True}, f"gh api --method PUT {PATH}/environments/x", 1, "read-only"),
        (
            {},
            {"secrets": ["KEY"]},
            f"gh secret list --repo {NAME} --json name",
            0,
            '[{"name": "KEY"}]',
        ),
        (
            {},
            {"environment_secrets": {"e": ["K"]}},
            f"gh secret list --repo {NAME} --env e --json name",
            0,
            '"K"',
        ),
    ],
)
def test_it_depends_on_the_user_and_the_repository(
    hub: Hub, user: dict[str, Any], settings: dict[str, Any], command: str, status: int, text: str
) -> None:
    hub.user(**user)
    hub.change(NAME, **settings)
    done = run(hub, command)
    assert (done[0], text in done[1] + done[2]) == (status, True), done


def test_a_fine_grained_token_names_no_scopes(hub: Hub) -> None:
    hub.user(scopes=None)
    assert "scopes" not in run(hub, "gh api user --include")[1].lower()


def test_a_setting_that_does_not_exist_is_an_error_of_the_test(hub: Hub) -> None:
    for change in (hub.user, lambda **more: hub.change(NAME, **more)):
        with pytest.raises(KeyError, match="no setting nmae"):
            change(nmae="x")
    with pytest.raises(KeyError, match="octo-org/other"):
        hub.repository("octo-org/other")


def refused(hub: Hub, request: str, body: Any) -> str:
    """Return what is printed about a request that changes nothing."""
    before = hub.repository(NAME)
    status, _, errors = run(hub, f"gh api --method {request} --input -", json.dumps(body))
    assert (status, hub.repository(NAME)) == (1, before)
    return errors


@pytest.mark.parametrize(
    ("change", "text"),
    [
        *(({key: None}, "wasn't supplied") for key in RULESET if key != "bypass_actors"),
        ({"_comment": "x"}, '"_comment" is not a permitted key'),
        ({"target": "tags"}, "`tags` is not a possible value"),
        ({"enforcement": "evaluate"}, "`evaluate` is not a possible value"),
        ({"conditions": {"ref_name": {"include": []}}}, '"exclude" wasn\'t supplied'),
        ({"conditions": {"ref_name": {"include": ["v*"], "exclude": []}}}, "patterns: 'v*'"),
        ({"target": "branch"}, "patterns: 'refs/tags/v*'"),
        ({"rules": ["creation"]}, '"creation" is not an object'),
        ({"rules": [{"type": "create"}]}, "/rules/0: data matches no possible input"),
        ({"rules": [{"type": "pull_request"}]}, "/rules/0: data matches no possible input"),
        ({"bypass_actors": [{"actor_type": "Role"}]}, "`Role` is not a possible value"),
        ({"bypass_actors": [{"actor_type": "Team"}]}, "actor_id is no int"),
        ({"bypass_actors": [{**ADMIN, "bypass_mode": "pull_request"}]}, "`pull_request` is not"),
    ],
)
def test_a_ruleset_that_github_would_refuse_is_refused(
    hub: Hub, change: dict[str, Any], text: str
) -> None:
    body = {key: value for key, value in (RULESET | change).items() if value is not None}
    assert text in refused(hub, f"POST {PATH}/rulesets", body)


@pytest.mark.parametrize(
    ("request_", "body", "text"),
    [
        ("PUT {}/environments/x", [], "[] is not an object"),
        ("PUT {}/environments/x", {"wait": 1}, '"wait" is not a permitted key'),
        ("PUT {}/environments/x", {"wait_timer": 43201}, "Validation Failed"),
        ("PUT {}/environments/x", {"reviewers": [1]}, "1 is not an object"),
        ("PUT {}/environments/x", limited(protected_branches=True), "wasn't supplied"),
        ("PUT {}/environments/x", limited(**dict.fromkeys(CUSTOM, True)), "same value"),
        ("POST {}/environments/x/deployment-branch-policies", {"name": "v*"}, "Not Found"),
        ("POST {}/environments/main/deployment-branch-policies", {"name": "main"}, "(HTTP 303)"),
        ("POST {}/environments/main/deployment-branch-policies", {"type": "tag"}, '"name" wasn'),
        ("GET {}/environments/plain/deployment-branch-policies", {}, "Not Found"),
        ("PUT {}/actions/permissions", {}, '"enabled" wasn\'t supplied'),
        ("PUT {}/actions/permissions", {"enabled": 1}, "/enabled: 1 is no bool"),
        ("POST {}/issues", {"body": "x"}, '"title" wasn\'t supplied'),
        ("POST {}/issues", {"title": " "}, "Validation Failed"),
        ("POST {}/issues", {"title": "x", "state": "open"}, '"state" is not a permitted key'),
        ("POST {}/issues", {"title": "x", "body": "x" * 65_537}, "maximum is 65536 characters"),
        ("PATCH {}/issues/1", {"state": "gone"}, "`gone` is not a possible value"),
        ("PATCH {}/issues/1", {"state_reason": "done"}, "`done` is not a possible value"),
        ("PATCH {}/issues/2", {"state": "closed"}, "Not Found"),
        ("POST {}/issues/1/comments", {}, '"body" wasn\'t supplied'),
        ("DELETE {}/issues/1", {}, "Not Found"),
        ("GET {}/issues?state=gone", {}, "`gone` is not a possible value"),
        ("GET {}/issues?creator=x", {}, "this stand-in knows no creator"),
    ],
)
def test_another_body_that_github_would_refuse_is_refused(
    hub: Hub, request_: str, body: Any, text: str
) -> None:
    main = {"policies": [{"name": "main", "type": "branch"}], **POLICY}
    hub.change(NAME, private=False, environments={"main": main, "plain": {}})
    ask(hub, f"{PATH}/issues", "POST", {"title": "x"})
    assert text in refused(hub, request_.format(PATH), body)


def test_issues_are_listed_by_state_and_page_and_may_be_switched_off(hub: Hub) -> None:
    for title in "abc":
        ask(hub, f"{PATH}/issues", "POST", {"title": title})
    ask(hub, f"{PATH}/issues/2", "PATCH", {"state": "closed", "state_reason": "completed"})
    ask(hub, f"{PATH}/issues/2/comments", "POST", {"body": "done"})

    def titles(query: str) -> str:
        return "".join(each["title"] for each in ask(hub, f"'{PATH}/issues{query}'"))

    assert [titles(""), titles("?state=closed"), titles("?state=all")] == ["ca", "b", "cba"]
    assert [titles(f"?state=all&per_page=2&page={page}") for page in (1, 2, 3)] == ["cb", "a", ""]
    assert hub.repository(NAME)["comments"] == [{"issue": 2, "body": "done"}]
    hub.change(NAME, has_issues=False)
    assert "(HTTP 410)" in refused(hub, f"GET {PATH}/issues", {})


def test_a_body_that_is_no_json_is_refused(hub: Hub) -> None:
    assert "JSON (HTTP 400)" in run(hub, f"gh api --input - {PATH}/rulesets", "{")[2]


def test_a_ruleset_is_kept_and_its_list_is_short(hub: Hub) -> None:
    made = ask(hub, f"{PATH}/rulesets", "POST", RULESET)
    assert ask(hub, f"{PATH}/rulesets/{made['id']}") == made
    assert made.items() >= RULESET.items()
    assert made["current_user_can_bypass"] == "always"
    (listed,) = ask(hub, f"{PATH}/rulesets")
    assert {"rules", "conditions", "bypass_actors"}.isdisjoint(listed)
    assert hub.repository(NAME)["rulesets"] == [{"id": made["id"], **RULESET}]
    again = run(hub, f"gh api --input - {PATH}/rulesets", json.dumps(RULESET))
    assert "Name must be unique" in again[2]
    hub.change(NAME, permissions={"pull": True, "admin": False})
    assert "bypass_actors" not in ask(hub, f"{PATH}/rulesets/{made['id']}")


def test_an_environment_is_made_limited_and_replaced(hub: Hub) -> None:
    hub.change(NAME, private=False)
    path = f"{PATH}/environments/eu%3A%20prod"
    ask(hub, path, "PUT", POLICY | REVIEWED)
    tags = {"name": "v*", "type": "tag"}
    ask(hub, f"{path}/deployment-branch-policies", "POST", tags)
    listed = ask(hub, f"{path}/deployment-branch-policies")
    assert listed == {"total_count": 1, "branch_policies": [{"id": 1, **tags}]}
    rules = [rule["type"] for rule in ask(hub, path.replace("prod", "PROD"))["protection_rules"]]
    assert rules == ["wait_timer", "required_reviewers", "branch_policy"]
    replaced = ask(hub, path, "PUT", POLICY)
    assert [rule["type"] for rule in replaced["protection_rules"]] == ["branch_policy"]
    assert hub.repository(NAME)["environments"] == {"eu: prod": {**POLICY, "policies": [tags]}}


@pytest.mark.parametrize(
    ("plan", "body", "granted"),
    [
        ("free", {}, True),
        ("free", POLICY, False),
        ("pro", POLICY, True),
        ("pro", REVIEWED, False),
        ("enterprise", REVIEWED, True),
    ],
)
def test_a_plan_limits_the_environments_of_a_private_repository(
    hub: Hub, plan: str, body: dict[str, Any], granted: bool
) -> None:
    hub.user(plan=plan)
    done = run(hub, f"gh api --method PUT --input - {PATH}/environments/x", json.dumps(body))
    assert (done[0] == 0, "billing plan" in done[2]) == (granted, not granted)


def test_actions_are_switched_on(hub: Hub) -> None:
    hub.change(NAME, actions_enabled=False, allowed_actions="selected")
    assert ask(hub, f"{PATH}/actions/permissions", "PUT", {"enabled": True}) is None
    assert ask(hub, f"{PATH}/actions/permissions")["allowed_actions"] == "selected"


@pytest.mark.parametrize("classic", [False, True])
def test_its_subjects_are_those_of_the_tokens(hub: Hub, classic: bool) -> None:
    hub.create("octo-org/other", classic=classic, owner_id=1, repository_id=2)
    expected = github.Repository("octo-org/other", 1, 2, classic).subject_prefix
    known = ask(hub, "repos/octo-org/other/actions/oidc/customization/sub")
    assert known["sub_claim_prefix"] == expected
    assert ask(hub, "repos/octo-org/other")["created_at"] < "2026-07-15" or not classic


def clone(hub: Hub, folder: Path, remote: str) -> tuple[int, str, str]:
    """Commit a file in a new clone and push it."""
    commands = f"git clone -q {remote} {folder} && cd {folder} && echo a > a && git add a"
    commands += " && git commit -qm 'First commit' && git push -q origin HEAD:main"
    return run(hub, f"bash -c {shlex.quote(commands)}")


@pytest.mark.parametrize("base", ["https://github.com/", "git@github.com:"])
@pytest.mark.parametrize("end", ["", ".git"])
def test_a_push_ends_in_the_bare_repository(hub: Hub, tmp_path: Path, base: str, end: str) -> None:
    hub.refuse_pushes(NAME, "GH013: Repository rule violations found for refs/heads/main.")
    refused = clone(hub, tmp_path / "refused", f"{base}{NAME}{end}")
    assert (refused[0], "remote: GH013: Repository rule" in refused[2]) == (1, True), refused
    hub.allow_pushes(NAME)
    assert clone(hub, tmp_path / "clone", f"{base}{NAME}{end}")[0] == 0
    assert hub.has(hub.repository(NAME), "a")


def test_somebody_else_pushes_a_workflow_that_then_has_runs(hub: Hub) -> None:
    hub.change(NAME, runs=[{"conclusion": "success", "url": "x"}, {"conclusion": "failure"}])
    for text in ("on: push\n", "on: release\n"):
        hub.push(NAME, {".github/workflows/deploy.yml": text})
    command = f"gh run list --repo {NAME} --workflow deploy.yml --limit 1 --json conclusion,status"
    status, printed, _ = run(hub, command)
    assert (status, json.loads(printed)) == (0, [{"conclusion": "success", "status": ""}])


DEPLOY = "name: deploy\non:\n  release:\n    types: [published]\n"


def test_a_release_starts_a_run_that_goes_on_by_each_question(hub: Hub) -> None:
    hub.push(NAME, {".github/workflows/deploy.yml": DEPLOY})
    hub.change(NAME, course={"after": 1, "states": ["queued"], "log_after": 1})
    assert run(hub, f"gh release create v1 --repo {NAME} --target 0123")[0] == 1, "no such commit"
    assert run(hub, f"gh release create v1 --repo {NAME} --generate-notes")[0] == 0
    assert "tag_name already exists" in run(hub, f"gh release create v1 --repo {NAME}")[2]
    fields = "databaseId,status,conclusion,headBranch,event"
    command = f"gh run list --repo {NAME} --workflow deploy.yml --json {fields}"
    first = {"databaseId": 4712, "headBranch": "v1", "event": "release"}
    view = f"gh run view 4712 --repo {NAME} --log"
    assert json.loads(run(hub, command)[1]) == []
    assert json.loads(run(hub, command)[1]) == [{**first, "status": "queued", "conclusion": ""}]
    assert "is still in progress; logs will be available" in run(hub, view)[2]
    done = {**first, "status": "completed", "conclusion": "success"}
    assert json.loads(run(hub, command)[1]) == [done]
    assert "log not found" in run(hub, view)[2]
    log = run(hub, view)[1]
    assert "\tPublished v1\n" in re.sub(r"\ufeff?2026-\S+Z ", "", log)
    assert run(hub, f"{view}-failed")[1] == "", "no step has failed"
    assert json.loads(run(hub, f"{command} --branch v2")[1]) == []


def test_a_push_starts_what_deploy_yml_names_and_a_release_alone_does_not(hub: Hub) -> None:
    on = 'on:\n  push:\n    tags: ["v*"]\n'
    for text in (on, on + "# as it was\n"):
        hub.push(NAME, {".github/workflows/deploy.yml": text}, f"{text}[skip ci]")
        for tag in ("v1", "x1"):
            if not hub.commit(hub.repository(NAME), f"refs/tags/{tag}"):
                hub.tag(hub.repository(NAME), tag, "refs/heads/main")
        command = f"gh run list --repo {NAME} --workflow deploy.yml --json headBranch"
        assert json.loads(run(hub, command)[1]) == [], "the commit says so"
    hub.push(NAME, {".github/workflows/deploy.yml": on})
    hub.tag(hub.repository(NAME), "v2", "refs/heads/main")
    assert run(hub, f"gh release create v2 --repo {NAME}")[0] == 0
    for _ in range(2):
        assert json.loads(run(hub, command)[1]) == [{"headBranch": "v2"}]


def test_a_course_that_no_run_has_is_an_error_of_the_test(hub: Hub) -> None:
    hub.push(NAME, {".github/workflows/deploy.yml": DEPLOY})
    hub.change(NAME, course={"ends": 3})
    assert "a run has no ends" in run(hub, f"gh release create v1 --repo {NAME}")[2]


def test_without_a_name_git_refuses_to_commit(hub: Hub, tmp_path: Path) -> None:
    run(hub, f"git init -q {tmp_path / 'x'}")
    command = f"git -C {tmp_path / 'x'} commit --allow-empty -m x"
    assert (run(hub, command)[0], run(hub, command, person=False)[0]) == (0, 128)


def test_an_old_name_leads_to_the_new_one_until_it_is_taken(hub: Hub, tmp_path: Path) -> None:
    hub.change(NAME, classic=True)
    hub.rename(NAME, "octo-org/second")
    hub.rename("octo-org/second", "other-org/third", owner_id=7)
    assert ask(hub, PATH)["full_name"] == "other-org/third"
    prefix = ask(hub, f"{PATH}/actions/oidc/customization/sub")["sub_claim_prefix"]
    assert prefix == "repo:other-org@7/third@456789"
    written = run(hub, f"gh api --method PUT {PATH}/environments/x")
    assert "(HTTP 307)" in written[2]
    assert clone(hub, tmp_path / "clone", f"https://github.com/{NAME}.git")[0] == 0
    assert hub.has(hub.repository("other-org/third"), "a")
    assert run(hub, f"gh repo create {NAME} --private")[0] == 0
    assert ask(hub, PATH)["id"] == 456790
    assert not hub.has(hub.repository(NAME), "a")
    hub.delete("other-org/third")
    assert run(hub, "gh api repos/octo-org/second")[0] == 1
    assert run(hub, "git ls-remote https://github.com/octo-org/second.git")[0] == 128


def test_aws_is_logged_and_run(hub: Hub, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "aws").write_text("#!/bin/sh\nprintf '<%s>' \"$@\"; exit 3\n")
    (real / "aws").chmod(0o755)
    given = hub.environment()
    given["PATH"] = (
        f"{ROOT / 'tests/standins/bin'}:{ROOT / 'tests/standins/bin/../bin'}:{real}:/usr/bin:/bin"
    )
    words = ["sts", "a b", "it's", "", "$x", "key=a:b/c,d@e+f%g"]
    done = subprocess.run(["aws", *words], env=given, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "".join(f"<{word}>" for word in words))
    subprocess.run(["aws", "--version"], env=given, capture_output=True)
    run(hub, f"gh {shlex.join(words)}")
    assert hub.calls() == [f"aws {shlex.join(words)}", f"gh {shlex.join(words)}"]
    hub.clear()
    assert hub.calls() == []


def test_nothing_is_loaded_that_is_slow() -> None:
    code = (
        "import sys, tests.standins.gh; print({*sys.modules} & {'jwt', 'cryptography', 'botocore'})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n"
