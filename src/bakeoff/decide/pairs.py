"""A comparison seen from one side: the same numbers, turned so that positive means this candidate is ahead."""

from __future__ import annotations

from typing import NamedTuple

from bakeoff.core.records import Comparison
from bakeoff.decide.analysis import Section


class Pair(NamedTuple):
    """One candidate against `rival`, in score points. `rival_ahead` bounds how much better the rival can be.

    `rival_ahead` is a one-sided bound that holds against all rivals of the candidate together.
    """

    rival: str
    difference: float
    low: float
    high: float
    rival_ahead: float
    p_adjusted: float | None
    p_sign_flip: float | None
    sd_difference: float | None
    clusters: int

    def wins(self, alpha: float) -> bool:
        """Whether the candidate is significantly better: Holm-adjusted p at most `alpha`, and the interval above 0."""
        return self.p_adjusted is not None and self.p_adjusted <= alpha and self.low > 0

    def loses(self, alpha: float) -> bool:
        """Whether the rival is significantly better."""
        return self.p_adjusted is not None and self.p_adjusted <= alpha and self.high < 0


def pairs_of(section: Section, candidate: str) -> tuple[Pair, ...]:
    """Return `candidate` against every other, in the section's order; empty without any briefs in common."""
    seen = (_turned(comparison, candidate) for comparison in section.comparisons)
    return tuple(pair for pair in seen if pair is not None)


def _turned(comparison: Comparison, candidate: str) -> Pair | None:
    """Return the comparison from `candidate`'s side, None if it is about others or has no numbers."""
    if candidate not in (comparison.a, comparison.b):
        return None
    numbers = (
        comparison.difference,
        comparison.low,
        comparison.high,
        comparison.simultaneous_low,
        comparison.simultaneous_high,
    )
    difference, low, high, sure_low, sure_high = numbers
    if difference is None or low is None or high is None or sure_low is None or sure_high is None:
        return None
    first = candidate == comparison.a
    return Pair(
        rival=comparison.b if first else comparison.a,
        difference=difference if first else -difference,
        low=low if first else -high,
        high=high if first else -low,
        rival_ahead=-sure_low if first else sure_high,
        p_adjusted=comparison.p_adjusted,
        p_sign_flip=comparison.p_sign_flip,
        sd_difference=comparison.sd_difference,
        clusters=comparison.clusters or comparison.briefs,
    )
