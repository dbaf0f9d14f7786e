"""The pictures of README and pages: each is what a real run shows, and the same on each machine."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest

from tests import pictures
from tests.conftest import Copy
from tests.pictures import FOLDER, PICTURES, embedded, files, masked, stale
from tests.rehearsal import SHA
from tests.standins.emulator import ROOT
from tests.support.desk import Desk
from tests.support.drawing import WIDTH, draw, rows
from tests.support.pages import PAGES, README
from tests.support.project import Failed

SHOWN = {
    "README": ["bootstrap", "finding"],
    "first-image": ["questions", "refused-answer", "doctor"],
    "troubleshooting": ["refused-role"],
}
TEXTS = {name: pictures.read(FOLDER / f"{name}.txt") for name in PICTURES}


def current(name: str, captured: str) -> None:
    """Compare a picture with what was captured a moment ago."""
    said = stale(name, captured)
    assert not said, said


# Each is what a real run shows


@pytest.mark.slow
def test_the_questions_are_those_that_are_asked(tmp_path: Path) -> None:
    current("questions", pictures.the_questions(tmp_path))


def test_the_refused_answer_is_refused(tmp_path: Path) -> None:
    current("refused-answer", pictures.refused_answer(tmp_path))


def test_the_finding_is_found(copy: Copy) -> None:
    current("finding", pictures.finding(copy()))


def test_what_is_answered_at_bootstrap_is_its_question() -> None:
    """What it does then is compared where test_readme.py runs the quick start."""
    (answered,) = re.findall(r"(?m)^(.*: )yes$", TEXTS["bootstrap"])
    assert re.search(pictures.CONSENT, answered)


def test_doctor_and_the_job_say_what_is_shown(ready: Desk) -> None:
    current("doctor", pictures.the_doctor(ready))
    current("refused-role", pictures.refused_role(ready))


# A picture that is stale is reported


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_drawn_from_its_text(name: str) -> None:
    current(name, TEXTS[name])


def test_there_is_nothing_else_among_the_pictures() -> None:
    wanted = {file for name in PICTURES for file in files(name, TEXTS[name])}
    assert {path.name for path in FOLDER.iterdir()} == wanted


def test_what_differs_is_reported_with_its_file_and_its_lines(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    assert pictures.write("doctor", TEXTS["doctor"], folder) == "doctor: changed"
    assert pictures.write("doctor", TEXTS["doctor"], folder) == "doctor: as before"
    assert stale("doctor", TEXTS["doctor"], folder) == ""
    line = "ok       template     this is version 1.0.0, the newest"
    assert line in TEXTS["doctor"]
    said = stale("doctor", TEXTS["doctor"].replace(line, f"{line} of all"), folder).splitlines()
    assert said[:3] == [
        f"docs/pictures/doctor{file} is stale. Type: make pictures"
        for file in (".txt", "-light.svg", "-dark.svg")
    ]
    assert said[-2:] == [f"-{line}", f"+{line} of all"]
    drawing = folder / "doctor-dark.svg"
    drawing.write_text(drawing.read_text().replace("newest", "oldest"))
    said = stale("doctor", TEXTS["doctor"], folder).splitlines()
    assert said == ["docs/pictures/doctor-dark.svg is stale. Type: make pictures"]
    drawing.unlink()
    assert stale("doctor", TEXTS["doctor"], folder).splitlines() == said


def test_a_command_that_ends_otherwise_makes_no_picture(tmp_path: Path, copy: Copy) -> None:
    (tmp_path / "Makefile").write_text("check:\n\t@echo all is well\n")
    with pytest.raises(Failed, match=r"make check ended with 0:\nall is well"):
        pictures.ran("check", tmp_path, os.environ, 1)
    with pytest.raises(Failed, match=r"make check ended with 0:\r?\nall is well"):
        pictures.typed(["make", "check"], tmp_path, os.environ, "never asked", ["yes"], 1)
    project = copy()
    deploy = project.path / ".github/workflows/deploy.yml"
    deploy.write_text(deploy.read_text().replace("timeout-minutes: 30", "timeout-minutes: 29"))
    with pytest.raises(Failed, match=r"deploy\.yml has not one line"):
        pictures.finding(project)


# It is the same in each run, and on each machine

RUN = """\
$ make bootstrap\r
\x1b[0m\x1b[1maws_iam_role.b: Creating...\x1b[0m\r
aws_iam_role.a: Creating...\r
aws_iam_role.b: Creation complete after 1s [id=b]\r
\x1b[32m\r
Apply complete! Resources: 2 added, 0 changed, 0 destroyed.\r
\r
Outputs:\r
\r
role = "b"\r
[2/2] push  \r
Tags 0a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b, {letters}, {digest}\r
make: *** [Makefile:26: bootstrap] Error 1\r
\r
"""


def test_commits_colours_and_what_terraform_says_between_are_replaced() -> None:
    known = {"letters": "abcdefabcd" * 4, "digest": "sha256:" + "5e" * 32}
    assert masked(RUN.format(**known)) == """\
$ make bootstrap
...
Apply complete! Resources: 2 added, 0 changed, 0 destroyed.
...
[2/2] push
Tags {commit}, {letters}, {digest}
""".format(**known, commit=SHA)  # fmt: skip


def test_a_drawing_is_the_same_in_any_environment() -> None:
    program = """
import sys
from tests.pictures import FOLDER, files, read
drawn = files("questions", read(FOLDER / "questions.txt"))
sys.stdout.write("".join(drawn.values()))
"""
    strange = {"COLUMNS": "20", "TERM": "dumb", "NO_COLOR": "1", "LC_ALL": "C", "PYTHONUTF8": "1"}
    drawn = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, **further},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, further in (("1", {}), ("2", strange))
    }
    assert drawn == {"".join(files("questions", TEXTS["questions"]).values())}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_shows_its_text_and_nothing_of_a_machine_or_the_network(name: str) -> None:
    machine = ("/tmp", "127.0.0.1", "localhost", str(ROOT), str(Path.home()), socket.gethostname())
    for file, content in files(name, TEXTS[name]).items():
        assert [one for one in machine if one in content] == []
        addresses = set(re.findall(r"\w+://[^/\s]+", content))
        assert addresses <= {"https://github.com", "http://www.w3.org"}
        if file.endswith(".svg"):
            assert not re.search(r"url\(|@font-face|<image|<script|href|class=\"rich", content)
            drawing = Xml.fromstring(content)  # noqa: S314  # it is ours
            assert drawing.attrib["aria-label"] == PICTURES[name].alt
            shown = "".join("".join(drawing.itertext()).split())
            assert "".join(TEXTS[name].split()) in shown
            assert len(content) < 15_000


def test_a_line_that_is_too_long_goes_on_as_far_in_as_it_began() -> None:
    word = "x" * 30
    assert rows(f"a\n\n  {word} {word} {word} {word}\n{word * 4}\n") == [
        *("a", "", f"  {word} {word} {word}", f"  {word}"),
        *("x" * WIDTH, "x" * 20),
    ]
    drawn = draw("one", "A <title>", 'An "alt" & more', "a < b\n", "dark")
    text = Xml.fromstring(drawn)  # noqa: S314  # it is ours
    assert text.attrib["aria-label"] == 'An "alt" & more'
    assert "A\xa0<title>" in "".join(text.itertext())


# It is shown


def test_each_picture_is_on_its_page_with_its_text_for_those_who_see_none() -> None:
    pages = {**PAGES, "README": README}
    for page, names in SHOWN.items():
        folder = "docs/pictures" if page == "README" else "pictures"
        parts = [pages[page].count(f"\n\n{embedded(name, folder)}") for name in names]
        assert parts == [1] * len(names), page
    shown = {
        page: re.findall(r'<img src="\S*?([\w-]+)-light\.svg"', text)
        for page, text in pages.items()
        if "<img" in text
    }
    assert shown == SHOWN


@pytest.mark.parametrize("name", PICTURES)
def test_what_one_sees_is_said_in_one_short_sentence(name: str) -> None:
    alt = PICTURES[name].alt
    assert re.fullmatch(r"[^\n]*[^.]\.", alt)
    assert len(alt.split()) <= 25
