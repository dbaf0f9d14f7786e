"""What a working copy of the template has beside its files: it neither runs nor ends in a project.

Cookiecutter copies the tool's folder with all that is in it, links followed, and generates whatever
else stands in the template.
"""

from __future__ import annotations

import importlib.util
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from hooks.post_gen.cleaning import TOOL_FILE, TOOL_FOLDER, clean
from tests.conftest import Bake, Copy, Run
from tests.support.generating import (
    TEMPLATE_PROJECT,
    TOOL,
    contents,
    cookiecutter,
    copy_of_template,
    generated,
    tool,
)
from tests.support.hook import hook

IN_THE_TOOL = [
    "__pycache__/check.cpython-311.pyc",
    "model/__pycache__/jobs.cpython-39.pyc",
    "check.pyc",
    "_json.so",
    "json.pyd",
    ".DS_Store",
    "model.py~",
    "#check.py#",
    "rules/._subject.py",
    "rules/.subject.py.swp",
    "rules/subject copy.py",
    "rules/subject 2.py",
    "rules/subject.py.orig",
    ".mypy_cache/3.10/cache.json",
    ".idea/workspace.xml",
    "Makefile",
    "docs/\u0430bc.md",
    ".hidden.py",
]
ELSEWHERE = [
    ".DS_Store",
    ".github/.mypy_cache/3.10/cache.0.db",
    ".github/.ruff_cache/.gitignore",
    ".github/workflows/deploy.yml~",
    ".github/workflows/._deploy.yml",
    ".github/workflows/deploy copy.yml",
    "<<cookiecutter.__app>>/__pycache__/server.cpython-311.pyc",
    "<<cookiecutter.__infra>>/.terraform/modules/modules.json",
    "<<cookiecutter.__infra>>/repository/trust.tf.orig",
]


def put(folder: Path, names: list[str]) -> None:
    """Write files that do not belong there."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x\n")


def forge(source: Path, folder: Path) -> Path:
    """Write bytecode that Python runs instead of a module, whatever that says; return its path."""
    forged = folder / source.name
    forged.write_text("raise SystemExit('forged bytecode ran')\n")
    compiled = Path(importlib.util.cache_from_source(str(source)))
    compiled.parent.mkdir(exist_ok=True)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(forged), str(compiled), invalidation_mode=mode)
    return compiled


def test_forged_bytecode_does_not_run(copy: Copy, tmp_path: Path) -> None:
    project = copy()
    compiled = forge(project.path / TOOL / "check.py", tmp_path)
    command = (sys.executable, TOOL, "check")
    ran = subprocess.run(command, cwd=project.path, capture_output=True, text=True)
    assert "forged bytecode ran" in ran.stderr, "the test would notice"
    done = hook(project, tmp_path)
    assert (done.returncode, "forged" in done.stdout) == (0, False)
    assert not compiled.exists()


@pytest.mark.slow
def test_stray_files_of_a_working_copy_are_not_run_and_not_generated(
    bake: Bake, tmp_path: Path, run: Run
) -> None:
    template = copy_of_template(tmp_path)
    project = template / TEMPLATE_PROJECT.name
    for name in ("check.py", "__init__.py", "model/findings.py", "rules/subject.py"):
        forge(project / TOOL / name, tmp_path)
    put(project / TOOL, IN_THE_TOOL)
    put(project, ELSEWHERE)
    status, printed = cookiecutter(tmp_path, run, "-o", "out", template=template)
    assert (status, "forged" in printed) == (0, False), printed
    assert generated(tmp_path / "out/example-service") == generated(bake().path)
    folders = {path.name for path in (tmp_path / "out").rglob("*") if path.is_dir()}
    assert not folders & {"__pycache__", ".mypy_cache", ".ruff_cache", ".terraform", ".idea"}
    # Without the hook, which somebody may switch off, all of it is there: the test would notice.
    status, printed = cookiecutter(
        tmp_path, run, "-o", "raw", "--accept-hooks", "no", template=template
    )
    assert status == 0, printed
    raw = tmp_path / "raw/example-service"
    assert (raw / TOOL / "__pycache__").is_dir()
    assert (raw / ".DS_Store").is_file()


def test_an_existing_file_with_the_name_of_a_stray_file_stays(tmp_path: Path, run: Run) -> None:
    template = copy_of_template(tmp_path)
    put(template / TEMPLATE_PROJECT.name, [".DS_Store", ".github/workflows/deploy.yml~"])
    mine = tmp_path / "example-service/.DS_Store"
    mine.parent.mkdir()
    mine.write_text("mine\n")
    ended, printed = cookiecutter(tmp_path, run, "-f", "-s", template=template)
    assert ended == 0, printed
    assert mine.read_text() == "mine\n"
    assert not (tmp_path / "example-service/.github/workflows/deploy.yml~").exists()


@pytest.mark.parametrize("name", [f"{TOOL}/linked.py", f"{TOOL}/rules/more", ".github/linked.yml"])
@pytest.mark.parametrize("leads", ["somewhere", "nowhere"])
def test_a_link_in_the_template_is_refused_in_one_line(
    tmp_path: Path, run: Run, name: str, leads: str
) -> None:
    """Cookiecutter would copy what it leads to, or end in a traceback."""
    template = copy_of_template(tmp_path)
    target = tmp_path / ("template" if leads == "somewhere" else "missing")
    (template / TEMPLATE_PROJECT.name / name).symlink_to(target)
    status, printed = cookiecutter(tmp_path, run, "-o", "out", template=template)
    assert (status, printed.count("\n")) == (1, 1), printed
    assert f"template: '{name}' is a link, and its target would be copied" in printed
    assert not (tmp_path / "out").exists()


def test_the_patterns_match_every_file_of_the_tool_and_no_stray_file(tmp_path: Path) -> None:
    """The list of what stays is held against the tool: a file of a new kind fails here."""
    folder = TEMPLATE_PROJECT / TOOL
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    kept = [name for name in names if "__pycache__" not in name.parts]
    assert [name for name in kept if not TOOL_FILE.fullmatch(name.name)] == []
    assert {parent for name in kept for parent in name.parts[:-1]} == {
        parent for name in kept for parent in name.parts[:-1] if TOOL_FOLDER.fullmatch(parent)
    }
    put(tmp_path / TOOL, [*IN_THE_TOOL, "check.py", "VERSION", "docs/many-repositories.md"])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/mine.py").touch()
    (tmp_path / TOOL / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / TOOL / "linked.py").symlink_to(tmp_path / "elsewhere/mine.py")
    clean(tmp_path, TOOL, [])
    assert sorted(tool(tmp_path)) == [
        f"{TOOL}/{name}" for name in ("VERSION", "check.py", "docs/many-repositories.md")
    ]
    assert (tmp_path / "elsewhere/mine.py").exists(), "a link is removed, not what it leads to"


def test_a_generation_leaves_nothing_in_the_tool_of_the_template(tmp_path: Path, run: Run) -> None:
    template = copy_of_template(tmp_path)
    before = contents(template / TEMPLATE_PROJECT.name)
    assert cookiecutter(tmp_path, run, template=template)[0] == 0
    assert contents(template / TEMPLATE_PROJECT.name) == before
