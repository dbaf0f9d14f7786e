"""<% raw %>This folder: the values that Terraform reads, and its commits beside those on GitHub.

Of the values one is changed and all else kept. Nothing is pushed with force, nothing over commits
of others, and uncommitted work of others is left alone.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize

import check
from outside import AGAIN, ROOT, TFVARS, Repository, git, host, must, page_of, repository, run
from publish import Problem

LOCK = "infra/.terraform.lock.hcl"
OURS = ("github_repository", "subject_prefix")  # what bootstrap writes into an entry


class Step(NamedTuple):
    """Something that is missing: what will be done, in words, and the doing."""

    text: str
    act: Callable[[], None]


class Folder:
    """This folder as a Git repository, and what it lacks to be the one on GitHub."""

    def __init__(self, name: str, found: Repository | None) -> None:
        """Take the name on GitHub, and the repository if it is there."""
        self.name, self.found = name, found
        self.head, self.branch = "", "main"
        self.heads: dict[str, str] = {}  # commits on GitHub by their refs
        self.left = False  # whether edits of somebody stand in the values, uncommitted
        self.lock_left = False  # or in the lock file

    def look(self) -> Iterator[Step]:
        """Look where the push would go; yield what is missing on the way: repository, remote.

        Raises:
            Problem: it would go to another repository, or over somebody's commits.
        """
        top, url = git("rev-parse", "--show-toplevel"), ""
        if top.status and "not a git repository" not in top.err:
            raise Problem(f"git cannot read this folder:\n{top.said}", "git status")
        if top.status or Path(top.out.strip()).resolve() != ROOT:
            inside = f" (inside {top.out.strip()}, which stays as it is)" * (top.status == 0)
            yield Step(f"turn this folder into a Git repository{inside}", self.init)
        else:
            self.head = git("rev-parse", "--verify", "--quiet", "HEAD").out.strip()
            self.branch = git("symbolic-ref", "--quiet", "--short", "HEAD").out.strip()
            self.lock_left = "M" in git("status", "--porcelain", "--", LOCK).out[:2]
            urls = [
                git("config", "--get-all", f"remote.origin.{key}").out.split("\n")
                for key in ("url", "pushurl")
            ]
            every = [each for key in urls for each in key if each]
            url = every[0] if every else ""
            for each in every[1:]:  # all of them are pushed to
                list(self.remote(each))
            if url:
                yield from self.remote(url)
            else:
                yield Step(f"add the remote origin, {self.url()}", self.add_remote)
        if self.found:
            done = git("ls-remote", "--heads", url or self.url())
            must(done, f"git cannot read {self.name}", "gh auth setup-git")
            self.heads = {ref: sha for sha, ref in map(str.split, done.out.splitlines())}
        if self.heads:
            self.same_history(url or self.url())
        elif self.branch != "main":
            message = f"{self.name} is empty, and the branch here is {self.branch or 'none'}:"
            lines = "git branch -m main" if self.branch else "git switch main", AGAIN
            raise Problem(f"{message} the first push must be of main.", *lines)

    def publish(self, text: str) -> Iterator[Step]:
        """Yield the commit of what differs, with the values as they will be, and the push.

        Raises:
            Problem: GitHub would refuse the push.
        """
        files = self.to_commit(text) if self.head else ["everything that .gitignore does not name"]
        if files:
            yield Step(f"commit {' and '.join(files)}", self.commit)
        tip = self.heads.get(f"refs/heads/{self.branch}", "")
        behind = tip not in ("", self.head) and not contains(self.head, tip)
        ahead = behind and not contains(tip, self.head)
        going_on = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "rebase-merge", "rebase-apply")
        paths = [git("rev-parse", "--git-path", name).out.strip() for name in going_on]
        busy = not self.branch or any((ROOT / path).exists() for path in paths)
        if files and self.head and busy:
            message = "A merge or a rebase is in progress here, or no branch is checked out, so"
            raise Problem(f"{message} nothing can be committed.", "git status", AGAIN)
        if (files or ahead) and behind:
            message = (
                f"{self.branch} of {self.name} holds commits that this folder lacks, so a push"
            )
            pull = f"git pull --rebase origin {shlex.quote(self.branch)}"
            raise Problem(f"{message} would be refused.", pull, AGAIN)
        if files or not self.heads or (tip not in ("", self.head) and not behind):
            listed = git("rev-list", "--count", "HEAD", *(f"^{tip}" for tip in self.tips())).out
            count = int(listed or 0) if self.head else 0
            unpushed = f", with {count} commit{'s' * (count > 1)} of yours" if count else ""
            yield Step(f"push {self.branch} to {self.name}{unpushed}", self.push)

    def tips(self) -> list[str]:
        """Return the commits on GitHub that are known here."""
        return [sha for sha in self.heads.values() if not git("cat-file", "-e", sha).status]

    def remote(self, url: str) -> Iterator[Step]:
        """Yield the step that gives the remote its new name.

        Raises:
            Problem: it is another repository.
        """
        own = re.escape(host())
        way = rf"(?:https://(?:[^@/]*@)?|(?:ssh://)?[\w-]+@)(?:ssh\.)?{own}(?::443)?[:/]"
        match = re.fullmatch(rf"{way}(.+?)(?:\.git)?/?", url)
        if not match or (match[1].lower() != self.name.lower() and not self.same(match[1])):
            shown = re.sub("//.*@", "//", url)  # a password may stand there
            message = (
                f"The remote origin of this folder is {shown}, and not {self.name}, so it is not"
            )
            message += " pushed to. Give it another name; a new origin is then added."
            raise Problem(message, "git remote rename origin upstream", AGAIN)
        if match[1] != self.name:
            new = url[: match.start(1)] + self.name + url[match.end(1) :]
            rename = ("remote", "set-url", "origin", new)
            text = f"let the remote origin name {self.name}"
            yield Step(text, lambda: must(git(*rename), "The remote was not changed"))

    def same(self, name: str) -> bool:
        """Tell whether a name is an older one of this repository."""
        other = repository(name)
        return bool(other and self.found and other.id == self.found.id)

    def same_history(self, url: str) -> None:
        """Hold the commits here against those on GitHub.

        Raises:
            Problem: they have nothing in common.
        """
        likely = (f"refs/heads/{self.branch}", "refs/heads/main", *self.heads)
        ref = next(ref for ref in likely if ref in self.heads)
        tip = self.heads[ref]
        if self.head and git("cat-file", "-e", f"{tip}^{{commit}}").status:
            must(git("fetch", "--quiet", "--no-tags", url, ref), f"git cannot read {ref}")
        if not self.head or git("merge-base", self.head, tip).status:
            raise Problem(
                f"{self.name} is not empty, and this folder does not come from it, so nothing is"
                " pushed over it. Give this one another name, or add all this to a clone of it.",
                f'{AGAIN} ARGS="--repository {self.name}-2"',
                f"gh repo clone {self.name}",
            )

    def to_commit(self, text: str) -> list[str]:
        """Return the files of bootstrap that differ from the last commit, without others' edits."""
        listed = git("status", "--porcelain", "--untracked-files=all", "--", LOCK).out
        files = [LOCK] if listed and not self.lock_left else []
        before = git("show", f"HEAD:{check.TFVARS}")
        self.left = bool(before.status) or neutral(before.out) != neutral(text)
        if self.left:
            return files
        return files + [check.TFVARS] * (before.out.splitlines() != text.splitlines())

    def init(self) -> None:
        """Turn the folder into a Git repository."""
        must(git("init", "--quiet", "--initial-branch=main"), "git init failed")
        self.add_remote()

    def add_remote(self) -> None:
        """Let origin be the repository on GitHub."""
        must(git("remote", "add", "origin", self.url()), "The remote was not added")

    def url(self) -> str:
        """Return the URL that git is given, in the protocol that gh was set up with."""
        ssh = run("gh", "config", "get", "git_protocol").out.strip() == "ssh"
        # With data residency it is the subdomain that logs in, as gh writes it.
        user = host().partition(".")[0] if host().endswith(".ghe.com") else "git"
        return f"{user}@{host()}:{self.name}.git" if ssh else f"{page_of(self.name)}.git"

    def commit(self) -> None:
        """Commit what bootstrap has written, and nothing else; at first, everything."""
        if git("rev-parse", "--verify", "--quiet", "HEAD").status:
            must(git("add", "--all"), "git add failed")
            must(git("add", "--force", "--", check.TFVARS), "git add failed")  # a clone needs it
            must(git("commit", "--quiet", "--message", "First commit"), "git commit failed")
            return
        files = self.to_commit(read_text(TFVARS))
        if files:
            must(git("add", "--", *files), "git add failed")
            message = "Trust the subject that GitHub presents"
            must(git("commit", "--quiet", "--message", message, "--", *files), "git commit failed")

    def push(self) -> None:
        """Push the branch; never with force.

        Raises:
            Problem: GitHub does not take it.
        """
        branch = git("symbolic-ref", "--short", "HEAD").out.strip()
        done = git("push", "--quiet", "--set-upstream", "origin", f"{branch}:refs/heads/{branch}")
        if done.status:
            raise Problem(
                f"GitHub does not take the push, and everything before it is done:\n{done.said}\n"
                f"Where {branch} is protected, open a pull request instead:",
                "git push origin HEAD:refs/heads/bootstrap",
                "gh pr create --head bootstrap --fill",
            )


