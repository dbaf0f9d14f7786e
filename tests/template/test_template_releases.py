"""`make release` of the template, and release.yml: what is looked at first, and what is published.

Git is real, and GitHub is the stand-in of tests/standins/hub.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from tests.conftest import Bake
from tests.standins.emulator import ROOT
from tests.standins.hub import Hub
from tests.support.bootstrap import NAME, readable
from tests.support.desk import Desk, Ended, at_terminal
from tests.support.generating import copy_of_template
from tests.support.project import Project
from tests.support.publishing import pushed, tags
from tests.support.remedies import commands_of, follow, words
from tools import release

TOOL_VERSION = "<<cookiecutter.project_slug>>/.github/keyless/VERSION"
CHANGES = """\
# Changelog

## Unreleased

## 1.2.0 - 2026-11-28

### Generate

- A question more.

## 1.1.0 - 2026-10-01

- Something old.
"""
NOTES = "### Generate\n\n- A question more.\n"
AGAIN = "make release VERSION=v1.2.0"
EDIT = "${EDITOR:-vi} CHANGELOG.md"
RUNS = f"gh run list --repo {NAME} --workflow ci.yml --branch main"


class Template(Project):
    """A copy of the template: no project, so it has no answers."""

    def __init__(self, path: Path) -> None:
        self.path = path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk with a copy of the template: v1.1.0 is published, and v1.2.0 can be."""
    template = Template(copy_of_template(tmp_path))
    project = template.path / "pyproject.toml"
    text = re.sub('(?m)^version = ".*"', 'version = "1.2.0"', project.read_text())
    project.write_text(text)
    (template.path / TOOL_VERSION).write_text("1.2.0\n")
    (template.path / "CHANGELOG.md").write_text(CHANGES)
    desk = pushed(template, Hub(tmp_path / "hub"))
    desk.git("tag", "v1.1.0", "HEAD")
    desk.git("push", "--quiet", "origin", "v1.1.0")
    tested(desk)
    desk.hub.clear()
    return desk


def tested(desk: Desk, **other: Any) -> None:
    """Let CI have run for the commit that is checked out: with success, unless said otherwise."""
    run = {"databaseId": 7, "event": "push", "headBranch": "main", "status": "completed"}
    run |= {"conclusion": "success", "headSha": desk.git("rev-parse", "HEAD"), **other}
    desk.hub.change(NAME, runs=[run])


def commit(desk: Desk) -> None:
    """Commit and push everything, and let CI pass for it."""
    desk.git("add", "--all")
    desk.git("commit", "--quiet", "--allow-empty", "--message=more")
    desk.git("push", "--quiet", "origin", "HEAD:main")
    tested(desk)


def write(desk: Desk, name: str, before: str, after: str) -> None:
    """Replace a part of a file that must be there, and commit."""
    path = desk.path / name
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    commit(desk)


def released(desk: Desk, version: str = "v1.2.0", options: str = "--yes") -> Ended:
    """Type `make release` without a terminal."""
    return desk.run("make", "release", f"VERSION={version}", f"ARGS={options}")


def refused(desk: Desk, *arguments: str, commands: list[str], **environment: str) -> str:
    """Release, which must change nothing and end with these commands; return what it prints."""
    before = (tags(desk), desk.git("tag"))
    given = [*(arguments or ["v1.2.0"]), "--yes"]
    ended = desk.run("python3", "tools/release.py", *given, **environment)
    assert ended.status == 1, ended.out
    assert (tags(desk), desk.git("tag")) == before
    readable(ended._replace(out=ended.out.replace(str(desk.hub.folder), "HUB")))
    assert commands_of(ended) == commands, ended.out
    assert ended.out.startswith("This prevents the release of ")
    return words(ended)


