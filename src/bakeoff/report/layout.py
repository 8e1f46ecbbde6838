"""Parts that screens are made of: titles, tables, lists. Every string goes through rich's `Text`: no markup is interpreted."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bakeoff.report.contested import contested

_ANY_WIDTH = 10_000
_GLUE = "\u00a0"
_WORDS = {
    "assumption",
    "candidate",
    "content type",
    "decision",
    "how sure",
    "model",
    "run",
    "started",
    "state",
    "suite",
}


class Prose:
    """Running text, wrapped so that no percentage loses its sign to the next line; rich breaks at every kind of space."""

    def __init__(self, text: str, style: str = "") -> None:
        self._lines = text.replace(" %", f"{_GLUE}%").split("\n")
        self._style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        del console
        for line in self._lines:
            for part in textwrap.wrap(line, options.max_width, break_on_hyphens=False) or [""]:
                yield Text(part.replace(_GLUE, " "), style=self._style)


def title(text: str) -> Text:
    """Return a heading."""
    return Text(text, style="bold")


class FittingTable(Table):
    """A table whose cells are never cut or broken: headings fold first, then it turns into a list, a block a row.

    With `last_folds`, the cells of the last column go on in a next line before that, where they have so many columns at least.
    """

    last_folds: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table, or the list where its cells need more room than there is."""
        if any(self._needs(console, fold=fold) <= options.max_width for fold in (False, True)):
            yield from super().__rich_console__(console, options)
            return
        last = self.columns[-1]
        over = self._needs(console, fold=True) - options.max_width
        room = (last.max_width or 0) - over
        if self.last_folds is not None and room >= self.last_folds:
            last.min_width = last.max_width = room
            last.overflow = "fold"
            yield from super().__rich_console__(console, options)
            return
        yield from self._as_list(self._contents())

    def fits(self, console: Console) -> bool:
        """Return whether it can be printed there as a table with every cell in one line."""
        return self._needs(console, fold=True) <= console.width

    def _contents(self) -> list[list[str]]:
        return [[text.plain for text in column.cells if isinstance(text, Text)] for column in self.columns]

    def _needs(self, console: Console, *, fold: bool) -> int:
        """Give each column its width, headings in one line or folded at each space; return how wide that makes the table."""
        for column, texts in zip(self.columns, self._contents(), strict=True):
            heading = str(column.header)
            parts = heading.split() if fold else heading.splitlines()
            column.min_width = column.max_width = max([*map(cell_len, texts), *map(cell_len, parts), 1])
        return super().__rich_measure__(console, console.options.update_width(_ANY_WIDTH)).minimum

    def _as_list(self, contents: list[list[str]]) -> Iterable[RenderableType]:
        headings = [str(column.header).replace("\n", " ") for column in self.columns]
        for name, *values in zip(*contents, strict=True):
            yield Prose(name)
            told = [f"{heading} {value}" for heading, value in zip(headings[1:], values, strict=True) if value.strip()]
            yield Padding(Prose(" · ".join(item.replace(" ", _GLUE) for item in told)), (0, 0, 0, 2))


def table(*columns: str) -> FittingTable:
    """Return an empty table; columns of numbers are set to the right."""
    made = FittingTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    for name in columns:
        justify: JustifyMethod = "left" if name in _WORDS else "right"
        made.add_column(name, justify=justify)
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
        return sorted(document["candidates"], key=lambda candidate: -(contested(candidate)["estimate"] or 0.0))
    place = {name: number for number, name in enumerate(order)}
    return sorted(document["candidates"], key=lambda candidate: place.get(candidate["id"], len(place)))
