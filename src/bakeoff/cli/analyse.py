"""`bakeoff analyse`: the statistics and the decision of a run, for any table of scores."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--bounds", default="0,10", show_default=True, metavar="LO,HI", help="The ends of the score scale.")
@click.option("--eps", type=float, help="Score points not worth telling apart (default: 3 % of the scale).")
@click.option("--level", type=click.FloatRange(0.5, 1, min_open=True, max_open=True), default=0.95, show_default=True)
@click.option("--columns", metavar="OURS=THEIRS,..", help="What columns are called there: model=system,brief=prompt.")
@click.option(
    "--replay-race", type=click.IntRange(1, 100_000), metavar="N", help="Also race on N orderings of these scores."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def analyse(
    table: Path,
    bounds: str,
    eps: float | None,
    level: float,
    columns: str | None,
    replay_race: int | None,
    *,
    as_json: bool,
) -> None:
    """Give anyone's scores the same statistics and decision.

    TABLE is a CSV, JSONL or Parquet file with the columns model, brief and score, and
    if there are such: replicate, content_type, cluster (of briefs that belong together).
    """
    from bakeoff.cli.arguments import read_bounds, read_columns
    from bakeoff.core.errors import UsageError
    from bakeoff.decide.replay import replay_race as replay
    from bakeoff.decide.score_analysis import Scored, analyse_scores, table_of
    from bakeoff.report.analysis import analysis_document, print_analysis
    from bakeoff.study.score_table import read_scores

    scale = read_bounds(bounds)
    if eps is not None and not 0 < eps < scale[1] - scale[0]:
        raise UsageError(
            f"--eps {eps:g}: it must be positive, and less than the scale is wide", "for instance 0.3 of 10"
        )
    rows = [
        Scored(row.model, row.brief, row.score, row.content_type, row.cluster)
        for row in read_scores(table, scale, read_columns(columns))
    ]
    found = analyse_scores(rows, bounds=scale, eps=eps, level=level)
    raced = None
    if replay_race is not None:
        raced = replay(table_of(rows, scale)[0], replay_race, eps=found.eps, bounds=scale, level=level)
    document = analysis_document(found, raced)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    from rich.console import Console

    print_analysis(document, Console())