def test_a_version_is_tagged_and_pushed_after_a_yes(desk: Desk) -> None:
    head = desk.git("rev-parse", "HEAD")
    answers = {'Publish v1.2.0? Type "yes" to continue: ': "yes"}
    ended = at_terminal(AGAIN.split(), desk.path, desk.environment(), answers)
    assert ended.status == 0, ended.out
    readable(ended)
    plan, _, done = ended.out.partition("Publish v1.2.0?")
    assert plan == (
        f"1. tag commit {head[:12]} of main as v1.2.0: mine\n"
        f"2. push this tag to origin, https://github.com/{NAME}.git\n"
        "Then GitHub runs the tests, and creates a release with this text of CHANGELOG.md:\n\n"
        "    ### Generate\n\n    - A question more.\n\n"
    )
    assert "v1.2.0 is published.\nrelease.yml now runs the tests for this tag" in done
    assert f"  https://github.com/{NAME}/releases/tag/v1.2.0\n" in done
    assert tags(desk)["v1.2.0^{}"] == head, "the tag is an annotated one"
    assert desk.git("for-each-ref", "--format=%(contents)", "refs/tags/v1.2.0") == "Release v1.2.0"
    assert desk.changes()[-1] == "git push origin refs/tags/v1.2.0"
    assert desk.git("status", "--porcelain") == "", "nothing is written, and no bytecode either"


@pytest.mark.parametrize("answer", ["no", "", "y", "YES", "\x03"])
def test_any_answer_but_yes_changes_nothing(desk: Desk, answer: str) -> None:
    answers = {"Publish v1.2.0?": answer}
    command = ["python3", "tools/release.py", "v1.2.0"]
    ended = at_terminal(command, desk.path, desk.environment(), answers)
    interrupted = answer == "\x03"
    assert ended.status == (130 if interrupted else 1)
    said = f"and continue:\n  {AGAIN}\n" if interrupted else "Nothing was changed.\n"
    assert ended.out.endswith(said)
    assert set(tags(desk)) == {"v1.1.0"}
    assert desk.git("tag") == "v1.1.0"


def test_without_a_terminal_it_says_how_to_publish_without_a_question(desk: Desk) -> None:
    ended = released(desk, options="")
    assert ended.status == 2, "make reports that it was not published"
    assert f"no terminal to ask at. To do this without a question:\n  {AGAIN} ARGS=--yes" in (
        ended.out
    )
    assert set(tags(desk)) == {"v1.1.0"}
    assert released(desk).status == 0
    assert "v1.2.0" in tags(desk)


def test_a_version_that_is_published_is_not_published_again(desk: Desk) -> None:
    released(desk)
    desk.hub.clear()
    ended = released(desk)
    assert ended.status == 0
    assert ended.out.startswith("v1.2.0 is published already, for the commit that is checked out.")
    assert f"gh run list --repo {NAME} --workflow release.yml --branch v1.2.0" in ended.out
    assert desk.changes() == []
    commit(desk)
    said = refused(desk, commands=["make release VERSION=v1.2.1"])
    assert "origin has the tag v1.2.0 already, for commit" in said


@pytest.mark.parametrize(
    "version", ["1.2.0", "v1.2", "v01.2.0", "v1.2.0-", "v1.2.0-rc.01", "v1.2.0+build", "v1.2.0 x"]
)
def test_a_name_that_is_not_a_version_is_refused(desk: Desk, version: str) -> None:
    said = refused(desk, version, commands=[AGAIN])
    assert f"{version!r} is not a version of the form v1.2.3 or v1.2.3-rc.1" in said


def test_without_a_version_the_one_of_the_tool_is_suggested(desk: Desk) -> None:
    ended = desk.run("make", "release")
    assert f"{TOOL_VERSION} says v1.2.0:\n  {AGAIN}\n" in ended.out


@pytest.mark.parametrize(
    ("newest", "above"),
    [("v1.2.1", "v1.2.2"), ("v1.3.0-rc.1", "v1.3.0-rc.2"), ("v10.0.0", "v10.0.1")],
)
def test_a_version_that_is_older_than_the_newest_one_is_refused(
    desk: Desk, newest: str, above: str
) -> None:
    desk.git("push", "--quiet", "origin", f"HEAD:refs/tags/{newest}")
    commit(desk)
    said = refused(desk, commands=[f"make release VERSION={above}"])
    assert f"v1.2.0 is not newer than {newest}, which is published" in said


def test_versions_are_ordered_as_semantic_versioning_says() -> None:
    # The example of semver.org, item 11, and numbers of two digits.
    ordered = "alpha alpha.1 alpha.beta beta beta.2 beta.11 rc.1".split()
    versions = [*(f"v1.0.0-{one}" for one in ordered), "v1.0.0", "v1.0.1", "v1.9.0", "v1.10.0"]
    assert sorted({*versions}, key=release.order) == versions
    assert release.order("latest") < release.order("v0.0.0-0")


def local_tag(desk: Desk) -> None:
    desk.git("tag", "v1.2.0")


