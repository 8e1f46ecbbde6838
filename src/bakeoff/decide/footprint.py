"""What a candidate takes to run, and which of several equally good ones takes least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bakeoff.core.spec import Record
from bakeoff.decide.wording import bytes_in_words

_ALIKE = 1.05
"""Within 5 % of the least, two numbers are the same: runs of one program differ by as much. Assumed."""


class Footprint(Record):
    """None is unknown, and an unknown number never wins: a criterion counts only where it is known for all.

    `latency_low_s` to `latency_high_s` is the interval of the median latency, where one is known.
    """

    cost_per_generation: float | None = None
    latency_p50_s: float | None = None
    latency_low_s: float | None = None
    latency_high_s: float | None = None
    peak_memory_bytes: int | None = None


class CheapestChoice(NamedTuple):
    """Which one, and by what."""

    candidate: str
    reason: str


class _Amount(NamedTuple):
    """A number, and between which it lies."""

    value: float
    low: float
    high: float


def choose_cheapest(equivalent: Sequence[str], footprints: Mapping[str, Footprint]) -> CheapestChoice:
    """Choose among candidates of the same quality: by cost, then latency, then memory, then the order given.

    A criterion leaves out who takes more than the least by over 5 %, and whose interval lies above that of the least; what it does
    not tell apart is left to the next one.

    Args:
        equivalent: at least one, best mean first.
        footprints: unknown where missing.
    """
    left = list(equivalent)
    if len(left) == 1:
        return CheapestChoice(left[0], "")
    known = {candidate: footprints.get(candidate, Footprint()) for candidate in left}
    alike: list[str] = []
    for criterion, words in (("cost", "costs least"), ("latency", "is fastest"), ("memory", "needs least memory")):
        found = {candidate: _amount(known[candidate], criterion) for candidate in left}
        amounts = {candidate: amount for candidate, amount in found.items() if amount is not None}
        if len(amounts) < len(left):
            continue
        least = min(amounts.values())
        best = [candidate for candidate in left if not _takes_more(amounts[candidate], least)]
        if len(best) == 1:
            reason = f"{best[0]} {words} among them ({_in_words(criterion, amounts[best[0]].value)})"
            return CheapestChoice(best[0], f"{reason}{_not_told_apart(alike)}")
        left = best
        alike.append(criterion)
    reason = f"{left[0]} has the highest mean among them; cost, latency and memory do not tell them apart"
    return CheapestChoice(left[0], reason)


def _takes_more(amount: _Amount, least: _Amount) -> bool:
    return amount.value > _ALIKE * least.value and amount.low > least.high


def _not_told_apart(criteria: Sequence[str]) -> str:
    return f"; not told apart by {' and '.join(criteria)}" if criteria else ""


def _amount(footprint: Footprint, criterion: str) -> _Amount | None:
    value = {
        "cost": footprint.cost_per_generation,
        "latency": footprint.latency_p50_s,
        "memory": footprint.peak_memory_bytes,
    }[criterion]
    if value is None:
        return None
    low, high = footprint.latency_low_s, footprint.latency_high_s
    if criterion != "latency" or low is None or high is None:
        return _Amount(value, value, value)
    return _Amount(value, low, high)


def _in_words(criterion: str, value: float) -> str:
    if criterion == "cost":
        return f"{value:.6g} a generation"
    if criterion == "latency":
        return f"{value:.3g} s, median"
    return bytes_in_words(int(value))
