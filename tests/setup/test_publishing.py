"""Bootstrap up to the first image: the last step, its run, and when nothing is published."""

from __future__ import annotations

from pathlib import Path

import pytest
from keyless.setup import publishing

from tests.conftest import Copy
from tests.standins.emulator import Emulator
from tests.standins.hub import Hub
from tests.support.bootstrap import NAME, readable, with_a_value_to_write
from tests.support.desk import Desk
from tests.support.publishing import (
    FAILED,
    RUN,
    commit,
    followed,
    published,
    tags,
    unpublished,
)
from tests.support.remedies import commands_of, follow, words

AGAIN = "make release VERSION=v0.1.0"
STEP = " 1. publish v0.1.0 as a GitHub release, and follow the run of deploy.yml that this starts\n"
YES = {'Type "yes" to continue: ': "yes"}


def releases(desk: Desk) -> list[str]:
    """Return the calls that have published something."""
    return [call for call in desk.hub.calls() if "gh release create" in call]


def test_one_yes_leads_to_the_first_image(ready: Desk) -> None:
    desk = unpublished(ready)
    desk.hub.change(NAME, course={"after": 1, "states": ["queued", "in_progress"]})
    assert desk.bootstrap("--plan").out.startswith(STEP)
    assert releases(desk) == []
    ended = desk.hurried("bootstrap", answers=YES)
    assert ended.status == 0, ended.out
    readable(ended)
    head = desk.git("rev-parse", "HEAD")
    assert "\n[1/1] publish v0.1.0 as a GitHub release" in ended.out
    assert followed(ended.out)[1:] == [RUN, "queued", "in progress", "success"]
    assert ended.out.endswith(published("v0.1.0", head))
    assert (tags(desk), len(releases(desk))) == ({"v0.1.0": head}, 1)
    again = desk.bootstrap("--yes")
    assert again.status == 0
    assert "Nothing to do: everything is in place." in again.out
    assert again.out.endswith("\nTo publish the next version:\n  make release VERSION=v0.1.1\n")
    assert len(releases(desk)) == 1


def test_a_run_that_fails_is_shown_and_nothing_is_published_twice(ready: Desk) -> None:
    desk = unpublished(ready)
    desk.hub.change(NAME, course={"conclusion": "failure", "log": FAILED})
    ended = desk.hurried("bootstrap", "--yes")
    assert ended.status == 1
    readable(ended)
    assert "\nRole      arn:aws:iam::111122223333:role/example-service-push\n" in ended.out
    assert "  Error: v0.1.0 names another image. Publish a new version:\n" in ended.out
    assert "It stopped at" not in ended.out, "everything is set up"
    assert desk.hurried("bootstrap", "--yes").status == 0
    assert len(releases(desk)) == 1


def test_a_run_that_never_appears_is_explained(ready: Desk) -> None:
    desk = unpublished(ready)
    desk.hub.change(NAME, course={"never": True})
    ended = desk.hurried("bootstrap", "--yes")
    assert ended.status == 1
    assert "GitHub has not started a run of deploy.yml for v0.1.0 in 2 minutes" in words(ended)
    assert commands_of(ended)[-1] == AGAIN


def test_ctrl_c_leaves_the_run_alone(ready: Desk) -> None:
    desk = unpublished(ready)
    desk.hub.change(NAME, course={"states": ["in_progress"] * 3})
    ended = desk.typed({**YES, "in progress": "\x03"}, "bootstrap")
    assert ended.status == 130
    assert "\nInterrupted. The run continues on GitHub. To follow it again:\n" in ended.out
    assert commands_of(ended) == [f"gh run view 4712 --repo {NAME}", AGAIN]
    assert desk.hurried("release", "v0.1.0").status == 0
    assert len(releases(desk)) == 1


def test_no_release_publishes_nothing_and_says_what_does(ready: Desk) -> None:
    desk = unpublished(ready)
    ended = desk.bootstrap("--yes", "--no-release")
    assert (ended.status, tags(desk)) == (0, {})
    assert "Nothing to do: everything is in place." in ended.out
    assert ended.out.endswith(f"\nTo publish the first image:\n  {AGAIN}\n")
    said = words(desk.bootstrap("--plan"))
    assert "To set all this up without publishing: make bootstrap ARGS=--no-release" in said
    commit(desk, push=False)
    asked = desk.bootstrap("--no-release")
    assert asked.out.endswith('  make bootstrap ARGS="--yes --no-release"\n')
    assert desk.bootstrap("--yes", "--no-release").status == 0
    assert desk.hurried("release", "v0.1.0").status == 0
    said = words(desk.bootstrap("--plan", "--no-release"))
    assert "--no-release has no effect: v0.1.0 is already published." in said


def test_a_trusted_tag_that_is_here_alone_is_left_to_its_owner(ready: Desk) -> None:
    desk = unpublished(ready)
    desk.git("tag", "v0.3.0")
    ended = desk.bootstrap("--yes")
    assert (ended.status, tags(desk)) == (0, {})
    said = "The tag v0.3.0 exists here but not on GitHub, so nothing is published. To publish it:"
    assert f"{said} make release VERSION=v0.3.0" in words(ended)


