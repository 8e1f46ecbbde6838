"""Is the winner's score too good? Three causes that are easily confused, as three separate numbers.

An unselected model's mean is not optimistic at small n: its error is about 0. A selected one's is, since it was
selected for it; another scorer changes any score; and an interval can be too narrow. They are never added up.
"""

from __future__ import annotations

from typing import NamedTuple

from numpy.typing import ArrayLike

from bakeoff.stats.intervals import Interval, checked, interval
from bakeoff.stats.paired import PairedDifference, paired_difference

FEWEST_FRESH = 30


class IntervalRatio(NamedTuple):
    """Widths of the z, t and bounded intervals of the same scores, and how much too narrow z would be."""

    z_width: float
    t_width: float
    bounded_width: float
    t_to_z: float
    bounded_to_z: float


class OptimismGap(NamedTuple):
    """Each number is None where the scores for it were not given (or, for the ratio, do not vary).

    `winners_curse`: mean on the prompts that chose the candidate minus its mean on `fresh` ones. `fresh` is the score
    to quote; `is_enough_fresh` from 30 prompts on. `scorer_change`: old scorer minus new scorer on the same texts.
    """

    winners_curse: float | None
    fresh: Interval | None
    is_enough_fresh: bool
    scorer_change: PairedDifference | None
    interval_ratio: IntervalRatio | None


def optimism_gap(
    selection: ArrayLike,
    *,
    fresh: ArrayLike | None = None,
    rescored: ArrayLike | None = None,
    bounds: tuple[float, float] = (0.0, 10.0),
    level: float = 0.95,
) -> OptimismGap:
    """Return the winner's curse, the change of scorer and the ratio of intervals for the chosen candidate.

    Args:
        selection: shape (n,), its prompt means on the prompts that chose it, within `bounds`.
        fresh: shape (m,), its prompt means on prompts that had no part in the choice, by the same scorer.
        rescored: shape (n,), the texts of `selection` scored by another scorer, same order, same scale.
        bounds: the ends of the scale.
        level: of all intervals.

    Raises:
        ValueError: a value NaN, infinite or out of bounds (its index is named), `rescored` of another length.
    """
    chosen = checked(selection, bounds)
    again = None if fresh is None else interval(fresh, bounds, level)
    curse = None
    if again is not None and again.estimate is not None and chosen.size:
        curse = float(chosen.mean()) - again.estimate
    change = None if rescored is None else paired_difference(chosen, rescored, level=level, bounds=bounds)
    enough = again is not None and again.n >= FEWEST_FRESH
    return OptimismGap(curse, again, enough, change, interval_ratio(chosen, bounds, level))


def interval_ratio(
    prompt_means: ArrayLike, bounds: tuple[float, float] = (0.0, 10.0), level: float = 0.95
) -> IntervalRatio | None:
    """Return how wide z, t and bounded intervals of the same scores are; None where z has no width to compare with.

    Args:
        prompt_means: shape (n,), within `bounds`.
        bounds: the ends of the scale.
        level: between 0 and 1.

    Raises:
        ValueError: a value NaN, infinite or out of bounds (its index is named).
    """
    z, t = interval(prompt_means, bounds, level, "z"), interval(prompt_means, bounds, level, "t")
    if z.method != "z" or z.n == 0:
        return None
    narrow, usual, sure = _width(z), _width(t), _width(interval(prompt_means, bounds, level))
    return IntervalRatio(narrow, usual, sure, usual / narrow, sure / narrow)


def _width(found: Interval) -> float:
    if found.low is None or found.high is None:
        raise ValueError("an interval without limits has no width")
    return found.high - found.low
