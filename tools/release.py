"""Publish a version of the template: check everything, ask once, tag the commit, push the tag.

`make release VERSION=v1.0.0` runs this; .github/workflows/release.yml then makes the release on
GitHub, with the text that `tools/release.py --notes v1.0.0` prints. docs/versions.md says what a
version promises.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
VERSION_FILE = "<<cookiecutter.project_slug>>/.github/keyless/VERSION"
sys.dont_write_bytecode = True  # a folder with bytecode would be part of what is generated
sys.path.insert(0, str((ROOT / VERSION_FILE).parents[1]))

from keyless.console import Problem, confirmed, print_problem, wrapped
from keyless.programs import Done, run

# Semantic Versioning 2.0.0 without build metadata, which has no order [semver.org].
PART = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
SEMVER = re.compile(
    rf"v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:-({PART}(?:\.{PART})*))?"
)
REMOTE = re.compile(
    r"(?:\w+://)?(?:[^@/]+@)?([\w.-]+)(?::[0-9]+)?[:/]([\w-]+/[\w.-]+?)(?:\.git)?/?"
)
EDIT = "${EDITOR:-vi}"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LISTED = 50  # the newest runs of CI; the one of this commit is searched among them
SHOWN = 8  # files that are listed


class Origin(NamedTuple):
    """What origin has: the commit of main, and the commits of the tags by their names."""

    main: str
    tags: dict[str, str]


def main(arguments: list[str]) -> int:
    """Publish a version, or print its entry of the changelog.

    Returns:
        0 if it is published, now or before; 1 if it is not; 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(description="Publish a version of the template.")
    parser.add_argument("version", nargs="?", default="", help="its tag, for example v1.0.0")
    parser.add_argument("--notes", action="store_true", help="only print its entry of CHANGELOG.md")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    version = str(options.version)
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        return print_notes(version) if options.notes else release(version, options.yes)
    except KeyboardInterrupt:
        print("\nInterrupted. Nothing is half done. To check everything again and continue:")
        print(f"  {again(version)}")
        return 130
    except Problem as problem:
        print_problem(problem)
        return 1


def release(version: str, unasked: bool) -> int:
    """Check everything, and publish a version after a yes; return the exit status."""
    if not shutil.which("git"):
        raise Problem("git is not installed, so nothing can be tagged.", "https://git-scm.com")
    head = ask_git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    origin, problems = read_origin()
    if origin and head and origin.tags.get(version) == head:
        print(f"{version} is published already, for the commit that is checked out.")
        print_next(version)
        return 0
    problems = [
        *version_problems(version, origin),
        *file_problems(version),
        *branch_problems(),
        *problems,
        *main_problems(head, origin),
        *tagging_problems(version, head, origin),
    ]
    if problems:
        print(f"This prevents the release{version and f' of {version}'}. Nothing was changed.")
        for problem in problems:
            print()
            print_problem(problem)
        return 1
    print_plan(version, head)
    if not (unasked or confirmed(again(version, "--yes"), f"Publish {version}?")):
        return 1
    publish(version, head)
    print(f"\n{version} is published.")
    print_next(version)
    return 0


def again(version: str, options: str = "") -> str:
    """Return what a person types to publish a version."""
    line = f"make release VERSION={shlex.quote(version or 'v1.0.0')}"
    return line + f" ARGS={options}" * bool(options)


def order(version: str) -> tuple[Any, ...]:
    """Return a version for comparing, empty if it is not one [semver.org, item 11]."""
    found = SEMVER.fullmatch(version)
    if not found:
        return ()
    *numbers, before = found.groups()
    parts = before.split(".") if before else []
    known = [(not one.isdigit(), int(one) if one.isdigit() else 0, one) for one in parts]
    return [int(one) for one in numbers], not before, known


def git(*arguments: str) -> Done:
    """Run git in the template."""
    return run("git", *arguments, root=ROOT)


def ask_git(*arguments: str) -> str:
    """Return what git prints, empty if it fails."""
    done = git(*arguments)
    return "" if done.status else done.out.strip()


