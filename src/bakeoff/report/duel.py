"""Two candidates against each other, for a terminal: in words, in numbers, and as two small plots."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from bakeoff.core.plain import printable
from bakeoff.decide.duel import Difference, Duel
from bakeoff.decide.versus import Versus
from bakeoff.decide.wording import p_in_words, points, points_between, sample_in_words, signed_points
from bakeoff.report.layout import Prose, bullets, cells, table, title
from bakeoff.report.moved import MEANING, marked, moved_lines
from bakeoff.report.worth import WORTH, worth_by_type, worth_fields, worth_sentence

_WIDEST, _NARROWEST = 37, 15
_BESIDE = 47
"""Columns that a row of the intervals needs beside its plot."""
_BAR = 30


def print_duel(versus: Versus, console: Console) -> None:
    """Print the page; beside the pair's own intervals stands what the run says of it, which allows for more."""
    found = versus.duel
    a, b = (marked(name, versus.fallbacks, printable(name)) for name in (found.a, found.b))
    parts: list[RenderableType] = [
        Text(_verdict(versus, a, b), style="bold"),
        *(Padding(Prose(line), (0, 0, 0, 2)) for line in _numbers(found, a, b)),
        title(f"The difference: right of 0 {a} is ahead, left of it {b}"),
        _intervals(found, console.width),
        title("Brief by brief"),
        _histogram(found),
    ]
    parts += bullets(MEANING, moved_lines(versus.fallbacks))
    if versus.mode == "race":
        which = "the briefs that counted for both in the race over everything; what was written beside it is left out"
        note = "these intervals are for a fixed number of briefs; `bakeoff show` has those that allow for the race"
        parts += bullets("Note", [which, note])
    parts += bullets(WORTH, [worth_sentence(), *worth_by_type(worth_fields(list(versus.content_types))["validity"])])
    console.print(Group(*parts))


def _verdict(versus: Versus, a: str, b: str) -> str:
    overall = versus.duel.overall
    if overall.difference is None or overall.low is None or overall.high is None:
        return f"{a} and {b} have no brief in common."
    if overall.low <= 0 <= overall.high:
        return f"{a} and {b} are not told apart."
    ahead, behind = (a, b) if overall.difference > 0 else (b, a)
    shown = versus.shown_ahead == (versus.a if overall.difference > 0 else versus.b)
    if (versus.run_comparison is not None or versus.mode == "race") and not shown:
        lead = f"{ahead} is ahead of {behind} by {points(abs(overall.difference))} points"
        early = ", and for looking early" if versus.mode == "race" else ""
        return f"{lead}; the run did not tell them apart: it allows for all pairs{early}."
    sure = "" if overall.p is not None else " (a pilot: too few families for a claim)"
    return f"{ahead} is better than {behind} by {points(abs(overall.difference))} points{sure}."


def _numbers(found: Duel, a: str, b: str) -> list[str]:
    overall = found.overall
    if overall.difference is None or overall.low is None or overall.high is None:
        return []
    lines = [
        f"{a} {overall.mean_a:.2f}, {b} {overall.mean_b:.2f} on {sample_in_words(overall.briefs, overall.families)}",
        f"difference {points(overall.difference)} {points_between(overall.low, overall.high)} ({overall.method}, 95 %)",
    ]
    if overall.p is not None and overall.p_sign_flip is not None:
        lines.append(f"{p_in_words(overall.p)}; by flipping signs {p_in_words(overall.p_sign_flip)}")
    if overall.sd_difference is not None and overall.minimum_detectable is not None:
        together = "" if overall.correlation is None else f", correlation {overall.correlation:.2f}"
        lines.append(
            f"differences spread by {overall.sd_difference:.2f}{together}; so many briefs detect "
            f"{points(overall.minimum_detectable)} points with 80 % power"
        )
    return lines


def _intervals(found: Duel, width: int) -> RenderableType:
    wide = min(_WIDEST, max(_NARROWEST, width - _BESIDE)) // 2 * 2 + 1
    rows = [found.overall, *found.by_content_type]
    ends = [abs(end) for row in rows for end in (row.low, row.high) if end is not None]
    reach = max([1.0, *ends])
    made = table(
        "content type", "families", "difference", f"{f'-{reach:.1f}':<{wide // 2}}{f'+{reach:.1f}':>{wide - wide // 2}}"
    )
    for row in rows:
        said = "-" if row.difference is None else signed_points(row.difference)
        made.add_row(*cells(row.content_type or "all", str(row.families), said, _line(row, reach, wide)))
    return made


def _line(row: Difference, reach: float, wide: int) -> str:
    if row.difference is None or row.low is None or row.high is None:
        return ""
    line = [" "] * wide
    low, middle, high = (_place(value, reach, wide) for value in (row.low, row.difference, row.high))
    line[low : high + 1] = "─" * (high - low + 1)
    line[wide // 2] = "┼" if low <= wide // 2 <= high else "│"
    line[low], line[high], line[middle] = "├", "┤", "●"
    return "".join(line)


def _place(value: float, reach: float, wide: int) -> int:
    return round((value + reach) / (2 * reach) * (wide - 1))


def _histogram(found: Duel) -> RenderableType:
    most = max([1, *(bin_.briefs for bin_ in found.histogram)])
    made = table("difference", "briefs", "")
    made.columns[2].justify = "left"
    for bin_ in reversed(found.histogram):
        bar = "█" * round(_BAR * bin_.briefs / most)
        between = f"{max(bin_.low, -10):+.1f} to {min(bin_.high, 10):+.1f}"
        made.add_row(*cells(between, str(bin_.briefs), bar))
    return made
