"""Who was in the race for how long, and what ended it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bakeoff.report.page.forest import Tone
from bakeoff.report.page.scale import Scale
from bakeoff.report.page.svg import Caption, chart, dot, line, percent, tag, words

_ROW, _TOP, _AXIS = 46.0, 6.0, 38.0


@dataclass(frozen=True, slots=True)
class Lane:
    """One candidate: after how many families it left, and why; `out` is False for who was left at the end."""

    name: str
    until: int
    why: str
    out: bool
    tone: Tone = "plain"


def race_chart(caption: Caption, lanes: Sequence[Lane], families: int, cap: int) -> Markup:
    """Return the chart: `families` were looked at of the `cap` that there were at most."""
    scale = Scale(0.0, float(max(cap, 1)))
    bottom = _TOP + _ROW * len(lanes)
    parts = []
    for tick in scale.ticks(6):
        at = percent(scale.share(tick))
        anchor = None if tick == 0 else "end" if tick == cap else "middle"
        parts += [line(at, _TOP, at, bottom, "grid"), words(at, bottom + 16, f"{tick:g}", "tick", anchor)]
    if families < cap:
        at = percent(scale.share(families))
        parts.append(line(at, _TOP, at, bottom, "threshold"))
    parts.append(words("50%", bottom + 33, "families of briefs", "tick", "middle"))
    for number, lane in enumerate(lanes):
        top = _TOP + _ROW * number
        middle = top + 31
        end = percent(scale.share(lane.until))
        inside = [
            words(0, top + 16, lane.name, "name"),
            words("100%", top + 16, lane.why, "value", "end"),
            line(percent(0), middle, end, middle, "lane"),
            dot(end, middle, 5.0, "gone" if lane.out else "estimate", tip=f"{lane.name}: {lane.why}"),
        ]
        parts.append(tag("g", *inside, class_=f"row {lane.tone}"))
    return chart(caption, bottom + _AXIS, *parts)
