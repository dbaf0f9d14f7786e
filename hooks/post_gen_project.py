"""Judge the generated repository, then print the commands that come next.

It changes nothing, asks no network and can run twice. On a defect it prints every finding with its
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

NOT_OURS = {".git", ".terraform", ".venv", "node_modules", "__pycache__"}
LARGEST = 1_000_000  # bytes; what is larger is no text of this template
NEXT = """
Next:
  cd {project_slug} && make bootstrap   # once: repository, role and registry; asks before it acts
{publish}

README.md explains each step."""
PUBLISH = {
    "release": "  gh release create v0.1.0 --generate-notes   # every version",
    "tag": "  git tag v0.1.0 && git push origin v0.1.0   # every version",
    "branch": "Its push to main publishes the first image, and so does every later one.",
}


def main() -> int:
    """Judge the repository in the current directory; return the exit status."""
    root = Path.cwd()
    texts = dict(read_texts(root))
    findings = [*residue(texts), *unparsable(texts)]
    skipped: list[str] = []
    if not findings:  # the contract can only be read in files that parse
        findings += contract(root)
        findings += command(skipped, 1, "actionlint", *workflows(texts))
        findings += command(skipped, 3, "terraform", "fmt", "-check", "-recursive", "infra")
    if findings:
        print(*findings, sep="\n")
        print(f"Defects: {len(findings)}. The repository would not work as it is.")
        return 1
    print(
        f"Checked {len(texts)} files: they parse, and workflow and role agree on who may publish."
    )
    if skipped:
        print(f"Could not be run: {', '.join(skipped)}. The repository's own CI runs them.")
    print(NEXT.format(**ANSWERS, publish=PUBLISH[ANSWERS["deploy_on"]]))
    return 0


def read_texts(root: Path) -> Iterator[tuple[str, str]]:
    """Yield path (relative, with slashes) and text of every text file."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - NOT_OURS)
        for path in (Path(folder, name) for name in sorted(files)):
            if path.is_file() and path.stat().st_size <= LARGEST:
                data = path.read_bytes()
                if b"\0" not in data:
                    yield path.relative_to(root).as_posix(), data.decode("utf-8", "replace")


def residue(texts: dict[str, str]) -> Iterator[str]:
    """Yield what the template engine should have replaced: a name of it, or a statement."""
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
    sys.path.insert(0, str(root / "scripts"))
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
