"""Predictions of memory as people read them: a table, and below it what they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from bakeoff.catalog.fit import Prediction
from bakeoff.core.plain import printable
from bakeoff.core.units import bytes_text
from bakeoff.machine.budget import Budget

if TYPE_CHECKING:
    from rich.console import RenderableType

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


def fit_lines(found: Sequence[tuple[Prediction, Budget]], width: int) -> Iterator[RenderableType]:
    """Yield the table and its notes, for a terminal of `width` columns."""
    table = Table(box=None, pad_edge=False, header_style="bold", width=min(width, 110))
    table.add_column("Model", overflow="fold", ratio=1)
    for name in ("Needs", "Between", "Longest context", "Fits?"):
        table.add_column(name, justify="right", no_wrap=name != "Longest context")
    for prediction, _ in found:
        table.add_row(*_cells(prediction))
    yield table
    yield Text("")
    for prediction, _ in found:
        yield _breakdown(prediction)
    yield Text("")
    for budget in dict.fromkeys((budget.value, budget.source) for _, budget in found):
        yield Text(f"Budget {bytes_text(budget[0])} ({printable(budget[1])}).")
    for says in dict.fromkeys(_SAYS[each.verdict] for each, _ in found if each.verdict in _SAYS):
        yield Text(f"{says[0].upper()}{says[1:]}.")
    for how in dict.fromkeys(prediction.provenance["high"] for prediction, _ in found):
        yield Text(f"Upper end, {how}.")
    yield Text("Other conditions:  --context --batch --engine --quantisation --kv-type --budget")


def _cells(prediction: Prediction) -> tuple[Text, ...]:
    need = prediction.need
    longest = "-" if prediction.max_context is None else f"{prediction.max_context:,}"
    between = "-" if need is None else f"{bytes_text(need.low)} to {bytes_text(need.high)}"
    return (
        Text(printable(prediction.model)),
        Text("-" if need is None else bytes_text(need.estimate)),
        Text(between),
        Text(longest),
        Text(prediction.verdict, style=_STYLES[prediction.verdict]),
    )


def _breakdown(prediction: Prediction) -> Text:
    """Return one paragraph: the parts, each with where it comes from, and what is not known."""
    need = prediction.need
    where = "on an accelerator" if prediction.where == "accelerator" else "on the CPU"
    head = f"{prediction.model}, {prediction.engine} {where}, {prediction.rows} x {prediction.tokens:,} tokens, "
    text = Text(printable(head), style="bold")
    text.append(f"{prediction.kv_type} cache:", style="bold")
    if need is not None:
        for name, field in _PARTS:
            said = prediction.provenance[field].partition(":")[0]
            text.append(f"\n  {name:<9}{bytes_text(getattr(need, field)):>10}  {said}")
        if need.load_peak_bytes >= need.estimate:
            text.append(f"\n  {'loading':<9}{bytes_text(need.load_peak_bytes):>10}  the most, while it loads")
    for note in prediction.notes:
        text.append(f"\n  note: {printable(note)}")
    return text
