"""The end of a run as a person reads it: what to run, for which content type, how sure, what it takes, what next.

Made from the JSON document alone, so that `show` prints today what `run` printed then. Texts by models are never
part of it, and every string goes through rich's `Text`, so that no markup in a name is interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bakeoff.core.plain import printable_values
from bakeoff.core.units import percent_text, seconds_text
from bakeoff.decide.wording import plural, signed_points
from bakeoff.report.answers import fault_lines, was_given_up
from bakeoff.report.headline import alone_qualifies, among, headline
from bakeoff.report.layout import Prose, bullets, cells, ranked, table, title
from bakeoff.report.moved import MEANING, marked, moved_lines, moved_of
from bakeoff.report.names import short_names
from bakeoff.report.race import confirmed_lines, race_lines
from bakeoff.report.speed import in_flight, speed_and_memory
from bakeoff.report.worth import WORTH, worth_by_type

_CONFIRMED = "*"
_NOTHING = 1e-6
_GONE = "†"
_SURE = {
    "winner": "beats all{those}",
    "best_within_eps": "within {eps:g}{those}",
    "no_clear_winner": "undecided",
    "insufficient_data": "too few",
    "none_qualified": "none qualified",
}


def render(document: dict[str, Any]) -> RenderableType:
    """Return the whole last screen for a `bakeoff.run/1` document: details first, the decision where the eye ends."""
    document = printable_values(document)
    labels = _labels(document)
    parts: list[RenderableType] = [_heading(document)]
    parts += [title("Quality: 0 to 10, with 95 % intervals"), _quality(document, labels)]
    if len(document["candidates"]) > 1 and "ranked_by" in document:
        parts.append(
            Text(f"Ranked {document['ranked_by']['why']}. The decision below rests on the score.", style="dim")
        )
    parts.append(Prose(_counted(document), style="dim"))
    if any(candidate.get("confirmed") for candidate in document["candidates"]):
        other = "score and publishable share from briefs held back to confirm them: not to be compared with the other rows; leads are on the same briefs"
        parts.append(Prose(f"{_CONFIRMED} {other}", style="dim"))
    parts += [*speed_and_memory(document, labels), *_remarks(document, labels)]
    parts += bullets("The race", race_lines(document, labels))
    parts += [*bullets("Confirmed on briefs held back", confirmed_lines(document, labels)), _decision(document)]
    parts += [
        title("Routes: which model for which content type, and its lead over the best other"),
        _routes(document, labels),
        *_of_routes(document),
        *_ending(document),
    ]
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
    failed = sum(candidate["failures"] for candidate in document["candidates"])
    made = f"{plural(texts, 'text')}{f', of which {failed} failed' if failed else ''}"
    most = "a race over up to " if document["mode"] == "race" else ""
    facts = (
        f"run {document['run_id']} · suite {suite['name']} · {most}"
        f"{plural(suite['briefs'], 'brief')} in {plural(suite['families'], 'family', 'families')} · "
        f"{plural(len(document['candidates']), 'candidate')} · {made} · {seconds_text(document['elapsed_s'])}"
    )
    return Text(facts, style="dim")


def _decision(document: dict[str, Any]) -> Panel:
    decision = document["decision"]
    reasons = Table.grid(padding=(0, 1))
    for reason in decision["reasons"]:
        reasons.add_row("•", Text(reason))
    lines = Group(Text(headline(document), style="bold"), reasons)
    return Panel(lines, title="Decision", title_align="left", border_style="green" if decision["choice"] else "yellow")


def _routes(document: dict[str, Any], labels: dict[str, str]) -> Table:
    made = table("content type", "run", "score", "lead", "how sure")
    gone = {candidate["id"] for candidate in document["candidates"] if was_given_up(candidate)}
    for content_type, route in document["routes"].items():
        made.add_row(
            *cells(
                content_type,
                "-" if route["candidate"] is None else labels[route["candidate"]],
                _number(route["evidence"]["estimate"]) + (_CONFIRMED if route.get("confirmed") else ""),
                _lead(route["candidate"], document["comparisons_by_content_type"].get(content_type, ()), gone),
                _how_sure(route, document),
            )
        )
    return made


def _of_routes(document: dict[str, Any]) -> Iterable[RenderableType]:
    """Yield what the marked scores of routes are."""
    marked = [route.get("confirmed") for route in document["routes"].values()]
    if any(marked):
        rest = "" if all(marked) else "; the others are of the briefs that chose them, on average a little too good"
        yield Prose(f"{_CONFIRMED} of briefs held back{rest}. Leads are on the briefs that both wrote.", style="dim")


def _how_sure(route: dict[str, Any], document: dict[str, Any]) -> str:
    if alone_qualifies(route) or (len(document["candidates"]) == 1 and route["outcome"] == "winner"):
        return "no other"
    if _as_overall(route, document):
        return "as overall"
    leader = document["decision"].get("leader")
    if (
        route["outcome"] == "no_clear_winner"
        and route["candidate"] == leader
        and document["decision"]["choice"] is None
    ):
        return "leads overall"
    return _SURE[route["outcome"]].format(eps=document["eps"], those=among(route))


def _as_overall(route: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether nothing was shown for this type alone, and the choice over everything, which was shown, serves it.

    Against rivals that were withdrawn here nothing was: what stands against these is what was shown over everything.
    """
    chosen = document["decision"]["choice"]
    open_here = route["outcome"] == "no_clear_winner" or bool(route.get("withdrawn"))
    return chosen is not None and route["candidate"] == chosen and open_here


