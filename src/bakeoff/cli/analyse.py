"""`bakeoff analyse`: the statistics and the decision of a run, for any table of scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--bounds", metavar="LO,HI", help="The ends of the score scale (default: 0,10 of a table, 0,1 of a harness)."
)
@click.option("--eps", type=float, help="Score points not worth telling apart (default: 3 % of the scale).")
@click.option("--level", type=click.FloatRange(0.5, 1, min_open=True, max_open=True), default=0.95, show_default=True)
@click.option("--columns", metavar="OURS=THEIRS,..", help="What columns are called there: model=system,brief=prompt.")
@click.option("--metric", metavar="NAME", help="Which scorer or metric of a harness's results (default: the first).")
@click.option(
    "--errors",
    type=click.Choice(["missing", "floor"]),
    default="missing",
    show_default=True,
    help="Answers of a harness that ended in an error: missing, or as bad as the scale allows.",
)
@click.option(
    "--replay-race", type=click.IntRange(1, 100_000), metavar="N", help="Also race on N orderings of these scores."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def analyse(
    files: tuple[Path, ...],
    bounds: str | None,
    eps: float | None,
    level: float,
    columns: str | None,
    metric: str | None,
    errors: Literal["missing", "floor"],
    replay_race: int | None,
    *,
    as_json: bool,
) -> None:
    """Give anyone's scores the same statistics and decision.

    FILE is a table (CSV, JSONL or Parquet) with the columns model, brief and score, and
    if there are such: replicate, content_type, cluster (of briefs that belong together),
    fallbacks (what was computed elsewhere than on the model's device).

    Or results of another harness, several files for several models: logs of Inspect
    (.eval, .json), samples_*.jsonl of lm-eval, promptfoo eval -o results.json.
    """
    from bakeoff.cli.arguments import read_bounds, read_columns
    from bakeoff.core.errors import UsageError
    from bakeoff.decide.replay import replay_race as replay
    from bakeoff.decide.score_analysis import analyse_scores, table_of
    from bakeoff.report.analysis import analysis_document, print_analysis
    from bakeoff.study.importers.recognise import Reading, read_files

    scale = None if bounds is None else read_bounds(bounds)
    rows, scale, taken = read_files(files, Reading(scale, read_columns(columns), metric, errors))
    if eps is not None and not 0 < eps < scale[1] - scale[0]:
        raise UsageError(
            f"--eps {eps:g}: it must be positive, and less than the scale is wide", "for instance 0.3 of 10"
        )
    found = analyse_scores(rows, bounds=scale, eps=eps, level=level)
    raced = None
    if replay_race is not None:
        raced = replay(table_of(rows, scale)[0], replay_race, eps=found.eps, bounds=scale, level=level)
    document = analysis_document(found, raced) | {"taken": [one._asdict() for one in taken]}
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    from rich.console import Console

    print_analysis(document, Console())
