"""Answers of a project changed in this process: fast, as renders are kept, and nothing is planned.

What a plan says is in tests/setup/test_planned_update.py; tests/updating also types all of it.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from keyless.setup.updating import course, report
from keyless.setup.updating.rendering import Render
from keyless.setup.updating.template import Template

from tests.support.combinations import Answers, questions
from tests.support.generating import contents
from tests.support.published import Published
from tests.support.versions import ADDRESS

Files = dict[str, tuple[bytes, int]]
DEPLOY, README, TFVARS = ".github/workflows/deploy.yml", "README.md", "infra/terraform.tfvars.json"
PREFIX = "repo:octo-org@1/example-service@2"
STEP = """\
      - name: A step of the team
        run: echo "This is ours"

"""
ENTRY = """\
    "other": {
      "github_repository": "octo-org/other",
      "subject_prefix": "repo:octo-org@1/other@3",
      "refs": ["refs/heads/ours"],
      "environment": null,
      "ecr_repository": "other",
      "role_name": "other-push"
    },
"""
NAME = "      - name: "
ENTRIES = '  "repositories": {\n'
# What a team writes: the file, a text (its last place there), and what stands there instead.
EDITS = [
    (DEPLOY, f"{NAME}Assume the role\n", f"{STEP}{NAME}Assume the role\n"),
    (DEPLOY, f"{NAME}Say what to do instead\n", f"{STEP}{NAME}Say what to do instead\n"),
    (DEPLOY, "permissions: {}\n\nc", "# A line of the team\npermissions: {}\n\nc"),
    (README, "## Set up, once\n", "The team has written this.\n\n## Set up, once\n"),
    (TFVARS, ENTRIES, f'  "tags": {{ "team": "ours" }},\n{ENTRIES}{ENTRY}'),
    (TFVARS, '"subject_prefix": null', f'"subject_prefix": "{PREFIX}"'),
]
EDITED = {path for path, _, _ in EDITS}


def defaults() -> Answers:
    """Return the answers that nobody has to give."""
    name = "example-service"
    known = {"project_slug": name, "ecr_repository": name}
    asked = {
        key: given if isinstance(given, str) else given[0] for key, given in questions().items()
    }
    return asked | known


def edit(root: Path) -> None:
    """Let a team write into a project, where it has the files."""
    for path, before, after in EDITS:
        if (root / path).is_file():
            text = (root / path).read_text()
            head, found, tail = text.rpartition(before)
            assert found, f"{before!r} is not in {path}"
            (root / path).write_text(head + after + tail)


class Changer(NamedTuple):
    """A template, and what it renders with each set of answers."""

    published: Published
    folder: Path
    rendered: dict[tuple[str, ...], Path]

    def fresh(self, answers: Answers) -> Path:
        """Return a fresh generation, which nobody may edit; it is made once."""
        key = tuple(answers.values())
        if key not in self.rendered:
            given = [f"{question}={answer}" for question, answer in answers.items()]
            out = self.folder / f"fresh-{len(self.rendered)}"
            self.rendered[key] = self.published.generate(out, *given)
        return self.rendered[key]

    def project(self, answers: Answers, *, edited: bool = False) -> Path:
        """Return a repository with these answers, and maybe with a team's edits.

        It is made once, and is on its first branch again, whatever was done in it.
        """
        key = (*answers.values(), "edited" * edited)
        if key in self.rendered:
            path = self.rendered[key]
            self.published.git(path, "checkout", "--quiet", "--force", "main")
            return path
        path = self.rendered[key] = self.folder / f"project-{len(self.rendered)}"
        shutil.copytree(self.fresh(answers), path)
        if edited:
            edit(path)
        self.published.commit_all(path, "What was generated")
        return path

    def expected(self, answers: Answers, edited: frozenset[str] = frozenset()) -> Files:
        """Return a fresh generation, and what a team's edits make of some of its files."""
        fresh = self.fresh(answers)
        copy = self.folder / "copy"
        for path in edited:
            if (fresh / path).is_file():
                (copy / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(fresh / path, copy / path)
        found = contents(fresh)
        if edited:
            edit(copy)
            found |= contents(copy)
            shutil.rmtree(copy)
        return found

    def change(self, project: Path, **answers: str) -> tuple[int, str]:
        """Change answers; return the exit status and what was printed.

        Raises:
            Problem: they cannot be changed.
        """
        work = self.folder / f"work-{next(_NUMBERS)}"
        work.mkdir()
        given = {
            "root": str(project),
            "template": str(self.folder / "template"),
            "source": ADDRESS,
            "current": self.published.commit,
            "target": self.published.commit,
            "answers": answers,
            "change": True,
            "yes": True,
            "command": "make change",
            "command_with_yes": "make change ARGS=--yes",
            "folder": str(work),
        }
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = course.Course(given).run()
        shutil.rmtree(work)
        return status, printed.getvalue()


_NUMBERS = itertools.count()


def found(project: Path) -> Files:
    """Return the files of a repository, without what Git keeps for itself."""
    return {name: what for name, what in contents(project).items() if not name.startswith(".git/")}


@contextlib.contextmanager
def changer(made: Published, folder: Path) -> Iterator[Changer]:
    """Let changes in this process use renders that are kept, and judge nothing."""
    self = Changer(made, folder, {})
    made.git(folder, "clone", "--quiet", "--no-checkout", ADDRESS, "template")
    checked_out = made.git(folder, "clone", "--quiet", ADDRESS, "checked-out") or "checked-out"

    class Kept(Render):
        """A render that is made once; what the template may refuse is rendered as always."""

        def __init__(self, python: str, template: Path, answers: Answers, *further: Any) -> None:
            self.kept = self_.rendered.get(tuple(answers.values()))
            if not self.kept:
                super().__init__(python, template, answers, *further)

        def __exit__(self, *raised: object) -> None:
            if not self.kept:
                super().__exit__(*raised)

        def project(self) -> Path:
            return self.kept or super().project()

    self_ = self

    def judge(self: course.Course, merged: Any) -> tuple[report.Meaning, list[str]]:
        del merged
        self.green = True
        return report.Meaning([], [], ""), []

    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment().items():
            patch.setenv(name, value)
        patch.setattr(course, "Render", Kept)
        patch.setattr(course.Course, "_judge", judge)
        patch.setattr(Template, "check_out", lambda *_: folder / checked_out)
        yield self
