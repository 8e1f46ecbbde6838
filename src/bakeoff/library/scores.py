"""Anyone's scores, from Python: the same statistics and decision that `bakeoff analyse` gives a table."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from pathlib import Path

from bakeoff.core.errors import UsageError
from bakeoff.decide.score_analysis import ScoreAnalysis, Scored, analyse_scores
from bakeoff.study.importers.recognise import Reading, read_files

_TEN = (0.0, 10.0)


def analyse(
    scores: Iterable[Scored] | str | Path,
    *,
    bounds: tuple[float, float] | None = None,
    eps: float | None = None,
    level: float = 0.95,
) -> ScoreAnalysis:
    """Analyse scores and decide.

    Args:
        scores: rows of `ScoreRow`, or a file that `bakeoff analyse` reads: a table, or another harness's results.
        bounds: the ends of the scale; 0 to 10 by default, 0 to 1 of a harness's results.
        eps: score points not worth telling apart; 3 % of the scale by default.
        level: of the whole analysis, above 0.5 and under 1.

    Raises:
        InvalidFile: with what is wrong in the file.
        UsageError: a score outside the scale, no brief with a score of every model, or an argument out of its range.
    """
    if not 0.5 < level < 1.0:
        raise UsageError(f"level is {level:g}", "above 0.5 and under 1, such as 0.95")
    if isinstance(scores, str | Path):
        read, scale, _ = read_files((Path(scores),), Reading(bounds, {}, None, "missing"))
        rows: list[Scored] = list(read)
    else:
        rows, scale = list(scores), bounds or _TEN
        _check_rows(rows, scale)
    if eps is not None and not 0 < eps < scale[1] - scale[0]:
        raise UsageError(f"eps is {eps:g}", "positive, and less than the scale is wide: for instance 0.3 of 10")
    return analyse_scores(rows, bounds=scale, eps=eps, level=level)


def _check_rows(rows: list[Scored], scale: tuple[float, float]) -> None:
    low, high = scale
    if not (isfinite(low) and isfinite(high) and low < high):
        raise UsageError(f"bounds are {low:g} and {high:g}", "the lower end of the scale, then the upper one")
    for number, row in enumerate(rows):
        if row.score is not None and not low <= row.score <= high:
            raise UsageError(
                f"row {number} ({row.model}, {row.brief}): the score {row.score:g} is outside {low:g} to {high:g}",
                "give the scale by bounds=(low, high)",
            )
