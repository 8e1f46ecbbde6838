"""`bakeoff runs` and `bakeoff show`: what is stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.report.layout import FittingTable
    from bakeoff.store.db import RunSummary, Store

_LEAST_DECISION = 12
"""Columns that a decision has at least in the list: a longer one goes on in the next line."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def runs(*, as_json: bool) -> None:
    """List the runs of this workspace, newest first."""
    from rich.console import Console

    from bakeoff.library.workspace import open_store, workspace_folder
    from bakeoff.study.run_state import states_of

    store = open_store()
    try:
        rows = store.runs()
        known = states_of(store, {row.run_id: row.state for row in rows}, workspace_folder())
        states = [known[row.run_id] for row in rows]
        if as_json:
            listed = [
                {"run_id": row.run_id, "suite": row.suite, "started": row.started, "state": state}
                for row, state in zip(rows, states, strict=True)
            ]
            click.echo(json.dumps({"schema": "bakeoff.runs/1", "runs": listed}, ensure_ascii=False))
            return
        if not rows:
            click.echo("No runs yet. Begin with:  bakeoff run")
            return
        console = Console()
        whole = _listing(rows, states, with_start=True)
        console.print(whole if whole.fits(console) else _listing(rows, states, with_start=False))
    finally:
        store.close()


def _listing(rows: Sequence[RunSummary], states: Sequence[str], *, with_start: bool) -> FittingTable:
    """Return the table of runs; where there is no room for when one started, its id begins with just that."""
    from bakeoff.core.plain import printable
    from bakeoff.report.layout import cells, table

    made = table("run", "suite", *(("started",) if with_start else ()), "state", "texts", "decision")
    made.last_folds = _LEAST_DECISION
    for row, state in zip(rows, states, strict=True):
        start = (row.started[5:16].replace("T", " "),) if with_start else ()  # the year is in the id
        listed_as = (row.run_id, row.suite, *start, state, str(row.texts), row.choice or row.outcome or "-")
        made.add_row(*cells(*map(printable, listed_as)))
    return made


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print the stored document on stdout.")
@click.option("--texts", metavar="BRIEF", help="Show what each candidate wrote for this brief, and its score.")
def show(run_id: str, *, as_json: bool, texts: str | None) -> None:
    """Show the result of a run again.

    RUN is a run's id or its beginning, or latest.
    """
    from rich.console import Console

    from bakeoff.library.labelled import labelled
    from bakeoff.library.workspace import open_store, workspace_folder
    from bakeoff.report.text import print_document
    from bakeoff.study.run_state import lacks
    from bakeoff.study.stored_plan import load_plan

    store = open_store()
    try:
        plan = load_plan(store, run_id)
        if texts is not None:
            _show_texts(store, plan.run_id, texts)
            return
        row = store.run(plan.run_id)
        if row is None or row.result is None:
            raise lacks("result", store, plan.run_id, workspace_folder())
        document = row.result | labelled(plan, store, row.result)
        if as_json:
            click.echo(json.dumps(document, ensure_ascii=False))
        else:
            print_document(document, Console())
    finally:
        store.close()


def _show_texts(store: Store, run_id: str, brief_id: str) -> None:
    """Print the brief and all texts for it. Model text is printed as text: no markup, no control characters."""
    import difflib

    from rich.console import Console
    from rich.rule import Rule
    from rich.text import Text

    from bakeoff.core.errors import UsageError
    from bakeoff.core.plain import printable
    from bakeoff.study.scorers import scoring_version
    from bakeoff.study.stored_plan import load_plan

    plan = load_plan(store, run_id)
    briefs = {brief.id: brief for brief in (*plan.briefs(), *plan.held_back_briefs())}
    if brief_id not in briefs and any(brief.id == brief_id for brief in plan.suite.briefs):
        raise UsageError(
            f"nobody was asked for {brief_id!r} in run {run_id}, which is of {len(briefs)} of its suite's briefs",
            f"for example: {', '.join(list(briefs)[:3])}",
        )
    if brief_id not in briefs:
        near = difflib.get_close_matches(brief_id, briefs, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"run {run_id} has no brief {brief_id!r}", f"{meant}for example: {', '.join(list(briefs)[:3])}"
        )
    console = Console()
    console.print(Text(printable(briefs[brief_id].prompt), style="bold"))
    found = [one for one in store.generations(run_id) if one.brief == brief_id]
    if not found:
        console.print(Text("(no candidate was asked for it)"))
    scores = {score.trial: score for score in store.scores(run_id, scoring_version(plan))}
    for generation in sorted(found, key=lambda one: (one.candidate, one.replicate)):
        score = scores.get(generation.trial)
        worth = "not scored" if score is None else f"score {score.value:.1f}"
        gates = "" if score is None or not score.gates else " · gated: " + ", ".join(hit.gate for hit in score.gates)
        console.print(Rule(Text(printable(f"{generation.candidate} · {worth}{gates}")), align="left"))
        console.print(Text(printable(generation.text or f"(failed: {generation.error})")))
