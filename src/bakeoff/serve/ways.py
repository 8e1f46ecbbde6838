"""The ways to those who generate: one pool of connections for each model, and one answer at a time on each of them.

`near` is what is on this machine, a Unix socket or plain HTTP on a loopback: lean connections (`wire`). `far` is all else,
with TLS, proxies and name servers in between: aiohttp.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from bakeoff.core.errors import EndpointTimeout, EndpointUnreachable
from bakeoff.engines.deadlines import Watch
from bakeoff.engines.http_errors import os_reason, translated
from bakeoff.serve.lease import Upstream
from bakeoff.serve.wire import Wire

# Below the 5 s after which common servers drop an idle connection, so that none is picked up as it closes.
KEEP_ALIVE_S = 4.0
LAST_BYTES_S = 0.1
_NEAR = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(?::(\d{1,5}))?((?:/[\x21-\x7e]*)?)")


class Incoming(Protocol):
    """An answer whose status is here. Every method that waits raises `EndpointError` where it breaks off, or is overdue."""

    status: int

    def header(self, name: str) -> str:
        """Return a header, empty where there is none; `name` in lower case."""
        ...

    async def read(self) -> bytes:
        """Return the next bytes of the body; nothing at its end."""
        ...

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand the body on to `take` until it returns False; return whether the body ended before that."""
        ...

    async def finish(self) -> None:
        """Take what ends the body after its last event, so that the connection can be used again; it comes at once, or never."""
        ...

    def close(self) -> None:
        """Close the connection, unless the answer was finished."""
        ...


class Way(Protocol):
    """How one upstream is reached."""

    async def post(self, path: str, body: bytes, watch: Watch) -> Incoming:
        """Send a request; return its answer once the status is here.

        Raises:
            EndpointError: there is none.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def way_to(upstream: Upstream, connect_s: float) -> Way:
    """Return the way to an upstream."""
    if isinstance(upstream.address, Path):
        return Near(upstream, str(upstream.address), None, "/v1", connect_s)
    found = _NEAR.fullmatch(upstream.address)
    if found is None:
        return Far(upstream, upstream.address, connect_s)
    return Near(upstream, found[1].strip("[]"), int(found[2] or 80), found[3].rstrip("/"), connect_s)


class Near:
    """A server on this machine: at a Unix socket (`port` None), or at a port of a loopback."""

    def __init__(self, upstream: Upstream, host: str, port: int | None, base: str, connect_s: float) -> None:
        self._model = upstream.model
        self._host = host
        self._port = port
        self._connect_s = connect_s
        self._idle: deque[Wire] = deque()
        self._closed = False
        named = "worker" if port is None else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        key = f"Authorization: Bearer {upstream.api_key}\r\n" if upstream.api_key else ""
        self._base = f"POST {base}/"
        self._rest = (
            f" HTTP/1.1\r\nHost: {named}\r\nContent-Type: application/json\r\nAccept-Encoding: identity\r\n{key}"
            "Content-Length: "
        )

    async def post(self, path: str, body: bytes, watch: Watch) -> Incoming:
        """Send a request."""
        wire = self._take_idle() or await self._connect()
        answer = _NearAnswer(wire, watch)
        try:
            wire.ask(f"{self._base}{path}{self._rest}{len(body)}\r\n\r\n".encode() + body)
            await wire.head()
        except BaseException:
            answer.close()
            raise
        answer.status = wire.status
        return answer

    async def close(self) -> None:
        """Close every connection that is idle now, and the others when their answers are over."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _take_idle(self) -> Wire | None:
        now = asyncio.get_running_loop().time()
        while self._idle and self._idle[0].idle_since + KEEP_ALIVE_S < now:
            self._idle.popleft().close()
        while self._idle:
            wire = self._idle.pop()
            if wire.open:
                return wire
        return None

    def _put_back(self, wire: Wire) -> None:
        if self._closed or not wire.open:
            wire.close()
        else:
            self._idle.append(wire)

    async def _connect(self) -> Wire:
        loop, make = asyncio.get_running_loop(), partial(Wire, self._model, self._put_back)
        try:
            async with asyncio.timeout(self._connect_s):
                if self._port is None:
                    return (await loop.create_unix_connection(make, self._host))[1]
                return (await loop.create_connection(make, self._host, self._port))[1]
        except TimeoutError as error:
            raise EndpointTimeout(f"{self._model} accepted no connection in time") from error
        except OSError as error:
            raise EndpointUnreachable(f"{self._model} cannot be reached: {os_reason(error) or 'no connection'}") from error


class _NearAnswer:
    """An answer on a wire, with one timer for all its deadlines: it is only looked at when something may be overdue."""

    status = 0

    def __init__(self, wire: Wire, watch: Watch) -> None:
        self._wire = wire
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_at(watch.soonest_at, self._look)
        self._over = False
        self.read = wire.read
        self.pour = wire.pour

    def _look(self) -> None:
        due_at = self._watch.due_at
        if self._loop.time() >= due_at:
            self._wire.overdue(self._watch.overdue())
        else:
            self._timer = self._loop.call_at(due_at, self._look)

    def header(self, name: str) -> str:
        wanted = name.encode()
        return next((value.decode("latin-1") for key, value in self._wire.headers if key == wanted), "")

    async def finish(self) -> None:
        wire = self._wire
        if self._over:  # another answer may be on it by now
            return
        if not wire.ended:
            try:
                async with asyncio.timeout(LAST_BYTES_S):
                    await wire.read()
            except Exception:  # noqa: BLE001 - the answer is complete: a connection that is not is only closed
                return
        if wire.ended:
            self._over = True
            self._timer.cancel()
            wire.release()

    def close(self) -> None:
        if not self._over:
            self._over = True
            self._timer.cancel()
            self._wire.close()


class Far:
    """A server elsewhere: aiohttp's session."""

    def __init__(self, upstream: Upstream, base: str, connect_s: float) -> None:
        self._model = upstream.model
        self._base = base.rstrip("/")
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if upstream.api_key:
            headers["Authorization"] = f"Bearer {upstream.api_key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
            trust_env=urlsplit(base).hostname not in {"localhost", "127.0.0.1", "::1"},  # a proxy is for what is far away
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept"),
        )

    async def post(self, path: str, body: bytes, watch: Watch) -> Incoming:
        """Send a request."""
        posting = self._session.post(f"{self._base}/{path}", data=body, allow_redirects=False)

        async def posted() -> aiohttp.ClientResponse:
            return await posting

        async with translated(self._model, started=False):
            return _FarAnswer(self._model, await watch.for_token(posted), watch)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


class _FarAnswer:
    """aiohttp's response."""

    def __init__(self, model: str, response: aiohttp.ClientResponse, watch: Watch) -> None:
        self._model = model
        self._response = response
        self._watch = watch
        self.status = response.status

    def header(self, name: str) -> str:
        return self._response.headers.get(name, "")

    async def read(self) -> bytes:
        async with translated(self._model, started=True):
            return await self._watch.for_token(self._response.content.readany)

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        while came := await self.read():
            if not take(came):
                return False
        return True

    async def finish(self) -> None:
        if not self._response.content.at_eof():
            try:
                async with asyncio.timeout(LAST_BYTES_S):
                    await self._response.content.readany()
            except (TimeoutError, aiohttp.ClientError, OSError):
                return

    def close(self) -> None:
        self._response.close()
