"""What was assumed, how far it may be off, and at which value the answer would change its sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from bakeoff.core.records import Provenance
from bakeoff.core.spec import Record
from bakeoff.cost.arithmetic import Values, saving_per_piece

_FACTOR = 1e6
"""How far from its value an assumption is followed, as a factor either way."""
_SHARES = {"accepted", "cloud_accepted", "attribution"}
_ENDS = [10.0**exponent for exponent in range(-9, 10)]
"""How far an assumption of 0 is followed."""
_NEVER_NOTHING = {"accepted", "cloud_accepted", "years", "pieces_per_day"}
"""What is divided by, or says that nothing is shared out where it is 0."""


class Assumption(Record):
    """A field of `Values` with the range it may lie in; `low` and `high` equal to `value` mean that nobody doubts it.

    `note` says where it comes from, in words.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    provenance: Provenance
    note: str = ""


class Swing(Record):
    """What an assumption does to the saving of one piece: at both ends of its range, and where the sign changes."""

    name: str
    at_low: float
    at_high: float
    flips_sign_at: float | None


def swings(values: Values, assumptions: Sequence[Assumption]) -> list[Swing]:
    """Return the tornado, the widest swing first; every other assumption stays at its value."""
    found = [
        Swing(
            name=each.name,
            at_low=_saving(values, each.name, each.low),
            at_high=_saving(values, each.name, each.high),
            flips_sign_at=flips_sign_at(values, each.name),
        )
        for each in assumptions
    ]
    return sorted(found, key=lambda swing: -abs(swing.at_high - swing.at_low))


def flips_sign_at(values: Values, name: str) -> float | None:
    """Return the value of one assumption at which a piece costs the same here and there; None if none does.

    The saving rises or falls steadily in each of them, so there is at most one.
    """
    value = getattr(values, name)
    if value is None or value < 0 or (value == 0 and name in _NEVER_NOTHING):
        return None
    if value > 0:
        low, high = value / _FACTOR, value * _FACTOR
    else:
        low, high = (
            0.0,
            next((end for end in _ENDS if _saving(values, name, 0.0) * _saving(values, name, end) <= 0), 1.0),
        )
    high = min(1.0, high) if name in _SHARES else high
    at_low, at_high = _saving(values, name, low), _saving(values, name, high)
    if not (isfinite(at_low) and isfinite(at_high)) or at_low * at_high > 0:
        return None
    from scipy.optimize import brentq  # loads a third of a second's worth of code: not for who asks for no tornado

    root: float = brentq(
        lambda candidate: _saving(values, name, candidate), low, high, xtol=(value or high) * 1e-12, rtol=1e-12
    )
    return root


def _saving(values: Values, name: str, value: float) -> float:
    return saving_per_piece(replace(values, **{name: value}))
