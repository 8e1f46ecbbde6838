"""Every metric of a candidate: name, unit, meaning, and how it follows from a run's document. One table, for all outputs.

A row is worked out for one candidate (`metrics_of`). A name is `group/name_unit`; a row whose name ends in `<...>` stands for
as many metrics as the candidate has of it. What is not known has no value and a reason, never 0; what rests on an assumption
is exported as `group/assumed_...` (`metric_values`). `docs/metrics.md` is this table, and a test compares the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bakeoff.core.spec import content_hash
from bakeoff.report import metric_rules as rules
from bakeoff.report.metric_values import (
    GIB,
    Found,
    Rule,
    Subject,
    costed,
    counted,
    drawn,
    exported_name,
    loaded,
    scored,
    timed,
    written,
)

MS, MINUS_ONE, THOUSAND = 1000.0, -1.0, 1000.0
PER_GIB = 1.0 / GIB
_LONGEST = 60
"""Characters of a user's name in a metric's name."""
_VOLUME = "no volume was stated (--requests-per-day, or requests_per_day in the suite's tracking)"
_A_YEAR = f"{_VOLUME}, or one machine cannot write it"
_CLOUD = "no price of a cloud is known"


class Metric(NamedTuple):
    """A row: the name, the unit, what it means to a reader, where it comes from, and the rule that works it out.

    `seed` names the indicator of the first evaluation that it stands for, if it does.
    """

    name: str
    unit: str
    meaning: str
    origin: str
    rule: Rule
    seed: str = ""


GROUPS = {
    "quality": "how good the texts are, 0 to 10, and how sure that is",
    "qdim": "what the score is made of: plain means of each dimension over texts, exploratory",
    "qtype": "quality by content type; the types share the error budget, so intervals are wider",
    "latency": "one text at a time: from the request to the first token, between tokens, to the end; and tokens a second",
    "memory": "what the worker process takes, and how much of the budget that is",
    "load": "how long it takes until the model can write",
    "energy": "what a text draws; `assumed_` where no meter could be read",
    "cost": "money, of a thousand usable texts; `assumed_` where watts or tariff were assumed",
    "reliability": "how often a text comes, and what happened where it did not",
    "business": "what follows from all of it for whoever needs the texts",
}

METRICS: tuple[Metric, ...] = (
    Metric("quality/mean", "points", "score, mean over families of briefs; of a chosen candidate from briefs held back", "quality.estimate", scored("quality.estimate"), "content_quality_score, mean_quality"),
    Metric("quality/low", "points", "lower end of its 95 % interval", "quality.low", scored("quality.low")),
    Metric("quality/high", "points", "upper end of its 95 % interval", "quality.high", scored("quality.high")),
    Metric("quality/half_width", "points", "half the width of that interval", "quality", rules.half_width, "confidence_interval"),
    Metric("quality/t_low", "points", "lower end of Student's interval, for comparison", "quality_t.low", scored("quality_t.low")),
    Metric("quality/t_high", "points", "upper end of Student's interval, for comparison", "quality_t.high", scored("quality_t.high")),
    Metric("quality/briefs", "briefs", "briefs that the mean rests on", "quality.briefs", counted("quality.briefs"), "sample_size"),
    Metric("quality/families", "families", "families of briefs: what the interval counts", "quality.clusters", counted("quality.clusters")),
    Metric("quality/in_contest", "points", "the mean on the briefs that all competed on, which may be compared between candidates; unknown where they wrote different ones, as in a race that somebody left", "quality_in_selection.estimate, quality.estimate", rules.in_contest),
    Metric("quality/over_baseline", "points", "how far it is ahead of the baseline, on the same briefs", "comparisons", rules.over_baseline("difference")),
    Metric("quality/over_base_low", "points", "lower end of that difference's interval", "comparisons", rules.over_baseline("low")),
    Metric("quality/over_base_high", "points", "upper end of that difference's interval", "comparisons", rules.over_baseline("high")),
    Metric("quality/publishable", "share", "texts that pass every gate, mean over families", "publishable_rate.estimate", scored("publishable_rate.estimate")),
    Metric("quality/publish_low", "share", "lower end of its 95 % interval", "publishable_rate.low", scored("publishable_rate.low")),
    Metric("quality/publish_high", "share", "upper end of its 95 % interval", "publishable_rate.high", scored("publishable_rate.high")),
    Metric("quality/mean_of_texts", "points", "plain mean over the texts that came; leaves failures out, and is no estimate", "mean_score_of_texts", scored("mean_score_of_texts")),
    Metric("quality/keywords", "points", "the keyword heuristic of the first evaluation, for comparison only", "keyword_heuristic", scored("keyword_heuristic")),
    Metric("qdim/<dimension>", "points", "the dimension's plain mean", "dimensions", rules.none),
    Metric("qtype/<type>", "points", "quality in that content type", "by_content_type", rules.none),
    Metric("qtype/<type>_low", "points", "lower end of its interval", "by_content_type", rules.none),
    Metric("qtype/<type>_high", "points", "upper end of its interval", "by_content_type", rules.none),
    Metric("latency/p50_ms", "ms", "request to last byte, median", "latency_s.p50", timed("latency_s.p50", MS), "inference_latency_ms"),
    Metric("latency/p50_low_ms", "ms", "lower end of the median's interval, over repeated windows", "latency_s.p50_low", timed("latency_s.p50_low", MS)),
    Metric("latency/p50_high_ms", "ms", "upper end of it", "latency_s.p50_high", timed("latency_s.p50_high", MS)),
    Metric("latency/p95_ms", "ms", "request to last byte, 95th percentile; of 20 texts at least", "latency_s.p95", rules.tail_of("latency_s", "p95")),
    Metric("latency/p99_ms", "ms", "request to last byte, 99th percentile; of 100 texts at least", "latency_s.p99", rules.tail_of("latency_s", "p99")),
    Metric("latency/ttft_p50_ms", "ms", "time to first token, median", "ttft_s.p50", timed("ttft_s.p50", MS)),
    Metric("latency/ttft_p95_ms", "ms", "time to first token, 95th percentile; of 20 texts at least", "ttft_s.p95", rules.tail_of("ttft_s", "p95")),
    Metric("latency/ttft_p99_ms", "ms", "time to first token, 99th percentile; of 100 texts at least", "ttft_s.p99", rules.tail_of("ttft_s", "p99")),
    Metric("latency/itl_p50_ms", "ms", "time between two tokens, median", "itl_s.p50", timed("itl_s.p50", MS)),
    Metric("latency/itl_p95_ms", "ms", "time between two tokens, 95th percentile; of 20 times at least", "itl_s.p95", rules.tail_of("itl_s", "p95")),
    Metric("latency/tpot_p50_ms", "ms", "time per output token after the first, median over texts", "tpot_s.p50", timed("tpot_s.p50", MS)),
    Metric("latency/tpot_p95_ms", "ms", "the same, 95th percentile; of 20 texts at least", "tpot_s.p95", rules.tail_of("tpot_s", "p95")),
    Metric("latency/texts_timed", "texts", "texts written alone, which the times come from", "latency_s.count", counted("latency_s.count")),
    Metric("latency/tok_s", "tokens/s", "output tokens a second, with `latency/tok_s_in_flight` texts in flight", "tokens_per_s", timed("tokens_per_s"), "tokens_per_second"),
    Metric("latency/tok_s_low", "tokens/s", "lower end of its interval, over repeated windows", "tokens_per_s_low", timed("tokens_per_s_low")),
    Metric("latency/tok_s_high", "tokens/s", "upper end of it", "tokens_per_s_high", timed("tokens_per_s_high")),
    Metric("latency/tok_s_in_flight", "texts", "how many texts were in flight at a time, at the most, where tokens a second were measured", "tokens_per_s_concurrency", counted("tokens_per_s_concurrency")),
    Metric("memory/peak_gib", "GiB", "peak of whoever holds the weights: the accelerator's allocator, else the process", "peak_memory_bytes", loaded("peak_memory_bytes", PER_GIB), "memory_usage_gb"),
    Metric("memory/process_gib", "GiB", "peak of the worker process", "process_peak_bytes", loaded("process_peak_bytes", PER_GIB)),
    Metric("memory/device_gib", "GiB", "peak of the accelerator's allocator; on CUDA its context too, assumed", "device_peak_bytes", rules.device_peak),
    Metric("memory/weights_gib", "GiB", "the weights", "weight_bytes", loaded("weight_bytes", PER_GIB)),
    Metric("memory/over_weights", "ratio", "peak over weights", "peak_memory_bytes, weight_bytes", rules.over_weights),
    Metric("memory/budget_share", "share", "peak over the memory budget of where it ran", "peak_memory_bytes, budget", rules.budget_share),
    Metric("load/median_s", "s", "from the weights to ready to write, median over starts", "load_s", loaded("load_s"), "load_time_seconds"),
    Metric("load/cold_s", "s", "the same with the model's files not in memory", "load_cold_s", loaded("load_cold_s")),
    Metric("load/warm_s", "s", "the same with the model's files in memory", "load_warm_s", loaded("load_warm_s")),
    Metric("load/import_s", "s", "before that: importing the engine's library", "import_s", loaded("import_s")),
    Metric("load/calibration_s", "s", "before that: choosing the engine's arithmetic", "calibration_s", loaded("calibration_s")),
    Metric("load/ready_s", "s", "all three together", "ready_s", loaded("ready_s")),
    Metric("load/first_token_s", "s", "the first token after loading", "first_token_s", loaded("first_token_s")),
    Metric("energy/j_per_text", "J", "energy of a text", "energy_j_per_generation.value", drawn("value")),
    Metric("energy/j_low", "J", "lower end of the assumed range", "energy_j_per_generation.low", drawn("low")),
    Metric("energy/j_high", "J", "upper end of the assumed range", "energy_j_per_generation.high", drawn("high")),
    Metric("energy/net_j_per_text", "J", "less what idling takes", "energy_j_per_generation.net", drawn("net")),
    Metric("energy/j_per_token", "J", "energy of an output token", "energy_j_per_generation.j_per_token", drawn("j_per_token")),
    Metric("energy/watts", "W", "power while it writes", "energy_j_per_generation.watts", drawn("watts")),
    Metric("energy/idle_watts", "W", "power while nothing runs", "energy_j_per_generation.idle_watts", drawn("idle_watts")),
    Metric("energy/texts_per_kwh", "texts", "texts for a kilowatt-hour", "energy_j_per_generation.value", rules.texts_per_kwh),
    Metric("cost/usd_per_1k_req", "USD", "a thousand requests here, usable or not: electricity alone", "cost.local.electricity_cost, cost.accepted", rules.usd_per_1k_requests, "cost_per_request"),
    Metric("cost/usd_per_1k", "USD", "a thousand usable texts here, with idle time and hardware where stated", "cost.local.total", costed("local.total", THOUSAND)),
    Metric("cost/usd_per_1k_low", "USD", "lower end of its 90 % interval", "cost.local.interval.low", costed("local.interval.low", THOUSAND)),
    Metric("cost/usd_per_1k_high", "USD", "upper end of it", "cost.local.interval.high", costed("local.interval.high", THOUSAND)),
    Metric("cost/power_usd_per_1k", "USD", "electricity of a thousand usable texts", "cost.local.electricity_cost", costed("local.electricity_cost", THOUSAND)),
    Metric("cost/idle_usd_per_1k", "USD", "idle time charged to a thousand", "cost.local.idle_cost", costed("local.idle_cost", THOUSAND, why=_VOLUME)),
    Metric("cost/hw_usd_per_1k", "USD", "hardware charged to a thousand", "cost.local.hardware_cost", costed("local.hardware_cost", THOUSAND, why=_VOLUME)),
    Metric("cost/cloud_usd_per_1k", "USD", "a thousand texts of the same length in the cloud, by its price list", "cost.cloud.cost", rules.cloud_cost),
    Metric("cost/saves_usd_per_1k", "USD", "what a thousand save; negative where the cloud is cheaper", "cost.saving.estimate", costed("saving.estimate", THOUSAND, why=_CLOUD)),
    Metric("cost/saves_low", "USD", "lower end of its 90 % interval", "cost.saving.low", costed("saving.low", THOUSAND, why=_CLOUD)),
    Metric("cost/saves_high", "USD", "upper end of it", "cost.saving.high", costed("saving.high", THOUSAND, why=_CLOUD)),
    Metric("reliability/success", "share", "requests that ended with a text, mean over families", "success_rate.estimate", scored("success_rate.estimate"), "success_rate"),
    Metric("reliability/success_low", "share", "lower end of its 95 % interval", "success_rate.low", scored("success_rate.low")),
    Metric("reliability/success_high", "share", "upper end of it", "success_rate.high", scored("success_rate.high")),
    Metric("reliability/error_rate", "share", "requests that ended without one", "success_rate.estimate", rules.error_rate, "error_rate"),
    Metric("reliability/generations", "texts", "requests of the run", "generations", counted("generations")),
    Metric("reliability/failures", "texts", "those without a text", "failures", counted("failures")),
    Metric("reliability/gated", "texts", "texts that no gate lets through", "gated", counted("gated")),
    Metric("reliability/truncated", "texts", "texts cut off at the limit of tokens", "answers_by_kind.truncated", rules.answers("truncated")),
    Metric("reliability/empty", "texts", "answers without a character", "answers_by_kind.empty", rules.answers("empty")),
    Metric("reliability/refused", "texts", "requests that the model declined", "answers_by_kind.refused", rules.answers("refused")),
    Metric("reliability/retries", "requests", "requests that were made again", "retries", counted("retries")),
    Metric("reliability/accelerated", "0 or 1", "1: an accelerator was seen to do the work, with no operator on the CPU", "device, fallbacks", rules.accelerated, "mps_acceleration"),
    Metric("business/suitable", "share", "texts that are publishable and reach the threshold (param `threshold`)", "texts.suitable", written("suitable.estimate", "it wrote nothing"), "business_content_suitability"),
    Metric("business/suitable_low", "share", "lower end of its 95 % interval", "texts.suitable", written("suitable.low", "it wrote nothing")),
    Metric("business/suitable_high", "share", "upper end of it", "texts.suitable", written("suitable.high", "it wrote nothing")),
    Metric("business/cta", "share", "publishable texts with a call to action, of those whose brief or type asks for one", "texts.call_to_action", written("call_to_action.estimate", rules.NO_CALL), "lead_generation_potential"),
    Metric("business/cta_low", "share", "lower end of its 95 % interval", "texts.call_to_action", written("call_to_action.low", rules.NO_CALL)),
    Metric("business/cta_high", "share", "upper end of it", "texts.call_to_action", written("call_to_action.high", rules.NO_CALL)),
    Metric("business/texts_per_hour", "texts/h", "texts an hour with `latency/tok_s_in_flight` texts in flight, usable or not", "tokens_per_s, texts.completion_tokens", rules.texts_per_hour, "content_generation_rate"),
    Metric("business/daily", "texts/day", "usable texts a day, writing without a pause", "texts_per_hour, publishable_rate", rules.daily("estimate"), "daily_content_capacity"),
    Metric("business/daily_low", "texts/day", "with the lower ends of both intervals: 90 % at least together", "the same", rules.daily("low")),
    Metric("business/daily_high", "texts/day", "with the upper ends of both", "the same", rules.daily("high")),
    Metric("business/deployable", "models", "copies of it that fit into the memory budget at once, by its measured peak", "budget, peak_memory_bytes", rules.deployable, "models_deployable"),
    Metric("business/types_led", "types", "content types that the run routes to it", "routes", rules.types_led),
    Metric("business/saving_pct", "%", "cheaper than the cloud, a usable text; negative: dearer", "cost.saving_percent", costed("saving_percent", why=_CLOUD), "cost_savings_percent"),
    Metric("business/year_usd", "USD", "what a year saves at the stated volume, and only there", "cost.annual_saving.estimate", costed("annual_saving.estimate", why=_A_YEAR), "annual_savings_projection"),
    Metric("business/year_usd_low", "USD", "lower end of its 90 % interval", "cost.annual_saving.low", costed("annual_saving.low", why=_A_YEAR)),
    Metric("business/year_usd_high", "USD", "upper end of it", "cost.annual_saving.high", costed("annual_saving.high", why=_A_YEAR)),
    Metric("business/roi_per_piece", "ratio", "what a usable text saves over what it costs here: electricity alone, where neither volume nor hardware is stated", "cost.saving, cost.local.total", rules.roi, "roi_per_content_piece"),
    Metric("business/break_even", "texts/day", "volume from which this machine is cheaper, hardware charged; unknown where never", "cost.break_even_per_day", rules.break_even),
    Metric("business/busy_share", "share", "share of a day that the stated volume takes", "cost.capacity.busy_share", costed("capacity.busy_share", why=_VOLUME)),
)  # fmt: skip


def metrics_of(subject: Subject) -> list[Found]:
    """Return every metric of one candidate, known or not, in the order of the table; names are unique."""
    return [
        Found(exported_name(name, value.provenance), unit, value)
        for name, unit, rule in _spelt_out(subject)
        for value in [rule(subject)]
    ]


def _spelt_out(subject: Subject) -> Iterator[tuple[str, str, Rule]]:
    for row in METRICS:
        if "<" not in row.name:
            yield row.name, row.unit, row.rule
        elif row.name == "qdim/<dimension>":
            words = metric_words(_named_by_any(subject, "dimensions"))
            for name in subject.candidate["dimensions"]:
                yield f"qdim/{words[name]}", row.unit, rules.dimension(name)
        elif row.name == "qtype/<type>":
            yield from _by_type(subject, row.unit)


def _by_type(subject: Subject, unit: str) -> Iterator[tuple[str, str, Rule]]:
    fields = {"": "estimate", "_low": "low", "_high": "high"}
    words = metric_words(_named_by_any(subject, "by_content_type"), tuple(fields))
    for content_type in subject.candidate["by_content_type"]:
        for end, field in fields.items():
            yield f"qtype/{words[content_type]}{end}", unit, rules.in_type(content_type, field)


def _named_by_any(subject: Subject, field: str) -> list[str]:
    """Return the names that any candidate of the run has there, so that a word means the same for all of them."""
    return list(dict.fromkeys(name for each in (*subject.run["candidates"], subject.candidate) for name in each[field]))


def metric_words(names: Iterable[str], ends: Sequence[str] = ("",)) -> dict[str, str]:
    """Return each name of the user's as part of a metric's name: letters, digits, `_`, `-`, `.`, at most 60 of them.

    One that keeps too little of itself for that, being in another script, or that with one of its `ends` would be the word of
    another, has a hash of it at its end: two metrics of one name would be one, and the later value the only one.

    >>> metric_words(["Press release (long)", "tweet"])
    {'Press release (long)': 'Press_release__long_', 'tweet': 'tweet'}
    >>> metric_words(["a b", "a_b"])
    {'a b': 'a_b_5e229e24', 'a_b': 'a_b_3ebec71b'}
    """
    plain = {
        name: "".join(each if (each.isascii() and each.isalnum()) or each in "_-." else "_" for each in name)[:_LONGEST]
        for name in names
    }
    taken = Counter(f"{word}{end}" for word in plain.values() for end in ends)
    return {
        name: f"{word[: _LONGEST - 9]}_{content_hash(name)[:8]}"
        if not name.isascii() or any(taken[f"{word}{end}"] > 1 for end in ends)
        else word
        for name, word in plain.items()
    }


def metrics_page() -> str:
    """Return the table as it stands in `docs/metrics.md`."""
    lines: list[str] = []
    for group, meaning in GROUPS.items():
        lines += [f"### {group}/", "", f"{meaning[0].upper()}{meaning[1:]}.", ""]
        lines += ["| metric | unit | meaning | from | seed's name |", "|---|---|---|---|---|"]
        rows = [row for row in METRICS if row.name.startswith(f"{group}/")]
        lines += [f"| `{row.name}` | {row.unit} | {row.meaning} | `{row.origin}` | {row.seed} |" for row in rows]
        lines.append("")
    return "\n".join(lines)