def read_origin() -> tuple[Origin | None, list[Problem]]:
    """Return what origin has, or why that is unknown."""
    done = git("ls-remote", "origin", "refs/heads/main", "refs/tags/*")
    if done.status:
        text = f"Git cannot read origin, so it is unknown what is published:\n{done.said}"
        return None, [Problem(text, "git ls-remote origin")]
    found = {ref: commit for commit, ref in map(str.split, done.out.splitlines())}
    # What ends in ^{} is the commit of an annotated tag, and follows the tag itself.
    tags = {ref[10:].removesuffix("^{}"): found[ref] for ref in found if ref.startswith("refs/t")}
    return Origin(found.get("refs/heads/main", ""), tags), []


def version_problems(version: str, origin: Origin | None) -> list[Problem]:
    """Return what is wrong with a version: its form is wrong, or it is taken, or too old."""
    stated = f"v{read(VERSION_FILE).strip()}"
    if not version:
        text = f"No version was given. {VERSION_FILE} says {stated}:"
        return [Problem(text, again(stated))]
    if not order(version):
        text = f"{version!r} is not a version of the form v1.2.3 or v1.2.3-rc.1 (semver.org), so"
        return [Problem(f"{text} it cannot be compared with other versions.", again(stated))]
    tags = {} if origin is None else origin.tags
    newest = max(tags, key=order, default="")
    newer = re.sub("[0-9]+$", lambda last: str(int(last[0]) + 1), newest)
    advice = f"Write a newer version into {VERSION_FILE}, pyproject.toml and CHANGELOG.md. Commit"
    advice += " and push that. Then publish it:"
    if version in tags:
        text = f"origin has the tag {version} already, for commit {tags[version][:12]}. A published"
        return [Problem(f"{text} version never changes. {advice}", again(newer))]
    if order(version) <= order(newest):
        text = f"{version} is not newer than {newest}, which is published, so `make update` would"
        return [Problem(f"{text} never offer it. {advice}", again(newer))]
    if ask_git("rev-parse", "--verify", "--quiet", f"refs/tags/{version}"):
        text = (
            f"The tag {version} exists here, but not at origin. Remove it. The release creates it"
        )
        return [Problem(f"{text} for the checked commit:", f"git tag --delete {version}")]
    return []


def file_problems(version: str) -> list[Problem]:
    """Return which files name another version, and what is wrong with the changelog."""
    if not order(version):
        return []
    number, found = version[1:], []
    stated = re.findall(r'(?m)^version = "(.*)"$', read("pyproject.toml"))
    for name, said, command in (
        (VERSION_FILE, read(VERSION_FILE).strip(), f"echo {number} >{shlex.quote(VERSION_FILE)}"),
        ("pyproject.toml", " and ".join(stated), f"{EDIT} pyproject.toml"),
    ):
        if said != number:
            text = f"{name} says {said or 'nothing'}, so a project that is generated from {version}"
            found.append(Problem(f"{text} would record another version. Write {number}:", command))
    return found + changelog_problems(number)


def changelog_problems(number: str) -> list[Problem]:
    """Return what is wrong with the changelog, which tells users what a version changes."""
    entries, edit = changelog(), f"{EDIT} CHANGELOG.md"
    headings = [one for one in entries if one != "Unreleased"]
    mine = next((one for one in headings if one.split(" ")[0] == number), "")
    found = []
    if not mine:
        text = f"CHANGELOG.md has no entry for {number}, so users cannot see what it changes."
        text += f" Write one with the heading '## {number} - {datetime.date.today()}':"
        found.append(Problem(text, edit))
    elif not is_date(mine.removeprefix(f"{number} - ")):
        text = f"The heading '## {mine}' of CHANGELOG.md has no date, so `make update` cannot read"
        found.append(Problem(f"{text} it. Write '## {number} - {datetime.date.today()}':", edit))
    elif mine != headings[0]:
        text = f"CHANGELOG.md has '## {headings[0]}' above '## {mine}', so {number} does not look"
        found.append(Problem(f"{text} like the newest version. Put the newest one first:", edit))
    if mine and not is_filled(entries[mine]):
        text = f"The entry '## {mine}' of CHANGELOG.md is empty, so users cannot see what"
        found.append(Problem(f"{text} it changes. Write that below the heading:", edit))
    if is_filled(entries.get("Unreleased", "")):
        text = (
            f"CHANGELOG.md has text under '## Unreleased', which is missing in the entry {number}"
        )
        found.append(Problem(f"{text}. Move it there:", edit))
    return found


