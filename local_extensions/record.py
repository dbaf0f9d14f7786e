"""What .cookiecutter.json records: the answers, and the template that asked for them.

`make update` needs this record to find the template. So it holds an address that others can fetch.
Git is asked for that address: cookiecutter knows only what was typed, which can be a local path.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from .answers import public
from .command_line import target_folder
from .folders import PROJECT, STRAY, TEMPLATE, TOOL

# What others can fetch, without a password: http(s)://, ssh:// and USER@HOST:PATH. The tool reads
# this address and hands it to git, so it refuses every other one (setup/updating/record.py there).
_HOST, _USER = r"[A-Za-z0-9][A-Za-z0-9.-]*", r"[A-Za-z0-9_][\w.-]*@"
_PART = r"([\w.~+-]|%[2-7][0-9A-Fa-f])+"
ADDRESS = re.compile(
    rf"(https?://{_HOST}(:[0-9]+)?/|ssh://({_USER})?{_HOST}(:[0-9]+)?/|{_USER}{_HOST}:/?)"
    rf"(?!-){_PART}(/{_PART})*/?",
    re.ASCII,
)
COMMIT = re.compile(r"[0-9a-f]{40}")
# What a generation uses. An edit of the tests changes nothing that is generated.
USED = (
    *("<<cookiecutter.project_slug>>", "templates", "hooks", "local_extensions"),
    *("cookiecutter.json", "cookiecutter_2_6_or_newer_is_needed.py"),
)
KINDS = ("adopted", "started")  # of a folder that was there before the first generation
# Git's variables lead to another repository, or hold settings for it (git rev-parse
# --local-env-vars). Those of the person stay: who a folder may belong to (safe.directory) is there.
PERSONAL = {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH"}


def record(answers: dict[str, Any]) -> dict[str, Any]:
    """Return what .cookiecutter.json holds.

    It is also a configuration file of cookiecutter, which reads default_context and ignores the
    other key (tried with 2.6 and 2.7).

    Args:
        answers: all values of cookiecutter.json, rendered.
    """
    version = (PROJECT / TOOL / "VERSION").read_text(encoding="utf-8").strip()
    template: dict[str, Any] = {"source": None, "version": version, "commit": None}
    if _is_own_repository():
        template["source"] = fetchable(_git("config", "--get", "remote.origin.url") or "")
        template |= _commit()
    if answers["__before"]:
        template["existing"] = json.loads(answers["__before"])
    return {"default_context": public(answers), "template": template}


def before(answers: dict[str, Any]) -> str:
    """Return which kind of folder existed before, and which of the template's files, as JSON.

    A README counts, even if the guide got another name because of it. This runs before the
    generation, which changes the files and the current directory.

    Returns:
        Nothing for a new folder; for a generated one, what its record says.
    """
    folder, kind = target_folder(answers), answers["__existing"]
    if kind == "generated":
        return _recorded(folder)
    if kind not in KINDS:
        return ""
    kept = set(json.loads(answers["__adopted"] or "{}").get("kept", []))
    if answers["__guide"] != "README.md" and (folder / "README.md").exists():
        kept.add("README.md")
    return json.dumps({"kind": kind, "kept": sorted(kept)})


def fetchable(address: str) -> str | None:
    """Return an address as others can fetch it, without the login in it; None if nobody else can.

    A password may hold an @, so the login ends at the last one before the path.
    """
    plain = re.sub(r"\A(https?://)[^/]*@", r"\1", address.removesuffix("\n"))
    return plain if ADDRESS.fullmatch(plain) else None


def _is_own_repository() -> bool:
    """Tell whether the template is a repository itself: one from a zip may be inside another."""
    top = _git("rev-parse", "--show-toplevel")
    try:
        return top is not None and TEMPLATE.samefile(top.removesuffix("\n"))
    except OSError:
        return False


def _commit() -> dict[str, Any]:
    """Return the commit, and whether files that a generation uses differ from it.

    Untracked files count, except those that the hook removes. Ignored files do not count.
    """
    shown = ("--porcelain=v2", "-z", "--branch", "--no-ahead-behind", "--untracked-files=normal")
    lines = (_git("status", *shown, "--", *USED) or "").split("\0")
    commit = lines[0].removeprefix("# branch.oid ")  # "(initial)" where there is none
    edits = [
        line
        for line in lines
        if line
        and not line.startswith("#")
        and not (line.startswith("? ") and STRAY.fullmatch(Path(line).name))
    ]
    found = {"commit": commit if COMMIT.fullmatch(commit) else None}
    return found | ({"edited": True} if edits else {})


def _recorded(folder: Path) -> str:
    """Return what a repository's record says about it; nothing if the record has another form."""
    try:
        recorded = json.loads((folder / ".cookiecutter.json").read_text(encoding="utf-8"))
        kind, kept = map(recorded["template"]["existing"].get, ("kind", "kept"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
    right = kind in KINDS and isinstance(kept, list) and all(isinstance(name, str) for name in kept)
    return json.dumps({"kind": kind, "kept": kept}) if right else ""


def _git(*arguments: str) -> str | None:
    """Return what git prints in the folder of the template; None where it fails, or is missing."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in PERSONAL
    }
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],  # noqa: S607
            cwd=TEMPLATE,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
        )
    except OSError:
        return None
    return None if done.returncode else done.stdout
