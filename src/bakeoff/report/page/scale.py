"""Where a value stands on an axis, and which values the axis names. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

from bakeoff.core.units import seconds_text

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LOG_STEPS = (1, 2, 5)
_WIDE = 6.0
"""From this ratio of largest to smallest on, an axis of positive values is logarithmic."""
_ALIKE = 1e-4
"""Values that differ by a smaller share of themselves are one value to an axis."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high`."""

    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """Return where `value` stands, 0 at `low` to 1 at `high`; beyond them, at the end.

        >>> Scale(0, 10).share(2.5), Scale(1, 100, log=True).share(10), Scale(0, 1).share(7)
        (0.25, 0.5, 1.0)
        """
        if self.log:
            place = (log10(max(value, 1e-300)) - log10(self.low)) / (log10(self.high) - log10(self.low))
        else:
            place = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, place))

    def ticks(self, most: int = 6) -> list[float]:
        """Return about `most` round values within the axis, two at least."""
        if self.log:
            return _log_ticks(self.low, self.high, most)
        finer = (_linear_ticks(self.low, self.high, count) for count in range(most, most + 9))
        return next((found for found in finer if len(found) > 1), [self.low, self.high])


def fit_scale(values: Iterable[float], *, zero: bool = False, log: bool | None = None, margin: float = 0.06) -> Scale:
    """Return an axis that holds all values with some room, logarithmic where they are positive and far apart.

    Args:
        values: that must be within; there may be none.
        zero: keep 0 on a linear axis.
        log: decide it, instead of the values.
        margin: room at both ends, as a share of the span.
    """
    listed = list(values)
    if not listed:
        return Scale(0.0, 1.0)
    low, high = min(listed), max(listed)
    if log is None:
        log = low > 0 and high / low >= _WIDE
    if log:
        room = max((log10(high) - log10(low)) * margin, 0.05)
        return Scale(10 ** (log10(low) - room), 10 ** (log10(high) + room), log=True)
    if zero:
        low, high = min(0.0, low), max(0.0, high)
    span = high - low
    if span <= _ALIKE * max(abs(low), abs(high)):  # places between them would have one name
        span = abs(high) or 1.0
    return Scale(0.0 if zero and low == 0 else low - margin * span, 0.0 if zero and high == 0 else high + margin * span)


def seconds_tick(seconds: float) -> str:
    """Return the name of a place on an axis of time: a round value, with all the digits that tell it from the next one.

    >>> [seconds_tick(value) for value in (0, 0.00005, 0.0025, 1.025, 90)]
    ['0 ms', '0.05 ms', '2.5 ms', '1.025 s', '1 min 30 s']
    """
    if seconds >= 60:
        return seconds_text(seconds)
    said = f"{seconds:.12f}" if seconds >= 1 else f"{seconds * 1000:.9f}"
    return f"{said.rstrip('0').rstrip('.')} {'s' if seconds >= 1 else 'ms'}"


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / max(1, most - 1)
    power = 10 ** floor(log10(rough))
    step = next(power * step for step in _STEPS if power * step >= rough * (1 - 1e-9))
    first = ceil(low / step - 1e-9)
    return [round(number * step, 12) + 0.0 for number in range(first, floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    for steps in (_LOG_STEPS, (1, 3), (1,)):
        found = [step * 10.0**power for power in powers for step in steps]
        within = [round(value, 12) if value > 1e-9 else value for value in found if low <= value <= high]
        if 2 <= len(within) <= most:
            return within
    found = [10.0**power for power in powers if low <= 10.0**power <= high]
    every = ceil(len(found) / most) or 1
    return found[::every] if len(found) > 1 else _linear_ticks(low, high, most) or [low, high]
