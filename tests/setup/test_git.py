"""Bootstrap and Git: what is committed and pushed, and what is left to its owner."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.support.bootstrap import (
    AGAIN,
    APPLY,
    FIRST,
    IDS,
    LOCK,
    NAME,
    TFVARS,
    refused,
    with_a_value_to_write,
)
from tests.support.desk import Desk
from tests.support.remedies import words


def test_a_repository_with_commits_of_others_is_not_pushed_over(desk: Desk) -> None:
    desk.hub.create(NAME)
    desk.hub.push(NAME, {"README.md": "mine\n"})
    said = refused(desk, "--yes")
    assert f"{NAME} is not empty, and this folder is not a clone of it, so nothing" in said
    assert said.endswith(f"  gh repo clone {NAME}\n")
    desk.git("init", "--quiet", "--initial-branch=main")
    desk.git("commit", "--quiet", "--allow-empty", "--message=mine")  # another history
    assert refused(desk, "--yes") == said


def test_a_remote_of_somebody_else_is_not_pushed_to(desk: Desk) -> None:
    desk.git("init", "--quiet", "--initial-branch=main")
    desk.git("remote", "add", "origin", "https://somebody:secret@github.com/other/thing.git")
    said = refused(desk, "--yes")
    assert "The remote origin of this folder is https://github.com/other/thing.git instead" in said
    assert "secret" not in said
    assert said.endswith(f"\n  git remote rename origin upstream\n  {AGAIN}\n")


def test_a_second_push_url_of_a_stranger_is_not_pushed_to(ready: Desk) -> None:
    ready.git("remote", "set-url", "--push", "origin", "https://github.com/stranger/public.git")
    words = " ".join(refused(ready, "--yes").split())
    assert "is https://github.com/stranger/public.git instead of octo-org/example-service" in words


def test_an_empty_repository_gets_main_and_no_other_branch(desk: Desk) -> None:
    desk.git("init", "--quiet", "--initial-branch=master")
    said = refused(desk, "--yes")
    assert "is empty, so the first push must be of main, but the branch here is master:" in said
    assert said.endswith(f"\n  git branch -m main\n  {AGAIN}\n")


def test_uncommitted_work_is_left_alone(ready: Desk) -> None:
    with_a_value_to_write(ready)
    (ready.path / "app/server.py").write_text("staged\n")
    ready.git("add", "app/server.py")
    (ready.path / "app/server.py").write_text("staged, then edited\n")
    (ready.path / "notes.txt").write_text("mine\n")
    ended = ready.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert ready.git("show", "--name-only", "--format=%s").splitlines() == [
        *("Trust the subject that GitHub presents", "", TFVARS)
    ]
    assert ready.git("status", "--short").splitlines() == ["MM app/server.py", "?? notes.txt"]
    assert ready.git("show", ":app/server.py") == "staged"


def test_values_that_somebody_is_editing_are_written_and_not_committed(ready: Desk) -> None:
    path = ready.path / TFVARS
    path.write_text(
        path.read_text().replace(f'"{IDS}"', "null").replace('"refs/tags/v*"', '"refs/tags/v1*"')
    )
    deploy = ready.path / ".github/workflows/deploy.yml"
    deploy.write_text(deploy.read_text().replace("'refs/tags/v'", "'refs/tags/v1'"))
    ended = ready.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert f" -  {TFVARS} contains edits of yours. Commit them yourself." in ended.out
    stated = 'expects that the role trusts "refs/tags/v*", but it trusts "refs/tags/v1*"'
    assert f"infra/tests/trust.tftest.hcl {stated}" in words(ended)
    assert ready.changes() == [APPLY]
    assert ready.entry["subject_prefix"] == IDS
    assert f" M {TFVARS}" in ready.git("status", "--short").splitlines()[1:] + [
        f" {ready.git('status', '--short').splitlines()[-1].strip()}"
    ]


def test_a_push_that_github_refuses_is_reported_with_another_way(ready: Desk) -> None:
    ready.git("commit", "--quiet", "--allow-empty", "--message=mine")
    rule = "GH013: Repository rule violations found for refs/heads/main."
    ready.hub.refuse_pushes(NAME, rule)
    ended = ready.bootstrap("--yes")
    assert (ended.status, ready.changes()) == (1, [FIRST[-1]])
    assert "GitHub refused the push. Everything before it is done.\n" in ended.out
    assert rule in ended.out
    assert "  git push origin HEAD:refs/heads/bootstrap\n  gh pr create --head boot" in ended.out
    ready.hub.allow_pushes(NAME)
    ready.hub.clear()
    again = ready.bootstrap("--yes")
    assert (again.status, ready.changes()) == (0, [FIRST[-1]])


@pytest.mark.parametrize(
    ("settings", "noted"),
    [
        ({"protected": True}, True),
        ({"rulesets": [{"id": 8, "target": "branch", "rules": [{"type": "pull_request"}]}]}, True),
        ({"rulesets": [{"id": 8, "target": "branch", "rules": [{"type": "deletion"}]}]}, False),
        ({}, False),
    ],
    ids=["protected", "a pull request is needed", "not to be deleted", "free"],
)
def test_a_branch_that_takes_no_push_is_reported_before_the_first_step(
    ready: Desk, settings: dict[str, Any], noted: bool
) -> None:
    for ruleset in settings.get("rulesets", []):
        ruleset |= {"name": "guard", "enforcement": "active", "conditions": {}}
    ready.hub.change(NAME, **settings)
    assert "is protected" not in ready.bootstrap("--plan").out, "where nothing is pushed"
    ready.git("commit", "--quiet", "--allow-empty", "--message=mine")
    planned = words(ready.bootstrap("--plan"))
    assert (f"main of {NAME} is protected, so GitHub may refuse the push" in planned) is noted


def test_commits_that_are_missing_here_stand_in_the_way_of_a_push(ready: Desk) -> None:
    ready.hub.push(NAME, {"theirs.txt": "theirs\n"})
    ready.hub.rename(NAME, "octo-org/renamed")
    said = refused(ready, "--yes")
    assert "main of octo-org/renamed has commits that this folder does not have" in said
    assert said.endswith(f"\n  git pull --rebase origin main\n  {AGAIN}\n")


def test_branches_that_have_diverged_are_reported(ready: Desk) -> None:
    ready.hub.push(NAME, {"theirs.txt": "theirs\n"})
    ready.git("commit", "--quiet", "--allow-empty", "--message=mine")
    said = refused(ready, "--yes")
    assert said.endswith(f"\n  git pull --rebase origin main\n  {AGAIN}\n")


def test_gh_decides_between_https_and_ssh_where_there_is_no_remote(ready: Desk) -> None:
    ready.hub.user(git_protocol="ssh")
    ready.git("remote", "remove", "origin")
    ended = ready.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert f" 1. add the remote origin, git@github.com:{NAME}.git\n" in ended.out
    assert ready.changes() == [f"git remote add origin git@github.com:{NAME}.git"]


def test_a_folder_inside_another_repository_becomes_its_own(desk: Desk) -> None:
    subprocess.run(["git", "init", "--quiet", str(desk.path.parent)], check=True)
    planned = desk.bootstrap("--plan")
    outer = desk.path.parent
    assert (
        f"turn this folder into a Git repository (inside {outer}, which stays as it is)"
        in planned.out
    )


@pytest.mark.parametrize("state", ["detached", "merging"])
def test_nothing_is_started_if_nothing_can_be_committed(ready: Desk, state: str) -> None:
    ready.hub.rename(NAME, "octo-org/renamed")
    if state == "detached":
        ready.git("checkout", "--quiet", "--detach")
    else:
        (ready.path / ".git/MERGE_HEAD").write_text(ready.git("rev-parse", "HEAD") + "\n")
    said = refused(ready, "--yes")
    assert "nothing can be committed." in " ".join(said.split())
    assert said.endswith("\n  git status\n  make bootstrap\n")


def test_what_is_not_committed_is_named_before_the_release(ready: Desk) -> None:
    for name in ("Dockerfile", "a", "b", "c", "d", "e"):
        (ready.path / name).write_text("new\n")
    with (ready.path / LOCK).open("a") as lock:
        lock.write("# mine\n")
    ended = ready.bootstrap("--yes")
    assert (ended.status, ready.changes()) == (0, [])
    words = " ".join(ended.out.split())
    assert f"so a release will not contain them: Dockerfile, {LOCK}, a, b, c and 2 more." in words


def test_an_option_that_changes_nothing_says_why(ready: Desk) -> None:
    said = words(ready.bootstrap("--plan", "--all", "--public"))
    assert "--all has no effect: it applies to the first commit, which exists already." in said
    assert f"--public has no effect: {NAME} exists." in said
    deploy = ready.path / ".github/workflows/deploy.yml"
    on = "  release:\n    types: [published]\n"
    deploy.write_text(deploy.read_text().replace(on, '  push:\n    tags: ["v*"]\n'))
    said = words(ready.bootstrap("--plan", "--immutable-releases"))
    assert "--immutable-releases has no effect: no workflow here starts on a release." in said


def test_commits_that_will_be_pushed_are_counted(ready: Desk) -> None:
    ready.git("commit", "--quiet", "--allow-empty", "--message=mine")
    planned = ready.bootstrap("--plan")
    assert planned.out.startswith(f" 1. push main to {NAME}, with 1 commit of yours\n")
