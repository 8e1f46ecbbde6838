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
@click.option("--serve", is_flag=True, help="Write no file: serve it on 127.0.0.1, live while the run is in progress.")
@click.option("--port", type=click.IntRange(0, 65535), help="With --serve (default: any that is free).")
def report(run_id: str, output: Path | None, port: int | None, *, open_it: bool, serve: bool) -> None:
    """Write a run as one HTML page: the decision, the evidence, the texts.

    RUN is a run's id or its beginning, or latest. The page needs no network and no other file; it holds the texts of the run.
    """
    from bakeoff.library.report_file import write_report
    from bakeoff.library.workspace import open_store

    if serve and (output is not None or open_it):
        raise click.UsageError("--serve writes no file: leave out --output and --open")
    if port is not None and not serve:
        raise click.UsageError("--port goes with --serve")
    store = open_store()
    try:
        if serve:
            _serve(store, run_id, port or 0)
            return
        written = write_report(store, run_id, output)
    finally:
        store.close()
    click.echo(str(written))
    if open_it:
        import webbrowser

        if not webbrowser.open(written.resolve().as_uri()):
            click.echo("no browser could be started here", err=True)


def _serve(store: Store, run_id: str, port: int) -> None:
    """Serve the page until Ctrl-C; of a run in progress the live one."""
    import asyncio
    import contextlib

    from bakeoff.cli.local_door import address, listen, new_token
    from bakeoff.cli.watch_page import LivePage, serve_live
    from bakeoff.study.stored_plan import load_plan

    plan, token = load_plan(store, run_id), new_token()
    with listen(port) as listener:
        click.echo(f"Look here:  {address(listener, token)}\nCtrl-C ends it.")
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve_live(listener, token, LivePage(store, plan.run_id, beside=False)))