def _lead(candidate: str | None, comparisons: Sequence[dict[str, Any]], gone: Collection[str] = ()) -> str:
    """Return the paired difference to the rival that comes nearest (or is ahead), with its interval.

    Who was given up is no rival: the texts that it lacks count as 0.
    """
    differences = []
    for pair in comparisons:
        ends = {pair["a"], pair["b"]}
        if pair["difference"] is not None and candidate in ends and not ends.intersection(gone):
            sign = 1 if pair["a"] == candidate else -1
            differences.append((sign * pair["difference"], _between(pair, sign, 1)))
    if not differences:
        return "-"
    difference, between = min(differences)
    lead = "level" if abs(difference) < _NOTHING else signed_points(difference, 1)
    return f"{lead}{between}"


def _between(pair: dict[str, Any], sign: int, digits: int) -> str:
    """Return ` [-0.2, +1.3]` of a comparison, turned round for a negative sign; nothing where it has no limits yet."""
    if pair["low"] is None or pair["high"] is None:
        return ""
    low, high = sorted((sign * pair["low"], sign * pair["high"]))
    return f" [{signed_points(low, digits)}, {signed_points(high, digits)}]"


def _quality(document: dict[str, Any], labels: dict[str, str]) -> Table:
    rates = document.get("ranked_by", {}).get("win_rates")
    columns = ("score", "95 %", "publishable")
    lost = "failed" if rates else "gated + failed"
    made = table("candidate", *(("preferred", *columns) if rates else columns), lost)
    for candidate in ranked(document):
        quality = candidate["quality"]
        mark = _CONFIRMED if candidate.get("confirmed") else ""
        publishable = percent_text(candidate["publishable_rate"]["estimate"])
        found = (_number(quality["estimate"]) + mark, _range(quality), publishable)
        preferred = (percent_text(rates[candidate["id"]]["estimate"]),) if rates else ()
        gated = "" if rates else f"{candidate['gated']} + "
        counts = f"{gated}{candidate['failures']} of {candidate['generations']}"
        made.add_row(*cells(labels[candidate["id"]], *preferred, *found, counts))
    return made


def _counted(document: dict[str, Any]) -> str:
    """Return what the columns of the table of quality count, which is not the same for all."""
    which = "the briefs that counted in the race" if document["mode"] == "race" else "the briefs that count"
    return (
        f"score, publishable: means over families of {which}, each family the same; gated, failed: "
        "of all texts that were written for them or beside them"
    )


def _remarks(document: dict[str, Any], labels: dict[str, str]) -> Iterable[RenderableType]:
    beside = in_flight(document)
    devices = {(candidate["engine"], candidate["device"], candidate["dtype"]) for candidate in document["candidates"]}
    where = "; ".join(sorted(", ".join(part for part in found if part) for found in devices))
    yield Text(
        f"Latency: one text at a time. tokens/s: {beside}. Memory: the worker's own peak. Ran on: {where}.", style="dim"
    )
    yield from bullets(MEANING, moved_lines(moved_of(document["candidates"]), labels))
    yield from bullets("The same weights, run otherwise", _same_weights(document, labels))
    yield from bullets("Against the baseline", _against_baseline(document, labels))
    happened = [f"{event['candidate'] or 'run'}: {event['message']}" for event in document["events"]]
    failed = [line for candidate in document["candidates"] for line in fault_lines(candidate, labels[candidate["id"]])]
    yield from bullets("What went wrong (a failure scores 0 and counts in every rate)", [*happened, *failed])
    gates = [
        f"{labels[candidate['id']]}: {', '.join(f'{gate} {count}' for gate, count in candidate['gates'].items())}"
        for candidate in document["candidates"]
        if candidate["gates"]
    ]
    yield from bullets("Gated texts (not publishable), by reason", gates)
    yield from bullets(WORTH, [document["validity_text"], *_worth_lines(document)])
    yield from bullets("What your labels say", document.get("labels_text", ()))
    yield from bullets("Note", document["notes"])


