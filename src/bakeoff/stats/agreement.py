"""Do raters (judges, people) agree beyond chance? Krippendorff's alpha for any number, weighted kappa for two."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scale = Literal["nominal", "ordinal", "interval", "ratio"]
KappaWeights = Literal["none", "linear", "quadratic"]


def krippendorff_alpha(ratings: ArrayLike, scale: Scale = "interval") -> float | None:
    """Return Krippendorff's alpha = 1 - observed / expected disagreement (Krippendorff 2011, "Computing alpha").

    o = sum over units of (pairs of values within the unit) / (m_u - 1); expected from all pairable values together.
    Distances: nominal 1 where different, interval (c - k)^2, ratio ((c - k)/(c + k))^2, ordinal
    (values from c to k, the two ends half)^2. 1 is agreement, 0 chance; negative is worse than chance.

    Args:
        ratings: shape (n_raters, n_units); NaN where a rater did not rate a unit.
        scale: what the numbers mean.

    Returns:
        None where nothing was rated twice, or all pairable values are equal: then agreement cannot be told.

    Raises:
        ValueError: an infinite rating, another shape, an unknown scale, a negative rating on a ratio scale.

    Examples:
        >>> round(krippendorff_alpha([[1, 2, 3, 4], [1, 2, 3, 3]]), 4)
        0.8889
    """
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2 or np.isinf(table).any():
        raise ValueError("ratings must be finite or NaN (not rated), shape (n_raters, n_units)")
    if scale not in ("nominal", "ordinal", "interval", "ratio"):
        raise ValueError(f"unknown scale: {scale!r}; known: 'nominal', 'ordinal', 'interval', 'ratio'")
    rated = ~np.isnan(table)
    pairable = rated & (rated.sum(axis=0) >= 2)
    values, where = np.unique(table[pairable], return_inverse=True)
    if values.size < 2:
        return None
    if scale == "ratio" and values[0] < 0:
        raise ValueError("a ratio scale has no negative ratings")
    counts = np.zeros((table.shape[1], values.size))
    np.add.at(counts, (np.nonzero(pairable)[1], where), 1.0)
    counts = counts[counts.sum(axis=1) > 0]
    totals = counts.sum(axis=0)
    distance = _distances(values, totals, scale)
    per_unit = counts / (counts.sum(axis=1) - 1.0)[:, None]
    # The diagonal of a unit's pairs counts a value with itself; its distance is 0, so it needs no correction.
    observed = float(((counts.T @ per_unit) * distance).sum())
    expected = float((np.outer(totals, totals) * distance).sum()) / float(totals.sum() - 1.0)
    return 1.0 - observed / expected


def weighted_kappa(a: ArrayLike, b: ArrayLike, weights: KappaWeights = "quadratic") -> float | None:
    """Return Cohen's kappa of two raters of the same units, weighted by how far apart they are (Cohen 1968).

    kappa = 1 - mean of w(a_i, b_i) / mean of w(a_i, b_j) over all i, j; w = 1 where different (`none`), |a - b|
    (`linear`) or (a - b)^2 (`quadratic`). Distances are those of the ratings' values.

    Args:
        a: shape (n,), finite.
        b: the same units in the same order.
        weights: see above.

    Returns:
        None without units, or where both gave one and the same rating throughout.

    Raises:
        ValueError: a rating that is no finite number, shapes that differ, unknown weights.

    Examples:
        >>> weighted_kappa([1, 2, 3, 3], [1, 2, 3, 2], "none")
        0.636363...
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or not np.isfinite([first, second]).all():
        raise ValueError("two raters need finite ratings of the same units, shape (n,) each")
    if weights not in ("none", "linear", "quadratic"):
        raise ValueError(f"unknown weights: {weights!r}; known: 'none', 'linear', 'quadratic'")
    if first.size == 0:
        return None
    values_a, counts_a = np.unique(first, return_counts=True)
    values_b, counts_b = np.unique(second, return_counts=True)
    expected = float(counts_a @ _weight(values_a[:, None], values_b, weights) @ counts_b) / first.size**2
    if expected == 0.0:
        return None
    return 1.0 - float(_weight(first, second, weights).mean()) / expected


def _weight(a: NDArray[np.float64], b: NDArray[np.float64], weights: KappaWeights) -> NDArray[np.float64]:
    if weights == "none":
        return np.asarray(a != b, dtype=np.float64)
    distance: NDArray[np.float64] = np.abs(a - b)
    return distance if weights == "linear" else np.asarray(distance**2)


def _distances(values: NDArray[np.float64], totals: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    """Return squared distances, shape (n_values, n_values)."""
    if scale == "nominal":
        return np.asarray(1.0 - np.eye(values.size))
    if scale == "ordinal":
        # Up to the middle of a value's own block, counted along the sorted values.
        middle = np.cumsum(totals) - totals / 2.0
        return np.asarray((middle[:, None] - middle) ** 2)
    difference = values[:, None] - values
    if scale == "interval":
        return np.asarray(difference**2)
    total = values[:, None] + values
    return np.asarray((difference / np.where(total == 0.0, 1.0, total)) ** 2)
