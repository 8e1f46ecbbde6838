"""The local page of `bakeoff label --web`: the same session, in a browser."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bakeoff.cli.local_door import address, listen, new_token
from bakeoff.cli.local_page import HEADERS, server_of, static
from bakeoff.decide.labelling import Choice

if TYPE_CHECKING:
    from rich.console import Console

    from bakeoff.study.labelling import Labelling

_LINGER_S = 0.5


def serve_page(session: Labelling, port: int, console: Console) -> None:
    """Serve the page until all is labelled, or Ctrl-C.

    Raises:
        UsageError: the port is taken.
    """
    token = new_token()
    with listen(port) as listener:
        console.print(f"Label here:  {address(listener, token)}", highlight=False, markup=False, soft_wrap=True)
        console.print("Ctrl-C ends it; what is answered is stored.", highlight=False, markup=False)
        page = _Page(session, lambda: setattr(server, "should_exit", True))
        server = server_of(page.routes(), token)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(server.serve(sockets=[listener]))


class _Page:
    """The page's handlers over one session; `end` is called when all is answered."""

    def __init__(self, session: Labelling, end: Callable[[], None]) -> None:
        self._session = session
        self._end = end

    def routes(self) -> list[Route]:
        """Return what is answered."""
        return [
            Route("/", static("label.html", "text/html")),
            Route("/label.css", static("label.css", "text/css")),
            Route("/label.js", static("label.js", "text/javascript")),
            Route("/question", self._question),
            Route("/answer", self._answer, methods=["POST"]),
        ]

    async def _question(self, _request: Request) -> Response:
        question = self._session.question
        asked = None if question is None else question._asdict()
        return JSONResponse({"question": asked, "answered": len(self._session.labels)}, headers=HEADERS)

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
