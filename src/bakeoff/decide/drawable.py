"""Which texts of a run, or scores of anybody's, small samples may be drawn from: those that all candidates have in common."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.errors import UsageError
from bakeoff.core.generations import Generations
from bakeoff.decide.table import FLOOR, BriefUnit, ScoreTable
from bakeoff.decide.wording import plural
from bakeoff.measure.selecting import failed, scored, trial_numbers, where

FEWEST_FAMILIES = 5
ENOUGH_FAMILIES = 15


class Drawable(NamedTuple):
    """Texts that all candidates wrote: `families` names each one's family, `scores` and `heuristic` have shape (texts, k).

    `left_out` are candidates that wrote too few of what the others did.
    """

    candidates: tuple[str, ...]
    families: tuple[Hashable, ...]
    scores: NDArray[np.float64]
    heuristic: NDArray[np.float64] | None
    left_out: tuple[str, ...] = ()


def drawable_run(
    candidates: Sequence[str],
    briefs: Sequence[BriefUnit],
    generations: Mapping[str, Generations],
) -> Drawable:
    """Return the texts that all candidates of a run wrote: losers of a race stop early, and leave holes.

    What was never asked for counts nowhere; a failed text has 0, by either scorer. Candidates come in by how much they wrote, as long as 15 families (or what the first
    two have in common, if that is less) are in common.

    Raises:
        UsageError: fewer than two candidates, or fewer than 5 families in common.
    """
    written = {name: generations[name] for name in candidates}
    numbers = dict(zip(written, trial_numbers(*written.values()), strict=True))
    texts = {name: _texts(made, numbers[name]) for name, made in written.items()}
    family = {brief.id: brief.family for brief in briefs}
    kept = _together(texts, family)
    first = texts[kept[0]]
    common = first.known(family)
    for name in kept[1:]:
        common &= np.isin(first.number, texts[name].number)
    order = tuple(name for name in candidates if name in kept)
    chosen = [texts[name].of(first.number[common]) for name in order]
    heuristic = np.column_stack([found.heuristic for found in chosen])
    return Drawable(
        candidates=order,
        families=tuple(family[brief] for brief in first.brief_ids(common)),
        scores=np.column_stack([found.score for found in chosen]),
        heuristic=None if np.isnan(heuristic).any() else heuristic,
        left_out=tuple(name for name in candidates if name not in kept),
    )


class _Texts(NamedTuple):
    """One candidate's texts; all of shape (n,). `number` tells brief and replicate, `brief` the brief alone."""

    names: Sequence[str]
    number: NDArray[np.int64]
    brief: NDArray[np.intp]
    score: NDArray[np.float64]
    heuristic: NDArray[np.float64]

    def known(self, family: Mapping[str, Hashable]) -> NDArray[np.bool_]:
        """Return where a text's brief has a family."""
        return np.array([name in family for name in self.names], dtype=np.bool_)[self.brief]

    def of(self, numbers: NDArray[np.int64]) -> _Texts:
        """Return the texts of these numbers, in their order; all are there."""
        order = np.argsort(self.number)
        places = order[np.searchsorted(self.number, numbers, sorter=order)]
        return _Texts(self.names, numbers, self.brief[places], self.score[places], self.heuristic[places])

    def brief_ids(self, chosen: NDArray[np.bool_]) -> list[str]:
        """Return the brief of each chosen text."""
        return [self.names[number] for number in self.brief[chosen]]


def _texts(made: Generations, numbers: NDArray[np.int64]) -> _Texts:
    never_came = failed(made)
    rows = np.flatnonzero((never_came | scored(made)) & where(made, lambda way: way.attempts > 0))
    return _Texts(
        names=list(made.briefs),
        number=numbers[rows],
        brief=np.asarray(made.brief)[rows].astype(np.intp),
        score=np.where(never_came, FLOOR, np.asarray(made.score))[rows],
        heuristic=np.where(never_came, FLOOR, np.asarray(made.heuristic))[rows],
    )


def _together(texts: Mapping[str, _Texts], family: Mapping[str, Hashable]) -> tuple[str, ...]:
    """Return the candidates that are compared, most texts first."""
    ordered = sorted(texts, key=lambda name: -texts[name].number.size)
    if len(ordered) < 2:
        raise UsageError("there is one candidate: nothing was compared", "name a run of two or more")
    kept = ordered[:2]

    def families(names: Sequence[str]) -> int:
        first = texts[names[0]]
        common = first.known(family)
        for name in names[1:]:
            common = common & np.isin(first.number, texts[name].number)
        return len({family[first.names[brief]] for brief in np.unique(first.brief[common])})

    needed = min(ENOUGH_FAMILIES, families(kept))
    if needed < FEWEST_FAMILIES:
        raise UsageError(
            f"{' and '.join(kept)} have {needed} families of briefs in common; {FEWEST_FAMILIES} are needed",
            "run more briefs: with so few, small samples are the whole run",
        )
    for name in ordered[2:]:
        if families([*kept, name]) >= needed:
            kept.append(name)
    return tuple(kept)


def drawable_table(table: ScoreTable) -> Drawable:
    """Return the briefs of anyone's scores.

    Raises:
        UsageError: fewer than two models, or fewer than 5 families.
    """
    families = tuple(brief.family for brief in table.briefs)
    if len(table.candidates) < 2 or len(set(families)) < FEWEST_FAMILIES:
        raise UsageError(
            f"{plural(len(table.candidates), 'model')}, {plural(len(set(families)), 'family', 'families')} of briefs with a score of each",
            f"at least two models and {FEWEST_FAMILIES} families are needed",
        )
    scores = np.column_stack([table.columns[name].quality for name in table.candidates])
    return Drawable(table.candidates, families, scores, None)
