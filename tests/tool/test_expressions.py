"""GitHub's expressions, as far as they are known before a run, as GitHub documents them."""

from __future__ import annotations

from typing import Any

import pytest
from keyless.model.expressions import evaluate, evaluate_text, parse_expression
from keyless.model.refs import Run, common_refs, ref_matches
from keyless.model.values import UNKNOWN

RELEASE = Run("release", "refs/tags/*")
TAG = Run("push", "refs/tags/v1.0.0")
MAIN = Run("push", "refs/heads/main")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("'a''b'", ("value", "a'b")),
        ("true && false", ("&&", ("value", True), ("value", False))),
        ("!a.b", ("!", ("name", "a.b"))),
        ("github['ref']", ("name", "github.ref")),
        ("a || b && c", ("||", ("name", "a"), ("&&", ("name", "b"), ("name", "c")))),
        ("(a || b) && c", ("&&", ("||", ("name", "a"), ("name", "b")), ("name", "c"))),
        ("startsWith(a, 'b')", ("call", "startswith", ("name", "a"), ("value", "b"))),
        ("always()", ("call", "always")),
    ],
)
def test_an_expression_is_parsed_with_githubs_precedence(text: str, tree: Any) -> None:
    assert parse_expression(text) == tree


@pytest.mark.parametrize("text", ["(", "a b", "a &&", "'open", "f(", "=", "(" * 300, "a " * 600])
def test_what_cannot_be_parsed_is_one_unknown_name(text: str) -> None:
    assert parse_expression(text) == ("name", text)


def values(text: str, run: Run) -> set[tuple[Any, str, bool]]:
    """Return each value of an expression with the ref, and whether it is sure."""
    found = evaluate(parse_expression(text), run, {})
    return {(value, then.ref, then.sure) for value, then in found}


@pytest.mark.parametrize(
    ("text", "run", "expected"),
    [
        ("github.ref == 'refs/heads/main'", MAIN, {(True, "refs/heads/main", True)}),
        ("github.ref == 'refs/heads/main'", TAG, {(False, "refs/tags/v1.0.0", True)}),
        ("github.event_name == 'PUSH'", TAG, {(True, "refs/tags/v1.0.0", True)}),
        ("github.ref_name == 'v1.0.0'", TAG, {(True, "refs/tags/v1.0.0", True)}),
        ("github.ref_type == 'tag'", RELEASE, {(True, "refs/tags/*", True)}),
        (
            "startsWith(github.ref, 'refs/tags/v')",
            RELEASE,
            {(True, "refs/tags/v*", True), (False, "refs/tags/*", True)},
        ),
        ("!startsWith(github.ref, 'refs/tags/')", TAG, {(False, "refs/tags/v1.0.0", True)}),
        ("vars.STAGE == 'x'", TAG, {(UNKNOWN, "refs/tags/v1.0.0", False)}),
        ("success()", TAG, {(UNKNOWN, "refs/tags/v1.0.0", True)}),
        (
            "vars.A && false",
            TAG,
            {(False, "refs/tags/v1.0.0", False)},
        ),
    ],
)
def test_a_condition_narrows_the_refs(
    text: str, run: Run, expected: set[tuple[Any, str, bool]]
) -> None:
    assert values(text, run) == expected


def test_a_text_around_an_expression_is_not_known() -> None:
    assert evaluate_text("${{ github.ref }}-x", TAG, {}) == [(UNKNOWN, TAG)]
    assert evaluate_text("plain", TAG, {}) == [("plain", TAG)]
    assert evaluate_text("${{ inputs.a }}", TAG, {"inputs.a": "b"}) == [("b", TAG)]


@pytest.mark.parametrize(
    ("ref", "pattern", "matches"),
    [
        ("refs/tags/v1", "refs/tags/v*", True),
        ("refs/tags/v1*", "refs/tags/v*", True),
        ("refs/tags/*", "refs/tags/v*", False),
        ("refs/tags/v1", "refs/tags/v1", True),
        ("refs/tags/V1", "refs/tags/v*", False),
        ("refs/heads/v1", "refs/tags/v*", False),
    ],
)
def test_a_pattern_stands_for_refs_with_its_beginning(
    ref: str, pattern: str, matches: bool
) -> None:
    assert ref_matches(ref, pattern) is matches


def test_two_patterns_have_the_narrower_one_in_common() -> None:
    assert common_refs("refs/tags/*", "refs/tags/v*") == "refs/tags/v*"
    assert common_refs("refs/heads/*", "refs/tags/v*") is None
