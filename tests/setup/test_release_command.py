"""The command release: what it publishes, and what it refuses before anything is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Bake, Copy, Run
from tests.standins.hub import Hub
from tests.support.bootstrap import NAME, readable
from tests.support.desk import Desk, Ended
from tests.support.publishing import RUN, commit, followed, published, pushed, tags
from tests.support.remedies import commands_of, follow, words


@pytest.fixture
def desk(copy: Copy, tmp_path: Path) -> Desk:
    """A desk with a project that was pushed."""
    return pushed(copy(), Hub(tmp_path / "hub"))


@pytest.fixture
def branch_desk(copy: Copy, tmp_path: Path) -> Desk:
    """A desk with a project that publishes on a push to main."""
    return pushed(copy(deploy_on="branch"), Hub(tmp_path / "hub"))


def refused(desk: Desk, *arguments: str) -> Ended:
    """Type `make release`, which must publish nothing."""
    before = tags(desk)
    ended = desk.hurried("release", *arguments)
    assert ended.status == 1, ended.out
    assert tags(desk) == before
    readable(ended)
    return ended


def test_a_version_is_published_followed_and_shown(desk: Desk) -> None:
    ended = desk.hurried("release", "v0.1.0")
    head = desk.git("rev-parse", "HEAD")
    page = f"https://github.com/{NAME}/releases/tag/v0.1.0"
    said = (
        f"v0.1.0 is commit {head[:12]} of main: mine\n"
        f"v0.1.0 is on GitHub now: {page}\n"
        "Ctrl-C only stops following: the run continues.\n"
        f"Run       {RUN}\n          success\n"
    )
    assert ended == (0, said + published("v0.1.0", head))
    assert tags(desk) == {"v0.1.0": head}
    called = f"gh release create v0.1.0 --repo {NAME} --generate-notes --target {head}"
    assert called in desk.hub.calls()
    assert desk.git("tag", "--list") == "", "the tag is GitHub's"


def test_a_version_that_exists_is_shown_and_not_published_again(desk: Desk) -> None:
    desk.hurried("release", "v0.1.0")
    desk.hub.clear()
    ended = desk.hurried("release", "v0.1.0")
    assert ended.status == 0
    assert "v0.1.0 is already on GitHub for this commit, so it is not released again." in ended.out
    assert ended.out.endswith(published("v0.1.0", desk.git("rev-parse", "HEAD")))
    assert not [call for call in desk.hub.calls() if "release create" in call or " push " in call]
    (desk.path / "notes.txt").write_text("mine\n")
    ended = desk.hurried("release", "v0.1.0")
    assert "It does not contain what is not committed: notes.txt" in ended.out


def test_a_version_that_names_another_commit_is_refused(desk: Desk) -> None:
    desk.hurried("release", "v0.1.0")
    commit(desk)
    ended = refused(desk, "v0.1.0")
    assert "v0.1.0 is already on GitHub for another commit" in words(ended)
    again, runs = commands_of(ended)
    assert again == "make release VERSION=v0.1.1"
    assert "v0.1.0" in follow(desk, f"{runs} --json headBranch").out
    assert desk.hurried("release", "v0.1.1").status == 0


def test_two_versions_of_a_commit_have_a_run_each(desk: Desk) -> None:
    for number, version in enumerate(("v0.1.0", "v0.2.0")):
        ended = desk.hurried("release", version)
        assert followed(ended.out) == [RUN.replace("4712", str(4712 + number)), "success"]
    assert followed(desk.hurried("release", "v0.1.0").out)[0] == RUN


def test_an_older_version_needs_an_option(desk: Desk) -> None:
    desk.hurried("release", "v0.10.0")
    for version in ("v0.9.0", "v0.10.0-rc.1", "v0.10"):
        ended = refused(desk, version)
        how = "the same version as" if version == "v0.10" else "older than"
        assert f"{version} is {how} v0.10.0, which is already published." in words(ended)
        assert "Publish a newer version. To publish it anyway, add ARGS=--older." in words(ended)
        assert commands_of(ended) == ["make release VERSION=v0.10.1"]
        assert desk.hurried("release", version, "--older").status == 0
    assert desk.hurried("release", "v0.11.0-rc.1").status == 0


def test_uncommitted_files_stop_a_release(desk: Desk) -> None:
    (desk.path / "Dockerfile").write_text("FROM scratch\n")
    (desk.path / "notes.txt").write_text("mine\n")
    ended = refused(desk, "v0.1.0")
    assert "v0.1.0 would not contain what is not committed: Dockerfile, notes.txt." in words(ended)
    commands = commands_of(ended)
    assert commands[0] == "git add FILE && git commit && git push"
    assert "To publish anyway, add ARGS=--leave-uncommitted." in words(ended)
    assert desk.hurried("release", "v0.1.0", "--leave-uncommitted").status == 0
    assert tags(desk)["v0.1.0"] == desk.git("rev-parse", "HEAD")


@pytest.mark.parametrize("branch", ["main", "feature"])
def test_a_commit_that_is_not_pushed_stops_a_release(desk: Desk, branch: str) -> None:
    if branch != "main":
        desk.git("switch", "--quiet", "--create", branch)
    head = commit(desk, push=False)
    ended = refused(desk, "v0.1.0")
    assert "Your last commit is not on GitHub, so v0.1.0 would not contain it." in ended.out
    push, again = commands_of(ended)
    follow(desk, push)
    assert again == "make release VERSION=v0.1.0"
    assert desk.hurried("release", "v0.1.0").status == 0
    assert tags(desk) == {"v0.1.0": head}


def test_a_commit_is_on_github_even_if_others_have_pushed_since(desk: Desk) -> None:
    desk.hub.push(NAME, {"theirs.txt": "theirs\n"})
    ended = desk.hurried("release", "v0.1.0")
    assert ended.status == 0, ended.out
    assert tags(desk)["v0.1.0"] == desk.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("", "No version is published yet. Enter the version to publish:"),
        ("1.0.0", "The role trusts the tags v*, but not 1.0.0, so the release would fail."),
        (
            "v1/web",
            "v1/web is not a valid tag of an image, so the release would fail. Use only letters",
        ),
        ("v", "v contains no number, so there is no next version."),
    ],
    ids=["none", "untrusted", "not a tag of an image", "no number"],
)
def test_a_version_that_cannot_be_published_is_refused_with_one_that_can(
    desk: Desk, version: str, says: str
) -> None:
    ended = refused(desk, *filter(None, [version]))
    assert says in words(ended)
    assert commands_of(ended) == ["make release VERSION=v0.1.0"]


def test_findings_of_the_check_stop_a_release(desk: Desk) -> None:
    path = desk.path / ".github/workflows/deploy.yml"
    path.write_text(path.read_text().replace('aws-region: "us-east-1"', "aws-region: eu-west-1"))
    desk.git("commit", "--quiet", "--all", "--message=broken")
    desk.git("push", "--quiet", "origin", "main")
    ended = refused(desk, "v0.1.0")
    assert "make check has findings, so nothing is published:" in ended.out
    assert "same-region" in ended.out
    assert commands_of(ended) == ["make check ARGS=--fix", "make release VERSION=v0.1.0"]


def test_a_local_tag_of_another_commit_is_not_published(desk: Desk) -> None:
    desk.git("tag", "v0.1.0")
    commit(desk)
    ended = refused(desk, "v0.1.0")
    assert "In this folder, the tag v0.1.0 names another commit" in words(ended)
    assert commands_of(ended) == ["make release VERSION=v0.1.1"]


@pytest.mark.parametrize("deploy_on", ["release", "tag"])
def test_a_local_tag_is_published_unchanged(copy: Copy, tmp_path: Path, deploy_on: str) -> None:
    desk = pushed(copy(deploy_on=deploy_on), Hub(tmp_path / "hub"))
    desk.git("tag", "--annotate", "--message=with a message", "v0.1.0")
    ended = desk.hurried("release", "v0.1.0")
    assert ended.status == 0, ended.out
    assert tags(desk) == {
        "v0.1.0": desk.git("rev-parse", "v0.1.0"),
        "v0.1.0^{}": desk.git("rev-parse", "HEAD"),
    }
    assert desk.hurried("release", "v0.1.0").status == 0


def test_if_tags_publish_a_tag_is_created_and_pushed(copy: Copy, tmp_path: Path) -> None:
    desk = pushed(copy(deploy_on="tag"), Hub(tmp_path / "hub"))
    ended = desk.hurried("release", "v0.1.0")
    assert ended.status == 0, ended.out
    assert followed(ended.out) == [RUN, "success"]
    assert "gh release create" not in "\n".join(desk.hub.calls())


def test_if_pushes_publish_the_run_of_the_commit_is_followed(branch_desk: Desk) -> None:
    ended = branch_desk.hurried("release")
    assert ended.status == 0, ended.out
    assert followed(ended.out) == [RUN, "success"]
    assert ended.out.endswith(published("main-1", branch_desk.git("rev-parse", "HEAD")))
    ended = refused(branch_desk, "v0.1.0")
    assert "So you cannot choose a version." in words(ended)
    assert commands_of(ended) == ["make release"]
    commit(branch_desk, push=False)
    ended = refused(branch_desk)
    assert f"The commit that is checked out is not on main of {NAME}, so no run" in words(ended)
    push, again = commands_of(ended)
    follow(branch_desk, push)
    assert again == "make release"
    assert followed(branch_desk.hurried("release").out) == [RUN.replace("4712", "4713"), "success"]


def test_a_repository_without_infra_publishes_too(copy: Copy, tmp_path: Path) -> None:
    desk = pushed(copy(iac_tool="none"), Hub(tmp_path / "hub"))
    ended = desk.hurried("release", "v0.1.0")
    assert ended.status == 0, ended.out
    assert ended.out.endswith(published("v0.1.0", desk.git("rev-parse", "HEAD")))


IMMUTABLE = """\
pre_receive Repository rule violations found
Cannot create ref due to creations being restricted.
tag_name was used by an immutable release
Published releases must have a valid tag"""


def test_a_release_that_github_refuses_is_explained(desk: Desk) -> None:
    desk.hub.change(NAME, no_releases=IMMUTABLE)
    ended = refused(desk, "v0.1.0")
    assert "GitHub refused v0.1.0, because this tag belonged to an immutable release" in words(
        ended
    )
    assert commands_of(ended) == ["make release VERSION=v0.1.1"]
    desk.hub.change(NAME, no_releases="\n".join(IMMUTABLE.splitlines()[:2]))
    ended = refused(desk, "v0.1.0")
    assert (
        "GitHub refused v0.1.0, because a ruleset lets only some people create this tag"
        in words(ended)
    )
    assert commands_of(ended) == ["make doctor"]
    desk.hub.change(NAME, no_releases="Resource not accessible by personal access token")
    assert "Give it write access to Contents, or log in" in words(refused(desk, "v0.1.0"))


def test_a_tag_that_github_refuses_is_explained(copy: Copy, tmp_path: Path) -> None:
    desk = pushed(copy(deploy_on="tag"), Hub(tmp_path / "hub"))
    rule = "GH013: Repository rule violations found for refs/tags/v0.1.0."
    desk.hub.refuse_pushes(NAME, f"{rule}\n- Cannot create ref due to creations being restricted.")
    ended = desk.hurried("release", "v0.1.0")
    assert (
        "GitHub refused v0.1.0, because a ruleset lets only some people create this tag"
        in words(ended)
    )
    desk.hub.refuse_pushes(NAME, "no")
    assert "GitHub refused the request: " in desk.hurried("release", "v0.1.0").out
    assert tags(desk) == {}
    desk.hub.allow_pushes(NAME)
    assert desk.hurried("release", "v0.1.0").status == 0


def test_without_a_login_nothing_is_started(desk: Desk) -> None:
    desk.hub.user(logged_in=False)
    assert "You have no valid login to GitHub" in refused(desk, "v0.1.0").out


def test_make_passes_on_version_and_arguments(bake: Bake, run: Run) -> None:
    words = ("release", "VERSION=v0.9.0", "ARGS=--older --leave-uncommitted")
    for answers in ({}, {"iac_tool": "none"}):
        path = bake(**answers).path
        done = run("make", "--dry-run", "--assume-old=.venv/bin/python", *words, cwd=path)
        line = '.venv/bin/python .github/keyless release "v0.9.0" --older --leave-uncommitted'
        assert done.stdout.splitlines()[-1] == line
        done = run("make", "--dry-run", "release", cwd=path)
        assert done.stdout.splitlines()[-1].split() == line.split()[:3]
