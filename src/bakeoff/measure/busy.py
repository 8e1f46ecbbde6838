"""How many wall seconds was a candidate at work: the union of the times its generations were in flight."""

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
