"""Whether what is served is still as good as what was measured: a share of the answers is graded, and drops are told. Pure.

For each model, content type and measure a detector (`stats.drops`) holds the grades against the lower bound that the run
gives. The k measures of a model and content type share one budget of false alarms: each alarms at k times `expected_grades`.
Then, if the bounds are right (95 % each), the expected number of graded answers until the first false alarm of any of them is at
least `expected_grades`, however they hang together: the mean of their evidence is an e-detector too, and reaches
`expected_grades` no later than the first of them its k-fold.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bakeoff.decide.live_reference import LiveReference
from bakeoff.score.live import Measure
from bakeoff.stats.drops import DropDetector

EXPECTED_GRADES = 10_000.0
RECENT = 100
"""How many of the last grades are averaged, to be shown beside the reference."""


class Stream(NamedTuple):
    """What is watched apart from all else."""

    candidate: str
    content_type: str
    measure: Measure


class Drop(NamedTuple):
    """A stream whose grades have dropped: the mean of the last ones beside what the run had."""

    stream: Stream
    recent: float
    reference: LiveReference


@dataclass(slots=True)
class _Watched:
    reference: LiveReference
    detector: DropDetector
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))


class QualityWatch:
    """Takes grades in, tells of drops.

    Args:
        references: what the run says; what has none is not watched.
        share: of the answers that are graded, 0 to 1.
        draw: returns numbers evenly spread over [0, 1), which decide who is graded.
        expected_grades: the least expected number of graded answers until a false alarm, a model and content type.
    """

    def __init__(
        self,
        references: Iterable[LiveReference],
        share: float,
        draw: Callable[[], float],
        expected_grades: float = EXPECTED_GRADES,
    ) -> None:
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"share must be within 0 and 1: {share}")
        self.share = share
        self._draw = draw
        self._expected_grades = expected_grades
        self._watched: dict[Stream, _Watched] = {}
        self._types: Counter[tuple[str, str]] = Counter()
        self.also(references)
        self.gates: dict[tuple[str, str, str], int] = {}
        """How many graded texts each gate held back, by candidate, content type and gate."""

    def also(self, references: Iterable[LiveReference]) -> None:
        """Watch these from now on, too; what is watched already keeps its evidence, and shares its budget of false alarms."""
        for each in references:
            stream = Stream(each.candidate, each.content_type, each.measure)
            self._watched[stream] = _Watched(each, DropDetector(each.low, self._expected_grades))
        self._types = Counter((stream.candidate, stream.content_type) for stream in self._watched)
        for stream, watched in self._watched.items():
            watched.detector.expected_grades = (
                self._types[stream.candidate, stream.content_type] * self._expected_grades
            )

    def watches(self, stream: Stream) -> bool:
        """Whether there is a reference for it."""
        return stream in self._watched

    def languages(self, content_type: str) -> tuple[str, ...]:
        """Return the languages in which the run asked for texts of this type: English where nothing is known of it."""
        found = {
            language
            for stream, watched in self._watched.items()
            if stream.content_type == content_type
            for language in watched.reference.languages
        }
        return tuple(sorted(found)) or ("en",)

    def wants(self, candidate: str, content_type: str) -> bool:
        """Decide by lot whether an answer is graded. Only where a reference stands to hold it against."""
        return (candidate, content_type) in self._types and self._draw() < self.share

    def take(
        self, candidate: str, content_type: str, grades: Mapping[Measure, float], gates: Iterable[str] = ()
    ) -> list[Drop]:
        """Take one text's grades in, each in [0, 1]; return the streams of which this is the first that one knows.

        Raises:
            ValueError: a grade out of range.
        """
        for gate in gates:
            key = (candidate, content_type, gate)
            self.gates[key] = self.gates.get(key, 0) + 1
        drops = []
        for measure, grade in grades.items():
            stream = Stream(candidate, content_type, measure)
            watched = self._watched.get(stream)
            if watched is None:
                continue
            known = watched.detector.alarmed
            watched.recent.append(grade)
            if watched.detector.add(grade) and not known:
                drops.append(Drop(stream, _mean(watched.recent), watched.reference))
        return drops

    def acknowledge(self) -> list[Stream]:
        """Begin anew with the streams that have dropped, and return them: whoever was told has dealt with it."""
        dropped = [(stream, watched) for stream, watched in self._watched.items() if watched.detector.alarmed]
        for _, watched in dropped:
            watched.detector.reset()
            watched.recent.clear()
        return [stream for stream, _ in dropped]

    def snapshot(self) -> list[dict[str, Any]]:
        """Return every stream as plain JSON values."""
        return [
            {
                **stream._asdict(),
                "reference": watched.reference.mean,
                "reference_low": watched.reference.low,
                "families": watched.reference.families,
                "grades": watched.detector.grades,
                "recent": _mean(watched.recent) if watched.recent else None,
                "evidence": watched.detector.evidence,
                "alarm_at": watched.detector.expected_grades,
                "dropped": watched.detector.alarmed,
            }
            for stream, watched in self._watched.items()
        ]


def _mean(values: deque[float]) -> float:
    return sum(values) / len(values)
