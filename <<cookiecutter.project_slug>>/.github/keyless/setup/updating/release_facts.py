"""What a release does, by the workflows of a project, as facts of `infra_facts.py`."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from keyless.model.account import Account
from keyless.model.documents import Mapping
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.images import pushes_of
from keyless.model.jobs import Job, permissions_of
from keyless.model.refs import Run
from keyless.model.repository import Repository, read_repository
from keyless.model.workflows import BUILD, name_of_step, script_of
from keyless.paths import ANSWERS, INFRA_JSON, SERVICE_JSON, TOOL
from keyless.setup.updating.infra_facts import Facts

# What Terraform makes is asked elsewhere, so nothing of infra/ need be read for this.
_UNASKED = Finding("infra", 1, UNJUDGED, "", "")
# How the scripts were called before the tool stood in a folder of its own, and how since then.
_FORMER = (
    (r"\bscripts/(publish|deploy)\.py(\"?)", rf"{TOOL}\2 \1"),
    (r"\bscripts/diagnose\.py(\"?)", rf"{TOOL}\1 diagnose"),
    (r"/\.github/actions/scripts@", f"/{TOOL}@"),
)
_EVENTS = {
    "release": "a GitHub release",
    "push": "a push",
    "workflow_dispatch": "a start by hand",
    "pull_request": "a pull request",
}
_WORDS = {
    r"\$\{\{ *github\.ref_name *\}\}": "its ref's name",
    r"\$\{\{ *github\.sha *\}\}": "the commit's SHA",
    r"\$\{\{ *github\.run_number *\}\}": "NUMBER",
}
_NAMED = {"name", "id", "uses", "run", "with"}
# What other facts say of a job.
_SAID = {"name", "uses", "with", "env", "environment", "permissions", "if", "outputs", "steps"}


class Step(NamedTuple):
    """A step of a job that publishes or builds, or (it does nothing) the job itself."""

    job: str
    name: str  # in words
    does: str  # the action without its version, or the script: this makes it the same step
    version: str
    settings: dict[str, str]  # its other keys, and its inputs


class Release(NamedTuple):
    """What the jobs of an entry do."""

    facts: Facts
    steps: list[Step]


def read_releases(root: Path, account: Account) -> dict[str, Release]:
    """Return what a release does, by the key of the entry.

    Raises:
        CannotJudge: a workflow, or something that it uses, cannot be read.
        ModuleNotFoundError: PyYAML is missing.
    """
    with _in_this_layout(root) as folder:
        repository = read_repository(folder, account, unplanned=[_UNASKED])
        return {
            key: _release(repository, jobs) for key, jobs in repository.publishing.items() if jobs
        }


@contextmanager
def _in_this_layout(root: Path) -> Iterator[Path]:
    """Yield a project whose workflows call the tool as it is called now, else a copy that does."""
    if (root / TOOL).is_dir() or not (root / "scripts/publish.py").is_file():
        yield root
        return
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        shutil.copytree(root / ".github", copy / ".github")
        for path in (ANSWERS, INFRA_JSON, SERVICE_JSON):
            if (root / path).is_file():
                shutil.copyfile(root / path, copy / path)
        for file in (copy / ".github").rglob("*.y*ml"):
            text = file.read_bytes().decode("utf-8", errors="surrogateescape")
            for former, since in _FORMER:
                text = re.sub(former, since, text)
            file.write_bytes(text.encode("utf-8", errors="surrogateescape"))
        yield copy


def _release(repository: Repository, jobs: list[Job]) -> Release:
    builds = [
        build
        for each in repository.handovers
        if any(each.job is job for job in jobs)
        for build in each.builds
    ]
    building = [build.job for build in builds] or jobs
    pushes = [pushes_of(job) for job in jobs]
    tags = [named.tag for each in pushes for named in (*each.pushed, *each.tagged)]
    tags += ["one that only the run knows"] * any(each.unseen for each in pushes)
    platforms = [platform for job in building for platform in _platforms(job)]
    separate = " and ".join(build.outer.name for build in builds)
    facts: Facts = {
        "What starts a release:": sorted({_event(run) for job in jobs for run in job.starts}),
        "Which environment a release uses:": _joined(job.environment or "none" for job in jobs),
        "Which workflow a release calls:": _joined(job.root.text("uses") for job in jobs),
        "Which tags an image gets:": sorted({*map(_in_words, tags)}),
        "Which platforms a release builds for:": _joined(platforms),
        "What builds the image:": f"the jobs {separate}" if separate else "the job that pushes it",
        "Which GitHub permissions the publishing job has:": sorted(
            {each for job in jobs for each in _permissions(job)}
        ),
    }
    steps = [each for job in _once([*jobs, *building]) for each in _steps(job)]
    return Release(facts, steps)


def _once(jobs: list[Job]) -> list[Job]:
    """Return each job once, whatever its matrix and its callers."""
    return list({(job.source.path, job.name): job for job in jobs}.values())


def _joined(texts: Iterator[str] | list[str]) -> str:
    return " and ".join(dict.fromkeys(filter(None, texts))) or "none"


def _event(run: Run) -> str:
    ref = run.ref.replace("refs/tags/", "a tag ").replace("refs/heads/", "branch ")
    types = f" ({', '.join(run.types)})" if run.types else ""
    return f"{_EVENTS.get(run.event, run.event)}{types} of {ref}"


def _in_words(tag: str) -> str:
    for pattern, word in _WORDS.items():
        tag = re.sub(pattern, word, tag)
    return tag


def _platforms(job: Job) -> list[str]:
    given = [job.input(step, "platforms") or "the runner's own" for step in job.using(BUILD)]
    return [platform.strip() for each in given for platform in re.split(r"[,\n]", each)]


def _permissions(job: Job) -> list[str]:
    given = permissions_of(job)
    if isinstance(given, Mapping):
        return [f"{scope}: {given.text(scope)}" for scope in given]
    return [str(given or "what the repository's settings say")]


def _steps(job: Job) -> Iterator[Step]:
    """Yield the job, and then its steps."""
    settings = {key: _text(job.root[key]) for key in job.root if key not in _SAID}
    yield Step(job.name, f"job '{job.name}'", "", "", settings)
    for step in job.steps:
        action, _, version = step.text("uses").partition("@")
        inputs = step.of("with")
        settings = {key: _text(step[key]) for key in step if key not in _NAMED}
        settings |= {f"input {key}": _text(inputs[key]) for key in inputs}
        name = f"step '{name_of_step(step)}'"
        yield Step(job.name, name, action or script_of(step), version, settings)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
