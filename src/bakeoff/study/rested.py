"""On which briefs the means of a stored run rest: fewer than were written, where a race or a run cut short has more."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from bakeoff.core.errors import EndpointGone
from bakeoff.core.generations import Generations
from bakeoff.decide.cells import cells_of
from bakeoff.decide.contest import Cells
from bakeoff.decide.table import tabulate
from bakeoff.measure.selecting import where
from bakeoff.study.plan import Plan
from bakeoff.study.racing import contest_of
from bakeoff.study.units import units_of


def rested_on(
    plan: Plan, generations: Mapping[str, Generations], given_up: Collection[str], *, complete: bool
) -> dict[str, set[str]]:
    """Return the briefs that each candidate's mean rests on: those it competed on, and those that count as failures.

    More may be written: what was under way, what a content type's own race took, what confirms a score, and, in a run that is
    not complete, what others lack.

    Args:
        plan: of the run.
        generations: by candidate, with their scores; with or without those counted as failed since their candidate was given up.
        given_up: candidates that a complete run has no further texts of.
        complete: whether the run is.
    """
    names = [candidate.id for candidate in plan.candidates]
    if plan.mode == "race":
        contest = contest_of(plan)
        contest.advance(_stored(cells_of(generations, plan.suite.replicates), generations, given_up), given_up)
        counted = contest.counted_in(None)
        return {name: {brief.id for brief in counted[name]} | set(contest.lost.get(name, ())) for name in names}
    if complete:
        return {name: set(plan.brief_ids) for name in names}
    whole = tabulate(names, units_of(plan.briefs()), generations, incomplete=True)
    return {name: {brief.id for brief in whole.briefs} for name in names}


def _stored(cells: Cells, generations: Mapping[str, Generations], given_up: Collection[str]) -> Cells:
    """Return the cells without those of texts that never came because their candidate was given up: in a race it lacks them."""
    lacking = {(name, brief) for name in given_up for brief in _lacking(generations[name])}
    return {key: cells[key] for key in cells if key not in lacking} if lacking else cells


def _lacking(made: Generations) -> set[str]:
    names, rows = list(made.briefs), where(made, lambda way: way.error_kind == EndpointGone.kind)
    return {names[number] for number in np.asarray(made.brief)[rows]}
