"""What a generated repository records of its template, so that it can get a newer one later.

Git is asked in the template's folder, so most tests change what stands there: a clone, a copy
without .git, a working copy with edits.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from keyless.setup.updating import record as reading

from local_extensions import record
from tests.conftest import Run
from tests.support.generating import contents, cookiecutter, copy_of_template

ADDRESS = "https://github.com/octo-org/template.git"
PROJECT = "<<cookiecutter.project_slug>>"
NOTHING = {"source": None, "version": "0.1.0", "commit": None}


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody, without anybody's configuration."""
    person = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-C", str(folder), *person, *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | alone
    ).stdout.strip()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a repository of Git, with two commits and a tag for the second one."""
    folder = copy_of_template(tmp_path_factory.mktemp("published"))
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=first")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=second")
    git(folder, "tag", "v0.1.0")
    return folder


@pytest.fixture
def template(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of it, which is asked for the record; `origin` is where others fetch it."""
    folder = tmp_path / "clone"
    git(published, "clone", "--quiet", f"file://{published}", str(folder))
    git(folder, "remote", "set-url", "origin", ADDRESS)
    monkeypatch.setattr(record, "TEMPLATE", folder)
    return folder


def recorded() -> dict[str, Any]:
    """Return what is recorded of the template, in a new folder."""
    return dict(record.record({"project_slug": "web", "__before": ""})["template"])


def read(project: Path) -> dict[str, Any]:
    """Return what a generated repository has recorded of the template."""
    text = (project / ".cookiecutter.json").read_text()
    return dict(json.loads(text)["template"])


def test_a_generation_from_an_address_records_it_and_is_repeated_from_the_record(
    published: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address holds a login, and leads elsewhere on this machine (insteadOf)."""
    given = "https://me:p@ss@github.com/octo-org/template.git"
    settings = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{published}.insteadOf",
        "GIT_CONFIG_VALUE_0": given,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    arguments = ("--checkout", "v0.1.0", "platform=both", "github_environment=it's", "-o", "out")
    ended, printed = cookiecutter(tmp_path, run, *arguments, template=given)  # type: ignore[arg-type]
    assert ended == 0, printed
    first = tmp_path / "out/example-service"
    commit = git(published, "rev-parse", "v0.1.0")
    assert read(first) == {"source": ADDRESS, "version": "0.1.0", "commit": commit}
    clone = next((tmp_path / "home/.cookiecutters").iterdir())
    again = ("--config-file", str(first / ".cookiecutter.json"), "-o", "again")
    ended, printed = cookiecutter(tmp_path, run, *again, template=clone)
    assert ended == 0, printed
    assert contents(tmp_path / "again/example-service") == contents(first)
    assert reading.read_record(first).source == ADDRESS
    assert not [name for name, (text, _) in contents(first).items() if b"p@ss" in text]


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("https://github.com/octo-org/template", "https://github.com/octo-org/template"),
        ("https://me@github.com/o/t.git", "https://github.com/o/t.git"),
        ("https://me:p@ss@github.com/o/t.git", "https://github.com/o/t.git"),
        ("https://me:p#s?s@github.com/o/t.git", "https://github.com/o/t.git"),
        ("http://x-access-token:t@git.example.com:81/o/t", "http://git.example.com:81/o/t"),
        ("git@github.com:octo-org/template.git", "git@github.com:octo-org/template.git"),
        ("ssh://git@github.com:22/o/t.git", "ssh://git@github.com:22/o/t.git"),
        ("ssh://git.example.com/o/t.git", "ssh://git.example.com/o/t.git"),
        *(
            (address, None)
            for address in (
                *("/srv/template", "../template", "./t", "template", "C:/t", "C:\\t", "~/t"),
                *("file:///srv/t", "file://host/t", "t.bundle", "host:t", "gh:o/t", ""),
                *("ext::sh -c x", "--upload-pack=x", "-x@y:z", "git@-x:y", "ssh://-x/y"),
                *("https://me:a/b@x.y/o/t", "https://me:1/b@x.y/o/t", "https://x.y/t?token=s"),
                *("ssh://me:secret@x.y/t", "me:secret@x.y:t", "https://@/t", "https://x.y"),
                *('https://x.y/"t"', "https://x.y/'t'", "https://x.y/<<t>>", "https://x.y/${t}"),
                *("https://x.y/<<cookiecutter>>", "https://x.y/# % if", "https://x.y/<%t%>"),
                *("https://x.y/a\nb", "https://x.y/t\n", "\nhttps://x.y/t", "https://x.y/a\tb"),
                *(
                    "https://x.y/a\x1b[31m",
                    "https://x.y/a%0Ab",
                    "https://x.y/a b",
                    "https://\u0430/t",
                ),
            )
        ),
    ],
)
def test_only_an_address_that_others_can_fetch_is_recorded(
    template: Path, address: str, source: str | None
) -> None:
    git(template, "config", "remote.origin.url", address)
    assert recorded()["source"] == source
    assert len(recorded()["commit"]) == 40


def test_the_template_writes_what_the_tool_reads() -> None:
    assert record.ADDRESS.pattern == reading.ADDRESS.pattern
    assert record.ADDRESS.flags == reading.ADDRESS.flags
    assert reading.VERSION.fullmatch(recorded()["version"])


def test_an_address_is_recorded_as_it_is_configured(
    template: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A mirror of the machine, which git uses in its place, is nobody else's."""
    config = tmp_path / "config"
    config.write_text('[url "/srv/mirror/"]\n\tinsteadOf = https://github.com/\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert (
        "/srv/mirror/"
        in subprocess.run(
            ["git", "-C", template, "remote", "get-url", "origin"], capture_output=True, text=True
        ).stdout
    ), "this mirror is in effect"
    assert recorded()["source"] == ADDRESS


def test_a_clone_without_a_remote_has_a_commit_and_no_address(template: Path) -> None:
    git(template, "remote", "remove", "origin")
    commit = git(template, "rev-parse", "HEAD")
    assert recorded() == {"source": None, "version": "0.1.0", "commit": commit}


def test_a_template_from_a_zip_has_no_commit_even_inside_another_repository(
    template: Path, tmp_path: Path, run: Run
) -> None:
    """The whole way: without .git, Git answers for the repository around it."""
    shutil.rmtree(template / ".git")
    assert recorded() == NOTHING
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message=x")
    git(tmp_path, "remote", "add", "origin", "https://github.com/somebody/else.git")
    assert git(template, "rev-parse", "--show-toplevel") == str(tmp_path)
    assert recorded() == NOTHING
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, template.name)
    shutil.rmtree(template)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path))  # where cookiecutter unpacks it
        ended, printed = cookiecutter(tmp_path, run, "-o", "out", template=Path(packed))
    assert ended == 0, printed
    assert read(tmp_path / "out/example-service") == NOTHING


