"""When a candidate was at work: for how many wall seconds, and on how many texts at a time, by when each was in flight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.generations import Generations
from bakeoff.measure.selecting import ALL, Rows, failed

Counts = NDArray[np.int_]


def busy_seconds(made: Generations, rows: Rows | slice = ALL) -> float | None:
    """Return the length of the union of [finished - latency, finished]; None where a time is unknown, or nothing is.

    Failed generations took time too, and count where it is known.
    """
    finished, latency = np.asarray(made.finished_unix_s)[rows], np.asarray(made.latency_s)[rows]
    known = ~(np.isnan(finished) | np.isnan(latency))
    if not (known | failed(made, rows)).all():
        return None
    begun, ended = (finished - latency)[known], finished[known]
    order = np.lexsort((ended, begun))
    begun, ended = begun[order], ended[order]
    reached = np.concatenate([[-np.inf], np.maximum.accumulate(ended)])[:-1]
    new = np.maximum(0.0, ended - np.maximum(begun, reached))
    total = float(np.add.accumulate(new)[-1]) if new.size else 0.0
    return total if total > 0 else None


def most_at_once(made: Generations, rows: Rows | slice = ALL) -> int:
    """Return how many generations were in flight at the same moment, at the most; those of unknown times are not counted."""
    finished, latency = np.asarray(made.finished_unix_s)[rows], np.asarray(made.latency_s)[rows]
    _, counts = _in_flight(finished, latency)
    return int(counts.max(initial=0))


def worker_seconds(made: Generations, workers: int, rows: Rows | slice = ALL) -> float | None:
    """Return for how long up to so many workers were at work, their seconds added up; None where `busy_seconds` is.

    Each text goes to the worker with the fewest, so that of n in flight at most min(n, workers) workers have one.
    """
    wall_s = busy_seconds(made, rows)
    if wall_s is None or workers == 1:
        return wall_s
    times, counts = _in_flight(np.asarray(made.finished_unix_s)[rows], np.asarray(made.latency_s)[rows])
    return float(np.add.accumulate(np.diff(times) * np.minimum(counts, workers)[:-1])[-1])


def _in_flight(finished: NDArray[np.float64], latency: NDArray[np.float64]) -> tuple[NDArray[np.float64], Counts]:
    """Return the moments at which generations began and ended, in order, and how many were in flight from each on."""
    known = ~(np.isnan(finished) | np.isnan(latency))
    times = np.concatenate([(finished - latency)[known], finished[known]])
    changes = np.repeat([1, -1], int(known.sum()))
    order = np.lexsort((changes, times))  # of one moment, ends come before beginnings
    return times[order], np.cumsum(changes[order])
