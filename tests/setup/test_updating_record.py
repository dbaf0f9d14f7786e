"""The record of a repository is read: what the template writes, what older ones left out, attacks.

Git gets the address and the commit, cookiecutter the answers; whoever can push can write them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from keyless.console import Problem
from keyless.setup.updating.record import Record, read_record

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ANSWERS = {"project_slug": "web", "second_tag": "latest"}


def write(root: Path, content: Any) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (root / ".cookiecutter.json").write_text(text)


def problem(root: Path) -> Problem:
    with pytest.raises(Problem) as raised:
        read_record(root)
    return raised.value


def test_all_of_a_record_is_read(tmp_path: Path) -> None:
    template = {
        "source": "https://github.com/octo-org/template.git",
        "version": "0.10.2",
        "commit": COMMIT,
        "edited": True,
        "existing": {"kind": "adopted", "kept": ["README.md", ".github/dependabot.yml"]},
    }
    write(tmp_path, {"default_context": ANSWERS, "template": template})
    assert read_record(tmp_path) == Record(
        answers={"project_slug": "web", "second_tag": "latest"},
        source="https://github.com/octo-org/template.git",
        version="0.10.2",
        commit="0123456789abcdef0123456789abcdef01234567",
        edited=True,
        kind="adopted",
        kept=["README.md", ".github/dependabot.yml"],
    )


@pytest.mark.parametrize(
    "template",
    [{}, {"template": {}}, {"template": {"source": None, "version": None, "commit": None}}],
    ids=["older", "empty", "from a zip"],
)
def test_what_is_not_recorded_is_unknown(tmp_path: Path, template: dict[str, Any]) -> None:
    write(tmp_path, {"default_context": ANSWERS, **template})
    assert read_record(tmp_path) == Record(ANSWERS, None, None, None, False, "", [])


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/octo-org/template",
        "http://git.example.com:8080/a/b%20c.git",
        "https://dev.azure.com/octo/x/_git/template",
        "ssh://git@github.com/octo-org/template.git",
        "ssh://git.example.com:2222/~octo/template",
        "git@github.com:octo-org/template.git",
        "git@git.example.com:/srv/template",
    ],
)
def test_an_address_that_others_can_fetch_is_taken(tmp_path: Path, address: str) -> None:
    write(tmp_path, {"default_context": ANSWERS, "template": {"source": address}})
    assert read_record(tmp_path).source == address


@pytest.mark.parametrize(
    "address",
    [
        *("", "x", "-x", "--upload-pack=x", "ext::sh -c x", "ext::sh", "fd::17", "/srv/template"),
        *("../template", "file:///srv/template", "C:/template", "C:\\template", "host:template"),
        *("https://", "https://github.com", "https://github.com/", "https://-x/y", "git://x.y/z"),
        *("ftp://x.y/z", "ssh://-oProxyCommand=x/y", "ssh://-x@y/z", "-x@y:z", "git@-x:y"),
        *("git@x.y:-z", "https://me:secret@x.y/z", "https://token@x.y/z", "https://x.y/a@b/c"),
        *("https://x.y/z?token=t", "https://x.y/z#t", "https://x.y/z z", "https://x.y/z\n"),
        *("https://x.y/a%0ab", "https://x.y/a\x00b", "https://x.y/$(x)", "https://x.y/<<z>>"),
        *("https://x.y/'z'", 'https://x.y/"z"', "https://x.y/\u00e9", "https://x.\u0430/z"),
    ],
)
def test_every_other_address_is_refused(tmp_path: Path, address: str) -> None:
    write(tmp_path, {"default_context": ANSWERS, "template": {"source": address}})
    said = problem(tmp_path)
    assert f".cookiecutter.json has {address!a} for source" in str(said)
    assert "which is not an address that others can fetch, so it is unknown" in str(said)
    assert said.commands == ("git log --patch -- .cookiecutter.json",)


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ({"commit": "--upload-pack=x"}, "'--upload-pack=x' for commit"),
        ({"commit": "main"}, "'main' for commit"),
        ({"commit": f"{COMMIT}\n"}, "for commit"),
        ({"commit": COMMIT[:7]}, "for commit"),
        ({"commit": 7}, "7 for commit"),
        ({"version": "--help"}, "'--help' for version"),
        ({"version": "v0.1.0"}, "'v0.1.0' for version"),
        ({"version": "0.1.0\n"}, "for version"),
        ({"version": 0.1}, "0.1 for version"),
        ({"source": ["https://x.y/z"]}, "for source"),
        ({"source": False}, "False for source"),
        ({"edited": "no"}, "'no' for edited"),
        ({"existing": []}, "no JSON object for existing"),
        ({"existing": {"kind": "generated"}}, "'generated' for kind"),
        ({"existing": {"kind": []}}, "[] for kind"),
        ({"existing": {"kept": []}}, "'' for kind"),
        ({"existing": {"kind": "started", "kept": "README.md"}}, "'README.md' for kept"),
        *(
            ({"existing": {"kind": "started", "kept": ["README.md", path]}}, "in kept")
            for path in ("", "/etc/x", "../x", "a/../../x", "a//b", "./a", ".git/config", "a/")
        ),
        *(
            ({"existing": {"kind": "started", "kept": [path]}}, "in kept")
            for path in (".GIT/hooks/x", "infra/.git", "a\nb", "a\\b", "C:x", 7, None, ["a"])
        ),
        ([], "no JSON object for template"),
        ("0.1.0", "no JSON object for template"),
        (None, "no JSON object for template"),
    ],
)
def test_a_record_that_no_template_has_written_is_refused(
    tmp_path: Path, template: Any, named: str
) -> None:
    write(tmp_path, {"default_context": ANSWERS, "template": template})
    said = problem(tmp_path)
    assert named in str(said)
    assert said.commands == ("git log --patch -- .cookiecutter.json",)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "is not JSON"),
        ("<<<<<<< HEAD\n{}\n", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "no JSON object for the whole file"),
        ("{}", "no JSON object for default_context"),
        ({"default_context": ["a"]}, "no JSON object for default_context"),
        ({"default_context": {"second_tag": 7}}, "7 for second_tag, which is not text"),
        ({"default_context": {"second_tag": ["a"]}}, "['a'] for second_tag, which is not text"),
        ({"default_context": {"_extensions": "os.x"}}, "'_extensions', which is not a question"),
        ({"default_context": {"a\n": "x"}}, "'a\\n', which is not a question"),
        *(
            ({"default_context": {"project_slug": name}}, "for project_slug, which is not the name")
            for name in ("..", "../web", "/web", "web/x", "web\n", "", ".git")
        ),
        (
            {"default_context": {"second_tag": "latest"}},
            "'' for project_slug, which is not the",
        ),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, content: Any, named: str) -> None:
    write(tmp_path, content)
    said = problem(tmp_path)
    assert named in str(said)
    assert said.commands == ("git log --patch -- .cookiecutter.json",)


def test_bytes_that_are_no_text_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".cookiecutter.json").write_bytes(b'{"default_context": {"a": "\xff"}}')
    assert "cannot be read" in str(problem(tmp_path))
    (tmp_path / ".cookiecutter.json").unlink()
    (tmp_path / ".cookiecutter.json").mkdir()
    assert "cannot be read" in str(problem(tmp_path))


def test_a_missing_record_says_where_it_was_last(tmp_path: Path) -> None:
    said = problem(tmp_path)
    assert ".cookiecutter.json is missing" in str(said)
    assert said.commands == ("git log --diff-filter=D --summary -- .cookiecutter.json",)


def test_a_long_value_is_shown_in_part(tmp_path: Path) -> None:
    write(tmp_path, {"default_context": {"second_tag": ["x" * 5000]}})
    assert len(str(problem(tmp_path))) < 400
