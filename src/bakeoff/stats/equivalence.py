"""Is a as good as b, or at least not worse by a margin fixed beforehand? Not significant is not equivalent.

The rules of `paired` hold: bounded-mean bounds and no p-value under 15 clusters (and without variance), t from 15 on,
called approximate under 30.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from bakeoff.stats.intervals import checked, cluster_means, interval, is_constant
from bakeoff.stats.paired import FEWEST_FOR_PLAIN_T, FEWEST_FOR_T, PairedMethod


class MarginTest(NamedTuple):
    """Mean difference a - b, its two-sided interval at level 1 - 2 alpha, and what follows for the margin.

    `holds` is whether the claim is shown: False without data. `p` is None where the bounded interval decides.
    """

    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    holds: bool
    margin: float
    alpha: float
    n: int
    method: str
    approximate: bool


def equivalence(
    a: ArrayLike,
    b: ArrayLike,
    margin: float,
    clusters: Sequence[Hashable] | None = None,
    *,
    alpha: float = 0.05,
    bounds: tuple[float, float] = (0.0, 10.0),
    method: PairedMethod = "auto",
) -> MarginTest:
    """Test whether the mean difference lies within +-`margin`: two one-sided tests (TOST, Schuirmann 1987).

    p = max(P(T > (m + margin) / SE), P(T < (m - margin) / SE)), T Student's t with n - 1 degrees of freedom; the claim
    holds where the whole interval at level 1 - 2 alpha lies inside the margin, which for t is p < alpha.

    Args:
        a: shape (n_prompts,), prompt means within `bounds`.
        b: the same prompts in the same order.
        margin: in score points, positive, fixed before the data were seen.
        clusters: the cluster of each prompt; None if each prompt is its own.
        alpha: error probability, between 0 and 0.5.
        bounds: the ends of the score scale.
        method: `auto` by the number of clusters; `t` or `bounded` to insist.

    Raises:
        ValueError: a value NaN, infinite or out of bounds (its index is named), lengths that differ, an argument
            out of its range.
    """
    found, lower_p, upper_p = _against_margin(a, b, margin, clusters, alpha, bounds, method)
    if found.low is None or found.high is None:
        return found
    p = None if lower_p is None or upper_p is None else max(lower_p, upper_p)
    return found._replace(p=p, holds=-margin < found.low and found.high < margin)


def non_inferiority(
    a: ArrayLike,
    b: ArrayLike,
    margin: float,
    clusters: Sequence[Hashable] | None = None,
    *,
    alpha: float = 0.05,
    bounds: tuple[float, float] = (0.0, 10.0),
    method: PairedMethod = "auto",
) -> MarginTest:
    """Test whether a is not worse than b by `margin` or more: the lower bound of the mean of a - b lies above -margin.

    One-sided at `alpha`, p = P(T > (m + margin) / SE). For several candidates correct the p-values (`holm`). Arguments
    and errors are those of `equivalence`.
    """
    found, lower_p, _ = _against_margin(a, b, margin, clusters, alpha, bounds, method)
    return found if found.low is None else found._replace(p=lower_p, holds=-margin < found.low)


def _against_margin(
    a: ArrayLike,
    b: ArrayLike,
    margin: float,
    clusters: Sequence[Hashable] | None,
    alpha: float,
    bounds: tuple[float, float],
    method: PairedMethod,
) -> tuple[MarginTest, float | None, float | None]:
    """Return the interval, and the p-values against "at most -margin" and "at least margin"."""
    first, second = checked(a, bounds), checked(b, bounds)
    if first.size != second.size:
        raise ValueError(f"pairs need the same prompts: {first.size} values against {second.size}")
    if not 0.0 < margin < float("inf"):
        raise ValueError(f"margin must be positive and finite: {margin}")
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"alpha must be between 0 and 0.5: {alpha}")
    if method not in ("auto", "t", "bounded"):
        raise ValueError(f"unknown method: {method!r}; known: 'auto', 't', 'bounded'")
    names = tuple(range(first.size)) if clusters is None else clusters
    width = bounds[1] - bounds[0]
    # Rounding in a mean of clusters can step over the end of the scale by a last digit.
    differences = np.clip(cluster_means(first, names)[0] - cluster_means(second, names)[0], -width, width)
    n = differences.size
    by_t = n >= 2 and not is_constant(differences) and (method == "t" or (method == "auto" and n >= FEWEST_FOR_T))
    kind: Literal["t", "bounded"] = "t" if by_t else "bounded"
    main = interval(differences, (-width, width), 1.0 - 2.0 * alpha, kind)
    approximate = by_t and n < FEWEST_FOR_PLAIN_T
    found = MarginTest(
        main.estimate,
        main.low,
        main.high,
        None,
        holds=False,
        margin=margin,
        alpha=alpha,
        n=n,
        method=kind,
        approximate=approximate,
    )
    if not by_t:
        return found, None, None
    return found, _p_above(differences, -margin), _p_above(-differences, -margin)


def _p_above(differences: NDArray[np.float64], threshold: float) -> float:
    """Return the one-sided p-value of "the mean is at most `threshold`"."""
    n = differences.size
    error = float(differences.std(ddof=1)) / float(np.sqrt(n))
    return float(stdtr(n - 1, -(float(differences.mean()) - threshold) / error))
