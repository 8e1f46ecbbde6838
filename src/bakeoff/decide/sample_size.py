"""How many briefs show which difference, and which difference a number of briefs shows.

A difference is claimed after Holm's correction over all K (K - 1) / 2 pairs, so that one pair is planned at alpha over their
number: the worst that Holm may ask. A winner must be shown against K - 1 rivals at once, which one pair's power does not
promise: there each is planned to be missed with (1 - power) / (K - 1) at most, so that all are shown with `power` at least
(Bonferroni), whatever their dependence.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite

from bakeoff.core.spec import Record
from bakeoff.stats.power import minimum_detectable_difference, required_prompts

_CURVE = (10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500, 1000)


class CurvePoint(Record):
    """So many briefs detect such a difference with the power asked for."""

    briefs: int
    difference: float


class SamplePlan(Record):
    """Briefs (families of them, where they belong together) for a difference, and the curve around it.

    `briefs` show one pair that differs so, `winner_briefs` one candidate that is better than every other by so much; None where
    more than ten million would be needed. The curve, and the minimum, are those of one pair.
    """

    briefs: int | None
    winner_briefs: int | None
    difference: float
    sd: float
    power: float
    level: float
    models: int
    minimum_detectable_difference: float | None
    curve: tuple[CurvePoint, ...]


def plan_sample(
    sd: float, difference: float, *, power: float = 0.8, level: float = 0.95, models: int = 2
) -> SamplePlan:
    """Return the plan of a paired comparison among so many models.

    Args:
        sd: of the paired differences, in score points.
        difference: the smallest one worth detecting.
        power: between alpha and 1.
        level: 1 - alpha of the whole.
        models: at least 2.

    Raises:
        ValueError: an argument out of its range.
    """
    if models < 2:
        raise ValueError(f"at least two models are compared: {models}")
    for name, value in (("difference", difference), ("sd", sd)):
        if not isfinite(value):
            raise ValueError(f"the {name} must be a finite number: {value:g}")
    each = 1.0 - (1.0 - level) / (models * (models - 1) / 2)
    briefs = _whole(required_prompts(sd, difference, power, each))
    against_all = 1.0 - (1.0 - power) / (models - 1)
    return SamplePlan(
        briefs=briefs,
        winner_briefs=_whole(required_prompts(sd, difference, against_all, each)),
        difference=difference,
        sd=sd,
        power=power,
        level=level,
        models=models,
        minimum_detectable_difference=(
            None if briefs is None else minimum_detectable_difference(sd, max(2, briefs), power, each)
        ),
        curve=_curve(sd, power, each, briefs),
    )


def _whole(needed: float) -> int | None:
    return None if needed == float("inf") else ceil(needed - 1e-9)


def _curve(sd: float, power: float, level: float, briefs: int | None) -> tuple[CurvePoint, ...]:
    counts: Sequence[int] = sorted({*_CURVE, *([briefs] if briefs is not None and briefs >= 2 else [])})
    return tuple(
        CurvePoint(briefs=count, difference=minimum_detectable_difference(sd, count, power, level)) for count in counts
    )