def _worth_lines(document: dict[str, Any]) -> Iterable[str]:
    """Yield what is known of the score for each content type, and of what it is made."""
    yield from worth_by_type(document["validity"])
    weights = document.get("weights") or {}
    for mixture in dict.fromkeys(tuple(found.items()) for found in weights.values()):
        types = [name for name, found in weights.items() if tuple(found.items()) == mixture]
        where = "" if len(types) == len(weights) else f" for {', '.join(types)}"
        yield f"it is made{where} of: {', '.join(f'{name} {weight:g}' for name, weight in mixture)}"


def _ending(document: dict[str, Any]) -> Iterable[RenderableType]:
    open_routes = {name: route for name, route in document["routes"].items() if not _settled(name, document)}
    undecided = [
        f"{name}: {_why_undecided(route['reasons'])}"
        for name, route in open_routes.items()
        if route["outcome"] not in {"winner", "best_within_eps", "none_qualified"}
    ]
    nobody = [
        f"{name}: {'; '.join(route['reasons'])}"
        for name, route in open_routes.items()
        if route["outcome"] == "none_qualified"
    ]
    yield from bullets(
        "Nobody qualifies: the run names no model (a gateway would serve the best mean, and say so)", nobody
    )
    yield from bullets(
        "Not decided yet, and what is expected to decide it, at 80 % power (till then the model in the table serves, if one stands there)",
        undecided,
    )
    if document["report"]:
        yield Text.assemble(("Report  ", "bold"), str(document["report"]))
    yield from bullets("Next", [step.replace("    ", "\n    ", 1) for step in document["decision"]["next"]])


def _settled(content_type: str, document: dict[str, Any]) -> bool:
    """Whether the race of a type ended since nobody else was left in it."""
    race = document.get("race")
    return race is not None and race["by_content_type"][content_type]["ending"] == "withdrawn"


def _why_undecided(reasons: Sequence[str]) -> str:
    """Return the first reason, and how many more briefs are expected to settle it where that is told."""
    found = (re.match(r"(?:about|more than) \d+ further briefs?", reason) for reason in reasons[1:])
    more = [match.group() for match in found if match is not None]
    return "; ".join([*(reason.removesuffix(", which is not enough to choose it") for reason in reasons[:1]), *more])


def _against_baseline(document: dict[str, Any], labels: dict[str, str]) -> list[str]:
    """Return each candidate's paired difference to the baseline, best first; none where there is no baseline."""
    baseline, found = str(document.get("baseline")), []
    for pair in document["comparisons"]:
        if pair["difference"] is None or baseline not in {pair["a"], pair["b"]}:
            continue
        sign, other = (1, pair["a"]) if pair["b"] == baseline else (-1, pair["b"])
        difference = sign * pair["difference"]
        found.append((difference, f"{labels[other]} {signed_points(difference)}{_between(pair, sign, 2)}"))
    told = ", ".join(text for _, text in sorted(found, reverse=True))
    return [f"{labels[baseline]}: {told}"] if told else []


def _same_weights(document: dict[str, Any], labels: dict[str, str]) -> list[str]:
    """Return a line for each candidate that runs the weights of one before it: what changes, with intervals."""
    lines = []
    told: set[str] = set()
    for pair in document.get("same_weights", ()):  # documents of earlier versions have none
        if pair["b"] in told:  # with the first one of its kind it was compared already
            continue
        told.add(pair["b"])
        parts = [f"the same text for {pair['identical']} of {pair['texts']}"]
        if pair["low"] is not None:
            parts.append(f"score {signed_points(pair['difference'])}{_between(pair, 1, 2)}")
        named = {"time per token": pair["tpot"], "first token": pair["ttft"], "tokens/s": pair["tokens_per_s"]}
        parts += [_times(name, **ratio) for name, ratio in named.items() if ratio["estimate"] is not None]
        parts += [f"{name} x {pair[name]:.2f}" for name in ("memory", "weights") if pair[name] is not None]
        lines.append(f"{labels[pair['b']]} against {labels[pair['a']]}: {', '.join(parts)}")
    return lines


def _times(name: str, estimate: float, low: float | None, high: float | None, windows: int) -> str:
    del windows
    return f"{name} x {estimate:.2f}" + ("" if low is None else f" [{low:.2f}, {high:.2f}]")


def _labels(document: dict[str, Any]) -> dict[str, str]:
    """Return a short name for each candidate.

    One whose device left some of its work to another is marked, wherever its numbers stand, and one that was given up.
    """
    moved = moved_of(document["candidates"])
    gone = {candidate["id"] for candidate in document["candidates"] if was_given_up(candidate)}
    short = short_names([candidate["id"] for candidate in document["candidates"]])
    return {name: f"{marked(name, moved, label)}{_GONE if name in gone else ''}" for name, label in short.items()}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _range(estimate: dict[str, Any]) -> str:
    return "-" if estimate["low"] is None else f"{estimate['low']:.2f} to {estimate['high']:.2f}"