def uncommitted(most: int) -> str:
    """Name what differs from the last commit, so a release will not have it; at most so many."""
    listed = git("status", "--porcelain", "--untracked-files=normal").out
    left = [line[3:] for line in listed.splitlines()]
    return ", ".join(left[:most]) + f" and {len(left) - most} more" * (len(left) > most)


def contains(newer: str, older: str) -> bool:
    """Tell whether a commit contains another one."""
    return git("merge-base", "--is-ancestor", older, newer).status == 0


def read_text(path: Path) -> str:
    """Return a text as it is, with its line ends."""
    return path.read_bytes().decode("utf-8")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(text.encode())
            file.flush()
            if path.exists():
                shutil.copymode(path, file.name)
            os.replace(file.name, path)  # noqa: PTH105
        except BaseException:
            os.unlink(file.name)  # noqa: PTH108
            raise


def members(text: str, start: int) -> Iterator[tuple[str, int, int]]:
    """Yield key, begin and end of each value of the JSON object that begins at a position."""
    space, decode = re.compile(r"[ \t\r\n]*"), json.JSONDecoder().raw_decode

    def behind(position: int) -> int:
        return space.match(text, position).end()  # type: ignore[union-attr]

    at = behind(start + 1)
    while text[at] == '"':
        key, at = decode(text, at)
        key = normalize("NFC", key)  # as Terraform reads it
        at = behind(behind(at) + 1)
        end = decode(text, at)[1]
        yield key, at, end
        at = behind(end)
        at = behind(at + 1) if text[at] == "," else at


def edited(text: str, path: list[str], value: Any) -> str:
    """Return a JSON text with one value changed and all else as it was: order, space, line ends."""
    start = text.index("{")
    for number, wanted in enumerate(path, 1):
        found = {key: (begin, end) for key, begin, end in members(text, start)}
        if wanted not in found:  # at the beginning, with the space that its neighbour has
            space = text[start + 1 : text.index('"', start)]
            new = f"{space}{json.dumps(wanted)}: {json.dumps(value)},"
            return text[: start + 1] + new + text[start + 1 :]
        start, end = found[wanted]
        if number == len(path):
            return text[:start] + json.dumps(value) + text[end:]
    raise AssertionError(path)


def neutral(text: str) -> Any:
    """Return the values without what bootstrap writes, None for other texts.<% endraw %>"""
    try:
        values = json.loads(text)
        for entry in values["repositories"].values():
            for attribute in OURS:
                entry.pop(attribute, None)
        del values["create_oidc_provider"]
        return values
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
