"""Quality against something that it costs: who is on the front, and who may be, given how sure the numbers are. Pure.

Less of x and more of y is better. A candidate is *beaten* where another one is surely better in both: its interval of x ends
below this one's begins (or its single value is smaller), and the paired difference in quality is above 0 by its interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

from bakeoff.report.page.label_places import Box, place_labels
from bakeoff.report.page.scale import Scale, fit_scale
from bakeoff.report.page.svg import Caption, chart, dot, line, tag, words

Standing = Literal["front", "maybe", "beaten"]
WIDTH, HEIGHT = 400.0, 330.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 12.0, 14.0, 44.0


@dataclass(frozen=True, slots=True)
class Spot:
    """One candidate; None where an end is not known."""

    key: str
    name: str
    x: float
    y: float
    x_low: float | None = None
    x_high: float | None = None
    y_low: float | None = None
    y_high: float | None = None
    chosen: bool = False


def standings(spots: Sequence[Spot], surely_better: Mapping[str, set[str]]) -> dict[str, Standing]:
    """Return how each one stands.

    Args:
        spots: the candidates.
        surely_better: candidate -> those whose quality is shown to be above its own.
    """
    on_front = {spot.key for spot in front(spots)}
    found: dict[str, Standing] = {}
    for spot in spots:
        beaten = any(
            other.key in surely_better.get(spot.key, ()) and _surely_less(other, spot)
            for other in spots
            if other is not spot
        )
        found[spot.key] = "front" if spot.key in on_front else "beaten" if beaten else "maybe"
    return found


def front(spots: Sequence[Spot]) -> list[Spot]:
    """Return the spots that no other one matches in both and passes in one, by x."""
    return [
        spot
        for spot in sorted(spots, key=lambda found: (found.x, -found.y))
        if not any(
            (other.x <= spot.x and other.y >= spot.y) and (other.x < spot.x or other.y > spot.y) for other in spots
        )
    ]


def _surely_less(other: Spot, spot: Spot) -> bool:
    return (other.x if other.x_high is None else other.x_high) < (spot.x if spot.x_low is None else spot.x_low)


def tradeoff(
    caption: Caption,
    spots: Sequence[Spot],
    standing: Mapping[str, Standing],
    axis: str,
    say: Callable[[float], str],
    name: Callable[[float], str],
) -> Markup:
    """Return the chart; `say` writes a value of a candidate, `name` a place on the x axis."""
    across = fit_scale([value for spot in spots for value in (spot.x, spot.x_low, spot.x_high) if value is not None])
    up = fit_scale(
        [value for spot in spots for value in (spot.y, spot.y_low, spot.y_high) if value is not None], log=False
    )
    up = Scale(max(0.0, up.low), min(10.0, up.high)) if up.low < 10 else up

    def at(x: float, y: float) -> tuple[float, float]:
        wide, high = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
        return _LEFT + across.share(x) * wide, _TOP + (1 - up.share(y)) * high

    parts = [*_grid(across, up, axis, name), *_front_line(spots, at)]
    bars = _steps(spots, at)
    for spot in spots:
        crossing, boxes = _bars(spot, at)
        bars += boxes
        parts.append(tag("g", *crossing, class_=f"spot {standing[spot.key]}{' chosen' if spot.chosen else ''}"))
    marks = [at(spot.x, spot.y) for spot in spots]
    frame = Box(_LEFT + 2, _TOP, WIDTH - 2, HEIGHT - _BOTTOM - 2)
    for spot, mark, place in zip(
        spots, marks, place_labels([spot.name for spot in spots], marks, frame, bars), strict=True
    ):
        box = place.box
        middle = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
        inside = [line(*mark, *_nearest(box, mark), "leash")] if place.joined else []
        inside += [
            dot(*mark, 5.5, "estimate", tip=f"{spot.name}: {spot.y:.2f} at {say(spot.x)}"),
            words(middle[0], box.bottom - 3.5, spot.name, "label", "middle"),
        ]
        parts.append(tag("g", *inside, class_=f"spot {standing[spot.key]}{' chosen' if spot.chosen else ''}"))
    return chart(caption, HEIGHT, *parts, width=WIDTH)


def _nearest(box: Box, mark: tuple[float, float]) -> tuple[float, float]:
    return min(max(mark[0], box.left), box.right), min(max(mark[1], box.top), box.bottom)


def _grid(across: Scale, up: Scale, axis: str, name: Callable[[float], str]) -> list[Markup]:
    parts = []
    foot = HEIGHT - _BOTTOM
    for tick in across.ticks(4):
        x = _LEFT + across.share(tick) * (WIDTH - _LEFT - _RIGHT)
        parts += [line(x, _TOP, x, foot, "grid"), words(x, foot + 16, name(tick), "tick", "middle")]
    for tick in up.ticks(5):
        y = _TOP + (1 - up.share(tick)) * (foot - _TOP)
        parts += [line(_LEFT, y, WIDTH - _RIGHT, y, "grid"), words(_LEFT - 7, y + 4, f"{tick:g}", "tick", "end")]
    parts.append(words((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, axis, "axis", "middle"))
    return parts


def _front_line(spots: Sequence[Spot], at: Callable[[float, float], tuple[float, float]]) -> list[Markup]:
    """Return the steps that join the front."""
    corners = [at(spot.x, spot.y) for spot in front(spots)]
    if len(corners) < 2:
        return []
    steps = [f"M{corners[0][0]:.1f} {corners[0][1]:.1f}", *(f"H{x:.1f}V{y:.1f}" for x, y in corners[1:])]
    return [tag("path", d="".join(steps), class_="front-line")]


def _steps(spots: Sequence[Spot], at: Callable[[float, float], tuple[float, float]]) -> list[Box]:
    """Return where the line of the front is, so that no name is written over it."""
    corners = [at(spot.x, spot.y) for spot in front(spots)]
    boxes = []
    for (x, y), (right, top) in pairwise(corners):
        boxes += [Box(x, y - 3, right, y + 3), Box(right - 3, top, right + 3, y)]
    return boxes


def _bars(spot: Spot, at: Callable[[float, float], tuple[float, float]]) -> tuple[list[Markup], list[Box]]:
    parts, boxes = [], []
    x, y = at(spot.x, spot.y)
    if spot.x_low is not None and spot.x_high is not None:
        left, right = at(spot.x_low, spot.y)[0], at(spot.x_high, spot.y)[0]
        parts.append(line(left, y, right, y, "bar"))
        boxes.append(Box(left, y - 3, right, y + 3))
    if spot.y_low is not None and spot.y_high is not None:
        foot, head = at(spot.x, spot.y_low)[1], at(spot.x, spot.y_high)[1]
        parts.append(line(x, foot, x, head, "bar"))
        boxes.append(Box(x - 3, head, x + 3, foot))
    return parts, boxes
