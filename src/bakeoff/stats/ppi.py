"""What would people say of all texts, if they rated a few and a judge rated every one? PPI++ for a mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from bakeoff.stats.intervals import check_level, checked, interval, is_constant


class PredictionPoweredMean(NamedTuple):
    """The mean with its interval. `judge_weight` is lambda: 0 uses people's scores alone, 1 the judge's fully.

    `method` is `bounded`, from people's scores alone, where there is no spread to tell an error from.
    """

    estimate: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    judge_weight: float
    n_labelled: int
    n_unlabelled: int
    method: str


def prediction_powered_mean(
    human: ArrayLike,
    judge: ArrayLike,
    judge_unlabelled: ArrayLike,
    *,
    bounds: tuple[float, float] = (0.0, 10.0),
    level: float = 0.95,
) -> PredictionPoweredMean:
    """Return the mean human score over all texts (Angelopoulos, Duchi & Zrnic, arXiv 2311.01453, power-tuned).

    With n rated texts (Y human, F judge) and N others (judge only, F'): estimate = mean(Y - l F) + l mean(F'),
    SE^2 = var(Y - l F)/n + l^2 var(F')/N, l = cov(Y, F) / ((1 + n/N) var(F and F' together)), cut to [0, 1]. The
    interval takes t(n - 1) where the paper takes z: n is small here. Valid only where the rated texts are a random
    subset, each from its own prompt (or averaged over prompts first); approximate under 30 of them.

    Args:
        human: shape (n,), within `bounds`.
        judge: the judge's scores of the same texts, in the same order; on any scale.
        judge_unlabelled: shape (N,), the judge's scores of the texts nobody rated; N may be 0.
        bounds: the ends of the human scale.
        level: between 0 and 1, two-sided.

    Raises:
        ValueError: a value NaN or infinite, a human score out of bounds (its index is named), lengths that differ.
    """
    labels = checked(human, bounds)
    check_level(level)
    seen, unseen = _finite(judge), _finite(judge_unlabelled)
    if labels.size != seen.size:
        raise ValueError(f"the judge must have scored the same texts: {labels.size} human scores, {seen.size} of it")
    n, others = labels.size, unseen.size
    weight = _power_tuned(labels, seen, unseen)
    corrected = labels - weight * seen
    if n < 2 or (is_constant(corrected) and (weight == 0.0 or is_constant(unseen))):
        found = interval(labels, bounds, level)
        return PredictionPoweredMean(found.estimate, found.low, found.high, None, 0.0, n, others, found.method)
    estimate, variance = float(corrected.mean()), float(corrected.var(ddof=1)) / n
    if weight > 0.0:
        estimate += weight * float(unseen.mean())
        variance += weight**2 * float(unseen.var(ddof=1)) / others
    error = float(np.sqrt(variance))
    half = float(stdtrit(n - 1, 0.5 + level / 2.0)) * error
    return PredictionPoweredMean(estimate, estimate - half, estimate + half, error, weight, n, others, "ppi++")


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(numbers)
    if numbers.ndim != 1 or not finite.all():
        raise ValueError(f"the judge's scores must be finite, shape (n,): value {int(np.argmin(finite))} is not")
    return numbers


def _power_tuned(labels: NDArray[np.float64], seen: NDArray[np.float64], unseen: NDArray[np.float64]) -> float:
    """Return lambda; 0 where the judge cannot help: too few texts, or scores that do not vary."""
    n, others = labels.size, unseen.size
    together = np.concatenate([seen, unseen])
    if n < 2 or others < 2 or is_constant(together):
        return 0.0
    covariance = float(((labels - labels.mean()) * (seen - seen.mean())).mean())
    return float(np.clip(covariance / ((1.0 + n / others) * float(together.var(ddof=1))), 0.0, 1.0))
