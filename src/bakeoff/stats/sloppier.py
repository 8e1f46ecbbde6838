"""What would a sloppier method claim? Numbers to hold against the honest ones, never to decide by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtr


class PooledT(NamedTuple):
    """A two-sample t test; `t` and `p` are None without two values each, or without variance."""

    difference: float
    t: float | None
    p: float | None


def z_half_width(values: NDArray[np.float64], level: float) -> float:
    """Return z sd / sqrt(n) for n >= 2 values, z the normal quantile in two decimals (1.96 at 0.95), as it is copied.

    It ignores that sd is estimated: coverage 0.81 to 0.87 at n = 5 where 0.95 is claimed, less at a ceiling.
    """
    z = round(float(ndtri(0.5 + level / 2.0)), 2)
    return z * float(values.std(ddof=1)) / float(np.sqrt(values.size))


def pooled_t(a: ArrayLike, b: ArrayLike) -> PooledT:
    """Return Student's two-sample t test, as if `a` and `b` came from different prompts; equal variances, two-sided.

    t = (mean a - mean b) / sqrt(s^2 (1/n + 1/m)), s^2 the pooled variance, n + m - 2 degrees of freedom. On the same
    prompts it throws away what pairing cancels: the prompts' own difficulty.

    Args:
        a: shape (n,), n >= 1.
        b: shape (m,), m >= 1.

    Raises:
        ValueError: no values, or one that is no finite number.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    for values in (first, second):
        if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
            raise ValueError("a two-sample test needs finite values of shape (n,), at least one each")
    difference = float(first.mean() - second.mean())
    n, m = first.size, second.size
    if n < 2 or m < 2:
        return PooledT(difference, None, None)
    variance = float(((first - first.mean()) ** 2).sum() + ((second - second.mean()) ** 2).sum()) / (n + m - 2)
    if variance <= 1e-24 * max(1.0, float(np.abs(first).max()), float(np.abs(second).max())) ** 2:
        return PooledT(difference, None, None)
    t = difference / float(np.sqrt(variance * (1.0 / n + 1.0 / m)))
    return PooledT(difference, t, 2.0 * float(stdtr(n + m - 2, -abs(t))))
