"""A project on GitHub with its role and registry in AWS; act runs its deploy.yml."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.standins import github, runner
from tests.standins.account import published, set_up_account
from tests.standins.emulator import Emulator
from tests.support.project import Project

REPOSITORY = github.Repository("octo-org/example-service")
DEPLOY = ".github/workflows/deploy.yml"
TFVARS = "infra/terraform.tfvars.json"


def workflow(folder: Path, steps: str, *, on: str = "push", permissions: str = "{}") -> Path:
    """Make a repository with a workflow of one job; return its folder."""
    path = folder / "project/.github/workflows/deploy.yml"
    path.parent.mkdir(parents=True)
    path.write_text(
        f"name: deploy\non: {on}\njobs:\n  only:\n    runs-on: ubuntu-24.04\n"
        f"    permissions: {permissions}\n    steps:{steps}"
    )
    runner.commit(folder / "project")
    return folder / "project"


class Release:
    """A project on GitHub with its role and registry in AWS, and its releases."""

    def __init__(self, project: Project, emulator: Emulator, **account: Any) -> None:
        self.project, self.aws = project, emulator
        project.know_subject(REPOSITORY.subject_prefix)
        branch = project.answers["deploy_on"] == "branch"
        trusted = f"{REPOSITORY.subject_prefix}:ref:refs/{'heads/main' if branch else 'tags/v*'}"
        set_up_account(emulator, project, **{"subjects": [trusted], **account})
        self.ran: list[runner.Run] = []

    def edit(self, name: str, before: str, after: str) -> None:
        """Change a file of the project."""
        path = self.project.path / name
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))

    def let_another_run_win(self, step: str) -> None:
        """Let another run push an image of the commit, under its tag, just before a step."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "annotations": {"org.opencontainers.image.revision": "COMMIT"},
        }
        (self.project.path / "other.json").write_text(json.dumps(manifest))
        faster = """      - name: Another run is faster
        run: >-
          aws ecr put-image --repository-name "$ECR_REPOSITORY" --image-tag "$SECOND_TAG"
          --image-manifest "$(sed "s/COMMIT/$GITHUB_SHA/" other.json)"

"""
        between = f"      - name: {step}\n"
        self.edit(DEPLOY, between, faster + between)

    def commit(self, *tags: str) -> str:
        """Commit what was changed, with tags on the commit; return its SHA."""
        sha = runner.commit(self.project.path)
        for name in tags:
            runner.git(self.project.path, "tag", "--force", name)
        return sha

    def publish(
        self,
        ref: str = "v0.1.0",
        event: str = "release",
        failing: tuple[tuple[str, int, int], ...] = (),
        **more: Any,
    ) -> runner.Run:
        """Run deploy.yml for a tag, or for the branch main.

        Each of `failing` is a call, the status that it gets, and how often.
        """
        full = "refs/heads/main" if ref == "main" else f"refs/tags/{ref}"
        given = {"event": event, "ref": full, "repository": REPOSITORY, **more}
        self.aws.clear()
        for call, status, times in failing:
            self.aws.fail(call, status, times)
        return runner.run(self.project.path, self.aws, **given)

    @property
    def tags(self) -> dict[str, str]:
        """The digest behind each tag."""
        return published(self.aws, self.project.answers["ecr_repository"])

    def built(self) -> int:
        """Return how many manifests the registry was given since the last run began."""
        return sum(bool(re.match(r"/v2/\S+/manifests/\S+ PUT", call)) for call in self.aws.calls())


def errors(run: runner.Run) -> list[str]:
    """Return the annotations that a person sees above the log."""
    return re.findall(r"^::error title=(.*)", run.log, re.MULTILINE)
