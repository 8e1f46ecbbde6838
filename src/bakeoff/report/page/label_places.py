"""Where to write names beside marks, so that none covers another name or a mark. Pure.

Greedy: the most crowded mark first, each at the place that covers least of what is there already.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from math import hypot
from typing import NamedTuple

_LETTER = 6.7
_HEIGHT = 14.0
_RINGS = (9.0, 20.0, 34.0, 50.0, 70.0, 95.0)
_COVERED_LABEL, _COVERED_MARK, _OUTSIDE, _FAR = 60.0, 60.0, 200.0, 0.9
_CONFUSING = 5.0
"""For each pixel by which another mark is nearer to a name than its own: it would be read as that one's."""


class Box(NamedTuple):
    """A rectangle, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide * high if wide > 0 and high > 0 else 0.0


class Placed(NamedTuple):
    """Where a name goes: its box, and whether it stands so far from its mark that a line must join them."""

    box: Box
    joined: bool


def text_width(text: str) -> float:
    """Return about how many pixels a name takes at 12 px; letters of East Asia are twice as wide."""
    return sum(_LETTER * (1.8 if unicodedata.east_asian_width(letter) in "WF" else 1.0) for letter in text)


def place_labels(
    names: Sequence[str], marks: Sequence[tuple[float, float]], frame: Box, covered: Sequence[Box] = ()
) -> list[Placed]:
    """Return a place for each name beside its mark.

    Args:
        names: to write.
        marks: where each name's mark is.
        frame: what names must stay within.
        covered: other things that had better stay visible, such as bars of intervals.
    """
    dots = [Box(x - 6, y - 6, x + 6, y + 6) for x, y in marks]
    crowd = [-sum(1.0 / (1.0 + abs(x - a) + abs(y - b)) for a, b in marks) for x, y in marks]
    placed: dict[int, Placed] = {}
    for number in sorted(range(len(names)), key=crowd.__getitem__):
        taken = [found.box for found in placed.values()]
        costs = [
            (
                _cost(box, frame, taken, dots, covered) + _confusion(box, marks, number) + _FAR * ring + turn * 0.01,
                box,
                ring,
            )
            for ring in _RINGS
            for turn, box in enumerate(_around(marks[number], text_width(names[number]), ring))
        ]
        _, box, ring = min(costs, key=lambda found: found[0])
        placed[number] = Placed(box, joined=ring > _RINGS[0])
    return [placed[number] for number in range(len(names))]


def _cost(box: Box, frame: Box, taken: Sequence[Box], dots: Sequence[Box], covered: Sequence[Box]) -> float:
    outside = (
        max(0.0, frame.left - box.left)
        + max(0.0, box.right - frame.right)
        + max(0.0, frame.top - box.top)
        + max(0.0, box.bottom - frame.bottom)
    )
    return (
        _OUTSIDE * outside
        + _COVERED_LABEL * sum(box.overlap(other) for other in taken)
        + _COVERED_MARK * sum(box.overlap(other) for other in dots)
        + sum(box.overlap(other) for other in covered)
    )


def _confusion(box: Box, marks: Sequence[tuple[float, float]], own: int) -> float:
    away = [hypot(max(box.left - x, 0.0, x - box.right), max(box.top - y, 0.0, y - box.bottom)) for x, y in marks]
    return _CONFUSING * sum(max(0.0, away[own] + 4.0 - other) for number, other in enumerate(away) if number != own)


def _around(mark: tuple[float, float], width: float, ring: float) -> list[Box]:
    """Return boxes around a mark: right, left, above, below, and the corners."""
    x, y = mark
    half = _HEIGHT / 2
    starts = [
        (x + ring, y - half),
        (x - ring - width, y - half),
        (x - width / 2, y - ring - _HEIGHT),
        (x - width / 2, y + ring),
        (x + ring * 0.7, y - ring * 0.7 - _HEIGHT),
        (x + ring * 0.7, y + ring * 0.7),
        (x - ring * 0.7 - width, y - ring * 0.7 - _HEIGHT),
        (x - ring * 0.7 - width, y + ring * 0.7),
    ]
    return [Box(left, top, left + width, top + _HEIGHT) for left, top in starts]
