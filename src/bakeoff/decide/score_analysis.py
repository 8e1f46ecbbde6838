"""From rows of scores, whoever made them, to the analysis and decision that a run gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import Field

from bakeoff.core.errors import UsageError
from bakeoff.core.records import Decision
from bakeoff.core.spec import Record
from bakeoff.decide.analysis import Analysis, analyse_table
from bakeoff.decide.decision import decide
from bakeoff.decide.table import BriefUnit, CandidateColumn, Counts, ScoreTable

MISSING_FLAGGED_FROM = 0.05
DEFAULT_EPS_SHARE = 0.03
"""Of the scale: 0.3 points of ten."""


class Scored(NamedTuple):
    """One score of one model for one brief; None where it is missing.

    `fallbacks` is what was computed elsewhere than on the model's device.
    """

    model: str
    brief: str
    score: float | None
    content_type: str
    cluster: str | None
    fallbacks: tuple[str, ...] = ()


class Missing(Record):
    """A model without all of its scores: how many briefs it lacks, and its mean if they were the worst or the best."""

    model: str
    briefs: int
    share: float
    mean_if_worst: float
    mean_if_best: float


class ScoreAnalysis(Record):
    """What anyone's scores say. `missing` names models that lack scores; briefs that any lacks are left out for all."""

    analysis: Analysis
    decision: Decision
    decisions_by_content_type: dict[str, Decision]
    missing: tuple[Missing, ...]
    bounds: tuple[float, float]
    eps: float
    fallbacks: dict[str, tuple[str, ...]] = Field(default_factory=dict)


def analyse_scores(
    rows: Sequence[Scored], *, bounds: tuple[float, float] = (0.0, 10.0), eps: float | None = None, level: float = 0.95
) -> ScoreAnalysis:
    """Analyse and decide.

    Args:
        rows: replicates of a brief are averaged; every score within `bounds`.
        bounds: the ends of the scale.
        eps: score points not worth telling apart; 3 % of the scale by default.
        level: of the whole analysis.

    Raises:
        UsageError: no brief has a score of every model.
    """
    table, missing = table_of(rows, bounds)
    if not table.briefs:
        raise UsageError(
            "no brief has a score of every model: nothing can be compared",
            "compare models on the same briefs; take out the model that lacks most of them",
        )
    types = tuple(dict.fromkeys(brief.content_type for brief in table.briefs if brief.content_type))
    margin = DEFAULT_EPS_SHARE * (bounds[1] - bounds[0]) if eps is None else eps
    analysis = analyse_table(
        table, types if len(types) > 1 else (), level=level, bounds=bounds, notes=_notes(table, missing)
    )
    return ScoreAnalysis(
        analysis=analysis,
        decision=decide(analysis.overall, eps=margin),
        decisions_by_content_type={name: decide(found, eps=margin) for name, found in analysis.by_content_type.items()},
        missing=missing,
        bounds=bounds,
        eps=margin,
        fallbacks=_moved(rows),
    )


def table_of(rows: Sequence[Scored], bounds: tuple[float, float]) -> tuple[ScoreTable, tuple[Missing, ...]]:
    """Return the briefs that all models have scores for, and what is missing."""
    models = tuple(dict.fromkeys(row.model for row in rows))
    units: dict[str, BriefUnit] = {}
    sums: dict[tuple[str, str], tuple[float, int]] = {}
    for row in rows:
        units.setdefault(row.brief, BriefUnit(row.brief, row.content_type, row.cluster))
        if row.score is not None:
            total, count = sums.get((row.model, row.brief), (0.0, 0))
            sums[row.model, row.brief] = (total + row.score, count + 1)
    kept = [unit for unit in units.values() if all((model, unit.id) in sums for model in models)]
    left_out = tuple(brief for brief in units if any((model, brief) not in sums for model in models))
    columns = {}
    for model in models:
        quality = np.array([_mean(sums[model, unit.id]) for unit in kept], dtype=np.float64)
        ones = np.ones(len(kept))
        columns[model] = CandidateColumn(np.clip(quality, *bounds), ones, ones)
    counts = {
        name: {model: Counts(sum(unit.content_type == name for unit in kept), 0, 0) for model in models}
        for name in dict.fromkeys(unit.content_type for unit in kept)
    }
    missing = tuple(found for model in models if (found := _missing(model, units, sums, bounds)) is not None)
    return ScoreTable(models, tuple(kept), columns, counts, left_out), missing


def _moved(rows: Sequence[Scored]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.fallbacks:
            found.setdefault(row.model, {}).update(dict.fromkeys(row.fallbacks))
    return {model: tuple(names) for model, names in found.items()}


def _mean(summed: tuple[float, int]) -> float:
    return summed[0] / summed[1]


def _missing(
    model: str,
    units: dict[str, BriefUnit],
    sums: dict[tuple[str, str], tuple[float, int]],
    bounds: tuple[float, float],
) -> Missing | None:
    """Return what a model lacks: with its lost scores at the ends of the scale, its mean is at worst and at best this."""
    known = [_mean(sums[model, brief]) for brief in units if (model, brief) in sums]
    lacking = len(units) - len(known)
    if not lacking:
        return None
    low, high = ((sum(known) + lacking * end) / len(units) for end in bounds)
    return Missing(model=model, briefs=lacking, share=lacking / len(units), mean_if_worst=low, mean_if_best=high)


def _notes(table: ScoreTable, missing: Sequence[Missing]) -> tuple[str, ...]:
    if not missing:
        return ()
    total = len(table.briefs) + len(table.left_out)
    notes = [f"{len(table.left_out)} of {total} briefs lack a score of some model, and are left out for all of them"]
    notes += [
        f"{found.model} lacks {found.briefs} of {total} ({100 * found.share:.0f} %): more than 5 %, so the comparison may be "
        f"biased; were they all the worst or all the best, its mean would be {found.mean_if_worst:.2f} or "
        f"{found.mean_if_best:.2f}"
        for found in missing
        if found.share > MISSING_FLAGGED_FROM
    ]
    return tuple(notes)
