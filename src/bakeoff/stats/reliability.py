"""How much of the spread lies between prompts, and how much within one? It decides whether replicates are worth it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bakeoff.stats.intervals import cluster_means


class VarianceShares(NamedTuple):
    """`icc` = between / (between + within), None without two clusters, replicates and spread.

    Variances are in squared score points; `between_variance` is an unbiased estimate and can be negative, as can `icc`:
    then clusters differ less than chance would have it, and none is to be told from 0.
    """

    icc: float | None
    between_variance: float | None
    within_variance: float | None
    n_clusters: int
    n_values: int


def intraclass_correlation(values: ArrayLike, clusters: Sequence[Hashable]) -> VarianceShares:
    """Return ICC(1), the one-way random-effects intraclass correlation of single values.

    ICC = (MSB - MSW) / (MSB + (k0 - 1) MSW) (Shrout & Fleiss 1979, case 1); with unequal cluster sizes
    k0 = (N - sum n_g^2 / N) / (G - 1) (Donner 1986).

    Args:
        values: shape (n_values,), finite.
        clusters: n_values names.

    Raises:
        ValueError: a value that is no finite number (its index is named), lengths that differ.
    """
    numbers = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(numbers)
    if not finite.all():
        index = int(np.argmin(finite))
        raise ValueError(f"value {index} is {numbers[index]}: not a finite number")
    means, names = cluster_means(numbers, clusters)
    groups, total = len(names), numbers.size
    if groups < 2 or total == groups:
        return VarianceShares(None, None, None, groups, total)
    position = {name: index for index, name in enumerate(names)}
    where = np.array([position[cluster] for cluster in clusters], dtype=np.intp)
    sizes = np.bincount(where, minlength=groups)
    between = float((sizes * (means - numbers.mean()) ** 2).sum()) / (groups - 1)
    within = float(((numbers - means[where]) ** 2).sum()) / (total - groups)
    size = (total - float((sizes**2).sum()) / total) / (groups - 1)
    spread = between + (size - 1.0) * within
    nothing = spread <= 1e-24 * max(1.0, float(np.abs(numbers).max())) ** 2
    icc = None if nothing else (between - within) / spread
    return VarianceShares(icc, (between - within) / size, within, groups, total)
