"""One HTTP/1.1 connection to a model's server on this machine: one request at a time, its answer's bytes as they come.

What a general client does beyond that (cookies, redirects, proxies, TLS, a task and a timer for each read) costs more than
all else that the gateway does with a request, and is of no use on a loopback or a Unix socket. The bytes are parsed by
llhttp (`httptools`), which is strict. Servers far away are `far`'s.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable

import httptools

from bakeoff.core.errors import EndpointError, EndpointFailed, EndpointGarbage, EndpointUnreachable

MOST_WAITING = 1 << 20
"""Bytes of an answer that may wait to be taken; the server is kept from sending more."""
MOST_HEADER_BYTES = 1 << 16
_NOT_RUNNING = "is the server running, and is the address right?"


class Wire(asyncio.Protocol):
    """A connection. `model` is the server's name in errors. `free` is called when an answer has ended, and it can be used again.

    `ask` sends, then `head` waits for the answer's status and headers; `read` gives what has come of its body, and `pour` hands
    each piece on as it comes, without waking a task for it. `overdue` ends the waiting from outside.
    """

    def __init__(self, model: str, free: Callable[[Wire], None]) -> None:
        self._model = model
        self._free = free
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._take: Callable[[bytes], bool] | None = None
        self._came: list[bytes] = []
        self._size = 0
        self._header_bytes = 0
        self._paused = False
        self._headed = False
        self._error: EndpointError | None = None
        self._inflate: zlib._Decompress | None = None
        self._until_closed = False
        self._late = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.ended = True
        self.idle_since = 0.0

    # For whoever asks.

    @property
    def open(self) -> bool:
        """Whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing() and self._error is None

    def ask(self, request: bytes) -> None:
        """Send a request, head and body."""
        self._came.clear()
        self._size = self._header_bytes = self.status = 0
        self._headed = self.ended = False
        self._inflate = self._take = None
        self.headers = []
        if self._transport is None:
            raise EndpointUnreachable(f"{self._model} closed the connection without an answer", _NOT_RUNNING)
        self._transport.write(request)

    async def head(self) -> None:
        """Wait until `status` and `headers` are there.

        Raises:
            EndpointError: they will not come.
        """
        while not self._headed:
            if self._error is not None:
                raise self._error
            await self._news()

    async def read(self) -> bytes:
        """Return what has come of the body, waiting for some of it; nothing at its end.

        Raises:
            EndpointError: it breaks off.
        """
        while True:
            if self._late and self._error is not None:  # whatever a server sends meanwhile
                raise self._error
            if self._came:
                came = self._came[0] if len(self._came) == 1 else b"".join(self._came)
                self._came.clear()
                self._size = 0
                self._go_on()
                return came
            if self.ended:
                return b""
            if self._error is not None:
                raise self._error
            await self._news()

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand each piece of the body to `take` until it returns False; return whether the body ended before that.

        Raises:
            EndpointError: it breaks off.
        """
        if self._came and not take(b"".join(self._came)):
            self._came.clear()
            return False
        self._came.clear()
        self._size = 0
        self._go_on()
        self._take = take
        while self._pours():
            if self.ended:
                return True
            if self._error is not None:
                raise self._error
            await self._news()
        return False

    def overdue(self, error: EndpointError) -> None:
        """Have whoever waits for the answer get this error."""
        self._late, self._error = True, error
        self._fail(error)

    def close(self) -> None:
        """Close the connection at once: the server learns that nobody listens."""
        if self._transport is not None:
            self._transport.abort()

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection (asyncio)."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is one of a stream
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes (asyncio)."""
        if self.ended and self._transport is not None:  # nothing was asked: not a byte is due
            self._transport.abort()
            return
        self._header_bytes += 0 if self._headed else len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(EndpointGarbage(f"{self._model} does not speak HTTP: it wants another protocol"))
        except (httptools.HttpParserError, zlib.error) as error:
            said = self._error or EndpointGarbage(f"{self._model} does not speak HTTP: {error}")
            self._fail(said)
        if not self._headed and self._header_bytes > MOST_HEADER_BYTES:
            self._fail(EndpointGarbage(f"{self._model} sent more than {MOST_HEADER_BYTES} bytes of headers"))
        self._hand_over()

    def eof_received(self) -> bool:
        """The server sends no more (asyncio)."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone (asyncio)."""
        self._transport = None
        if not self.ended and self._headed and self._until_closed and exc is None and self._error is None:
            self.ended = True  # a body without a length ends with its connection
            self._wake()
        elif not self._headed:
            self._fail(EndpointUnreachable(f"{self._model} closed the connection without an answer", _NOT_RUNNING))
        else:
            self._fail(EndpointFailed(f"{self._model} broke the connection in the middle of its answer"))

    # For the parser.

    def on_message_begin(self) -> None:
        """An answer begins (httptools)."""
        if self.ended:  # one more than was asked for
            self._error = EndpointGarbage(f"{self._model} does not speak HTTP: it answers what nobody asked")
            raise self._error

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header (httptools)."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Note the status (httptools)."""
        status = self._parser.get_status_code()
        if status < 200:  # "wait a moment": the answer is still to come
            self.headers = []
            return
        self.status, self._headed = status, True
        self._until_closed = True
        for name, value in self.headers:
            if name in {b"content-length", b"transfer-encoding"}:
                self._until_closed = False
            elif name == b"content-encoding" and value.strip().lower() in {b"gzip", b"deflate"}:
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def on_body(self, body: bytes) -> None:
        """Take some of the body (httptools)."""
        if self._inflate is not None:
            body = self._inflate.decompress(body, MOST_WAITING)
            if self._inflate.unconsumed_tail:
                self._error = EndpointGarbage(f"{self._model} sent very much in very few bytes")
                raise self._error
        if body:
            self._came.append(body)
            self._size += len(body)

    def on_message_complete(self) -> None:
        """The answer is complete (httptools)."""
        if self._headed:
            self.ended = True
            if not self._parser.should_keep_alive() and self._transport is not None:
                self._transport.close()

    def _hand_over(self) -> None:
        """Hand on what the last bytes brought."""
        if self._take is not None and self._came:
            came = self._came[0] if len(self._came) == 1 else b"".join(self._came)
            self._came.clear()
            self._size = 0
            if self._take(came):
                if not self.ended and self._error is None:
                    return
            else:
                self._take = None
        elif self._size > MOST_WAITING and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def _pours(self) -> bool:
        return self._take is not None

    def _go_on(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _fail(self, error: EndpointError) -> None:
        if self._error is None:
            self._error = error
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _news(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def release(self) -> None:
        """Give the connection back, its answer being complete."""
        self.idle_since = self._loop.time()
        self._free(self)