def changelog() -> dict[str, str]:
    """Return the entries of CHANGELOG.md by their headings, in their order."""
    _, *parts = re.split(r"(?m)^## (.+)$", read("CHANGELOG.md"))
    return {each.strip(): text.strip() for each, text in zip(parts[::2], parts[1::2], strict=True)}


def is_filled(entry: str) -> bool:
    """Return whether an entry has more than headings."""
    return any(line.strip() and not line.startswith("#") for line in entry.splitlines())


def is_date(text: str) -> bool:
    """Return whether a text is a day of the calendar: 2026-11-28."""
    with contextlib.suppress(ValueError):
        return str(datetime.date.fromisoformat(text)) == text
    return False


def read(name: str) -> str:
    """Return the text of a file of the template."""
    return (ROOT / name).read_text(encoding="utf-8")


def branch_problems() -> list[Problem]:
    """Return whether another branch is checked out, and what is not committed."""
    found = []
    branch = ask_git("symbolic-ref", "--quiet", "--short", "HEAD")
    if branch != "main":
        text = f"{branch or 'No branch'} is checked out, but versions are published from main."
        found.append(Problem(text, "git switch main"))
    left = [line[3:] for line in git("status", "--porcelain").out.splitlines()]
    if left:
        names = ", ".join(left[:SHOWN]) + f" and {len(left) - SHOWN} more" * (len(left) > SHOWN)
        text = f"Not committed, so the version would not contain it: {names}. Commit it, or"
        lines = (
            "git add --all && git commit && git push origin main",
            "git stash --include-untracked",
        )
        found.append(Problem(f"{text} stash it:", *lines))
    return found


def main_problems(head: str, origin: Origin | None) -> list[Problem]:
    """Return whether main differs from origin's; if it does not, whether CI is green."""
    if origin is None or ask_git("symbolic-ref", "--quiet", "--short", "HEAD") != "main":
        return []
    if head == origin.main:
        return ci_problems(head)
    theirs = origin.main[:12] or "missing"
    text = f"main is {head[:12]} here and {theirs} at origin, so the published commit would not be"
    text += " the one that was tested and reviewed."
    if not origin.main or git("merge-base", "--is-ancestor", origin.main, head).status == 0:
        return [Problem(f"{text} Push your commits, and wait for CI:", "git push origin main")]
    return [Problem(f"{text} Take the commits of origin:", "git pull --rebase origin main")]


def repository() -> str:
    """Return the repository of origin as gh names it, empty if it is not on GitHub."""
    found = REMOTE.fullmatch(ask_git("config", "--get", "remote.origin.url"))
    return "" if not found else f"{found[1]}/{found[2]}".removeprefix("github.com/")


def ci_problems(head: str) -> list[Problem]:
    """Return whether CI has not passed for a commit of main.

    The run is searched here, because `--commit` and `--event` are newer than the gh of Debian 12
    [cli/cli, pkg/cmd/run/list].
    """
    name = repository()
    if not name:
        url = "git remote set-url origin https://github.com/OWNER/NAME.git"
        return [Problem("origin is not on GitHub, so the result of CI is unknown.", url)]
    if not shutil.which("gh"):
        text = "gh is not installed, so the result of CI is unknown."
        return [Problem(text, "https://cli.github.com")]
    fields = ("--limit", str(LISTED), "--json", "databaseId,event,headSha,status,conclusion")
    shown = f"gh run list --repo {name} --workflow ci.yml --branch main"
    done = run(*shown.split(), *fields, root=ROOT)
    try:
        runs: list[dict[str, Any]] = json.loads(done.out)
    except ValueError:
        text = f"It is unknown whether CI has passed for this commit. gh reports:\n{done.said}"
        return [Problem(text, "gh auth status", shown)]
    mine = [one for one in runs if (one["event"], one["headSha"]) == ("push", head)]
    if not mine:
        text = f"CI has not run for commit {head[:12]}, so it is unknown whether it works. If no"
        text += " run appears in this list in a moment, start one with an empty commit:"
        anew = "git commit --allow-empty --message='Run CI' && git push origin main"
        return [Problem(text, shown, anew)]
    return run_problems(name, head, mine[0])


