"""The files with values are edited as texts: one value changes, entries come and go."""

from __future__ import annotations

import json
from typing import Any

import pytest
from keyless.model.account import parse_account
from keyless.setup.new_entries import distribute
from keyless.setup.values import edit_json, with_entries, without_entry

from tests.support.bootstrap import TFVARS
from tests.support.entries import SECOND, values


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ('{"a": null}', ["a"], "x", '{"a": "x"}'),
        ('{\r\n\t"b": {"a" :null , "c":1}}', ["b", "a"], "x", '{\r\n\t"b": {"a" :"x" , "c":1}}'),
        ('{"b": {\n  "c": 1\n}}', ["b", "a"], "x", '{"b": {\n  "a": "x",\n  "c": 1\n}}'),
        ('{"a": "old \\"}{, a: ", "é": [{"a": 1}]}', ["a"], True, '{"a": true, "é": [{"a": 1}]}'),
        ('{"x": {"a": 1}, "a": {"a": 2}}', ["a", "a"], 3, '{"x": {"a": 1}, "a": {"a": 3}}'),
        ('{"\\u0061": 1}', ["a"], 2, '{"\\u0061": 2}'),
    ],
    ids=["one", "CRLF and tab", "missing", "brackets in text", "the same name twice", "escaped"],
)
def test_one_value_is_changed_and_all_else_is_kept(
    before: str, path: list[str], value: Any, after: str
) -> None:
    assert edit_json(before, path, value) == after


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1,\r\n  "repositories": {\r\n    "m": {"x": 1}\r\n  },\r\n "b": 2}\r\n',
        '{"repositories": {"m": {"x": "}{\\""}}, "a": [1, {"repositories": {}}]}',
        '{\n  "repositories": {\n  }\n}\n',
    ],
    ids=["carriage returns", "one line", "empty"],
)
def test_entries_come_and_go_and_all_else_is_kept(text: str) -> None:
    old = json.loads(text)
    new: dict[str, dict[str, Any]] = {"a": {"x": 2}, "z": {"y": ["v*"]}}
    full = with_entries(text, new)
    assert json.loads(full) == {**old, "repositories": {**old["repositories"], **new}}
    assert list(json.loads(full)["repositories"]) == sorted({**old["repositories"], **new})
    assert ("\r\n" in full) == ("\r\n" in text)
    assert "\r\n" not in full or "\n" not in full.replace("\r\n", "")
    for key in ("a", "z", *old["repositories"]):
        full = without_entry(full, key)
        assert key not in json.loads(full)["repositories"]
    assert json.loads(full) == {**old, "repositories": {}}


def test_entries_beyond_a_size_go_to_files_with_states_of_their_own() -> None:
    text = values()
    own = json.loads(text)["repositories"]["example-service"]
    many = {
        f"service-{n:04}": {**own, "ecr_repository": f"s-{n}", "role_name": f"s-{n}"}
        for n in range(700)
    }
    texts = distribute(parse_account({TFVARS: text}), many)
    sizes = {path: len(json.loads(content)["repositories"]) for path, content in texts.items()}
    assert sizes == {TFVARS: 300, SECOND: 300, "infra/repositories-3.tfvars.json": 101}
    account = parse_account(texts)
    assert set(account.entries) == {"example-service", *many}
    assert account.places["service-0299"] == SECOND
    # Further ones go where there is room.
    more = distribute(account, {"one-more": own})
    assert list(more) == ["infra/repositories-3.tfvars.json"]
