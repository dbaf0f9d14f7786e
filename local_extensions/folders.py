"""The template's folder, and an existing folder into which a project is generated.

Cookiecutter writes into an existing folder only with -f, and keeps its files only with -s. If the
files and the answers would not fit together, they are refused here, before anything is added.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Environment, pass_environment

from .answers import public, refuse
from .command_line import running_call, target_folder

TEMPLATE = Path(__file__).resolve().parent.parent  # the whole repository of the template
PROJECT = TEMPLATE / "<<cookiecutter.project_slug>>"
TOOL = ".github/keyless"  # copied as a whole, and replaced as a whole
# Folders that some answers do not need are rendered to this one, which the hook removes.
NOT_GENERATED = ".not-generated"
NEW_ON_GITHUB = {".git", ".gitignore", "LICENSE", "README.md"}
# What editors, file managers and interpreters leave in a working copy of the template.
STRAY = re.compile(
    r"\.DS_Store|Thumbs\.db|\._.*|.*~|\.?#.*|.*\.(py[co]|sw[op]|orig|rej|bak)|.* copy( \d+)?(\..*)?"
    r"|__pycache__|\..*_cache|\.(idea|vscode|terraform)"
)


def existing(answers: dict[str, Any]) -> str:
    """Return what kind of folder the answers name: a new one, one of this template, or another.

    Returns:
        Nothing for a new or empty folder, `started` for what GitHub puts into a new repository,
        `generated`, or `adopted`.

    Raises:
        FailedHookException: the answers do not fit the existing files; the text is one line.
    """
    call = running_call()
    folder = target_folder(answers)
    if os.path.lexists(folder) and not folder.is_dir():
        refuse("project_slug", folder.name, "exists and is not a folder", "Give it another name")
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if all(STRAY.fullmatch(name) for name in there):
        return ""
    if not call.get("overwrite_if_exists"):
        return ""  # cookiecutter says that it exists
    _judge_origin(folder, answers["github_repository"])
    before = _answers_before(folder)
    if call.get("skip_if_file_exists") and before:
        _judge_differences(folder, public(answers), before)
    if before:
        return "generated"
    of_somebody = [name for name in there - NEW_ON_GITHUB if not STRAY.fullmatch(name)]
    return "adopted" if of_somebody else "started"


def guide(answers: dict[str, Any]) -> str:
    """Return where the guide goes: beside a README that was there before, it is PUBLISHING.md."""
    folder = target_folder(answers)
    for name in ("PUBLISHING.md", "docs/publishing.md"):  # the second one until November 2026
        if answers["__existing"] and (folder / name).exists():
            return name
    own = answers["__existing"] in ("adopted", "started") and (folder / "README.md").exists()
    return "PUBLISHING.md" if own else "README.md"


@pass_environment
def adopted(environment: Environment, answers: dict[str, Any]) -> str:
    """Return which of the template's files a folder has, and which will be added, as JSON.

    The tool's folder is one name. If it exists, it is replaced and is in neither list. All names
    are rendered, so every answer that decides on a name comes before this one.

    Returns:
        Nothing for a new folder, or without -s. The hook would see the folder too late.

    Raises:
        FailedHookException: somebody else's file would be overwritten, or written through a link.
    """
    if not answers["__existing"]:
        return ""
    folder = target_folder(answers)
    names = list(_rendered_names(environment, answers))
    _judge_ways(folder, names)
    names = sorted(name for name in names if not name.startswith(f"{NOT_GENERATED}/"))
    there = [name for name in names if os.path.lexists(folder / name)]
    if not running_call().get("skip_if_file_exists"):
        if there and answers["__existing"] != "generated":
            refuse(
                "project_slug",
                folder.name,
                "is a folder with files that -f alone would overwrite",
                "Use -f -s, which keeps every existing file",
            )
        return ""
    added = [name for name in names if name not in there]
    return json.dumps({"kept": [name for name in there if name != TOOL], "added": added})


@pass_environment
def strays(environment: Environment, answers: dict[str, Any]) -> str:
    """Return the files and folders that are not the template's, as JSON; the hook removes them.

    Cookiecutter generates everything that is in a working copy. The tool's folder is not listed:
    the hook knows what belongs there.

    Raises:
        FailedHookException: the template contains a link. Its target would be copied.
    """
    folder = target_folder(answers)
    found = []
    for path in _walk(PROJECT):
        name = path.relative_to(PROJECT).as_posix()
        if path.is_symlink():
            refuse(
                "template",
                name,
                "is a link, and its target would be copied into the project",
                f"Remove it from the template in {str(TEMPLATE)!a}",
            )
        if STRAY.fullmatch(path.name) and not name.startswith(f"{TOOL}/"):
            found.append(_rendered(environment, name, answers))
    return json.dumps([name for name in found if not os.path.lexists(folder / name)])


def _walk(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder; of a stray folder, only the folder itself."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        yield Path(entry.path)
        if entry.is_dir(follow_symlinks=False) and not STRAY.fullmatch(entry.name):
            yield from _walk(Path(entry.path))


def _template_files() -> Iterator[str]:
    """Yield the paths of the template's files as the template names them, the tool as one."""
    for path in _walk(PROJECT):
        name = path.relative_to(PROJECT).as_posix()
        if name == TOOL or (
            path.is_file() and not STRAY.fullmatch(path.name) and not name.startswith(f"{TOOL}/")
        ):
            yield name


