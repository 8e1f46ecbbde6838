"""`bakeoff report RUN`: the run as one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bakeoff.store.db import Store


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to (default: report.html in the run's folder).",
)
@click.option("--open", "open_it", is_flag=True, help="Open it in a browser.")
def report(run_id: str, output: Path | None, *, open_it: bool) -> None:
    """Write a run as one HTML page: the decision, the evidence, the texts.

    RUN is a run's id or its beginning, or latest. The page needs no network and no other file; it holds the texts of the run.
    """
    from bakeoff.cli.workspace import open_store

    store = open_store()
    try:
        written = write_report(store, run_id, output)
    finally:
        store.close()
    click.echo(str(written))
    if open_it:
        import webbrowser

        if not webbrowser.open(written.resolve().as_uri()):
            click.echo("no browser could be started here", err=True)


def write_report(store: Store, run_id: str, target: Path | None = None) -> Path:
    """Write the page of a run, finished or not, and return where: `target`, or `report.html` in the run's folder.

    Raises:
        UsageError: no such run, nothing to tell yet, or a place that cannot be written to.
        StoreError: the store refuses.
    """
    from bakeoff.cli.conclusion import document_of
    from bakeoff.cli.labelled import labelled
    from bakeoff.cli.page import write_page
    from bakeoff.cli.workspace import workspace_folder
    from bakeoff.core.errors import UsageError
    from bakeoff.study.execute import load_plan
    from bakeoff.study.runner import run_folder

    if target is not None and target.exists() and not target.is_file():
        # A device or a pipe is never replaced by a file.
        what = "it is a folder" if target.is_dir() else "it is no regular file"
        raise UsageError(f"the report cannot be written to {target}: {what}", "name another file with -o FILE")
    plan = load_plan(store, run_id)
    row = store.run(plan.run_id)
    if row is not None and row.result is not None:
        document = row.result | labelled(plan, store, row.result)
        from bakeoff.study.scoring import Scored

        scored = Scored.of(plan, store)
        generations, scores = tuple(scored.generations), tuple(scored.scores.values())
    else:
        from bakeoff.study.conclude import conclude

        if not store.finished_trials(plan.run_id):
            raise UsageError(f"run {plan.run_id} has no text yet", f"go on with: bakeoff run --resume {plan.run_id}")
        conclusion = conclude(plan, store, complete=False)
        document = document_of(plan, store, conclusion)
        generations, scores = conclusion.generations, conclusion.scores
    place = target or run_folder(workspace_folder(), plan.run_id) / "report.html"
    try:
        return write_page(plan, store, document, generations, scores, place)
    except OSError as error:
        raise UsageError(
            f"the report cannot be written to {place}: {error.strerror}", "name another file with -o FILE"
        ) from None
