"""Texts with expressions: what is known is filled in, the rest stays as it is written."""

from __future__ import annotations

import re
from typing import Any

from keyless.model.expressions import evaluate, names_of, parse_expression
from keyless.model.refs import Run
from keyless.model.values import UNKNOWN, is_known, to_text, truth

EXPRESSION = re.compile(r"\$\{\{((?:'[^']*'|[^'])*?)\}\}")
LONGEST, DEEPEST = 10_000, 5  # characters of a text, and how often a value may name another one


def fill(text: str, known: dict[str, Any]) -> str:
    """Return a text with its expressions replaced as far as names are known.

    Args:
        known: values by names in lower case. A value may be a text with expressions, too.
    """
    for _ in range(DEEPEST):
        if len(text) > LONGEST or "${{" not in text:
            break
        filled = EXPRESSION.sub(lambda match: _filled(match, known)[:1000], text)
        if filled == text:
            break
        text = filled
    return text.strip()


def _filled(match: re.Match[str], known: dict[str, Any]) -> str:
    tree = parse_expression(match[1])
    reduced = reduce(tree, known)
    text = None if reduced is tree and tree[0] != "value" else _as_text(reduced)
    return match[0] if text is None else text


def _as_text(tree: Any) -> str | None:
    """Return a reduced expression as a text may hold it, None where that is not known."""
    kind, *parts = tree
    if kind == "value":
        return to_text(parts[0])
    if kind == "text":
        return str(parts[0])
    return f"${{{{ {parts[0]} }}}}" if kind == "name" else None


def reduce(tree: Any, known: dict[str, Any]) -> Any:
    """Return an expression without what is known in it: a value, a name, a text, or a call."""
    kind, *parts = tree
    if kind == "name":
        value = known.get(parts[0], UNKNOWN)
        if not is_known(value):
            return tree
        return ("text" if isinstance(value, str) and "${{" in value else "value", value)
    if kind in ("&&", "||"):
        left = reduce(parts[0], known)
        if left[0] == "value":
            return reduce(parts[1], known) if truth(left[1]) is (kind == "&&") else left
        return (kind, left, reduce(parts[1], known))
    if kind == "call" and parts[0] == "format" and len(parts) > 1:
        return _formatted(tree, [reduce(part, known) for part in parts[1:]])
    if kind != "value" and all(is_known(known.get(name, UNKNOWN)) for name in names_of(tree)):
        found = {value for value, _ in evaluate(tree, Run("", ""), known)}
        if len(found) == 1 and all(map(is_known, found)):
            return ("value", found.pop())
    return tree


def _formatted(tree: Any, arguments: list[Any]) -> Any:
    texts = [_as_text(argument) for argument in arguments]
    text = str(texts[0])
    for number, value in enumerate(texts[1:]):
        if value is None or f"{{{number}}}" not in text:
            return tree
        text = text.replace(f"{{{number}}}", value)
    return tree if texts[0] is None else ("text", text)
