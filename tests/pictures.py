"""The pictures of README and pages: real runs, captured as text and drawn as SVG.

    make pictures

Real: cookiecutter, the project's Makefile and tool, git, Terraform, the AWS CLI. Stand-ins
(tests/standins): AWS, GitHub with its gh, the token of a job. Of each picture, docs/pictures/ has
the text and two drawings of it. What differs from run to run is replaced: commits, and what
Terraform prints while it applies. tests/template/test_pictures.py reports what is stale.
"""

from __future__ import annotations

import difflib
import html
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pexpect

from tests.rehearsal import SHA, step
from tests.standins import github
from tests.standins.emulator import ROOT, emulated_aws
from tests.standins.hub import Hub
from tests.support import doctor as broken
from tests.support.bootstrap import NAME
from tests.support.combinations import questions
from tests.support.desk import LIMIT, TOOL, Desk, Ended, end_group
from tests.support.drawing import COLOURS, WIDTH, draw
from tests.support.make import forget_make
from tests.support.project import Failed, Project, generate

FOLDER = ROOT / "docs/pictures"
TEMPLATE = "cookiecutter-github-oidc-ecr"
GENERATE = f"uvx cookiecutter gh:ORG/{TEMPLATE}"
RUN_ID = "4711"
QUESTION = r"\)(\x1b\[0m)?: $"  # of cookiecutter
CONSENT = r"(does|continue): $"  # of bootstrap
WRONG = {"ecr_repository": "My_App"}
ERROR_OF_MAKE = r"^make: \*\*\* .*\n?"  # how make ends after a command that fails: differs by make
# What Terraform prints while it applies: in another order, and with other seconds, in each run.
APPLYING = r"^\S+: Creating\.\.\.$.*?^(Apply complete! [^\n]*\n).*?(?=^\[\d+/\d+\] )"


class Picture(NamedTuple):
    """What stands above the text, and what one sees, in one sentence: the alternative text."""

    title: str
    alt: str


PICTURES = {
    "questions": Picture(
        "Generate a repository",
        "cookiecutter asks 13 questions with their defaults, and prints the two commands that come "
        "next.",
    ),
    "refused-answer": Picture(
        "An answer that cannot work",
        "My_App is not a valid name of an ECR repository, so generation stops and says what to "
        "enter.",
    ),
    "bootstrap": Picture(
        "Set up and publish",
        "make bootstrap lists what it will do, asks once, does it, and shows the image of v0.1.0.",
    ),
    "doctor": Picture(
        "Is everything in place?",
        "make doctor reports that the tags of the ECR repository can be moved, and the command "
        "that corrects it.",
    ),
    "refused-role": Picture(
        "Summary of the run of deploy.yml",
        "The summary shows the subject that GitHub presents, the one that the role trusts, and the "
        "commands to type.",
    ),
    "finding": Picture(
        "The job and the role disagree",
        "make check reports the line of deploy.yml that changes the subject of the job, and what "
        "to write.",
    ),
}


# What is shown


def asked(folder: Path, wrong: Mapping[str, str]) -> str:
    """Return what the questions look like in an empty folder, and what follows the last answer.

    Args:
        folder: takes the project.
        wrong: answers that are typed; all others are the defaults.
    """
    config = folder / "config.yml"
    config.write_text(f"replay_dir: {json.dumps(str(folder / 'replay'))}\n")
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--config-file", str(config)]
    answers = [wrong.get(key, "") for key in questions()]
    return typed(command, folder, dict(os.environ), QUESTION, answers, int(bool(wrong)))


def the_questions(folder: Path) -> str:
    """Return how a project is generated with the default answers."""
    return shown(asked(folder, {}), GENERATE)


def refused_answer(folder: Path) -> str:
    """Return how generation ends after an answer that cannot work."""
    return shown(asked(folder, WRONG), GENERATE)


def bootstrap(desk: Desk) -> str:
    """Return what bootstrap prints in a project that is new."""
    with_python(desk.project)
    command = ["make", "bootstrap"]
    return shown(typed(command, desk.path, desk.environment(), CONSENT, ["yes"], 0), *command)


