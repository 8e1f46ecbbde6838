"""Many comparisons at once: adjusted p-values that keep the promise for all of them together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return Holm's step-down adjusted p-values, in the order given.

    Rejecting where the adjusted value is at most alpha makes any false rejection at all no likelier than alpha,
    whatever the dependence (Holm 1979): sorted p(1) <= .. <= p(m), adjusted(i) = max over j <= i of
    min(1, (m - j + 1) p(j)).

    Args:
        p_values: shape (m,), each in [0, 1].

    Raises:
        ValueError: a value that is no probability.

    Examples:
        >>> holm([0.01, 0.04, 0.03])
        array([0.03, 0.06, 0.06])
    """
    p = _probabilities(p_values)
    order = np.argsort(p, kind="stable")
    scaled = np.minimum(1.0, p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(scaled)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return Benjamini & Hochberg's (1995) adjusted p-values, in the order given.

    Rejecting at most alpha keeps the expected *share* of false rejections under alpha for independent or positively
    dependent tests: for screening, never for a decision.

    Args:
        p_values: shape (m,), each in [0, 1].

    Raises:
        ValueError: a value that is no probability.
    """
    p = _probabilities(p_values)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


def _probabilities(p_values: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1:
        raise ValueError(f"expected p-values of shape (m,): got shape {p.shape}")
    valid = (p >= 0.0) & (p <= 1.0)
    if not valid.all():
        index = int(np.argmin(valid))
        raise ValueError(f"p-value {index} is {p[index]}: not between 0 and 1")
    return p
