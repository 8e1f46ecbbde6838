"""One look at a gateway as the terminal shows it: a status document, and the one before for rates. Pure.

Every name comes from somebody else: all of it is shown as text, never as markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bakeoff.core.plain import printable
from bakeoff.core.units import bytes_text, money, seconds_text
from bakeoff.machine.budget import HOST
from bakeoff.serve.memory_text import Memory, committed_text, named

_STYLES = {"ready": "green", "failed": "bold red", "open": "bold red", "half_open": "yellow", "loading": "yellow"}
_OF_MODELS = ("model", "state", "memory", "use", "wait", "tok/s", "first")
_OF_ROUTES = ("route", "served by", "score", "answers", "by a stand-in")
Status = Mapping[str, Any]


def render(now: Status, before: Status | None, passed_s: float, where: str) -> RenderableType:
    """Return the whole view; `passed_s` lies between the two documents."""
    parts: list[RenderableType] = [_head(now, before, passed_s, where)]
    parts.append(_alerts(now["alerts"]))
    parts.append(_models(now, before, passed_s))
    parts.append(_routes(now["routes"]))
    parts.append(_quality(now["quality"]))
    parts.append(_cost(now["cost"]))
    return Group(*parts)


def render_lost(last: Status, ago_s: float, where: str, why: str) -> RenderableType:
    """Return the view of a gateway that says nothing any more: `last` is what it said `ago_s` seconds ago, `why` there is no newer word.

    What it said then may be wrong by now, so that names are all that is left of it.
    """
    models, routes = _table(*_OF_MODELS), _table(*_OF_ROUTES)
    for table, names in ((models, last["models"]), (routes, last["routes"])):
        for name in names:
            table.add_row(_text(name), *("-" for _ in table.columns[1:]))
    return Group(
        Text.assemble(_text(f"{where}  {_source(last)}", "bold"), "\n", _text(why, "bold red")),
        _text(
            f"last seen {seconds_text(ago_s)} ago; what it does now is not known, nor whether an alert fires", "yellow"
        ),
        models,
        routes,
    )


def _source(status: Status) -> str:
    return "no run" if status["run_id"] is None else f"run {status['run_id']}"


def _head(now: Status, before: Status | None, passed_s: float, where: str) -> Text:
    requests = now["requests"]
    faults = sum(requests.get(each, 0) for each in ("broken", "failed", "refused"))
    rate = _rate(sum(requests.values()), None if before is None else sum(before["requests"].values()), passed_s)
    first = f"{where}  {_source(now)}"
    apart = "\n" if len(_memory(now)) > 1 else "  "
    second = (
        f"up {seconds_text(now['uptime_s'])}{apart}models take {committed_text(_memory(now))}\n{rate} requests/s  {now['open_requests']} open  {requests.get('answered', 0)} answered  {faults} failed"
        f"  {requests.get('client_error', 0) + now['rejected']} wrong  {requests.get('cancelled', 0)} cancelled"
    )
    return Text.assemble(_text(first, "bold"), "\n", _text(second))


def _alerts(alerts: Sequence[Status]) -> RenderableType:
    if not alerts:
        return Text("no alert fires", style="green")
    lines = Text()
    for number, each in enumerate(alerts):
        style = "bold red" if each["severity"] == "critical" else "yellow"
        lines.append("\n" if number else "")
        lines.append_text(_text(f"{each['severity']}: {each['summary']}", style))
    return lines


def _models(now: Status, before: Status | None, passed_s: float) -> Table:
    table = _table(*_OF_MODELS)
    for name, of in now["models"].items():
        was = None if before is None else before["models"].get(name)
        tokens = _rate(of["tokens_written"], None if was is None else was["tokens_written"], passed_s)
        table.add_row(
            _text(name),
            _state(of),
            _text(_taken(_memory(of), several=len(_memory(now)) > 1)),
            _text(of.get("leases", "-")),
            _text(of.get("waiting", "-")),
            _text(tokens),
            _text(seconds_text(_first_token_s(of, was))),
        )
    return table


def _first_token_s(of: Status, was: Status | None) -> float | None:
    """Return the mean time to a first token since the last look, or since the start where nothing came since then."""
    count, total = of["first_token_count"], of["first_token_sum_s"]
    if was is not None and count > was["first_token_count"] > 0:
        return float((total - was["first_token_sum_s"]) / (count - was["first_token_count"]))
    return float(total / count) if count else None


def _routes(routes: Mapping[str, Status]) -> Table:
    table = _table(*_OF_ROUTES)
    for name, route in routes.items():
        table.add_row(
            _text(name),
            _text(route["candidate"]),
            _text("-" if route["score"] is None else f"{route['score']:.2f}"),
            _text(route["answered"]),
            _text(route["by_fallback"]),
        )
    return table


def _quality(quality: Status) -> RenderableType:
    streams = [each for each in quality["streams"] if each["grades"]]
    if not streams:
        return _text(f"quality of answers: {quality['note']}", "dim")
    judge = quality.get("judge")  # an older gateway says nothing of one
    table = _table("quality of", "by", "graded", "last 100", "in the run", "")
    for each in streams:
        table.add_row(
            _text(f"{each['candidate']}, {each['content_type']}"),
            _text(each["measure"]),
            _text(each["grades"]),
            _text(f"{each['recent']:.2f}"),
            _text(f"{each['reference']:.2f}"),
            _text("dropped", "bold red") if each["dropped"] else _text("no drop", "green"),
        )
    return Group(table, _text(judge["note"], "yellow")) if judge and judge["failing"] else table


def _cost(cost: Status) -> Text:
    if cost["electricity"] is None:
        return _text("cost so far: not known (no model runs here)", "dim")
    here = f"cost so far: {money(cost['electricity'])} of electricity here ({cost['provenance']})"
    if cost["cloud"] is None:
        return _text(f"{here}; no cloud is named (serve --against MODEL)", "dim")
    untold = cost["answers_without_tokens"]
    without = f", but for {untold} answers without token counts" if untold else ""
    return _text(f"{here}; {money(cost['cloud'])} at {cost['against']}{without}", "dim")


def _rate(now: float, before: float | None, passed_s: float) -> str:
    if before is None or passed_s <= 0:
        return "-"
    rate = max(0.0, now - before) / passed_s
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.1f}"


def _table(*names: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    numbers = {"use", "wait", "tok/s", "first", "score", "answers", "by a stand-in", "graded", "last 100", "in the run"}
    for place, name in enumerate(names):
        whole = name in numbers or name in {"state", "memory"}
        table.add_column(
            name,
            justify="right" if name in numbers else "left",
            no_wrap=whole,
            overflow="fold",
            min_width=None if place else 12,
        )
    return table


def _state(of: Status) -> Text:
    """Return a model's state, and its breaker's where that is not closed."""
    breaker = (of.get("breaker") or {}).get("state", "closed")
    state = Text().append_text(_marked(of.get("state") or "-"))
    return state if breaker == "closed" else state.append(", ").append_text(_marked(breaker))


def _marked(state: str) -> Text:
    return _text(state.replace("_", " "), _STYLES.get(state, ""))


def _memory(of: Status) -> Memory:
    """Return what is said of each memory. A gateway that is older says it of one."""
    told: Memory = of.get("memory") or ({} if of.get("need_bytes", 0) is None or "memory" in of else {HOST: of})
    return told


def _taken(memory: Memory, *, several: bool) -> str:
    """Return what a model takes of what it needs, a line for each memory; endpoints of others take nothing here."""
    said = {pool: _share(of["held_bytes"], of["need_bytes"]) for pool, of in memory.items()}
    return "\n".join(named(said, several=several)) or "elsewhere"


def _share(held: int | None, need: int) -> str:
    """Return both in the unit of the need."""
    number, _, unit = bytes_text(need).partition(" ")
    size = float(number) / need if need else 0.0
    return f"{held * size:.1f} / {number} {unit}" if held else f"- / {number} {unit}"


def _text(value: object, style: str = "") -> Text:
    return Text(printable(str(value)), style=style)
