"""What basic testing would have concluded, as `bakeoff.methods/1` and for people: one figure, one table, one paragraph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bakeoff.core.plain import printable
from bakeoff.core.units import percent_text
from bakeoff.decide.methodology import FIGURE_SIZE, By, Figure, FigureRow, Methodology, Rule
from bakeoff.decide.wording import plural, points
from bakeoff.report.layout import Prose, bullets, cells, title
from bakeoff.report.moved import MEANING, marked, moved_lines
from bakeoff.report.worth import WORTH, worth_sentence

_NARROWEST_AXIS = 20
_LABEL = 26
_ROOM = 20
"""Columns that a line of the figure needs beside label and axis."""
_WIDE = 76
"""From so many columns on the table has the smallest samples too."""
_SIZES = (3, 5, 15)
_GRADED: dict[By, str] = {"heuristic": "keywords", "score": "score"}


def methods_document(found: Methodology, run_id: str | None) -> dict[str, Any]:
    """Return the document of schema `bakeoff.methods/1`; shares are between 0 and 1, the rest is in points of the score."""
    return {
        "schema": "bakeoff.methods/1",
        "run_id": run_id,
        **found.model_dump(mode="json"),
        "text": paragraph(found),
        "notes": notes(found, of_run=run_id is not None),
        "validity_text": None if run_id is None else worth_sentence(),
    }


def print_methods(found: Methodology, console: Console, *, of_run: bool) -> None:
    """Print the page: what it rests on, the figure, the table, and the paragraph last; of a run, what its score is worth."""
    parts: list[RenderableType] = [
        Text(
            f"{found.draws:,} samples of each size, drawn from {plural(found.texts, 'text')} for each of "
            f"{plural(len(found.candidates), 'candidate')} ({plural(found.families, 'family', 'families')} of briefs)",
            style="dim",
        ),
        *_figure(found, console.width),
        title("What basic testing would have said"),
        _table(found, console.width),
        *bullets(MEANING, moved_lines(found.fallbacks)),
        *bullets("Note", [printable(note) for note in notes(found, of_run=of_run)]),
        *bullets(WORTH, [worth_sentence()] if of_run else []),
        title("In words"),
        Prose(printable(paragraph(found))),
    ]
    console.print(Group(*parts))


def _figure(found: Methodology, width: int) -> list[RenderableType]:
    """Return a line a candidate for the samples' means, and one below it for the score over all that they are drawn from."""
    figure = found.figure
    names = {row.candidate: marked(row.candidate, found.fallbacks) for row in figure.rows}
    label = min(_LABEL, max(map(len, names.values())), max(12, width - _ROOM - _NARROWEST_AXIS))
    axis = max(_NARROWEST_AXIS, width - label - _ROOM)
    graded = "graded by keywords" if figure.by == "heuristic" else "by the same score"
    lines: list[RenderableType] = [
        title(f"Means of {figure.n} texts, {graded}, and (below) the score over {drawn_from(found)}"),
    ]
    for row in figure.rows:
        lines.append(
            Text(
                f"{_cut(names[row.candidate], label):<{label}} {_samples(row, figure, axis)} wins {percent_text(row.named, 0)}"
            )
        )
        lines.append(Text(f"{'':<{label}} {_whole(row, figure, axis)} {_number(row.run.estimate)}", style="bold"))
    low, high = f"{figure.axis_low:g}", f"{figure.axis_high:g}"
    lines.append(Text(f"{'':<{label}} {low}{high:>{axis - len(low)}}", style="dim"))
    lines.append(Prose("├─┤ 95 % of the samples' means, ═ half of them; ┝━┥ the score's 95 % interval", style="dim"))
    return lines


def _cut(name: str, width: int) -> str:
    name = printable(name)
    return name if len(name) <= width else f"…{name[len(name) - width + 1 :]}"


def _samples(row: FigureRow, figure: Figure, axis: int) -> str:
    line = [" "] * axis
    low, lower, middle, upper, high = (
        _place(value, figure, axis) for value in (row.low, row.lower, row.median, row.upper, row.high)
    )
    line[low : high + 1] = "─" * (high - low + 1)
    line[lower : upper + 1] = "═" * (upper - lower + 1)
    line[low], line[high], line[middle] = "├", "┤", "●"
    return "".join(line)


def _whole(row: FigureRow, figure: Figure, axis: int) -> str:
    line = [" "] * axis
    if row.run.estimate is None or row.run.low is None or row.run.high is None:
        return "".join(line)
    low, middle, high = (_place(value, figure, axis) for value in (row.run.low, row.run.estimate, row.run.high))
    line[low : high + 1] = "━" * (high - low + 1)
    line[low], line[high], line[middle] = "┝", "┥", "◆"
    return "".join(line)


