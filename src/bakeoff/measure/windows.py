"""Percentiles of a time, and how sure they are: a run is measured in windows, which heat, neighbours and drift set apart.

Texts of one window share the machine's state, so that windows, not texts, are what an interval may count.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.spec import Record

MIN_WINDOWS = 3
"""Fewer windows give no interval: with two, t has one degree of freedom, and the interval says nothing."""


class Percentiles(Record):
    """Of `count` values; all None where there was none. Linear between neighbours (numpy's default).

    p99 of fewer than 100 values, and p95 of fewer than 20, lie next to the largest value seen. `p50_low` to `p50_high`
    is a 95 % interval for the median, from `windows` repeated measurements of it; None under three.
    """

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    count: int = 0
    p50_low: float | None = None
    p50_high: float | None = None
    windows: int = 0


def percentiles(windows: Sequence[NDArray[np.float64]]) -> Percentiles:
    """Return the percentiles of all values together, in their unit, with the interval that the windows give."""
    filled = [window for window in windows if window.size]
    if not filled:
        return Percentiles()
    ordered = np.sort(np.concatenate(filled))
    p50 = quantile(ordered, 0.50)
    low, high = ratio_limits(p50, [float(np.median(window)) for window in filled])
    return Percentiles(
        p50=p50,
        p95=quantile(ordered, 0.95),
        p99=quantile(ordered, 0.99),
        count=len(ordered),
        p50_low=low,
        p50_high=high,
        windows=len(filled),
    )


def ratio_limits(estimate: float, repeated: Sequence[float], level: float = 0.95) -> tuple[float | None, float | None]:
    """Return the limits of an interval around `estimate`, a positive quantity that was measured repeatedly.

    On the logarithm, since times and rates vary by factors: estimate times exp(+-t(n-1) sd(log) / sqrt(n)).
    (None, None) for fewer than `MIN_WINDOWS` measurements, or one that is not positive.
    """
    if len(repeated) < MIN_WINDOWS or estimate <= 0 or min(repeated) <= 0:
        return None, None
    from bakeoff.stats.intervals import t_half_width  # loads scipy: not for who only shows single times

    margin = t_half_width(np.array([log(value) for value in repeated]), level)
    return estimate * exp(-margin), estimate * exp(margin)


def quantile(ordered: NDArray[np.float64], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the ascending values lie, linear between neighbours."""
    position = share * (len(ordered) - 1)
    below = int(position)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    return low + (high - low) * (position - below)
