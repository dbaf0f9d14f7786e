"""How long an update and a change take, compared with copier for a project with the same files.

    make bench

Both tools take a project of ours from one version to the next, in turn, as whole processes. The
ratio of the medians is judged. The environment with cookiecutter exists before the first run.
copier is in an environment of its own (.venv/bench).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.standins.emulator import ROOT
from tests.support.versions import Versions, git, make_versions

RUNS = 5
ALLOWED = 1.5  # times as long as copier
COPIER = ROOT / ".venv/bench/bin/copier"
SETTINGS = """\
_subdirectory: template
_templates_suffix: ""
_envops:
  block_start_string: "[[%"
  block_end_string: "%]]"
  comment_start_string: "[[#"
  comment_end_string: "#]]"
  variable_start_string: "[[["
  variable_end_string: "]]]"
"""


def copier_template(folder: Path, versions: Versions) -> Path:
    """Make a template for copier whose two versions hold what ours render; return its folder."""
    template = folder / "copier"
    known = versions.environment()
    (template / "template").mkdir(parents=True)
    git(template, "init", "--quiet", **known)
    for version in ("0.1.0", "0.2.0"):
        subprocess.run(
            ["cp", "-R", f"{versions.rendered[version]}/.", str(template / "template")], check=True
        )
        (template / "copier.yml").write_text(SETTINGS)
        answers = template / "template/[[[ _copier_conf.answers_file ]]]"
        answers.write_text("[[[ _copier_answers|to_nice_yaml ]]]\n")
        git(template, "add", "--all", "--force", **known)
        git(template, "commit", "--quiet", "--message", version, **known)
        git(template, "tag", f"v{version}", **known)
    return template


def committed(project: Path, versions: Versions) -> Path:
    """Make a folder a repository with one commit; return it."""
    known = versions.environment()
    git(project, "init", "--quiet", **known)
    git(project, "add", "--all", "--force", **known)
    git(project, "commit", "--quiet", "--message", "First", **known)
    return project


def seconds(command: list[str], project: Path, versions: Versions) -> float:
    """Run a command in a project; return the wall-clock time."""
    start = time.perf_counter()
    subprocess.run(
        command, cwd=project, env=versions.environment(), check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def back(project: Path, versions: Versions) -> None:
    """Let a project be as it was before."""
    known = versions.environment()
    git(project, "reset", "--quiet", "--hard", **known)
    git(project, "clean", "--quiet", "--force", "-d", **known)
    git(project, "checkout", "--quiet", "main", **known)


def main() -> int:
    """Print the measured times; return 1 if one is above its limit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        versions = make_versions(folder / "versions")
        ours = folder / "ours/example-service"
        ours.parent.mkdir()
        subprocess.run(["cp", "-R", str(versions.rendered["0.1.0"]), str(ours)], check=True)
        committed(ours, versions)
        theirs = folder / "theirs"
        source = f"git+file://{copier_template(folder, versions)}"
        copy = ["copy", "--defaults", "--quiet", "--vcs-ref", "v0.1.0", source, str(theirs)]
        seconds([str(COPIER), *copy], folder, versions)
        committed(theirs, versions)
        tool = [sys.executable, "-B", ".github/keyless"]
        commands = {
            "copier update": (theirs, [str(COPIER), "update", "--defaults", "--quiet"]),
            "make update": (ours, [*tool, "update", "--yes", "--to", "v0.2.0"]),
            "make change": (ours, [*tool, "change", "platform=linux/arm64", "--yes"]),
        }
        times: dict[str, list[float]] = {each: [] for each in commands}
        for _ in range(RUNS + 1):  # the first one fills caches
            for each, (project, command) in commands.items():
                times[each].append(seconds(command, project, versions))
                back(project, versions)
    medians = {each: statistics.median(taken[1:]) for each, taken in times.items()}
    copier = medians["copier update"]
    for each, median in medians.items():
        print(f"{each:<15} {median:.2f} s, {median / copier:.2f} times copier")
    print(f"limit {ALLOWED} times copier ({RUNS} interleaved runs)")
    return int(max(medians.values()) > ALLOWED * copier)


if __name__ == "__main__":
    sys.exit(main())
