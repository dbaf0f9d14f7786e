"""Judge the generated repository, then print the commands that come next.

It changes no file, asks no network and can run twice. On a defect it prints every finding with its
file and its mend and exits with 1; cookiecutter then removes what it created. This file is rendered
before it runs, so no template delimiter may stand in its text.
"""

import gc
import os
import sys

gc.disable()  # a process of 60 ms; its child inherits that, and compiles faster by a tenth
# This file is started in the folder for temporary files, where others may have put modules.
sys.path[:] = [path for path in sys.path if path != os.path.dirname(__file__)]

SCRIPT = "scripts/check.py"


def compiling() -> int:
    """Compile SCRIPT in a process of its own, as this one imports what it needs: both take 20 ms.

    Returns the end of a pipe from which the code can be read.
    """
    import marshal

    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)  # a pipe that nobody reads any more ends this process
        try:
            with open(SCRIPT, "rb") as source, open(writing, "wb") as pipe:  # noqa: PTH123
                marshal.dump(compile(source.read(), SCRIPT, "exec", optimize=2), pipe)
        finally:
            os._exit(0)
    os.close(writing)
    return reading


COMPILED = compiling() if __name__ == "__main__" else -1

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

# Pasted into a literal, a slug could run as code; JSON escapes every quote and delimiter.
ANSWERS: dict[str, Any] = json.loads(r'''<< cookiecutter | tojson >>''')  # fmt: skip
# The template's files that were there before, and those that were not; empty in a new folder.
ADOPTED: dict[str, list[str]] = json.loads(ANSWERS["__adopted"] or "{}")
OURS = {name for names in ADOPTED.values() for name in names}

NOT_OURS = {".git", ".terraform", ".venv", "node_modules", "__pycache__"}
LARGEST = 1_000_000  # bytes; what is larger is no text of this template
NEXT = """
Next:
  cd {project_slug}{commit} && {bootstrap}   # once; asks before it acts
{publish}

{__readme} explains each step."""
# Where a Makefile that was there before has no such target. Debian and Homebrew let pip install
# nothing outside of a virtual environment.
WITHOUT_MAKE = """python3 -m venv .venv && echo '*' > .venv/.gitignore
  .venv/bin/python -m pip install -r scripts/requirements.txt
  .venv/bin/python scripts/bootstrap.py"""
# What shows that a file of a name of ours is ours: what publishes, and what is run here.
DEPLOY = ".github/workflows/deploy.yml"
MARKS = {
    DEPLOY: "scripts/publish.py",
    SCRIPT: "def findings(",
    "scripts/bootstrap.py": "def set_up(",
}
# Where the infra/ of another repository makes role and registry.
SERVICE = """
Next, if it is not on GitHub yet:
  gh repo create {github_repository} --private
In the repository that holds infra/ (OWNER/NAME below), which is committed and pushed there:
  make add REPO={github_repository}{options} && make bootstrap
Here:
  cd {project_slug}{first} && make fetch FROM=OWNER/NAME
  git add --all && git commit --message "Publish to ECR" && git push --set-upstream origin main
{publish}

{__readme} explains each step."""
EMPTY = ("infra/repository", "infra/tests", "infra", "scripts/shared")
PUBLISH = {
    "release": "  gh release create v0.1.0 --generate-notes   # every version",
    "tag": "  git tag v0.1.0 && git push origin v0.1.0   # every version",
    "branch": "Its push to main publishes the first image, and so does every later one.",
}


def main() -> int:
    """Judge the repository in the current directory; return the exit status."""
    root = Path.cwd()
    if ANSWERS["iac_tool"] == "none":
        leave_no_empty_folder(root)
    texts = dict(read_texts(root))
    findings = [*residue(texts), *unparsable(texts)]
    findings += [*taken(texts), *ignored(root)]
    skipped: list[str] = []
    if not findings:  # the contract can only be read in files that parse
        findings += contract(root)
        linted = [path for path in workflows(texts) if not ADOPTED or path in OURS]
        findings += command(skipped, 1, "actionlint", *linted)
        if ANSWERS["iac_tool"] != "none":
            tool = ANSWERS["__tofu"]
            findings += command(skipped, 3, tool, "fmt", "-check", "-recursive", "infra")
    if ADOPTED:
        if ANSWERS["__existing"] == "generated":
            print(
                f"{len(ADOPTED['kept'])} files of this template were there, and stay as they are."
            )
        else:
            told("Kept as they were", ADOPTED["kept"])
        told("Added", ADOPTED["added"])
        if not Path("app/server.py").exists():
            print("Not added: the sample service (app/), its Dockerfile, .dockerignore")
    if findings:
        refuse(findings)
        return 1
    print(
        f"Checked {len(texts)} files: they parse, and workflow and role agree on who may publish."
    )
    if skipped:
        print(f"Could not be run: {', '.join(skipped)}. The repository's own CI runs them.")
    say_next(root, texts)
    return 0


