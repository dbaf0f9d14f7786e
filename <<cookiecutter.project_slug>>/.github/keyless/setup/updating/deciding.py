"""What is not Git's to decide in a merge: it is decided in the trees that Git gets.

Where the first tree equals what the team has, Git simply takes the second one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from keyless.paths import ANSWERS, INFRA_JSON, SERVICE_JSON, SHARED_WORKFLOW, TFVARS, TOOL
from keyless.setup.updating import by_key
from keyless.setup.updating.line_ends import convert_line_ends
from keyless.setup.updating.repository import ask, git
from keyless.setup.updating.trees import object_of, read, tree_of_files, tree_of_head, write_tree
from keyless.setup.values import without_own_values

WEEKLY = (f"{TOOL}/weekly.yml", ".github/workflows/update.yml")  # a copy, where a team wants one
# What commands of the tool have copied to where GitHub looks for it, and from where.
COPIES = {
    WEEKLY[1]: [WEEKLY[0]],
    SHARED_WORKFLOW: ["infra/shared/publish-image.yml", "scripts/shared/publish-image.yml"],
    ".github/actions/scripts/action.yml": ["scripts/shared/action.yml"],  # until November 2026
}
_PLACEHOLDER = re.compile(r"OWNER/NAME/([\w./-]+)@REF\b")
_USED = re.compile(rf"uses: ([\w.-]+/[\w.-]+)/(?:{re.escape(TOOL)}|\.github/actions/scripts)@(\S+)")
OLD_TOOL = ("scripts/", "docs/rules.md")  # until November 2026
_OLD_CHECK = "scripts/check.py"


class Sides:
    """The three trees, and the renders that two of them are made of."""

    def __init__(self, clone: Path, old: dict[str, Path], new: dict[str, Path]) -> None:
        self.clone = clone
        self.ours = tree_of_head(clone)
        convert_line_ends(clone, old, new)
        self.old, self.new = old, new
        self.base = tree_of_files(clone, old)
        self.theirs = tree_of_files(clone, new)
        self.rendered = dict(self.base)  # what was generated, before anything is decided
        self.left: list[str] = []

    def keep(self, path: str) -> None:
        """Let a file be as the team has it, which may be: not at all."""
        for tree in (self.base, self.theirs):
            tree.pop(path, None)
            if path in self.ours:
                tree[path] = self.ours[path]

    def take(self, path: str) -> None:
        """Let a file be as it is rendered now, whatever the team has made of it."""
        self.base.pop(path, None)
        if path in self.ours:
            self.base[path] = self.ours[path]


def decide(sides: Sides) -> tuple[set[str], list[str]]:
    """Decide what is not Git's to decide; return the tool's files, and those that were edited."""
    replaced, tool_edited = _replace_tool(sides)
    _follow_copies(sides)
    sides.take(ANSWERS)
    for path in (TFVARS, SERVICE_JSON, INFRA_JSON):
        _merge_by_key(sides, path)
    _keep_what_is_the_teams(sides)
    return replaced, tool_edited


def _replace_tool(sides: Sides) -> tuple[set[str], list[str]]:
    """Take the new tool, with nothing of an older one; return all its files, and edited ones."""
    old = [path for path in sides.rendered if path.startswith(f"{TOOL}/")]
    if _OLD_CHECK in sides.rendered:
        old += [path for path in sides.rendered if path.startswith(OLD_TOOL)]
    here = {path for path in sides.ours if path.startswith(f"{TOOL}/")}
    edited = []
    for path in sorted({*old, *here}):
        mine = sides.ours.get(path)
        if mine is not None and mine != sides.rendered.get(path):
            edited.append(path)
    replaced = {*old, *here, *(path for path in sides.theirs if path.startswith(f"{TOOL}/"))}
    for path in replaced:
        sides.take(path)
    return replaced, edited


def _follow_copies(sides: Sides) -> None:
    """Let the copies follow that the tool's commands have made of files, where a team has them."""
    here = read(sides.clone / SHARED_WORKFLOW) if SHARED_WORKFLOW in sides.ours else ""
    used = _USED.search(here)
    for copy, sources in COPIES.items():
        if copy not in sides.ours or copy in sides.base:
            continue
        for tree, rendered in ((sides.base, sides.old), (sides.theirs, sides.new)):
            first = next((rendered[path] for path in sources if path in rendered), None)
            if first:
                text = _with_reference(read(first), used)
                tree[copy] = ("100644", object_of(sides.clone, text))


