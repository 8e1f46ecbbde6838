"""How long does one text take, and how many tokens a second does a candidate write?

Latency, time to first token (TTFT), time between tokens (ITL) and time per output token (TPOT) are read from generations
that ran alone (concurrency 1): beside others they measure the queue. Throughput is a property of a load, and says which.
Failed generations have no latency of a text: they count in the success rate, not here. Unknown is None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bakeoff.core.outlines import GenerationOutline
from bakeoff.core.records import Provenance
from bakeoff.core.spec import Record
from bakeoff.measure.busy import busy_seconds, most_at_once
from bakeoff.measure.windows import Percentiles, percentiles, ratio_limits


class Throughput(Record):
    """Output tokens over wall seconds with a text in flight; `concurrency` were so at a time, at the most.

    `low` to `high` is a 95 % interval from its `windows` repeated measurements; None under three.
    """

    tokens_per_s: float | None = None
    concurrency: int | None = None
    low: float | None = None
    high: float | None = None
    windows: int = 0


class TimingSummary(Record):
    """One candidate's timings. `provenance` is None where nothing is known, `reported` for recorded texts.

    `itl_at` tells where the times between tokens were taken: inside the worker, or at the client as pieces arrived.
    """

    latency_s: Percentiles = Percentiles()
    ttft_s: Percentiles = Percentiles()
    itl_s: Percentiles = Percentiles()
    itl_at: str | None = None
    tpot_s: Percentiles = Percentiles()
    throughput: Throughput = Throughput()
    provenance: Provenance | None = None


def summarise_timings(generations: Iterable[GenerationOutline], concurrency: int) -> TimingSummary:
    """Summarise one candidate's generations.

    Percentiles come from texts made at concurrency 1; of recorded texts nobody knows it, and their times count as
    `reported`. Throughput comes from the texts made at `concurrency`, the run's own, and from those made alone where
    there are none.
    """
    all_of_them = list(generations)
    made = [generation for generation in all_of_them if not generation.failed]
    alone = _windows([generation for generation in made if _ran_alone(generation)])
    latency_s = percentiles(_values(alone, lambda g: g.timings.latency_s))
    beside = [generation for generation in all_of_them if generation.concurrency == concurrency]
    throughput = measure_throughput(beside)
    if throughput.tokens_per_s is None and not any(not generation.failed for generation in beside):
        throughput = measure_throughput([generation for generation in all_of_them if generation.concurrency == 1])
    known = latency_s.count > 0 or throughput.tokens_per_s is not None
    recorded = any(generation.recorded for generation in made)
    return TimingSummary(
        latency_s=latency_s,
        ttft_s=percentiles(_values(alone, lambda g: g.timings.ttft_s)),
        itl_s=percentiles([[gap for g in window for gap in g.timings.itl_s or ()] for window in alone]),
        itl_at=" + ".join(sorted({g.timings.itl_at for window in alone for g in window if g.timings.itl_at})) or None,
        tpot_s=percentiles(_values(alone, time_per_output_token_s)),
        throughput=throughput,
        provenance=None if not known else "reported" if recorded else "measured",
    )


def measure_throughput(generations: Sequence[GenerationOutline]) -> Throughput:
    """Return tokens a second of generations made at one concurrency, failed ones included: they took time too.

    All None where a text's tokens or a time is unknown, or there is no text.
    """
    tokens_per_s = _tokens_per_s(generations)
    if tokens_per_s is None:
        return Throughput()
    rates = [rate for rate in map(_tokens_per_s, _windows(generations)) if rate is not None]
    low, high = ratio_limits(tokens_per_s, rates)
    # A window of few texts never fills the flight that was allowed: what is told is what was in it.
    allowed = max(generation.concurrency or 1 for generation in generations)
    concurrency = max(1, min(allowed, most_at_once(generations)))
    return Throughput(tokens_per_s=tokens_per_s, concurrency=concurrency, low=low, high=high, windows=len(rates))


def throughput_by_window(generations: Sequence[GenerationOutline], concurrency: int) -> dict[int | None, float]:
    """Return tokens a second of each window in which texts were made at `concurrency`, where it is known."""
    beside = [generation for generation in generations if generation.concurrency == concurrency]
    rates = {window[0].window: _tokens_per_s(window) for window in _windows(beside)}
    return {number: rate for number, rate in rates.items() if rate}


def time_per_output_token_s(generation: GenerationOutline) -> float | None:
    """Return (latency - TTFT) / (output tokens - 1) in seconds, None where a part is unknown or tokens are under 2."""
    timings = generation.timings
    if timings.latency_s is None or timings.ttft_s is None or timings.completion_tokens is None:
        return None
    if timings.completion_tokens < 2:
        return None
    return (timings.latency_s - timings.ttft_s) / (timings.completion_tokens - 1)


def _tokens_per_s(generations: Sequence[GenerationOutline]) -> float | None:
    busy_s = busy_seconds(generations)
    counts = [generation.timings.completion_tokens for generation in generations if not generation.failed]
    tokens = [count for count in counts if count is not None]
    if busy_s is None or not counts or len(tokens) < len(counts):
        return None
    return sum(tokens) / busy_s


def _windows(generations: Sequence[GenerationOutline]) -> list[list[GenerationOutline]]:
    """Return the generations by window; those of no known window are one."""
    found: dict[int | None, list[GenerationOutline]] = {}
    for generation in generations:
        found.setdefault(generation.window, []).append(generation)
    return list(found.values())


def _values(
    windows: Sequence[Sequence[GenerationOutline]], value_of: Callable[[GenerationOutline], float | None]
) -> list[list[float]]:
    return [[value for value in map(value_of, window) if value is not None] for window in windows]


def _ran_alone(generation: GenerationOutline) -> bool:
    return generation.concurrency == 1 or (generation.recorded and generation.concurrency is None)
