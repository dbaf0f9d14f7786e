"""The template's address, and what stands there: gone, private, rewritten, or another one."""

from __future__ import annotations

import base64
import json
import shlex
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.teams import Team, append, few_programs, printed_commands, team_of
from tests.support.versions import ADDRESS, Versions, git

MAKE = "make update"


@pytest.fixture
def team(versions: Versions, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with version 0.2.0, whose settings of git it may change."""
    programs = few_programs(tmp_path_factory.getbasetemp() / "programs")
    settings = tmp_path / "gitconfig"
    settings.write_text(versions.settings.read_text())
    further = {"PATH": programs, "GIT_CONFIG_GLOBAL": str(settings)}
    return team_of(versions, tmp_path, "0.2.0", append("Makefile", "# Ours\n"), **further)


def record(team: Team, **template: Any) -> None:
    """Change what a repository records of its template; None removes it."""
    path = team.path / ".cookiecutter.json"
    whole = json.loads(path.read_text())
    for key, value in template.items():
        whole["template"].pop(key, None)
        if value is not None:
            whole["template"][key] = value
    path.write_text(json.dumps(whole, indent=2) + "\n")
    team.commit("Record")


def lead_to(team: Team, folder: Path) -> None:
    """Let the address of the template lead to another folder."""
    settings = Path(team.environment["GIT_CONFIG_GLOBAL"])
    text = settings.read_text()
    settings.write_text(text.replace(f"file://{team.versions.folder}", f"file://{folder}"))


def assert_unknown(team: Team, *said: str) -> str:
    """Look whether nothing is known, and nothing changes; return what update printed."""
    before = team.state()
    ended = team.update("--yes")
    checked, found = team.update("--check"), team.update("--check", "--json")
    assert (ended.status, checked.status, found.status) == (1, 1, 1), ended.out + checked.out
    answer = json.loads(found.out)
    assert {*answer} == {"state", "current", "newest", "commit", "changelog", "why"}
    assert answer["state"] == "unknown"
    for each in said:
        assert each in " ".join(ended.out.split())
        assert each in " ".join(checked.out.split())
        assert each in " ".join(answer["why"].split())
    assert "Traceback" not in ended.out + checked.out
    assert team.state() == before
    return ended.out


class Server(HTTPServer):
    """A server that answers everything with one status, and keeps what it was given as a login."""

    status = 404

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.logins: list[str] = []


class Answering(BaseHTTPRequestHandler):
    """Answers a request."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.logins.append(self.headers.get("Authorization", ""))
        self.send_response(server.status)
        if server.status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on this machine."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "not found"), (401, "could not read Username"), (503, "503")],
    ids=["gone", "private, and nobody to ask", "out of order"],
)
def test_an_address_that_does_not_answer(
    team: Team, server: Server, status: int, said: str
) -> None:
    server.status = status
    address = f"http://127.0.0.1:{server.server_port}/template"
    record(team, source=address)
    out = assert_unknown(team, f"The template at {address} cannot be fetched", said)
    assert printed_commands(out) == [f"git ls-remote {address} HEAD"]


def test_no_network(team: Team) -> None:
    with Server() as closed:
        port = closed.server_port
    record(team, source=f"http://127.0.0.1:{port}/template")
    assert_unknown(team, "cannot be fetched", "Check the network")


def test_a_private_template_is_read_with_the_login_that_git_has(team: Team, server: Server) -> None:
    server.status = 401
    helper = "!f() { echo username=me; echo password=secret; }; f"
    team.git("config", "--global", "credential.helper", helper)
    address = f"http://127.0.0.1:{server.server_port}/template"
    record(team, source=address)
    out = assert_unknown(team, "Authentication failed")
    assert f"Basic {base64.b64encode(b'me:secret').decode()}" in server.logins
    assert "secret" not in out


def test_a_template_that_is_gone(team: Team, tmp_path: Path) -> None:
    lead_to(team, tmp_path / "nothing")
    assert_unknown(team, f"The template at {ADDRESS} cannot be fetched")


