"""More points than can be told apart are drawn thinned out, and it is said of how many. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def thinned(values: Sequence[float], most: int) -> list[float]:
    """Return at most `most` values that spread as all of them do: evenly spaced ranks, both ends among them."""
    ordered = sorted(values)
    if len(ordered) <= most:
        return ordered
    return [ordered[round(number * (len(ordered) - 1) / (most - 1))] for number in range(most)]


def thinned_words(counts: Mapping[str, int], most: int, what: str) -> str:
    """Return whose points are thinned out, "" where all are drawn.

    >>> thinned_words({"ann": 512, "bob": 40}, 300, "families")
    'Of ann 300 of 512 families are drawn, spread as all of them are.'
    """
    parts = [f"of {name} {most} of {count} {what}" for name, count in counts.items() if count > most]
    said = ", ".join(parts)
    return f"{said[:1].upper()}{said[1:]} are drawn, spread as all of them are." if parts else ""
