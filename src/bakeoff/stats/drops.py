"""Has a stream of grades dropped below what it was? Asked after every grade, for ever, with a stated rate of false alarms.

An e-detector (Shin, Ramdas & Rinaldo 2023, arXiv 2203.03532): at every grade a new bet begins that from here on the mean is
below `reference`, and their wealth is added up, M_t = (M_{t-1} + 1) (1 + b (reference - x_t)) (the Shiryaev-Roberts form). As
long as the mean given the past is at least `reference`, E[M_t] <= t, so that the expected number of grades until M first
reaches c is at least c, whatever the distribution. Evidence from before a change is no burden: good weeks do not hide a bad
day. The bets b are fixed beforehand, and mixed, since nobody knows how large a drop will be.

It knows nothing of why: other requests than those that the reference comes from lower a mean as a worse model does.
"""

from __future__ import annotations

import math

BETS = (0.05, 0.1, 0.2, 0.4, 0.7)
"""Shares of the wealth that are bet, each by a part of its own."""


class DropDetector:
    """Watches one stream of grades in [0, 1]. Pure: fed with grades, asked for its evidence.

    Args:
        reference: the mean that is held against, in [0, 1]; a lower bound of what was measured, not the measured mean.
        expected_grades: the least expected number of grades until a false alarm.

    Raises:
        ValueError: an argument out of its range.

    Examples:
        >>> watch = DropDetector(reference=0.9, expected_grades=10_000)
        >>> any(watch.add(1.0) for _ in range(1000))
        False
        >>> next(n for n in range(1, 100) if watch.add(0.0))
        17
    """

    def __init__(self, reference: float, expected_grades: float) -> None:
        if not 0.0 <= reference <= 1.0:
            raise ValueError(f"reference must be within 0 and 1: {reference}")
        if not (math.isfinite(expected_grades) and expected_grades > 1.0):
            raise ValueError(f"expected_grades must be above 1: {expected_grades}")
        self.reference = reference
        self.expected_grades = expected_grades
        self.grades = 0
        self.alarmed = False
        self._wealth = [0.0] * len(BETS)

    @property
    def evidence(self) -> float:
        """M: compared with `expected_grades`; 0 before the first grade."""
        return sum(self._wealth) / len(self._wealth)

    def add(self, grade: float) -> bool:
        """Take a grade in; return whether there is an alarm, which stays until `reset`.

        Raises:
            ValueError: a grade outside [0, 1].
        """
        if not 0.0 <= grade <= 1.0:
            raise ValueError(f"a grade must be within 0 and 1: {grade}")
        self.grades += 1
        # Capped: what is certain need not overflow.
        self._wealth = [
            min((wealth + 1.0) * (1.0 + bet * (self.reference - grade)), 1e12)
            for wealth, bet in zip(self._wealth, BETS, strict=True)
        ]
        self.alarmed = self.alarmed or self.evidence >= self.expected_grades
        return self.alarmed

    def reset(self) -> None:
        """Begin anew: whoever was told of the alarm has dealt with it."""
        self.grades = 0
        self.alarmed = False
        self._wealth = [0.0] * len(BETS)
