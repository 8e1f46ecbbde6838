"""What a run says about its candidates: estimates with intervals, overall and by content type, and paired comparisons.

The unit is the family of briefs (`cluster`): scores are averaged over replicates, then over the briefs of a family, and
families weigh the same. Quality has the bounded-mean interval, with t beside it. Rates are Clopper-Pearson where every
family is all-or-nothing, else the bounded-mean interval of the family shares, of which Clopper-Pearson is the special
case: counting briefs of one family as independent would claim too much.

Content types share the error budget: with T types each gets level 1 - alpha / T. It knows no files and no models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.generations import Generations
from bakeoff.core.records import Comparison, Estimate
from bakeoff.core.spec import Record
from bakeoff.decide.table import BriefUnit, Counts, ScoreTable, tabulate
from bakeoff.stats.intervals import Interval, cluster_means, interval, proportion_interval
from bakeoff.stats.multiple import holm
from bakeoff.stats.paired import one_sided_upper, paired_difference

SCALE = (0.0, 10.0)
PILOT_UNDER = 15

__all__ = ["Analysis", "BriefUnit", "CandidateResult", "Section", "analyse", "analyse_table", "result_of", "total"]


class Measured(Record):
    """What one candidate has on some briefs."""

    quality: Estimate
    publishable_rate: Estimate
    success_rate: Estimate


class CandidateResult(Record):
    """One candidate in one section. `t_interval` is a normal approximation, shown beside `quality`, never decisive.

    `generations` = publishable texts + `gated` + `failures`, and counts briefs left out of the estimates too.
    Where the candidate may be chosen, `quality` and both rates come from briefs that had no part in choosing it, if it wrote
    enough of them; `in_selection` is then what it had on those that chose it, and `altogether` what it has on both.
    """

    candidate: str
    quality: Estimate
    t_interval: Estimate
    publishable_rate: Estimate
    success_rate: Estimate
    generations: int
    failures: int
    gated: int
    in_selection: Measured | None = None
    altogether: Measured | None = None

    @property
    def measured(self) -> Measured:
        """What is quoted."""
        return Measured(quality=self.quality, publishable_rate=self.publishable_rate, success_rate=self.success_rate)

    @property
    def compared(self) -> Measured:
        """What may be compared with the other candidates: from the briefs that choose."""
        return self.in_selection or self.measured

    @property
    def known(self) -> Measured:
        """What is held against requirements: from all briefs that count."""
        return self.altogether or self.compared


class Section(Record):
    """All candidates on the same briefs: all of them, or those of one content type.

    `level` is what this section's intervals and comparisons promise; `comparisons` hold every pair once.
    """

    content_type: str | None
    briefs: int
    clusters: int
    level: float
    candidates: tuple[CandidateResult, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def pilot(self) -> bool:
        """Whether there are too few families to claim a difference."""
        return self.clusters < PILOT_UNDER

    def result(self, candidate: str) -> CandidateResult:
        """Return what is known of `candidate`.

        Raises:
            KeyError: it was not analysed.
        """
        for found in self.candidates:
            if found.candidate == candidate:
                return found
        raise KeyError(candidate)


class Analysis(Record):
    """The overall section, one section a content type, and what a reader must be told about both."""

    overall: Section
    by_content_type: dict[str, Section]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def analyse(
    candidates: Sequence[str],
    briefs: Sequence[BriefUnit],
    generations: Mapping[str, Generations],
    *,
    incomplete: bool = False,
    level: float = 0.95,
) -> Analysis:
    """Analyse a run.

    Args:
        candidates: ids, as in `Generation.candidate`, in the order to report them.
        briefs: those that were planned.
        generations: by candidate, with their scores; a failed generation scores 0 with or without one. Those of other
            candidates, and for other briefs, are not looked at.
        incomplete: whether the run was interrupted. Then briefs that are not complete for every candidate are left
            out for all, and `notes` say so.
        level: of the whole analysis; each content type gets 1 - (1 - level) / T.

    Raises:
        BakeoffError: a missing score in a complete run (the trial is named), or anything given twice.
        ValueError: no candidates, or a level that is not between 0.5 and 1.
    """
    if not 0.5 < level < 1.0:
        raise ValueError(f"level must be between 0.5 and 1: {level}")
    if not candidates:
        raise ValueError("nothing to analyse: no candidates")
    table = tabulate(candidates, briefs, generations, incomplete=incomplete)
    types = tuple(dict.fromkeys(brief.content_type for brief in briefs))
    return analyse_table(table, types, level=level, notes=_notes(table, len(briefs)))


def analyse_table(
    table: ScoreTable,
    types: Sequence[str],
    *,
    level: float = 0.95,
    bounds: tuple[float, float] = SCALE,
    notes: tuple[str, ...] = (),
) -> Analysis:
    """Analyse scores by candidate and brief, whatever made them.

    Args:
        table: complete; its quality columns lie within `bounds`.
        types: content types that get a section of their own.
        level: of the whole analysis; each content type gets 1 - (1 - level) / T.
        bounds: the ends of the score scale.
        notes: what a reader must be told.
    """
    shared = 1.0 - (1.0 - level) / max(1, len(types))
    return Analysis(
        overall=_section(table, None, level, bounds),
        by_content_type={content_type: _section(table, content_type, shared, bounds) for content_type in types},
        left_out=table.left_out,
        notes=notes,
    )


def _notes(table: ScoreTable, planned: int) -> tuple[str, ...]:
    if not table.left_out:
        return ()
    left_out = f"{len(table.left_out)} of {planned} briefs are not finished for every candidate"
    return (f"the run is incomplete: {left_out}, and are left out for all of them",)


def _section(table: ScoreTable, content_type: str | None, level: float, bounds: tuple[float, float]) -> Section:
    chosen = np.array(
        [i for i, brief in enumerate(table.briefs) if content_type in (None, brief.content_type)], dtype=np.intp
    )
    families = [table.briefs[i].family for i in chosen]
    results = tuple(
        result_of(table, candidate, chosen, content_type=content_type, level=level, bounds=bounds)
        for candidate in table.candidates
    )
    return Section(
        content_type=content_type,
        briefs=len(families),
        clusters=len(set(families)),
        level=level,
        candidates=results,
        comparisons=_comparisons(table, chosen, level, bounds),
    )


def result_of(
    table: ScoreTable,
    candidate: str,
    chosen: Sequence[int] | NDArray[np.intp],
    *,
    content_type: str | None,
    level: float,
    bounds: tuple[float, float] = SCALE,
) -> CandidateResult:
    """Return what the briefs at the positions `chosen` of a table say of a candidate, with counts of the whole type."""
    column, where = table.columns[candidate], np.asarray(chosen, dtype=np.intp)
    families = [table.briefs[i].family for i in chosen]
    quality = cluster_means(column.quality[where], families)[0]
    counts = total(table, candidate, content_type)
    return CandidateResult(
        candidate=candidate,
        quality=_estimate(interval(quality, bounds, level), level, len(chosen)),
        t_interval=_estimate(interval(quality, bounds, level, "t"), level, len(chosen)),
        publishable_rate=_rate(cluster_means(column.publishable[where], families)[0], level, len(chosen)),
        success_rate=_rate(cluster_means(column.success[where], families)[0], level, len(chosen)),
        generations=counts.generations,
        failures=counts.failures,
        gated=counts.gated,
    )


def total(table: ScoreTable, candidate: str, content_type: str | None) -> Counts:
    """Return what happened to a candidate in a content type, or in all of them."""
    parts = [by[candidate] for name, by in table.counts.items() if content_type in (None, name)]
    return Counts(
        sum(part.generations for part in parts), sum(part.failures for part in parts), sum(part.gated for part in parts)
    )


def _rate(shares: NDArray[np.float64], level: float, briefs: int) -> Estimate:
    if np.all((shares == 0.0) | (shares == 1.0)):
        return _estimate(proportion_interval(int(shares.sum()), shares.size, level), level, briefs)
    return _estimate(interval(shares, (0.0, 1.0), level), level, briefs)


def _estimate(found: Interval, level: float, briefs: int) -> Estimate:
    return Estimate(
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        level=level,
        method=found.method,
        briefs=briefs,
        clusters=found.n,
    )


def _comparisons(
    table: ScoreTable, chosen: NDArray[np.intp], level: float, bounds: tuple[float, float]
) -> tuple[Comparison, ...]:
    """Compare all pairs; Holm over all of them; simultaneous bounds at alpha / (K - 1), one-sided.

    K - 1 is enough for the bounds: to call a candidate within eps of the best by mistake, its bound against the one
    true best must fail, and the true best has K - 1 rivals.
    """
    families = [table.briefs[i].family for i in chosen]
    means = {name: cluster_means(table.columns[name].quality[chosen], families)[0] for name in table.candidates}
    one_sided = (1.0 - level) / max(1, len(table.candidates) - 1)
    span = (bounds[0] - bounds[1], bounds[1] - bounds[0])
    found: list[Comparison] = []
    for a, b in combinations(table.candidates, 2):
        pair = paired_difference(means[a], means[b], level=level, bounds=bounds)
        differences = np.clip(means[a] - means[b], *span)
        negative_low = one_sided_upper(-differences, one_sided, span)
        found.append(
            Comparison(
                a=a,
                b=b,
                difference=pair.estimate,
                low=pair.low,
                high=pair.high,
                briefs=len(chosen),
                correlation=pair.correlation,
                method="t-approximate" if pair.approximate else pair.method,
                minimum_detectable=pair.minimum_detectable,
                level=level,
                clusters=pair.n,
                p=pair.p,
                p_sign_flip=pair.p_sign_flip,
                sd_difference=pair.sd_difference,
                simultaneous_low=None if negative_low is None else -negative_low,
                simultaneous_high=one_sided_upper(differences, one_sided, span),
            )
        )
    # Every pair has the same briefs, so either all have a p-value or none has.
    with_p = [comparison.p for comparison in found if comparison.p is not None]
    if len(with_p) < len(found):
        return tuple(found)
    adjusted = holm(with_p)
    return tuple(
        comparison.model_copy(update={"p_adjusted": float(p)}) for comparison, p in zip(found, adjusted, strict=True)
    )
