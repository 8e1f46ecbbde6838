"""What a candidate takes to run, and which of several equally good ones takes least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bakeoff.core.spec import Record
from bakeoff.decide.wording import bytes_in_words


class Footprint(Record):
    """None is unknown, and an unknown number never wins: a criterion counts only where it is known for all."""

    cost_per_generation: float | None = None
    latency_p50_s: float | None = None
    peak_memory_bytes: int | None = None


class CheapestChoice(NamedTuple):
    """Which one, and by what."""

    candidate: str
    reason: str


def choose_cheapest(equivalent: Sequence[str], footprints: Mapping[str, Footprint]) -> CheapestChoice:
    """Choose among candidates of the same quality: by cost, then latency, then memory, then the order given.

    Args:
        equivalent: at least one, best mean first.
        footprints: unknown where missing.
    """
    left = list(equivalent)
    if len(left) == 1:
        return CheapestChoice(left[0], "")
    known = {candidate: footprints.get(candidate, Footprint()) for candidate in left}
    for criterion, words in (("cost", "costs least"), ("latency", "is fastest"), ("memory", "needs least memory")):
        values = {candidate: _value(known[candidate], criterion) for candidate in left}
        numbers = {candidate: value for candidate, value in values.items() if value is not None}
        if len(numbers) < len(left):
            continue
        least = min(numbers.values())
        best = [candidate for candidate in left if numbers[candidate] == least]
        if len(best) == 1:
            return CheapestChoice(best[0], f"{best[0]} {words} among them ({_amount(criterion, least)})")
        left = best
    reason = f"{left[0]} has the highest mean among them; cost, latency and memory do not tell them apart"
    return CheapestChoice(left[0], reason)


def _value(footprint: Footprint, criterion: str) -> float | None:
    if criterion == "cost":
        return footprint.cost_per_generation
    if criterion == "latency":
        return footprint.latency_p50_s
    return footprint.peak_memory_bytes


def _amount(criterion: str, value: float) -> str:
    if criterion == "cost":
        return f"{value:.6g} a generation"
    if criterion == "latency":
        return f"{value:.3g} s, median"
    return bytes_in_words(int(value))
