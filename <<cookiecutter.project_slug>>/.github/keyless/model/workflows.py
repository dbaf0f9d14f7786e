"""Workflows and composite actions, as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from keyless.model.documents import Mapping, as_list, parse_yaml, read_file
from keyless.model.findings import CannotJudge
from keyless.paths import WORKFLOWS

CHECKOUT = "actions/checkout"
CREDENTIALS = "aws-actions/configure-aws-credentials"
LOGIN = "aws-actions/amazon-ecr-login"
DOCKER_LOGIN = "docker/login-action"
BUILD = "docker/build-push-action"
BUILDX = "docker/setup-buildx-action"
UPLOAD = "actions/upload-artifact"
DOWNLOAD = "actions/download-artifact"


class Matters(NamedTuple):
    """What a step has that is on the way from the event to the image: patterns."""

    actions: str
    scripts: str


MATTERS = Matters(
    rf"({CHECKOUT}|{CREDENTIALS}|{LOGIN}|{DOCKER_LOGIN}|{BUILD}|{UPLOAD}|{DOWNLOAD})@|aws-actions/"
    r"|[^@]*(bake|build|push|publish|deploy|kaniko)[^@]*@",
    r"\.github/keyless|\bdocker\s+log(in|out)\b|\bAWS_\w+=|\bpush\b|\bcopy\b|--publish\b|put-image"
    r"|/\.docker\b",
)


class Workflow(NamedTuple):
    """One workflow, or one composite action that a job of this repository uses."""

    path: str
    text: list[str]
    root: Mapping

    def parts(self) -> Iterator[tuple[Mapping, Mapping]]:
        """Yield what may use an action or run a script: each job and its steps, with the job."""
        jobs = self.root.of("jobs") or {"": self.root.of("runs")}
        for job in (job for job in jobs.values() if isinstance(job, Mapping)):
            for part in (job, *as_list(job.get("steps"))):
                if isinstance(part, Mapping) and part.path == self.path:
                    yield job, part


def name_of_step(step: Mapping) -> str:
    """Return what a step is called: its name, the action it uses, or the start of its script."""
    used = step.text("uses").partition("@")[0]
    first = (step.text("run").splitlines() or [""])[0]
    return step.text("name") or used or (first if len(first) <= 40 else f"{first[:37]}...")


def local_path(used: str) -> str:
    """Return the path of what `uses:` takes from this repository, empty for anything else.

    `$/` means the same as `./`, and needs no checkout [GitHub changelog, 2026-07-30].
    """
    return used[2:].rstrip("/") if used.startswith(("./", "$/")) else ""


def script_of(step: Mapping) -> str:
    """Return the script of a step, continued lines joined, without comments."""
    return _without_comments(step.text("run"))


@lru_cache(maxsize=4096)
def _without_comments(script: str) -> str:
    return re.sub(r"(?m)(^|\s)#.*$", "", script.replace("\\\n", " "))


def workflow_paths(root: Path) -> list[str]:
    """Return the paths of the workflows."""
    files = [path for path in (root / WORKFLOWS).glob("*.y*ml") if path.is_file()]
    names = (path.relative_to(root).as_posix() for path in files)
    return sorted(name for name in names if name.endswith((".yml", ".yaml")))


def read_workflow(root: Path, name: str, wanted: str = "jobs") -> Workflow:
    """Return a workflow or a composite action with the lines of its keys."""
    text = read_file(root, name)
    document = parse_yaml(name, text)
    if not isinstance(document, Mapping) or not document.of(wanted):
        raise CannotJudge(
            f"{name}: not a workflow, because it has no {wanted}; correct or remove it"
        )
    return Workflow(name, text.splitlines(), document)


def _files_of(root: Path, script: str) -> dict[str, str]:
    """Return the files of the repository whose lines a script writes to GITHUB_ENV."""
    names = re.findall(r"\bcat\s+\"?([\w./-]+)\"?\s*>>[^\n]*GITHUB_ENV", script)
    there = [name for name in names if (root / name).is_file() and ".." not in name]
    return {name: read_file(root, name) for name in there}


def inline_actions(root: Path, jobs: Mapping, actions: dict[str, Workflow], depth: int = 0) -> None:
    """Write the steps of the repository's composite actions behind the steps that use them."""
    for job in (job for job in jobs.values() if isinstance(job, Mapping) and depth < 10):
        steps = []
        for step in as_list(job.get("steps")):
            steps.append(step)
            if isinstance(step, Mapping):
                step.files = _files_of(root, script_of(step))
            used = step.text("uses") if isinstance(step, Mapping) else ""
            folder = local_path(used)
            names = [f"{folder}/action.{end}" for end in ("yml", "yaml")]
            for name in names if folder else []:
                if (root / name).is_file():
                    if name not in actions:
                        actions[name] = read_workflow(root, name, "runs")
                        inline_actions(root, actions[name].root, actions, depth + 1)
                    inner = as_list(actions[name].root.of("runs").get("steps"))
                    inputs = actions[name].root.of("inputs")
                    step.outputs = actions[name].root.of("outputs")
                    used_steps = (each for each in inner if isinstance(each, Mapping))
                    steps += [each.called_by(step, inputs) for each in used_steps]
        if steps:
            job["steps"] = steps
