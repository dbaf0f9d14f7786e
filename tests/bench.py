"""How long a generation takes, beside a template of one file without hooks.

    make bench

Both are run in turn as whole processes, actionlint and Terraform not on PATH; what counts is the
ratio of the medians.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.emulator import ROOT, without

RUNS = 15
ALLOWED = 1.6  # the best known template with hooks takes 1.62


def one_file_template(folder: Path) -> Path:
    """Write the smallest template there is; return its folder."""
    project = folder / "bare" / "{{cookiecutter.name}}"
    project.mkdir(parents=True)
    (project / "README.md").write_text("{{cookiecutter.name}}\n")
    (folder / "bare" / "cookiecutter.json").write_text('{"name": "bare"}\n')
    return folder / "bare"


def seconds(template: Path, folder: Path) -> float:
    """Generate a project from a template in a new folder; return the wall-clock time."""
    output = tempfile.mkdtemp(dir=folder)
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "cookiecutter", str(template), "--no-input", "-o", output],
        check=True,
        cwd=folder,
        env={**without("PYTHON"), "HOME": str(folder), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def main() -> int:
    """Print both medians and their ratio; return 1 where it is above what is allowed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = one_file_template(folder)
        pairs = [(seconds(bare, folder), seconds(ROOT, folder)) for _ in range(RUNS + 1)][1:]
    one_file, this = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"one file, no hooks  {one_file:.3f} s")
    print(f"this template       {this:.3f} s")
    print(f"ratio of medians    {this / one_file:.2f}, at most {ALLOWED} ({RUNS} interleaved runs)")
    return int(this / one_file > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
