"""Does a pass oftener than b on the same prompts? Only the prompts that they disagree on can tell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr


class McNemar(NamedTuple):
    """Prompts that only one of the two passed, of `n`, and the exact two-sided p-value (1 where they never differ)."""

    only_a: int
    only_b: int
    n: int
    p: float


def mcnemar(passed_a: ArrayLike, passed_b: ArrayLike) -> McNemar:
    """Compare two candidates' passes by the exact McNemar test (McNemar 1947, binomial form).

    With b and c discordant prompts: p = min(1, 2 P(X <= min(b, c))), X ~ Binomial(b + c, 1/2). Prompts independent.

    Args:
        passed_a: shape (n,), True or 1 where a passed.
        passed_b: the same prompts in the same order.

    Raises:
        ValueError: shapes that differ or are not (n,), or a value that is neither 0 nor 1.
    """
    first, second = np.asarray(passed_a, dtype=np.float64), np.asarray(passed_b, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"pairs need the same prompts, shape (n,): {first.shape} against {second.shape}")
    for values in (first, second):
        if not np.isin(values, (0.0, 1.0)).all():
            raise ValueError("passed is True or False for every prompt")
    only_a, only_b = int(np.count_nonzero(first > second)), int(np.count_nonzero(first < second))
    return McNemar(only_a, only_b, first.size, mcnemar_p(only_a, only_b))


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Return `mcnemar`'s p-value from the two counts of discordant prompts.

    Raises:
        ValueError: a negative count.

    Examples:
        >>> round(mcnemar_p(12, 3), 8)
        0.03515625
    """
    if only_a < 0 or only_b < 0:
        raise ValueError(f"counts cannot be negative: {only_a}, {only_b}")
    if only_a + only_b == 0:
        return 1.0
    return min(1.0, 2.0 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))
