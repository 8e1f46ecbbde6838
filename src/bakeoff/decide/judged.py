"""What judges say of a run's candidates: win rates and grades with intervals over families of briefs, and the jury's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bakeoff.core.records import Estimate
from bakeoff.core.spec import Record
from bakeoff.decide.labelling import Written
from bakeoff.score.judge import judge_quality, jury_grade, jury_verdict
from bakeoff.stats.agreement import krippendorff_alpha
from bakeoff.stats.intervals import cluster_means, interval

Pairs = Mapping[tuple[str, str], float]
"""Trial and other trial -> 1 where the first is better, 0 where the other is, 0.5."""


class JudgedCandidate(Record):
    """One candidate by one judge: how often its text was preferred, and its mean grade on 0 to 10 (`judge_quality`)."""

    candidate: str
    win_rate: Estimate
    judge_quality: Estimate


def judged_candidates(
    texts: Sequence[Written],
    families: Mapping[str, str],
    pairs: Pairs,
    grades: Mapping[str, float],
    *,
    level: float = 0.95,
) -> list[JudgedCandidate]:
    """Return what a judge says of each candidate, most preferred first; a pair counts once, whatever order it is known in.

    Args:
        texts: that were judged.
        families: brief -> family, the unit of the intervals.
        pairs: verdicts.
        grades: trial -> grade, 1 to 5.
        level: of the intervals.
    """
    known = {text.trial: text for text in texts}
    won: dict[str, list[tuple[float, str]]] = {text.candidate: [] for text in texts}
    for (a, b), verdict in pairs.items():
        if a < b or (b, a) not in pairs:
            for trial, value in ((a, verdict), (b, 1.0 - verdict)):
                won[known[trial].candidate].append((value, families[known[trial].brief]))
    graded: dict[str, list[tuple[float, str]]] = {name: [] for name in won}
    for trial, grade in grades.items():
        graded[known[trial].candidate].append((judge_quality(grade), families[known[trial].brief]))
    found = [
        JudgedCandidate(
            candidate=name,
            win_rate=_estimate(won[name], (0.0, 1.0), level),
            judge_quality=_estimate(graded[name], (0.0, 10.0), level),
        )
        for name in won
    ]
    return sorted(found, key=lambda one: -(one.win_rate.estimate or one.judge_quality.estimate or 0.0))


def _estimate(values: Sequence[tuple[float, str]], bounds: tuple[float, float], level: float) -> Estimate:
    means = cluster_means(np.array([value for value, _ in values]), [family for _, family in values])[0]
    found = interval(means, bounds, level)
    return Estimate(
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        level=level,
        method=found.method,
        briefs=len(values),
        clusters=found.n,
    )


def jury(
    pairs: Sequence[Pairs], grades: Sequence[Mapping[str, float]]
) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """Return what several judges say together: the majority on pairs, the median of grades."""
    verdicts = {pair: jury_verdict([own.get(pair) for own in pairs]) for own in pairs for pair in own}
    together = {trial: jury_grade([own.get(trial) for own in grades]) for own in grades for trial in own}
    return (
        {pair: verdict for pair, verdict in verdicts.items() if verdict is not None},
        {trial: grade for trial, grade in together.items() if grade is not None},
    )


def jury_agreement(pairs: Sequence[Pairs]) -> float | None:
    """Return Krippendorff's alpha (nominal) of the judges' verdicts; None where no two judged one pair, or all said one thing."""
    every = sorted({pair for own in pairs for pair in own if pair[0] < pair[1]})
    if not every:
        return None
    return krippendorff_alpha([[own.get(pair, np.nan) for pair in every] for own in pairs], "nominal")
