"""A gateway that runs, asked by a command: its documents, and what it is told. The key is read from BAKEOFF_API_KEY."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bakeoff.core.errors import BakeoffError

DEFAULT_URL = "http://127.0.0.1:8080"
_WITHIN_S = 5.0
_MOST_BYTES = 16 * 2**20


@click.command("acknowledge")
@click.option("--url", metavar="URL", default=DEFAULT_URL, show_default=True, help="Where the gateway listens.")
def acknowledge(url: str) -> None:
    """Say that drops of quality were dealt with: their alerts close, and grades are held anew against the run.

    Where the gateway wants a key, it is read from BAKEOFF_API_KEY.
    """
    found = ask_gateway(url.rstrip("/").removesuffix("/v1"), "/quality/acknowledge", post=True)["acknowledged"]
    for each in found:
        click.echo(f"{each['candidate']}, {each['content_type']} ({each['measure']}): watched for anew")
    if not found:
        click.echo("Nothing has dropped.")


def ask_gateway(base: str, path: str, *, post: bool = False) -> dict[str, Any]:
    """Return the document of the gateway at `base`.

    Raises:
        BakeoffError: nobody answers there, or it is no gateway of ours.
        UsageError: `base` is no address, or the gateway wants a key that it was not shown.
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
        request = urllib.request.Request(  # noqa: S310 - checked above
            base + path, headers=headers, method="POST" if post else "GET"
        )
        # A proxy is for what is far away, and a gateway is not.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_WITHIN_S) as answer:
            document = json.loads(answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        raise _refused(base, path, error.code, shown=bool(key)) from None
    except (OSError, http.client.HTTPException) as error:
        inner = getattr(error, "reason", None) or error
        why = getattr(inner, "strerror", None) or inner
        raise no_gateway(f"no gateway answers at {base} ({why})") from None
    except ValueError:
        raise no_gateway(f"what answers at {base} is no gateway of bakeoff") from None
    if not isinstance(document, dict):
        raise no_gateway(f"what answers at {base} is no gateway of bakeoff")
    return document


def _refused(base: str, path: str, status: int, *, shown: bool) -> BakeoffError:
    from bakeoff.core.errors import UsageError

    if status == 401 and shown:
        return UsageError(f"the gateway at {base} refuses the key in BAKEOFF_API_KEY", "set it to one that opens it")
    if status == 401:
        return UsageError(f"the gateway at {base} wants a key", "set BAKEOFF_API_KEY to it")
    return no_gateway(f"what answers at {base} has no {path} (HTTP {status})")


def no_gateway(message: str) -> BakeoffError:
    """Return the error that says so, and how to start one."""
    from bakeoff.core.errors import BakeoffError

    return BakeoffError(message, "start one with: bakeoff serve; or say where it listens: --url http://127.0.0.1:PORT")
