"""How the tool starts: next to hostile files, from anywhere, with old Pythons; and its help."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from keyless import commands

from tests.conftest import Copy
from tests.standins.emulator import ROOT

TOOL = ROOT / "<<cookiecutter.project_slug>>/.github/keyless"
COMMANDS = {
    *("check", "explain", "subjects", "rules", "publish", "diagnose", "deploy", "bootstrap"),
    *("release", "doctor", "destroy", "add", "remove", "move", "outputs", "fetch", "caller"),
    *("update", "change"),
}
# The exit statuses that each command can end with; 2 is also that of a wrong command line.
STATUSES = {
    **dict.fromkeys(["explain", "subjects", "publish", "deploy"], "0 1 2"),
    **{"rules": "0 2", "diagnose": "1 2", "update": "0 1 2 130 0 1 2 0"},
    **dict.fromkeys(["check", "bootstrap", "release", "doctor", "destroy"], "0 1 2 130"),
    **dict.fromkeys(["add", "remove", "move", "outputs", "fetch", "caller", "change"], "0 1 2 130"),
}
HOSTILE = "raise SystemExit('a hostile module ran')\n"


def keyless(
    *arguments: str | Path, cwd: Path, python: str = sys.executable, flags: str = "-B"
) -> subprocess.CompletedProcess[str]:
    """Run the tool of a project, or that of the template where the path says so."""
    return subprocess.run(
        [python, *flags.split(), *map(str, arguments)],
        cwd=cwd,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("folder", [".", ".github", ".github/keyless"])
def test_no_file_beside_the_tool_or_in_it_is_imported_in_place_of_a_module(
    copy: Copy, folder: str
) -> None:
    path = copy().path
    for name in ("json", "yaml", "platform", "argparse", "re", "keyless"):
        (path / folder / f"{name}.py").write_text(HOSTILE)
    done = keyless(".github/keyless", "check", cwd=path)
    assert (done.returncode, "agree" in done.stdout) == (0, True), done.stdout
    done = keyless(".github/keyless", "subjects", cwd=path)
    assert (done.returncode, done.stdout[:1]) == (0, "{")


def test_the_test_above_can_fail(copy: Copy) -> None:
    path = copy().path
    (path / ".github/json.py").write_text(HOSTILE)
    code = "import sys; sys.path.insert(0, '.github'); import json"
    assert "hostile" in keyless("-c", code, cwd=path).stdout


def test_it_starts_from_another_folder_through_a_link_and_isolated(
    copy: Copy, tmp_path: Path
) -> None:
    path = copy().path
    (tmp_path / "link").symlink_to(path / ".github/keyless")
    for flags in ("-B", "-B -I", "-B -P") if sys.version_info >= (3, 11) else ("-B", "-B -I"):
        for tool in (path / ".github/keyless", tmp_path / "link"):
            done = keyless(tool, "subjects", cwd=tmp_path, flags=flags)
            assert '"example-service"' in done.stdout, (flags, tool, done.stdout)


def test_it_runs_where_it_stands_in_the_template(tmp_path: Path) -> None:
    done = keyless(TOOL, "--help", cwd=tmp_path)
    assert done.returncode == 0
    named = set(re.findall(r"(?m)^    ([a-z]+)\b", done.stdout))
    assert named == COMMANDS
    version = (TOOL / "VERSION").read_text().strip()
    assert keyless(TOOL, "--version", cwd=tmp_path).stdout.strip() == version


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_a_command_explains_purpose_options_and_exit_status(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main([name, "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    purpose = rf"keyless {name} \[-h\].*? [A-Z][^.]+.*\. (positional|options)"
    assert re.search(purpose, printed), printed
    statuses = printed.partition("Exit status: ")[2]
    assert " ".join(re.findall(r"(\d+)(?: =| also)", statuses)) == STATUSES[name]
    assert "2 = the command line is wrong" in statuses or "or the command line is wrong" in statuses
    parser = commands.parser()
    (choices,) = [each.choices for each in parser._actions if each.dest == "command"]
    actions = dict(choices or {})[name]._actions
    assert all(each.help for each in actions if each.option_strings), name


@pytest.mark.parametrize(
    "arguments", [[], ["chek"], ["publish"], ["publish", "later"], ["check", "--format", "xml"]]
)
def test_a_wrong_command_line_is_answered_with_what_can_be_typed(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main(arguments)
    assert ended.value.code == 2
    assert "usage: python3 .github/keyless" in capsys.readouterr().err


def test_every_file_is_python_3_9() -> None:
    paths = sorted(TOOL.rglob("*.py"))
    assert len(paths) > 50
    for path in paths:
        ast.parse(path.read_text(), str(path), feature_version=(3, 9))


def test_it_runs_with_python_3_9(copy: Copy) -> None:
    python = shutil.which("python3.9")
    if python and subprocess.run([python, "--version"], capture_output=True).returncode:
        python = None  # a version manager that does not know it
    if python is None and not os.environ.get("PYTHON_3_9_IS_NEEDED"):
        pytest.skip("python3.9 is not on PATH, so the tool was not run with it")
    assert python, "python3.9 is missing; install it: https://www.python.org/downloads"
    path = copy().path
    assert keyless(".github/keyless", "--help", cwd=path, python=python).returncode == 0
    done = keyless(".github/keyless", "subjects", cwd=path, python=python)
    assert '"example-service"' in done.stdout, done.stdout
    modules = [
        ".".join(["keyless", *module.relative_to(TOOL).with_suffix("").parts])
        for module in sorted(TOOL.rglob("*.py"))
        if not module.name.startswith("__")
    ]
    code = "import importlib, sys; sys.path.insert(0, '.github')\n"
    code += f"for name in {modules!r}: importlib.import_module(name)"
    done = keyless("-c", code, cwd=path, python=python)
    assert done.returncode == 0, done.stdout


def test_no_file_of_the_tool_is_too_long_to_be_seen_whole() -> None:
    long = []
    for path in sorted(TOOL.rglob("*.py")):
        text = path.read_text()
        long += [path.name] * (len(text.splitlines()) > 600)
        nodes = ast.walk(ast.parse(text))
        functions = [each for each in nodes if isinstance(each, ast.FunctionDef)]
        lengths = {each.name: (each.end_lineno or 0) - each.lineno + 1 for each in functions}
        long += [f"{path.name}:{name}" for name, length in lengths.items() if length > 60]
    assert long == []


def test_the_folder_holds_nothing_that_depends_on_an_answer() -> None:
    syntax = re.compile(r"<<\s*'?[a-z]|<%|<#|^\s*# %", re.MULTILINE)
    found = [
        path.name
        for path in sorted(TOOL.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and syntax.search(path.read_text())
    ]
    assert found == []