def test_a_shallow_clone_at_a_tag_has_a_commit(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shallow"
    at = ("--depth=1", "--branch=v0.1.0", "--config=advice.detachedHead=false")
    git(published, "clone", "--quiet", *at, f"file://{published}", str(folder))
    monkeypatch.setattr(record, "TEMPLATE", folder)
    assert git(folder, "rev-list", "--count", "HEAD") == "1", "it is shallow"
    assert recorded() == NOTHING | {"commit": git(published, "rev-parse", "v0.1.0")}


def test_a_worktree_is_a_repository_like_any_other(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "worktree"
    git(template, "worktree", "add", "--quiet", "--detach", str(folder), "HEAD~1")
    git(folder, "reset", "--quiet", "--hard", "v0.1.0")
    monkeypatch.setattr(record, "TEMPLATE", folder)
    assert (folder / ".git").is_file()
    commit = git(template, "rev-parse", "HEAD")
    assert recorded() == {"source": ADDRESS, "version": "0.1.0", "commit": commit}
    (folder / "cookiecutter.json").write_text("{}")
    assert recorded()["edited"]


def change(template: Path, name: str) -> None:
    path = template / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("changed\n")


@pytest.mark.parametrize(
    "name",
    [
        f"{PROJECT}/Makefile",
        f"{PROJECT}/new.txt",
        f"{PROJECT}/.github/keyless/new.py",
        "templates/new-folder/new.yml",
        "hooks/post_gen/main.py",
        "local_extensions/answers.py",
        "cookiecutter.json",
        "cookiecutter_2_6_or_newer_is_needed.py",
    ],
)
def test_an_edit_of_what_a_generation_uses_is_recorded(template: Path, name: str) -> None:
    assert "edited" not in recorded()
    change(template, name)
    assert recorded()["edited"] is True
    assert recorded()["commit"] == git(template, "rev-parse", "HEAD")
    git(template, "add", "--all")
    assert recorded()["edited"] is True, "also where it is staged"
    git(template, "commit", "--quiet", "--message=x")
    assert "edited" not in recorded()


def test_a_removed_and_a_renamed_file_are_edits(template: Path) -> None:
    (template / PROJECT / "Makefile").unlink()
    assert recorded()["edited"] is True
    git(template, "checkout", "--quiet", "--", ".")
    git(template, "mv", "hooks/post_gen/main.py", "hooks/post_gen/__pycache__.py")
    assert recorded()["edited"] is True


@pytest.mark.parametrize(
    "name",
    [
        *("README.md", "tests/new.py", "docs/new.md", "pyproject.toml"),
        *("local_extensions/__pycache__/answers.pyc", f"{PROJECT}/__pycache__/x.pyc"),
        *(f"{PROJECT}/.DS_Store", f"{PROJECT}/.idea/x.xml", f"{PROJECT}/Makefile~"),
    ],
)
def test_a_change_outside_of_the_generated_files_is_not_an_edit(template: Path, name: str) -> None:
    """Tests and pages are not generated, ignored files are nobody's, the hook removes the rest."""
    change(template, name)
    assert "edited" not in recorded()


def test_untracked_files_count_even_if_git_status_hides_them(
    template: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[status]\n\tshowUntrackedFiles = no\n\tbranch = false\n\tshort = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert "edited" not in recorded()
    change(template, f"{PROJECT}/new.txt")
    assert recorded()["edited"] is True


def test_without_a_commit_none_is_recorded(template: Path) -> None:
    git(template, "update-ref", "-d", "HEAD")
    assert recorded() == NOTHING | {"source": ADDRESS, "edited": True}


@pytest.mark.parametrize(
    "script",
    [
        None,
        "echo 'no such subcommand' >&2; exit 1",
        'GIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {git} "$@"',
        "kill -9 $$",
    ],
    ids=["missing", "another program", "dubious ownership", "killed"],
)
@pytest.mark.usefixtures("template")
def test_if_git_fails_nothing_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    if script:
        (programs / "git").write_text(f"#!/bin/sh\n{script.format(git=shutil.which('git'))}\n")
        (programs / "git").chmod(0o755)
    assert recorded() != NOTHING
    monkeypatch.setenv("PATH", str(programs))
    assert recorded() == NOTHING


def test_a_broken_repository_does_not_stop_the_generation(template: Path) -> None:
    (template / ".git/index").write_bytes(b"broken")
    assert recorded() == NOTHING | {"source": ADDRESS}, "no commit that nobody can vouch for"
    (template / ".git/HEAD").unlink()
    assert recorded() == NOTHING


def test_a_generation_without_git_succeeds(tmp_path: Path, run: Run) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        ended, printed = cookiecutter(tmp_path, run, "-o", "out")
    assert ended == 0, printed
    assert read(tmp_path / "out/example-service") == NOTHING


def test_variables_of_git_do_not_lead_to_another_repository(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook of Git has them, and cookiecutter may be called from one."""
    other = tmp_path / "other"
    git(tmp_path, "init", "--quiet", str(other))
    git(other, "remote", "add", "origin", "https://github.com/somebody/else.git")
    before = recorded()
    for name, value in {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_COMMON_DIR": str(other / ".git"),
        "GIT_INDEX_FILE": str(other / "index"),
        "GIT_OBJECT_DIRECTORY": str(other / ".git/objects"),
        "GIT_CEILING_DIRECTORIES": str(template),
        "GIT_CONFIG": str(other / ".git/config"),
        "GIT_CONFIG_PARAMETERS": "'remote.origin.url'='https://github.com/somebody/else.git'",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "remote.origin.url",
        "GIT_CONFIG_VALUE_0": "https://github.com/somebody/else.git",
        "GIT_TRACE": "2",
    }.items():
        monkeypatch.setenv(name, value)
    assert recorded() == before


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A folder of somebody, with a README and one of the files that the template has."""
    folder = tmp_path / "example-service"
    folder.mkdir()
    (folder / "README.md").write_text("# Ours\n")
    (folder / ".gitignore").write_text("*.log\n")
    return folder


@pytest.mark.parametrize("kind", ["adopted", "started"])
def test_existing_files_are_recorded_and_stay_recorded(there: Path, run: Run, kind: str) -> None:
    if kind == "adopted":
        (there / "Dockerfile").write_text("FROM scratch\nCOPY README.md /\n")
    ended, printed = cookiecutter(there.parent, run, "-f", "-s")
    assert ended == 0, printed
    expected = {"kind": kind, "kept": [".gitignore", "README.md"]}
    assert read(there)["existing"] == expected
    assert reading.read_record(there)[-2:] == (kind, [".gitignore", "README.md"])
    config = ("--config-file", str(there / ".cookiecutter.json"))
    for flags in (["-f", "-s"], ["-f"]):
        before = contents(there)
        ended, printed = cookiecutter(there.parent, run, *flags, *config)
        assert ended == 0, printed
        assert read(there)["existing"] == expected
        assert flags == ["-f"] or contents(there) == before


@pytest.mark.parametrize(
    "existing",
    [
        *({}, [], "adopted", None, {"kind": "x", "kept": []}, {"kind": "adopted"}),
        *({"kind": ["adopted"], "kept": []}, {"kind": "adopted", "kept": [7]}),
        {"kind": "adopted", "kept": "README.md"},
    ],
)
def test_a_record_of_another_form_is_not_carried_over(there: Path, existing: Any) -> None:
    answers = {"project_slug": str(there), "__existing": "generated"}
    path = there / ".cookiecutter.json"
    path.write_text(json.dumps({"default_context": {}, "template": {"existing": existing}}))
    assert record.before(answers) == ""
    path.write_text("no JSON")
    assert record.before(answers) == ""


def test_a_new_folder_has_no_record_of_existing_files(tmp_path: Path, run: Run) -> None:
    ended, printed = cookiecutter(tmp_path, run)
    assert ended == 0, printed
    assert "existing" not in read(tmp_path / "example-service")
