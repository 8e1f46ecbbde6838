"""What the client of one request has been sent: nothing yet, comments while it waits, an answer, its end.

A stream is opened late, with the status and headers of what really serves it. Where that takes long, it is opened with
`x-bakeoff-pending` instead, and comments (`: loading`) keep it alive; who serves is then said in a comment too. Every write has
a deadline, so that a client that does not read holds no model.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence

from starlette.types import Message, Send

from bakeoff.engines.openai_protocol import ApiError, as_event
from bakeoff.serve.api_errors import error_response

Headers = Sequence[tuple[bytes, bytes]]
STREAM_HEADERS: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
PENDING: Headers = ((b"x-bakeoff-pending", b"1"),)
JSON_HEADERS: Headers = ((b"content-type", b"application/json"),)
LOADING = b": loading\n\n"


class ClientGone(Exception):
    """The client hung up."""


class Outlet:
    """The client's side of one completion. `general` are the headers that any answer to it has.

    `kept` collects what is written of a stream's answer, where it is a list. `on_stuck` is called when a write takes longer than `write_s`: the client does not read.
    """

    def __init__(self, send: Send, general: Headers, *, streams: bool, write_s: float) -> None:
        self._send = send
        self.general = general
        self._streams = streams
        self._write_s = write_s
        self._commenting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._writing_since: float | None = None
        self._guard: asyncio.TimerHandle | None = None
        self.on_stuck: Callable[[], None] | None = None
        self.kept: list[bytes] | None = None
        self.opened = False
        self.finished = False

    def comment_every(self, seconds: float) -> None:
        """Keep a stream alive from `seconds` from now on, until its answer begins."""
        if self._streams and self._timer is None:
            self._timer = self._loop.call_later(seconds, self._begin_comments, seconds)

    def _begin_comments(self, seconds: float) -> None:
        self._commenting = asyncio.create_task(self._comment(seconds))

    async def _comment(self, seconds: float) -> None:
        with contextlib.suppress(ClientGone):
            await self._open((*STREAM_HEADERS, *PENDING))
            while True:
                await self._write(LOADING)
                await asyncio.sleep(seconds)

    async def stop_comments(self) -> None:
        """Say nothing more until the answer begins."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._commenting is not None:
            task, self._commenting = self._commenting, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def begin_stream(self, headers: Headers) -> None:
        """Open the stream with the headers of who serves it; where it is open already, say them in comments.

        Raises:
            ClientGone: nobody reads.
        """
        await self.stop_comments()
        if not self.opened:
            await self._open((*STREAM_HEADERS, *headers))
            return
        said = b"".join(b": %b: %b\n" % header for header in headers)
        await self._write(said + b"\n")

    async def write(self, data: bytes) -> None:
        """Pass on bytes of a stream.

        Raises:
            ClientGone: nobody reads.
        """
        if data:
            if self.kept is not None:
                self.kept.append(data)
            await self._write(data)

    async def end_stream(self, last: bytes = b"") -> None:
        """End the stream.

        Raises:
            ClientGone: nobody reads.
        """
        self.finished = True
        await self._deliver({"type": "http.response.body", "body": last})

    async def whole(self, body: bytes, headers: Headers, status: int = 200) -> None:
        """Send an answer in one piece.

        Raises:
            ClientGone: nobody reads.
        """
        length = (b"content-length", str(len(body)).encode())
        await self._start(status, (*JSON_HEADERS, length, *headers))
        self.finished = True
        await self._deliver({"type": "http.response.body", "body": body})

    async def error(self, error: ApiError, headers: Headers = ()) -> None:
        """Say that there is no answer: as a response of its own, or as the last event of a stream that is open.

        Raises:
            ClientGone: nobody reads.
        """
        await self.stop_comments()
        if self.opened:
            await self.end_stream(as_event(error.body))
            return
        made = error_response(error)
        await self._start(made.status_code, (*made.raw_headers, *headers))
        self.finished = True
        await self._deliver({"type": "http.response.body", "body": bytes(made.body)})

    async def _open(self, headers: Headers) -> None:
        await self._start(200, headers)

    async def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.opened = True
        start = {"type": "http.response.start", "status": status, "headers": [*headers, *self.general]}
        await self._deliver(start)

    async def _write(self, data: bytes) -> None:
        await self._deliver({"type": "http.response.body", "body": data, "more_body": True})

    async def _deliver(self, message: Message) -> None:
        self._writing_since = self._loop.time()
        if self._guard is None:
            self._guard = self._loop.call_later(self._write_s, self._look)
        try:
            await self._send(message)
        except OSError as error:
            raise ClientGone("the client hung up") from error
        finally:
            self._writing_since = None

    def _look(self) -> None:
        """See whether a write takes too long: one timer for all writes, which are many, and quick."""
        begun = self._writing_since
        due = self._loop.time() if begun is None else begun
        self._guard = self._loop.call_at(due + self._write_s, self._look)
        if begun is not None and self._loop.time() >= begun + self._write_s and self.on_stuck is not None:
            self.on_stuck()

    def close(self) -> None:
        """Watch no further writes: the request is over."""
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None
