"""Line ends: rendered files get those that the files of the team have in Git."""

from __future__ import annotations

from pathlib import Path

from keyless.paths import TOOL
from keyless.setup.updating.repository import ask
from keyless.setup.updating.trees import tree_of_files, write_tree


def convert_line_ends(clone: Path, *renders: dict[str, Path]) -> None:
    """Give each rendered file the line ends that the team's file has in Git.

    A file that the team or the template has renamed keeps them, and one that the team has not gets
    those of most files that were generated. (Git's own options either see a conflict in each line,
    or change the team's file. Tried.)
    """
    listed = ask(clone, "The line ends cannot be read", "ls-files", "--eol", "-z").split("\0")
    ends = {
        path: info.split()[0] for info, _, path in (one.partition("\t") for one in listed if one)
    }
    if "i/crlf" not in ends.values():
        return
    ours = {path for path in ends if not path.startswith(f"{TOOL}/")}
    known = [ends[path] for path in {*renders[0], *renders[1]} & ours]
    _add_renamed(clone, ends, *renders)
    most = "i/crlf" if known.count("i/crlf") > len(known) / 2 else "i/lf"
    for render in renders:
        for path, file in render.items():
            if ends.get(path, most) == "i/crlf" and not path.startswith(f"{TOOL}/"):
                data = file.read_bytes()
                if b"\0" not in data:
                    file.write_bytes(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def _add_renamed(clone: Path, ends: dict[str, str], *renders: dict[str, Path]) -> None:
    """Let a file under its old name, or under its new one in the template, have the same ends."""
    before, after = (write_tree(clone, tree_of_files(clone, render)) for render in renders)
    for other in ("HEAD", after):
        what = "The renamed files cannot be read"
        listed = ("diff-tree", "-r", "-z", "-M", "--name-status", "--diff-filter=R")
        found = ask(clone, what, *listed, before, other).split("\0")[:-1]
        for old, new in zip(found[1::3], found[2::3]):
            one, same = (old, new) if other == "HEAD" else (new, old)
            if one not in ends and same in ends:
                ends[one] = ends[same]
