"""Which of a candidate's generations a number is taken from: a mask or row numbers over its columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.generations import Generations, Verdict, Way

Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]
ALL = slice(None)


def where(made: Generations, holds: Callable[[Way], bool], rows: Rows | slice = ALL) -> Mask:
    """Return of each of the rows whether its way has a property."""
    table = np.array([holds(way) for way in made.ways], dtype=np.bool_)
    found: Mask = table[np.asarray(made.way)[rows]]
    return found


def failed(made: Generations, rows: Rows | slice = ALL) -> Mask:
    """Return of each of the rows whether there is no text to score."""
    return where(made, lambda way: way.failed, rows)


def ran_alone(made: Generations) -> Mask:
    """Return where there is a text that was written alone; of recorded ones nobody knows it, and they pass."""
    return where(
        made, lambda way: not way.failed and (way.concurrency == 1 or (way.recorded and way.concurrency is None))
    )


def scored(made: Generations) -> Mask:
    """Return where there is a score."""
    return _where_verdict(made, lambda verdict: verdict.scored)


def publishable(made: Generations) -> Mask:
    """Return where a score says that no gate hit."""
    return _where_verdict(made, lambda verdict: verdict.publishable)


def _where_verdict(made: Generations, holds: Callable[[Verdict], bool]) -> Mask:
    table = np.array([holds(verdict) for verdict in made.verdicts], dtype=np.bool_)
    found: Mask = table[np.asarray(made.verdict)]
    return found


def by_window(made: Generations, rows: Rows) -> list[Rows]:
    """Return rows by window, in the order in which windows were met; those of no known window are one."""
    return groups(np.asarray(made.window)[rows], rows)


def groups(keys: NDArray[np.generic], rows: Rows) -> list[Rows]:
    """Return rows of equal keys together, in their order; the groups by which was met first. Both of shape (n,)."""
    if not rows.size:
        return []
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.intp)
    rank[np.argsort(first)] = np.arange(first.size)
    ranks = rank[group]
    ordered = np.argsort(ranks, kind="stable")
    return np.split(rows[ordered], np.cumsum(np.bincount(ranks))[:-1])


def trial_numbers(made: Generations, *others: Generations) -> list[NDArray[np.int64]]:
    """Return a number for each brief and replicate, the same for all of these candidates of one run; shapes (n,)."""
    every = (made, *others)
    replicates = 1 + max((max(own.replicate, default=0) for own in every), default=0)
    return [
        np.asarray(own.brief).astype(np.int64) * replicates + np.asarray(own.replicate).astype(np.int64)
        for own in every
    ]
