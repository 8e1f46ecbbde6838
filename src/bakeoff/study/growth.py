"""How a run's evidence grew, family by family: each candidate's running mean, how sure it was, and what spoke against it.

Replayed from what is stored, so that it is the same whenever it is asked for. The interval may be looked at after every
family (a t-mixture confidence sequence, `stats.evalues`); there is none while it would be as wide as the scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, log, sqrt
from typing import NamedTuple

from bakeoff.decide.cells import cells_of
from bakeoff.decide.contest import OVERALL, Cell
from bakeoff.stats.evalues import t_mixture_interval
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan
from bakeoff.study.pulse import GONE
from bakeoff.study.racing import contest_of, race_cells
from bakeoff.study.scoring import Scored
from bakeoff.study.units import units_of

_SCALE = 10.0


class Step(NamedTuple):
    """A candidate after so many families, points of 10; None is not known.

    `log10_e` is the strongest evidence so far that somebody else is better (e-value, as its logarithm to base 10).
    """

    families: int
    mean: float
    half_width: float | None
    log10_e: float | None


def growth_of(plan: Plan, store: Store, *, most: int = 300) -> dict[str, list[Step]]:
    """Return the steps of each candidate, at most `most` of them; of a race over everything only those that counted.

    Raises:
        StoreError: the store refuses.
        BakeoffError: a scorer that cannot be loaded.
    """
    scored = Scored.of(plan, store)
    if plan.mode == "race":
        gone = {event.candidate for event in store.events(plan.run_id) if event.kind == GONE and event.candidate}
        steps = _replay(plan, race_cells(plan, scored), gone)
    else:
        steps = _in_order(plan, cells_of(scored.generations, plan.suite.replicates))
    return {name: _thin(own, most) for name, own in steps.items()}


def _replay(plan: Plan, cells: Mapping[tuple[str, str], Cell], gone: set[str]) -> dict[str, list[Step]]:
    """Run the race again, a family at a time, and look at it after each."""
    contest = contest_of(plan)
    race = contest.races[OVERALL]
    found: dict[str, list[Step]] = {name: [] for name in contest.candidates}
    values: dict[str, list[float]] = {name: [] for name in contest.candidates}
    seen: dict[tuple[str, str], Cell] = {}
    names = contest.candidates
    for family in contest.families:
        before, racing = race.briefs, race.survivors
        here = {
            (name, brief.id): cells[name, brief.id] for name in names for brief in family if (name, brief.id) in cells
        }
        seen |= here
        contest.advance(seen, {name for name in gone if any((name, brief.id) not in cells for brief in family)})
        if race.briefs == before:
            if race.verdict is not None:
                break
            continue
        against: dict[str, float] = {}
        for pair in race.evidence():
            behind = pair.b if pair.difference > 0 else pair.a
            against[behind] = max(pair.log_e / log(10.0), against.get(behind, float("-inf")))
        for name in racing:
            own = [here[name, brief.id].quality for brief in family if (name, brief.id) in here]
            if len(own) == len(family):
                values[name].append(sum(own) / len(own))
                found[name].append(_step(values[name], against.get(name)))
    return found


def _in_order(plan: Plan, cells: Mapping[tuple[str, str], Cell]) -> dict[str, list[Step]]:
    families: dict[object, list[str]] = {}
    for brief in units_of(plan.briefs()):
        families.setdefault(brief.family, []).append(brief.id)
    found: dict[str, list[Step]] = {}
    for candidate in plan.candidates:
        values: list[float] = []
        found[candidate.id] = []
        for family in families.values():
            own = [cells[candidate.id, brief].quality for brief in family if (candidate.id, brief) in cells]
            if len(own) == len(family):
                values.append(sum(own) / len(own))
                found[candidate.id].append(_step(values, None))
    return found


def _step(values: Sequence[float], log10_e: float | None) -> Step:
    n = len(values)
    mean = sum(values) / n
    spread = sqrt(sum((value - mean) ** 2 for value in values) / (n - 1)) if n > 1 else 0.0
    low, high = t_mixture_interval(n, mean, spread, 0.95) if spread > 0 else (float("-inf"), float("inf"))
    half = (high - low) / 2
    return Step(n, mean, half if isfinite(half) and half < _SCALE / 2 else None, log10_e)


def _thin(steps: Sequence[Step], most: int) -> list[Step]:
    """Return at most `most` steps, the last one among them, as evenly as may be."""
    if len(steps) <= most:
        return list(steps)
    return [steps[round(place * (len(steps) - 1) / (most - 1))] for place in range(most)]
