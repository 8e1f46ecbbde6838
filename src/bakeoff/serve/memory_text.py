"""What a snapshot says of memory (`shown`), in words: names of memories only where there are several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.core.units import bytes_text
from bakeoff.machine.budget import HOST

Memory = Mapping[str, Mapping[str, Any]]
"""By the name of a memory: `host`, or a card's own, such as `cuda:0`."""


def committed_text(memory: Memory) -> str:
    """Return what of each memory is spoken for, and what models may take of it.

    >>> committed_text({"host": {"committed_bytes": 1 << 30, "budget_bytes": 1 << 33}})
    '1.0 GiB of 8.0 GiB'
    >>> committed_text({"host": {"committed_bytes": 0, "budget_bytes": None}, "cuda:0": {"committed_bytes": 5, "budget_bytes": 9}})
    'host 0 B of no set budget, cuda:0 5 B of 9 B'
    """
    said = {}
    for pool, of in memory.items():
        budget = of["budget_bytes"]
        said[pool] = (
            f"{bytes_text(of['committed_bytes'])} of {'no set budget' if budget is None else bytes_text(budget)}"
        )
    return ", ".join(named(said, several=list(said) != [HOST])) or "-"


def held_text(memory: Memory, *, several: bool) -> str:
    """Return what a model takes of each memory, `several` where the machine has more than one; a dash for nothing.

    >>> held_text({"host": {"held_bytes": 1 << 30}, "cuda:0": {"held_bytes": 0}}, several=True)
    'host 1.0 GiB'
    """
    said = {pool: bytes_text(of["held_bytes"]) for pool, of in memory.items() if of["held_bytes"]}
    return ", ".join(named(said, several=several)) or "-"


def named(said: Mapping[str, str], *, several: bool) -> list[str]:
    """Return what is said of each memory, behind its name where there are several."""
    return [f"{pool} {text}" if several else text for pool, text in said.items()]
