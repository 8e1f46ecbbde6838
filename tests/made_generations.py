"""Columns of generations, from records: what a run's reader makes of its store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bakeoff.core.generations import Generations, Places
from bakeoff.core.records import Generation, Score


def columns_of(
    generations: Iterable[Generation], scores: Iterable[Score] = (), candidates: Sequence[str] = ()
) -> dict[str, Generations]:
    """Generations with their scores, by candidate; `candidates` are there too where they wrote nothing."""
    places, by_trial = Places(), {score.trial: score for score in scores}
    found = {name: Generations(places) for name in candidates}
    for made in generations:
        found.setdefault(made.candidate, Generations(places)).add(made, by_trial.get(made.trial))
    return found


def column_of(generations: Iterable[Generation], scores: Iterable[Score] = ()) -> Generations:
    """Generations of one candidate, which may be none."""
    found = columns_of(generations, scores)
    return next(iter(found.values())) if found else Generations(Places())
