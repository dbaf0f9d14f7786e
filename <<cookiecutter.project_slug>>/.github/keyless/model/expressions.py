"""GitHub's expressions, as far as they are known before a run.

[GitHub docs, "Evaluate expressions in workflows and actions"]
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from keyless.model.payloads import NEUTRAL, context_value
from keyless.model.refs import Run, common_refs, narrow, ref_matches
from keyless.model.values import (
    UNKNOWN,
    Items,
    RefText,
    Unknown,
    equal,
    is_known,
    to_number,
    to_text,
    truth,
)

TOKEN = re.compile(
    r"\s*(?:('(?:[^']|'')*')|(-?(?:0x[0-9a-fA-F]+|[0-9.]+(?:e[-+]?[0-9]+)?)(?![\w-]))"
    r"|([A-Za-z_][\w-]*)|(&&|\|\||[=!<>]=|[()\[\].,!<>*]))"
)


LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))


# What they return is known where a world is given; they never narrow the refs.
STATUS = ("success", "always", "failure", "cancelled")


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Any:
    """Return an expression as nested tuples; what cannot be read is one unknown name."""
    tokens: list[str] = []
    rest = text
    while rest.strip():
        match = TOKEN.match(rest)
        if not match or len(tokens) > 500:
            return ("name", text)
        tokens.append(match[0].strip())
        rest = rest[match.end() :]
    tokens.reverse()

    def binary(level: int = 0) -> Any:
        if level == len(LEVELS):
            return unary()
        left = binary(level + 1)
        while tokens and tokens[-1] in LEVELS[level]:
            left = (tokens.pop(), left, binary(level + 1))
        return left

    def unary() -> Any:
        token = tokens.pop()
        if token == "!":
            return ("!", unary())
        if token == "(":
            inner = binary()
            tokens.pop()
            return inner
        if token[0] == "'":
            return ("value", token[1:-1].replace("''", "'"))
        if token.lower() in ("true", "false", "null"):
            return ("value", {"true": True, "false": False}.get(token.lower()))
        if re.match(r"-?[0-9.]", token):
            return ("value", to_number(token))
        name = token.lower()
        while tokens and tokens[-1] in (".", "["):
            bracket = tokens.pop() == "["
            name += "." + tokens.pop().strip("'").lower()
            if bracket:
                tokens.pop()
        if not tokens or tokens[-1] != "(":
            return ("name", name)
        arguments = []
        while tokens.pop() != ")":  # what is taken is the bracket, or the comma
            if tokens[-1] != ")":
                arguments.append(binary())
        return ("call", name, *arguments)

    try:
        tree = binary()
    except (IndexError, RecursionError):
        return ("name", text)
    return ("name", text) if tokens else tree


def evaluate(
    tree: Any, run: Run, known: dict[str, Any], seen: dict[Any, Any] | None = None
) -> list[tuple[Any, Run]]:
    """Return each value that an expression may have, with the run that has it, its ref narrowed.

    A value is as model/values.py says. A ref is compared as it is written, other text without
    regard to case.

    Args:
        known: the values of names in lower case; that of a call such as `success()`, too.
    """
    seen = {} if seen is None else seen
    if (id(tree), run) not in seen:
        found = list(dict.fromkeys(_values_of(tree, run, known, seen)))
        seen[id(tree), run] = found
    return seen[id(tree), run]  # type: ignore[no-any-return]


def _values_of(
    tree: Any, run: Run, known: dict[str, Any], seen: dict[Any, Any]
) -> Iterator[tuple[Any, Run]]:
    kind, *parts = tree
    if kind == "value":
        yield parts[0], run
    elif kind == "!":
        for value, then in evaluate(parts[0], run, known, seen):
            held = truth(value)
            yield held if isinstance(held, Unknown) else not held, then
    elif kind in ("&&", "||"):
        for value, then in evaluate(parts[0], run, known, seen):
            held = truth(value)
            if isinstance(held, Unknown):
                yield (False if kind == "&&" else UNKNOWN), then
            if isinstance(held, Unknown) or held == (kind == "&&"):
                yield from evaluate(parts[1], then, known, seen)
            else:
                yield value, then
    elif kind == "name":
        value = context_value(parts[0], run, known)
        neutral = is_known(value) or isinstance(value, RefText) or NEUTRAL.match(parts[0])
        yield value, run if neutral else run._replace(sure=False)
    elif kind == "call":
        yield from _call(parts[0], parts[1:], run, known, seen)
    else:
        for left, middle in evaluate(parts[0], run, known, seen):
            for right, then in evaluate(parts[1], middle, known, seen):
                for value, last in compare(kind, left, right, then):
                    unknown = kind != "!=" or isinstance(value, Unknown)
                    yield (value if unknown else not value), last


def compare(kind: str, left: Any, right: Any, run: Run) -> Iterator[tuple[Any, Run]]:
    """Yield what ==, != (as if it were ==), or another comparison finds, or `startsWith`."""
    if kind != "startswith" and isinstance(right, RefText):
        left, right = right, left
    if isinstance(left, RefText) and isinstance(right, str) and kind in ("==", "!=", "startswith"):
        wanted = left.cut + right + ("*" if kind == "startswith" else "")
        both = common_refs(run.ref, wanted)
        yes = narrow(run, both) if both else None
        if yes:
            yield True, yes
        if not ref_matches(run.ref, wanted):
            yield False, run._replace(without=(*run.without, wanted))
    elif isinstance(left, RefText) or isinstance(right, RefText):
        other = right if isinstance(left, RefText) else left
        if kind in ("==", "!=") and is_known(other):
            yield False, run  # a ref is neither empty nor a number
        else:
            yield UNKNOWN, run._replace(sure=run.sure and isinstance(other, Unknown))
    elif kind in ("==", "!="):
        yield equal(left, right), run
    elif not (is_known(left) and is_known(right)):
        yield UNKNOWN, run
    elif kind == "startswith":
        yield to_text(left).lower().startswith(to_text(right).lower()), run
    else:
        one, other = to_number(left), to_number(right)
        answers = {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}
        yield answers.get(kind, UNKNOWN), run


def _call(
    name: str, trees: list[Any], run: Run, known: dict[str, Any], seen: dict[Any, Any]
) -> Iterator[tuple[Any, Run]]:
    if name in STATUS:
        yield known.get(f"{name}()", UNKNOWN), run
        return
    found: list[tuple[list[Any], Run]] = [([], run)]
    for tree in trees:
        found = [
            ([*before, value], last)
            for before, then in found
            for value, last in evaluate(tree, then, known, seen)
        ]
    for values, then in found:
        if name == "startswith" and len(values) == 2:
            yield from compare(name, values[0], values[1], then)
        elif all(map(is_known, values)):
            yield _function(name, values), then
        elif name == "contains" and len(values) == 2 and isinstance(values[0], RefText):
            inside = isinstance(values[1], str) and values[1] in _certain(values[0], then)
            yield (True if inside else UNKNOWN), then._replace(sure=then.sure and inside)
        else:
            unsure = any(isinstance(value, RefText) for value in values) or name == "hashfiles"
            kind = "text" if name in ("format", "join", "tojson", "hashfiles") else "any"
            yield Unknown(kind), then._replace(sure=then.sure and not unsure)


def _certain(text: RefText, run: Run) -> str:
    """Return what the text of a ref surely begins with."""
    return run.ref[len(text.cut) :].rstrip("*")


def _function(name: str, values: list[Any]) -> Any:
    """Return what a function makes of known values; UNKNOWN for another function."""
    if name == "endswith" and len(values) == 2:
        return to_text(values[0]).lower().endswith(to_text(values[1]).lower())
    if name == "contains" and len(values) == 2:
        if isinstance(values[0], Items):
            return any(equal(each, values[1]) is True for each in values[0])
        return to_text(values[1]).lower() in to_text(values[0]).lower()
    if name == "format" and values:
        text = to_text(values[0])
        for number, value in enumerate(values[1:]):
            text = text.replace(f"{{{number}}}", to_text(value))
        return text.replace("{{", "{").replace("}}", "}")
    if name == "join" and values:
        between = to_text(values[1]) if len(values) > 1 else ","
        one = values[0] if isinstance(values[0], Items) else [values[0]]
        return between.join(map(to_text, one))
    if name == "fromjson" and len(values) == 1:
        return _read_json(to_text(values[0]))
    return UNKNOWN


def _read_json(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return UNKNOWN
    if isinstance(value, list) and not any(isinstance(each, (list, dict)) for each in value):
        return Items(value)
    return UNKNOWN if isinstance(value, (list, dict)) else value


def is_expression(text: str) -> bool:
    """Tell whether a text is one expression, and nothing beside it."""
    return text.startswith("${{") and text.count("${{") == 1 and text.endswith("}}")


def evaluate_text(text: str, run: Run, known: dict[str, Any]) -> list[tuple[Any, Run]]:
    """Return each value of a text that may be one expression; UNKNOWN where it is not known."""
    if is_expression(text):
        return evaluate(parse_expression(text[3:-2]), run, known)
    return [(UNKNOWN if "${{" in text else text, run)]


def names_of(tree: Any) -> Iterator[str]:
    """Yield the names that an expression reads, and the calls that a world may know."""
    kind, *parts = tree
    if kind == "name":
        yield parts[0]
    elif kind == "call":
        if parts[0] in STATUS:
            yield f"{parts[0]}()"
        for part in parts[1:]:
            yield from names_of(part)
    elif kind != "value":
        for part in parts:
            yield from names_of(part)


def normalize_expressions(text: str) -> str:
    """Return a text with its expressions in one spelling; GitHub ignores their case."""
    return re.sub(r"\$\{\{.*?\}\}", lambda found: re.sub(r"\s", "", found[0]).lower(), text)
