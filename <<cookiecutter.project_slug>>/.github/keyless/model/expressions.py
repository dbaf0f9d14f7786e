"""GitHub's expressions, as far as they are known before a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from keyless.model.refs import Run, common_refs, ref_matches

TOKEN = re.compile(
    r"\s*(?:('(?:[^']|'')*')|([A-Za-z_][\w-]*|-?\d[\w.]*)|(&&|\|\||[=!<>]=|[()\[\].,!<>*]))"
)


LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))


UNKNOWN = None


# Whatever their values, they do not narrow the refs.
NEUTRAL_NAMES = (
    r"success|always|failure|cancelled|github\.(actor|triggering_actor|repository|event\.repos)"
)


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
        if token.lower() in ("true", "false"):
            return ("value", token.lower() == "true")
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

    A value is text, true, false, UNKNOWN, or a tuple: what the text of a ref leaves out of it.
    GitHub compares without regard to case; a ref is compared here as it is written.
    """
    seen = {} if seen is None else seen
    kind, *parts = tree
    if (id(tree), run) in seen:
        return seen[id(tree), run]  # type: ignore[no-any-return]
    found: list[tuple[Any, Run]] = []
    if kind == "value":
        found = [(parts[0], run)]
    elif kind == "!":
        pairs = evaluate(parts[0], run, known, seen)
        found = [(UNKNOWN if value is UNKNOWN else not value, then) for value, then in pairs]
    elif kind in ("&&", "||"):
        for value, then in evaluate(parts[0], run, known, seen):
            if value is UNKNOWN:
                found.append((False if kind == "&&" else UNKNOWN, then))
            if value is UNKNOWN or bool(value) == (kind == "&&"):
                found += evaluate(parts[1], then, known, seen)
            else:
                found.append((value, then))
    elif kind in ("==", "!=") or (parts[0] == "startswith" and len(parts) == 3):
        for left, middle in evaluate(parts[-2], run, known, seen):
            for right, then in evaluate(parts[-1], middle, known, seen):
                for value, last in compare(kind, left, right, then):
                    same = value if kind != "!=" or value is UNKNOWN else not value
                    found.append((same, last))
    elif kind == "name":
        found = [evaluate_name(parts[0], run, known)]
    else:
        found = [
            (UNKNOWN, run._replace(sure=run.sure and bool(re.match(NEUTRAL_NAMES, str(parts[0])))))
        ]
    seen[id(tree), run] = list(dict.fromkeys(found))
    return seen[id(tree), run]  # type: ignore[no-any-return]


def compare(kind: str, left: Any, right: Any, run: Run) -> Iterator[tuple[Any, Run]]:
    """Yield whether two values are equal, or whether one starts with the other."""
    if kind != "call" and isinstance(right, tuple):
        left, right = right, left
    if isinstance(left, tuple) and isinstance(right, str):
        wanted = left[0] + right + ("*" if kind == "call" else "")
        both = common_refs(run.ref, wanted)
        if both:
            yield True, run._replace(ref=both)
        if not ref_matches(run.ref, wanted):
            yield False, run
    elif isinstance(left, bool) and isinstance(right, bool):
        yield left == right, run
    elif isinstance(left, str) and isinstance(right, str):
        one, other = left.lower(), right.lower()
        yield (one.startswith(other) if kind == "call" else one == other), run
    else:
        yield UNKNOWN, run._replace(sure=run.sure and UNKNOWN in (left, right))


def evaluate_name(name: str, run: Run, known: dict[str, str]) -> tuple[Any, Run]:
    """Return the value of a context such as github.ref, and the run that it is known for."""
    start = "/".join(run.ref.split("/")[:2]) + "/"
    if name in ("github.ref", "github.ref_name"):
        cut = "" if name == "github.ref" else start
        return ((cut,) if run.ref.endswith("*") else run.ref[len(cut) :]), run
    pull = run.event.startswith("pull_request")
    values = {
        "github.event_name": run.event,
        "github.event.pull_request": pull,
        "github.event.repository.default_branch": "main",
        "github.ref_type": "tag" if start == "refs/tags/" else "branch",
        **({} if pull else {"github.head_ref": "", "github.base_ref": ""}),
        **known,
    }
    value = values.get(name, "${{")
    if "${{" not in str(value):
        return value, run
    return UNKNOWN, run._replace(sure=run.sure and bool(re.match(NEUTRAL_NAMES, name)))


def evaluate_text(text: str, run: Run, known: dict[str, Any]) -> list[tuple[Any, Run]]:
    """Return each value of a text that may be one expression; UNKNOWN where it is not known."""
    if text.startswith("${{") and text.count("${{") == 1 and text.endswith("}}"):
        return evaluate(parse_expression(text[3:-2]), run, known)
    return [(UNKNOWN if "${{" in text else text, run)]


def normalize_expressions(text: str) -> str:
    """Return a text with its expressions in one spelling; GitHub ignores their case."""
    return re.sub(r"\$\{\{.*?\}\}", lambda found: re.sub(r"\s", "", found[0]).lower(), text)
