"""The tools of this repository: how Terraform finds its provider, and what make installs."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.standins.emulator import ROOT, without

SCRIPT = ROOT / "tools/with-terraform"
SHOW = ("sh", "-c", 'echo "$TF_CLI_CONFIG_FILE"; cat "$TF_CLI_CONFIG_FILE"; exit 7')


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for PATH with what the script calls, a terraform and a find of the test's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "cp", "head", "mktemp", "rm", "mkdir", "env"):
        (folder / name).symlink_to(str(shutil.which(name)))
    write(folder / "terraform", "exit 0")
    write(folder / "find", "exit 0")
    return folder


def write(path: Path, line: str) -> None:
    """Write a shell script of one line."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def environment(programs: Path, **more: str) -> dict[str, str]:
    """Return an environment in which only the test's programs are found, and no configuration."""
    return {"PATH": str(programs), "HOME": str(programs), **more}


def test_a_configuration_that_works_is_kept(programs: Path, tmp_path: Path, run: Run) -> None:
    config = tmp_path / "mine.tfrc"
    config.write_text("# mine\n")
    write(programs / "find", "echo /somewhere/registry.terraform.io")
    given = environment(programs, TF_CLI_CONFIG_FILE=str(config))
    done = run(SCRIPT, *SHOW, cwd=tmp_path, env=given)
    assert (done.returncode, done.stdout) == (7, f"{config}\n# mine\n")
    assert config.exists()


@pytest.mark.parametrize("preset", [{}, {"TF_CLI_CONFIG_FILE": "/no/such/file"}], ids=len)
def test_otherwise_a_mirror_is_found_and_written_into_a_temporary_file(
    programs: Path, tmp_path: Path, run: Run, preset: dict[str, str]
) -> None:
    mirror = tmp_path / "mirror/registry.terraform.io"
    (mirror / "hashicorp").mkdir(parents=True)
    write(programs / "find", f"echo {mirror}")
    done = run(SCRIPT, *SHOW, cwd=tmp_path, env=environment(programs, **preset))
    name, *lines = done.stdout.splitlines()
    assert done.returncode == 7, done.stdout
    folder = Path(name).parent
    assert " ".join(lines).split() == [
        *("provider_installation", "{", "filesystem_mirror", "{"),
        *("path", "=", f'"{mirror.parent}"', "include", "=", '["registry.terraform.io/*/*"]', "}"),
        *("filesystem_mirror", "{"),
        *("path", "=", f'"{folder}"', "include", "=", '["registry.opentofu.org/*/*"]', "}", "}"),
    ]
    assert not folder.exists()


def test_without_a_mirror_providers_come_from_the_registry(
    programs: Path, tmp_path: Path, run: Run
) -> None:
    done = run(
        SCRIPT,
        *("sh", "-c", 'echo "${TF_CLI_CONFIG_FILE-unset}" && env'),
        cwd=tmp_path,
        env=environment(programs, TF_CLI_CONFIG_FILE="/no/such/file"),
    )
    assert done.stdout.splitlines()[0] == "unset"
    cache = tmp_path / ".venv/terraform-providers"
    assert cache.is_dir()
    assert f"TF_PLUGIN_CACHE_DIR={cache}\n" in done.stdout
    assert "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE=true\n" in done.stdout


def test_without_terraform_it_says_how_to_install_it(
    programs: Path, tmp_path: Path, run: Run
) -> None:
    (programs / "terraform").unlink()
    done = run(SCRIPT, "true", cwd=tmp_path, env=environment(programs))
    assert done.returncode == 1
    assert "https://developer.hashicorp.com/terraform/install" in done.stdout


def test_an_old_python_is_refused_with_what_to_type(tmp_path: Path, run: Run) -> None:
    python = tmp_path / "python3"
    write(python, "exit 1")
    done = run(
        *("make", "rehearse", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"),
        cwd=ROOT,
        env=without("MAKE"),
    )
    assert done.returncode != 0
    assert "older than 3.10, so nothing can be installed. Type: make PYTHON=" in done.stdout


def test_a_missing_tool_fails_the_test_with_the_line_that_installs_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match=r"zizmor is missing; install it: make \.venv"):
        run("zizmor", cwd=tmp_path)


def test_the_scripts_are_clean(run: Run) -> None:
    scripts = [SCRIPT, ROOT / "tools/lock.sh", ROOT / ".ci/run"]
    done = run("shellcheck", "--severity=style", *scripts, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "")


def test_pinned_versions_have_hashes_and_no_registry_address() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        pinned = [line for line in text.splitlines() if "==" in line]
        assert pinned
        assert all(line.endswith("\\") for line in pinned), path
        assert "://" not in text


IMPORTED = """
import sys, tests.bench, tests.rehearsal
from importlib.metadata import packages_distributions as distributions
known = distributions()
print(*sorted({name for module in {*sys.modules} for name in known.get(module, [])}))
"""


def test_everything_that_the_rehearsal_imports_is_installed(run: Run) -> None:
    """It is the first thing that is typed in a fresh clone: what only tests need is not there."""
    done = run(sys.executable, "-c", IMPORTED, cwd=ROOT)
    imported = {re.sub(r"[-_.]+", "-", name).lower() for name in done.stdout.split()}
    pinned = re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements/rehearse.txt").read_text())
    assert "pexpect" in imported
    # jsonschema imports them where something else has brought them, and does without.
    optional = {"jsonpointer", "rfc3339-validator"}
    assert imported - {*pinned, *optional, "pip", "setuptools"} == set(), done.stdout
