"""Memories of a machine, and bytes of each: what a model takes, what is free, what is short.

A machine has one memory (`HOST`), or one beside each card that has its own (`cuda:0`). A mapping names only memories of which
something is said: where one is missing, it is 0 bytes that a model takes, and no bound where it is what may be taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from bakeoff.core.units import bytes_text
from bakeoff.machine.budget import HOST

PerPool = Mapping[str, int]
"""Bytes by the name of a memory."""


def total(parts: Iterable[PerPool]) -> dict[str, int]:
    """Add up, memory by memory.

    >>> total([{"host": 1, "cuda:0": 5}, {"host": 2}])
    {'host': 3, 'cuda:0': 5}
    """
    added: dict[str, int] = {}
    for part in parts:
        for pool, size in part.items():
            added[pool] = added.get(pool, 0) + size
    return added


def most(parts: Iterable[PerPool]) -> dict[str, int]:
    """Return the largest of each memory.

    >>> most([{"host": 1, "cuda:0": 5}, {"host": 2}])
    {'host': 2, 'cuda:0': 5}
    """
    largest: dict[str, int] = {}
    for part in parts:
        for pool, size in part.items():
            largest[pool] = max(size, largest.get(pool, 0))
    return largest


def short(need: PerPool, free: PerPool) -> dict[str, int]:
    """Return how much is missing of each memory that is needed and bounded; nothing where `need` fits.

    A memory that a model takes nothing of never stands in its way, however full it is.

    >>> short({"host": 3, "cuda:0": 5}, {"host": -1, "cuda:0": 9}), short({"cuda:0": 5}, {"host": -1, "cuda:0": 5})
    ({'host': 4}, {})
    """
    return {pool: size - free[pool] for pool, size in need.items() if pool in free and size and size > free[pool]}


def with_margin(sizes: PerPool, margin: float) -> dict[str, int]:
    """Return sizes with a share on top."""
    return {pool: math.ceil(size * (1 + margin)) for pool, size in sizes.items()}


def pool_text(sizes: PerPool, pool: str, pools: Iterable[str]) -> str:
    """Return one size in words, with its memory's name where the machine has several.

    >>> pool_text({"host": 1 << 30}, "host", ["host"]), pool_text({"host": 1 << 30}, "host", ["host", "cuda:0"])
    ('1.0 GiB', '1.0 GiB of host')
    """
    said = bytes_text(sizes.get(pool, 0))
    return said if list(pools) == [HOST] else f"{said} of {pool}"
