"""`bakeoff export --to prometheus-rules` and `--to grafana`: what watches a gateway from outside.

Neither is made of a run, and whoever names one, as with the other targets, is told so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


def _to_file(function: _F) -> _F:
    """Add what both take."""
    for option in (
        click.option("--replace", is_flag=True, help="Replace a file of that name that is there."),
        click.option(
            "-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to (default: stdout)."
        ),
        click.argument("run", required=False),
    ):
        function = option(function)
    return function


@click.command("prometheus-rules")
@_to_file
def export_rules(run: str | None, out: Path | None, *, replace: bool) -> None:
    """Write the alert rules for Prometheus, the same that a gateway evaluates itself.

    Name the file under rule_files in prometheus.yml; the gateway's job must be called bakeoff. docs/serving-monitoring.md.
    """
    import yaml

    from bakeoff.serve.alert_rules import prometheus_rules

    head = "# Alert rules for `bakeoff serve`; made by `bakeoff export --to prometheus-rules`.\n"
    rules = yaml.safe_dump(prometheus_rules(), sort_keys=False, allow_unicode=True, width=120)
    _write(head + rules, run, out, replace=replace)


@click.command("grafana")
@_to_file
def export_grafana(run: str | None, out: Path | None, *, replace: bool) -> None:
    """Write a Grafana dashboard over the gateway's metrics: Dashboards, New, Import."""
    import json

    from bakeoff.serve.grafana import dashboard

    _write(json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n", run, out, replace=replace)


def _write(text: str, run: str | None, out: Path | None, *, replace: bool) -> None:
    from bakeoff.core.errors import UsageError

    if run is not None:
        click.echo("the same for every run, and for a gateway that serves none", err=True)
    if out is None:
        click.echo(text, nl=False)
        return
    if out.exists() and not replace:
        raise UsageError(f"{out} is there already", "give --replace, or another name with -o")
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror})", "give another name with -o") from None
    click.echo(f"wrote {out}", err=True)
