"""Single times of each candidate's texts, with their median and 95th percentile, on one axis. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bakeoff.report.page.forest import Tone
from bakeoff.report.page.scale import Scale
from bakeoff.report.page.svg import Caption, chart, dot, line, percent, tag, words
from bakeoff.report.page.thinning import thinned

_ROW, _TOP, _AXIS = 44.0, 4.0, 24.0
MOST = 150
"""Texts that are drawn of a candidate, at the most."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One candidate's times in seconds; the interval is the median's, None where it is not known."""

    name: str
    values: Sequence[float]
    p50: float | None
    p50_low: float | None
    p50_high: float | None
    p95: float | None
    value: str
    tone: Tone = "plain"


def distributions(caption: Caption, strips: Sequence[Strip], scale: Scale, say: Callable[[float], str]) -> Markup:
    """Return the chart; `say` writes a value of the axis."""
    bottom = _TOP + _ROW * len(strips)
    parts = []
    for tick in scale.ticks(5):
        at = percent(scale.share(tick))
        share = scale.share(tick)
        anchor = None if share < 0.03 else "end" if share > 0.97 else "middle"
        parts += [line(at, _TOP, at, bottom, "grid"), words(at, bottom + 16, say(tick), "tick", anchor)]
    parts += [_strip(strip, _TOP + _ROW * number, scale) for number, strip in enumerate(strips)]
    return chart(caption, bottom + _AXIS, *parts)


def _strip(strip: Strip, top: float, scale: Scale) -> Markup:
    middle = top + 31
    parts = [words(0, top + 15, strip.name, "name"), words("100%", top + 15, strip.value, "value", "end")]
    for number, value in enumerate(thinned(strip.values, MOST)):
        away = ((number * 0.618034) % 1.0 - 0.5) * 9
        parts.append(dot(percent(scale.share(value)), middle + away, 2.2, "point"))
    if strip.p50_low is not None and strip.p50_high is not None:
        low, high = percent(scale.share(strip.p50_low)), percent(scale.share(strip.p50_high))
        parts.append(line(low, middle, high, middle, "interval"))
    if strip.p95 is not None:
        at = percent(scale.share(strip.p95))
        parts.append(line(at, middle - 7, at, middle + 7, "p95"))
    if strip.p50 is not None:
        parts.append(dot(percent(scale.share(strip.p50)), middle, 5.0, "estimate", tip=f"{strip.name}: {strip.value}"))
    return tag("g", *parts, class_=f"row {strip.tone}")
