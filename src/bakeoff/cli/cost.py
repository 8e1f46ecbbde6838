"""`bakeoff cost [RUN]`: what a text costs here, and whether it is worth it against a cloud API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bakeoff.cost.answer import Costed


class _Number(click.FloatRange):
    """A range without the number that is none: no comparison keeps it out."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if number != number:  # noqa: PLR0124 - what is not equal to itself is no number
            self.fail(f"{value!r} is no number.", param, ctx)
        return number


_AT_LEAST_0 = _Number(min=0, max=1e12)
_ABOVE_0 = _Number(min=0, max=1e12, min_open=True)
_SHARE = _Number(min=0, max=1, min_open=True)


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--against", metavar="MODEL", help="A cloud model, such as gpt-4o-mini or anthropic:claude-haiku-4-5.")
@click.option("--price-in", type=_AT_LEAST_0, metavar="USD", help="The cloud's price of a million tokens read.")
@click.option("--price-out", type=_AT_LEAST_0, metavar="USD", help="The cloud's price of a million tokens written.")
@click.option("--prices", type=click.Path(path_type=Path), metavar="FILE.toml", help="Prices of your own, by model.")
@click.option("--cloud-per-request", type=_AT_LEAST_0, metavar="USD", help="The cloud's price of a text, flat.")
@click.option("--watts", type=_ABOVE_0, metavar="W", help="What the machine draws while it writes.")
@click.option("--latency-ms", type=_ABOVE_0, metavar="MS", help="How long it writes at a text (without a run).")
@click.option("--tariff", type=_AT_LEAST_0, metavar="USD", help="Price of a kilowatt-hour.")
@click.option("--country", metavar="CODE", help="Take tariff and CO2 of a country, such as DE, from the table.")
@click.option("--rate", type=_ABOVE_0, metavar="USD", help="Dollars for one unit of that country's currency.")
@click.option("--requests-per-day", type=_ABOVE_0, metavar="N", help="How many usable texts you need a day.")
@click.option("--idle-watts", type=_AT_LEAST_0, metavar="W", help="What it draws the rest of the day, for this alone.")
@click.option("--hardware-price", type=_AT_LEAST_0, metavar="USD", help="What the machine cost.")
@click.option("--years", type=_ABOVE_0, metavar="N", help="How long it is used (default: 4, assumed).")
@click.option("--residual", type=_AT_LEAST_0, metavar="USD", help="What it is worth after that.")
@click.option(
    "--attribution", type=_SHARE, metavar="SHARE", help="Share of the machine charged to this (default: 1, assumed)."
)
@click.option("--maintenance", type=_AT_LEAST_0, metavar="USD", help="Upkeep a year.")
@click.option("--accepted", type=_SHARE, help="Share of texts that are usable (default: the run's publishable rate).")
@click.option("--cloud-accepted", type=_SHARE, help="The same of the cloud's (default: 1, to the cloud's advantage).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def cost(run_id: str | None, *, as_json: bool, **options: Any) -> None:
    """Say what a text costs here, and whether it is worth it against a cloud API.

    With a RUN (an id, or latest) from what it measured; without one from --watts, --latency-ms, --tariff and
    --cloud-per-request. What was assumed is marked, with its range and with the value at which the answer would turn.
    """
    from bakeoff.core.errors import UsageError
    from bakeoff.report.cost import cost_document, cost_lines

    _check(run_id, options)
    if (options["residual"] or 0.0) > (options["hardware_price"] or 0.0):
        raise UsageError(
            "--residual is more than --hardware-price", "give the price that was paid, and less for the rest"
        )
    costed = _calculate(options) if run_id is None else _of_run(run_id, options)
    if as_json:
        click.echo(json.dumps(cost_document(costed), ensure_ascii=False))
        return
    from rich.console import Console

    console = Console()
    for line in cost_lines(costed, console.width):
        console.print(line)


_GO_WITH = {"country": ("rate",), "hardware_price": ("years", "attribution")}
"""Options that only say more about another one."""


def _check(run_id: str | None, options: dict[str, Any]) -> None:
    """Refuse what does not go together.

    Raises:
        click.UsageError: with what is missing, or too much.
    """
    names = {name: f"--{name.replace('_', '-')}" for name in options}
    if run_id is None:
        needed = [name for name in ("watts", "latency_ms") if options[name] is None]
        if needed:
            raise click.UsageError(f"name a RUN, or give {' and '.join(names[name] for name in needed)}")
        if options["cloud_per_request"] is None:
            raise click.UsageError("without a RUN nobody knows how many tokens a text has: give --cloud-per-request")
    elif options["latency_ms"] is not None:
        raise click.UsageError("the run knows how long its texts took: leave out --latency-ms")
    if (options["price_in"] is None) != (options["price_out"] is None):
        raise click.UsageError("give both --price-in and --price-out, or neither")
    for about, others in _GO_WITH.items():
        idle = [names[name] for name in others if options[name] is not None and options[about] is None]
        if idle:
            raise click.UsageError(f"{' and '.join(idle)} would change nothing without {names[about]}: give it too")
    if options["rate"] is not None and options["tariff"] is not None:
        raise click.UsageError(
            "--rate would change nothing beside --tariff, which is in dollars: leave one of them out"
        )
    ways = [name for name in ("against", "price_in", "cloud_per_request") if options[name] is not None]
    if len(ways) > 1:
        raise click.UsageError(f"{' and '.join(names[name] for name in ways)} are two prices: give one of them")


def _calculate(options: dict[str, Any]) -> Costed:
    from bakeoff.study.pricing import Terms, calculate

    return calculate(Terms.of(options), float(options["watts"]), float(options["latency_ms"]) / 1000)


def _of_run(run_id: str, options: dict[str, Any]) -> Costed:
    from bakeoff.library.workspace import open_store, workspace_folder
    from bakeoff.study.costing import read_work
    from bakeoff.study.pricing import Terms, cost_of_run
    from bakeoff.study.run_state import lacks
    from bakeoff.study.stored_plan import load_plan

    terms = Terms.of(options)
    store = open_store()
    try:
        plan = load_plan(store, run_id)
        row = store.run(plan.run_id)
        if row is None or row.result is None:
            raise lacks("result", store, plan.run_id, workspace_folder())
        return cost_of_run(plan, read_work(plan, store), row.result["decision"]["choice"], terms)
    finally:
        store.close()
