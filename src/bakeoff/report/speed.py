"""How fast each candidate is and what it takes, with how sure: two tables of a run's last screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import RenderableType

from bakeoff.core.units import bytes_text, digits, percent_text, seconds_text
from bakeoff.decide.wording import plural
from bakeoff.report.layout import Prose, bullets, cells, ranked, table, title
from bakeoff.report.tails import LEAST, tail

_WIDE = 2.0


def speed_and_memory(document: dict[str, Any], labels: dict[str, str]) -> Iterable[RenderableType]:
    """Yield the tables, for a `bakeoff.run/1` document; unknown numbers are dashes."""
    yield title("One text at a time: medians, with 95 % intervals over repeated windows")
    times = table("candidate", "latency", "p95", "first token", "between tokens")
    needs = table("candidate", "tokens/s", "load: disk", "cached", "memory")
    for candidate in ranked(document):
        label = labels[candidate["id"]]
        latency_s = candidate["latency_s"]
        medians = [_median(candidate.get(name)) for name in ("latency_s", "ttft_s", "itl_s")]
        times.add_row(*cells(label, medians[0], seconds_text(tail(latency_s, "p95")), *medians[1:]))
        loads = [seconds_text(candidate.get(name)) for name in ("load_cold_s", "load_warm_s")]
        needs.add_row(*cells(label, _rate(candidate), *loads, bytes_text(candidate["peak_memory_bytes"])))
    yield times
    yield Prose(_texts_timed(document), style="dim")
    yield title("What each one takes")
    yield needs
    before = _before_a_load(document, labels)
    if before:
        yield Prose(f"Before a load come the engine's library and the choice of its arithmetic: {before}.", style="dim")
    yield from bullets("Energy", energy_lines(document, labels))


def _texts_timed(document: dict[str, Any]) -> str:
    """Return of how many texts these times are, and from how many on a p95 is told."""
    counts = [each["latency_s"].get("count") or 0 for each in document["candidates"]]
    fewest, most = min(counts), max(counts)
    said = f"Of {plural(most, 'text')} each" if fewest == most else f"Of {fewest} to {most} texts each"
    return f"{said}." if fewest >= LEAST["p95"] else f"{said}; p95 takes {LEAST['p95']}."


def _before_a_load(document: dict[str, Any], labels: dict[str, str]) -> str:
    """Return what each candidate's start took beside loading, "" in documents of earlier versions: their loads hold it."""
    return "; ".join(
        f"{labels[each['id']]} {seconds_text(each['import_s'])} and {seconds_text(each['calibration_s'])}"
        for each in ranked(document)
        if each.get("import_s") is not None
    )


def energy_lines(document: dict[str, Any], labels: dict[str, str]) -> list[str]:
    """Return what texts drew: measured ones each with its source, assumed ones together and marked."""
    measured, assumed, how = [], [], ""
    for candidate in ranked(document):
        energy = candidate.get("energy_j_per_generation") or {}
        if energy.get("value") is None:
            continue
        label = labels[candidate["id"]]
        if energy["provenance"] == "assumed":
            assumed.append(f"{label} {energy['value']:.3g}")
            how = energy["reason"]
            continue
        token = energy.get("j_per_token")
        each = "" if token is None else f", {token:.3g} J a token"
        net = "" if energy.get("net") is None else f", {energy['net']:.3g} above idling"
        kind = "measured" if energy["provenance"] == "measured" else "estimated by the chip itself"
        measured.append(f"{label}: {energy['value']:.3g} J a text{each}{net}; {kind} ({energy['reason']})")
    return measured + ([f"joules a text: {', '.join(assumed)}. {how}"] if assumed else [])


def in_flight(document: dict[str, Any]) -> str:
    """Return with how many texts at a time tokens/s were measured, as the texts' own times say."""
    counts = {count for each in document["candidates"] if (count := each.get("tokens_per_s_concurrency")) is not None}
    if not counts:
        return "not measured"
    if counts == {1}:
        return "one text at a time"
    told = f"{max(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    return f"with {told} texts in flight at the most"


def _median(percentiles: dict[str, Any] | None) -> str:
    if percentiles is None:  # in documents of earlier versions
        return "-"
    return seconds_text(percentiles["p50"]) + _margin(percentiles["p50"], percentiles.get("p50_high"))


def _rate(candidate: dict[str, Any]) -> str:
    rate = candidate["tokens_per_s"]
    return "-" if rate is None else digits(rate) + _margin(rate, candidate.get("tokens_per_s_high"))


def _margin(estimate: float | None, high: float | None) -> str:
    """Return by which share, or from twice on by which factor, the interval goes up; it goes down by the same factor.

    >>> _margin(2.0, 2.5), _margin(2.0, 8.0), _margin(2.0, None)
    (' ±25 %', ' ×÷4.0', '')
    """
    if not estimate or high is None:
        return ""
    factor = high / estimate
    return f" ±{percent_text(factor - 1, 0)}" if factor < _WIDE else f" ×÷{factor:.1f}"
