"""Rules of metrics that are more than one field of a document: ratios, differences, capacities. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from bakeoff.report.contested import contested, same_briefs
from bakeoff.report.metric_values import (
    GIB,
    Rule,
    Subject,
    Value,
    loaded,
    money_provenance,
    number_at,
    scored,
    timed,
    unknown,
)
from bakeoff.report.tails import LEAST, Tail, tail

NO_CALL = "no brief or content type of the run asks for a call to action"
_NO_BUDGET = "this machine does not say how much memory models may take"
_MS, _HOUR_S, _DAY_H, _JOULES_PER_KWH = 1000.0, 3600.0, 24.0, 3.6e6
_CPU = {"cpu"}


def none(_subject: Subject) -> Value:
    """Return nothing: the row stands for others."""
    return unknown("the row stands for others")


def half_width(subject: Subject) -> Value:
    """Return half the width of the quality interval, which need not be symmetric."""
    low, high = number_at(subject.candidate, "quality.low"), number_at(subject.candidate, "quality.high")
    if low is None or high is None:
        return unknown("there was nothing to estimate it from")
    return Value((high - low) / 2, "derived")


def in_contest(subject: Subject) -> Value:
    """Return the mean on the briefs that all competed on; none where they did not write the same ones, as in most races."""
    if not same_briefs(subject.run):
        return unknown("candidates wrote different briefs: their paired differences compare them")
    number = number_at(contested(subject.candidate), "estimate")
    return unknown("there was nothing to estimate it from") if number is None else Value(number, "derived")


def tail_of(field: str, name: Tail) -> Rule:
    """Return a rule for a percentile far out, in milliseconds: none of too few values."""

    def rule(subject: Subject) -> Value:
        found = timed(f"{field}.{name}", _MS)(subject)
        if found.number is None or tail(subject.candidate[field], name) is not None:
            return found
        return unknown(
            f"a {name} takes {LEAST[name]} values at least, and there are {subject.candidate[field]['count']}"
        )

    return rule


def over_baseline(field: Literal["difference", "low", "high"]) -> Rule:
    """Return a rule for the paired difference to the baseline, turned so that positive is better than it."""

    def rule(subject: Subject) -> Value:
        baseline, own = subject.run.get("baseline"), subject.candidate["id"]
        if baseline is None or baseline == own:
            return unknown("it is the baseline itself" if baseline else "no baseline competes in this run")
        for pair in subject.run["comparisons"]:
            if {pair["a"], pair["b"]} == {baseline, own}:
                return _turned(pair, field, ahead=pair["a"] == own)
        return unknown("it was not compared with the baseline on the same briefs")

    return rule


def _turned(pair: Mapping[str, Any], field: str, *, ahead: bool) -> Value:
    other = {"low": "high", "high": "low"}.get(field, field)
    number = pair[field if ahead else other]
    if number is None:
        return unknown("too few families of briefs for an interval")
    return Value(float(number) if ahead else -float(number), "derived")


def dimension(name: str) -> Rule:
    """Return a rule for the mean of a dimension."""

    def rule(subject: Subject) -> Value:
        number = subject.candidate["dimensions"][name]
        return unknown("it applied to no text") if number is None else Value(float(number), "derived")

    return rule


def in_type(content_type: str, field: str) -> Rule:
    """Return a rule for quality in a content type, whose name may hold anything."""

    def rule(subject: Subject) -> Value:
        number = subject.candidate["by_content_type"][content_type][field]
        return unknown("it wrote nothing of that type") if number is None else Value(float(number), "derived")

    return rule


def device_peak(subject: Subject) -> Value:
    """Return the peak of an accelerator's allocator."""
    if str(subject.candidate.get("device")) in _CPU:
        return unknown("it ran on the CPU")
    return loaded("device_peak_bytes", 1.0 / GIB)(subject)


def over_weights(subject: Subject) -> Value:
    """Return how many times its weights a candidate takes."""
    peak, weights = (number_at(subject.candidate, name) for name in ("peak_memory_bytes", "weight_bytes"))
    if not peak or not weights:
        return loaded("peak_memory_bytes")(subject) if not peak else unknown("its weights were not told")
    return Value(peak / weights, "derived")


def budget_share(subject: Subject) -> Value:
    """Return the share of the memory budget that its peak is."""
    peak = number_at(subject.candidate, "peak_memory_bytes")
    if peak is None or not subject.budget_bytes:
        return loaded("peak_memory_bytes")(subject) if peak is None else unknown(_NO_BUDGET)
    return Value(peak / subject.budget_bytes, "derived")


