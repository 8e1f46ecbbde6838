"""From generations and scores to one table: a number a candidate and brief, the same briefs for every candidate.

Three rules live here, and nowhere else. A failed generation scores 0 and is no success: it is never dropped. A brief
is never dropped from one candidate only. Replicates are averaged first, so that a brief weighs the same however often
it was written.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.errors import BakeoffError
from bakeoff.core.generations import Generations, Places
from bakeoff.measure.selecting import Mask, Rows, failed, publishable, scored, trial_numbers

FLOOR = 0.0


@dataclass(frozen=True, slots=True)
class BriefUnit:
    """What the statistics need to know of a brief. Briefs with equal `cluster` are one family; None is its own."""

    id: str
    content_type: str
    cluster: str | None = None

    @property
    def family(self) -> Hashable:
        """What is independent of everything else: the family, or the brief itself."""
        return ("brief", self.id) if self.cluster is None else ("cluster", self.cluster)


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened to one candidate: `generations` = publishable + `gated` (texts with a gate hit) + `failures`."""

    generations: int
    failures: int
    gated: int


@dataclass(frozen=True, slots=True)
class CandidateColumn:
    """One candidate's brief means, each of shape (n_briefs,): score 0-10, share publishable, share not failed."""

    quality: NDArray[np.float64]
    publishable: NDArray[np.float64]
    success: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Complete by construction: every candidate has a number for every brief in `briefs`.

    `left_out` names the briefs that an unfinished run lacks for some candidate. `counts` hold everything that
    happened per content type and candidate, left-out briefs too.
    """

    candidates: tuple[str, ...]
    briefs: tuple[BriefUnit, ...]
    columns: dict[str, CandidateColumn]
    counts: dict[str, dict[str, Counts]]
    left_out: tuple[str, ...]


def tabulate(
    candidates: Sequence[str],
    briefs: Sequence[BriefUnit],
    generations: Mapping[str, Generations],
    *,
    incomplete: bool = False,
) -> ScoreTable:
    """Average replicates, floor failures, and keep the briefs that can be compared.

    Generations of candidates or briefs that are not named are not looked at.

    Args:
        candidates: ids, as in `Generation.candidate`.
        briefs: those that were planned.
        generations: by candidate, with their scores; a failed generation needs none.
        incomplete: whether the run was interrupted; then a brief that lacks a generation or score for any candidate
            is left out for all.

    Raises:
        BakeoffError: a generation without a score or a candidate without a brief, in a complete run; a candidate,
            brief or trial twice.
    """
    _refuse_twice("candidate", candidates)
    _refuse_twice("brief", [brief.id for brief in briefs])
    columns = {name: _Cells(name, briefs, generations.get(name)) for name in candidates}
    whole = np.ones(len(briefs), dtype=np.bool_)
    for cells in columns.values():
        whole &= cells.whole
    left_out = np.flatnonzero(~whole)
    if left_out.size and not incomplete:
        first = int(left_out[0])
        raise next(columns[name].problem(first) for name in candidates if not columns[name].whole[first])
    return ScoreTable(
        candidates=tuple(candidates),
        briefs=tuple(brief for brief, kept in zip(briefs, whole, strict=True) if kept),
        columns={name: cells.means(whole) for name, cells in columns.items()},
        counts=_counts(briefs, columns),
        left_out=tuple(briefs[place].id for place in left_out.tolist()),
    )


def _refuse_twice(kind: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BakeoffError(f"{kind} given twice: {name}", hint=f"name each {kind} once")
        seen.add(name)


class _Cells:
    """What one candidate wrote for the briefs of a table; `place` is where each of its `rows` belongs."""

    def __init__(self, candidate: str, briefs: Sequence[BriefUnit], made: Generations | None) -> None:
        self._candidate, self._briefs = candidate, briefs
        self._made = Generations(Places()) if made is None else made
        table = np.full(len(self._made.briefs), -1, dtype=np.intp)
        for place, brief in enumerate(briefs):
            number = self._made.briefs.get(brief.id)
            if number is not None:
                table[number] = place
        places = table[np.asarray(self._made.brief)]
        self._rows: Rows = np.flatnonzero(places >= 0)
        self._place = places[self._rows]
        self._refuse_twice()
        self._failed: Mask = failed(self._made)[self._rows]
        self._unscored: Mask = ~self._failed & ~scored(self._made)[self._rows]
        self._publishable: Mask = ~self._failed & publishable(self._made)[self._rows]
        self.written = self._count(np.ones(self._rows.size, dtype=np.bool_))
        self.whole: Mask = (self.written > 0) & (self._count(self._unscored) == 0)

    def _refuse_twice(self) -> None:
        (numbers,) = trial_numbers(self._made)
        own = numbers[self._rows]
        _, first = np.unique(own, return_index=True)
        if first.size < own.size:
            row = int(self._rows[np.setdiff1d(np.arange(own.size), first)[0]])
            raise BakeoffError(
                f"two generations of {self._candidate} for brief {self._brief_of(row)}, replicate "
                f"{self._made.replicate[row]}: {self._made.trial(row)}"
            )

    def _brief_of(self, row: int) -> str:
        return list(self._made.briefs)[self._made.brief[row]]

    def problem(self, place: int) -> BakeoffError:
        """Return why a brief that is not whole cannot be compared."""
        brief = self._briefs[place].id
        lacking = self._rows[(self._place == place) & self._unscored]
        if not lacking.size:
            return BakeoffError(
                f"brief {brief} has no generation by {self._candidate}",
                hint="resume the run, or analyse it as incomplete",
            )
        row = int(lacking[0])
        return BakeoffError(
            f"trial {self._made.trial(row)} has no score ({self._candidate}, brief {brief}, replicate "
            f"{self._made.replicate[row]})",
            hint="score the run again, or analyse it as incomplete",
        )

    def means(self, kept: Mask) -> CandidateColumn:
        """Return mean score, share publishable and share not failed over the replicates of each brief that is kept."""
        scores = np.where(self._failed, FLOOR, np.asarray(self._made.score)[self._rows])
        sums = (
            np.bincount(self._place, scores, len(self._briefs)),
            self._count(self._publishable),
            self._count(~self._failed),
        )
        return CandidateColumn(*(found[kept] / self.written[kept] for found in sums))

    def counts(self, chosen: Mask) -> Counts:
        """Return what happened to the texts of some briefs."""
        here = chosen[self._place]
        gated = ~self._failed & ~self._unscored & ~self._publishable
        return Counts(int(here.sum()), int((here & self._failed).sum()), int((here & gated).sum()))

    def _count(self, which: Mask) -> NDArray[np.intp]:
        """Return for each brief how many rows are so."""
        return np.bincount(self._place[which], minlength=len(self._briefs))


def _counts(briefs: Sequence[BriefUnit], columns: Mapping[str, _Cells]) -> dict[str, dict[str, Counts]]:
    types = np.array([brief.content_type for brief in briefs], dtype=object)
    return {
        content_type: {name: cells.counts(types == content_type) for name, cells in columns.items()}
        for content_type in dict.fromkeys(brief.content_type for brief in briefs)
    }