def other_branch(desk: Desk) -> None:
    desk.git("switch", "--quiet", "--create", "feature")


def uncommitted(desk: Desk) -> None:
    (desk.path / "notes.txt").write_text("mine\n")


def unpushed(desk: Desk) -> None:
    desk.git("commit", "--quiet", "--allow-empty", "--message=more")


def behind(desk: Desk) -> None:
    desk.hub.push(NAME, {"theirs.txt": "theirs\n"})


def tool_of_another_version(desk: Desk) -> None:
    write(desk, TOOL_VERSION, "1.2.0", "1.1.0")


def project_of_another_version(desk: Desk) -> None:
    write(desk, "pyproject.toml", 'version = "1.2.0"', 'version = "1.1.0"')


def no_entry(desk: Desk) -> None:
    write(desk, "CHANGELOG.md", "## 1.2.0 - 2026-11-28\n", "## 1.1.1 - 2026-11-28\n")


def no_date(desk: Desk) -> None:
    write(desk, "CHANGELOG.md", "2026-11-28", "2026-11-31")


def empty_entry(desk: Desk) -> None:
    write(desk, "CHANGELOG.md", "- A question more.\n", "")


def entry_below(desk: Desk) -> None:
    write(desk, "CHANGELOG.md", "## 1.2.0", "## 1.3.0 - 2026-12-24\n\n- More.\n\n## 1.2.0")


def unreleased(desk: Desk) -> None:
    write(desk, "CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- Something newer.\n")


def not_on_github(desk: Desk) -> None:
    desk.git("remote", "set-url", "origin", str(desk.hub.bare(NAME)))


def hook_refuses(desk: Desk) -> None:
    hook(desk.path / ".git/hooks/pre-push", "echo 'not on a Friday' >&2; exit 1")


