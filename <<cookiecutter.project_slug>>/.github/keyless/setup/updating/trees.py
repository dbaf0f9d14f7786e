"""Trees of files in a clone of the project: read, made of files on disk, and written."""

from __future__ import annotations

from pathlib import Path

from keyless.setup.updating.repository import ask

Tree = dict[str, tuple[str, str]]  # mode and object of each file, by its path


def read(path: Path) -> str:
    """Return a text as it is, with its line ends."""
    return path.read_bytes().decode("utf-8")


def object_of(clone: Path, text: str) -> str:
    """Write a text as an object of Git, and return its hash."""
    return ask(clone, "A file cannot be written", "hash-object", "-w", "--stdin", given=text)


def tree_of_head(clone: Path) -> Tree:
    """Return the tree of the commit that is checked out."""
    return read_tree(ask(clone, "The last commit cannot be read", "ls-tree", "-r", "-z", "HEAD"))


def read_tree(listed: str) -> Tree:
    """Return a tree, as `git ls-tree -r -z` prints it."""
    tree = {}
    for line in filter(None, listed.split("\0")):
        info, _, path = line.partition("\t")
        mode, _, name = info.split()
        tree[path] = (mode, name)
    return tree


def tree_of_files(clone: Path, files: dict[str, Path]) -> Tree:
    """Write files as objects of Git; what is ignored anywhere is not left out."""
    paths = "".join(f"{path}\n" for path in files.values())
    hashed = ("hash-object", "-w", "--no-filters", "--stdin-paths")
    names = ask(clone, "The rendered files cannot be written", *hashed, given=paths).split()
    modes = ("100755" if path.stat().st_mode & 0o100 else "100644" for path in files.values())
    return dict(zip(files, zip(modes, names)))


def write_tree(clone: Path, tree: Tree) -> str:
    """Return the object of a tree of files."""
    known = {"GIT_INDEX_FILE": str(clone / ".git/keyless-index")}
    what = "The merge cannot be prepared"
    ask(clone, what, "read-tree", "--empty", known=known)
    lines = "".join(f"{mode} {name}\t{path}\0" for path, (mode, name) in tree.items())
    ask(clone, what, "update-index", "-z", "--index-info", given=lines, known=known)
    return ask(clone, what, "write-tree", known=known)
