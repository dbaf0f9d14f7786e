"""Several questions at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 8  # questions to GitHub; its docs ask for less than 100 at a time

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_parallel(ask: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """Yield what is answered for each item, in their order; several are asked for at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(ask, items)
