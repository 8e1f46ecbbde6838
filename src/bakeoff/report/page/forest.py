"""Estimates with their intervals, one row each, over the points that they come from (a forest plot). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

from bakeoff.report.page.scale import Scale
from bakeoff.report.page.svg import Caption, chart, dot, line, percent, tag, words
from bakeoff.report.page.thinning import thinned

Tone = Literal["choice", "leader", "plain", "out", "sure"]
"""How a row stands out: `sure` is a difference that is shown, `out` somebody who left the race."""
_ROW, _SMALL = 62.0, 40.0
_TOP = 8.0
_AXIS = 26.0
_SPREAD = 7.0
"""How far points are moved up and down, so that equal ones are seen."""
MOST_POINTS = 300
"""Points that are drawn in a row, at the most."""


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate. `points` are what was averaged; `also` is an estimate to show hollow beside it, such as on other briefs."""

    name: str
    estimate: float | None
    low: float | None
    high: float | None
    value: str
    tone: Tone = "plain"
    note: str = ""
    points: Sequence[float] = field(default=())
    also: float | None = None


def forest(
    caption: Caption,
    rows: Sequence[Row],
    scale: Scale,
    *,
    small: bool = False,
    threshold: float | None = None,
    band: tuple[float, float] | None = None,
    ends: tuple[str, str] | None = None,
) -> Markup:
    """Return the chart.

    Args:
        caption: in words.
        rows: from top to bottom.
        scale: of the values.
        small: less high, without points.
        threshold: a value that was asked for.
        band: values that make no difference.
        ends: what it means to be far to the left, and to the right.
    """
    step = _SMALL if small else _ROW
    bottom = _TOP + step * len(rows)
    parts: list[Markup] = []
    if band is not None:
        left, right = scale.share(band[0]), scale.share(band[1])
        wide = f"{(right - left) * (100 - 3.2):.2f}%"
        parts.append(tag("rect", x=percent(left), y=_TOP, width=wide, height=bottom - _TOP, class_="band"))
    parts += _axis(scale, bottom, ends)
    if threshold is not None:
        at = percent(scale.share(threshold))
        parts += [line(at, _TOP, at, bottom, "threshold"), words(at, _TOP + 4, "asked for", "tick", "middle")]
    for number, row in enumerate(rows):
        parts.append(_row(row, _TOP + step * number, scale, small=small))
    return chart(caption, bottom + _AXIS + (16 if ends else 0), *parts)


def _axis(scale: Scale, bottom: float, ends: tuple[str, str] | None) -> list[Markup]:
    parts = []
    for tick in scale.ticks():
        at = percent(scale.share(tick))
        parts.append(line(at, _TOP, at, bottom, "zero" if tick == 0 and scale.low < 0 else "grid"))
        parts.append(words(at, bottom + 16, _number(tick, signed=scale.low < 0), "tick", _anchor(scale.share(tick))))
    if ends is not None:
        parts += [words(0, bottom + 36, ends[0], "tick"), words("100%", bottom + 36, ends[1], "tick", "end")]
    return parts


def _row(row: Row, top: float, scale: Scale, *, small: bool) -> Markup:
    middle = top + (29.0 if small else 42.0)
    parts = [
        words(0, top + 15, row.name, "name"),
        words("100%", top + 15, row.value, "value", "end"),
    ]
    for number, point in enumerate(() if small else thinned(row.points, MOST_POINTS)):
        # The golden ratio spreads neighbours evenly, the same way every time.
        away = ((number * 0.618034) % 1.0 - 0.5) * 2 * _SPREAD
        parts.append(dot(percent(scale.share(point)), middle + away, 2.4, "point"))
    if row.low is not None and row.high is not None:
        low, high = percent(scale.share(row.low)), percent(scale.share(row.high))
        parts.append(line(low, middle, high, middle, "interval"))
        if not small:
            parts += [line(end, middle - 5, end, middle + 5, "cap") for end in (low, high)]
    if row.also is not None and not small:
        parts.append(dot(percent(scale.share(row.also)), middle, 5.0, "also", tip=row.note))
    if row.estimate is not None:
        tip = f"{row.name}: {row.value}"
        parts.append(dot(percent(scale.share(row.estimate)), middle, 4.5 if small else 6.0, "estimate", tip=tip))
    return tag("g", *parts, class_=f"row {row.tone}")


def _anchor(share: float) -> str | None:
    return None if share < 0.02 else "end" if share > 0.98 else "middle"


def _number(value: float, *, signed: bool) -> str:
    return f"{value:+g}".replace("-", "−") if signed and value else f"{value:g}"
