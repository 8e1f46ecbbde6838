"""Timings: from generations that ran alone, and never a silent zero."""

import numpy as np
import pytest

from bakeoff.core.records import Generation, Timings
from bakeoff.measure.timing import Percentiles, percentiles, summarise_timings, time_per_output_token_s


def made(latency_s=2.0, ttft_s=0.5, tokens=16, *, concurrency=1, failed=False, recorded=False, k=[0]):  # noqa: B006 - a counter
    k[0] += 1
    return Generation(
        trial=f"t{k[0]}",
        candidate="a",
        brief="b",
        replicate=k[0],
        seed=0,
        text=None if failed else "text",
        finish_reason="error" if failed else "stop",
        timings=Timings(latency_s=latency_s, ttft_s=ttft_s, completion_tokens=tokens),
        concurrency=concurrency,
        recorded=recorded,
    )


def test_percentiles_are_numpys():
    values = np.random.default_rng(0).lognormal(0, 1, 37).tolist()
    found = percentiles(values)
    assert (found.p50, found.p95, found.p99) == pytest.approx(tuple(np.percentile(values, [50, 95, 99])))
    assert found.count == 37
    assert percentiles([3.0]) == Percentiles(p50=3.0, p95=3.0, p99=3.0, count=1)


def test_one_generation():
    summary = summarise_timings([made(latency_s=2.0, ttft_s=0.5, tokens=16)])
    assert summary.latency_s.p50 == 2.0
    assert summary.ttft_s.p99 == 0.5
    assert summary.tpot_s.p50 == pytest.approx(0.1)
    assert (summary.tokens_per_s, summary.tokens_per_s_concurrency, summary.provenance) == (8.0, 1, "measured")


def test_generations_that_ran_beside_others_tell_no_latency():
    summary = summarise_timings([made(concurrency=4), made(concurrency=None)])
    assert (summary.latency_s, summary.ttft_s, summary.tpot_s) == (Percentiles(), Percentiles(), Percentiles())
    assert (summary.tokens_per_s, summary.provenance) == (None, None)


def test_alone_and_beside_others_do_not_mix():
    summary = summarise_timings([made(latency_s=1.0), made(latency_s=9.0, concurrency=2)])
    assert (summary.latency_s.p99, summary.latency_s.count) == (1.0, 1)
    assert summary.tokens_per_s is None


def test_throughput_under_load_needs_the_busy_time():
    load = [made(tokens=30, concurrency=3) for _ in range(6)]
    summary = summarise_timings(load, busy_s=4.0)
    assert (summary.tokens_per_s, summary.tokens_per_s_concurrency) == (45.0, 3)
    unknown = summarise_timings([*load, made(tokens=None, concurrency=3)], busy_s=4.0)
    assert unknown.tokens_per_s is None


def test_failures_have_no_latency_of_a_text():
    summary = summarise_timings([made(latency_s=1.0), made(latency_s=60.0, failed=True)])
    assert summary.latency_s == Percentiles(p50=1.0, p95=1.0, p99=1.0, count=1)
    assert summarise_timings([made(failed=True)]).tokens_per_s is None


def test_unknown_parts_stay_unknown():
    summary = summarise_timings([made(ttft_s=None), made(tokens=None)])
    assert summary.latency_s.count == 2
    assert summary.ttft_s.count == 1
    assert summary.tpot_s == Percentiles()
    assert summary.tokens_per_s is None


@pytest.mark.parametrize("tokens", [None, 0, 1])
def test_one_token_has_no_time_per_further_token(tokens):
    assert time_per_output_token_s(made(tokens=tokens)) is None


def test_recorded_times_are_reported_not_measured():
    summary = summarise_timings([made(latency_s=3.0, ttft_s=None, concurrency=None, recorded=True)])
    assert (summary.latency_s.p50, summary.provenance) == (3.0, "reported")
    assert summary.tokens_per_s is None
    assert summarise_timings([]).provenance is None


def test_no_time_is_no_busy_time():
    with pytest.raises(ValueError, match="busy seconds"):
        summarise_timings([made()], busy_s=0.0)