def hook(path: Path, script: str) -> None:
    """Write a hook of Git."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


WAYS: dict[Callable[[Desk], None], tuple[str, list[str]]] = {
    local_tag: (
        "The tag v1.2.0 exists here, but not at origin.",
        ["git tag --delete v1.2.0"],
    ),
    other_branch: ("feature is checked out, but versions are", ["git switch main"]),
    uncommitted: (
        "Not committed, so the version would not contain it: notes.txt.",
        ["git add --all && git commit && git push origin main", "git stash --include-untracked"],
    ),
    unpushed: ("Push your commits, and wait for CI:", ["git push origin main"]),
    behind: ("Take the commits of origin:", ["git pull --rebase origin main"]),
    tool_of_another_version: (
        f"{TOOL_VERSION} says 1.1.0, so a project that is generated from v1.2.0 would record",
        [f"echo 1.2.0 >'{TOOL_VERSION}'"],
    ),
    project_of_another_version: ("pyproject.toml says 1.1.0", ["${EDITOR:-vi} pyproject.toml"]),
    no_entry: ("CHANGELOG.md has no entry for 1.2.0", [EDIT]),
    no_date: ("'## 1.2.0 - 2026-11-31' of CHANGELOG.md has no date", [EDIT]),
    empty_entry: ("The entry '## 1.2.0 - 2026-11-28' of CHANGELOG.md is empty", [EDIT]),
    entry_below: ("has '## 1.3.0 - 2026-12-24' above '## 1.2.0 - 2026-11-28'", [EDIT]),
    unreleased: ("CHANGELOG.md has text under '## Unreleased', which is missing", [EDIT]),
    not_on_github: (
        "origin is not on GitHub, so the result of CI is unknown.",
        ["git remote set-url origin https://github.com/OWNER/NAME.git"],
    ),
    hook_refuses: (
        "You cannot push a tag to origin: not on a Friday",
        ["gh auth status", "gh auth setup-git"],
    ),
}


@pytest.mark.parametrize("break_it", WAYS, ids=lambda one: one.__name__)
def test_each_problem_is_reported_and_nothing_is_changed(
    desk: Desk, break_it: Callable[[Desk], None]
) -> None:
    break_it(desk)
    text, commands = WAYS[break_it]
    said = refused(desk, commands=commands)
    assert text in said
    assert desk.run("python3", "tools/release.py", "v1.2.0").out.count("\n\n") == 1


@pytest.mark.parametrize("break_it", [local_tag, other_branch, unpushed], ids=lambda f: f.__name__)
def test_the_printed_command_solves_the_problem(
    desk: Desk, break_it: Callable[[Desk], None]
) -> None:
    break_it(desk)
    follow(desk, WAYS[break_it][1][0])
    tested(desk)
    assert released(desk).status == 0


def test_all_problems_are_reported_at_once(desk: Desk) -> None:
    write(desk, "pyproject.toml", 'version = "1.2.0"', 'version = "1.1.0"')
    no_entry(desk)
    uncommitted(desk)
    tested(desk, conclusion="failure")
    out = desk.run("python3", "tools/release.py", "v1.2.0").out
    for part in ("pyproject.toml says", "no entry for", "Not committed", "CI ended with"):
        assert part in out
    assert out.count("\n\n") == 4


def test_git_without_a_user_name_cannot_tag(desk: Desk) -> None:
    environment = desk.hub.environment(person=False)
    environment |= {"GIT_AUTHOR_NAME": "", "EMAIL": "", "PATH": desk.environment()["PATH"]}
    names = ['git config user.name "YOUR NAME"', "git config user.email YOU@HOST"]
    assert "Git does not know who you are" in refused(desk, commands=names, **environment)


@pytest.mark.parametrize(
    ("run", "text", "commands"),
    [
        (
            {"status": "in_progress", "conclusion": ""},
            "CI is still running for commit",
            [f"gh run watch 7 --repo {NAME}"],
        ),
        (
            {"conclusion": "failure"},
            "CI ended with 'failure' for commit",
            [f"gh run view 7 --repo {NAME} --log-failed", f"gh run rerun 7 --repo {NAME} --failed"],
        ),
        ({"headSha": "0" * 40}, "CI has not run for commit", []),
        ({"event": "pull_request"}, "CI has not run for commit", []),
        ({"headBranch": "feature"}, "CI has not run for commit", []),
    ],
    ids=["runs", "failed", "another commit", "a pull request", "another branch"],
)
def test_ci_must_be_green_for_this_commit_of_main(
    desk: Desk, run: dict[str, str], text: str, commands: list[str]
) -> None:
    tested(desk, **run)
    anew = "git commit --allow-empty --message='Run CI' && git push origin main"
    assert text in refused(desk, commands=commands or [RUNS, anew])


def test_if_github_does_not_answer_ci_is_not_green(desk: Desk) -> None:
    desk.hub.user(offline=True)
    said = refused(desk, commands=["gh auth status", RUNS])
    assert (
        "It is unknown whether CI has passed for this commit. gh reports: error connecting" in said
    )
    bare = desk.hub.bare(NAME)
    bare.rename(bare.with_name("gone"))
    ended = desk.run("python3", "tools/release.py", "v1.2.0")
    assert "Git cannot read origin, so it is unknown what is published:" in ended.out
    assert commands_of(ended) == ["git ls-remote origin"]


def test_a_tag_that_origin_refuses_is_removed_again(desk: Desk) -> None:
    desk.hub.refuse_pushes(NAME, "Tags are protected")
    ended = released(desk)
    assert "git push failed, so v1.2.0 is not published, and no tag is left:" in words(ended)
    assert "Tags are protected" in ended.out
    assert desk.git("tag") == "v1.1.0"
    desk.hub.allow_pushes(NAME)
    assert released(desk).status == 0


# The hook is also run by the push that only tries, when there is no tag yet.
INTERRUPT = "git rev-parse --quiet --verify refs/tags/v1.2.0 >/dev/null || exit 0; kill -INT 0"


def test_an_interrupted_push_leaves_no_tag(desk: Desk) -> None:
    hook(desk.path / ".git/hooks/pre-push", INTERRUPT)
    ended = desk.run("python3", "tools/release.py", "v1.2.0", "--yes")
    assert ended.status == 130, ended.out
    assert ended.out.endswith(f"Interrupted. Nothing is half done. To check everything again"
                              f" and continue:\n  {AGAIN}\n")  # fmt: skip
    assert (desk.git("tag"), set(tags(desk))) == ("v1.1.0", {"v1.1.0"})
    (desk.path / ".git/hooks/pre-push").unlink()
    assert released(desk).status == 0


def test_a_push_that_arrived_before_the_interruption_is_published(desk: Desk) -> None:
    hook(desk.hub.bare(NAME) / "hooks/post-receive", "kill -INT 0")
    ended = desk.run("python3", "tools/release.py", "v1.2.0", "--yes")
    assert ended.status == 0, ended.out
    assert "v1.2.0 is published.\n" in ended.out
    assert "v1.2.0" in desk.git("tag")
    assert "v1.2.0" in tags(desk)


def workflow_publishes(desk: Desk, version: str) -> Ended:
    """Run what release.yml runs for a tag, as GitHub's runner does, in a clone at that tag."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    step = workflow["jobs"]["publish"]["steps"][-1]
    assert set(step["env"]) == {"GH_REPO", "GH_TOKEN", "VERSION"}
    given = {"GH_REPO": NAME, "GH_TOKEN": "t", "VERSION": version}
    return desk.run("bash", "-ec", step["run"], RUNNER_TEMP=str(desk.hub.folder), **given)