def deployable(subject: Subject) -> Value:
    """Return how many copies of it fit into the budget at once."""
    peak = number_at(subject.candidate, "peak_memory_bytes")
    if not peak or not subject.budget_bytes:
        return loaded("peak_memory_bytes")(subject) if not peak else unknown(_NO_BUDGET)
    return Value(float(subject.budget_bytes // peak), "derived")


def texts_per_kwh(subject: Subject) -> Value:
    """Return how many texts a kilowatt-hour writes."""
    held = subject.candidate["energy_j_per_generation"]
    joules = number_at(held, "value")
    return Value(_JOULES_PER_KWH / joules, held["provenance"]) if joules else unknown(str(held.get("reason")))


def usd_per_1k_requests(subject: Subject) -> Value:
    """Return electricity of a thousand requests: of a thousand usable texts, times the share that is usable."""
    electricity, accepted = number_at(subject.cost, "local.electricity_cost"), number_at(subject.cost, "accepted")
    if electricity is None or accepted is None:
        return unknown(subject.cost.get("missing") or "its cost is not known")
    return Value(1000 * electricity * accepted, money_provenance(subject))


def cloud_cost(subject: Subject) -> Value:
    """Return what a thousand texts cost in the cloud, by a price list or as somebody stated."""
    number = number_at(subject.cost, "cloud.cost")
    if number is None:
        return unknown(subject.cost.get("missing") or "no price of a cloud is known")
    return Value(1000 * number, "derived")


def roi(subject: Subject) -> Value:
    """Return what a usable text saves, as a multiple of what it costs here."""
    saved, spent = number_at(subject.cost, "saving.estimate"), number_at(subject.cost, "local.total")
    if saved is None or not spent:
        return unknown(subject.cost.get("missing") or "its cost is not known, or nothing")
    return Value(saved / spent, money_provenance(subject))


def break_even(subject: Subject) -> Value:
    """Return the volume from which this machine is cheaper."""
    if subject.cost.get("break_even_per_day") == "never":
        return unknown("never: each text costs more here than in the cloud")
    number = number_at(subject.cost, "break_even_per_day")
    if number is None:
        return unknown(
            subject.cost.get("missing") or "nobody stated the price of the hardware, its upkeep or its idle watts"
        )
    return Value(number, money_provenance(subject))


def error_rate(subject: Subject) -> Value:
    """Return the share of requests that ended without a text."""
    found = scored("success_rate.estimate")(subject)
    return found if found.number is None else Value(1.0 - found.number, "derived")


def answers(kind: str) -> Rule:
    """Return a rule for how many answers were of a kind; a kind that did not occur occurred 0 times."""

    def rule(subject: Subject) -> Value:
        return Value(float(subject.candidate["answers_by_kind"].get(kind, 0)), "measured")

    return rule


def accelerated(subject: Subject) -> Value:
    """Return 1 where an accelerator did all the work, as measured by the worker; 0 where the CPU did some or all of it."""
    device = subject.candidate.get("device")
    if device is None:
        return unknown("nobody told where it runs")
    on_cpu = any(part.strip().partition(":")[0] in _CPU for part in str(device).split("+"))
    return Value(0.0 if on_cpu or subject.candidate["fallbacks"] else 1.0, "measured")


def types_led(subject: Subject) -> Value:
    """Return for how many content types the run's routes name the candidate."""
    routes = subject.run["routes"].values()
    return Value(float(sum(route["candidate"] == subject.candidate["id"] for route in routes)), "derived")


def texts_per_hour(subject: Subject) -> Value:
    """Return texts an hour: output tokens a second over the mean tokens of a text."""
    return _hourly(subject, "tokens_per_s")


def daily(end: Literal["estimate", "low", "high"]) -> Rule:
    """Return a rule for usable texts a day. Both factors have 95 % intervals: their ends together hold for 90 % at least."""

    def rule(subject: Subject) -> Value:
        hourly = _hourly(subject, "tokens_per_s" if end == "estimate" else f"tokens_per_s_{end}")
        share = number_at(subject.candidate, f"publishable_rate.{end}")
        if hourly.number is None:
            return hourly
        if share is None:
            return unknown("the share of publishable texts is not known")
        return Value(hourly.number * _DAY_H * share, "derived")

    return rule


def _hourly(subject: Subject, path: str) -> Value:
    rate, tokens = number_at(subject.candidate, path), number_at(subject.texts, "completion_tokens")
    if rate is None or not tokens:
        return unknown("its tokens a second, or the tokens of its texts, are not known")
    return Value(rate / tokens * _HOUR_S, "derived")
