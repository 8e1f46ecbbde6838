"""How many prompts for which difference? Power of the paired t test, by the noncentral t distribution.

n here counts what was sampled independently: prompts, or families of prompts where they share a template. With a true
mean difference d and a standard deviation of differences s, t is noncentral t with n - 1 degrees of freedom and
noncentrality sqrt(n) d / s; power is the probability of a significant result in the right direction or the wrong one
(the latter negligible). Differences are taken as normal: for rare catastrophic failures these numbers are optimistic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan, sqrt

from scipy.special import chdtri, nctdtr, stdtrit

_FEWEST = 2.0
_MOST = 1e7


def power_of_paired_t(effect: float, n: float, level: float = 0.95) -> float:
    """Return the power of a two-sided paired t test, for `effect` = true mean difference / sd of differences.

    Args:
        effect: positive.
        n: pairs, at least 2; need not be whole.
        level: 1 - alpha.
    """
    critical = float(stdtrit(n - 1, 0.5 + level / 2.0))
    shift = effect * sqrt(n)
    return 1.0 - _noncentral_t(critical, n - 1, shift) + _noncentral_t(-critical, n - 1, shift)


def required_prompts(sd_difference: float, difference: float, power: float = 0.8, level: float = 0.95) -> float:
    """Return how many pairs detect a true `difference` with probability `power`; not whole: round it up.

    Args:
        sd_difference: standard deviation of the paired differences, in score points.
        difference: the smallest difference worth detecting, in score points, positive.
        power: between 0 and 1.
        level: 1 - alpha of the two-sided test.

    Returns:
        Pairs, between 2 and 1e7 (infinity beyond).

    Raises:
        ValueError: an argument out of its range.

    Examples:
        >>> round(required_prompts(2.0, 1.0), 3)
        33.367
    """
    _check(sd_difference, power, level)
    if not difference > 0:
        raise ValueError(f"difference must be positive: {difference}")
    if sd_difference == 0 or power_of_paired_t(difference / sd_difference, _FEWEST, level) >= power:
        return _FEWEST
    effect = difference / sd_difference
    high = _FEWEST
    while power_of_paired_t(effect, high, level) < power:
        high *= 2.0
        if high > _MOST:
            return float("inf")
    return _bisect(lambda n: power_of_paired_t(effect, n, level) - power, max(high / 2.0, _FEWEST), high)


def required_for_all(effects: Sequence[float], power: float = 0.8, level: float = 0.95) -> float:
    """Return how many pairs show several differences all together with probability `power` at least; not whole.

    What is missed of each adds up at most (Bonferroni), whatever their dependence.

    Args:
        effects: true mean differences / sd of differences, positive; none takes 2 pairs.
        power: as in `required_prompts`.
        level: as in `required_prompts`, of each test.

    Raises:
        ValueError: an argument out of its range.

    Examples:
        >>> round(required_for_all([0.5, 3.0]), 3) == round(required_prompts(2.0, 1.0), 3)
        True
    """
    _check(1.0, power, level)
    if not all(effect > 0 for effect in effects):
        raise ValueError(f"effects must be positive: {list(effects)}")

    def spare(n: float) -> float:
        return 1.0 - power - sum(1.0 - power_of_paired_t(effect, n, level) for effect in effects)

    high = _FEWEST
    if spare(high) >= 0:
        return _FEWEST
    while spare(high) < 0:
        high *= 2.0
        if high > _MOST:
            return float("inf")
    return _bisect(spare, max(high / 2.0, _FEWEST), high)


def minimum_detectable_difference(sd_difference: float, n: int, power: float = 0.8, level: float = 0.95) -> float:
    """Return the true difference that `n` pairs detect with probability `power`, in score points.

    Args:
        sd_difference: standard deviation of the paired differences, in score points.
        n: pairs, at least 2.
        power: between 0 and 1.
        level: 1 - alpha of the two-sided test.

    Raises:
        ValueError: an argument out of its range.

    Examples:
        >>> round(minimum_detectable_difference(2.2, 15), 2)
        1.71
    """
    _check(sd_difference, power, level)
    if n < _FEWEST:
        raise ValueError(f"at least 2 pairs are needed: {n}")
    high = 1.0
    while power_of_paired_t(high, n, level) < power:
        high *= 2.0
    return sd_difference * _bisect(lambda effect: power_of_paired_t(effect, n, level) - power, 0.0, high)


def sd_interval(sd: float, n: int, level: float = 0.8) -> tuple[float, float]:
    """Return an interval for a standard deviation that was estimated from `n` normal values.

    sd sqrt((n - 1) / q), q the chi-square quantiles (n - 1 degrees of freedom) at both tails of `level`.

    Raises:
        ValueError: fewer than two values.
    """
    if n < 2:
        raise ValueError(f"a spread needs at least two values: {n}")
    low, high = (float(chdtri(n - 1, tail)) for tail in ((1.0 - level) / 2.0, (1.0 + level) / 2.0))
    return sd * sqrt((n - 1) / low), sd * sqrt((n - 1) / high)


def _noncentral_t(value: float, df: float, shift: float) -> float:
    """Return P(T <= value) for noncentral t.

    scipy 1.17's nctdtr answers NaN for some probabilities that vanish (under 1e-10, on a grid of n from 2 to 1e6,
    levels to 0.99999 and noncentralities to 1e4): they are 0 here.
    """
    probability = float(nctdtr(df, shift, value))
    return 0.0 if isnan(probability) else probability


def _check(sd_difference: float, power: float, level: float) -> None:
    if not 0 <= sd_difference < float("inf"):
        raise ValueError(f"sd of differences must be finite and not negative: {sd_difference}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1: {level}")
    if not 1 - level < power < 1:
        raise ValueError(f"power must be between alpha ({1 - level:g}) and 1: {power}")


def _bisect(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where `rising` crosses 0 between `low` and `high`, to 1e-10 relative."""
    while high - low > 1e-10 * high:
        middle = (low + high) / 2.0
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return high
