"""`bakeoff export RUN --to csv` and `--to parquet`: all that is stored of a run, as tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from bakeoff.report.run_tables import Judgements
    from bakeoff.report.table_files import Format, Written
    from bakeoff.store.db import Store
    from bakeoff.study.plan import Plan

_F = TypeVar("_F", bound=Callable[..., Any])


def _common(function: _F) -> _F:
    """Add what both formats take."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout."),
        click.option("--replace", is_flag=True, help="Replace files of the same names that are there."),
        click.option(
            "-o",
            "--out",
            type=click.Path(path_type=Path),
            metavar="FOLDER",
            help="Where to (default: a folder of the format's name in the run's own).",
        ),
        click.argument("run_id", metavar="RUN"),
    ):
        function = option(function)
    return function


@click.command("csv")
@_common
@click.option("--no-guard", is_flag=True, help="Leave texts that look like formulas as they are: not for spreadsheets.")
def export_csv(run_id: str, out: Path | None, *, replace: bool, as_json: bool, no_guard: bool) -> None:
    """Write every table of a run as a CSV file; docs/export.md has the columns.

    What is not known is empty, never 0. A text that a spreadsheet could take for a formula gets an apostrophe in front.
    """
    _export(run_id, "csv", out, guard=not no_guard, replace=replace, as_json=as_json)


@click.command("parquet")
@_common
def export_parquet(run_id: str, out: Path | None, *, replace: bool, as_json: bool) -> None:
    """Write every table of a run as a Parquet file; docs/export.md has the columns.

    What is not known is null, never 0.
    """
    _export(run_id, "parquet", out, guard=False, replace=replace, as_json=as_json)


def _export(run_id: str, kind: Format, out: Path | None, *, guard: bool, replace: bool, as_json: bool) -> None:
    from bakeoff.library.workspace import open_store, workspace_folder
    from bakeoff.report.run_tables import RunTables
    from bakeoff.report.table_files import export_tables
    from bakeoff.study.run_folder import run_folder
    from bakeoff.study.run_state import states_of
    from bakeoff.study.scorers import scoring_version
    from bakeoff.study.scoring import Scored
    from bakeoff.study.stored_plan import load_plan

    store = open_store()
    try:
        plan = load_plan(store, run_id)
        row = store.run(plan.run_id)
        if row is None:
            raise click.UsageError(f"there is no run {run_id}")
        Scored.of(plan, store)
        row = row._replace(state=states_of(store, {row.run_id: row.state}, workspace_folder())[row.run_id])
        folder = run_folder(workspace_folder(), plan.run_id) / kind if out is None else out
        tables = RunTables(store, row, scoring_version(plan), _judgements(plan, store))
        written = export_tables(tables, folder, kind, guard=guard, replace=replace)
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps(_document(plan.run_id, kind, folder, written), ensure_ascii=False))
        return
    _tell(folder, written, row.state)


def _judgements(plan: Plan, store: Store) -> Iterator[Judgements]:
    from bakeoff.report.run_tables import Judgements
    from bakeoff.study.judging import judgements_before
    from bakeoff.study.labelling import read_written

    for judge, answers in judgements_before(plan, store, read_written(plan, store)):
        yield Judgements(
            judge,
            (
                {
                    **judgement.model_dump(mode="json"),
                    "kind": question.kind,
                    "brief": question.brief,
                    "first_trial": question.trials[0],
                    "second_trial": question.trials[1] if len(question.trials) > 1 else None,
                }
                for question, judgement in answers
            ),
        )


def _document(run_id: str, kind: Format, folder: Path, written: list[Written]) -> dict[str, Any]:
    return {
        "schema": "bakeoff.export/1",
        "run_id": run_id,
        "to": kind,
        "folder": str(folder),
        "tables": [found._asdict() for found in written],
    }


def _tell(folder: Path, written: list[Written], state: str) -> None:
    from bakeoff.core.plain import printable
    from bakeoff.decide.wording import plural

    click.echo(printable(f"{folder}:"))
    for found in written:
        if found.rows:
            click.echo(f"  {found.file:<24} {plural(found.rows, 'row')}")
    empty = [found.table for found in written if not found.rows]
    if empty:
        click.echo(f"  without a row: {', '.join(empty)}")
    if state != "done":
        click.echo(f"  the run is {state}: what it concludes is not known yet")
