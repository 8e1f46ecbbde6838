"""Parts that screens are made of: titles, tables, lists. Every string goes through rich's `Text`: no markup is interpreted."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_WORDS = {"assumption", "candidate", "content type", "run", "how sure", "model"}


class Prose:
    """Running text, wrapped so that no percentage loses its sign to the next line; rich breaks at every kind of space."""

    def __init__(self, text: str, style: str = "") -> None:
        self._lines = text.replace(" %", "\u00a0%").split("\n")
        self._style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        del console
        for line in self._lines:
            for part in textwrap.wrap(line, options.max_width, break_on_hyphens=False) or [""]:
                yield Text(part.replace("\u00a0%", " %"), style=self._style)


def title(text: str) -> Text:
    """Return a heading."""
    return Text(text, style="bold")


def table(*columns: str) -> Table:
    """Return an empty table; columns of numbers are set to the right."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in columns:
        justify: JustifyMethod = "left" if name in _WORDS else "right"
        # A name that is short already is cut rather than broken into two lines.
        made.add_column(name, justify=justify, overflow="ellipsis" if name == "run" else "fold", no_wrap=name == "lead")
    return made


def cells(*values: str) -> list[Text]:
    """Return a table's row."""
    return [Text(value) for value in values]


def bullets(heading: str, lines: Sequence[str]) -> Iterable[RenderableType]:
    """Yield a heading with lines under it, nothing where there are none."""
    if lines:
        yield title(heading)
        for line in lines:
            yield Padding(Prose(line), (0, 0, 0, 2))


def ranked(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the candidates of a `bakeoff.run/1` document in its order; best mean first in one that has none yet."""
    order = document.get("ranked_by", {}).get("order")
    if order is None:
        return sorted(document["candidates"], key=lambda candidate: -(candidate["quality"]["estimate"] or 0.0))
    place = {name: number for number, name in enumerate(order)}
    return sorted(document["candidates"], key=lambda candidate: place.get(candidate["id"], len(place)))
