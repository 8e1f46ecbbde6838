"""Which models make room for another: the least recently used, or those that are cheap to load again for their size.

`lru` is the default and the baseline. `greedy_dual` is GreedyDual-Size (Cao and Irani 1997, "Cost-Aware WWW Proxy Caching
Algorithms", section 4): a model's credit is, when it is used, L + load seconds / bytes; the lowest credit goes first, and
L becomes the credit of what went. A model that loads slowly is kept longer than a quick one of the same size.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Eviction = Literal["lru", "greedy_dual"]


class Candidate(NamedTuple):
    """A model that could go: what it holds, when it was used last, its credit, and whether requests use it now."""

    name: str
    held_bytes: int
    last_used: float
    credit: float
    busy: bool


def choose_victims(candidates: Iterable[Candidate], short_bytes: int, eviction: Eviction) -> tuple[str, ...] | None:
    """Return who goes so that at least `short_bytes` come free, None where all together do not suffice.

    Idle models go before busy ones. What turns out not to be needed stays, the worthiest first.

    >>> idle = [Candidate("old", 2, 1.0, 0, False), Candidate("big", 8, 2.0, 0, False), Candidate("new", 2, 3.0, 0, False)]
    >>> choose_victims(idle, 8, "lru"), choose_victims(idle, 4, "lru"), choose_victims(idle, 13, "lru")
    (('big',), ('big',), None)
    """

    def order(each: Candidate) -> tuple[bool, float, str]:
        return each.busy, each.last_used if eviction == "lru" else each.credit, each.name

    chosen: list[Candidate] = []
    freed = 0
    for candidate in sorted(candidates, key=order):
        if freed >= short_bytes:
            break
        chosen.append(candidate)
        freed += candidate.held_bytes
    if freed < short_bytes:
        return None
    for candidate in reversed(chosen[:]):
        if freed - candidate.held_bytes >= short_bytes:
            chosen.remove(candidate)
            freed -= candidate.held_bytes
    return tuple(candidate.name for candidate in chosen)
