"""GitHub's expressions, as far as they are known before a run, as GitHub documents them."""

from __future__ import annotations

from typing import Any

import pytest
from keyless.model.documents import parse_yaml
from keyless.model.expressions import evaluate, evaluate_text, parse_expression
from keyless.model.refs import Run, common_refs, ref_matches
from keyless.model.texts import fill
from keyless.model.triggers import starting_runs
from keyless.model.values import UNKNOWN, Unknown
from keyless.model.workflows import Workflow

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


RELEASED = Run("release", "refs/tags/*", types=("published",))
BY_HAND = Run("workflow_dispatch", "refs/heads/*")


@pytest.mark.parametrize(
    ("text", "run", "known", "value"),
    [
        # GitHub compares values of different types as numbers.
        ("true == 'true'", TAG, {}, False),
        ("false == ''", TAG, {}, True),
        ("null == 0", TAG, {}, True),
        ("'1' == 1", TAG, {}, True),
        ("'abc' == 0", TAG, {}, False),
        ("'0x10' == 16", TAG, {}, True),
        ("1.50 == 1.5", TAG, {}, True),
        ("2 > 1 && 1 <= 1", TAG, {}, True),
        ("'ABC' == 'abc'", TAG, {}, True),
        ("!''", TAG, {}, True),
        ("null || 'x'", TAG, {}, "x"),
        # What an event says of itself, and what another event does not have.
        ("github.event.release.prerelease == 'false'", RELEASED, {}, False),
        ("github.event.release.prerelease == false", RELEASED, {}, UNKNOWN),
        ("github.event.release.draft", RELEASED, {}, False),
        ("github.event.release", TAG, {}, None),
        ("github.event.release.tag_name == 'v1'", Run("release", "refs/tags/v1"), {}, True),
        ("github.event.action == 'published'", RELEASED, {}, True),
        ("github.event.action == 'created'", RELEASED, {}, False),
        ("github.event.action", TAG, {}, None),
        ("github.event.head_commit.message == ''", RELEASED, {}, True),
        ("github.event.pull_request.merged == true", RELEASED, {}, False),
        ("github.event.ref == 'refs/tags/v1.0.0'", TAG, {}, True),
        ("github.event.inputs.go == 'yes'", RELEASED, {}, False),
        ("inputs.go", RELEASED, {}, None),
        ("inputs.go == 'true'", BY_HAND, {"dispatch.go": Unknown("boolean")}, False),
        ("inputs.go == true", BY_HAND, {"dispatch.go": Unknown("boolean")}, UNKNOWN),
        ("inputs.go == 'x'", BY_HAND, {"dispatch.go": Unknown("text", ("a", "b"))}, False),
        ("github.event.inputs.go == 'true'", BY_HAND, {"dispatch.go": Unknown("boolean")}, UNKNOWN),
        ("vars.GO == true", TAG, {}, False),
        ("vars.GO == 'true'", TAG, {}, UNKNOWN),
        # Functions.
        ("contains('Hello', 'ELL')", TAG, {}, True),
        ("contains(fromJSON('[\"a\", \"b\"]'), 'B')", TAG, {}, True),
        ("endsWith('a/b', '/B')", TAG, {}, True),
        ("startsWith('abc', 'AB')", TAG, {}, True),
        ("format('{0}-{1}', 'a', 1)", TAG, {}, "a-1"),
        ("join(fromJSON('[\"a\", \"b\"]'), '-')", TAG, {}, "a-b"),
        ("fromJSON('true') == true", TAG, {}, True),
        ("fromJSON('{') == 1", TAG, {}, UNKNOWN),
        ("success()", TAG, {"success()": True}, True),
        ("hashFiles('**/go.sum') == ''", TAG, {}, UNKNOWN),
        ("toJSON(github) == 1", TAG, {}, UNKNOWN),
    ],
)
def test_an_expression_has_the_value_that_github_gives_it(
    text: str, run: Run, known: dict[str, Any], value: Any
) -> None:
    assert {found for found, _ in evaluate(parse_expression(text), run, known)} == {value}


@pytest.mark.parametrize(
    ("text", "known", "filled"),
    [
        ("${{ env.A }}", {"env.a": "x"}, "x"),
        ("${{ env.A }}-${{ github.sha }}", {"env.a": "x"}, "x-${{ github.sha }}"),
        ("${{ inputs.A || github.ref_name }}", {"inputs.a": None}, "${{ github.ref_name }}"),
        ("${{ env.A && 'yes' || 'no' }}", {"env.a": ""}, "no"),
        ("${{ format('{0}:{1}', env.A, github.sha) }}", {"env.a": "x"}, "x:${{ github.sha }}"),
        ("${{ format('{0}', vars.X) }}", {}, "${{ vars.x }}"),
        ("${{ env.A == 'x' }}", {"env.a": "x"}, "true"),
        ("${{ steps.a.outputs.B }}", {}, "${{ steps.a.outputs.B }}"),
        ("${{ env.A }}", {"env.a": "${{ github.sha }}"}, "${{ github.sha }}"),
        ("${{ env.A }}", {"env.a": "${{ env.A }}"}, "${{ env.A }}"),
    ],
)
def test_what_is_known_is_filled_in(text: str, known: dict[str, Any], filled: str) -> None:
    assert fill(text, known) == filled


@pytest.mark.parametrize(
    ("on", "refs"),
    [
        ("{push: {tags: ['v*']}}", {"refs/tags/v*"}),
        ("{push: {tags: ['v[0-9]+.*', '!v0.*']}}", {"refs/tags/v*"}),
        ("{push: {tags: ['!v*', 'v1.*']}}", {"refs/tags/v1.*"}),
        ("{push: {tags: ['v*', '!v*']}}", set()),
        ("{push: {tags-ignore: ['v*']}}", {"refs/tags/*"}),
        ("{push: {tags-ignore: ['**']}}", set()),
        ("{push: {branches: main}}", {"refs/heads/main"}),
        ("{push: {branches-ignore: [dev]}}", {"refs/heads/*"}),
        ("push", {"refs/heads/*", "refs/tags/*"}),
        ("[release]", {"refs/tags/*"}),
    ],
)
def test_an_event_starts_a_workflow_for_the_refs_of_its_filters(on: str, refs: set[str]) -> None:
    workflow = Workflow("w.yml", [], parse_yaml("w.yml", f"on: {on}\njobs: {{a: {{}}}}"))
    assert {run.ref for run in starting_runs(workflow)} == refs


def test_a_ref_that_a_filter_leaves_out_does_not_come_back_by_a_condition() -> None:
    text = "on: {push: {tags-ignore: ['v*']}}\njobs: {a: {}}"
    (run,) = starting_runs(Workflow("w.yml", [], parse_yaml("w.yml", text)))
    tree = parse_expression("startsWith(github.ref, 'refs/tags/v')")
    assert [value for value, _ in evaluate(tree, run, {})] == [False]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("012345678901", "12345678901"),
        ('"012345678901"', "012345678901"),
        ("111122223333", "111122223333"),
        ("1.10", "1.1"),
        ("True", "true"),
        ("yes", "yes"),
        ("~", ""),
        ("0o17", "15"),
        ("1.2.3", "1.2.3"),
        ("|\n  012", "012"),
    ],
)
def test_a_scalar_without_quotes_may_be_a_number(written: str, read: str) -> None:
    assert parse_yaml("w.yml", f"a: {written}").text("a") == read
