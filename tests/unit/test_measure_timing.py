"""Timings: from generations that ran alone, window by window, and never a silent zero."""

from itertools import count
from math import exp

import numpy as np
import pytest

from bakeoff.core.records import Generation, Timings
from bakeoff.measure.busy import busy_seconds, most_at_once, worker_seconds
from bakeoff.measure.timing import Throughput, summarise_timings, tpot_s
from bakeoff.measure.windows import Percentiles, percentiles, ratio_limits
from made_generations import column_of

NUMBERS = count()


def made(latency_s=2.0, ttft_s=0.5, tokens=16, *, concurrency=1, failed=False, recorded=False, **further):
    number = next(NUMBERS)
    timings = {"latency_s": latency_s, "ttft_s": ttft_s, "completion_tokens": tokens}
    timings |= {name: further.pop(name) for name in ("itl_s", "itl_at", "pieces", "first_piece_s") if name in further}
    return Generation(
        trial=f"t{number}",
        candidate="a",
        brief="b",
        replicate=number,
        seed=0,
        text=None if failed else "text",
        finish_reason="error" if failed else "stop",
        timings=Timings(**timings),
        concurrency=concurrency,
        recorded=recorded,
        **{"finished_unix_s": 1000.0 * (number + 1), **further},
    )


def test_percentiles_are_numpys():
    values = np.random.default_rng(0).lognormal(0, 1, 37)
    found = percentiles([values[:20], values[:0], values[20:]])
    assert (found.p50, found.p95, found.p99) == pytest.approx(tuple(np.percentile(values, [50, 95, 99])))
    assert (found.count, found.windows, found.p50_low) == (37, 2, None)
    assert percentiles([np.array([3.0])]) == Percentiles(p50=3.0, p95=3.0, p99=3.0, count=1, windows=1)
    assert percentiles([np.array([]), np.array([])]) == Percentiles()


def test_an_interval_comes_from_three_windows_or_more():
    found = percentiles([np.array([seconds]) for seconds in (1.0, 2.0, 4.0)])
    # t(2; 0.975) = 4.302653, sd of log 1, log 2, log 4 is log 2
    margin = 4.302653 * np.log(2) / np.sqrt(3)
    assert (found.p50_low, found.p50_high) == pytest.approx((2 * exp(-margin), 2 * exp(margin)), rel=1e-6)
    assert ratio_limits(2.0, [2.0, 2.0, 2.0]) == (2.0, 2.0)
    assert ratio_limits(2.0, [1.0, 2.0]) == ratio_limits(0.0, [0.0] * 5) == (None, None)


@pytest.mark.parametrize("drift", [0.0, 0.15])
def test_the_interval_covers_the_median(drift):
    """Lognormal texts (median 1 s), five windows of five, each window slowed or sped up as a whole."""
    generator = np.random.default_rng(5)
    covered = 0
    for _ in range(1000):
        factors = np.exp(generator.normal(0, drift, 5))
        found = percentiles([factor * generator.lognormal(0, 0.4, 5) for factor in factors])
        covered += found.p50_low <= 1.0 <= found.p50_high
    assert covered / 1000 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 1000)


def test_one_generation():
    summary = summarise_timings(column_of([made(latency_s=2.0, ttft_s=0.5, tokens=16)]), 8)
    assert summary.latency_s.p50 == 2.0
    assert summary.ttft_s.p99 == 0.5
    assert summary.tpot_s.p50 == pytest.approx(0.1)
    assert summary.throughput == Throughput(tokens_per_s=8.0, concurrency=1, windows=1)
    assert summary.provenance == "measured"


def test_times_between_tokens_are_pooled_over_texts():
    texts = [made(itl_s=(0.1, 0.2), itl_at="worker", window=0), made(itl_s=(0.3,), itl_at="worker", window=1)]
    summary = summarise_timings(column_of([*texts, made(), made(concurrency=4, itl_s=(9.0,), itl_at="client")]), 4)
    assert (summary.itl_s.p50, summary.itl_s.count, summary.itl_s.windows) == (0.2, 3, 2)
    assert summary.itl_at == "worker"


def test_generations_that_ran_beside_others_tell_no_latency():
    summary = summarise_timings(column_of([made(concurrency=4), made(concurrency=None)]), 4)
    assert (summary.latency_s, summary.ttft_s, summary.tpot_s) == (Percentiles(), Percentiles(), Percentiles())
    assert (summary.throughput.tokens_per_s, summary.throughput.concurrency) == (
        8.0,
        1,
    )  # four were allowed, one was there


def test_alone_and_beside_others_do_not_mix():
    summary = summarise_timings(
        column_of([made(latency_s=1.0), made(latency_s=9.0, concurrency=2, finished_unix_s=None)]), 2
    )
    assert (summary.latency_s.p99, summary.latency_s.count) == (1.0, 1)
    assert summary.throughput == Throughput()


