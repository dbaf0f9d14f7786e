"""fetch and caller: a repository without infra/ fetches what the central one wrote for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Copy
from tests.standins.emulator import Emulator
from tests.standins.hub import Hub
from tests.support.desk import Desk

CENTRAL = "octo-org/platform"
DEPLOY = ".github/workflows/deploy.yml"


@pytest.fixture
def served(copy: Copy, tmp_path: Path) -> Desk:
    """A desk with a project whose infra/ is in another repository, which has written nothing."""
    hub = Hub(tmp_path / "hub")
    hub.create(CENTRAL)
    project = copy(iac_tool="none", github_repository="octo-org/web")
    return Desk(project, Emulator("http://127.0.0.1:9", "111122223333", "us-east-1"), hub)


def written(desk: Desk, key: str = "web", **values: str) -> str:
    """Let the central repository have written for an entry; return the text of its infra.json."""
    known = json.loads((desk.path / "infra.json").read_text())
    text = json.dumps({**known, "written_by": CENTRAL, **values}, indent=2) + "\n"
    files = {f"services/{key}.json": text, f"services/{key}.yml": f"name: deploy of {key}\n"}
    desk.hub.push(CENTRAL, files)
    return text


def test_infra_json_is_fetched_and_checked_and_records_where_it_comes_from(served: Desk) -> None:
    text = written(served)
    ended = served.keyless("fetch", "--from", CENTRAL, "--key", "")
    assert ended.status == 0, ended.out
    assert "agree: who can publish what, where" in ended.out
    assert (served.path / "infra.json").read_text() == text
    # From then on it knows where it comes from; the makefile hands empty values on.
    newer = written(served, image_tag_mutability="MUTABLE")
    ended = served.keyless("fetch", "--from", "", "--key", "")
    assert (served.path / "infra.json").read_text() == newer
    assert (ended.status, "infra.json:" in ended.out) == (1, True)  # the check does not agree


@pytest.mark.parametrize("command", ["fetch", "caller"])
def test_nothing_changes_if_github_has_no_such_file(served: Desk, command: str) -> None:
    before = served.files()
    ended = served.keyless(command, "--from", CENTRAL)
    assert ended.status == 1
    assert "gh: Not Found (HTTP 404)" in ended.out
    name = f"services/web.{'json' if command == 'fetch' else 'yml'}"
    assert f"{CENTRAL} has no {name} on GitHub: " in ended.out
    ended = served.keyless(command, "--from", "octo-org/nobody", "--key", "other")
    assert f"octo-org/nobody has no {name.replace('web', 'other')} on GitHub: " in ended.out
    assert served.files() == before


@pytest.mark.parametrize("command", ["fetch", "caller"])
def test_without_a_central_repository_it_prints_the_command(served: Desk, command: str) -> None:
    ended = served.keyless(command)
    text = "It is not known which repository has the infra/ for this one. Name it:"
    assert ended == (1, f"{text}\n  make {command} FROM=OWNER/NAME\n")
    assert served.hub.calls() == []


def test_the_workflow_of_a_caller_is_fetched_under_another_key(served: Desk) -> None:
    written(served, "front")
    ended = served.keyless("caller", "--from", CENTRAL, "--key", "front")
    assert (ended.status, ended.out) == (0, "")
    assert (served.path / DEPLOY).read_text() == "name: deploy of front\n"


@pytest.mark.parametrize("command", ["bootstrap", "doctor", "destroy", "outputs"])
def test_a_command_that_needs_infra_prints_where_it_is(served: Desk, command: str) -> None:
    (served.path / "infra.json").write_text(written(served))
    ended = served.keyless(command)
    typed = "python3 .github/keyless outputs" if command == "outputs" else f"make {command}"
    words = " ".join(ended.out.split())
    assert f"infra/ of this repository is in {CENTRAL}. Type {typed} there." in words
    assert ended.status == 1
