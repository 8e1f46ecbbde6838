"""The table of metrics: names that trackers take, every indicator of the seed, nothing known that nobody knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bakeoff.report.metric_values import Found, Subject, exported_name
from bakeoff.report.metrics import GROUPS, METRICS, metric_words, metrics_of, metrics_page
from bakeoff.report.tracked import verdict_of

ROOT = Path(__file__).parents[2]
SEED = {
    "inference_latency_ms", "tokens_per_second", "memory_usage_gb", "load_time_seconds", "success_rate", "error_rate",
    "mps_acceleration", "content_quality_score", "mean_quality", "confidence_interval", "sample_size", "cost_per_request",
    "cost_savings_percent", "annual_savings_projection", "content_generation_rate", "business_content_suitability",
    "lead_generation_potential", "models_deployable", "daily_content_capacity", "roi_per_content_piece",
}  # fmt: skip
GIB = 1 << 30


def estimate(value: float | None, half: float = 0.5) -> dict[str, Any]:
    ends = (None, None) if value is None else (value - half, value + half)
    return {"estimate": value, "low": ends[0], "high": ends[1], "level": 0.95, "briefs": 20, "clusters": 10}


def times(value: float | None, count: int = 100) -> dict[str, Any]:
    names = ("p50", "p95", "p99", "p50_low", "p50_high")
    return {**dict.fromkeys(names, value), "count": 0 if value is None else count, "windows": 3}


def candidate(**changed: Any) -> dict[str, Any]:
    """A candidate of a document, everything known."""
    return {
        "id": "ann", "quality": estimate(7.0), "quality_t": estimate(7.0), "quality_in_selection": None, "confirmed": False,
        "publishable_rate": estimate(0.8, 0.1), "success_rate": estimate(0.9, 0.1), "mean_score_of_texts": 7.1,
        "keyword_heuristic": 6.0, "dimensions": {"length_quality": 9.0, "my (own)": None},
        "by_content_type": {"tweet": estimate(6.0), "odd.name": estimate(None)}, "timing_provenance": "measured",
        "latency_s": times(0.5), "ttft_s": times(0.1), "itl_s": times(0.01), "tpot_s": times(0.02), "tokens_per_s": 100.0,
        "tokens_per_s_low": 80.0, "tokens_per_s_high": 120.0, "peak_memory_bytes": 2 * GIB, "process_peak_bytes": 2 * GIB,
        "device_peak_bytes": None, "weight_bytes": GIB, "load_s": 1.0, "load_cold_s": 2.0, "load_warm_s": 0.5,
        "first_token_s": 0.1, "device": "cpu", "fallbacks": [], "unknown": [], "generations": 20, "failures": 2, "gated": 2,
        "answers_by_kind": {"text": 18, "timeout": 2}, "retries": 1,
        "energy_j_per_generation": {"value": 36.0, "low": 18.0, "high": 72.0, "provenance": "assumed", "reason": "ASSUMED"},
        **changed,
    }  # fmt: skip


COST = {
    "local": {"total": 0.002, "electricity_cost": 0.001, "idle_cost": None, "hardware_cost": None, "interval": estimate(0.002, 0.001)},
    "cloud": {"cost": 0.004}, "saving": estimate(0.002, 0.001), "saving_percent": 50.0, "annual_saving": estimate(None),
    "break_even_per_day": None, "capacity": {"busy_share": None}, "accepted": 0.5,
    "assumptions": [{"name": "watts", "provenance": "assumed"}, {"name": "tariff", "provenance": "reported"}],
}  # fmt: skip
TEXTS = {"completion_tokens": 50.0, "suitable": estimate(0.6, 0.1), "call_to_action": estimate(None)}
RUN = {
    "candidates": [],
    "baseline": "bob",
    "comparisons": [{"a": "bob", "b": "ann", "difference": -1.0, "low": -1.5, "high": -0.5}],
    "routes": {"tweet": {"candidate": "ann"}, "mail": {"candidate": "bob"}},
}


def found(own: dict[str, Any] | None = None, cost: dict[str, Any] | None = None, **run: Any) -> dict[str, Found]:
    metrics = metrics_of(Subject({**RUN, **run}, own or candidate(), COST if cost is None else cost, TEXTS, 8 * GIB))
    assert len({each.name for each in metrics}) == len(metrics)
    return {each.name: each for each in metrics}


def known(metrics: dict[str, Found]) -> dict[str, float]:
    return {name: each.value.number for name, each in metrics.items() if each.value.number is not None}


def test_every_indicator_of_the_seed_has_a_row() -> None:
    assert {name for row in METRICS for name in re.split(", ", row.seed) if name} == SEED


def test_names_are_what_trackers_take() -> None:
    for name in found():
        assert re.fullmatch(r"[a-z]+/[A-Za-z0-9_.-]+", name), name
        assert len(name) <= 100
    assert {row.name.partition("/")[0] for row in METRICS} == set(GROUPS)
    assert len({row.name for row in METRICS}) == len(METRICS)


def test_values_are_those_of_the_document() -> None:
    values = known(found())
    assert values["quality/mean"] == values["quality/in_contest"] == 7.0
    assert values["quality/half_width"] == 0.5
    assert (values["quality/over_base_low"], values["quality/over_baseline"], values["quality/over_base_high"]) == (
        0.5,
        1,
        1.5,
    )
    assert values["latency/p50_ms"] == 500.0
    assert values["memory/over_weights"] == 2.0
    assert values["business/deployable"] == 4.0
    assert values["memory/budget_share"] == 0.25
    assert values["reliability/error_rate"] == pytest.approx(0.1)
    assert values["reliability/truncated"] == 0.0
    assert values["business/texts_per_hour"] == 7200.0
    assert values["business/daily"] == pytest.approx(7200 * 24 * 0.8)
    assert values["business/daily_low"] == pytest.approx(80 / 50 * 3600 * 24 * 0.7)
    assert values["business/types_led"] == 1.0
    assert values["business/assumed_roi_per_piece"] == 1.0
    assert values["cost/assumed_usd_per_1k_req"] == 0.5
    assert values["cost/cloud_usd_per_1k"] == 4.0
    assert values["energy/assumed_texts_per_kwh"] == 100_000.0
    assert len(values) >= 50


def test_means_over_different_briefs_are_not_called_comparable() -> None:
    fresh = candidate(quality_in_selection={**estimate(6.5), "briefs": 30})
    other = candidate(id="bob", quality={**estimate(5.0), "briefs": 30})
    assert known(found(fresh, candidates=[fresh, other]))["quality/in_contest"] == 6.5
    out = candidate(id="bob", quality={**estimate(5.0), "briefs": 12})
    assert "different briefs" in found(fresh, candidates=[fresh, out])["quality/in_contest"].value.reason


@pytest.mark.parametrize(("count", "told"), [(2, []), (19, []), (20, ["p95"]), (99, ["p95"]), (100, ["p95", "p99"])])
def test_a_tail_takes_enough_texts(count: int, told: list[str]) -> None:
    metrics = found(candidate(**{name: times(0.5, count) for name in ("latency_s", "ttft_s", "itl_s", "tpot_s")}))
    tails = {name for name in metrics if re.search(r"p9[59]_ms$", name)}
    assert len(tails) == 6
    assert {name for name in known(metrics) if name in tails} == {name for name in tails if name[-6:-3] in told}
    assert metrics["latency/p99_ms"].value.reason == (
        "" if "p99" in told else f"a p99 takes 100 values at least, and there are {count}"
    )
    assert known(metrics)["latency/texts_timed"] == count


def test_what_is_not_known_has_a_reason_and_no_number() -> None:
    nothing = times(None)
    metrics = found(
        candidate(
            quality=estimate(None), quality_t=estimate(None), publishable_rate=estimate(None), success_rate=estimate(None),
            latency_s=nothing, ttft_s=nothing, itl_s=nothing, tpot_s=nothing, tokens_per_s=None, tokens_per_s_low=None,
            tokens_per_s_high=None, peak_memory_bytes=None, process_peak_bytes=None, weight_bytes=None, load_s=None,
            load_cold_s=None, load_warm_s=None, first_token_s=None, device=None, mean_score_of_texts=None,
            unknown=["peak memory: the server does not tell"],
            energy_j_per_generation={"value": None, "provenance": None, "reason": "no energy was measured"},
        ),
        {"missing": "it runs on somebody else's machine"},
    )  # fmt: skip
    assert not [name for name in known(metrics) if name.partition("/")[0] in {"memory", "load", "energy", "cost"}]
    assert not [name for name in known(metrics) if name.startswith("latency/") and name != "latency/texts_timed"]
    for name, each in metrics.items():
        assert (each.value.number is None) == bool(each.value.reason), name
    assert metrics["memory/peak_gib"].value.reason == "peak memory: the server does not tell"
    assert metrics["reliability/accelerated"].value.reason == "nobody told where it runs"
    assert metrics["business/saving_pct"].value.reason == "it runs on somebody else's machine"


def test_a_year_is_told_for_a_stated_volume_only() -> None:
    assert "no volume was stated" in found()["business/assumed_year_usd".replace("assumed_", "")].value.reason
    stated = {**COST, "annual_saving": estimate(73.0, 20)}
    assert known(found(cost=stated))["business/assumed_year_usd"] == 73.0


def test_money_is_assumed_as_soon_as_watts_or_tariff_are() -> None:
    measured = {**COST, "assumptions": [{"name": name, "provenance": "measured"} for name in ("watts", "tariff")]}
    assert "business/saving_pct" in known(found(cost=measured))
    assert "business/assumed_saving_pct" in known(found())
    assert exported_name("a/b", "reported") == "a/b"


def test_a_break_even_without_hardware_is_none() -> None:
    assert found()["business/break_even"].value.reason.startswith("nobody stated the price of the hardware")
    never = found(cost={**COST, "break_even_per_day": "never"})
    assert never["business/break_even"].value.reason.startswith("never")
    assert known(found(cost={**COST, "break_even_per_day": 40.0}))["business/assumed_break_even"] == 40.0


@pytest.mark.parametrize(
    ("device", "fallbacks", "expected"),
    [("mps", [], 1.0), ("cuda:0", [], 1.0), ("mps", ["aten::x"], 0.0), ("cpu", [], 0.0), ("cpu + mps", [], 0.0)],
)
def test_acceleration_is_what_was_seen(device: str, fallbacks: list[str], expected: float) -> None:
    assert known(found(candidate(device=device, fallbacks=fallbacks)))["reliability/accelerated"] == expected


def test_the_baseline_is_not_ahead_of_itself() -> None:
    assert found(baseline="ann")["quality/over_baseline"].value.reason == "it is the baseline itself"
    assert found(baseline=None)["quality/over_baseline"].value.reason == "no baseline competes in this run"


def test_names_of_the_users_become_words() -> None:
    assert "qtype/odd.name" in found()
    assert "qdim/my__own_" in found()
    long = metric_words(["ä/b" * 40])["ä/b" * 40]
    assert long.startswith("__b__b")
    assert len(long) == 60


@pytest.mark.parametrize(
    "types",
    [
        ("推文", "邮件"),
        ("press release", "press_release"),
        ("a", "a_low"),
        ("a", "a_low", "a_low_low"),
        ("x" * 70, "x" * 80),
    ],
)
def test_no_two_types_share_a_metric(types: tuple[str, ...]) -> None:
    own = candidate(by_content_type={name: estimate(float(place)) for place, name in enumerate(types)})
    metrics = known(found(own))  # `found` asserts that no name stands twice
    kept = [value for name, value in metrics.items() if name.startswith("qtype/")]
    assert sorted(kept) == sorted(place + end for place in range(len(types)) for end in (-0.5, 0.0, 0.5))


def test_a_name_means_the_same_for_every_candidate() -> None:
    own = candidate(dimensions={"a b": 1.0})
    other = candidate(id="bob", dimensions={"a b": 2.0, "a_b": 3.0})
    names = [
        {name for name in found(each, candidates=[own, other]) if name.startswith("qdim/")} for each in (own, other)
    ]
    assert names[0] < names[1]


def test_load_stands_beside_the_rate_that_was_measured_at_it() -> None:
    assert known(found(candidate(tokens_per_s_concurrency=3)))["latency/tok_s_in_flight"] == 3


def test_measured_energy_has_no_assumed_range() -> None:
    drawn = {"value": 36.0, "low": None, "high": None, "provenance": "measured", "reason": "RAPL", "net": None}
    metrics = found(candidate(energy_j_per_generation=drawn))
    assert metrics["energy/j_low"].value.reason == "it was measured: there is no assumed range"
    assert metrics["energy/net_j_per_text"].value.reason == "no meter measured it"


def test_verdicts() -> None:
    decision = {"choice": "ann", "equivalent": ["ann", "bob"], "leader": "ann"}
    race = {"overall": {"eliminations": [{"candidate": "cleo", "after": 1}]}}
    pairs = [
        {"a": "ann", "b": name, "p_adjusted": p, "level": 0.95}
        for name, p in (("dan", 0.2), ("eve", 0.01), ("fay", None))
    ]
    document = {"decision": decision, "race": race, "eps": 0.3, "comparisons": pairs}
    told = {name: verdict_of(document, name) for name in ("ann", "bob", "cleo", "dan", "eve", "fay", "gus")}
    assert told == {
        "ann": "chosen", "bob": "within 0.3 of the best", "cleo": "out after 1 family", "dan": "not shown to be worse",
        "eve": "worse than ann", "fay": "not shown to be worse", "gus": "not chosen",
    }  # fmt: skip
    nobody = {
        "decision": {"choice": None, "equivalent": [], "leader": "ann"},
        "race": None,
        "eps": 0.3,
        "comparisons": [],
    }
    assert verdict_of(nobody, "ann") == "leads, which is not enough to choose it"


def test_the_page_is_the_table() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    expected = metrics_page()
    assert expected in page, "write docs/metrics.md again: its tables are report.metrics.metrics_page()"
