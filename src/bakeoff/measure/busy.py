"""When a candidate was at work: for how many wall seconds, and on how many texts at a time, by when each was in flight."""

from __future__ import annotations

from collections.abc import Iterable

from bakeoff.core.outlines import GenerationOutline


def busy_seconds(generations: Iterable[GenerationOutline]) -> float | None:
    """Return the length of the union of [finished - latency, finished]; None where a time is unknown, or nothing is.

    Failed generations took time too, and count where it is known.
    """
    spans: list[tuple[float, float]] = []
    for generation in generations:
        finished, latency = generation.finished_unix_s, generation.timings.latency_s
        if finished is None or latency is None:
            if generation.failed:
                continue
            return None
        spans.append((finished - latency, finished))
    total = 0.0
    reached = float("-inf")
    for begun, finished in sorted(spans):
        total += max(0.0, finished - max(begun, reached))
        reached = max(reached, finished)
    return total if total > 0 else None


def most_at_once(generations: Iterable[GenerationOutline]) -> int:
    """Return how many generations were in flight at the same moment, at the most; those of unknown times are not counted."""
    changes: list[tuple[float, int]] = []
    for generation in generations:
        finished, latency = generation.finished_unix_s, generation.timings.latency_s
        if finished is not None and latency is not None:
            changes += [(finished - latency, 1), (finished, -1)]
    most = now = 0
    for _, change in sorted(changes):  # of one moment, ends come before beginnings
        now += change
        most = max(most, now)
    return most