def the_doctor(desk: Desk) -> str:
    """Return what doctor prints of a project that was set up, after somebody has changed AWS.

    The template has an address, at which there is the version that the project has.
    """
    with_python(desk.project)
    name = f"octo-org/{TEMPLATE}"
    desk.hub.create(name, repository_id=1)
    files = {f"<<cookiecutter.project_slug>>/{TOOL}/VERSION": "1.0.0\n", "cookiecutter.json": "{}"}
    desk.hub.push(name, {**files, "CHANGELOG.md": "# Changelog\n\n## 1.0.0 - 2027-01-01\n"})
    found = desk.hub.commit(desk.hub.repository(name), "main")
    assert found
    desk.hub.tag(desk.hub.repository(name), "v1.0.0", found[0])
    record = desk.path / ".cookiecutter.json"
    known = json.loads(record.read_text())
    source = f"https://github.com/{name}"
    known["template"] |= {"source": source, "version": "1.0.0", "commit": found[0]}
    record.write_text(json.dumps(known, indent=2) + "\n")
    desk.git("commit", "--quiet", "--all", "--message=the address of the template")
    desk.git("push", "--quiet", "origin", "main")
    broken.mutable(desk)
    return shown(ran("doctor", desk.path, desk.environment(), 1), "make", "doctor")


def refused_role(desk: Desk) -> str:
    """Return what the summary of a run says after the repository was deleted and created again."""
    trusted, presented = "@1:ref:", "@456789:ref:"
    broken.trust(desk, lambda one: replace_in(one["Condition"], presented, trusted))
    desk.edit(subject_prefix="repo:octo-org@123456/example-service@1")

    def sign(audience: str) -> str:
        repository = github.Repository(NAME)
        return github.token(repository, "release", "refs/tags/v0.1.0", SHA, audience)

    with tempfile.TemporaryDirectory() as folder, github.TokenServer() as server:
        summary = Path(folder, "summary.md")
        job = {
            **server.run(RUN_ID, "octo-org", sign),
            **{"GITHUB_RUN_ID": RUN_ID, "GITHUB_STEP_SUMMARY": str(summary)},
            **{"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v0.1.0", "GITHUB_ACTOR": "octocat"},
            **{"ECR_REPOSITORY": "example-service", "SESSION": f"run-{RUN_ID}-1"},
            **{"GITHUB_WORKFLOW_REF": f"{NAME}/{broken.DEPLOY}@refs/tags/v0.1.0"},
        }
        ended = desk.keyless("diagnose", **job)
        if ended.status != 1 or not summary.exists():
            raise Failed(f"the role was not refused:\n{ended.out}")
        text = html.unescape(summary.read_text())
    text = re.sub(r"(?m)^```.*\n?", "", text.removeprefix("### ")).strip()
    return masked("\n".join(textwrap.fill(line, WIDTH) for line in text.split("\n")))


def finding(project: Project) -> str:
    """Return what the check says of a job that got an environment which the role does not trust."""
    with_python(project)
    deploy = project.path / broken.DEPLOY
    text = deploy.read_text()
    mark = "    timeout-minutes: 30\n"
    if text.count(mark) != 1:
        raise Failed(f"deploy.yml has not one line {mark!r}")
    deploy.write_text(text.replace(mark, f"{mark}    environment: production\n"))
    return shown(ran("check", project.path, dict(os.environ), 1), "make", "check")


def replace_in(condition: dict[str, dict[str, object]], old: str, new: str) -> None:
    """Replace a text in the values of a trust policy."""
    for test, keys in condition.items():
        condition[test] = json.loads(json.dumps(keys).replace(old, new))


# How it is captured


def with_python(project: Project) -> None:
    """Let the targets of the project's Makefile use this Python: nothing has to be installed."""
    program = project.path / ".venv/bin/python"
    program.parent.mkdir(parents=True, exist_ok=True)
    (project.path / ".venv/.gitignore").write_text("*\n")
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    program.chmod(0o755)