def test_another_repository_at_the_address(team: Team, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "another", **team.environment)
    message = ("--allow-empty", "--message=Another")
    git(tmp_path / "another", "commit", "--quiet", *message, **team.environment)
    lead_to(team, tmp_path / "another")
    assert_unknown(team, "has no commit", "or it is another template.")
    head = git(tmp_path / "another", "rev-parse", "HEAD", **team.environment)
    record(team, commit=head)
    assert_unknown(team, f"{ADDRESS} is another template at commit {head[:12]}")


def rewritten(team: Team, tags: bool) -> Path:
    """Return a copy of the template whose commits have other names, as after a push with force."""
    folder = team.path.parent / "rewritten"
    known = team.environment
    git(team.path.parent, "init", "--quiet", "--bare", str(folder), **known)
    source = f"file://{team.versions.folder}"
    git(folder, "fetch", "--quiet", "--no-tags", source, "refs/tags/*:refs/old/*", **known)
    parent: list[str] = []
    for version in team.versions.commits:
        tree = f"refs/old/v{version}^{{tree}}"
        new = git(folder, "commit-tree", tree, "-m", f"Again {version}", *parent, **known)
        parent = ["-p", new]
        if tags:
            git(folder, "tag", f"v{version}", new, **known)
    git(folder, "update-ref", "refs/heads/main", parent[-1], **known)
    for version in team.versions.commits:
        git(folder, "update-ref", "-d", f"refs/old/v{version}", **known)
    git(folder, "repack", "-a", "-d", "--quiet", **known)
    git(folder, "prune", "--expire=now", **known)
    return folder


def test_a_template_that_was_rewritten_is_followed_from_its_tag(team: Team) -> None:
    lead_to(team, rewritten(team, tags=True))
    out = assert_unknown(team, f"has no commit {team.versions.commits['0.2.0']}", "rewritten")
    assert printed_commands(out) == [f'{MAKE} ARGS="--from v0.2.0"']
    team.environment["MAKEFLAGS"] = ""
    said = team.run("bash", "-c", printed_commands(out)[0]).out
    assert "Update from template 0.2.0 to 0.4.0." in said
    typed = printed_commands(said)
    assert typed == [f'{MAKE} ARGS="--from v0.2.0 --yes"']
    assert "Committed on keyless/update-0.4.0" in team.run("bash", "-c", typed[0]).out
    assert "newest version of the template, 0.4.0" in team.update("--yes").out


def test_a_template_that_was_rewritten_without_a_tag(team: Team) -> None:
    folder = rewritten(team, tags=False)
    lead_to(team, folder)
    out = assert_unknown(
        team, "has no commit", "Give the commit that the project was generated from"
    )
    assert printed_commands(out) == [f'{MAKE} ARGS="--from COMMIT"']
    start = git(folder, "rev-parse", "main~2", **team.environment)
    ended = team.update("--check", "--from", start)
    assert "The template has version 0.4.0, and this project has 0.2.0." in ended.out
    assert ended.out.endswith(f'  {MAKE} ARGS="--from {start}"\n')


def test_a_repository_without_a_record_of_the_address(team: Team) -> None:
    record(team, source=None)
    out = assert_unknown(team, "does not say where the template is")
    placeholder = "https://github.com/ORG/cookiecutter-github-oidc-ecr"
    assert printed_commands(out) == [f'{MAKE} ARGS="--template {placeholder}"']
    ended = team.update("--check", "--template", ADDRESS)
    assert ended.status == 2
    assert "The template has version 0.4.0, and this project has 0.2.0." in ended.out


CHANGES = {
    "answers": (["platform=both", "second_tag=latest"], 'SET="platform=both second_tag=latest"'),
    "a space": (["github_environment=eu west"], "SET=\"github_environment='eu west'\""),
    "the list of questions": ([], ""),
}


