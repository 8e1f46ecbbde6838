"""What a handful of texts would have said of each candidate, above the score of all that they are drawn from. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from bakeoff.core.units import percent_text
from bakeoff.decide.methodology import FigureRow, Methodology
from bakeoff.report.page.scale import Scale
from bakeoff.report.page.svg import Caption, chart, dot, line, percent, tag, words

_ROW, _TOP, _AXIS = 66.0, 4.0, 24.0


def basic_tests(found: Methodology, names: Mapping[str, str], where: str) -> Markup:
    """Return the chart: for each candidate where the means of small samples lie, and below it the score over all of `where`."""
    figure = found.figure
    scale = Scale(figure.axis_low, figure.axis_high)
    bottom = _TOP + _ROW * len(figure.rows)
    parts = []
    for tick in scale.ticks(6):
        share = scale.share(tick)
        anchor = None if share < 0.03 else "end" if share > 0.97 else "middle"
        at = percent(share)
        parts += [line(at, _TOP, at, bottom, "grid"), words(at, bottom + 16, f"{tick:g}", "tick", anchor)]
    rows = [
        _row(row, names.get(row.candidate, row.candidate), _TOP + _ROW * n, scale) for n, row in enumerate(figure.rows)
    ]
    said = "; ".join(_words(row, names.get(row.candidate, row.candidate)) for row in figure.rows)
    caption = Caption(
        "basic",
        f"Means of {figure.n} texts, and the score over {where}",
        f"For each candidate the range of 95 % of the means of {figure.n} texts, and below it the score over {where}. {said}.",
    )
    return chart(caption, bottom + _AXIS, *parts, *rows)


def _words(row: FigureRow, name: str) -> str:
    run = "no score" if row.run.estimate is None else f"{row.run.estimate:.2f}"
    return f"{name}: means from {row.low:.1f} to {row.high:.1f}, the score of all of them {run}, picked in {percent_text(row.named)} of samples"


def _row(row: FigureRow, name: str, top: float, scale: Scale) -> Markup:
    few, whole = top + 33, top + 51

    def at(value: float) -> str:
        return percent(scale.share(value))

    samples = [
        words(0, top + 16, name, "name"),
        words("100%", top + 16, f"picked in {percent_text(row.named)}", "value", "end"),
        line(at(row.low), few, at(row.high), few, "interval"),
        line(at(row.lower), few, at(row.upper), few, "half"),
        dot(at(row.median), few, 4.5, "estimate", tip=_words(row, name)),
    ]
    run = []
    if row.run.low is not None and row.run.high is not None:
        run.append(line(at(row.run.low), whole, at(row.run.high), whole, "interval"))
    if row.run.estimate is not None:
        run.append(dot(at(row.run.estimate), whole, 4.5, "estimate", tip=_words(row, name)))
    return tag("g", tag("g", *samples, class_="row plain"), tag("g", *run, class_="row sure"))
