"""What a run says of texts the way a gateway sees them: by the request alone, without the facts that a brief declares.

A gateway knows no `must_include`, so that its grades are held against the run's own texts graded the same way, and against
the lower bound of their mean, not the mean: the reference is itself an estimate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pydantic import Field

from bakeoff.core.spec import Record
from bakeoff.score.live import Measure

LEVEL = 0.95
"""Confidence that the true mean is not below a reference's `low` (one-sided)."""
FEWEST_FAMILIES = 5
"""With fewer, a lower bound says next to nothing."""


class LiveGrade(NamedTuple):
    """One text, graded by its request alone. Each grade is in [0, 1]; `family` tells briefs that share a situation.

    `language` is the one that its brief declares, which a request does not say.
    """

    candidate: str
    content_type: str
    family: str
    grades: dict[Measure, float]
    language: str = "en"


class LiveReference(Record):
    """The mean of one measure of one candidate's texts of one content type, in [0, 1], and its lower bound.

    `languages` are those that the briefs asked for: answers are graded by the same.
    """

    candidate: str
    content_type: str
    measure: Measure
    mean: float
    low: float
    texts: int
    families: int
    languages: tuple[str, ...] = Field(default=("en",), min_length=1)


def live_references(graded: Iterable[LiveGrade]) -> list[LiveReference]:
    """Return a reference for each candidate, content type and measure that at least 5 families of briefs stand behind.

    Families weigh the same. `low` is the lower limit of the bounded interval at level 0.90, two-sided.
    """
    from bakeoff.stats.intervals import cluster_means, interval  # a gateway reads references, and has no numpy

    cells: dict[tuple[str, str, Measure], list[tuple[float, str]]] = {}
    languages: dict[str, set[str]] = {}
    for text in graded:
        languages.setdefault(text.content_type, set()).add(text.language)
        for measure, grade in text.grades.items():
            cells.setdefault((text.candidate, text.content_type, measure), []).append((grade, text.family))
    found = []
    for (candidate, content_type, measure), texts in cells.items():
        means, families = cluster_means([grade for grade, _ in texts], [family for _, family in texts])
        limits = interval(means, (0.0, 1.0), 1.0 - 2.0 * (1.0 - LEVEL))
        if len(families) < FEWEST_FAMILIES or limits.estimate is None or limits.low is None:
            continue
        found.append(
            LiveReference(
                candidate=candidate,
                content_type=content_type,
                measure=measure,
                mean=limits.estimate,
                low=max(0.0, limits.low),
                texts=len(texts),
                families=len(families),
                languages=tuple(sorted(languages[content_type])),
            )
        )
    return found