def _rendered(environment: Environment, name: str, answers: dict[str, Any]) -> str:
    """Return a path of the template as it will be generated."""
    if environment.variable_start_string not in name:
        return name
    return environment.from_string(name).render(cookiecutter=answers)


def _rendered_names(environment: Environment, answers: dict[str, Any]) -> Iterator[str]:
    """Yield the paths of what will be generated; a file whose name renders empty is not."""
    for name in _template_files():
        rendered = _rendered(environment, name, answers)
        if rendered and not rendered.endswith("/"):
            yield rendered


def _answers_before(folder: Path) -> dict[str, Any]:
    """Return the answers that a folder was generated with; empty if it was not generated."""
    try:
        recorded = (folder / ".cookiecutter.json").read_text(encoding="utf-8")
        return dict(json.loads(recorded)["default_context"])
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _judge_differences(folder: Path, answers: dict[str, Any], before: dict[str, Any]) -> None:
    """Refuse answers that the existing files, which stay, would not fit."""
    if (folder / "scripts/check.py").is_file() and not (folder / TOOL).exists():
        refuse(
            "project_slug",
            folder.name,
            "was generated when the tool was in scripts/, and its existing files would still call "
            "the tool there",
            "Run make update PROJECT=FOLDER in a clone of the template, which moves the tool",
        )
    for key, value in answers.items():
        if key in before and before[key] != value:
            refuse(
                key,
                value,
                f"differs from {before[key]!a} in {folder.name}/.cookiecutter.json, and the "
                "existing files would keep that answer",
                f"Use --no-input --config-file {folder.name}/.cookiecutter.json, or change the "
                f'answer in {folder.name} with make change SET="{key}=..."',
            )


def _judge_origin(folder: Path, repository: str) -> None:
    """Refuse answers for another repository than the one that the folder is pushed to."""
    try:
        config = (folder / ".git/config").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    remote = re.search(
        r'\[remote "origin"\][^\[]*?\burl *= *\S*github\.com[:/]([\w.-]+/[\w.-]+?)(\.git)?/?\s',
        config,
    )
    if remote and remote[1].lower() != repository.lower():
        refuse(
            "github_repository",
            repository,
            f"is not the repository that {folder.name} is pushed to, which is {remote[1]}",
            f"Use {remote[1]}, or change the remote named origin",
        )


def _judge_ways(folder: Path, names: list[str]) -> None:
    """Refuse to write through a link, into a file's place, or over another tool.

    Args:
        folder: an existing folder.
        names: the rendered paths of what will be generated.
    """
    for name in names:
        *parents, path = [
            folder.joinpath(*Path(name).parts[: n + 1]) for n in range(name.count("/") + 1)
        ]
        parents += [path] * (name == TOOL)
        for parent in parents:
            if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
                _refuse_path(folder, parent, "a link or a file. This template needs a folder there")
            if (parent / ".git").exists():
                _refuse_path(folder, parent, "a Git repository. This template has a folder there")
        if path.is_symlink() and not path.exists():
            _refuse_path(folder, path, "a broken link. This template has a file there")
    tool = folder / TOOL
    if tool.is_dir() and any(tool.iterdir()) and not (tool / "__main__.py").is_file():
        _refuse_path(folder, tool, "not this template's tool and would be replaced")


def _refuse_path(folder: Path, path: Path, what: str) -> NoReturn:
    name = path.relative_to(folder).as_posix()
    refuse("project_slug", folder.name, f"contains {name}, which is {what}", "Give it another name")
