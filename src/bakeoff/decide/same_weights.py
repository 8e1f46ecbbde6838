"""The same weights, run otherwise: does the engine, the device or a quantisation change the texts, and what does it gain?

Two candidates have the same weights where one digest stands behind both: one folder on two engines or devices, or a file
that says which folder it was made of. Times are compared on the same briefs, written alone, as ratios on the logarithm;
what an interval counts is the windows of the run (see `measure.windows`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import exp, log
from statistics import fmean

from bakeoff.core.outlines import GenerationOutline
from bakeoff.core.records import Comparison
from bakeoff.core.spec import Candidate, Record
from bakeoff.decide.analysis import Section
from bakeoff.measure.memory import LoadSummary
from bakeoff.measure.timing import throughput_by_window, time_per_output_token_s
from bakeoff.measure.windows import ratio_limits

Generations = Sequence[GenerationOutline]


class Ratio(Record):
    """b's number over a's: `low` to `high` is a 95 % interval, None under three windows."""

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    windows: int = 0


class SameWeights(Record):
    """What running a's weights as b does changes.

    Of `texts` that both wrote for the same brief and seed, `identical` are the same, character by character. `difference`,
    `low` and `high` are b's score minus a's. `tokens_per_s` is throughput at the run's concurrency; the others are times of
    texts written alone. `memory` and `weights` are ratios of peak memory and of the weights' bytes.
    """

    a: str
    b: str
    texts: int
    identical: int
    difference: float | None
    low: float | None
    high: float | None
    ttft: Ratio
    tpot: Ratio
    tokens_per_s: Ratio
    memory: float | None
    weights: float | None


def compare_same_weights(
    candidates: Sequence[Candidate],
    generations: Mapping[str, Generations],
    overall: Section,
    loads: Mapping[str, LoadSummary],
    concurrency_of: Callable[[str], int],
) -> tuple[SameWeights, ...]:
    """Compare every two candidates that run the same weights, the one that was named first as a."""
    return tuple(
        _compare(a.id, b.id, generations, overall, loads, concurrency_of)
        for a, b in combinations(candidates, 2)
        if a.model.is_ours_to_run and b.model.is_ours_to_run and a.model.weights_digest == b.model.weights_digest
    )


def _compare(
    a: str,
    b: str,
    generations: Mapping[str, Generations],
    overall: Section,
    loads: Mapping[str, LoadSummary],
    concurrency_of: Callable[[str], int],
) -> SameWeights:
    pairs = _pairs(generations[a], generations[b])
    comparison = _find(overall.comparisons, a, b)
    sign = 1 if comparison is not None and comparison.a == b else -1
    known = None if comparison is None or comparison.difference is None else comparison
    limits = [] if known is None else sorted(sign * limit for limit in (known.low, known.high) if limit is not None)
    return SameWeights(
        a=a,
        b=b,
        texts=len(pairs),
        identical=sum(one.text_digest == other.text_digest for one, other in pairs),
        difference=None if known is None or known.difference is None else sign * known.difference,
        low=limits[0] if len(limits) == 2 else None,
        high=limits[1] if len(limits) == 2 else None,
        ttft=_time_ratio(pairs, lambda generation: generation.timings.ttft_s),
        tpot=_time_ratio(pairs, time_per_output_token_s),
        tokens_per_s=_rate_ratio(generations[a], generations[b], concurrency_of(a), concurrency_of(b)),
        memory=_quotient(loads[b].peak_memory_bytes, loads[a].peak_memory_bytes),
        weights=_quotient(loads[b].weight_bytes, loads[a].weight_bytes),
    )


def _pairs(of_a: Generations, of_b: Generations) -> list[tuple[GenerationOutline, GenerationOutline]]:
    """Return the texts of both for the same brief and replicate."""
    found = {(generation.brief, generation.replicate): generation for generation in of_a if not generation.failed}
    return [
        (found[key], generation)
        for generation in of_b
        if not generation.failed and (key := (generation.brief, generation.replicate)) in found
    ]


def _find(comparisons: Sequence[Comparison], a: str, b: str) -> Comparison | None:
    return next((comparison for comparison in comparisons if {comparison.a, comparison.b} == {a, b}), None)


def _time_ratio(
    pairs: Sequence[tuple[GenerationOutline, GenerationOutline]], seconds: Callable[[GenerationOutline], float | None]
) -> Ratio:
    """Return the geometric mean of b's seconds over a's, of briefs that both wrote alone."""
    logs: dict[int | None, list[float]] = {}
    for one, other in pairs:
        first, second = seconds(one), seconds(other)
        if one.concurrency == other.concurrency == 1 and first and second:
            logs.setdefault(one.window, []).append(log(second / first))
    return _mean_ratio([fmean(window) for window in logs.values()])


def _rate_ratio(of_a: Generations, of_b: Generations, concurrency_a: int, concurrency_b: int) -> Ratio:
    """Return the geometric mean of b's tokens/s over a's, window by window; nothing where the load was another."""
    if concurrency_a != concurrency_b:
        return Ratio()
    first, second = (throughput_by_window(own, concurrency_a) for own in (of_a, of_b))
    return _mean_ratio([log(second[window] / first[window]) for window in first if window in second])


def _mean_ratio(logs: Sequence[float]) -> Ratio:
    if not logs:
        return Ratio()
    estimate = exp(fmean(logs))
    low, high = ratio_limits(estimate, [exp(value) for value in logs])
    return Ratio(estimate=estimate, low=low, high=high, windows=len(logs))


def _quotient(above: int | None, below: int | None) -> float | None:
    return above / below if above and below else None