def test_the_workflow_makes_the_release_with_the_entry_of_the_changelog(desk: Desk) -> None:
    released(desk)
    assert workflow_publishes(desk, "v1.2.0").status == 0
    release_of = {"title": "v1.2.0", "notes": NOTES}
    assert desk.hub.repository(NAME)["release_texts"] == {"v1.2.0": release_of}
    desk.hub.change(NAME, release_texts={"v1.2.0": {"title": "half", "notes": "done"}})
    again = workflow_publishes(desk, "v1.2.0")
    assert again.status == 0, again.out
    assert desk.hub.repository(NAME)["release_texts"] == {"v1.2.0": release_of}
    assert desk.hub.repository(NAME)["releases"] == ["v1.2.0"]


def test_the_workflow_makes_a_pre_release_of_a_version_that_is_one(desk: Desk) -> None:
    for name in (TOOL_VERSION, "pyproject.toml", "CHANGELOG.md"):
        write(desk, name, "1.2.0", "1.2.0-rc.1")
    ended = released(desk, "v1.2.0-rc.1")
    assert "creates a pre-release with this text" in ended.out
    assert workflow_publishes(desk, "v1.2.0-rc.1").status == 0
    assert "prerelease" in desk.hub.repository(NAME)["release_texts"]["v1.2.0-rc.1"]


@pytest.mark.parametrize("version", ["v1.2.0", "v1.3.0", "v1.1.0", "vienna"])
def test_the_workflow_releases_nothing_for_a_tag_that_does_not_fit(
    desk: Desk, version: str
) -> None:
    ended = workflow_publishes(desk, version)  # v1.2.0 is not at origin
    assert ended.status == 1
    assert desk.hub.repository(NAME)["releases"] == []


def test_the_template_names_one_version_in_each_place() -> None:
    number = (ROOT / TOOL_VERSION).read_text().strip()
    (stated,) = re.findall('(?m)^version = "(.*)"', (ROOT / "pyproject.toml").read_text())
    headings = re.findall("(?m)^## (.*)", (ROOT / "CHANGELOG.md").read_text())
    newest = next(one for one in headings if one != "Unreleased")
    assert stated == number
    assert re.fullmatch(re.escape(number) + r" - \d{4}-\d\d-\d\d", newest)


def test_the_page_on_versions_names_what_the_workflow_for_others_takes(bake: Bake) -> None:
    page = (ROOT / "docs/versions.md").read_text()
    assert len(page.splitlines()) <= 100
    path = bake().path / "infra/shared/publish-image.yml"
    (called,) = yaml.safe_load(path.read_text())[True].values()
    (row,) = re.findall(r"(?m)^\| `publish-image\.yml` \| (.*) \|$", page)
    assert re.findall(r"`([\w-]+)`", row) == [*called["inputs"], *called["outputs"]]


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("**/*.md"))


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *PAGES])
def test_links_between_the_pages_of_the_template_work(name: str) -> None:
    page = ROOT / name
    for target, part in re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#([\w-]+))?\)", page.read_text()):
        path = page.parent / unquote(target)
        assert path.exists(), target
        headings = re.findall("(?m)^#+ (.*)", path.read_text())
        anchors = [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings]
        assert not part or part in anchors, part


INDEXES = ("messages/README.md", "reference/commands.md")  # which the first index lists


@pytest.mark.parametrize("name", ["README.md", *PAGES])
def test_a_page_has_at_most_150_lines_and_the_index_lists_it(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= 150
    indexes = [ROOT / "docs" / each for each in ("README.md", *INDEXES)]
    links = {
        (index.parent / link).resolve()
        for index in indexes
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", index.read_text())
    }
    assert ROOT / name in {ROOT / "README.md", indexes[0]} | links