def refuse(findings: list[str]) -> None:
    """Print what is wrong; in a repository that was there before, also what stays."""
    print(*findings, sep="\n")
    print(f"Defects: {len(findings)}. The repository would not work as it is.")
    if not ADOPTED:
        return
    print("What was added stays. Correct this, and type the same command once more.")
    rules = getattr(sys.modules.get("check"), "SKIPPABLE", ())  # nothing where it was not run
    kept = sorted(rule for rule in rules if any(f" {rule} " in finding for finding in findings))
    if kept:
        print("A workflow that asks for no token may keep findings; write into it:")
        print(f"    # check: skip={','.join(kept)} YOUR REASON")


def leave_no_empty_folder(root: Path) -> None:
    """Remove folders in which no file was generated; one that holds anything stays."""
    for folder in (root / name for name in EMPTY):
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()


def say_next(root: Path, texts: dict[str, str]) -> None:
    """Print what is to be known, and the commands that come next."""
    if '"test_ref": false' in texts.get("infra/terraform.tfvars.json", ""):
        print(
            "In this partition a role cannot test the ref beside an environment: make bootstrap "
            "limits the\nenvironment to the trusted refs, and whoever may change that may publish."
        )
    commit, bootstrap = "", "make bootstrap"
    if ADOPTED:
        if ADOPTED["added"] and (root / ".git").exists():
            commit = " && git add --all && git commit"
        if not re.search(r"(?m)^bootstrap:.*\n\t.*scripts/bootstrap", texts.get("Makefile", "")):
            bootstrap = WITHOUT_MAKE
        above = [path for path in root.parents if (path / ".git").exists()]
        if above and not (root / ".git").exists():
            print(f"This folder lies in the Git repository {above[0]}.")
            print("GitHub reads workflows in its top folder only: move .github/ there.")
    publish = PUBLISH[ANSWERS["deploy_on"]]
    if ANSWERS["iac_tool"] == "none":
        first = " && git init --quiet --initial-branch=main && git remote add origin \\\n  "
        first += f"https://github.com/{ANSWERS['github_repository']}.git"
        first = first * (not (root / ".git").exists())
        given = "--ref refs/heads/main " * (ANSWERS["deploy_on"] == "branch")
        if ANSWERS["github_environment"]:
            name = ANSWERS["github_environment"]
            given += (
                f"--environment {name}"
                if re.fullmatch(r"[\w.-]+", name)
                else (f'--environment \\"{name}\\"')
            )
        options = f' ARGS="{given.strip()}"' * bool(given)
        if not re.search(r"(?m)^fetch:", texts.get("Makefile", "")):
            print("Your Makefile has no fetch: that is")
            print("  gh api -H 'Accept: application/vnd.github.raw' \\")
            print(
                f"  repos/OWNER/NAME/contents/services/{ANSWERS['project_slug']}.json > infra.json"
            )
        print(SERVICE.format(**ANSWERS, first=first, options=options, publish=publish))
        return
    print(NEXT.format(**ANSWERS, commit=commit, bootstrap=bootstrap, publish=publish))


def taken(texts: dict[str, str]) -> Iterator[str]:
    """Yield the files that somebody else's have the place of; they are not run."""
    for path, mark in MARKS.items():
        if path in ADOPTED.get("kept", []) and mark not in texts.get(path, ""):
            name = Path(path)
            old = name.with_name(f"{name.stem}-old{name.suffix}").as_posix()
            yield (
                f"{path}:1: taken this file was there before, so the one that is needed is missing"
                f"\n    git mv {path} {old}, and type the same command once more"
            )


def ignored(root: Path) -> Iterator[str]:
    """Yield the added files that a .gitignore of the repository would leave out of a commit."""
    if not ADOPTED or not (root / ".git").exists():
        return
    import subprocess

    command = ["git", "check-ignore", "--no-index", "--verbose", "--", *sorted(OURS)]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    except OSError:
        return
    for found in done.stdout.splitlines():
        rule, _, path = found.partition("\t")
        where, _, pattern = rule.rpartition(":")
        if not pattern.startswith("!"):
            yield (
                f"{where}: ignored {pattern} keeps {path} out of every commit, so a clone lacks it"
                f"\n    add a line behind it: !{path}"
            )


def told(what: str, names: list[str]) -> None:
    """Print a list of files, wrapped at 100 characters."""
    import textwrap

    text = f"{what} ({len(names)}): {', '.join(names) or 'none'}"
    indent = {"subsequent_indent": "  ", "break_on_hyphens": False}
    print(textwrap.fill(text, 100, **indent))  # type: ignore[arg-type]