def _place(value: float, figure: Figure, axis: int) -> int:
    share = (value - figure.axis_low) / (figure.axis_high - figure.axis_low)
    return round(min(max(share, 0.0), 1.0) * (axis - 1))


def _table(found: Methodology, width: int) -> RenderableType:
    """Return a column a rule, by who grades and by size, and a line a finding."""
    sizes = _SIZES if width >= _WIDE else _SIZES[1:]
    rules = _rules(found, sizes)
    made = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    made.add_column("texts a candidate, by grader", overflow="fold")
    for rule in rules:
        graded = _GRADED[rule.by] if rule.n == sizes[0] else ""
        made.add_column(f"{graded}\n{rule.n}", justify="right", no_wrap=True)
    for label, values in _findings(found, rules):
        made.add_row(*cells(label, *values))
    return made


def _rules(found: Methodology, sizes: Sequence[int]) -> list[Rule]:
    return [rule for by in _GRADED for n in sizes if (rule := found.rule(n, by)) is not None]


def methods_table(found: Methodology) -> tuple[list[tuple[str, int]], list[tuple[str, list[str]]]]:
    """Return the table for who has room: its columns, each a grader and a size, and its rows, each a finding with its values."""
    rules = _rules(found, _SIZES)
    rows = [(label.strip(), values) for label, values in _findings(found, rules) if any(values)]
    heads = {"unpaired, 1.96", "unpaired, t", "paired, t"}
    kinds = iter(["equal pairs called different by"] * 3 + ["real pairs called different by"] * 3)
    named = [(f"{next(kinds)} {label}" if label in heads else label, values) for label, values in rows]
    return [(_GRADED[rule.by], rule.n) for rule in rules], named


def _findings(found: Methodology, rules: Sequence[Rule]) -> Iterable[tuple[str, list[str]]]:
    """Yield each line of the table."""
    right = found.rigorous.right
    yield (
        "names another than the run" if right else "names one; the run, nobody",
        _all(rules, "names_wrong"),
    )
    if found.rigorous.ruled_out:
        yield "  one that the run ruled out", _all(rules, "names_ruled_out")
    yield "tie: nobody is ahead of all", _all(rules, "tie")
    yield "the picked one looks better by", ["-" if r.too_good is None else f"{r.too_good:.1f}" for r in rules]
    yield "95 % of means are off by up to", [f"±{_reach(rule):.1f}" for rule in rules]
    yield "±1.96 sd/√n holds the truth", [_percent(_covers(rule, "z")) for rule in rules]
    yield "±t sd/√n holds the truth", [_percent(_covers(rule, "t")) for rule in rules]
    tests = {"unpaired, 1.96": "unpaired", "unpaired, t": "unpaired_t", "paired, t": "paired"}
    yield "equal pairs called different by", [""] * len(rules)
    for label, name in tests.items():
        yield f"  {label}", [_percent(getattr(rule.pairs, f"false_{name}")) for rule in rules]
    yield "real pairs called different by", [""] * len(rules)
    for label, name in tests.items():
        yield f"  {label}", [_percent(getattr(rule.pairs, name)) for rule in rules]


def _all(rules: Sequence[Rule], name: str) -> list[str]:
    return [_percent(getattr(rule, name)) for rule in rules]


def drawn_from(found: Methodology) -> str:
    """Return which briefs samples and scores are of: in a race, fewer than a candidate's own score rests on."""
    return f"the {plural(found.families, 'family', 'families')} that all wrote"


def notes(found: Methodology, *, of_run: bool) -> list[str]:
    """Return what a reader must know of the numbers."""
    said = [f"the truth is the mean over {drawn_from(found)}, an estimate itself"]
    if of_run:
        said.append(
            "in the run's result a score is over all that a candidate wrote, or over briefs held back to confirm it: it may differ from "
            f"these, which are over {drawn_from(found)}"
        )
    if found.left_out:
        said.append(f"left out, as they wrote too few of the same briefs: {', '.join(found.left_out)}")
    if all(rule.by == "score" for rule in found.rules):
        said.append("there is no other scorer's value beside these scores: the samples are graded by the score itself")
    return said


