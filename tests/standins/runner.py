"""Run a GitHub workflow on this machine: with act as the runner, and stand-ins for AWS and GitHub.

The actions that a workflow uses are replaced by the stand-ins in tests/standins/actions. act 0.2.89
differs from GitHub in these points:

- `concurrency:` does not delay a run;
- `permissions:` have no effect, and all jobs get one environment. It has the URL of the tokens if
  any job has id-token: write. The stand-ins refuse a job without that permission, but its own
  commands would find the URL;
- a reusable workflow is refused here;
- HOME is the same for all jobs of a run, and the programs are those of this machine;
- it prints what a step writes to GITHUB_ENV and GITHUB_OUTPUT: those lines are left out of the log,
  because GitHub does not show them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.standins import github
from tests.standins.emulator import ROOT, Emulator
from tests.standins.events import Event, starts
from tests.support.project import Failed

ACTIONS = ROOT / "tests/standins/actions"
INSTALL = "act is missing; install it: make test"
LIMIT = 600  # seconds that a run may take: it takes 5, and more where the machine is busy
TIMER = threading.Timer  # which ends a run that takes too long
# act may lose what a step prints just before it ends (1 in 20, tried): the shell ends a bit later.
PATIENT = f'{shutil.which("bash")} "$@"; status=$?; sleep 0.03; exit $status'
DOCKER = (  # of the tests: standins/docker.py
    'PYTHONPATH="$STAND_IN_PYTHONPATH"'
    ' exec "$STAND_IN_PYTHON" "$STAND_IN_PYTHONPATH/tests/standins/docker.py" "$@"'
)
NOT_SHOWN = {"set-env", "set-output", "summary"}  # commands that act prints and GitHub does not
LEAKS = {
    "a JSON web token": r"eyJ[\w-]{8,}",
    "an Authorization header": r"(?i)\bauthorization: *(basic|bearer|aws4)",
    "an access key id": r"\bASIA[A-Z0-9]{8,}",
}


class Step(NamedTuple):
    """What became of one step: its outcome, and seconds on a clock that all steps share."""

    outcome: str  # success, failure or skipped
    start: float = 0.0
    end: float = 0.0


class Run(NamedTuple):
    """What a run left behind."""

    status: int
    log: str
    summary: str
    seconds: float
    jobs: dict[str, str]  # outcome by the job's id
    steps: dict[tuple[str, str], Step]  # by the job's id and the step's name, also those not run
    secrets: tuple[str, ...]  # what must not be seen
    tokens: int  # how many were asked for

    def outcome(self, step: str) -> str:
        """Return the outcome of the step with this name.

        Raises:
            KeyError: no job has one step of this name.
        """
        found = [known.outcome for (_, name), known in self.steps.items() if name == step]
        if len(found) != 1:
            raise KeyError(step)
        return found[0]


def git(project: Path, *arguments: str) -> str:
    """Run Git in a project, with no configuration but its own; return what it prints.

    Raises:
        Failed: it does not end with 0.
    """
    known = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    person = ("-c", "user.name=Octo Cat", "-c", "user.email=octocat@example.com")
    done = subprocess.run(
        ["git", *person, *arguments],
        cwd=project,
        env=clean | known,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    if done.returncode:
        raise Failed(f"git {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def commit(project: Path, message: str = "a commit") -> str:
    """Commit everything on main; make the repository if there is none. Return the commit's SHA."""
    if not (project / ".git").exists():
        git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(project, "rev-parse", "HEAD").strip()


def file_of(project: Path, sha: str, path: str) -> str | None:
    """Return a file of a commit, None where there is none."""
    try:
        return git(project, "show", f"{sha}:{path}")
    except Failed:
        return None


def tag(project: Path, name: str) -> None:
    """Put a tag on the newest commit."""
    git(project, "tag", name)


