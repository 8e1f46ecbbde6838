"""`bakeoff export RUN --to TARGET`: a table of targets, each a command of its own, imported when it is asked for.

A target is a click command that takes RUN and options of its own. To add one: a line in `TARGETS`.
"""

from __future__ import annotations

import difflib
import importlib

import click

# target -> (where its click command is, what it writes)
TARGETS: dict[str, tuple[str, str]] = {
    "csv": ("bakeoff.cli.export_tables:export_csv", "every table of the run as CSV files"),
    "parquet": ("bakeoff.cli.export_tables:export_parquet", "the same as Parquet files"),
    "mlflow": (
        "bakeoff.cli.export_mlflow:export",
        "MLflow: a run for each candidate, with metrics, texts and the report",
    ),
    "prometheus-rules": (
        "bakeoff.cli.export_monitoring:export_rules",
        "alert rules for Prometheus, for a gateway (no RUN)",
    ),
    "llama-swap": (
        "bakeoff.cli.export_serving:export_llama_swap",
        "llama-swap's config.yaml: models loaded when asked for, on one machine",
    ),
    "litellm": (
        "bakeoff.cli.export_serving:export_litellm",
        "LiteLLM's config.yaml: routes and fallbacks in front of servers",
    ),
    "ollama": ("bakeoff.cli.export_serving:export_ollama", "a Modelfile for each model that serves a route"),
    "vllm-compose": ("bakeoff.cli.export_serving:export_vllm_compose", "vLLM in containers, as a Compose file"),
    "ray-serve": ("bakeoff.cli.export_serving:export_ray_serve", "Ray Serve on a cluster"),
    "kuberay": ("bakeoff.cli.export_serving:export_kuberay", "the same on Kubernetes, as a RayService"),
    "semantic-router": (
        "bakeoff.cli.export_serving:export_semantic_router",
        "vLLM's semantic router: routes, and the scores behind them",
    ),
    "grafana": ("bakeoff.cli.export_monitoring:export_grafana", "a Grafana dashboard for a gateway (no RUN)"),
}
_HELP = frozenset({"-h", "--help"})


class _Export(click.Command):
    """Shows the targets below its own help."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of targets."""
        del ctx
        with formatter.section("Targets"):
            formatter.write_dl([(name, what) for name, (_, what) in TARGETS.items()])


@click.command(
    cls=_Export,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True},
)
@click.option(
    "--to", "target", metavar="TARGET", help="What to make; `bakeoff export --to TARGET --help` has its options."
)
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="RUN [OPTIONS OF THE TARGET]")
@click.pass_context
def export(context: click.Context, target: str | None, rest: tuple[str, ...]) -> object:
    """Write a run for other programs: tables, trackers, servers.

    RUN is a run's id or its beginning, or latest.
    """
    if target is None:
        if _HELP.intersection(rest) or not rest:
            click.echo(context.get_help())
            return 0
        raise click.UsageError(f"say what to make: --to {' | '.join(TARGETS)}")
    if target not in TARGETS:
        near = difflib.get_close_matches(target, TARGETS, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise click.UsageError(f"there is no target {target!r}: {', '.join(TARGETS)}.{meant}")
    module, _, name = TARGETS[target][0].partition(":")
    command: click.Command = getattr(importlib.import_module(module), name)
    return command.main(
        list(rest), prog_name=f"bakeoff export --to {target}", standalone_mode=False, help_option_names=sorted(_HELP)
    )
