"""How fast each candidate writes while it writes, and how long what is left will take. Told of times; looks at no clock.

Candidates take turns, so what is left takes the sum of their times. A candidate's pace is that of its last texts: the first ten
are written one at a time, and say little of the rest. Until it is known of those who have most of the work left, nothing is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

_LAST = 20
_FEWEST = 12
_MINUTE_S = 60.0
_HOUR_S = 3600.0


class Pace:
    """The candidates' paces."""

    def __init__(self, names: Iterable[str]) -> None:
        self._took_s: dict[str, deque[float]] = {name: deque(maxlen=_LAST) for name in names}
        self._since_s: float | None = None

    def turn(self, now_s: float) -> None:
        """Somebody begins to write."""
        self._since_s = now_s

    def finished(self, name: str, now_s: float) -> None:
        """A text of a candidate has come."""
        if self._since_s is not None:
            self._took_s[name].append(now_s - self._since_s)
        self._since_s = now_s

    def seconds_a_text(self, name: str) -> float | None:
        """Return how long a text takes, while the candidate writes; None as long as too few have come."""
        took_s = self._took_s[name]
        return sum(took_s) / len(took_s) if len(took_s) >= _FEWEST else None

    def left_s(self, left: Mapping[str, int]) -> float | None:
        """Return how long so many texts of each candidate will take; who is not known yet counts as the slowest that is."""
        known = {name: pace for name in left if (pace := self.seconds_a_text(name)) is not None}
        texts = sum(left.values())
        if not texts or 2 * sum(left[name] for name in known) < texts:
            return None
        slowest = max(known.values())
        return sum(count * known.get(name, slowest) for name, count in left.items())


def roughly(seconds: float) -> str:
    """Return a duration no finer than an estimate is.

    >>> roughly(3.2), roughly(47), roughly(95), roughly(640), roughly(5000)
    ('5 s', '45 s', '2 min', '11 min', '1 h 20 min')
    """
    if seconds < _MINUTE_S:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < _HOUR_S:
        return f"{round(seconds / _MINUTE_S)} min"
    minutes = 10 * round(seconds / _MINUTE_S / 10)
    return f"{minutes // 60} h {minutes % 60} min"
