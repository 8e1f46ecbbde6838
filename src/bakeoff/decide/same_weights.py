"""The same weights, run otherwise: does the engine, the device or a quantisation change the texts, and what does it gain?

Two candidates have the same weights where one digest stands behind both: one folder on two engines or devices, or a file
that says which folder it was made of. Times are compared on the same briefs, written alone, as ratios on the logarithm;
what an interval counts is the windows of the run (see `measure.windows`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import exp, log
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.generations import Generations, Way
from bakeoff.core.records import Comparison
from bakeoff.core.spec import Candidate, Record
from bakeoff.decide.analysis import Section
from bakeoff.measure.memory import LoadSummary
from bakeoff.measure.selecting import Rows, failed, groups, trial_numbers, where
from bakeoff.measure.timing import Seconds, throughput_by_window, tpot_s
from bakeoff.measure.windows import ratio_limits


class Ratio(Record):
    """b's number over a's: `low` to `high` is a 95 % interval, None under three windows."""

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    windows: int = 0


class SameWeights(Record):
    """What running a's weights as b does changes.

    Of `texts` that both wrote for the same brief and seed, `identical` are the same, character by character. `difference`,
    `low` and `high` are b's score minus a's. `tokens_per_s` is throughput at the run's concurrency; the others are times of
    texts written alone. `memory` and `weights` are ratios of peak memory and of the weights' bytes.
    """

    a: str
    b: str
    texts: int
    identical: int
    difference: float | None
    low: float | None
    high: float | None
    ttft: Ratio
    tpot: Ratio
    tokens_per_s: Ratio
    memory: float | None
    weights: float | None


def compare_same_weights(
    candidates: Sequence[Candidate],
    generations: Mapping[str, Generations],
    overall: Section,
    loads: Mapping[str, LoadSummary],
    concurrency_of: Callable[[str], int],
) -> tuple[SameWeights, ...]:
    """Compare every two candidates that run the same weights, the one that was named first as a."""
    return tuple(
        _compare(a.id, b.id, generations, overall, loads, concurrency_of)
        for a, b in combinations(candidates, 2)
        if a.model.is_ours_to_run and b.model.is_ours_to_run and a.model.weights_digest == b.model.weights_digest
    )


def _compare(
    a: str,
    b: str,
    generations: Mapping[str, Generations],
    overall: Section,
    loads: Mapping[str, LoadSummary],
    concurrency_of: Callable[[str], int],
) -> SameWeights:
    of_a, of_b = generations[a], generations[b]
    rows_a, rows_b = _pairs(of_a, of_b)
    alone_a, alone_b = _written_alone(of_a, rows_a, of_b, rows_b)
    window = np.asarray(of_a.window)[alone_a]
    comparison = _find(overall.comparisons, a, b)
    sign = 1 if comparison is not None and comparison.a == b else -1
    known = None if comparison is None or comparison.difference is None else comparison
    limits = [] if known is None else sorted(sign * limit for limit in (known.low, known.high) if limit is not None)
    return SameWeights(
        a=a,
        b=b,
        texts=rows_a.size,
        identical=int((np.asarray(of_a.text_digest)[rows_a] == np.asarray(of_b.text_digest)[rows_b]).sum()),
        difference=None if known is None or known.difference is None else sign * known.difference,
        low=limits[0] if len(limits) == 2 else None,
        high=limits[1] if len(limits) == 2 else None,
        ttft=_time_ratio(np.asarray(of_a.ttft_s)[alone_a], np.asarray(of_b.ttft_s)[alone_b], window),
        tpot=_time_ratio(tpot_s(of_a)[alone_a], tpot_s(of_b)[alone_b], window),
        tokens_per_s=_rate_ratio(of_a, of_b, concurrency_of(a), concurrency_of(b)),
        memory=_quotient(loads[b].peak_memory_bytes, loads[a].peak_memory_bytes),
        weights=_quotient(loads[b].weight_bytes, loads[a].weight_bytes),
    )


def _pairs(of_a: Generations, of_b: Generations) -> tuple[Rows, Rows]:
    """Return the rows of both where they have a text for the same brief and replicate, in b's order."""
    number_a, number_b = trial_numbers(of_a, of_b)
    rows_a, rows_b = np.flatnonzero(~failed(of_a)), np.flatnonzero(~failed(of_b))
    _, at_a, at_b = np.intersect1d(number_a[rows_a], number_b[rows_b], assume_unique=True, return_indices=True)
    order = np.argsort(at_b)
    return rows_a[at_a[order]], rows_b[at_b[order]]


def _written_alone(of_a: Generations, rows_a: Rows, of_b: Generations, rows_b: Rows) -> tuple[Rows, Rows]:
    """Return those of the pairs that both wrote alone."""
    alone = where(of_a, _is_alone, rows_a) & where(of_b, _is_alone, rows_b)
    return rows_a[alone], rows_b[alone]


def _is_alone(way: Way) -> bool:
    return way.concurrency == 1


def _find(comparisons: Sequence[Comparison], a: str, b: str) -> Comparison | None:
    return next((comparison for comparison in comparisons if {comparison.a, comparison.b} == {a, b}), None)


def _time_ratio(first: Seconds, second: Seconds, window: NDArray[np.int32]) -> Ratio:
    """Return the geometric mean of the second's seconds over the first's, of pairs in these windows; shapes (n,)."""
    known = np.flatnonzero((np.nan_to_num(first) != 0) & (np.nan_to_num(second) != 0))
    windows = groups(window[known], known)
    return _mean_ratio([fmean(map(log, (second[rows] / first[rows]).tolist())) for rows in windows])


def _rate_ratio(of_a: Generations, of_b: Generations, concurrency_a: int, concurrency_b: int) -> Ratio:
    """Return the geometric mean of b's tokens/s over a's, window by window; nothing where the load was another."""
    if concurrency_a != concurrency_b:
        return Ratio()
    first, second = (throughput_by_window(own, concurrency_a) for own in (of_a, of_b))
    return _mean_ratio([log(second[window] / first[window]) for window in first if window in second])


def _mean_ratio(logs: Sequence[float]) -> Ratio:
    if not logs:
        return Ratio()
    estimate = exp(fmean(logs))
    low, high = ratio_limits(estimate, [exp(value) for value in logs])
    return Ratio(estimate=estimate, low=low, high=high, windows=len(logs))


def _quotient(above: int | None, below: int | None) -> float | None:
    return above / below if above and below else None