@pytest.mark.parametrize(("pairs", "given"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_to_be_typed_again_as_a_change(
    team: Team, pairs: list[str], given: str
) -> None:
    change = f"make change ARGS=%s {given}".rstrip()
    record(team, source=None)
    printed = printed_commands(team.keyless("change", *pairs, "--yes").out)
    placeholder = "https://github.com/ORG/cookiecutter-github-oidc-ecr"
    assert printed == [change % f'"--template {placeholder}"']
    record(team, source=ADDRESS, commit="0" * 40)
    printed = printed_commands(team.keyless("change", *pairs, "--yes").out)
    assert printed == [change % '"--from v0.2.0"']
    team.environment["MAKEFLAGS"] = ""
    said = team.run("bash", "-c", printed[0]).out
    assert "is not QUESTION=ANSWER" not in said
    assert ("make change ARGS" in said) == bool(pairs)  # before the yes, it is printed with --yes


def test_a_commit_that_is_not_recorded_is_that_of_the_version(team: Team) -> None:
    record(team, commit=None)
    assert team.update("--check").status == 2
    record(team, version=None)
    out = assert_unknown(
        team, "does not say which commit of the template this project was generated from"
    )
    assert len(printed_commands(out)) == 1


def test_edits_of_the_template_are_mentioned(team: Team) -> None:
    record(team, edited=True)
    ended = team.update("--yes", "--to", "v0.3.0")
    assert "generated from a template with uncommitted edits" in ended.out
    assert "edited" not in json.loads((team.path / ".cookiecutter.json").read_text())["template"]


def test_check_says_how_a_repository_stands(team: Team, versions: Versions) -> None:
    before = team.state()
    older = team.update("--check")
    assert older.status == 2
    assert "The template has version 0.4.0, and this project has 0.2.0." in older.out
    assert "A rule: no-todo." in older.out
    assert "Something new for everybody." not in older.out  # it is there already
    found = json.loads(team.update("--check", "--json").out)
    assert (found["state"], found["current"], found["newest"]) == ("older", "0.2.0", "0.4.0")
    assert found["commit"] == versions.commits["0.4.0"]
    newest = team.update("--check", "--to", "v0.2.0")
    assert (newest.status, newest.out.count("\n")) == (0, 1)
    found = json.loads(team.update("--check", "--json", "--to", "v0.1.0").out)
    assert (found["state"], found["changelog"]) == ("newest", "")
    assert team.state() == before


def test_the_newest_release_may_be_older_than_the_project(team: Team, tmp_path: Path) -> None:
    folder = tmp_path / "fewer"
    git(tmp_path, "clone", "--quiet", "--bare", str(team.versions.folder), str(folder))
    for version in ("0.2.0", "0.3.0", "0.4.0"):
        git(folder, "tag", "--delete", f"v{version}")
    lead_to(team, folder)
    assert "This project has the newest version" in team.update("--yes").out
    assert team.update("--check").status == 0


def test_a_downgrade_must_be_asked_for_by_name(team: Team, tmp_path: Path) -> None:
    folder = tmp_path / "with a branch"
    git(tmp_path, "clone", "--quiet", "--bare", str(team.versions.folder), str(folder))
    commit = team.versions.commits["0.1.0"]
    git(folder, "branch", "old", commit)
    lead_to(team, folder)
    for name in ("v0.1.0", commit, commit[:9]):
        found = json.loads(team.update("--check", "--json", "--to", name).out)
        assert (found["commit"], found["newest"]) == (commit, "0.1.0")
    ended = team.update("--yes", "--to", "old")
    assert "Go back from template 0.2.0 to 0.1.0." in ended.out
    assert "Committed on keyless/update-0.1.0." in ended.out
    assert (team.path / "app/server.py").is_file()
    assert (team.path / "Makefile").read_text().endswith("# Ours\n")


@pytest.mark.parametrize("name", ["v9.0.0", "0.4.0", "--all", "HEAD~9", "a b"])
def test_a_version_that_there_is_not(team: Team, name: str) -> None:
    before = team.state()
    ended = team.update("--yes", f"--to={name}")
    assert ended.status == 1
    assert f"has no version, branch or commit {name}." in " ".join(ended.out.split())
    assert "It has: v0.1.0, v0.2.0, v0.3.0, v0.4.0." in " ".join(ended.out.split())
    assert [shlex.split(one)[0] for one in printed_commands(ended.out)] == ["make"]
    assert team.state() == before


def test_without_git_nothing_is_known(team: Team) -> None:
    team.environment["PATH"] = str(team.path.parent / "nothing")
    found = team.update("--check", "--json")
    assert found.status == 1
    answer = json.loads(found.out)
    assert (answer["state"], answer["current"]) == ("unknown", "0.2.0")
    assert "'git'" in answer["why"]
    ended = team.update("--yes")
    assert ended.status == 1
    assert "This machine reported an error: [Errno 2] No such file or directory: 'git'" in ended.out
