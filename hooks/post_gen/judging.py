"""Judge a generated repository: no template syntax is left, it parses, and its tool agrees."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .generated import TOOL, Generated

DEPLOY = ".github/workflows/deploy.yml"
PUBLISH = f"{TOOL} publish"  # what shows that a deploy.yml is the template's
WORDS = r"(if|elif|else|endif|for|endfor|set|raw|endraw|include)\b"


def defects(repository: Generated) -> tuple[list[str], list[str]]:
    """Judge a repository.

    Returns:
        What is wrong, each with its file and what to do; and which programs could not be run.
    """
    found = [*residue(repository), *unparsable(repository)]
    found += [*taken(repository), *ignored(repository)]
    skipped: list[str] = []
    if not found:  # the contract can only be read in files that parse
        found += contract(repository)
        skipped += changed(repository)
        ours = {*repository.kept, *repository.added}
        linted = [path for path in repository.workflows if not repository.adopted or path in ours]
        found += command(skipped, 1, "actionlint", *linted)
        if repository.has_infra:
            program = repository.answers["__tofu"]
            found += command(skipped, 3, program, "fmt", "-check", "-recursive", "infra")
    return found, skipped


def residue(repository: Generated) -> Iterator[str]:
    """Yield what the template engine should have replaced: a name of it, or a statement."""
    syntax = {key: str(mark) for key, mark in repository.answers["_jinja2_env_vars"].items()}
    begin, block = syntax["variable_start_string"], syntax["block_start_string"]
    statement = syntax["line_statement_prefix"]
    left = re.compile(
        rf"{re.escape(begin)}-?\s*[^\n]*cookiecutter\b|{re.escape(block)}-?\s*{WORDS}"
        rf"|^[ \t]*{re.escape(statement)}\s*{WORDS}",
        re.MULTILINE,
    )
    for path, text in repository.texts.items():
        if path in repository.kept or not any(mark in text for mark in (begin, block, statement)):
            continue
        for match in left.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield (
                f"{path}:{line}: template-residue {match[0].strip()!r} was "
                "not rendered\n    report it to the template's authors; the file cannot be used"
            )


def unparsable(repository: Generated) -> Iterator[str]:
    """Yield the JSON and YAML files that do not parse; the contract reads the workflows."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    workflows = repository.workflows
    for path, text in repository.texts.items():
        try:
            if path.endswith(".json"):
                json.loads(text)
            elif path.endswith((".yml", ".yaml")) and path not in workflows:
                for _ in yaml.compose_all(text, loader):
                    pass
        except (ValueError, RecursionError) as error:
            at = getattr(error, "lineno", 1)
            yield f"{path}:{at}: not-json {getattr(error, 'msg', error)}\n    correct the file"
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            at = mark.line + 1 if mark else 1
            yield f"{path}:{at}: not-yaml {getattr(error, 'problem', error)}\n    correct the file"


def taken(repository: Generated) -> Iterator[str]:
    """Yield the workflow that is missing because another file has its name."""
    if DEPLOY in repository.kept and PUBLISH not in repository.texts.get(DEPLOY, ""):
        old = DEPLOY.replace("deploy.yml", "deploy-old.yml")
        yield (
            f"{DEPLOY}:1: taken this file existed before, so the generated one is missing"
            f"\n    git mv {DEPLOY} {old}, and run the same command again"
        )


def changed(repository: Generated) -> Iterator[str]:
    """Yield a plan as a program that could not be run, if infra/ was changed."""
    from keyless.model.account import read_account
    from keyless.model.findings import CannotJudge
    from keyless.model.generated import changed_infra

    try:
        account = read_account(repository.root)
        if changed_infra(repository.root, account):
            yield "a plan of infra/, which was changed (make check runs it)"
    except CannotJudge:
        return


def replaced(repository: Generated) -> Iterator[str]:
    """Yield the files of an existing infra/ that have the names of this template's files."""
    if repository.answers["__existing"] == "generated" or not repository.has_infra:
        return
    from keyless.model.generated import SUMS, kind_of

    for path in sorted({*repository.kept} & {*SUMS}):
        if not kind_of(repository.root, path):
            yield (
                f"{path}:1: taken this file existed before, so the generated one is missing"
                "\n    move the folder out of the way: git mv infra infra-old, and run the same"
                " command again"
            )


def ignored(repository: Generated) -> Iterator[str]:
    """Yield the files that a .gitignore of the repository would leave out of a commit."""
    if not (repository.adopted and repository.has_git):
        return
    root = repository.root
    tool = [path.relative_to(root).as_posix() for path in (root / TOOL).rglob("*")]
    names = sorted({*repository.kept, *repository.added, *tool})
    arguments = ["git", "check-ignore", "--no-index", "--verbose", "--", *names]
    try:
        done = subprocess.run(arguments, cwd=root, capture_output=True, text=True)
    except OSError:
        return
    for found in done.stdout.splitlines():
        rule, _, path = found.partition("\t")
        where, _, pattern = rule.rpartition(":")
        if not pattern.startswith("!"):
            yield (
                f"{where}: ignored {pattern} keeps {path} out of every commit, so no clone has it"
                f"\n    add this line after it: !{path}"
            )


def contract(repository: Generated) -> list[str]:
    """Return what the repository's own tool finds; it is loaded by its place, and not started.

    If infra/ was changed since it was generated, only a plan could show what it creates.
    """
    root = repository.root
    try:
        load_tool(root / TOOL)
        found = [*replaced(repository)]
        if found:
            return found
        from keyless.check import findings
        from keyless.model.findings import CannotJudge
    except (OSError, ImportError, SyntaxError) as error:
        return [f"{TOOL}/check.py:1: cannot-be-judged {error}\n    restore the folder"]
    try:
        # The Git remotes are not compared here; make check does that from now on.
        own = repository.answers["github_repository"]
        return [str(one) for one in findings(root, planning=False, name=own)]
    except CannotJudge as reason:
        return [f"{reason}\n    correct the file, so that workflow and trust can be compared"]


def load_tool(folder: Path) -> Any:
    """Load the tool as the package `keyless`, so that no module of the repository shadows it.

    Raises:
        ImportError: the folder is not a package.
    """
    spec = importlib.util.spec_from_file_location(
        "keyless", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is not a package")
    sys.modules["keyless"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    return package


def command(skipped: list[str], objects: int, program: str, *arguments: str) -> Iterator[str]:
    """Yield what a checker prints if its exit status says that it found something.

    Any other exit status means that the checker itself failed, for example because a version
    manager has no version of it.

    Args:
        skipped: gets the name of a program that could not judge, and why.
        objects: the exit status that means "something was found".
        program: its name on PATH.
        arguments: its arguments; no shell reads them.
    """
    if not any(os.access(f"{folder}/{program}", os.X_OK) for folder in os.get_exec_path()):
        skipped.append(f"{program} (not on PATH)")
        return
    done = subprocess.run(
        [program, *arguments], capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode == objects:
        said = (done.stdout + done.stderr).strip()
        yield f"{said}\n    correct it, until this prints nothing: {program} {' '.join(arguments)}"
    elif done.returncode:
        skipped.append(f"{program} (exit status {done.returncode})")
