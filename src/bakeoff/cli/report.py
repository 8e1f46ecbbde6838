"""`bakeoff report RUN`: the run as one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.core.outlines import GenerationOutline, ScoreOutline
    from bakeoff.report.page.assembly import Page
    from bakeoff.store.db import Store
    from bakeoff.study.plan import Plan


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

    RUN is a run's id, or latest. The page needs no network and no other file; it holds the texts of the run.
    """
    from bakeoff.cli.workspace import open_store

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


def write_report(store: Store, run_id: str, target: Path | None = None) -> Path:
    """Write the page of a run, finished or not, and return where: `target`, or `report.html` in the run's folder.

    Raises:
        UsageError: no such run, nothing to tell yet, or a place that cannot be written to.
        StoreError: the store refuses.
    """
    from bakeoff.cli.page import write_page
    from bakeoff.cli.workspace import workspace_folder
    from bakeoff.core.errors import UsageError
    from bakeoff.study.run_folder import run_folder

    if target is not None and target.exists() and not target.is_file():
        # A device or a pipe is never replaced by a file.
        what = "it is a folder" if target.is_dir() else "it is no regular file"
        raise UsageError(f"the report cannot be written to {target}: {what}", "name another file with -o FILE")
    told = _told(store, run_id, keep=True)
    place = target or run_folder(workspace_folder(), told.plan.run_id) / "report.html"
    try:
        return write_page(told.plan, store, told.document, told.generations, told.scores, place)
    except OSError as error:
        raise UsageError(
            f"the report cannot be written to {place}: {error.strerror}", "name another file with -o FILE"
        ) from None


def page_of(store: Store, run_id: str, *, served: bool, keep: bool) -> Page:
    """Return the page of a run, finished or not. Who only looks on does not `keep` scores: nothing is stored then.

    Raises:
        UsageError: no such run, or nothing to tell yet.
        StoreError: the store refuses.
    """
    from bakeoff.cli.page import page_facts
    from bakeoff.report.page.assembly import render_report

    told = _told(store, run_id, keep=keep)
    facts = page_facts(told.plan, store, told.document, told.generations, told.scores)
    return render_report(facts, served=served)


class _Told(NamedTuple):
    """What a page is made from."""

    plan: Plan
    document: dict[str, Any]
    generations: Sequence[GenerationOutline]
    scores: Sequence[ScoreOutline]


def _told(store: Store, run_id: str, *, keep: bool) -> _Told:
    from bakeoff.cli.labelled import labelled
    from bakeoff.core.errors import UsageError
    from bakeoff.study.scoring import Scored
    from bakeoff.study.stored_plan import load_plan

    plan = load_plan(store, run_id)
    row = store.run(plan.run_id)
    if row is not None and row.result is not None:
        scored = Scored.of(plan, store, keep=keep)
        document = row.result | labelled(plan, store, row.result)
        return _Told(plan, document, scored.generations, tuple(scored.scores.values()))
    from bakeoff.cli.conclusion import document_of
    from bakeoff.study.conclude import conclude_scored

    if not store.finished_trials(plan.run_id):
        raise UsageError(f"run {plan.run_id} has no text yet", f"go on with: bakeoff run --resume {plan.run_id}")
    conclusion = conclude_scored(plan, store, Scored.of(plan, store, keep=keep), complete=False)
    return _Told(plan, document_of(plan, store, conclusion), conclusion.generations, conclusion.scores)


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
