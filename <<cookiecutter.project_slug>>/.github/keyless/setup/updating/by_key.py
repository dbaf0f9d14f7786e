"""JSON that answers and people write, merged by key: neighbouring lines are no conflict there."""

from __future__ import annotations

import json
from typing import Any

from keyless.setup.values import edit_json, object_members

_ENTRIES = "repositories"
_Raw = str  # a value as it is written; None stands for one that is not there


def merge(base: str, ours: str, theirs: str) -> tuple[str, str] | None:
    """Merge three texts, of which `base` is what both others come from.

    Args:
        base: as it was rendered when the project was generated.
        ours: as it is in the project.
        theirs: as it is rendered now.

    Returns:
        Two texts for a three-way merge by lines with ours: the one to start from and the result.
        They differ in what changes; where both sides have changed a value, Git sees a conflict.
        None where one of them is no JSON object.
    """
    texts = [base, ours, theirs]
    try:
        if not all(isinstance(json.loads(text), dict) for text in texts):
            return None
    except ValueError:
        return None
    newline = "\r\n" if "\r\n" in ours else "\n"
    old, mine, new = _with_one_key(*(text.replace("\r\n", "\n").strip() for text in texts))
    conflicts: list[str] = []
    merged = _merged(old, mine, new, 0, conflicts)
    start, result = (f"{text}\n".replace("\n", newline) for text in merged)
    if json.loads(result) == json.loads(ours):
        result = ours
    return (start if conflicts else ours), result


def _merged(
    old: _Raw | None, mine: _Raw | None, new: _Raw | None, depth: int, conflicts: list[str]
) -> tuple[_Raw | None, _Raw | None]:
    """Return what to start from and the result, key by key, in the order of `mine`."""
    one, other, third = map(_value, (old, mine, new))
    if third in (one, other):
        return mine, mine
    if other == one:
        return mine, new
    if not all(isinstance(each, dict) for each in (one, other, third)):
        conflicts.append(new or "")
        return old, new
    olds, mines, news = (_members(each or "") for each in (old, mine, new))
    start, result = {}, {}
    for key in _in_order([*mines], [*news], [*olds]):
        left, right = _merged(olds.get(key), mines.get(key), news.get(key), depth + 1, conflicts)
        if left is not None:
            start[key] = left
        if right is not None:
            result[key] = right
    return _text(start, depth), _text(result, depth)


def _in_order(mine: list[str], *others: list[str]) -> list[str]:
    """Return all keys: those of `mine` as they stand there, each other one after its neighbour."""
    keys = list(mine)
    for other in others:
        for before, key in zip([None, *other], other):
            if key not in keys:
                keys.insert(keys.index(before) + 1 if before else 0, key)
    return keys


def _value(raw: _Raw | None) -> Any:
    return _value if raw is None else json.loads(raw)


def _members(text: _Raw) -> dict[str, _Raw]:
    return {one.key: text[one.begin : one.end] for one in object_members(text, 0)}


def _text(members: dict[str, _Raw], depth: int) -> _Raw:
    """Return an object as the template writes it, and its values as they are written."""
    space = "  " * depth
    lines = (f"{space}  {json.dumps(key)}: {raw}" for key, raw in members.items())
    return "{\n" + ",\n".join(lines) + f"\n{space}}}" if members else "{}"


def _with_one_key(old: str, mine: str, new: str) -> tuple[str, str, str]:
    """Give the own entry its new key in all texts, where an answer changes that.

    A subject belongs to the repository that it was asked for, so another one's is asked for again.
    """
    entries = [_members(_members(text).get(_ENTRIES, "{}")) for text in (old, mine, new)]
    before, here, after = entries
    if len(before) != 1 or len(after) != 1:
        return old, mine, new
    (key, entry), (other, changed) = *before.items(), *after.items()
    if key not in here or (key != other and other in here):
        return old, mine, new
    name = "github_repository"
    if json.loads(entry).get(name) != json.loads(changed).get(name):
        here[key] = edit_json(here[key], ["subject_prefix"], None)
    if key != other or here[key] != _members(_members(mine)[_ENTRIES])[key]:
        old, mine = (
            _with_entries(text, {other if one == key else one: raw for one, raw in known.items()})
            for text, known in ((old, before), (mine, here))
        )
    return old, mine, new


def _with_entries(text: str, entries: dict[str, _Raw]) -> str:
    return _text({**_members(text), _ENTRIES: _text(entries, 1)}, 0)
