"""`bakeoff compare`: two candidates of a run, or of two runs, in pairs; and whether one is not worse than the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bakeoff.decide.margin import MarginVerdict
    from bakeoff.decide.versus import Versus

EXITS = {"not_worse": 0, "worse": 1, "undecided": 3}
"""Exit codes of --not-worse-by."""


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("a")
@click.argument("b")
@click.option("--base", metavar="RUN", help="B is of this run: the same briefs before a prompt or a model was changed.")
@click.option(
    "--not-worse-by",
    "margin",
    type=float,
    metavar="POINTS",
    help="Exit 0 where it is shown that A is not worse than B by so much or more, 1 where A is worse, 3 undecided.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def compare(run_id: str, a: str, b: str, base: str | None, margin: float | None, *, as_json: bool) -> int:
    """Compare two candidates of a run, in pairs, brief by brief.

    RUN is a run's id or its beginning, or latest. A and B are candidates' ids, or the ends of them that no other shares.
    """
    from bakeoff.core.errors import UsageError
    from bakeoff.library.workspace import open_store, workspace_folder
    from bakeoff.study.comparing import StoredRun, compare_across, compare_in_run
    from bakeoff.study.stored_plan import load_plan

    store = open_store()
    try:
        plan = load_plan(store, run_id)
        other = plan if base is None else load_plan(store, base)
        one = StoredRun(plan, store, workspace_folder())
        if other.run_id == plan.run_id:
            found = compare_in_run(one, a, b)
        else:
            found = compare_across(one, a, StoredRun(other, store, workspace_folder()), b)
    finally:
        store.close()
    try:
        verdict = None if margin is None else found.not_worse_by(margin)
    except UsageError as error:
        raise UsageError(f"--not-worse-by {margin:g}: {error.message}", error.hint) from None
    if as_json:
        click.echo(json.dumps(_document(found, verdict), ensure_ascii=False))
    else:
        _print(found, verdict)
    return 0 if verdict is None else EXITS[verdict.verdict]


def _document(found: Versus, verdict: MarginVerdict | None) -> dict[str, object]:
    from bakeoff.report.worth import worth_fields

    own = found.run_comparison
    told = {} if verdict is None else {"not_worse_by": {**verdict.model_dump(mode="json"), "said": str(verdict)}}
    return {
        "schema": "bakeoff.compare/1",
        "run_id": found.run_id,
        "base_run_id": found.base_run_id,
        "mode": found.mode,
        "run_comparison": None if own is None else own.model_dump(mode="json"),
        **found.duel.model_dump(mode="json"),
        "fallbacks": {name: list(found.fallbacks.get(name, ())) for name in (found.a, found.b)},
        **told,
        **worth_fields(list(found.content_types)),
    }


def _print(found: Versus, verdict: MarginVerdict | None) -> None:
    from rich.console import Console

    from bakeoff.core.plain import printable
    from bakeoff.report.duel import print_duel
    from bakeoff.report.layout import bullets

    console = Console()
    print_duel(found, console)
    for part in [] if verdict is None else bullets("Not worse?", [printable(str(verdict))]):
        console.print(part)
