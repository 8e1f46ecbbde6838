"""A page on this machine for one person: on 127.0.0.1 only, under a path that nobody can guess.

It answers no other host name (a page elsewhere could have its own name resolve to this address), may be framed by nobody, and its
texts are set as text, never as HTML.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
"""Of every answer."""


def server_of(routes: Sequence[Route], token: str) -> uvicorn.Server:
    """Return what serves these routes under the token, without a line in any log."""
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    app = Starlette(routes=[Mount(f"/{token}", routes=routes)], middleware=[hosts])
    return uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))


def static(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    """Return what sends a file of the folder `pages`."""
    body = (files("bakeoff.cli") / "pages" / name).read_text(encoding="utf-8")

    async def send(_request: Request) -> Response:
        return Response(body, media_type=media_type, headers=HEADERS)

    return send
