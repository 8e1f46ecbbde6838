"""The charts of time, and of quality against what it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike

from bakeoff.core.generations import Generations
from bakeoff.core.units import money, seconds_text
from bakeoff.decide.shown import shown_ahead
from bakeoff.measure.selecting import ran_alone
from bakeoff.measure.timing import tpot_s
from bakeoff.report.contested import contested
from bakeoff.report.page.distributions import MOST, Strip, distributions
from bakeoff.report.page.facts import PageFacts
from bakeoff.report.page.forest import Tone
from bakeoff.report.page.quality import tone_of
from bakeoff.report.page.scale import fit_scale, seconds_tick
from bakeoff.report.page.story import leads_of
from bakeoff.report.page.svg import Caption
from bakeoff.report.page.thinning import thinned_words
from bakeoff.report.page.tradeoff import Spot, Standing, front, standings, tradeoff
from bakeoff.report.tails import LEAST, tail, tail_words


class Times(NamedTuple):
    """One chart of times; `chart` is None where nobody knows any, and `without` names who has none, `thinned` of whose texts some are drawn."""

    name: str
    explained: str
    chart: Markup | None
    without: list[str]
    thinned: str = ""


class Tradeoff(NamedTuple):
    """One chart of quality against a cost; `axis` says of what, and in which unit."""

    heading: str
    axis: str
    chart: Markup
    standing: dict[str, Standing]
    values: dict[str, str]
    front: list[str]
    note: str


class _Kind(NamedTuple):
    """A time: its field in the document, how it is called, and the column of it."""

    field: str
    name: str
    explained: str
    read: Callable[[Generations], ArrayLike]


_TIMES = (
    _Kind("latency_s", "Latency", "from the request to the last character", lambda made: made.latency_s),
    _Kind("ttft_s", "Time to first token", "from the request to the first character", lambda made: made.ttft_s),
    _Kind("tpot_s", "Time per output token", "after the first one", tpot_s),
)


def time_charts(facts: PageFacts, ranked: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[Times]:
    """Return the three distributions, of texts that were written alone (recorded ones as they were reported)."""
    tones = {one["id"]: tone_of(one["id"], facts.document) for one in ranked}
    return [_times(kind, ranked, names, facts.generations, tones) for kind in _TIMES]


def _times(
    kind: _Kind,
    ranked: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    generations: Mapping[str, Generations],
    tones: Mapping[str, Tone],
) -> Times:
    strips, without = [], []
    for one in ranked:
        found = one.get(kind.field) or {}
        if found.get("p50") is None:
            without.append(names[one["id"]])
            continue
        made = generations[one["id"]]
        values = np.asarray(kind.read(made))[ran_alone(made)]
        reported = " (reported)" if one["timing_provenance"] == "reported" else ""
        strips.append(
            Strip(
                name=names[one["id"]],
                values=values[np.nan_to_num(values) > 0].tolist(),
                p50=found["p50"],
                p50_low=found.get("p50_low"),
                p50_high=found.get("p50_high"),
                p95=tail(found, "p95"),
                value=f"{seconds_text(found['p50'])} {tail_words(found)}{reported}",
                tone=tones[one["id"]],
            )
        )
    if not strips:
        return Times(kind.name, kind.explained, None, without)
    ends = [
        value
        for strip in strips
        for value in (*strip.values, strip.p50, strip.p95, strip.p50_low, strip.p50_high)
        if value is not None and value > 0
    ]
    said = "; ".join(f"{strip.name} median {strip.value}" for strip in strips)
    title = f"{kind.name} of each candidate's texts"
    description = f"A dot for each text, a large one at the median, an upright line at the 95th percentile where there are {LEAST['p95']} texts. {said}."
    caption = Caption(f"times-{kind.field}", title, description)
    drawn = distributions(caption, strips, fit_scale(ends), seconds_tick)
    counts = {strip.name: len(strip.values) for strip in strips}
    return Times(kind.name, kind.explained, drawn, without, thinned_words(counts, MOST, "texts"))


def tradeoffs(facts: PageFacts, ranked: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[Tradeoff]:
    """Return quality against latency, memory and money, each where two candidates at least have both."""
    largest = max((one["peak_memory_bytes"] or 0 for one in ranked), default=0)
    unit, size = ("GiB", 1 << 30) if largest >= 1 << 30 else ("MiB", 1 << 20)
    assumed = any(_provenance(one) == "assumed" for one in ranked)
    electricity = "Electricity of 1,000 texts, at an assumed tariff" + (" and assumed watts" if assumed else "")
    kinds: tuple[tuple[str, str, str, _Read, Callable[[float], str], str], ...] = (
        ("latency", "Latency", "latency of a text (median)", _latency, seconds_text, ""),
        ("memory", "Memory", f"peak memory, {unit}", partial(_memory, size=size), lambda value: f"{value:,.4g}", ""),
        ("cost", "Cost", "electricity of 1,000 texts", _electricity, money, electricity),
    )
    better = {
        lead.behind: {one["id"] for one in ranked if lead.behind in _shown_behind(one["id"], facts.document)}
        for one in ranked
        for lead in leads_of(one["id"], facts.document["comparisons"])
    }
    found = []
    for key, heading, axis, read, say, note in kinds:
        spots = _spots(ranked, names, read, facts.document)
        if len(spots) < 2:
            continue
        standing = standings(spots, better)
        leading = [names[spot.key] for spot in front(spots)]
        said = "; ".join(f"{spot.name} {spot.y:.2f} at {say(spot.x)}" for spot in spots)
        drawn = tradeoff(
            Caption(
                f"pareto-{key}",
                f"Score against {heading.lower()}",
                f"Up is better, left is cheaper. On the front: {', '.join(leading)}. {said}.",
            ),
            spots,
            standing,
            axis,
            say,
            seconds_tick if say is seconds_text else say,
        )
        found.append(Tradeoff(heading, axis, drawn, standing, {spot.key: say(spot.x) for spot in spots}, leading, note))
    return found


_Read = Callable[[Mapping[str, Any]], tuple[float | None, float | None, float | None]]


def _spots(
    ranked: Sequence[Mapping[str, Any]], names: Mapping[str, str], read: _Read, document: Mapping[str, Any]
) -> list[Spot]:
    spots = []
    for one in ranked:
        value, low, high = read(one)
        quality = contested(one)
        if value is None or value <= 0 or quality["estimate"] is None:
            continue
        spots.append(
            Spot(
                key=one["id"],
                name=names[one["id"]],
                x=value,
                y=quality["estimate"],
                x_low=low,
                x_high=high,
                y_low=quality["low"],
                y_high=quality["high"],
                chosen=one["id"] == document["decision"]["choice"],
            )
        )
    return spots


def _shown_behind(name: str, document: Mapping[str, Any]) -> set[str]:
    return {lead.behind for lead in leads_of(name, document["comparisons"]) if shown_ahead(lead.pair, document) == name}


def _latency(one: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    found = one["latency_s"]
    return found["p50"], found.get("p50_low"), found.get("p50_high")


def _memory(one: Mapping[str, Any], size: int) -> tuple[float | None, float | None, float | None]:
    peak = one["peak_memory_bytes"]
    return None if peak is None else peak / size, None, None


def _electricity(one: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    found = one["cost_per_generation"]
    value, low, high = (
        None if end is None else 1000 * end for end in (found["value"], found.get("low"), found.get("high"))
    )
    return value, low, high


def _provenance(one: Mapping[str, Any]) -> str | None:
    provenance: str | None = one["energy_j_per_generation"]["provenance"]
    return provenance
