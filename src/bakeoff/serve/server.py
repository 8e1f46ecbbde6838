"""The gateway's connections: uvicorn with deadlines that it has not, and an end that lets answers finish.

uvicorn gives a client as long as it likes to send the head of a request (its issue 157), and an ASGI application is only asked
once the head is complete: so the deadline is in the protocol class. What is no HTTP is answered in OpenAI's shape, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import signal
import socket
from collections.abc import Callable, Generator
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from bakeoff.core.errors import UsageError
from bakeoff.engines.openai_protocol import ApiError
from bakeoff.serve.api_errors import GatewayError, error_response
from bakeoff.serve.app import Gateway
from bakeoff.serve.hang_up import HANG_UP
from bakeoff.serve.open_files import allow_connections
from bakeoff.serve.settings import ServerSettings

KEEP_ALIVE_S = 75
"""Longer than clients keep an idle connection, so that none is closed just as a request is sent on it."""
BACKLOG = 512
MAX_HEAD_BYTES = 1 << 16
_CANCEL_S = 1.0


class Corked:
    """A transport that sends what is written within one turn of the event loop at once: a system call costs more than all that
    is done to make what it sends, and an answer's head and body are two writes.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send these bytes at the end of this turn."""
        if not data:
            return
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        """Send what is held, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, []
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a deadline and a size for a request's head; made for a gateway's settings by `protocol_for`."""

    head_s = 10.0
    most = 1000
    _due: asyncio.TimerHandle | None = None
    _in_request = False
    _gone: Callable[[], None] | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many."""
        super().connection_made(cast("asyncio.Transport", Corked(transport, self.loop)))
        if len(self.connections) > self.most:
            self._end(503, "too many connections are open", "too_many_connections")
            return
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        if self.transport.is_closing():
            return
        self._head_bytes += 0 if self._in_request else len(data)
        super().data_received(data)
        if self._in_request:
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._end(431, f"the request's head is larger than {MAX_HEAD_BYTES} bytes", "head_too_large")
        elif self._due is None and self._head_bytes and not self._answering:
            self._await_head()

    def on_headers_complete(self) -> None:
        """A request's head is here (httptools)."""
        self._stop_waiting()
        self._in_request, self._head_bytes = True, 0
        self.scope["extensions"] = {HANG_UP: {"call": self._on_hang_up}}
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is here to its end (httptools)."""
        self._in_request = False
        super().on_message_complete()

    def eof_received(self) -> None:
        """Say that a body was cut off, where the client sends no more and no answer has begun; the connection closes in any case."""
        if self._in_request and not self.pipeline and not self.cycle.response_started:
            self._say(400, "the connection ended before the body was complete", "incomplete_body")
        self.transport.close()  # asyncio would, without what is held back for this turn

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)
        if self._gone is not None:
            self._gone()

    def send_400_response(self, _msg: str) -> None:
        """Say that this is no HTTP."""
        self._end(400, "this is not HTTP/1.1 as it is written down", "invalid_http")

    def _on_hang_up(self, gone: Callable[[], None]) -> Callable[[], None]:
        """Have `gone` called once the client has hung up; return what forgets it.

        Requests of a connection are served in turn, and the next one may begin before the one before it has forgotten its own.
        """
        self._gone = gone
        if self.transport.is_closing():
            self.loop.call_soon(gone)

        def forget() -> None:
            if self._gone is gone:
                self._gone = None

        return forget

    def _unsupported_upgrade_warning(self) -> None:
        """Be silent: uvicorn would ask to install a WebSocket library, and the gateway has no use for one."""

    @property
    def _answering(self) -> bool:
        return getattr(self.cycle, "response_complete", True) is False  # None before the first request

    def _await_head(self) -> None:
        self._stop_waiting()
        self._due = self.loop.call_later(
            self.head_s, self._end, 408, "the request's head did not come in time", "request_timeout"
        )

    def _stop_waiting(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _end(self, status: int, message: str, code: str) -> None:
        """Say what is wrong, where no other answer is under way, and close the connection."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if not self._answering:
            self._say(status, message, code)
        self.transport.close()

    def _say(self, status: int, message: str, code: str) -> None:
        body = json.dumps(ApiError(status, message, code=code).body).encode()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)


def protocol_for(settings: ServerSettings) -> type[PatientProtocol]:
    """Return the protocol class for these settings."""
    return type("Protocol", (PatientProtocol,), {"head_s": settings.head_s, "most": settings.max_connections})


def _ending_quietly(app: ASGIApp) -> ASGIApp:
    """Return `app`, whose requests may be cancelled by the server's end: uvicorn would log each with its traceback."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            ends = GatewayError(503, "the gateway ends", code="gateway_stopping", retry_after_s=5)
            with contextlib.suppress(RuntimeError, OSError):  # RuntimeError: an answer was begun, or is complete
                await error_response(ends)(scope, receive, send)

    return serve


class GatewayServer(uvicorn.Server):
    """uvicorn over a gateway. `announce` is called once it listens; `stop` begins its end."""

    def __init__(self, gateway: Gateway, settings: ServerSettings, announce: Callable[[], None]) -> None:
        config = uvicorn.Config(
            _ending_quietly(gateway.asgi),
            http=protocol_for(settings),
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(settings.drain_s)),
            backlog=BACKLOG,
        )
        super().__init__(config)
        self._gateway = gateway
        self._announce = announce
        self._connections = settings.max_connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        allow_connections(self._connections)
        await super().startup(sockets)
        if sockets:
            self._gateway.begin(base_url(sockets[0]))
        self._announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGTERM and SIGINT begin the end; the second one is impatient."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Take no more requests, and end when those under way have; at once when called again."""
        self._gateway.stop_taking()
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: see `stop`."""
        await super().shutdown(sockets)
        tasks: set[asyncio.Task[Any]] = set(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:  # their last words reach the clients
            await asyncio.wait(tasks, timeout=_CANCEL_S)


_LISTEN_HINTS = {
    errno.EADDRINUSE: "another program listens there: take another port (--port 0 takes any that is free), or stop it",
    errno.EACCES: "ports below 1024 need rights: take another port",
    errno.EADDRNOTAVAIL: "no network interface of this machine has that address: leave --host out for 127.0.0.1",
}


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there.

    Raises:
        UsageError: the address is taken, not ours, or none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(f"--host {host}: no such address ({error})", "leave it out for 127.0.0.1") from None
    family, _, _, _, address = found[0]
    # asyncio looks for TCP by its number before it switches Nagle's algorithm off, which cost 40 ms a first token.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        hint = _LISTEN_HINTS.get(error.errno or 0, "")
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}", hint) from error
    return listener


def base_url(listener: socket.socket) -> str:
    """Return where it listens, as a client writes it."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - where it listens, which is not where it is to be found
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104 - as above
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
