"""`bakeoff top`: what a running gateway does, live in the terminal."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import click

from bakeoff.cli.running_gateway import DEFAULT_URL

SCHEMA = "bakeoff.status/1"


@click.command()
@click.option("--url", metavar="URL", default=DEFAULT_URL, show_default=True, help="Where the gateway listens.")
@click.option(
    "--every", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, help="Seconds between looks."
)
@click.option("--once", is_flag=True, help="Look once, print it, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, and end.")
def top(url: str, every: float, *, once: bool, as_json: bool) -> None:
    """Watch a running gateway: models, memory, requests, quality, alerts, cost.

    Rates are of the time between two looks. Where the gateway wants a key, it is read from BAKEOFF_API_KEY; without the right one nothing is watched. Ctrl-C ends it.
    """
    from rich.console import Console

    from bakeoff.cli.top_view import render

    base = url.rstrip("/").removesuffix("/v1")
    status = read_status(base)
    if as_json:
        click.echo(json.dumps(status, ensure_ascii=False))
        return
    console = Console()
    if once or not console.is_terminal:
        time.sleep(min(every, 1.0))
        console.print(render(read_status(base), status, min(every, 1.0), base))
        return
    with contextlib.suppress(KeyboardInterrupt):  # that is how it ends
        _watch(base, status, every, console)


def _watch(base: str, status: dict[str, Any], every: float, console: Any) -> None:
    from rich.live import Live

    from bakeoff.cli.top_view import render, render_lost
    from bakeoff.core.errors import BakeoffError, UsageError
    from bakeoff.core.garbage import look_as_usual

    look_as_usual()
    looked_s = time.perf_counter()
    with Live(render(status, None, 0.0, base), console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            try:
                now, now_s = read_status(base), time.perf_counter()
            except UsageError:  # it wants a key now: no later look would be let in, and each is counted as refused
                raise
            except BakeoffError as error:
                view = render_lost(status, time.perf_counter() - looked_s, base, error.message)
            else:
                view = render(now, status, now_s - looked_s, base)
                status, looked_s = now, now_s
            live.update(view, refresh=True)


def read_status(base: str) -> dict[str, Any]:
    """Return the status document of the gateway at `base`.

    Raises:
        BakeoffError: nobody answers there, or it is no gateway of ours.
        UsageError: `base` is no address, or the gateway wants a key that it was not shown.
    """
    from bakeoff.cli.running_gateway import ask_gateway, no_gateway

    document = ask_gateway(base, "/status")
    if document.get("schema") != SCHEMA:
        raise no_gateway(f"what answers at {base} is no gateway of bakeoff, or one of another version")
    return document
