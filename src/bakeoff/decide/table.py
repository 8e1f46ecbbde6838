"""From generations and scores to one table: a number a candidate and brief, the same briefs for every candidate.

Three rules live here, and nowhere else. A failed generation scores 0 and is no success: it is never dropped. A brief
is never dropped from one candidate only. Replicates are averaged first, so that a brief weighs the same however often
it was written.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.errors import BakeoffError
from bakeoff.core.outlines import GenerationOutline, ScoreOutline

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
    generations: Iterable[GenerationOutline],
    scores: Iterable[ScoreOutline],
    *,
    incomplete: bool = False,
) -> ScoreTable:
    """Average replicates, floor failures, and keep the briefs that can be compared.

    Generations of candidates or briefs that are not named are not looked at.

    Args:
        candidates: ids, as in `Generation.candidate`.
        briefs: those that were planned.
        generations: at most one per trial.
        scores: by trial; a failed generation needs none.
        incomplete: whether the run was interrupted; then a brief that lacks a generation or score for any candidate
            is left out for all.

    Raises:
        BakeoffError: a generation without a score or a candidate without a brief, in a complete run; a candidate,
            brief or trial twice.
    """
    _refuse_twice("candidate", candidates)
    _refuse_twice("brief", [brief.id for brief in briefs])
    by_trial = _by_trial(scores)
    cells = _cells(candidates, briefs, generations)
    kept: list[BriefUnit] = []
    left_out: list[str] = []
    rows: dict[str, list[tuple[float, float, float]]] = {candidate: [] for candidate in candidates}
    for brief in briefs:
        problem = _problem(brief, candidates, cells, by_trial)
        if problem is not None:
            if not incomplete:
                raise problem
            left_out.append(brief.id)
            continue
        kept.append(brief)
        for candidate in candidates:
            rows[candidate].append(_brief_means(cells[candidate, brief.id], by_trial))
    arrays = {candidate: np.array(values, dtype=np.float64).reshape(-1, 3) for candidate, values in rows.items()}
    return ScoreTable(
        candidates=tuple(candidates),
        briefs=tuple(kept),
        columns={candidate: CandidateColumn(*values.T) for candidate, values in arrays.items()},
        counts=_counts(candidates, briefs, cells, by_trial),
        left_out=tuple(left_out),
    )


def _refuse_twice(kind: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BakeoffError(f"{kind} given twice: {name}", hint=f"name each {kind} once")
        seen.add(name)


def _by_trial(scores: Iterable[ScoreOutline]) -> dict[str, ScoreOutline]:
    found: dict[str, ScoreOutline] = {}
    for score in scores:
        if score.trial in found:
            raise BakeoffError(f"two scores for one trial: {score.trial}", hint="score the run again")
        found[score.trial] = score
    return found


def _cells(
    candidates: Sequence[str], briefs: Sequence[BriefUnit], generations: Iterable[GenerationOutline]
) -> dict[tuple[str, str], list[GenerationOutline]]:
    cells: dict[tuple[str, str], list[GenerationOutline]] = {
        (candidate, brief.id): [] for candidate in candidates for brief in briefs
    }
    for generation in generations:
        cell = cells.get((generation.candidate, generation.brief))
        if cell is not None:
            cell.append(generation)
    for (candidate, brief_id), cell in cells.items():  # a cell at a time: one set of all is as large as the run
        seen: set[int] = set()
        for generation in cell:
            if generation.replicate in seen:
                raise BakeoffError(
                    f"two generations of {candidate} for brief {brief_id}, replicate {generation.replicate}: "
                    f"{generation.trial}"
                )
            seen.add(generation.replicate)
    return cells


def _problem(
    brief: BriefUnit,
    candidates: Sequence[str],
    cells: dict[tuple[str, str], list[GenerationOutline]],
    by_trial: dict[str, ScoreOutline],
) -> BakeoffError | None:
    """Return why this brief cannot be compared, or None."""
    for candidate in candidates:
        cell = cells[candidate, brief.id]
        if not cell:
            return BakeoffError(
                f"brief {brief.id} has no generation by {candidate}",
                hint="resume the run, or analyse it as incomplete",
            )
        for generation in cell:
            if not generation.failed and generation.trial not in by_trial:
                return BakeoffError(
                    f"trial {generation.trial} has no score ({candidate}, brief {brief.id}, replicate "
                    f"{generation.replicate})",
                    hint="score the run again, or analyse it as incomplete",
                )
    return None


def _brief_means(cell: list[GenerationOutline], by_trial: dict[str, ScoreOutline]) -> tuple[float, float, float]:
    """Return mean score, share publishable and share not failed over the replicates of one brief."""
    quality = publishable = success = 0.0
    for generation in cell:
        if generation.failed:
            quality += FLOOR
            continue
        score = by_trial[generation.trial]
        quality += score.value
        publishable += score.publishable
        success += 1
    return quality / len(cell), publishable / len(cell), success / len(cell)


def _counts(
    candidates: Sequence[str],
    briefs: Sequence[BriefUnit],
    cells: dict[tuple[str, str], list[GenerationOutline]],
    by_trial: dict[str, ScoreOutline],
) -> dict[str, dict[str, Counts]]:
    counts: dict[str, dict[str, Counts]] = {}
    for content_type in dict.fromkeys(brief.content_type for brief in briefs):
        counts[content_type] = {}
        for candidate in candidates:
            made = [g for brief in briefs if brief.content_type == content_type for g in cells[candidate, brief.id]]
            failures = sum(generation.failed for generation in made)
            gated = sum(
                not by_trial[generation.trial].publishable
                for generation in made
                if not generation.failed and generation.trial in by_trial
            )
            counts[content_type][candidate] = Counts(len(made), failures, gated)
    return counts