def test_throughput_counts_the_seconds_in_which_a_text_was_in_flight():
    """Six texts of 30 tokens in three windows: two at a time for 2, 4 and 8 s, with hours between."""
    load = [
        made(tokens=30, latency_s=seconds, concurrency=3, window=window, finished_unix_s=1e5 * (window + 1))
        for window, seconds in enumerate((2.0, 4.0, 8.0))
        for _ in range(2)
    ]
    found = summarise_timings(column_of(load), 3).throughput
    assert (found.tokens_per_s, found.concurrency, found.windows) == (180 / 14, 2, 3)
    assert found.low < 180 / 14 < found.high
    assert found.low == pytest.approx(180 / 14 * exp(-4.302653 * np.log(2) / np.sqrt(3)), rel=1e-6)
    unknown = summarise_timings(column_of([*load, made(tokens=None, concurrency=3)]), 3)
    assert unknown.throughput == Throughput()


def test_failures_have_no_latency_of_a_text_but_take_time():
    summary = summarise_timings(column_of([made(latency_s=1.0), made(latency_s=60.0, failed=True)]), 8)
    assert summary.latency_s == Percentiles(p50=1.0, p95=1.0, p99=1.0, count=1, windows=1)
    assert summary.throughput.tokens_per_s == 16 / 61
    assert summarise_timings(column_of([made(failed=True)]), 1).throughput == Throughput()


def test_unknown_parts_stay_unknown():
    summary = summarise_timings(column_of([made(ttft_s=None), made(tokens=None)]), 1)
    assert summary.latency_s.count == 2
    assert summary.ttft_s.count == 1
    assert (summary.tpot_s, summary.itl_s, summary.itl_at) == (Percentiles(), Percentiles(), None)
    assert summary.throughput.tokens_per_s is None


def test_time_per_token_is_from_the_first_piece_of_anything():
    (found,) = tpot_s(column_of([made(ttft_s=1.5, tokens=16, pieces=9, first_piece_s=0.5)]))
    assert found == pytest.approx((2.0 - 0.5) / 15)


@pytest.mark.parametrize("further", [{"pieces": 1, "first_piece_s": 2.0}, {"pieces": 9, "first_piece_s": None}])
def test_a_pace_that_nobody_saw_is_unknown(further):
    """All came at once, or thoughts were counted and not shown: never 0, and never the text's time over the thoughts' tokens."""
    column = column_of([made(ttft_s=2.0, **further)])
    assert np.isnan(tpot_s(column)).all()
    assert summarise_timings(column, 1).tpot_s == Percentiles()


@pytest.mark.parametrize("tokens", [None, 0, 1])
def test_one_token_has_no_time_per_further_token(tokens):
    assert np.isnan(tpot_s(column_of([made(tokens=tokens)]))).all()


def test_recorded_times_are_reported_not_measured():
    recorded = made(latency_s=3.0, ttft_s=None, concurrency=None, recorded=True, finished_unix_s=None)
    summary = summarise_timings(column_of([recorded]), 8)
    assert (summary.latency_s.p50, summary.provenance) == (3.0, "reported")
    assert summary.throughput == Throughput()
    assert summarise_timings(column_of([]), 8).provenance is None


def test_what_was_in_flight_is_told_and_not_what_was_allowed():
    """Texts of one second, the next begins as another ends: never more than two at a time, whatever was allowed."""
    texts = [made(latency_s=1.0, concurrency=8, window=0, finished_unix_s=1000.0 + number // 2) for number in range(10)]
    assert most_at_once(column_of(texts)) == 2
    assert summarise_timings(column_of(texts), 8).throughput.concurrency == 2
    one_more = made(latency_s=2.5, concurrency=2, window=0, finished_unix_s=1003.0)
    assert most_at_once(column_of([*texts, one_more])) == 3
    assert (
        summarise_timings(
            column_of([text.model_copy(update={"concurrency": 2}) for text in [*texts, one_more]]), 2
        ).throughput.concurrency
        == 2
    )


def test_all_workers_of_a_cluster_are_told_together():
    """Sixteen texts of a second at the same time, four at each of four workers; those written alone stay one at a time."""
    texts = [made(latency_s=1.0, concurrency=4, window=1, finished_unix_s=1000.0) for _ in range(16)]
    column = column_of([*texts, made(latency_s=1.0, window=0, finished_unix_s=500.0)])
    found = summarise_timings(column, 4, workers=4).throughput
    assert (found.tokens_per_s, found.concurrency) == (16 * 16, 16)
    assert summarise_timings(column, 4).throughput.concurrency == 4
    overlapping = [made(latency_s=1.0, window=0, finished_unix_s=1000.0) for _ in range(2)]
    assert summarise_timings(column_of(overlapping), 1, workers=4).throughput.concurrency == 1


def test_seconds_of_workers_that_were_at_work_at_the_same_time_add_up():
    """One text for 4 s, a second from the start for 2 s, a third for the last second, and one alone for 3 s much later."""
    times = [(4.0, 104.0), (2.0, 102.0), (1.0, 104.0), (3.0, 203.0)]
    column = column_of([made(latency_s=latency, finished_unix_s=finished) for latency, finished in times])
    assert busy_seconds(column) == 7.0
    assert [worker_seconds(column, workers) for workers in (1, 2, 3, 8)] == [7.0, 10.0, 10.0, 10.0]
    assert worker_seconds(column, 2, np.array([0, 3])) == 7.0
    assert worker_seconds(column_of([made(latency_s=None)]), 2) is None
    assert worker_seconds(column_of([]), 2) is None
