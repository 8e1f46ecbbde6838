"""The way to a server elsewhere, with TLS, proxies and name servers in between: aiohttp's session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp

from bakeoff.engines.deadlines import Watch
from bakeoff.engines.http_errors import translated
from bakeoff.serve.lease import Upstream
from bakeoff.serve.ways import KEEP_ALIVE_S, LAST_BYTES_S, Incoming


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
            trust_env=urlsplit(base).hostname
            not in {"localhost", "127.0.0.1", "::1"},  # a proxy is for what is far away
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept"),
        )
        self._under_way = 0
        self._closing: asyncio.Task[None] | None = None
        self._closed = False

    async def post(self, path: str, body: bytes, watch: Watch) -> Incoming:
        """Send a request."""
        posting = self._session.post(f"{self._base}/{path}", data=body, allow_redirects=False)

        async def posted() -> aiohttp.ClientResponse:
            return await posting

        self._under_way += 1
        try:
            async with translated(self._model, started=False):
                return _FarAnswer(self._model, await watch.for_token(posted), watch, self._answered)
        except BaseException:
            self._answered()
            raise

    async def close(self) -> None:
        """Close every connection, once no answer is under way: aiohttp would not wake who reads one."""
        self._closed = True
        if not self._under_way:
            await self._session.close()

    def _answered(self) -> None:
        self._under_way -= 1
        if self._closed and not self._under_way:
            self._closing = asyncio.get_running_loop().create_task(self._session.close())


class _FarAnswer:
    """aiohttp's response."""

    def __init__(self, model: str, response: aiohttp.ClientResponse, watch: Watch, closed: Callable[[], None]) -> None:
        self._model = model
        self._response = response
        self._watch = watch
        self._closed: Callable[[], None] | None = closed
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
        closed, self._closed = self._closed, None
        if closed is not None:
            closed()
