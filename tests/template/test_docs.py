"""The pages that `make docs` writes, and how long the sentences are that people read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.standins.emulator import ROOT
from tests.support.prose import lengths, sentences, too_long
from tools import docs
from tools.messages import TOOL, Reader, reached, read_modules

WRITTEN = sorted(path.relative_to(ROOT).as_posix() for path in docs.written())
BY_HAND = [
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "docs/decisions").glob("*.md"),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(TOOL / "docs").rglob("*.md"),
    TOOL / "README.md",
]


PAGES = [ROOT / name for name in WRITTEN]


def test_the_pages_are_as_the_code_says() -> None:
    assert docs.stale(docs.pages()) == [], "These pages are stale. Type: make docs"


def test_a_page_that_somebody_edits_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = docs.written()
    values = docs.DOCS / "reference/values.md"
    edited = {**pages, values: pages[values].replace("required", "optional")}
    edited[docs.DOCS / "messages/gone.md"] = "# Nothing writes this page"
    del edited[docs.DOCS / "reference/rules.md"]
    monkeypatch.setattr(docs, "written", lambda: edited)
    assert docs.stale(docs.pages()) == [
        "messages/gone.md",
        "reference/rules.md",
        "reference/values.md",
    ]


def test_make_docs_writes_stale_pages_and_removes_what_nothing_writes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(docs, "DOCS", tmp_path)
    (tmp_path / "messages").mkdir()
    (tmp_path / "messages/gone.md").touch()
    assert docs.main() == 0
    found = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in docs.written()}
    assert found == {path.relative_to(ROOT / "docs").as_posix(): path.read_text() for path in PAGES}


def test_a_message_without_a_cause_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = docs.read_groups()
    causes = dict(groups["publish"].causes)
    removed = next(iter(causes))
    causes["A message that nothing prints"] = causes.pop(removed)
    changed = {**groups, "publish": groups["publish"]._replace(causes=causes)}
    monkeypatch.setattr(docs, "read_groups", lambda: changed)
    assert docs.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        f"causes/publish.yml: no cause for {removed!r}",
        "causes/publish.yml: no such message: 'A message that nothing prints'",
    ]


def test_a_module_with_messages_that_is_on_no_page_is_named() -> None:
    groups = docs.read_groups()
    del groups["publish"]
    with pytest.raises(ValueError, match=r"release\.\w+ is on 0 pages"):
        docs.messages_by_group(groups)


def test_each_message_of_publish_diagnose_doctor_and_bootstrap_is_a_heading() -> None:
    """What stands in the code as the text of a message stands on a page, too.

    What follows the heading may be replaced there, by what to do in which case.
    """
    texts = [path.read_text() for path in PAGES if path.parent.name == "messages"]
    groups = docs.read_groups()
    for name, messages in docs.messages_by_group(groups).items():
        replaced = [each for each in messages if each.heading in groups[name].remedies]
        texts += [each.rest for one in replaced for each in (one, *one.others)]
    listed = re.sub(r"\\(.)|\s+", lambda found: found[1] or " ", " ".join(texts))
    modules = read_modules()
    roots = ("release.publish", "release.diagnose", "setup.doctor", "setup.bootstrap")
    names = [name for name in reached(modules, *roots) if not name.startswith("rules")]
    assert len(names) > 80
    said = [(name, text) for name in names for text in message_texts(modules[name].tree)]
    assert len(said) > 150
    assert [(name, text) for name, text in said if text not in listed] == []


def message_texts(tree: ast.Module) -> Iterator[str]:
    """Yield the constant parts of what is given to Problem, Unfinished and the lines of doctor."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        name = node.func.id
        if name not in PRINT or len(node.args) <= PRINT[name]:
            continue
        yield from parts_of(node.args[PRINT[name]])


