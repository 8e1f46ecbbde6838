"""`bakeoff top`: what a running gateway does, live in the terminal."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bakeoff.core.errors import BakeoffError

DEFAULT_URL = "http://127.0.0.1:8080"
SCHEMA = "bakeoff.status/1"
_WITHIN_S = 5.0
_MOST_BYTES = 16 * 2**20


@click.command()
@click.option("--url", metavar="URL", default=DEFAULT_URL, show_default=True, help="Where the gateway listens.")
@click.option(
    "--every", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, help="Seconds between looks."
)
@click.option("--once", is_flag=True, help="Look once, print it, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, and end.")
def top(url: str, every: float, *, once: bool, as_json: bool) -> None:
    """Watch a running gateway: models, memory, requests, quality, alerts, cost.

    Rates are of the time between two looks. Where the gateway wants a key, it is read from BAKEOFF_API_KEY. Ctrl-C ends it.
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
    _watch(base, status, every, console)


def _watch(base: str, status: dict[str, Any], every: float, console: Any) -> None:
    from rich.live import Live

    from bakeoff.cli.top_view import render
    from bakeoff.core.errors import BakeoffError

    looked_s = time.perf_counter()
    with Live(render(status, None, 0.0, base), console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            before, then_s = status, looked_s
            lost = ""
            try:
                status, looked_s = read_status(base), time.perf_counter()
            except BakeoffError as error:
                lost = error.message
            live.update(render(status, before, looked_s - then_s, base, lost), refresh=True)


def read_status(base: str) -> dict[str, Any]:
    """Return the status document of the gateway at `base`.

    Raises:
        BakeoffError: nobody answers there, or it is no gateway of ours.
        UsageError: `base` is no address.
    """
    import http.client
    import urllib.error
    import urllib.request

    from bakeoff.core.errors import UsageError

    if not base.startswith(("http://", "https://")):
        raise UsageError(f"--url {base}: no address of a gateway", f"such as {DEFAULT_URL}")
    key = os.environ.get("BAKEOFF_API_KEY", "").strip()
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        request = urllib.request.Request(f"{base}/status", headers=headers)  # noqa: S310 - checked above
        # A proxy is for what is far away, and a gateway is not.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_WITHIN_S) as answer:
            document = json.loads(answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        raise _refused(base, error.code) from None
    except (OSError, http.client.HTTPException) as error:
        inner = getattr(error, "reason", None) or error
        why = getattr(inner, "strerror", None) or inner
        raise _no_gateway(f"no gateway answers at {base} ({why})") from None
    except ValueError:
        raise _no_gateway(f"what answers at {base} is no gateway of bakeoff") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _no_gateway(f"what answers at {base} is no gateway of bakeoff, or one of another version")
    return document


def _refused(base: str, status: int) -> BakeoffError:
    from bakeoff.core.errors import BakeoffError

    if status == 401:
        return BakeoffError(f"the gateway at {base} wants a key", "set BAKEOFF_API_KEY to it")
    return _no_gateway(f"what answers at {base} has no /status (HTTP {status})")


def _no_gateway(message: str) -> BakeoffError:
    from bakeoff.core.errors import BakeoffError

    return BakeoffError(message, "start one with: bakeoff serve; or say where it listens: --url http://127.0.0.1:PORT")
