"""The way to a server on this machine: connections that are used again, and one timer for all deadlines of an answer."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from functools import partial
from pathlib import Path

from bakeoff.core.errors import EndpointError, EndpointTimeout, EndpointUnreachable
from bakeoff.engines.deadlines import Watch
from bakeoff.engines.http_errors import os_reason
from bakeoff.serve.lease import Upstream
from bakeoff.serve.ways import KEEP_ALIVE_S, LAST_BYTES_S, Incoming
from bakeoff.serve.wire import Wire

_NEAR = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(?::(\d{1,5}))?((?:/[\x21-\x7e]*)?)")


def near_way(upstream: Upstream, connect_s: float) -> Near | None:
    """Return the way to an upstream of this machine; None where it is elsewhere."""
    if isinstance(upstream.address, Path):
        return Near(upstream, str(upstream.address), None, "/v1", connect_s)
    found = _NEAR.fullmatch(upstream.address)
    if found is None:
        return None
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
            raise EndpointUnreachable(
                f"{self._model} cannot be reached: {os_reason(error) or 'no connection'}"
            ) from error


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
            except (EndpointError, TimeoutError):  # the answer is complete: a connection that is not is only closed
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