def jobs_of(workflow: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the jobs of a workflow by their ids."""
    return dict(workflow["jobs"])


def steps_of(workflow: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return each step with the id of its job."""
    for name, job in jobs_of(workflow).items():
        for step in job.get("steps", []):
            yield name, step


def stand_ins(workflow: Mapping[str, Any], read: Callable[[str], str | None]) -> dict[str, Path]:
    """Return the folder that stands in for each action of a workflow, by `OWNER/ACTION@SHA`.

    Args:
        workflow: as it was read.
        read: returns a file of the commit, None where there is none.

    Raises:
        Failed: an action has no stand-in, or is given other inputs than it declares.
    """
    for name, job in jobs_of(workflow).items():
        if "uses" in job:
            raise Failed(f"job {name} calls {job['uses']}: a workflow of its own cannot be run")
    return actions_of((step for _, step in steps_of(workflow)), read)


def actions_of(
    steps: Iterable[Mapping[str, Any]], read: Callable[[str], str | None]
) -> dict[str, Path]:
    """Return the same for steps, and for those of the repository's own actions (`uses: ./...`).

    act runs an action of the repository from the workspace; where it is missing, that step fails.
    """
    found: dict[str, Path] = {}
    for step in steps:
        used = step.get("uses") or ""
        if used.startswith("./"):
            found |= actions_of(steps_of_action(used, read), read)
        elif used:
            found[used] = stand_in(used)
            check_inputs(used, found[used], step.get("with") or {})
    return found


def steps_of_action(used: str, read: Callable[[str], str | None]) -> list[dict[str, Any]]:
    """Return the steps of an action of the repository itself; none where it is not there.

    Raises:
        Failed: it is not a composite action.
    """
    text = read(f"{used[2:].rstrip('/')}/action.yml")
    runs = yaml.safe_load(text)["runs"] if text else {"using": "composite", "steps": []}
    if runs["using"] != "composite":
        raise Failed(f"{used} has no stand-in: it is not a composite action")
    return list(runs["steps"])


class Called(NamedTuple):
    """A workflow of another repository that a job calls: path, content, and where it stands."""

    path: str
    content: dict[str, Any]
    repository: dict[str, Path]  # as act takes it: OWNER/NAME@REF and the folder

    @classmethod
    def of(cls, caller: Mapping[str, Any], central: Path) -> Called:
        """Return what the one job of a caller calls; its environment is that of the called job."""
        (job,) = jobs_of(caller).values()
        path, _, ref = job["uses"].partition("@")
        owner, name, file = path.split("/", 2)
        content = yaml.safe_load((central / file).read_text())
        for each in jobs_of(content).values():
            if "environment" in each:
                each["environment"] = job["with"].get("environment") or None
            own = f"{owner}/{name}/"
            each["steps"] = [
                {**step, "uses": ""} if step.get("uses", "").startswith(own) else step
                for step in each["steps"]
            ]
        return cls(path, content, {f"{owner}/{name}@{ref}": central})


def stand_in(action: str) -> Path:
    """Return the folder that stands in for an action; its owner stands in its first line.

    Raises:
        Failed: there is none.
    """
    name = action.partition("@")[0]
    folder = ACTIONS / name.rpartition("/")[2]
    declared = folder / "action.yml"
    if declared.is_file() and declared.read_text().startswith(f"# Stands in for {name} v"):
        return folder
    raise Failed(f"{action} has no stand-in: add {folder.relative_to(ROOT)}/action.yml")


def check_inputs(action: str, folder: Path, given: Mapping[str, Any]) -> None:
    """Compare the inputs that a step gives with those that an action declares.

    Raises:
        Failed: one is not declared, or one that is required is missing. GitHub warns of the first
            and goes on, so a misspelt input would go unseen.
    """
    declared = yaml.safe_load((folder / "action.yml").read_text())["inputs"]
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise Failed(f"{action} has no input {', '.join(unknown)}")
    required = {name for name, about in declared.items() if about.get("required")}
    missing = sorted(required - set(given))
    if missing:
        raise Failed(f"{action} needs the input {', '.join(missing)}")


def token_jobs(workflow: Mapping[str, Any]) -> list[str]:
    """Return the ids of the jobs that may ask for a token: those with id-token: write."""
    everywhere = workflow.get("permissions")
    return [
        name
        for name, job in jobs_of(workflow).items()
        if may_ask(job.get("permissions", everywhere))
    ]


def may_ask(permissions: Any) -> bool:
    """Tell whether permissions hold id-token: write."""
    if isinstance(permissions, dict):
        return bool(permissions.get("id-token") == "write")
    return bool(permissions == "write-all")


def environment_of(workflow: Mapping[str, Any]) -> str | None:
    """Return the environment of the jobs that ask for a token, None without one.

    Raises:
        Failed: it can be known while the workflow runs only.
    """
    found = set()
    for name in token_jobs(workflow):
        given = jobs_of(workflow)[name].get("environment")
        found.add(given.get("name") if isinstance(given, dict) else given)
    if len(found) > 1 or "${{" in str(found):
        raise Failed(f"say with environment= which of these the tokens show: {found}")
    return found.pop() if found else None


def run(
    project: Path,
    emulator: Emulator,
    *,
    event: str,
    ref: str,
    repository: github.Repository,
    sha: str | None = None,
    workflow: str = ".github/workflows/deploy.yml",
    inputs: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    environment: str | None = None,
    run_number: int = 1,
    run_attempt: int = 1,
    run_id: int | None = None,
    lifetime: int = 300,
    tokens: bool = True,
    leaks_fail: bool = True,
    central: Path | None = None,
    called_ref: str = "",
) -> Run:
    """Run a workflow of a project's Git repository for one event; return what it left behind.

    Nothing of the project's folder is read but its repository, and nothing is written there.

    Args:
        project: the Git repository; workflow and files are those of the commit.
        emulator: the AWS that the job finds. It has no credentials for it but those it asks for.
        event: push, release or workflow_dispatch.
        ref: the whole ref: refs/tags/v1, refs/heads/main.
        repository: who the token says it is.
        sha: the commit; what the ref points to, if left out.
        workflow: the path of the workflow.
        inputs: the inputs of a workflow_dispatch.
        variables: the repository's variables (`vars.NAME`).
        environment: what the tokens show; the jobs' own environment, if left out.
        run_number: the number of the run of this workflow.
        run_attempt: 2 for the first re-run.
        run_id: any number, if left out; a re-run keeps the one it has.
        lifetime: seconds that a token is valid; negative: it has expired.
        tokens: whether GitHub gives tokens to the jobs that may ask.
        leaks_fail: whether a secret that is seen ends in an exception.
        central: the repository whose workflow the publishing job calls.
        called_ref: the whole ref that this is called at: refs/tags/v1.

    Raises:
        Failed: act is missing or needs more than ten minutes, GitHub would not start the workflow,
            an action cannot be played, or a secret is seen.
    """
    if not shutil.which("act"):
        raise Failed(INSTALL)
    commit_id = git(project, "rev-parse", f"{sha or ref}^{{commit}}").strip()
    text = git(project, "show", f"{commit_id}:{workflow}")
    content = yaml.safe_load(text)
    what = Event(event, ref, commit_id, inputs or {})
    if not starts(content, what):
        raise Failed(f"GitHub does not start {workflow} for {event} on {ref}")
    called, claim = None, None
    if central:
        called = Called.of(content, central)
        content, claim = called.content, f"{called.path}@{called_ref}"
    actions = stand_ins(content, lambda path: file_of(project, commit_id, path))
    actions |= called.repository if called else {}
    subject = environment if environment is not None else environment_of(content)

    def sign(audience: str) -> str:
        return github.token(repository, event, ref, commit_id, audience, subject, lifetime, claim)

    number = str(run_id if run_id is not None else uuid.uuid4().int >> 90)
    facts = what.facts(repository) | {
        "GITHUB_RUN_ID": number,
        "GITHUB_RUN_NUMBER": str(run_number),
        "GITHUB_RUN_ATTEMPT": str(run_attempt),
    }
    with tempfile.TemporaryDirectory(prefix="run-") as name, github.TokenServer() as server:
        folder = Folder.make(Path(name), text, workflow, what.payload(repository))
        known = minimal(emulator.environment()) | folder.environment(project)
        jobs = token_jobs(content) if tokens else []
        asking = server.run(number, repository.full_name.split("/")[0], sign) if jobs else {}
        known |= asking | {"STAND_IN_TOKEN_JOBS": ",".join(jobs)}
        printed = execute(folder.command(event, actions, facts, variables or {}), name, known)
        bearer = asking.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
        seen = dict.fromkeys([bearer, *server.issued, *folder.secrets.read_text().split()])
        done = record(printed, content, tuple(seen), len(server.issued))
    if leaks_fail and leaks(done):
        raise Failed(f"the log or the summary shows {', '.join(leaks(done))}")
    return done


def minimal(known: Mapping[str, str]) -> dict[str, str]:
    """Return what a job may see of an environment: where programs are, and where AWS is."""
    root = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}  # the emulator's root user
    root |= {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"}  # a job has a HOME of its own
    wanted = {name for name in known if name.startswith("AWS_")} - root | {"PATH"}
    return {name: known[name] for name in wanted}


class Folder(NamedTuple):
    """The files of one run; nothing is shared with another, so several can run at once."""

    path: Path
    workflow: Path
    event: Path
    secrets: Path

    @classmethod
    def make(cls, path: Path, text: str, workflow: str, payload: Mapping[str, Any]) -> Folder:
        """Write workflow and payload into a temporary folder."""
        made = cls(path, path / "workflow" / Path(workflow).name, path / "event.json", path / "s")
        for name in ("workflow", "home", "start", "tmp", "bin"):
            (path / name).mkdir()
        for name, script in {"bash": PATIENT, "docker": DOCKER}.items():
            (path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
            (path / "bin" / name).chmod(0o755)
        made.workflow.write_text(text)
        made.event.write_text(json.dumps(payload))
        made.secrets.touch()
        return made

    def environment(self, project: Path) -> dict[str, str]:
        """Return where the job is at home and what the stand-ins need."""
        return {
            "HOME": str(self.path / "home"),
            "TMPDIR": str(self.path / "tmp"),
            "PATH": f"{self.path / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "STAND_IN_PYTHON": sys.executable,
            "STAND_IN_PYTHONPATH": str(ROOT),
            "STAND_IN_REPOSITORY": str(project.resolve()),
            "STAND_IN_ARTIFACTS": f"{project.resolve()}.artifacts",
            "STAND_IN_SECRETS": str(self.secrets),
        }

    def command(
        self,
        event: str,
        actions: Mapping[str, Path],
        facts: Mapping[str, str],
        variables: Mapping[str, str],
    ) -> list[str]:
        """Return the command that runs the workflow."""
        return [
            *("act", event, "--json", "--no-cache-server", "--no-skip-checkout", "--pull=false"),
            *("--directory", str(self.path / "start"), "--workflows", str(self.workflow)),
            *("--eventpath", str(self.event), "--action-cache-path", str(self.path / "cache")),
            *("--action-offline-mode", "--actor", "octocat"),
            *(f"--platform={name}=-self-hosted" for name in ("ubuntu-24.04", "ubuntu-24.04-arm")),
            *(f"--local-repository={name}={folder}" for name, folder in actions.items()),
            *(f"--env={name}={value}" for name, value in facts.items()),
            *(f"--var={name}={value}" for name, value in variables.items()),
        ]


class Printed(NamedTuple):
    """What act printed: each line with the time it came, and its exit status."""

    status: int
    lines: list[tuple[float, str]]
    seconds: float


def execute(command: Sequence[str], folder: str, environment: Mapping[str, str]) -> Printed:
    """Run act to its end, in a folder and with an environment.

    Raises:
        Failed: it needs too long; all that it started is ended with it.
    """
    begin = time.monotonic()
    lines: list[tuple[float, str]] = []
    late = threading.Event()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:

        def end() -> None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)  # its steps end with their terminals

        timer = TIMER(LIMIT, end)
        timer.start()
        try:
            assert process.stdout is not None
            lines.extend((time.monotonic() - begin, line) for line in process.stdout)
        except BaseException:
            end()
            raise
        finally:
            timer.cancel()
    if late.is_set():
        raise Failed(f"the run took more than {LIMIT} s:\n{''.join(text for _, text in lines)}")
    return Printed(process.returncode, lines, time.monotonic() - begin)


def name_of(step: Mapping[str, Any]) -> str:
    """Return the name that a step has in the log."""
    return str(step.get("name") or step.get("uses") or step.get("run"))


def record(
    printed: Printed, workflow: Mapping[str, Any], secrets: tuple[str, ...], tokens: int
) -> Run:
    """Return what act's JSON log tells; what it does not tell of was skipped."""
    jobs = dict.fromkeys(jobs_of(workflow), "skipped")
    order = {job: [s for name, s in steps_of(workflow) if name == job] for job in jobs}
    steps = {(job, name_of(step)): Step("skipped") for job in jobs for step in order[job]}
    log, summary = [], []
    actions: set[Any] = set()  # the steps that have steps of their own
    for moment, line in printed.lines:
        said = parsed(line)
        if shown(said):
            # An icon of act's stands before a command such as ::error::.
            log.append(re.sub(r"^ *\S+ +(?=::)", "", str(said["msg"]).rstrip("\r\n")))
        path = tuple(said.get("stepID", []))
        job = said.get("jobID")
        actions.add((job, path[:-1]))
        # act reads the summary of an action's last step a second time, as that of the action.
        if said.get("command") == "summary" and (job, path) not in actions:
            summary.append(said["content"])
        if "jobResult" in said:
            jobs[said["jobID"]] = said["jobResult"]
        if len(path) == 1 and said.get("stage") == "Main":
            step = order[said["jobID"]][position(order[said["jobID"]], path[0])]
            key = (said["jobID"], name_of(step))
            begin = steps[key].start or moment
            steps[key] = Step(said.get("stepResult", steps[key].outcome), begin, moment)
    return Run(
        printed.status,
        "\n".join(log),
        "".join(summary),
        printed.seconds,
        jobs,
        steps,
        secrets,
        tokens,
    )


def parsed(line: str) -> dict[str, Any]:
    """Return what a line of act's log says; a line that is no JSON is its own message."""
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    return said if isinstance(said, dict) and "msg" in said else {"msg": line}


def shown(said: Mapping[str, Any]) -> bool:
    """Tell whether GitHub's log has such a line, too."""
    return said.get("command") not in NOT_SHOWN and not said["msg"].startswith("LocalRepository")


def position(steps: Sequence[Mapping[str, Any]], identity: str) -> int:
    """Return where in its job a step stands; act numbers those that have no id."""
    for number, step in enumerate(steps):
        if step.get("id", str(number)) == identity:
            return number
    raise Failed(f"act ran a step {identity} which the job does not have")


def leaks(done: Run) -> list[str]:
    """Return what a run shows that nobody may see; the secrets themselves are not repeated."""
    seen = f"{done.log}\n{done.summary}"
    found = [name for name, text in LEAKS.items() if re.search(text, seen)]
    if any(secret in seen for secret in done.secrets if secret):
        found.append("a secret that a step was given")
    return found
