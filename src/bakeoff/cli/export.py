"""`bakeoff export RUN --to TARGET`: a run's results in a form that others read."""

from __future__ import annotations

import importlib
from typing import Any

import click

# target -> (where the function is, what it writes)
TARGETS: dict[str, tuple[str, str]] = {
    "mlflow": ("bakeoff.cli.export_mlflow:export", "a run a candidate in MLflow, with metrics, texts and the report"),
}


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--to", "target", type=click.Choice(list(TARGETS)), required=True, help="What to make of it.")
@click.option(
    "--tracking-uri", metavar="URI", help="mlflow: which one (default: MLFLOW_TRACKING_URI, else the workspace's own)."
)
@click.option("--experiment", metavar="NAME", help="mlflow: the experiment (default: bakeoff SUITE).")
@click.option(
    "--requests-per-day",
    type=click.FloatRange(min=0, min_open=True, max=1e12),
    metavar="N",
    help="mlflow: usable texts that you need a day, for a year's saving.",
)
@click.option("--against", metavar="MODEL", help="mlflow: the cloud model whose price is compared.")
def export(run_id: str, target: str, **options: Any) -> None:
    """Hand a run's results to something else: MLflow.

    RUN is a run's id, or latest.
    """
    module, _, name = TARGETS[target][0].partition(":")
    getattr(importlib.import_module(module), name)(run_id, **options)
