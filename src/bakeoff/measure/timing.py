"""How long does one text take, and how many tokens a second does a candidate write?

Latency, time to first token (TTFT) and time per output token (TPOT) are read from generations that ran alone
(concurrency 1): beside others they measure the queue. Throughput is a property of a load, and says which.
Failed generations have no latency of a text: they count in the success rate, not here. Unknown is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bakeoff.core.records import Generation, Provenance
from bakeoff.core.spec import Record


class Percentiles(Record):
    """Of `count` values; all None where there was none. Linear between neighbours (numpy's default).

    p99 of fewer than 100 values, and p95 of fewer than 20, lie next to the largest value seen.
    """

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    count: int = 0


class TimingSummary(Record):
    """One candidate's timings. `provenance` is None where nothing is known, `reported` for recorded texts.

    `tokens_per_s` is output tokens over busy wall seconds with up to `tokens_per_s_concurrency` requests in flight.
    """

    latency_s: Percentiles = Percentiles()
    ttft_s: Percentiles = Percentiles()
    tpot_s: Percentiles = Percentiles()
    tokens_per_s: float | None = None
    tokens_per_s_concurrency: int | None = None
    provenance: Provenance | None = None


def summarise_timings(generations: Iterable[Generation], busy_s: float | None = None) -> TimingSummary:
    """Summarise one candidate's generations.

    Percentiles come from texts made at concurrency 1; of recorded texts nobody knows it, and their times count as
    `reported`. TPOT is (latency - TTFT) / (output tokens - 1) per generation, where there are at least 2 tokens.

    Args:
        generations: of one candidate.
        busy_s: wall seconds in which at least one of them was in flight. Without it throughput is known at
            concurrency 1 only, where it is the sum of their latencies.

    Raises:
        ValueError: `busy_s` is not positive.
    """
    if busy_s is not None and not busy_s > 0:
        raise ValueError(f"busy seconds must be positive: {busy_s}")
    made = [generation for generation in generations if not generation.failed]
    alone = [generation for generation in made if _ran_alone(generation)]
    latencies = [g.timings.latency_s for g in alone if g.timings.latency_s is not None]
    tokens_per_s, concurrency = _throughput(made, busy_s)
    known = bool(latencies) or tokens_per_s is not None
    recorded = any(generation.recorded for generation in made)
    return TimingSummary(
        latency_s=percentiles(latencies),
        ttft_s=percentiles([g.timings.ttft_s for g in alone if g.timings.ttft_s is not None]),
        tpot_s=percentiles([value for value in map(time_per_output_token_s, alone) if value is not None]),
        tokens_per_s=tokens_per_s,
        tokens_per_s_concurrency=concurrency,
        provenance=None if not known else "reported" if recorded else "measured",
    )


def time_per_output_token_s(generation: Generation) -> float | None:
    """Return (latency - TTFT) / (output tokens - 1) in seconds, None where a part is unknown or tokens are under 2."""
    timings = generation.timings
    if timings.latency_s is None or timings.ttft_s is None or timings.completion_tokens is None:
        return None
    if timings.completion_tokens < 2:
        return None
    return (timings.latency_s - timings.ttft_s) / (timings.completion_tokens - 1)


def percentiles(values: Sequence[float]) -> Percentiles:
    """Return the 50th, 95th and 99th percentile of `values`, in their unit; None each where there are none."""
    if not values:
        return Percentiles()
    ordered = sorted(values)
    return Percentiles(
        p50=_quantile(ordered, 0.50), p95=_quantile(ordered, 0.95), p99=_quantile(ordered, 0.99), count=len(ordered)
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _ran_alone(generation: Generation) -> bool:
    return generation.concurrency == 1 or (generation.recorded and generation.concurrency is None)


def _throughput(made: Sequence[Generation], busy_s: float | None) -> tuple[float | None, int | None]:
    """Return tokens a second and the concurrency it holds for; (None, None) where tokens or time are unknown."""
    if busy_s is not None:
        counts = [generation.timings.completion_tokens for generation in made]
        tokens = [count for count in counts if count is not None]
        concurrencies = [generation.concurrency for generation in made if generation.concurrency is not None]
        if not made or len(tokens) < len(made) or not concurrencies:
            return None, None
        return sum(tokens) / busy_s, max(concurrencies)
    pairs = [
        (generation.timings.completion_tokens, generation.timings.latency_s)
        for generation in made
        if generation.concurrency == 1
    ]
    known = [(tokens, seconds) for tokens, seconds in pairs if tokens is not None and seconds is not None]
    total_s = sum(seconds for _, seconds in known)
    if len(known) < len(made) or total_s <= 0:
        return None, None
    return sum(tokens for tokens, _ in known) / total_s, 1
