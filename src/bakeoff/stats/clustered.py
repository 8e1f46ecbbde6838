"""How far off is a mean over *values* when clusters differ in size? CR2 with Satterthwaite degrees of freedom.

The product's estimand weighs clusters alike (`interval` of `cluster_means`). This one weighs values alike, so that a
prompt with more replicates counts for more: for tables of others that are read that way, and to see what the choice
changes. With equal sizes both are the same interval, exactly.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from bakeoff.stats.intervals import check_level, checked, cluster_means, interval, is_constant

ClusterCorrection = Literal["cr2", "cr1", "cr0"]


class ClusteredMean(NamedTuple):
    """The mean of all values with its interval, standard error and degrees of freedom.

    `standard_error` and `df` are None, and `method` is `bounded`, where clusters show no spread to estimate one from.
    """

    estimate: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    df: float | None
    n_clusters: int
    n_values: int
    method: str


def clustered_mean(
    values: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    bounds: tuple[float, float] = (0.0, 10.0),
    level: float = 0.95,
    method: ClusterCorrection = "cr2",
) -> ClusteredMean:
    """Return the mean over all values and mean +- t(df) SE from the residual sums S_g of the G clusters.

    With N values, w_g = n_g / N: SE^2 = sum S_g^2 c_g / N^2. `cr0` (Liang & Zeger 1986): c_g = 1; `cr1`:
    c_g = G / (G - 1), both with df = G - 1. `cr2` (Bell & McCaffrey 2002): c_g = 1 / (1 - w_g), unbiased where values
    are independent, with Satterthwaite's df = (sum of eigenvalues)^2 / (sum of their squares) of the quadratic form,
    here 1 / (sum w^2 + (sum c w^2)^2 - sum c^2 w^4). O(N).

    Args:
        values: shape (n_values,), within `bounds`.
        clusters: n_values names.
        bounds: the ends of the scale; used where there is no spread, so that no interval has zero width.
        level: between 0 and 1, two-sided.
        method: `cr2`, or the older `cr1` and `cr0`, too narrow for few clusters.

    Raises:
        ValueError: a value NaN, infinite or out of bounds (its index is named), lengths that differ, unknown method.
    """
    numbers = checked(values, bounds)
    check_level(level)
    if method not in ("cr0", "cr1", "cr2"):
        raise ValueError(f"unknown cluster correction: {method!r}; known: 'cr2', 'cr1', 'cr0'")
    means, names = cluster_means(numbers, clusters)
    groups, total = len(names), numbers.size
    if total == 0:
        return ClusteredMean(None, None, None, None, None, 0, 0, method)
    if groups == 1 or is_constant(means):
        found = interval(means, bounds, level)
        return ClusteredMean(found.estimate, found.low, found.high, None, None, groups, total, found.method)
    position = {name: index for index, name in enumerate(names)}
    where = np.array([position[cluster] for cluster in clusters], dtype=np.intp)
    mean = float(numbers.mean())
    residual_sums = np.bincount(where, weights=numbers - mean, minlength=groups)
    share = np.bincount(where, minlength=groups) / total
    df = float(groups - 1)
    correction = np.ones(groups)
    if method == "cr1":
        correction *= groups / (groups - 1)
    elif method == "cr2":
        correction = 1.0 / (1.0 - share)
        own = correction * share**2
        df = 1.0 / float((share**2).sum() + own.sum() ** 2 - (own**2).sum())
    error = float(np.sqrt((correction * residual_sums**2).sum())) / total
    half = float(stdtrit(df, 0.5 + level / 2.0)) * error
    return ClusteredMean(mean, mean - half, mean + half, error, df, groups, total, method)
