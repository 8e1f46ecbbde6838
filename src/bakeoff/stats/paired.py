"""Is a better than b? Differences on the same prompts, which cancel what makes a prompt hard for everyone.

Under 15 clusters a t interval cannot be trusted for scores piled up at a ceiling, and no p-value is given: only the
bounded-mean interval, which is wide and holds. From 15 to 29 t is used and called approximate, with the bounded
interval beside it; from 30 on, t. The sign-flip p-value is a line of robustness, not the test: it asks for symmetric
differences, as t asks for normal ones, and where the two disagree neither should be leaned on.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from bakeoff.stats.intervals import Interval, check_level, checked, cluster_means, interval, is_constant
from bakeoff.stats.power import minimum_detectable_difference

PairedMethod = Literal["auto", "t", "bounded"]

FEWEST_FOR_T = 15
FEWEST_FOR_PLAIN_T = 30
_EXACT_FLIPS_UP_TO = 14
_FLIPS = 10_000
_MOST_KEPT = 2_000
_SEED = 20_240_602


class PairedDifference(NamedTuple):
    """Mean difference a - b over `n` clusters with its interval at the level asked for.

    `p` is the two-sided t test's, None under 15 clusters; `p_sign_flip` is None exactly when `p` is.
    `bounded_low` and `bounded_high` are the bounded-mean interval, given under 30 clusters or where `method` is
    `bounded`. `approximate` marks a t interval from fewer than 30 clusters. `minimum_detectable` is the true difference
    that `n` clusters would detect with probability 0.8, None without variance to tell it from.
    """

    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    p_sign_flip: float | None
    n: int
    sd_difference: float | None
    correlation: float | None
    minimum_detectable: float | None
    method: str
    approximate: bool
    bounded_low: float | None
    bounded_high: float | None


_NOTHING = PairedDifference(
    estimate=None,
    low=None,
    high=None,
    p=None,
    p_sign_flip=None,
    n=0,
    sd_difference=None,
    correlation=None,
    minimum_detectable=None,
    method="bounded",
    approximate=False,
    bounded_low=None,
    bounded_high=None,
)


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
    bounds: tuple[float, float] = (0.0, 10.0),
    method: PairedMethod = "auto",
) -> PairedDifference:
    """Compare two candidates on the same prompts.

    d_i = a_i - b_i, averaged within clusters (equal weights); estimate = mean of the cluster means, m; interval
    m +- t(n-1) s / sqrt(n), or bounded-mean on [L-U, U-L] as the module says. Without variance the t interval would
    have no width: the bounded one is given instead, and p is the sign-flip one (all zero: p = 1, a tie).

    Args:
        a: shape (n_prompts,), prompt means within `bounds`.
        b: the same prompts in the same order.
        clusters: the cluster of each prompt; None if each prompt is its own.
        level: of the interval, two-sided.
        bounds: the ends of the score scale.
        method: `auto` by the number of clusters; `t` or `bounded` to insist (p-values then follow the method).

    Raises:
        ValueError: a value NaN, infinite or out of bounds (its index is named), lengths that differ.
    """
    first, second = _checked_pairs(a, b, bounds)
    check_level(level)
    if method not in ("auto", "t", "bounded"):
        raise ValueError(f"unknown method: {method!r}; known: 'auto', 't', 'bounded'")
    if first.size == 0:
        return _NOTHING
    names = tuple(range(first.size)) if clusters is None else clusters
    means_a, means_b = cluster_means(first, names)[0], cluster_means(second, names)[0]
    width = bounds[1] - bounds[0]
    # Rounding in a mean of clusters can step over the end of the scale by a last digit.
    differences = np.clip(means_a - means_b, -width, width)
    correlation = _correlation(means_a, means_b)
    n = differences.size
    if n >= 2 and (method == "t" or (method == "auto" and n >= FEWEST_FOR_T)):
        return _by_t(differences, correlation, level, width)
    main = interval(differences, (-width, width), level)
    return _described(main, differences, correlation, level)._replace(bounded_low=main.low, bounded_high=main.high)


def _checked_pairs(
    a: ArrayLike, b: ArrayLike, bounds: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = checked(a, bounds), checked(b, bounds)
    if first.size != second.size:
        raise ValueError(f"pairs need the same prompts: {first.size} values against {second.size}")
    return first, second


def _by_t(differences: NDArray[np.float64], correlation: float | None, level: float, width: float) -> PairedDifference:
    """Return the t interval with both p-values, and the bounded interval beside it where t is approximate."""
    n, span = differences.size, (-width, width)
    # interval() itself turns to the bounded method where there is no variance, and says so.
    main = interval(differences, span, level, "t")
    bounded: Interval | None = main if main.method == "bounded" else None
    if bounded is None and n < FEWEST_FOR_PLAIN_T:
        bounded = interval(differences, span, level)
    return _described(main, differences, correlation, level)._replace(
        p=_t_test_p(differences),
        p_sign_flip=sign_flip_p(differences),
        approximate=main.method == "t" and n < FEWEST_FOR_PLAIN_T,
        bounded_low=None if bounded is None else bounded.low,
        bounded_high=None if bounded is None else bounded.high,
    )


def _described(
    main: Interval, differences: NDArray[np.float64], correlation: float | None, level: float
) -> PairedDifference:
    """Return what both methods say: the interval `main`, the spread, and what it would detect; no p-value."""
    n = differences.size
    sd = float(differences.std(ddof=1)) if n >= 2 else None
    detectable = None if sd is None or is_constant(differences) else minimum_detectable_difference(sd, n, level=level)
    return _NOTHING._replace(
        estimate=main.estimate,
        low=main.low,
        high=main.high,
        n=n,
        sd_difference=sd,
        correlation=correlation,
        minimum_detectable=detectable,
        method=main.method,
    )


def one_sided_upper(differences: ArrayLike, alpha: float, bounds: tuple[float, float]) -> float | None:
    """Return an upper bound of the mean difference that is exceeded with probability at most `alpha`.

    t from 15 values on (bounded where they have no variance), bounded-mean under that; None without values.

    Args:
        differences: shape (n,), cluster means of paired differences.
        alpha: one-sided error probability, under 0.5.
        bounds: of the difference.

    Raises:
        ValueError: a value NaN, infinite or out of bounds.
    """
    values = checked(differences, bounds)
    method: Literal["t", "bounded"] = "t" if values.size >= FEWEST_FOR_T else "bounded"
    return interval(values, bounds, 1.0 - 2.0 * alpha, method).high


def sign_flip_p(differences: ArrayLike) -> float:
    """Return the two-sided sign-flip permutation p-value of a mean of 0, for differences symmetric around it.

    Exact over all 2^n flips up to n = 14; else 10,000 seeded random flips and (1 + count) / (flips + 1), which is
    never 0 (Phipson & Smyth 2010). Ties with the observed mean count as exceeding it.

    Args:
        differences: shape (n,), n >= 1.

    Raises:
        ValueError: no differences, or one that is no finite number.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError("a sign-flip test needs at least one finite difference, shape (n,)")
    sizes = np.sort(np.abs(values))
    total = float(sizes.sum())
    observed = abs(float(values.sum()))
    if values.size <= _EXACT_FLIPS_UP_TO:
        sums = _all_signs(values.size) @ sizes
        return float(np.mean(np.abs(sums) >= observed - 1e-9 * total))
    # float32 halves time and memory; the tolerance is wider than its rounding, so a tie is never missed.
    small = sizes.astype(np.float32)
    blocks = [_random_signs(values.size)] if values.size <= _MOST_KEPT else _blocks_of_signs(values.size)
    count = sum(int(np.count_nonzero(np.abs(signs @ small) >= observed - 1e-5 * total)) for signs in blocks)
    return (1 + count) / (_FLIPS + 1)