def read_texts(root: Path) -> Iterator[tuple[str, str]]:
    """Yield path (relative, with slashes) and text of every text file.

    In a repository that was there before: those of the template, and the workflows. What else
    stands there is nobody's business here (a chart of Helm is no YAML).
    """
    paths = [root / name for name in sorted(OURS)]
    paths += root.glob(".github/workflows/*") if ADOPTED else everything(root)
    for path in dict.fromkeys(paths):
        if path.is_file() and path.stat().st_size <= LARGEST:
            data = path.read_bytes()
            if b"\0" not in data:
                yield path.relative_to(root).as_posix(), data.decode("utf-8", "replace")


def everything(root: Path) -> Iterator[Path]:
    """Yield every file of a repository that was generated a moment ago."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - NOT_OURS)
        yield from (Path(folder, name) for name in sorted(files))


def residue(texts: dict[str, str]) -> Iterator[str]:
    """Yield what the template engine should have replaced: a name of it, or a statement."""
    texts = {path: texts[path] for path in texts if path not in ADOPTED.get("kept", [])}
    syntax = {key: str(mark) for key, mark in ANSWERS["_jinja2_env_vars"].items()}
    begin, block = syntax["variable_start_string"], syntax["block_start_string"]
    statement = syntax["line_statement_prefix"]
    opened = [
        path for path in texts if any(mark in texts[path] for mark in (begin, block, statement))
    ]
    words = r"(if|elif|else|endif|for|endfor|set|raw|endraw|include)\b"
    for path in opened:
        text = texts[path]
        left = re.compile(
            rf"{re.escape(begin)}-?\s*[^\n]*cookiecutter\b|{re.escape(block)}-?\s*{words}"
            rf"|^[ \t]*{re.escape(statement)}\s*{words}",
            re.MULTILINE,
        )
        for match in left.finditer(text):
            yield (
                f"{path}:{line(text, match.start())}: template-residue {match[0].strip()!r} was "
                "not rendered\n    report it to the template's authors; the file cannot be used"
            )


def unparsable(texts: dict[str, str]) -> Iterator[str]:
    """Yield the JSON and YAML files that are none; the contract reads the workflows."""
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    judged = workflows(texts)
    for path, text in texts.items():
        try:
            if path.endswith(".json"):
                json.loads(text)
            elif path.endswith((".yml", ".yaml")) and path not in judged:
                for _ in yaml.compose_all(text, loader):
                    pass
        except (ValueError, RecursionError) as error:
            at = getattr(error, "lineno", 1)
            yield f"{path}:{at}: not-json {getattr(error, 'msg', error)}\n    correct the file"
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            at = mark.line + 1 if mark else 1
            yield f"{path}:{at}: not-yaml {getattr(error, 'problem', error)}\n    correct the file"


def contract(root: Path) -> Iterable[str]:
    """Return what the repository's own scripts/check.py finds; it is imported, not started."""
    sys.path.append(str(root / "scripts"))  # behind the standard library: names may be anybody's
    try:
        check = compiled() or __import__("check")
        return [str(finding) for finding in check.findings(root)]
    except (ImportError, SyntaxError, AttributeError) as error:
        return [f"{SCRIPT}:1: cannot-be-judged {error}\n    restore the file"]
    except check.CannotJudge as reason:
        return [f"{reason}\n    correct the file, so that workflow and trust can be compared"]


def compiled() -> Any:
    """Return SCRIPT as a module, from what was compiled meanwhile; None where that failed."""
    import marshal
    import types

    check = types.ModuleType("check")
    sys.modules["check"] = check  # as importing it does
    try:
        with os.fdopen(COMPILED, "rb") as pipe:
            exec(marshal.load(pipe), vars(check))  # noqa: S102, S302  # written by this program
    except (EOFError, OSError, TypeError, ValueError):
        return sys.modules.pop("check") and None  # importing it says what is wrong
    return check


def workflows(texts: dict[str, str]) -> list[str]:
    """Return the paths of the workflows."""
    return [path for path in texts if re.fullmatch(r"\.github/workflows/[^/]+\.ya?ml", path)]


def command(skipped: list[str], objects: int, program: str, *arguments: str) -> Iterator[str]:
    """Yield what a checker prints when it objects, which its exit status shows.

    Any other failure is its own (a version manager that knows no version): it is noted as skipped.
    """
    if not any(os.access(f"{folder}/{program}", os.X_OK) for folder in os.get_exec_path()):
        skipped.append(f"{program} (not on PATH)")
        return
    import subprocess  # only where there is something to run

    done = subprocess.run(  # no shell: no answer is ever parsed as a command
        [program, *arguments], capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode == objects:
        said = (done.stdout + done.stderr).strip()
        yield f"{said}\n    correct it, until this is silent: {program} {' '.join(arguments)}"
    elif done.returncode:
        skipped.append(f"{program} (exit status {done.returncode})")


def line(text: str, position: int) -> int:
    """Return the line (from 1) of a position in a text."""
    return text.count("\n", 0, position) + 1


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # a __pycache__ would be a change
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