def run_problems(name: str, head: str, newest: dict[str, Any]) -> list[Problem]:
    """Return whether a run of CI has not succeeded."""
    number = f"{newest['databaseId']} --repo {name}"
    if newest["status"] != "completed":
        text = f"CI is still running for commit {head[:12]}, so its result is unknown. Wait for it:"
        return [Problem(text, f"gh run watch {number}")]
    if newest["conclusion"] != "success":
        text = f"CI ended with {newest['conclusion']!r} for commit {head[:12]}. Find out why. If"
        lines = (f"gh run view {number} --log-failed", f"gh run rerun {number} --failed")
        return [Problem(f"{text} only the network failed, run it again:", *lines)]
    return []


def tagging_problems(version: str, head: str, origin: Origin | None) -> list[Problem]:
    """Return why git could not make the tag, or why origin would refuse it."""
    found = []
    if git("var", "GIT_COMMITTER_IDENT").status:
        names = ('git config user.name "YOUR NAME"', "git config user.email YOU@HOST")
        found.append(Problem("Git does not know who you are, so it cannot make a tag.", *names))
    if origin and head and order(version) and version not in origin.tags:
        done = git("push", "--dry-run", "origin", f"{head}:refs/tags/{version}")
        if done.status:
            text = f"You cannot push a tag to origin:\n{done.said}"
            found.append(Problem(text, "gh auth status", "gh auth setup-git"))
    return found


def print_plan(version: str, head: str) -> None:
    """Print the next two steps, with the entry of the changelog."""
    subject = ask_git("log", "-1", "--format=%s", head)
    address = ask_git("config", "--get", "remote.origin.url")
    print(wrapped(f"1. tag commit {head[:12]} of main as {version}: {subject}", "   "))
    print(wrapped(f"2. push this tag to origin, {address}", "   "))
    kind = "pre-release" if "-" in version else "release"
    print(f"Then GitHub runs the tests, and creates a {kind} with this text of CHANGELOG.md:\n")
    print(*(f"    {line}".rstrip() for line in notes(version).splitlines()), sep="\n", end="\n\n")


def publish(version: str, head: str) -> None:
    """Tag a commit and push the tag; if that does not succeed, no tag is left.

    Raises:
        Problem: git or origin has refused it.
        KeyboardInterrupt: it was interrupted, and origin has no such tag.
    """
    try:
        for step in (
            ("tag", "--annotate", f"--message=Release {version}", version, head),
            ("push", "origin", f"refs/tags/{version}"),
        ):
            done = git(*step)
            if done.status:
                text = f"git {step[0]} failed, so {version} is not published, and no tag is"
                raise Problem(f"{text} left:\n{done.said}", again(version))
    except (KeyboardInterrupt, Problem):
        for number in SIGNALS:  # a second Ctrl-C would leave the tag
            signal.signal(number, signal.SIG_IGN)
        origin, _ = read_origin()
        if origin and origin.tags.get(version) == head:
            return  # the tag is at origin
        git("tag", "--delete", version)
        raise


def print_next(version: str) -> None:
    """Print what GitHub does now, and where to see it."""
    name = repository()
    host = name if name.count("/") == 2 else f"github.com/{name}"
    text = "release.yml now runs the tests for this tag, and then creates the release. To see its"
    print(wrapped(f"{text} runs, and the release:"))
    print(f"  gh run list --repo {name} --workflow release.yml --branch {version}")
    print(f"  https://{host}/releases/tag/{version}")


def notes(version: str) -> str:
    """Return the entry of the changelog for a version, empty without one."""
    found = [text for head, text in changelog().items() if head.split(" ")[0] == version[1:]]
    return found[0] if found else ""


def print_notes(version: str) -> int:
    """Print the entry of the changelog for a version; problems go to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        problems = file_problems(version) if order(version) else version_problems(version, None)
        for problem in problems:
            print_problem(problem)
    if problems:
        return 1
    print(notes(version))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