def test_other_branches_and_older_commits_publish_nothing(ready: Desk) -> None:
    desk = unpublished(ready)
    desk.git("switch", "--quiet", "--create", "feature")
    commit(desk)
    said = words(desk.bootstrap("--yes"))
    assert "No version is published from feature, which is not the default branch main." in said
    desk.git("switch", "--quiet", "main")
    desk.hub.push(NAME, {"theirs.txt": "theirs\n"})
    desk.git("fetch", "--quiet", "origin")
    said = words(desk.bootstrap("--yes"))
    assert "main on GitHub has newer commits, so no version is published from here" in said
    assert tags(desk) == {}


def test_what_is_not_committed_publishes_nothing_and_is_named(ready: Desk) -> None:
    desk = unpublished(ready)
    (desk.path / "Dockerfile").write_text("FROM scratch\n")
    ended = desk.bootstrap("--yes")
    assert (ended.status, tags(desk)) == (0, {})
    said = (
        "No version is published, because these files are not committed: Dockerfile. Commit those"
    )
    assert f"{said} that belong to it, then: {AGAIN}" in words(ended)


def test_what_bootstrap_commits_itself_is_published(ready: Desk) -> None:
    desk = unpublished(ready)
    with_a_value_to_write(desk)
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert tags(desk) == {"v0.1.0": desk.git("rev-parse", "HEAD")}
    assert desk.git("status", "--short") == ""


def test_files_that_the_first_commit_leaves_out_keep_the_first_version_back(desk: Desk) -> None:
    (desk.path / "mine.txt").write_text("mine\n")
    said = words(desk.bootstrap("--plan"))
    assert "No version is published, because these files are not committed: mine.txt." in said
    assert ". publish v0.1.0 as a GitHub release" not in said
    assert ". publish v0.1.0 as a GitHub release" in words(desk.bootstrap("--plan", "--all"))


@pytest.mark.parametrize(
    ("ref", "first", "published", "following"),
    [
        ("v*", "v0.1.0", ["v0.1.0", "v0.10.0", "v0.9.0"], "v0.10.1"),
        ("v1.*", "v1.0.0", ["v1.9"], "v1.10"),
        ("v1.2*", "v1.2.0", [], "v1.2.0"),
        ("web2-v*", "web2-v0.1.0", ["web2-v2.0.0"], "web2-v2.0.1"),
        ("v*", "v0.1.0", ["v2.0.0-rc.1"], "v2.0.0-rc.2"),
        ("release-2*", "release-2.0.0", ["release-29"], "release-2X.Y.Z"),
        ("v*", "v0.1.0", ["vnext"], "vX.Y.Z"),
        ("stable", "stable", [], "stable"),
    ],
)
def test_a_version_that_is_suggested_is_one_that_the_role_trusts(
    ref: str, first: str, published: list[str], following: str
) -> None:
    refs = ["refs/heads/main", f"refs/tags/{ref}"]
    assert publishing.first_version(refs) == first
    assert publishing.next_release(refs, published) == following
    assert publishing.next_version("vnext") == "vnext-2"


def test_a_push_that_github_refuses_publishes_nothing(ready: Desk) -> None:
    desk = unpublished(ready)
    commit(desk, push=False)
    desk.hub.refuse_pushes(NAME, "GH013: Repository rule violations found for refs/heads/main.")
    ended = desk.bootstrap("--yes")
    assert (ended.status, releases(desk)) == (1, [])
    assert "gh pr create --head bootstrap --fill" in ended.out


def test_a_new_repository_without_actions_publishes_nothing_until_it_has_them(desk: Desk) -> None:
    desk.hub.user(in_new={"actions_enabled": False})
    ended = desk.bootstrap("--yes")
    assert (ended.status, releases(desk)) == (1, [])
    assert f"GitHub Actions is switched off in {NAME}, so nothing would be" in words(ended)
    assert "It stopped at: publish v0.1.0" in ended.out
    switch, again = commands_of_stopped(ended.out)
    follow(desk, switch)
    assert again == AGAIN
    assert desk.hurried("release", "v0.1.0").status == 0


def commands_of_stopped(out: str) -> list[str]:
    """Return the commands above the line that says where bootstrap has stopped."""
    lines = out[: out.index("It stopped at")].splitlines()
    return [line.strip() for line in lines[-2:]]


@pytest.mark.parametrize("deploy_on", ["tag", "branch"])
def test_each_way_to_publish_ends_with_the_image(
    copy: Copy, emulator: Emulator, tmp_path: Path, deploy_on: str
) -> None:
    desk = Desk(copy(deploy_on=deploy_on), emulator, Hub(tmp_path / "hub"))
    ended = desk.hurried("bootstrap", "--yes")
    assert ended.status == 0, ended.out
    last = {
        "tag": "publish v0.1.0 by its tag, and follow the run of deploy.yml that this starts",
        "branch": "follow the run of deploy.yml that the push to main starts",
    }[deploy_on]
    assert f". {last}\n" in ended.out
    assert followed(ended.out) == [RUN, "success"]
    version = {"tag": "v0.1.0", "branch": "main-1"}[deploy_on]
    assert ended.out.endswith(published(version, desk.git("rev-parse", "HEAD")))
    again = desk.hurried("bootstrap", "--yes")
    assert "Nothing to do: everything is in place." in again.out
    if deploy_on == "branch":
        assert again.out.endswith("\nTo follow the run of the newest commit:\n  make release\n")
        commit(desk, push=False)
        said = words(desk.bootstrap("--yes", "--no-release"))
        assert (
            "The push to main publishes, also with --no-release. Its run is not followed." in said
        )
        assert "--no-release has no effect: bootstrap publishes nothing here." in words(
            desk.bootstrap("--plan", "--no-release")
        )
