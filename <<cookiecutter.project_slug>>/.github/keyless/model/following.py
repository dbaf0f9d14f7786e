"""A job followed step by step: which steps run, and what is in effect when each one does.

It is followed for one way in which it starts, as if no step failed. Where the run alone knows a
value that an `if:` reads, the job is followed once for each value that makes a difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from keyless.model.documents import Mapping
from keyless.model.expressions import evaluate, evaluate_text, names_of, parse_expression
from keyless.model.images import PUBLISH
from keyless.model.job_search import NOTHING_FAILED, condition_of
from keyless.model.jobs import Job
from keyless.model.payloads import context_value
from keyless.model.refs import Run
from keyless.model.state import NOTHING, State, after_step
from keyless.model.values import Unknown, to_text, truth
from keyless.model.workflows import MATTERS, local_path, script_of

MOST_WORLDS = 64
OTHER = "\0another"  # stands for all values that no condition of the job names


class Visit(NamedTuple):
    """One step in one world: whether it runs, and what is in effect before it."""

    step: Mapping
    ran: bool
    before: State


class World(NamedTuple):
    """One way in which a job may go."""

    run: Run
    assumed: tuple[tuple[str, Any], ...]  # values that only the run knows
    visits: tuple[Visit, ...]

    def ran(self, step: Mapping) -> bool:
        """Tell whether a step of the job runs."""
        return any(visit.ran for visit in self.visits if visit.step is step)


class _Path(NamedTuple):
    """A job, followed up to a step."""

    run: Run
    assumed: tuple[tuple[str, Any], ...]
    visits: tuple[Visit, ...]
    state: State


@lru_cache(maxsize=2048)
def follow(job: Job, run: Run) -> list[World] | None:
    """Return the ways in which a job may go once it has started; None where they are too many."""
    steps = job.steps
    trees = {id(step): parse_expression(condition_of(step)) for step in steps}
    matter = _that_matter(steps, trees)
    literals = _literals(trees[id(step)] for step in steps if id(step) in matter)
    later = _read_later(steps, trees, matter)
    paths = [_Path(run, (), (), NOTHING)]
    for number, step in enumerate(steps):
        found: dict[Any, _Path] = {}
        for path in paths:
            for ran, then, assumed in _decide(job, step, trees[id(step)], path, literals, matter):
                visits = (*path.visits, Visit(step, ran, path.state))
                state = after_step(job, step, path.state) if ran else path.state
                went = tuple(visit.ran for visit in visits if id(visit.step) in matter)
                kept = tuple(pair for pair in assumed if pair[0] in later[number])
                found.setdefault((then, went, kept), _Path(then, assumed, visits, state))
        paths = list(found.values())
        if len(paths) > MOST_WORLDS:
            return None
    return [World(path.run, path.assumed, path.visits) for path in paths]


def _that_matter(steps: list[Mapping], trees: dict[int, Any]) -> set[int]:
    """Return the steps on the way to the image, and those whose outcomes they read."""
    found = {
        id(step)
        for step in steps
        if re.match(MATTERS.actions, step.action())
        or local_path(step.text("uses"))
        or re.search(MATTERS.scripts, script_of(step))
    }
    while True:
        read = {
            match[1]
            for step in steps
            if id(step) in found
            for name in names_of(trees[id(step)])
            for match in [re.match(r"steps\.([\w-]+)\.", name)]
            if match
        }
        more = {id(step) for step in steps if step.text("id").lower() in read} - found
        if not more:
            return found
        found |= more


def _read_later(steps: list[Mapping], trees: dict[int, Any], matter: set[int]) -> list[set[str]]:
    """Return, for each step, the names that the conditions behind it read."""
    found: list[set[str]] = []
    names: set[str] = set()
    for step in reversed(steps):
        found.insert(0, set(names))
        if id(step) in matter:
            names |= set(names_of(trees[id(step)]))
    return found


def _literals(trees: Iterator[Any]) -> dict[str, set[str]]:
    """Return the texts that names are compared with."""
    found: dict[str, set[str]] = {}

    def walk(tree: Any) -> None:
        kind, *parts = tree
        if kind in ("value", "name"):
            return
        inside = parts[1:] if kind == "call" else parts
        texts = {to_text(each[1]) for each in inside if each[0] == "value"}
        for each in inside:
            if each[0] == "name" and kind not in ("&&", "||", "!"):
                found.setdefault(each[1], set()).update(texts)
            walk(each)

    for tree in trees:
        walk(tree)
    return found


def _decide(
    job: Job,
    step: Mapping,
    tree: Any,
    path: _Path,
    literals: dict[str, set[str]],
    matter: set[int],
) -> Iterator[tuple[bool, Run, tuple[tuple[str, Any], ...]]]:
    """Yield whether a step runs, with the run and what is assumed for that."""
    if step.caller is not None and not _went(path, step.caller):
        yield False, path.run, path.assumed
        return
    names = list(dict.fromkeys(names_of(tree)))
    known = _known(job, step, names, path)
    waiting = [(path.run, path.assumed)]
    while waiting:
        run, assumed = waiting.pop()
        values = {**known, **dict(assumed)}
        for value, then in dict.fromkeys(evaluate(tree, run, values)):
            held = truth(value)
            if not isinstance(held, Unknown):
                yield held, then, assumed
            elif id(step) not in matter:
                yield True, then, assumed  # whether it runs makes no difference
            else:
                name = next(iter(_unknown(names, then, values)), None)
                if name is None:
                    yield True, then, assumed
                    yield False, then, assumed
                else:
                    options = _options(name, then, values, literals)
                    waiting += [(then, (*assumed, (name, option))) for option in options]


def _went(path: _Path, step: Mapping) -> bool:
    return any(visit.ran for visit in path.visits if visit.step is step)


def _known(job: Job, step: Mapping, names: list[str], path: _Path) -> dict[str, Any]:
    """Return what is known of the names that a condition reads."""
    known: dict[str, Any] = {**job.known_at(step), **NOTHING_FAILED, "job.status": "success"}
    for name in names:
        text = known.get(name)
        if isinstance(text, str) and "${{" in text:
            found = evaluate_text(job.resolve(step, text), path.run, known)
            if len(found) == 1:
                known[name] = found[0][0]
        match = re.fullmatch(r"steps\.([\w-]+)\.(outcome|conclusion|outputs)(\..*)?", name)
        if match:
            known[name] = _of_step(step, match[1], match[2], match[3], path)
    return known


def _of_step(step: Mapping, name: str, key: str, output: str | None, path: _Path) -> Any:
    """Return what a condition reads of a step before."""
    found = [
        visit
        for visit in path.visits
        if visit.step.text("id").lower() == name and visit.step.caller is step.caller
    ]
    if not found:
        return None
    if key != "outputs":
        return "success" if found[-1].ran else "skipped"
    if not found[-1].ran:
        return None
    # `publish before` says whether an image must be built.
    own = output == ".build" and "before" in re.findall(PUBLISH, script_of(found[-1].step))
    return Unknown("text", ("true", "false") if own else ())


def _unknown(names: list[str], run: Run, values: dict[str, Any]) -> Iterator[str]:
    for name in names:
        value = context_value(name, run, values)
        if isinstance(value, Unknown):
            yield name


def _options(
    name: str, run: Run, values: dict[str, Any], literals: dict[str, set[str]]
) -> list[Any]:
    """Return the values that a name may have, as far as they make a difference."""
    value = context_value(name, run, values)
    if isinstance(value, Unknown) and value.options:
        return list(value.options)
    if isinstance(value, Unknown) and value.kind == "boolean":
        return [True, False]
    return sorted({*literals.get(name, set()), "", OTHER})
