"""`bakeoff plan`: how many briefs for which difference, or how many replicas for which traffic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bakeoff.decide.sample_size import SamplePlan

_BAR = 40


@click.command()
@click.option("--sd", type=float, help="Standard deviation of the paired differences, in score points.")
@click.option("--from", "pilot", metavar="RUN|TABLE", help="Take the spread from a run, or from a table of scores.")
@click.option("--difference", type=float, help="The smallest difference worth detecting, in points.")
@click.option("--power", type=float, default=0.8, show_default=True, help="Probability to detect it.")
@click.option("--level", type=float, default=0.95, show_default=True, help="1 - alpha.")
@click.option(
    "--models",
    type=click.IntRange(2),
    default=2,
    show_default=True,
    help="How many models are compared: alpha is shared by all their pairs.",
)
@click.option("--bounds", default="0,10", show_default=True, metavar="LO,HI", help="The scale of a table of scores.")
@click.option(
    "--traffic",
    metavar="N/UNIT",
    help="How many replicas hold this load: 2/s, 30/min, 500/h, 9000/day. Needs --from RUN and --target-p95.",
)
@click.option("--target-p95", type=float, metavar="S", help="With --traffic: 95 % of the texts within S seconds.")
@click.option("--candidate", help="With --traffic: whose measured times (default: the run's choice, or its leader).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def plan(
    sd: float | None,
    pilot: str | None,
    difference: float | None,
    power: float,
    level: float,
    models: int,
    bounds: str,
    traffic: str | None,
    target_p95: float | None,
    candidate: str | None,
    *,
    as_json: bool,
) -> None:
    """Say how many briefs show a difference, or how many machines hold a load.

    The spread is that of the differences between two models on the same briefs: about 2 to
    3.5 points of ten between real models. Briefs that share a cluster count as one.
    """
    from bakeoff.core.errors import UsageError
    from bakeoff.decide.sample_size import plan_sample

    if traffic is not None:
        from bakeoff.cli.plan_traffic import plan_traffic

        if pilot is None or target_p95 is None or sd is not None or difference is not None:
            raise click.UsageError(
                "--traffic goes with --from RUN and --target-p95 S, and not with --sd or --difference"
            )
        plan_traffic(traffic, pilot, target_p95, candidate, as_json=as_json)
        return
    if target_p95 is not None or candidate is not None:
        raise click.UsageError("--target-p95 and --candidate go with --traffic")
    if difference is None:
        raise click.UsageError("say which difference is worth detecting, by --difference; or which load, by --traffic")
    if (sd is None) == (pilot is None):
        raise click.UsageError("give the spread either by --sd or by --from")
    pilot_facts = None if pilot is None else _spread_of(pilot, bounds)
    spread = sd if pilot_facts is None else pilot_facts["sd_high"]
    try:
        found = plan_sample(float(spread or 0.0), difference, power=power, level=level, models=models)
    except ValueError as error:
        raise UsageError(str(error), "see: bakeoff plan --help") from None
    if as_json:
        document = {"schema": "bakeoff.plan/1", **found.model_dump(mode="json"), "pilot": pilot_facts}
        click.echo(json.dumps(document))
        return
    _print(found, pilot_facts)


def _spread_of(pilot: str, bounds: str) -> dict[str, Any]:
    """Return the largest spread of any pair of a run or a table, with its own interval."""
    from bakeoff.core.errors import UsageError
    from bakeoff.stats.power import sd_interval

    known = Path(pilot).suffix.lower() in {".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"}
    pairs = _pairs_of_table(pilot, bounds) if known else _pairs_of_run(pilot)
    spreads = [pair for pair in pairs if pair["sd_difference"] and (pair["clusters"] or 0) >= 3]
    if not spreads:
        raise UsageError(
            f"{pilot}: no two candidates have three briefs in common that tell a spread", "use more briefs, or --sd"
        )
    widest = max(spreads, key=lambda pair: float(pair["sd_difference"]))
    low, high = sd_interval(widest["sd_difference"], widest["clusters"])
    return {
        "from": pilot,
        "a": widest["a"],
        "b": widest["b"],
        "briefs": widest["clusters"],
        "sd": widest["sd_difference"],
        "sd_low": low,
        "sd_high": high,
    }


def _pairs_of_run(run: str) -> list[dict[str, Any]]:
    from bakeoff.library.workspace import open_store, workspace_folder
    from bakeoff.study.run_state import find_finished

    store = open_store()
    try:
        return list(find_finished(store, run, workspace_folder()).result["comparisons"])
    finally:
        store.close()


def _pairs_of_table(table: str, bounds: str) -> list[dict[str, Any]]:
    from bakeoff.cli.arguments import read_bounds
    from bakeoff.decide.score_analysis import Scored, analyse_scores
    from bakeoff.study.score_table import read_scores

    scale = read_bounds(bounds)
    rows = [
        Scored(row.model, row.brief, row.score, row.content_type, row.cluster)
        for row in read_scores(Path(table), scale, {})
    ]
    return [pair.model_dump() for pair in analyse_scores(rows, bounds=scale).analysis.overall.comparisons]


def _print(found: SamplePlan, pilot: dict[str, Any] | None) -> None:
    from rich.console import Console

    from bakeoff.core.units import level_text
    from bakeoff.decide.analysis import PILOT_UNDER
    from bakeoff.report.layout import Prose

    console = Console()
    among = "" if found.models == 2 else f" of one pair among {found.models} models"
    if pilot is not None:
        said = (
            f"The widest spread of any two, {pilot['a']} and {pilot['b']}, over {pilot['briefs']} families: {pilot['sd']:.2f} points "
            f"[{pilot['sd_low']:.2f}, {pilot['sd_high']:.2f}], 80 %; planned with its upper end."
        )
        console.print(Prose(said))
    if found.briefs is None:
        console.print(Prose(f"No number of briefs that anybody could write shows {found.difference:g} points{among}."))
        return
    said = (
        f"{found.briefs} briefs show a difference of {found.difference:g} points{among} with {level_text(found.power)} power at "
        f"level {level_text(found.level)}, if differences spread by {found.sd:.2f}."
    )
    if found.models > 2:
        said += (
            f" A winner, better than each of the {found.models - 1} others by as much, takes "
            f"{'more than can be written' if found.winner_briefs is None else found.winner_briefs}."
        )
    console.print(Prose(said))
    console.print("\nbriefs   detectable difference", highlight=False)
    most = found.curve[0].difference
    for point in found.curve:
        bar = "━" * max(1, round(_BAR * point.difference / most)) if most else ""
        mark = "  <- this plan" if point.briefs == found.briefs else ""
        console.print(f"{point.briefs:6d}   {point.difference:5.2f}  {bar}{mark}", highlight=False, markup=False)
    console.print(Prose("\nPlanned for normal differences; where a model fails rarely and wholly, plan for more."))
    if found.briefs < PILOT_UNDER:
        console.print(Prose(f"Whatever this says: under {PILOT_UNDER} families of briefs no difference is claimed."))
