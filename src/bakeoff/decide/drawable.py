"""Which texts of a run, or scores of anybody's, small samples may be drawn from: those that all candidates have in common."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.errors import UsageError
from bakeoff.core.outlines import GenerationOutline, ScoreOutline
from bakeoff.decide.table import FLOOR, BriefUnit, ScoreTable
from bakeoff.decide.wording import plural

HEURISTIC = "keyword_heuristic"
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
    generations: Iterable[GenerationOutline],
    scores: Mapping[str, ScoreOutline],
) -> Drawable:
    """Return the texts that all candidates of a run wrote: losers of a race stop early, and leave holes.

    A failed text has 0, by either scorer. Candidates come in by how much they wrote, as long as 15 families (or what the first
    two have in common, if that is less) are in common.

    Raises:
        UsageError: fewer than two candidates, or fewer than 5 families in common.
    """
    values: dict[str, dict[tuple[str, int], tuple[float, float | None]]] = {name: {} for name in candidates}
    for made in generations:
        score = scores.get(made.trial)
        if made.candidate not in values or (score is None and not made.failed):
            continue
        worth = (FLOOR, FLOOR) if made.failed or score is None else (score.value, score.comparison_only.get(HEURISTIC))
        values[made.candidate][made.brief, made.replicate] = worth
    family = {brief.id: brief.family for brief in briefs}
    kept = _together(values, family)
    keys = [key for key in values[kept[0]] if key[0] in family and all(key in values[name] for name in kept)]
    order = tuple(name for name in candidates if name in kept)
    heuristic = [[values[name][key][1] for name in order] for key in keys]
    return Drawable(
        candidates=order,
        families=tuple(family[key[0]] for key in keys),
        scores=np.array([[values[name][key][0] for name in order] for key in keys], dtype=np.float64),
        heuristic=None if any(None in row for row in heuristic) else np.array(heuristic, dtype=np.float64),
        left_out=tuple(name for name in candidates if name not in kept),
    )


def _together(
    values: Mapping[str, Mapping[tuple[str, int], object]], family: Mapping[str, Hashable]
) -> tuple[str, ...]:
    """Return the candidates that are compared, most texts first."""
    ordered = sorted(values, key=lambda name: -len(values[name]))
    if len(ordered) < 2:
        raise UsageError("there is one candidate: nothing was compared", "name a run of two or more")
    kept = ordered[:2]

    def families(names: Sequence[str]) -> int:
        common = set(values[names[0]]).intersection(*(values[name] for name in names[1:]))
        return len({family[brief] for brief, _ in common if brief in family})

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