def _t_test_p(differences: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of a mean of 0; by sign flips where there is no variance to divide by."""
    if is_constant(differences):
        return sign_flip_p(differences)
    n = differences.size
    t = float(differences.mean()) / (float(differences.std(ddof=1)) / np.sqrt(n))
    return 2.0 * float(stdtr(n - 1, -abs(t)))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    if a.size < 3 or is_constant(a) or is_constant(b):
        return None
    return float(np.clip(np.corrcoef(a, b)[0, 1], -1.0, 1.0))


@lru_cache(maxsize=_EXACT_FLIPS_UP_TO)
def _all_signs(n: int) -> NDArray[np.float64]:
    """Shape (2**n, n), every row of signs once."""
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    return np.where(bits == 1, 1.0, -1.0)


@lru_cache(maxsize=2)
def _random_signs(n: int) -> NDArray[np.float32]:
    """Shape (10000, n): 40 MB at n = 1000, kept because every pair of a comparison has the same n."""
    return next(_blocks_of_signs(n, _FLIPS))


def _blocks_of_signs(n: int, rows: int = 100) -> Iterator[NDArray[np.float32]]:
    """Yield 10,000 rows of n signs, `rows` at a time: all of them would fill the memory where n is large."""
    generator = np.random.default_rng(_SEED)
    for _ in range(_FLIPS // rows):
        bits = generator.integers(0, 2, size=(rows, n), dtype=np.int8)
        yield (2 * bits - 1).astype(np.float32)
