"""The local page of `bakeoff label --web`: the same session, in a browser.

It listens on 127.0.0.1 only, under a path that nobody can guess, answers no other host name (a page elsewhere could have its
own name resolve to this address), and its texts are set as text, never as HTML.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import TYPE_CHECKING, get_args

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bakeoff.core.errors import UsageError
from bakeoff.decide.labelling import Choice

if TYPE_CHECKING:
    from rich.console import Console

    from bakeoff.study.labelling import Labelling

_LINGER_S = 0.5
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def serve_page(session: Labelling, port: int, console: Console) -> None:
    """Serve the page until all is labelled, or Ctrl-C.

    Raises:
        UsageError: the port is taken.
    """
    token = secrets.token_urlsafe(16)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(f"port {port} cannot be used: {error.strerror}", "name another with --port") from None
        listener.listen()  # from here on a browser waits, instead of being refused
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/{token}/"
        console.print(f"Label here:  {address}", highlight=False, markup=False, soft_wrap=True)
        console.print("Ctrl-C ends it; what is answered is stored.", highlight=False, markup=False)
        page = _Page(session, lambda: setattr(server, "should_exit", True))
        server: uvicorn.Server = uvicorn.Server(uvicorn.Config(page.app(token), log_config=None, access_log=False))
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(server.serve(sockets=[listener]))


class _Page:
    """The page's handlers over one session; `end` is called when all is answered."""

    def __init__(self, session: Labelling, end: Callable[[], None]) -> None:
        self._session = session
        self._end = end

    def app(self, token: str) -> Starlette:
        """Return the application, under a path that starts with `token`."""
        routes = [
            Route(f"/{token}/", _static("label.html", "text/html")),
            Route(f"/{token}/label.css", _static("label.css", "text/css")),
            Route(f"/{token}/label.js", _static("label.js", "text/javascript")),
            Route(f"/{token}/question", self._question),
            Route(f"/{token}/answer", self._answer, methods=["POST"]),
        ]
        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
        return Starlette(routes=routes, middleware=[hosts])

    async def _question(self, _request: Request) -> Response:
        question = self._session.question
        asked = None if question is None else question._asdict()
        return JSONResponse({"question": asked, "answered": len(self._session.labels)}, headers=_HEADERS)

    async def _answer(self, request: Request) -> Response:
        try:
            said = await request.json()
            number, choice = said["number"], said["choice"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return JSONResponse({"error": "expected number and choice"}, 400)
        if not isinstance(number, int) or choice not in (*get_args(Choice), "undo"):
            return JSONResponse({"error": f"choice must be one of {', '.join(get_args(Choice))}, undo"}, 400)
        if choice == "undo":
            self._session.undo()
        else:
            self._session.answer(number, choice)
        if self._session.question is None:
            # After this response the page asks for nothing more.
            asyncio.get_running_loop().call_later(_LINGER_S, self._end)
        return await self._question(request)


def _static(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    body = (files("bakeoff.cli") / "pages" / name).read_text(encoding="utf-8")

    async def send(_request: Request) -> Response:
        return Response(body, media_type=media_type, headers=_HEADERS)

    return send
