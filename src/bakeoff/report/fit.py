"""Predictions of memory as people read them: a table, and below it what they rest on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from bakeoff.catalog.fit import Prediction
from bakeoff.core.plain import printable
from bakeoff.core.units import bytes_text
from bakeoff.machine.budget import Budget

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

_STYLES = {"fits": "green", "tight": "yellow", "no": "red", "unknown": "magenta"}
_SAYS = {
    "tight": "tight: expected to fit, and may not",
    "unknown": "unknown: too little is known to say",
}
_PARTS = (
    ("weights", "weights_bytes"),
    ("KV cache", "kv_bytes"),
    ("scratch", "graph_bytes"),
    ("runtime", "runtime_bytes"),
)


_NARROW = 76
"""Columns under which numbers fold, so that names have room."""

_SIGNS = (" ", "/", ":@_.+-")
"""After which names are broken where they are too long for a line: the first that will do."""


class _Name:
    """Text with a model's name in it, which is broken inside a word only where there is no sign to break it at."""

    def __init__(self, text: str, style: str = "") -> None:
        self._text, self._style = text, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        del console
        for line in _broken(self._text, options.max_width, _SIGNS):
            yield Text(line.rstrip(), style=self._style, overflow="fold")


def _broken(text: str, width: int, signs: Sequence[str]) -> list[str]:
    lines = [""]
    sign = f"[{signs[0]}]"
    # After the last of a run of signs, but within no version: v1.0 stays whole.
    for piece in re.split(rf"(?<={sign})(?!{sign})(?!(?<=\d\.)\d)", text):
        if cell_len((lines[-1] + piece).rstrip()) <= width:
            lines[-1] += piece
        elif cell_len(piece.rstrip()) <= width or len(signs) == 1:
            lines.append(piece)
        else:
            lines += _broken(piece, width, signs[1:])
    return [line for line in lines if line]


def fit_lines(found: Sequence[tuple[Prediction, Budget]], width: int) -> Iterator[RenderableType]:
    """Yield the table and its notes, for a terminal of `width` columns."""
    table = Table(box=None, pad_edge=False, header_style="bold", width=min(width, 110))
    table.add_column("Model", ratio=1)
    narrow = width < _NARROW
    for name in ("Needs", "Between", "Longest\ncontext" if narrow else "Longest context", "Fits?"):
        table.add_column(name, justify="right", no_wrap=True)
    for prediction, _ in found:
        table.add_row(*_cells(prediction, narrow=narrow))
    yield table
    yield Text("")
    for prediction, _ in found:
        yield from _breakdown(prediction)
    yield Text("")
    for budget in dict.fromkeys((budget.value, budget.source) for _, budget in found):
        yield Text(f"Budget {bytes_text(budget[0])} ({printable(budget[1])}).")
    for says in dict.fromkeys(_SAYS[each.verdict] for each, _ in found if each.verdict in _SAYS):
        yield Text(f"{says[0].upper()}{says[1:]}.")
    for how in dict.fromkeys(prediction.provenance["high"] for prediction, _ in found):
        yield Text(f"Upper end, {how}.")
    yield Text("Other conditions:  --context --batch --engine --quantisation --kv-type --budget")


def _cells(prediction: Prediction, *, narrow: bool) -> tuple[RenderableType, ...]:
    need = prediction.need
    longest = "-" if prediction.max_context is None else f"{prediction.max_context:,}"
    between = "-" if need is None else f"{bytes_text(need.low)}{chr(10) if narrow else ' '}to {bytes_text(need.high)}"
    return (
        _Name(printable(prediction.model)),
        Text("-" if need is None else bytes_text(need.estimate)),
        Text(between),
        Text(longest),
        Text(prediction.verdict, style=_STYLES[prediction.verdict]),
    )


def _breakdown(prediction: Prediction) -> Iterator[RenderableType]:
    """Yield one paragraph: the parts, each with where it comes from, and what is not known."""
    need = prediction.need
    where = "on an accelerator" if prediction.where == "accelerator" else "on the CPU"
    head = f"{prediction.model}, {prediction.engine} {where}, {prediction.rows} x {prediction.tokens:,} tokens, "
    yield _Name(printable(f"{head}{prediction.kv_type} cache:"), "bold")
    lines = []
    if need is not None:
        for name, field in _PARTS:
            said = prediction.provenance[field].partition(":")[0]
            lines.append(f"  {name:<9}{bytes_text(getattr(need, field)):>10}  {said}")
        if need.load_peak_bytes >= need.estimate:
            lines.append(f"  {'loading':<9}{bytes_text(need.load_peak_bytes):>10}  the most, while it loads")
    lines += [f"  note: {printable(note)}" for note in prediction.notes]
    if lines:
        yield Text("\n".join(lines))