def parts_of(node: ast.AST) -> Iterator[str]:
    """Yield the sentences of an expression, without what it only falls back to (`name or "none"`).

    Of a sentence that has values in it, these are the parts between, from three words on.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        for sentence in re.split(r"(?<=[.?:]) ", " ".join(node.value.split())):
            text = sentence.rstrip(".:? ").lstrip(").:;, ")
            if len(text.split()) > 2:
                yield text
    for each in ast.iter_child_nodes(node):
        if not isinstance(node, ast.BoolOp) or each is node.values[0]:
            yield from parts_of(each)


PRINT = {"Problem": 0, "Unfinished": 0, "wrong": 1, "warning": 1, "unknown": 1}


@pytest.mark.parametrize(
    ("code", "messages"),
    [
        ('raise Problem("A is wrong. Mend it:", "make it")', [("A is wrong. Mend it:", "make it")]),
        (
            'text = f"{word} is"\n    if word:\n        text += " right"\n    raise Problem(text)',
            [("WORD is right",), ("WORD is",)],
        ),
        (
            'if word:\n        text = "No."\n        raise Problem(text)\n    text = "Yes."\n'
            "    raise Problem(text)",
            [("No.",), ("Yes.",)],
        ),
        ("raise Problem(f\"It is {'on' if word else 'off'}.\")", [("It is on.",), ("It is off.",)]),
        ('require(word, "The push failed")', [("The push failed: SAID", "make it")]),
        ("raise Problem(text(word), *lines())", [("It reads WORD", "one", "two")]),
    ],
)
def test_the_reader_of_messages_follows_the_code(
    tmp_path: Path, code: str, messages: list[tuple[str, ...]]
) -> None:
    (tmp_path / "console.py").write_text(
        "class Problem(Exception): ...\n"
        "class Unfinished(Problem): ...\n"
        "def require(said, what):\n    raise Unfinished(f'{what}: {said}', 'make it')\n"
        "def text(word) -> str:\n    return f'It reads {word}'\n"
        "def lines():\n    return ('one', 'two')\n"
    )
    (tmp_path / "command.py").write_text(
        f"from keyless.console import Problem, lines, require, text\ndef main(word):\n    {code}\n"
    )
    modules = read_modules(tmp_path)
    assert reached(modules, "command") == ["command", "console"]
    found = Reader(modules).summary("command", "main")
    printed = [next(each.filled({"said": ["SAID"]})) for each in found]
    expected = [(first.replace("SAID", "WORD"), *rest) for first, *rest in messages]
    assert [(each.text, *each.commands) for each in printed] == expected


def test_the_counter_of_words_counts_what_people_read() -> None:
    text = (
        "# A heading is not counted\n\nOne `code span` is one word. A [link](https://example.com)"
        " counts its words!\n\n| a cell of words | and another cell |\n| --- | --- |\n"
        "- An item ends here\n- and the next\n\n```sh\nnothing of this\n```\n"
    )
    assert [len(each) for each in sentences(text)] == [5, 5, 4, 3, 4, 3]
    assert lengths(text) == (4, 5, 5)
    assert too_long(text, 4) == ["One code is one word.", "A link counts its words"]


@pytest.mark.parametrize("path", BY_HAND, ids=lambda path: path.relative_to(ROOT).as_posix()[-60:])
def test_most_sentences_of_a_page_are_short(path: Path) -> None:
    text = path.read_text()
    assert too_long(text) == []
    assert lengths(text).most <= 25


def test_most_sentences_of_a_guide_are_short(bake: Bake) -> None:
    text = (bake(deploy_to="ecs-express", platform="both").path / "README.md").read_text()
    assert too_long(text) == []
    assert lengths(text).most <= 25


def test_most_sentences_of_a_message_are_short() -> None:
    modules = read_modules()
    names = [name for name in modules if not name.startswith("rules")]
    texts = [each.text for each in Reader(modules).messages(names)]
    assert len(texts) > 250
    assert [each for text in texts for each in too_long(text)] == []
    assert lengths(*texts).most <= 25
