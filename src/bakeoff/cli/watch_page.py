"""The page of a run, served on this machine: live while another process works on the run, the report itself when that is over.

    python -m bakeoff.cli.watch_page    # the program that `bakeoff run --watch` starts beside the run; reads what to do from stdin

The run and who looks at it share nothing but the store. Nothing is read while no browser asks; the program beside a run has the
lowest priority, and what it takes to judge where the run stands is a twentieth of the time at most. So neither a slow browser nor a dead one
is anything to the run, nor is the end of this program.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import threading
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bakeoff.cli.local_page import HEADERS, server_of, static
from bakeoff.cli.watched import Watched
from bakeoff.core.errors import BakeoffError
from bakeoff.library.report_file import served_page
from bakeoff.library.run_state import state_of
from bakeoff.library.workspace import open_store
from bakeoff.study.stored_plan import load_plan

if TYPE_CHECKING:
    import uvicorn

    from bakeoff.report.page.assembly import Page
    from bakeoff.store.db import Store

_EVERY_S = 1.0
_SHARE = 20
"""A standing that took a second is asked for again after so many."""
_NOBODY_S = 4.0
"""After so long without a question nobody looks."""
_LINGER_S = 0.5
_NICE = 19
_OVER = {"done", "interrupted", "failed"}
# A report brings a policy of its own, by the hash of its script.
_LIVE = static("watch.html", "text/html")
_REPORT_HEADERS = HEADERS | {"content-security-policy": "frame-ancestors 'none'"}


class LivePage:
    """The handlers of one run's page.

    One that serves beside a run ends with it: when it has been told of the report that was written at the end, and somebody has seen
    that, or nobody looks.
    """

    def __init__(self, store: Store, run_id: str, *, beside: bool) -> None:
        self.written: Path | None = None
        """The report that was written at the end of the run which this page is beside."""
        self._store = store
        self._run_id = run_id
        self._beside = beside
        self._watched: Watched | None = None
        self._seen: dict[str, Any] = {"state": "starting"}
        self._standing: dict[str, Any] | None = None
        self._standing_at = self._asked_at = -1e9
        self._took_s = 0.0
        self._shown = asyncio.Event()
        self._page: Page | None = None
        self._making = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return what is answered."""
        return [
            Route("/", self._first),
            Route("/watch.css", static("watch.css", "text/css")),
            Route("/watch.js", static("watch.js", "text/javascript")),
            Route("/state", self._state),
            Route("/report", self._report),
            Route("/texts/{number:int}", self._texts),
        ]

    async def follow(self, server: uvicorn.Server) -> None:
        """Look at the run while somebody looks at the page; end the server where the run's end ends it.

        What the store refuses is tried again the next time: the run may hold it for long, and nothing is lost here.
        """
        while not server.should_exit:
            await asyncio.sleep(_EVERY_S)
            looked_at = monotonic() - self._asked_at <= _NOBODY_S
            if self._beside and self.written is not None:
                # Who looks asks for the report as soon as a state says that it is over.
                if looked_at:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._shown.wait(), _NOBODY_S)
                        await asyncio.sleep(_LINGER_S)
                server.should_exit = True
            elif looked_at and not await asyncio.to_thread(self._is_over):
                with contextlib.suppress(BakeoffError):
                    await asyncio.to_thread(self._look)

    def _is_over(self) -> bool:
        if self._beside:
            return self.written is not None
        try:
            return state_of(self._store, self._run_id) in _OVER
        except BakeoffError:
            return False

    def _look(self) -> None:
        if self._watched is None:
            if state_of(self._store, self._run_id) == "starting":
                return
            self._watched = Watched(load_plan(self._store, self._run_id), self._store)
        self._seen = self._watched.progress()
        began = monotonic()
        if began - self._standing_at > _SHARE * self._took_s:
            self._standing = self._watched.standing()
            self._standing_at = monotonic()
            self._took_s = self._standing_at - began
            self._seen = self._watched.progress()

    async def _first(self, request: Request) -> Response:
        self._asked_at = monotonic()
        if await asyncio.to_thread(self._is_over):
            return await self._report(request)
        return await _LIVE(request)

    async def _state(self, _request: Request) -> Response:
        self._asked_at = monotonic()
        over = await asyncio.to_thread(self._is_over)
        return JSONResponse(self._seen | {"over": over, "standing": self._standing}, headers=HEADERS)

    async def _report(self, _request: Request) -> Response:
        """Send the report so far; at the end of a run that this is beside, whole, since nobody answers afterwards."""
        if self.written is not None:
            self._shown.set()
            return FileResponse(self.written, media_type="text/html", headers=_REPORT_HEADERS)
        async with self._making:  # one at a time: each takes a moment's memory
            try:
                page = await asyncio.to_thread(self._make)
            except BakeoffError as error:
                return PlainTextResponse(f"{error.message}\n", 503, headers=HEADERS)
        return HTMLResponse(page.before + page.after, headers=_REPORT_HEADERS)

    def _make(self) -> Page:
        if self._page is None or not self._is_over():
            self._page = served_page(self._store, self._run_id)
        return self._page

    async def _texts(self, request: Request) -> Response:
        page = self._page
        found = None if page is None else await asyncio.to_thread(page.chunk, request.path_params["number"])
        if found is None:
            return JSONResponse({"error": "there are no such texts"}, 404, headers=HEADERS)
        return Response(found, media_type="application/json", headers=HEADERS)


async def serve_live(listener: socket.socket, token: str, page: LivePage) -> None:
    """Serve the page until it, Ctrl-C or SIGTERM ends it."""
    server = server_of(page.routes(), token)
    following = asyncio.create_task(page.follow(server))
    try:
        await server.serve(sockets=[listener])
    finally:
        server.should_exit = True
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


def _beside_a_run() -> None:
    """Serve a page that another process has the address of; end when that process does."""
    told = json.loads(sys.stdin.readline())
    os.nice(_NICE)
    store = open_store()
    page = LivePage(store, told["run_id"], beside=True)

    def listen_to_the_run() -> None:
        for line in sys.stdin:
            page.written = Path(json.loads(line)["report"])
        os._exit(0)

    threading.Thread(target=listen_to_the_run, daemon=True).start()
    try:
        with socket.socket(fileno=told["listener"]) as listener, contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve_live(listener, told["token"], page))
    finally:
        store.close()


if __name__ == "__main__":
    _beside_a_run()
