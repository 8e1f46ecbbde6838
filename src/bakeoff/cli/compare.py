"""`bakeoff compare`: two candidates of a run, in pairs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bakeoff.core.records import Comparison
    from bakeoff.decide.duel import Duel


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("a")
@click.argument("b")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def compare(run_id: str, a: str, b: str, *, as_json: bool) -> None:
    """Compare two candidates of a run, in pairs, brief by brief.

    RUN is a run's id or its beginning, or latest. A and B are candidates' ids, or the ends of them that no other shares.
    """
    from bakeoff.cli.workspace import open_store
    from bakeoff.core.errors import UsageError
    from bakeoff.core.records import Comparison
    from bakeoff.decide.duel import duel
    from bakeoff.decide.raced import cells_of
    from bakeoff.report.worth import worth_fields
    from bakeoff.study.execute import load_plan
    from bakeoff.study.pulse import GONE
    from bakeoff.study.racing import counted_briefs
    from bakeoff.study.scoring import Scored

    store = open_store()
    try:
        plan = load_plan(store, run_id)
        names = [candidate.id for candidate in plan.candidates]
        first, second = _find(a, names), _find(b, names)
        if first == second:
            raise UsageError(f"{first} cannot be compared with itself", f"candidates: {', '.join(names)}")
        scored = Scored.of(plan, store)
        given_up = {event.candidate for event in store.events(plan.run_id) if event.kind == GONE and event.candidate}
        row = store.run(plan.run_id)
        pairs = [] if row is None or row.result is None else row.result["comparisons"]
        own = next((Comparison(**pair) for pair in pairs if {pair["a"], pair["b"]} == {first, second}), None)
    finally:
        store.close()
    cells = cells_of(scored.generations, scored.scores, plan.suite.replicates)
    counted = counted_briefs(plan, scored, given_up)
    in_both = {brief.id for brief in counted[second]}
    found = duel(first, second, [brief for brief in counted[first] if brief.id in in_both], cells)
    types = list(dict.fromkeys(brief.content_type for brief in plan.suite.briefs))
    if as_json:
        document = {
            "schema": "bakeoff.compare/1",
            "run_id": plan.run_id,
            "mode": plan.mode,
            "run_comparison": None if own is None else own.model_dump(mode="json"),
            **found.model_dump(mode="json"),
            **worth_fields(types),
        }
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    _print(found, own, types, plan.mode)


def _find(name: str, names: list[str]) -> str:
    from bakeoff.core.errors import UsageError

    found = [known for known in names if known == name] or [known for known in names if known.endswith(name)]
    if len(found) != 1:
        what = "is not a candidate of this run" if not found else "is the end of several candidates' ids"
        raise UsageError(f"{name} {what}", f"candidates: {', '.join(names)}")
    return found[0]


def _print(found: Duel, own: Comparison | None, types: list[str], mode: str) -> None:
    from rich.console import Console

    from bakeoff.report.duel import print_duel

    print_duel(found, own, types, raced=mode == "race", console=Console())