def at_a_terminal(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which nothing but the terminal says how wide it is."""
    sizes = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
    known = {key: value for key, value in environment.items() if key not in sizes}
    return {**known, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}


def typed(
    command: list[str],
    folder: Path,
    environment: Mapping[str, str],
    question: str,
    answers: Iterable[str],
    status: int,
) -> str:
    """Run a command at a terminal of 100 columns; return all that is seen there.

    Args:
        command: a program with its arguments.
        folder: where it runs.
        environment: its variables.
        question: a pattern, after which it waits for an answer.
        answers: what is typed, in turn; it may end before the last one.
        status: its exit status.

    Raises:
        Failed: it ends with another one.
    """
    child = pexpect.spawn(
        command[0],
        command[1:],
        cwd=str(folder),
        env=at_a_terminal(environment),
        encoding="utf-8",
        timeout=LIMIT,
        dimensions=(50, WIDTH),
    )
    seen = ""
    try:
        for answer in answers:
            if child.expect([question, pexpect.EOF]):
                break
            seen += str(child.before) + str(child.after)
            child.sendline(answer)
        else:
            child.expect(pexpect.EOF)
        seen += str(child.before)
        child.wait()
    finally:
        end_group(child.pid)
        child.close(force=True)
    return with_status(command, status, Ended(int(child.exitstatus), seen))


def ran(target: str, folder: Path, environment: Mapping[str, str], status: int) -> str:
    """Run a target of a project's Makefile; return what it prints.

    Raises:
        Failed: its command ends with another status than is expected.
    """
    done = subprocess.run(
        ["make", target],
        cwd=folder,
        env=at_a_terminal(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    ended = Ended(min(done.returncode, 1), done.stdout)  # make's own is 2
    return with_status(["make", target], status, ended)


def with_status(command: list[str], status: int, ended: Ended) -> str:
    """Return what a command has printed.

    Raises:
        Failed: it has not ended with a status.
    """
    if ended.status != status:
        raise Failed(f"{shlex.join(command)} ended with {ended.status}:\n{ended.out}")
    return ended.out


def shown(text: str, *command: str) -> str:
    """Return what a person sees who has typed a command."""
    return masked(f"$ {' '.join(command)}\n{text}")


def masked(text: str) -> str:
    """Return a text without colours, and without what differs from run to run."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r\n", "\n")
    text = "".join(f"{line.rstrip()}\n" for line in text.rstrip().split("\n"))
    text = re.sub(APPLYING, r"...\n\1...\n", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(ERROR_OF_MAKE, "", text, flags=re.MULTILINE)
    return re.sub(r"\b(?=[a-f]*\d)[0-9a-f]{40}\b", SHA, text)


# What is written


def files(name: str, text: str) -> dict[str, str]:
    """Return the files of a picture with their content: its text, and the drawings of it."""
    title, alt = PICTURES[name]
    drawn = {f"{name}-{each}.svg": draw(name, title, alt, text, each) for each in COLOURS}
    return {f"{name}.txt": text, **drawn}


def stale(name: str, text: str, folder: Path = FOLDER) -> str:
    """Return which files of a picture are not what a text leads to, and the lines that differ.

    It is empty if all of them are.
    """
    wanted = files(name, text)
    found = {file: read(folder / file) for file in wanted}
    said = [
        f"docs/pictures/{file} is stale. Type: make pictures"
        for file, content in wanted.items()
        if found[file] != content
    ]
    lines = difflib.unified_diff(
        found[f"{name}.txt"].split("\n"), text.split("\n"), n=0, lineterm=""
    )
    return "\n".join([*said, *lines])


def read(path: Path) -> str:
    """Return the text of a file as it is; empty if there is none."""
    return path.read_bytes().decode() if path.exists() else ""


def write(name: str, text: str, folder: Path = FOLDER) -> str:
    """Write the files of a picture; return whether it has changed."""
    changed = bool(stale(name, text, folder))
    folder.mkdir(exist_ok=True)
    for file, content in files(name, text).items():
        (folder / file).write_bytes(content.encode())
    return f"{name}: {'changed' if changed else 'as before'}"


def embedded(name: str, folder: str) -> str:
    """Return the lines with which a page shows a picture.

    Args:
        name: of the picture.
        folder: the way from the page to the pictures.
    """
    return f"""\
<picture>
  <source media="(prefers-color-scheme: dark)" srcset="{folder}/{name}-dark.svg">
  <img src="{folder}/{name}-light.svg" alt="{html.escape(PICTURES[name].alt)}">
</picture>

[The same as text]({folder}/{name}.txt)
"""


def captures(folder: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield each picture with what captures its text; the order matters, and so does its end."""
    places = [folder / each for each in ("questions", "refused", "checked", "set-up")]
    for place in places:
        place.mkdir()
    yield "questions", lambda: the_questions(places[0])
    yield "refused-answer", lambda: refused_answer(places[1])
    yield "finding", lambda: finding(generate(places[2], []))
    project = generate(places[3], [])
    answers = project.answers
    with emulated_aws(
        answers["aws_account_id"], answers["aws_region"], folder / "emulator.log"
    ) as emulator:
        desk = Desk(project, emulator, Hub(folder / "hub"))
        yield "bootstrap", lambda: bootstrap(desk)
        yield "doctor", lambda: the_doctor(desk)
        yield "refused-role", lambda: refused_role(desk)


def main() -> int:
    """Make all pictures again; return the exit status."""
    forget_make(os.environ)
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        try:
            for picture, capture in captures(Path(name)):
                step("{}", lambda: write(picture, capture()))  # noqa: B023  # called at once
        except Failed as failed:
            print(failed, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
