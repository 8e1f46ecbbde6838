"""Elements of SVG as strings, every attribute and text escaped.

Charts of rows place things by percent and have no `viewBox`: they are as wide as there is room, at the same size of letters
from a phone to a poster. Every chart has a title and a description that say in words what it shows.
"""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup, escape

EDGE = 1.6
"""Percent left free at both ends, so that a mark at the end of the axis is whole."""

Value = str | float | int | None


class Caption(NamedTuple):
    """What a chart is called (`ident`, unique on the page), its title, and what it shows, for who cannot see it."""

    ident: str
    title: str
    description: str


def tag(name: str, *body: str, **attributes: Value) -> Markup:
    """Return an element; `stroke_width` is written `stroke-width`, `class_` is `class`, None is left out.

    >>> str(tag("text", "a < b", x=1.5, class_="n"))
    '<text x="1.5" class="n">a &lt; b</text>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(escape(part) for part in body)
    # Names are ours, and all that is not is escaped above.
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")  # noqa: S704


def chart(caption: Caption, height: float, *body: str, width: float | None = None) -> Markup:
    """Return a whole chart, `height` pixels high; as wide as there is room, or scaled from `width`."""
    parts = [
        tag("title", caption.title, id=f"{caption.ident}-t"),
        tag("desc", caption.description, id=f"{caption.ident}-d"),
        *body,
    ]
    view = None if width is None else f"0 0 {_value(width)} {_value(height)}"
    return tag(
        "svg",
        *parts,
        class_="chart" if width is None else "chart scaled",
        role="img",
        aria_labelledby=f"{caption.ident}-t {caption.ident}-d",
        viewBox=view,
        xmlns="http://www.w3.org/2000/svg",
        width="100%" if width is None else None,
        height=height if width is None else None,
    )


def percent(share: float) -> str:
    """Return a share of the axis as a place in the chart."""
    return f"{EDGE + share * (100 - 2 * EDGE):.2f}%"


def line(x1: Value, y1: Value, x2: Value, y2: Value, class_: str) -> Markup:
    """Return a line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def dot(x: Value, y: Value, radius: float, class_: str, *, tip: str = "") -> Markup:
    """Return a circle, with a tooltip where there is one."""
    return tag("circle", *([tag("title", tip)] if tip else []), cx=x, cy=y, r=radius, class_=class_)


def words(x: Value, y: Value, text: str, class_: str, anchor: str | None = None) -> Markup:
    """Return text; `anchor` is `middle` or `end` where it is not `start`."""
    return tag("text", text, x=x, y=y, class_=class_, text_anchor=anchor)


def _value(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
