"""Bounds for a few planned looks: group-sequential alpha spending, which the race is measured against.

Valid for normal means at looks that were planned; the race's e-values need no plan, and pay for that.
"""

from __future__ import annotations

from math import e
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Spending = Literal["obrien-fleming", "pocock"]

_STEP = 0.01
_REACH = 8.0


def spending_bounds(looks: int, alpha: float = 0.05, spending: Spending = "obrien-fleming") -> NDArray[np.float64]:
    """Return the two-sided z bounds of equally spaced looks that spend `alpha` in all (Lan & DeMets 1983).

    `obrien-fleming`: alpha(t) = 4 (1 - Phi(z(1 - alpha/4) / sqrt t)); `pocock`: alpha ln(1 + (e - 1) t). Each bound is
    found where the density of the score so far, carried from look to look on a grid, leaves just the share to spend
    outside (Armitage, McPherson & Rowe 1969).

    Args:
        looks: at least 1.
        alpha: two-sided, between 0 and 1.
        spending: see above.

    Returns:
        Shape (looks,).

    Raises:
        ValueError: an argument out of its range.
    """
    if looks < 1 or not 0.0 < alpha < 1.0 or spending not in ("obrien-fleming", "pocock"):
        raise ValueError(f"looks must be at least 1, alpha between 0 and 1: {looks}, {alpha}, {spending!r}")
    times = np.arange(1, looks + 1) / looks
    if spending == "pocock":
        spent = alpha * np.log1p((e - 1.0) * times)
    else:
        spent = 4.0 * (1.0 - ndtr(ndtri(1.0 - alpha / 4.0) / np.sqrt(times)))
    shares = np.diff(spent, prepend=0.0)
    # Brownian motion at times 1, 2, ..: what is still inside the bounds, as a density on a grid.
    found = []
    inside = np.array([0.0])
    density = np.array([1.0])
    for look, share in enumerate(shares, 1):
        low, high = 0.0, _REACH
        while high - low > 1e-9:
            middle = (low + high) / 2.0
            edge = middle * np.sqrt(look)
            outside = float(density @ (ndtr(-edge - inside) + ndtr(inside - edge)))
            low, high = (middle, high) if outside > share else (low, middle)
        found.append((low + high) / 2.0)
        edge = found[-1] * np.sqrt(look)
        points = max(3, int(2.0 * edge / _STEP) | 1)
        grid = np.linspace(-edge, edge, points)
        weights = np.full(points, grid[1] - grid[0])
        weights[[0, -1]] /= 2.0
        kernel = np.exp(-0.5 * (grid[:, None] - inside) ** 2) / np.sqrt(2.0 * np.pi)
        density = (kernel @ density) * weights
        inside = grid
    return np.array(found)
