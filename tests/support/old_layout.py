"""Repositories as they were generated until November 2026, when the tool stood in scripts/."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.standins.emulator import ROOT
from tests.standins.hub import Hub
from tests.support.desk import Ended
from tests.support.edits import change
from tests.support.published import Published
from tests.support.shared import once, shared_folder

OLD = "3cea2b8"
OWN = "octo-org/example-service"
TFVARS = "infra/terraform.tfvars.json"
ENTRIES = '  "repositories": {\n'
PREFIX = "repo:octo-org@1/example-service@2"
STEP = """\
      - name: A step of the team
        run: echo "This is ours"

"""
DOCKERFILE = 'FROM scratch\nCOPY app /app\nUSER 1000\nCMD ["/app"]\n'
README = "# Our service\n\nNothing of the text that was generated.\n"
# What is in a repository before it is added to.
BEFORE = {
    "README.md": "# Ours\n",
    "Dockerfile": 'FROM scratch\nCOPY src /src\nUSER 1000\nCMD ["/src/run"]\n',
    ".gitignore": "build/\n",
    ".github/workflows/ci.yml": "name: ci\non: pull_request\npermissions: {}\njobs:\n  test:\n"
    "    runs-on: ubuntu-24.04\n    steps:\n      - run: python scripts/check.py # ours\n",
    "src/run": "#!/bin/sh\n",
}


class Shallow(Exception):
    """A clone lacks the commit of the old layout; the text says what to type."""


def require_commit(repository: Path, commit: str = OLD) -> None:
    """Go on if a clone has a commit.

    Raises:
        Shallow: it was cloned with --depth.
    """
    asked = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    if subprocess.run(asked, cwd=repository, capture_output=True).returncode:
        raise Shallow(
            f"{repository} lacks commit {commit}, the last one of the old layout, so no repository"
            " can be generated from it. Fetch the whole history: git fetch --unshallow"
        )


def old_template(made: Published, factory: pytest.TempPathFactory) -> Path:
    """Return the template with the old layout, checked out once for all workers."""
    require_commit(ROOT)
    folder = shared_folder(factory) / "old-template"

    def make() -> str:
        return made.git(made.folder, "worktree", "add", "--quiet", "--detach", str(folder), OLD)

    once(factory, "old-template.txt", make)
    return folder


class Team(NamedTuple):
    """Somebody with repositories of the old layout."""

    published: Published
    old: Path  # the old template

    def generate(
        self, out: Path, answers: dict[str, str], *, old: bool, there: Iterable[str] = ()
    ) -> Path:
        """Generate a repository with this layout or the old one; or add that to files of BEFORE."""
        given = [f"{key}={value}" for key, value in answers.items()]
        if there:
            folder = out / "example-service"
            for name in there:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(BEFORE[name])
            if old:
                self.published.commit_all(folder, "What was there before")
            given = ["--overwrite-if-exists", "--skip-if-file-exists", *given]
        template = self.old if old else self.published.folder
        return self.published.generate(out, *given, template=template)

    def add_services(self, project: Path, hub: Hub) -> None:
        """Add two services with the old tool itself; one of them calls the central workflow."""
        for number, name in enumerate(("example-service", "web", "api"), 2):
            hub.create(f"octo-org/{name}", repository_id=number, owner_id=1)
        made = self.published._replace(further=hub.environment())
        for name, *options in (["web"], ["api", "--calls", "refs/tags/publish-v1"]):
            add = ("scripts/entries.py", "add", f"octo-org/{name}", *options)
            made.must(project, sys.executable, *add)

    def update(self, project: Path, *options: str, **further: str) -> Ended:
        """Type the documented command in a copy of the template, where nobody is asked."""
        made = self.published._replace(further=further)
        typed = ("update", f"PROJECT={project}", f"ARGS={' '.join(options)}")
        return made.run(made.folder, "make", "--silent", *typed)


def edit(root: Path) -> None:
    """Let a team write into what stays: the same in a repository of either layout."""
    deploy, tfvars = root / ".github/workflows/deploy.yml", root / TFVARS
    head, name, tail = deploy.read_text().rpartition("      - name: Assume the role\n")
    deploy.write_text(head + STEP + name + tail)
    if tfvars.is_file():
        change(tfvars, ENTRIES, f'  "tags": {{ "team": "ours" }},\n{ENTRIES}')
        change(tfvars, ': null,\n      "refs"', f': "{PREFIX}",\n      "refs"')
    (root / "Dockerfile").write_text(DOCKERFILE)
    (root / "README.md").write_text(README)
    (root / ".editorconfig").unlink()
    (root / "scripts").mkdir(exist_ok=True)
    (root / "scripts/ours.sh").write_text("#!/bin/sh\n")


def edit_tool(root: Path) -> None:
    """Let a team write into the old tool, which nobody should."""
    change(root / "scripts/check.py", "", "# ours\n")
