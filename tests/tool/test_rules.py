"""The rules: each is broken and caught by itself alone, and what is harmless stays green.

cases/RULE.yml holds the edits of one rule; cases/harmless.yml those that no rule may object to.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from keyless import check, rules
from keyless.model.account import read_account
from keyless.model.findings import UNJUDGED, Finding
from keyless.model.repository import read_repository
from keyless.rules.no_keys import find_in_files

from tests.support.cases import CASES, CAUGHT, HARMLESS, Case, Edited, label
from tests.support.infra_cases import infra_cases

PLANNED = {"can-be-applied", "known-roles"}  # rules that judge nothing but plans


def judge(root: Path) -> dict[str, set[Finding]]:
    """Return what each rule finds by itself."""
    repository = read_repository(root, read_account(root))
    found = {rule.id: set(rule.find(repository)) for rule in rules.all_rules()}
    found["no-keys"] |= set(find_in_files(root))
    return found


@pytest.mark.parametrize("case", CAUGHT, ids=label)
def test_what_is_broken_is_caught_by_its_rule_alone(edited: Edited, case: Case) -> None:
    root = edited(case)
    by_rule = judge(root)
    everything = {finding for found in by_rule.values() for finding in found}
    assert {finding.rule for finding in everything} == {case.name}
    assert {finding.path for finding in everything} == case.where
    assert all(finding.line > 0 and finding.mend for finding in everything)
    # Without its rule the case would fail, and so would no case of another rule.
    assert [rule for rule, found in by_rule.items() if found] == [case.rule]
    assert {*check.findings(root), *find_in_files(root)} == everything


@pytest.mark.parametrize("case", HARMLESS, ids=label)
def test_what_is_harmless_stays_green(edited: Edited, case: Case) -> None:
    root = edited(case)
    assert check.findings(root) == []
    assert list(find_in_files(root)) == []


def test_each_rule_has_its_cases() -> None:
    names = {rule.id for rule in rules.all_rules()}
    planned = {rule for case in infra_cases("broken") for rule in case.rules}
    assert {path.stem for path in CASES.glob("*.yml")} == {*names, "harmless"} - PLANNED
    assert {case.rule for case in CAUGHT} == names - PLANNED
    assert planned >= PLANNED
    assert HARMLESS


@pytest.mark.parametrize(
    "rule",
    [rule for rule in rules.all_rules() if rule.id not in PLANNED],
    ids=lambda rule: rule.id,
)
def test_without_a_rule_its_cases_fail(
    edited: Edited, monkeypatch: pytest.MonkeyPatch, rule: rules.Rule
) -> None:
    others = [each for each in rules.all_rules() if each.id != rule.id]
    monkeypatch.setattr(check, "all_rules", lambda: others)
    first = next(case for case in CAUGHT if case.rule == rule.id)
    root = edited(first)
    in_files = set() if rule.id == "no-keys" else set(find_in_files(root))
    assert {*check.findings(root), *in_files} == set()


def test_rules_are_found_by_walking_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(Path(rules.__file__).parent, folder)
    text = (folder / "same_region.py").read_text()
    (folder / "another_region.py").write_text(text.replace('"same-region"', '"another-region"'))
    for stray in ("._same_role.py", "same role copy.py", "same_role.py~", "_ours.py"):
        (folder / stray).write_text("raise AssertionError('imported')\n")
    (folder / "same_role.py").unlink()
    monkeypatch.setattr(rules, "__file__", str(folder / "__init__.py"))
    monkeypatch.setattr(rules, "__path__", [str(folder)])
    before = {rule.id for rule in rules.all_rules()}
    assert "another-region" in before
    assert "same-role" not in before


@pytest.mark.parametrize("rule", rules.all_rules(), ids=lambda rule: rule.id)
def test_a_rule_says_why_and_where_that_is_documented(rule: rules.Rule) -> None:
    assert re.fullmatch("[a-z]+(-[a-z]+)*", rule.id)
    assert rule.why.endswith(".")
    assert rule.before != rule.after
    assert all(address.startswith("https://") for _, address in rule.sources)
    assert rule.sources or rule.id == UNJUDGED
