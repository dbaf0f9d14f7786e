"""YAML and JSON: files that a repository holds, with the lines of their keys."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from unicodedata import normalize

from keyless.model.findings import CannotJudge

LARGEST, LARGEST_PLAN, DEEPEST = 1_000_000, 50_000_000, 50  # bytes, bytes, levels of YAML


class Read(str):
    """A value that GitHub does not take as it is written: a number, a boolean, or nothing.

    The text is what becomes of it where a text is needed [YAML 1.2, 10.3.2; GitHub writes numbers
    with 15 digits], so `012345678901` without quotes is 12345678901, and `1.10` is 1.1.
    """

    __slots__ = ("written",)
    written: str


def read_plain(written: str) -> str:
    """Return what GitHub takes a scalar without quotes for, as text."""
    value = written
    if written in ("", "~", "null", "Null", "NULL"):
        value = ""
    elif written in ("True", "TRUE", "False", "FALSE"):
        value = written.lower()
    elif re.fullmatch(r"0o[0-7]+|0x[0-9a-fA-F]+", written):
        value = str(int(written, 0))
    elif re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", written):
        value = f"{float(written):.15g}"
    if value == written:
        return written
    read = Read(value)
    read.written = written
    return read


class Mapping(dict):  # type: ignore[type-arg]
    """A YAML mapping that knows its file and the line (from 1) of each key.

    Scalars are text, as GitHub reads it.
    """

    def __init__(self, path: str = "", file: list[str] | None = None) -> None:
        super().__init__()
        self.path = path
        self.file = file or []  # the lines of the whole file
        self.lines: dict[str, int] = {}
        self.caller: Mapping | None = None  # the step that uses the composite action of this step
        self.defaults: Mapping = self  # the inputs that this action declares
        self.outputs: Mapping = self  # what the composite action of this step puts out
        self.files: dict[str, str] = {}  # files of the repository that this step reads, by path

    def called_by(self, caller: Mapping, inputs: Mapping) -> Mapping:
        """Return a copy of this step of a composite action, as a step of a job uses it."""
        step = Mapping(self.path, self.file)
        step.update(self)
        step.lines, step.caller, step.defaults = self.lines, caller, inputs
        step.files = self.files
        return step

    def of(self, *path: str) -> Mapping:
        """Return the mapping behind a path of keys, or an empty one."""
        value: Any = self
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if isinstance(value, Mapping) else Mapping()

    def text(self, key: str) -> str:
        """Return the text of a key, stripped; what is no text is empty."""
        value = self.get(key)
        if isinstance(value, Read):
            return value
        return value.strip() if isinstance(value, str) else ""

    def line(self, key: str) -> int:
        """Return the line of a key, or of the first key of this mapping."""
        return self.lines.get(key) or min(self.lines.values(), default=1)

    def action(self) -> str:
        """Return what a step uses, in lower case; empty where it uses nothing."""
        return self.text("uses").lower()

    def input_name(self, key: str) -> str | None:
        """Return an input's name as it is written; GitHub ignores its case."""
        return next((name for name in self.of("with") if name.lower() == key), None)

    def input(self, key: str) -> str:
        """Return an input of a step, empty where there is none."""
        return self.of("with").text(self.input_name(key) or "")


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and anything else as a list of one; of nothing, none."""
    return value if isinstance(value, list) else [value] if value else []


def read_file(root: Path, path: str, largest: int = LARGEST) -> str:
    """Return the text of a file of the repository."""
    mend = "restore the file, or judge a plan: make plan" if path.endswith(".tf") else "restore it"
    try:
        if (root / path).stat().st_size > largest:
            raise ValueError(f"it is larger than {largest:,} bytes")
        return (root / path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise CannotJudge(f"{path}: cannot be read ({reason}); {mend}") from error


def parse_json(path: str, text: str, form: Any = "NFC") -> Any:
    """Return what a JSON text says; no key may stand in an object twice. Terraform reads NFC."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key appears twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a value")

    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
        plain_text = json.dumps(value, ensure_ascii=False)
        plain_text.encode()
        return json.loads(normalize(form, plain_text)) if form else value
    except (ValueError, RecursionError) as error:
        line, reason = getattr(error, "lineno", 1), getattr(error, "msg", error)
        raise CannotJudge(f"{path}:{line}: not JSON ({reason}); correct it") from error


def parse_yaml(name: str, text: str) -> Any:
    """Return YAML as Mapping, list and text (`on` and `true` stay text).

    It takes the parser's events: they need no recursion, and an alias costs nothing.
    """
    import yaml  # needed nowhere else

    documents: list[Any] = []
    nodes: list[Any] = [documents]  # the open ones, each with its anchor and the key that waits
    names: list[Any] = [None]
    keys: list[Any] = [None]
    anchors: dict[Any, Any] = {}
    lines = text.splitlines()
    event: Any
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            kind, line = type(event).__name__[:-5], event.start_mark.line + 1
            if kind in ("SequenceEnd", "MappingEnd"):
                anchors[names.pop()] = nodes.pop()
                keys.pop()
                continue
            if kind not in ("Scalar", "Alias", "SequenceStart", "MappingStart"):
                continue
            value = (
                event.value
                if kind == "Scalar"
                else Mapping(name, lines)
                if kind == "MappingStart"
                else []
            )
            if kind == "Alias":
                value = anchors[event.anchor]
            elif kind == "Scalar":
                waits = isinstance(nodes[-1], list) or keys[-1] is not None
                value = read_plain(event.value) if waits and event.implicit[0] else event.value
                anchors[event.anchor] = value
            if isinstance(nodes[-1], list):
                nodes[-1].append(value)
            elif keys[-1] is not None:
                nodes[-1][keys[-1]], keys[-1] = value, None
            elif value == "<<" and event.implicit[0]:
                raise ValueError(f"line {line} has a merge key <<, which GitHub does not know")
            elif isinstance(value, str) and value not in nodes[-1]:
                nodes[-1].lines[value], keys[-1] = line, value
            else:
                raise ValueError(f"line {line} has a key twice, or a key that is not text")
            if kind.endswith("Start"):
                nodes.append(value)
                names.append(event.anchor)
                keys.append(None)
            if len(nodes) > DEEPEST or len(documents) > 1:
                raise ValueError(f"line {line} begins a second document, or is at level {DEEPEST}")
    except (yaml.YAMLError, ValueError, KeyError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        reason = f"line {mark.line + 1}: {problem}" if mark and problem else str(error)
        shown = " ".join(reason.split())
        raise CannotJudge(
            f"{name}: not YAML that the check can read ({shown}); correct it"
        ) from error
    return documents[0] if documents else None


def line_of_key(text: str, key: str) -> int:
    """Return the line of a key in the text of an object; 1 where it is not there."""
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, line in lines if f"{json.dumps(key)}:" in line), 1)
