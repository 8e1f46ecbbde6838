"""Evidence that may be looked at after every observation: e-values for the mean of a stream.

Under the hypothesis an e-value's expectation is at most 1 at any stopping time, so that it ever reaches c has probability
at most 1/c (Ville 1939), however often one looks. Streams are columns: rows are observations in the order in which they
came, and everything is worked out for all columns at once. Logarithms throughout: evidence grows without bound.

Two kinds. The betting e-value is guaranteed for bounded observations of any distribution (Waudby-Smith & Ramdas 2024,
arXiv 2010.09686, with bets fixed beforehand). The t-mixture is exact for normal observations of unknown variance (Wang &
Ramdas, arXiv 2310.03722) and approximate for all others: it has not seen a rare catastrophe before it happens.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

BETS = (0.02, 0.04, 0.07, 0.12, 0.2, 0.35, 0.6, 0.95)
"""Shares of the wealth that are bet, each by a part of its own; fixed before the first observation."""

PRIOR_SD = 0.4
"""Standard deviation of the effect size (mean over standard deviation) that the t-mixture expects."""


def betting_log_e(
    observations: ArrayLike, at_most: float = 0.0, bets: tuple[float, ...] = BETS
) -> NDArray[np.float64] | float:
    """Return the logarithm of the betting e-value against "the mean is at most `at_most`".

    e = mean over bets b of prod(1 + b (x - m) / (1 + |m|)), m = `at_most`. As |x| <= 1, no factor is negative, and its
    expectation is at most 1 while the mean is at most m. With no observation e = 1.

    Args:
        observations: shape (n,) or (n, streams), each within [-1, 1].
        at_most: within [-1, 1].
        bets: each in (0, 1).

    Returns:
        A number, or shape (streams,).

    Raises:
        ValueError: an observation that is no number or out of range (its row is named), or an argument that is.

    Examples:
        >>> round(float(np.exp(betting_log_e([0.2, -0.1, 0.4, 0.0, 0.3], bets=(0.1, 0.5)))), 8)
        1.26189888
    """
    x = _observed(observations)
    outside = np.abs(x) > 1.0
    if outside.any():
        row = int(np.argwhere(outside)[0][0])
        raise ValueError(f"observation {row} is outside -1 to 1")
    if not -1.0 <= at_most <= 1.0:
        raise ValueError(f"the mean must be within -1 and 1: {at_most}")
    if not bets or not all(0.0 < bet < 1.0 for bet in bets):
        raise ValueError(f"bets must be between 0 and 1: {bets}")
    gains = (x - at_most) / (1.0 + abs(at_most))
    wealth = np.stack([np.log1p(bet * gains).sum(axis=0) for bet in bets])
    mixed = np.logaddexp.reduce(wealth, axis=0) - np.log(len(bets))
    return float(mixed) if x.ndim == 1 else mixed


def t_mixture_log_e(
    observations: ArrayLike, mean: float = 0.0, prior_sd: float = PRIOR_SD
) -> NDArray[np.float64] | float:
    """Return the logarithm of the two-sided t-mixture e-value against "the mean is `mean`".

    With g = 1 / prior_sd^2, r = 1 + n/g and t = sqrt(n) (m - mean) / s:
    e = r^(-1/2) ((1 + t^2/(n-1)) / (1 + t^2/((n-1) r)))^(n/2). Fewer than 2 observations say nothing: e = 1. Without
    variance t is infinite, and e its limit, r^((n-1)/2), unless all are `mean`.

    For one side only, count it where the mean lies on that side, against half the threshold: by symmetry, half of the
    false alarms of the two-sided e-value are on either.

    Args:
        observations: shape (n,) or (n, streams).
        mean: of the hypothesis.
        prior_sd: above 0.

    Returns:
        A number, or shape (streams,).

    Raises:
        ValueError: an observation that is no number (its row is named), or a `prior_sd` that is not above 0.
    """
    x = _observed(observations)
    if not prior_sd > 0:
        raise ValueError(f"prior_sd must be above 0: {prior_sd}")
    n = x.shape[0]
    if n < 2:
        return 0.0 if x.ndim == 1 else np.zeros(x.shape[1:])
    r = 1.0 + n * prior_sd**2
    squares = n * (x.mean(axis=0) - mean) ** 2
    spread = x.var(axis=0, ddof=1) * (n - 1)
    # (1 + t^2/(n-1)) / (1 + t^2/((n-1) r)), multiplied through by the spread, which may be 0.
    above, below = spread + squares, spread + squares / r
    rounding = 1e-24 * max(1.0, float(np.abs(x).max()) ** 2) * n
    nothing = above <= rounding
    ratio = np.log(np.where(nothing, 1.0, above)) - np.log(np.where(nothing, 1.0, below))
    found = -0.5 * np.log(r) + 0.5 * n * ratio
    return float(found) if x.ndim == 1 else found


def t_mixture_interval(n: float, mean: float, sd: float, level: float = 0.95) -> tuple[float, float]:
    """Return the limits of the means that the t-mixture has not refuted at `level`: an interval at any stopping time.

    With alpha = 1 - level and q = (sqrt(r) / alpha)^(2/n): mean +- sd sqrt((n - 1) / n * (q - 1) / (1 - q/r)), and without
    limits while q >= r (Wang & Ramdas, arXiv 2310.03722). Approximate as the t-mixture is.

    Args:
        n: observations; need not be whole.
        mean: theirs.
        sd: theirs, n - 1 in the denominator.
        level: between 0 and 1.
    """
    r = 1.0 + n * PRIOR_SD**2
    if n < 2 or sd <= 0.0:
        return -float("inf"), float("inf")
    q = (float(np.sqrt(r)) / (1.0 - level)) ** (2.0 / n)
    if q >= r:
        return -float("inf"), float("inf")
    half = sd * float(np.sqrt((n - 1.0) / n * (q - 1.0) / (1.0 - q / r)))
    return mean - half, mean + half


def betting_interval(observations: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return the limits of the means that the bets have not refuted at `level`, half of the error on each side.

    The evidence against "at most m" falls as m rises, so that the limit is found by bisection, to 1e-6.

    Args:
        observations: shape (n,), each within [-1, 1].
        level: between 0 and 1.

    Raises:
        ValueError: as `betting_log_e`.
    """
    x = np.asarray(observations, dtype=np.float64)
    threshold = -float(np.log((1.0 - level) / 2.0))
    return _lower_bet(x, threshold), -_lower_bet(-x, threshold)


def _lower_bet(x: NDArray[np.float64], threshold: float) -> float:
    low, high = -1.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2.0
        if float(np.asarray(betting_log_e(x, middle))) >= threshold:
            low = middle
        else:
            high = middle
    return low


def _observed(observations: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(observations, dtype=np.float64)
    if x.ndim not in {1, 2}:
        raise ValueError(f"expected shape (n,) or (n, streams): got {x.shape}")
    wrong = ~np.isfinite(x)
    if wrong.any():
        raise ValueError(f"observation {int(np.argwhere(wrong)[0][0])} is not a finite number")
    return x
