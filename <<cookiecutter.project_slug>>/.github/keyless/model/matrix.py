"""A job's matrix, as GitHub expands it."""

from __future__ import annotations

from itertools import product
from typing import Any

from keyless.model.documents import Mapping
from keyless.model.findings import CannotJudge


def expand_matrix(where: str, job: Mapping) -> list[dict[str, str]]:
    """Return the known values of each combination of a job's matrix."""

    def flat(values: dict[str, Any]) -> dict[str, str]:
        pairs = {f"matrix.{key}".lower(): value for key, value in values.items()}
        for key, value in list(pairs.items()):
            if isinstance(value, Mapping):
                pairs.update({f"{key}.{name}".lower(): value.text(name) for name in value})
        return {key: value for key, value in pairs.items() if isinstance(value, str)}

    matrix = job.of("strategy", "matrix")
    lists = {key: matrix[key] for key in matrix if isinstance(matrix[key], list)}
    added, removed = lists.pop("include", []), lists.pop("exclude", [])
    size = len(added)
    for values in lists.values():
        size = max(size, 1) * len(values)
    if size > 256:  # GitHub docs: as many jobs as a matrix may have
        raise CannotJudge(f"{where}: its matrix makes more than 256 jobs; make it smaller")
    found = [flat(dict(zip(lists, items))) for items in (product(*lists.values()) if lists else [])]
    gone = [flat(item).items() for item in removed if isinstance(item, Mapping)]
    found = [one for one in found if not any(item <= one.items() for item in gone)]
    axes = {f"matrix.{key}".lower() for key in lists}
    more = []
    for item in (flat(item) for item in added if isinstance(item, Mapping)):
        fitting = [
            one for one in found if all(one.get(key) == item[key] for key in axes & set(item))
        ]
        for one in fitting:
            one.update(item)
        if not fitting:
            more.append(item)
    return [*found, *more] or [{}]