def paragraph(found: Methodology) -> str:
    """Return the whole finding in plain words."""
    by: By = "heuristic" if found.rule(FIGURE_SIZE, "heuristic") is not None else "score"
    few, more = found.rule(FIGURE_SIZE, by), found.rule(15, by)
    honest = found.rule(FIGURE_SIZE, "score")
    if few is None or more is None or honest is None:
        raise ValueError("the sizes of the samples are not those that are told")
    parts = [
        _naming(found, few),
        _reasons(few, honest),
        _intervals(few, more),
        _tests(few, more),
        _baseline(found, more),
    ]
    return " ".join(parts)


def _naming(found: Methodology, few: Rule) -> str:
    graded = "graded by keywords as at a glance" if few.by == "heuristic" else "graded by the same score"
    rigorous = found.rigorous
    often = sorted(few.candidates, key=lambda spread: -spread.named)
    told = ", ".join(
        f"{marked(spread.candidate, found.fallbacks)} in {percent_text(spread.named, 0)}" for spread in often[:3]
    )
    told += f"; nobody alone in {percent_text(few.tie, 0)}" if few.tie else ""
    if not rigorous.right:
        said = f"{few.n} texts a candidate, {graded}, name a winner in {percent_text(few.names_wrong, 0)} of samples ({told})"
        return f"{said}; the whole run shows none."
    whole = rigorous.choice if rigorous.outcome == "winner" else ", ".join(sorted(rigorous.right))
    said = f"The whole run names {whole}. {few.n} texts a candidate, {graded}, name another in {percent_text(few.names_wrong, 0)} of samples"
    loser = (
        f", one that the run shows to be worse in {percent_text(few.names_ruled_out, 0)}" if rigorous.ruled_out else ""
    )
    return f"{said}{loser} ({told})."


def _reasons(few: Rule, honest: Rule) -> str:
    said = [
        f"A candidate's mean of {few.n} is within ±{_reach(few):.1f} points of its own truth in 95 % of samples, and not off on average"
    ]
    if few.too_good is not None:
        said.append(
            f"the one that is picked looks {points(few.too_good)} points better than it is, because it was picked"
        )
    if few.by == "heuristic":
        said.append(f"keywords stand {few.off_score:+.1f} points beside the score, however many texts there are")
        if few.best_by_all is not None and few.best_by_all != honest.best_by_all:
            said.append(
                f"over all texts they put {few.best_by_all} first, and the score {honest.best_by_all or 'nobody'}"
            )
    return f"{'; '.join(said)}."


def _intervals(few: Rule, more: Rule) -> str:
    said = (
        f"The interval mean ± 1.96 sd/√n holds the true mean in {percent_text(_covers(few, 'z'), 0)} of samples of {few.n} and "
        f"{percent_text(_covers(more, 'z'), 0)} of {more.n}, where 95 % is claimed; with t in place of 1.96, in "
        f"{percent_text(_covers(few, 't'), 0)} and {percent_text(_covers(more, 't'), 0)}"
    )
    widthless = sum(spread.no_width for spread in few.candidates) / len(few.candidates)
    none = (
        f"; in {percent_text(widthless, 0)} of samples of {few.n} all texts have one grade, and it has no width"
        if widthless > 0.005
        else ""
    )
    return f"{said}{none}."


def _tests(few: Rule, more: Rule) -> str:
    a, b = few.pairs, more.pairs
    return (
        f"Of pairs made equal, the unpaired test calls {percent_text(a.false_unpaired, 0)} different with {few.n} texts and "
        f"{percent_text(b.false_unpaired, 0)} with {more.n}, the paired one {percent_text(a.false_paired, 0)} and {percent_text(b.false_paired, 0)}; of the "
        f"pairs as they are, {percent_text(a.unpaired, 0)} and {percent_text(b.unpaired, 0)} against {percent_text(a.paired, 0)} and {percent_text(b.paired, 0)}."
    )


def _baseline(found: Methodology, more: Rule) -> str:
    differs = sum(spread.differs_z for spread in more.candidates) / len(more.candidates)
    return (
        f"Against a fixed baseline of {found.baseline:g}, {more.n} texts differ significantly in {percent_text(differs, 0)} of samples: "
        "that is no comparison of candidates."
    )


def _covers(rule: Rule, kind: str) -> float:
    """Return how often an interval holds the truth, averaged over candidates."""
    covered = [spread.covers_z if kind == "z" else spread.covers_t for spread in rule.candidates]
    return sum(covered) / len(covered)


def _reach(rule: Rule) -> float:
    """Return half the width of what 95 % of the samples' means take in, averaged over candidates."""
    return sum((spread.high - spread.low) / 2 for spread in rule.candidates) / len(rule.candidates)


def _percent(share: float) -> str:
    return percent_text(share, 0).replace(" ", "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
