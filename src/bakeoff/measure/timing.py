"""How long does one text take, and how many tokens a second does a candidate write?

Latency, time to first token (TTFT), time between tokens (ITL) and time per output token (TPOT) are read from generations
that ran alone (concurrency 1): beside others they measure the queue. Throughput is a property of a load, and says which.
Failed generations have no latency of a text: they count in the success rate, not here. Unknown is None, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.core.generations import Generations, Way
from bakeoff.core.records import Provenance
from bakeoff.core.spec import Record
from bakeoff.measure.busy import busy_seconds, most_at_once
from bakeoff.measure.selecting import Rows, by_window, failed, ran_alone, where
from bakeoff.measure.windows import Percentiles, percentiles, ratio_limits

Seconds = NDArray[np.float64]


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


def summarise_timings(made: Generations, concurrency: int, workers: int = 1) -> TimingSummary:
    """Summarise one candidate's generations, written by up to so many workers at once.

    Percentiles come from texts made at concurrency 1; of recorded texts nobody knows it, and their times count as
    `reported`. Throughput comes from the texts made at `concurrency`, the run's own, and from those made alone where
    there are none.
    """
    alone = np.flatnonzero(ran_alone(made))
    windows = by_window(made, alone)
    latency_s = percentiles(_known(made.latency_s, windows))
    beside = _at(made, concurrency)
    throughput = measure_throughput(made, beside, workers)
    if throughput.tokens_per_s is None and failed(made, beside).all():
        throughput = measure_throughput(made, _at(made, 1))
    known = latency_s.count > 0 or throughput.tokens_per_s is not None
    recorded = any(way.recorded and not way.failed for way in made.ways)
    return TimingSummary(
        latency_s=latency_s,
        ttft_s=percentiles(_known(made.ttft_s, windows)),
        itl_s=percentiles(_gaps(made, windows)),
        itl_at=" + ".join(sorted({way.itl_at for way in _ways(made, alone) if way.itl_at})) or None,
        tpot_s=percentiles(_known(tpot_s(made), windows)),
        throughput=throughput,
        provenance=None if not known else "reported" if recorded else "measured",
    )


def measure_throughput(made: Generations, rows: Rows, workers: int = 1) -> Throughput:
    """Return tokens a second of generations made at one concurrency, failed ones included: they took time too.

    A generation's concurrency is that of each of so many workers; what is told is all of them together. All None where a text's tokens or a time is unknown, or there is no text.
    """
    tokens_per_s = _tokens_per_s(made, rows)
    if tokens_per_s is None:
        return Throughput()
    rates = [rate for window in by_window(made, rows) if (rate := _tokens_per_s(made, window)) is not None]
    low, high = ratio_limits(tokens_per_s, rates)
    # A window of few texts never fills the flight that was allowed: what is told is what was in it.
    each = max(way.concurrency or 1 for way in _ways(made, rows))
    allowed = each * workers if each > 1 else 1
    concurrency = max(1, min(allowed, most_at_once(made, rows)))
    return Throughput(tokens_per_s=tokens_per_s, concurrency=concurrency, low=low, high=high, windows=len(rates))


def throughput_by_window(made: Generations, concurrency: int) -> dict[int, float]:
    """Return tokens a second of each window in which texts were made at `concurrency`, where it is known."""
    rates = {made.window[rows[0]]: _tokens_per_s(made, rows) for rows in by_window(made, _at(made, concurrency))}
    return {number: rate for number, rate in rates.items() if rate}


def tpot_s(made: Generations) -> Seconds:
    """Return each generation's time per output token in seconds, shape (n,), NaN where it is not known."""
    return time_per_output_token_s(made.writing_s, made.completion_tokens)


def time_per_output_token_s(writing_s: ArrayLike, completion_tokens: ArrayLike) -> Seconds:
    """Return (first token to end) / (output tokens - 1) in seconds, NaN where a part is unknown (NaN) or tokens are under 2."""
    tokens = np.asarray(completion_tokens)
    further = np.where(tokens >= 2, tokens - 1, np.nan)
    seconds: Seconds = np.asarray(writing_s) / further
    return seconds


def _tokens_per_s(made: Generations, rows: Rows) -> float | None:
    busy_s = busy_seconds(made, rows)
    tokens = np.asarray(made.completion_tokens)[rows][~failed(made, rows)]
    if busy_s is None or not tokens.size or np.isnan(tokens).any():
        return None
    return float(tokens.sum()) / busy_s


def _at(made: Generations, concurrency: int) -> Rows:
    return np.flatnonzero(where(made, lambda way: way.concurrency == concurrency))


def _ways(made: Generations, rows: Rows) -> list[Way]:
    """Return the ways in which these came about."""
    every = list(made.ways)
    return [every[number] for number in np.unique(np.asarray(made.way)[rows])]


def _known(column: ArrayLike, windows: Sequence[Rows]) -> list[Seconds]:
    """Return the known values of each window."""
    values = np.asarray(column)
    return [found[~np.isnan(found)] for found in (values[rows] for rows in windows)]


def _gaps(made: Generations, windows: Sequence[Rows]) -> list[Seconds]:
    """Return the times between tokens of each window."""
    if not len(made.gap_s):
        return []
    number = np.full(len(made), -1, dtype=np.intp)
    for place, rows in enumerate(windows):
        number[rows] = place
    of_gap = number[np.asarray(made.gap_row)]
    ordered = np.argsort(of_gap, kind="stable")  # those of no window come first
    return np.split(np.asarray(made.gap_s)[ordered], np.cumsum(np.bincount(of_gap + 1))[:-1])[1:]
