"""`bakeoff methods`: what basic testing would have concluded, against what the run did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bakeoff.decide.methodology import Methodology


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--table", type=click.Path(path_type=Path), metavar="FILE", help="Anyone's scores in place of a run.")
@click.option("--bounds", metavar="LO,HI", help="The ends of the table's scale (default: 0,10; 0,1 of a harness).")
@click.option("--columns", metavar="OURS=THEIRS,..", help="What columns are called there: model=system,brief=prompt.")
@click.option(
    "--draws",
    type=click.IntRange(100, 1_000_000),
    default=10_000,
    show_default=True,
    help="Samples of each size.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the samples.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def methods(
    run_id: str | None,
    table: Path | None,
    bounds: str | None,
    columns: str | None,
    draws: int,
    seed: int,
    *,
    as_json: bool,
) -> None:
    """Say what 3 to 15 texts a model would have concluded, against the run.

    RUN is a run's id or its beginning, or latest. Small samples are drawn from what all candidates wrote, graded by keywords as at a
    glance, and by the score: how often they name another winner, how far off they are, how often their intervals hold.
    """
    if (run_id is None) == (table is None):
        raise click.UsageError("name a RUN, or a --table: one of them")
    if run_id is not None:
        name, found = _of_run(run_id, draws, seed)
    else:
        name, found = None, _of_table(table, bounds, columns, draws, seed)
    from bakeoff.report.methodology import methods_document, print_methods

    if as_json:
        click.echo(json.dumps(methods_document(found, name), ensure_ascii=False))
        return
    from rich.console import Console

    print_methods(found, Console(), of_run=run_id is not None)


def _of_run(run_id: str, draws: int, seed: int) -> tuple[str, Methodology]:
    from bakeoff.library.workspace import open_store, workspace_folder
    from bakeoff.study.run_state import lacks
    from bakeoff.study.scoring import Scored
    from bakeoff.study.stored_plan import load_plan

    store = open_store()
    try:
        plan = load_plan(store, run_id)
        row = store.run(plan.run_id)
        if row is None or row.result is None:
            raise lacks("result", store, plan.run_id, workspace_folder())
        scored = Scored.of(plan, store)
    finally:
        store.close()
    from bakeoff.library.methods import methods_of

    return plan.run_id, methods_of(plan, row.result, scored.generations, draws=draws, seed=seed)


def _of_table(table: Path | None, bounds: str | None, columns: str | None, draws: int, seed: int) -> Methodology:
    from bakeoff.cli.arguments import read_bounds, read_columns
    from bakeoff.decide.drawable import drawable_table
    from bakeoff.decide.methodology import compare_methods, rigorous_of
    from bakeoff.decide.score_analysis import analyse_scores, table_of
    from bakeoff.report.analysis import analysis_document
    from bakeoff.study.importers.recognise import Reading, read_files

    wanted = None if bounds is None else read_bounds(bounds)
    rows, scale, _ = read_files([Path(table or "")], Reading(wanted, read_columns(columns)))
    found = analyse_scores(rows, bounds=scale)
    small = compare_methods(
        drawable_table(table_of(rows, scale)[0]),
        rigorous_of(analysis_document(found, None)),
        eps=found.eps,
        draws=draws,
        seed=seed,
        bounds=scale,
    )
    return small.model_copy(update={"fallbacks": found.fallbacks})
