"""`bakeoff report RUN`: the run as one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

import click


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
    from bakeoff.library.report_file import write_report

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