def _with_reference(text: str, used: re.Match[str] | None) -> str:
    """Return a workflow that others call, with the repository and the ref that it is called by."""
    return _PLACEHOLDER.sub(rf"{used[1]}/\1@{used[2]}", text) if used else text


def _merge_by_key(sides: Sides, path: str) -> None:
    if path not in sides.old or path not in sides.ours:
        return
    mine = read(sides.clone / path)
    if path not in sides.new:  # what only commands have written goes with the file
        known = map(without_own_values, (mine, read(sides.old[path])))
        if path == INFRA_JSON or next(known) == next(known):
            sides.take(path)
        return
    if path == INFRA_JSON and _is_fetched(mine, read(sides.old[path])):
        if sides.base[path] != sides.theirs[path]:
            text = "it describes what the infra/ of another repository has created, so it stays as"
            more = "it is. Also change that infra/, and then type make fetch here."
            sides.left.append(f"{path}: {text} {more}")
        sides.keep(path)
        return
    merged = by_key.merge(read(sides.old[path]), mine, read(sides.new[path]))
    if merged:
        mode = sides.ours[path][0]
        sides.base[path], sides.theirs[path] = (
            sides.ours[path] if text == mine else (mode, object_of(sides.clone, text))
            for text in merged
        )


def _is_fetched(infra_json: str, rendered: str) -> bool:
    """Tell whether another repository has written it; only that one knows what is in AWS."""
    try:
        mine, old = (json.loads(text)["written_by"] for text in (infra_json, rendered))
    except (ValueError, LookupError, TypeError):
        return False
    return bool(mine != old)


def _keep_what_is_the_teams(sides: Sides) -> None:
    """Keep what the team has deleted, or written anew; where the template differs, say so.

    A file that was renamed is merged by Git, with both names.
    """
    for status, path in _changes_of_the_team(sides):
        changed = sides.base.get(path) != sides.theirs.get(path)
        if path in sides.old and changed:
            gone = path not in sides.theirs
            if status == "deleted":
                if not gone:
                    sides.left.append(
                        f"{path}: deleted here, changed in the template. It stays deleted."
                    )
            else:
                what = "removed from the template" if gone else "changed in the template"
                sides.left.append(f"{path}: rewritten here, {what}. Your file stays as it is.")
        sides.keep(path)


def _changes_of_the_team(sides: Sides) -> Iterable[tuple[str, str]]:
    """Yield the files that the team has deleted, or written anew by Git's own measure.

    A symbolic link or a submodule in the place of a file is written anew, too.
    """
    base = write_tree(sides.clone, sides.base)
    listed = ask(
        sides.clone,
        "The edits of the team cannot be read",
        *("diff-tree", "-r", "-z", "--name-status", "-M", "-B50%/60%", base, "HEAD"),
    ).split("\0")
    at = 0
    while at + 1 < len(listed):
        status, path = listed[at], listed[at + 1]
        at += 3 if status[0] in "RC" else 2
        if status[0] == "D":
            yield "deleted", path
        elif status[0] == "T" or (status[0] == "M" and len(status) > 1):
            yield "written anew", path


def naming_what_is_gone(clone: Path, gone: set[str]) -> Iterable[str]:
    """Yield which files that stay name a file of the tool that does not: they may run it."""
    if not gone:
        return
    names = [part for path in sorted(gone) for part in ("-e", path)]
    listed = git(clone, "grep", "-l", "-z", "-F", *names, "--", ".", f":!{TOOL}").out
    any_name = "|".join(map(re.escape, sorted(gone)))
    named = re.compile(rf"(?<![\w-])(?<!{re.escape(TOOL)}/)({any_name})(?![\w-])")
    for path in filter(None, listed.split("\0")):
        text = (clone / path).read_bytes().decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            for found in named.finditer(line):
                yield f"{path}:{number}: {found[1]} no longer exists. See {TOOL}/README.md"
