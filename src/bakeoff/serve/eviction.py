"""Which models make room for another: the least recently used, or those that are cheap to load again for their size.

`lru` is the default and the baseline. `greedy_dual` is GreedyDual-Size (Cao and Irani 1997, "Cost-Aware WWW Proxy Caching
Algorithms", section 4): a model's credit is, when it is used, L + load seconds / bytes; the lowest credit goes first, and
L becomes the credit of what went. A model that loads slowly is kept longer than a quick one of the same size.

Whoever goes frees a memory that is short: a model on a card does not go for one that runs on the CPU, if host memory is enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from bakeoff.serve.pools import PerPool, short, total

Eviction = Literal["lru", "greedy_dual"]


class Candidate(NamedTuple):
    """A model that could go: what it holds of each memory, when it was used last, its credit, and whether requests use it now."""

    name: str
    held: PerPool
    last_used: float
    credit: float
    busy: bool


def choose_victims(candidates: Iterable[Candidate], missing: PerPool, eviction: Eviction) -> tuple[str, ...] | None:
    """Return who goes so that at least `missing` comes free of each memory, None where all together do not suffice.

    Idle models go before busy ones. What turns out not to be needed stays, the worthiest first: all of those who free nothing that
    is missing.

    >>> idle = [
    ...     Candidate("old", {"host": 2}, 1.0, 0, False),
    ...     Candidate("big", {"host": 8}, 2.0, 0, False),
    ...     Candidate("card", {"host": 1, "cuda:0": 9}, 0.0, 0, False),
    ... ]
    >>> [choose_victims(idle, {"host": size}, "lru") for size in (2, 8, 12)]
    [('old',), ('big',), None]
    >>> choose_victims(idle, {"cuda:0": 4}, "lru"), choose_victims(idle, {"host": 3, "cuda:0": 4}, "lru")
    (('card',), ('card', 'old'))
    """

    def order(each: Candidate) -> tuple[bool, float, str]:
        return each.busy, each.last_used if eviction == "lru" else each.credit, each.name

    chosen: list[Candidate] = []
    for candidate in sorted(candidates, key=order):
        if _suffices(chosen, missing):
            break
        chosen.append(candidate)
    if not _suffices(chosen, missing):
        return None
    for candidate in reversed(chosen[:]):
        others = [each for each in chosen if each is not candidate]
        if _suffices(others, missing):
            chosen = others
    return tuple(candidate.name for candidate in chosen)


def _suffices(chosen: Iterable[Candidate], missing: PerPool) -> bool:
    return not short(missing, dict.fromkeys(missing, 0) | total(each.held for each in chosen))
