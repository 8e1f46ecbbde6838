"""Percentiles that may be called a tail: so few texts are written alone that the 95th of 100 is often one that nobody saw.

A `bakeoff.run/1` document has p95 and p99 of however many values there were, with their `count` beside them. Where people
read, one of too few values is not told: it would lie next to the largest one, and look like a promise about the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from bakeoff.core.units import seconds_text
from bakeoff.decide.wording import plural

Tail = Literal["p95", "p99"]
LEAST: Mapping[Tail, int] = {"p95": 20, "p99": 100}
"""Fewer values leave none above the percentile."""


def tail(percentiles: Mapping[str, Any] | None, name: Tail) -> float | None:
    """Return p95 or p99 in seconds, None where it is not known or is one of too few values.

    >>> tail({"p95": 0.5, "count": 20}, "p95"), tail({"p95": 0.5, "count": 19}, "p95")
    (0.5, None)
    """
    if percentiles is None or (percentiles.get("count") or 0) < LEAST[name]:
        return None
    found: float | None = percentiles[name]
    return found


def told(percentiles: Mapping[str, Any]) -> dict[str, Any]:
    """Return percentiles without those of too few values."""
    return {**percentiles, **{name: tail(percentiles, name) for name in LEAST}}


def tail_words(percentiles: Mapping[str, Any]) -> str:
    """Return what stands beside a median: of how many texts it is, and p95 where they are enough.

    >>> tail_words({"p95": 0.5, "count": 25}), tail_words({"p95": 0.5, "count": 2})
    ('of 25 texts, p95 500 ms', 'of 2 texts')
    """
    p95 = tail(percentiles, "p95")
    number = f"of {plural(percentiles.get('count') or 0, 'text')}"
    return number if p95 is None else f"{number}, p95 {seconds_text(p95)}"
