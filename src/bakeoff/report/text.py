"""The end of a run as a person reads it: what to run, for which content type, how sure, what it takes, what next.

Made from the JSON document alone, so that `show` prints today what `run` printed then. Texts by models are never
part of it, and every string goes through rich's `Text`, so that no markup in a name is interpreted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bakeoff.core.units import bytes_text, percent_text, seconds_text

_HEADLINES = {
    "winner": "Run {choice}: it beats every other candidate.",
    "best_within_eps": "Run {choice}: no other is better by more than {eps:g} points.",
    "no_clear_winner": "No clear winner. {leader} leads, and that is not enough to choose it.",
    "insufficient_data": "Too few briefs to decide anything.",
    "none_qualified": "No candidate qualified.",
}
_SURE = {
    "winner": "beats all",
    "best_within_eps": "best within eps",
    "no_clear_winner": "undecided",
    "insufficient_data": "too few briefs",
    "none_qualified": "none qualified",
}


def render(document: dict[str, Any]) -> RenderableType:
    """Return the whole last screen for a `bakeoff.run/1` document."""
    parts: list[RenderableType] = [_heading(document), _decision(document)]
    parts += [Text("Routes: which model for which content type", style="bold"), _routes(document)]
    parts += [Text("Candidates", style="bold"), _quality(document), _needs(document)]
    parts += list(_remarks(document))
    return Group(*parts)


def print_document(document: dict[str, Any], console: Console) -> None:
    """Print the last screen."""
    console.print(render(document))


def as_text(document: dict[str, Any], width: int = 100) -> str:
    """Return the last screen as plain text, for a file."""
    console = Console(width=width, no_color=True, force_terminal=False, record=False)
    with console.capture() as captured:
        console.print(render(document))
    return captured.get()


def _heading(document: dict[str, Any]) -> Text:
    suite = document["suite"]
    texts = sum(candidate["generations"] for candidate in document["candidates"])
    facts = (
        f"run {document['run_id']} · suite {suite['name']} · {suite['briefs']} briefs in {suite['families']} families · "
        f"{len(document['candidates'])} candidates · {texts} texts · {seconds_text(document['elapsed_s'])}"
    )
    return Text(facts, style="dim")


def _decision(document: dict[str, Any]) -> Panel:
    decision = document["decision"]
    headline = _HEADLINES[decision["outcome"]].format(
        choice=decision["choice"], leader=decision.get("leader"), eps=document["eps"]
    )
    lines = Text(headline, style="bold")
    for reason in decision["reasons"]:
        lines.append(f"\n• {reason}", style="not bold")
    return Panel(lines, title="Decision", title_align="left", border_style="green" if decision["choice"] else "yellow")


def _routes(document: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
    for name in ("content type", "run", "score", "95 % interval", "how sure", "if it fails"):
        table.add_column(name, justify="right" if name == "score" else "left", overflow="fold")
    for content_type, route in document["routes"].items():
        evidence = route["evidence"]
        table.add_row(
            *_cells(
                content_type,
                route["candidate"] or "-",
                _number(evidence["estimate"]),
                _range(evidence),
                _SURE[route["outcome"]],
                (route["fallbacks"] or ["-"])[0],
            )
        )
    return table


def _quality(document: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("candidate", overflow="fold")
    for name in ("score", "95 % interval", "publishable", "succeeded", "texts", "gated", "failed"):
        table.add_column(name, justify="right")
    for candidate in _ranked(document):
        quality = candidate["quality"]
        table.add_row(
            *_cells(
                candidate["id"],
                _number(quality["estimate"]),
                _range(quality),
                percent_text(candidate["publishable_rate"]["estimate"]),
                percent_text(candidate["success_rate"]["estimate"]),
                str(candidate["generations"]),
                str(candidate["gated"]),
                str(candidate["failures"]),
            )
        )
    return table


def _needs(document: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("candidate", overflow="fold")
    for name in ("device", "latency p50", "p95", "first token", "tokens/s", "memory", "load"):
        table.add_column(name, justify="right")
    for candidate in _ranked(document):
        device = "/".join(part for part in (candidate["device"], candidate["dtype"]) if part) or "-"
        table.add_row(
            *_cells(
                candidate["id"],
                device,
                seconds_text(candidate["latency_s"]["p50"]),
                seconds_text(candidate["latency_s"]["p95"]),
                seconds_text(candidate["ttft_s"]["p50"]),
                _rate(candidate),
                bytes_text(candidate["peak_memory_bytes"]),
                seconds_text(candidate["load_s"]),
            )
        )
    return table


def _remarks(document: dict[str, Any]) -> Iterable[RenderableType]:
    concurrency = document["concurrency"]
    rate = f"tokens/s at {concurrency} at a time" if concurrency > 1 else "tokens/s one at a time"
    yield Text(f"Latency and first token: one text at a time. {rate}. Memory: the worker's own peak.", style="dim")
    undecided = [
        name for name, route in document["routes"].items() if route["outcome"] not in {"winner", "best_within_eps"}
    ]
    yield from _list("Not decided", [f"{name}: {_SURE[document['routes'][name]['outcome']]}" for name in undecided])
    happened = [f"{event['candidate'] or 'run'}: {event['message']}" for event in document["events"]]
    failed = [
        f"{candidate['id']}: {count} {kind}"
        for candidate in document["candidates"]
        for kind, count in candidate["errors"].items()
    ]
    yield from _list("What went wrong (failures score 0 and count in every rate)", [*happened, *failed])
    gates = [
        f"{candidate['id']}: {', '.join(f'{gate} {count}' for gate, count in candidate['gates'].items())}"
        for candidate in document["candidates"]
        if candidate["gates"]
    ]
    yield from _list("Gated texts, by reason", gates)
    yield from _list("What the score is worth", [document["validity_text"]])
    yield from _list("Note", document["notes"])
    if document["report"]:
        yield Text(f"Report  {document['report']}", style="bold")
    yield from _list("Next", document["decision"]["next"])


def _list(title: str, lines: Sequence[str]) -> Iterable[Text]:
    if lines:
        yield Text(title, style="bold")
        for line in lines:
            yield Text(f"  {line}")


def _ranked(document: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(document["candidates"], key=lambda candidate: -(candidate["quality"]["estimate"] or 0.0))


def _cells(*values: str) -> list[Text]:
    return [Text(value) for value in values]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _range(estimate: dict[str, Any]) -> str:
    return "-" if estimate["low"] is None else f"{estimate['low']:.2f} to {estimate['high']:.2f}"


def _rate(candidate: dict[str, Any]) -> str:
    return "-" if candidate["tokens_per_s"] is None else f"{candidate['tokens_per_s']:,.0f}"
