"""The way to those who generate: one pool of connections for each model, and one exchange for each request.

Whoever asks, a stream is asked for wherever the server has them: a server that streams notices at the next token that
nobody listens, and a stall can be told from a long answer. Leaving an exchange early closes its connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bakeoff.core.errors import EndpointBusy, EndpointError, EndpointTimeout
from bakeoff.engines.deadlines import Deadlines, Watch
from bakeoff.engines.http_errors import refusal, translated, without
from bakeoff.serve.api_errors import in_our_shape
from bakeoff.serve.lease import Ending, Upstream
from bakeoff.serve.relay import Relay

# Below the 5 s after which common servers drop an idle connection, so that none is picked up as it closes.
KEEP_ALIVE_S = 4.0
LAST_BYTES_S = 0.1
MAX_WHOLE_BYTES = 32 * 2**20
MAX_ERROR_BYTES = 64 * 2**10
_CLIENT_MISTAKES = frozenset({400, 406, 409, 413, 415, 422, 451})
"""Statuses that are about the request, so that no other model would do better."""


class UpstreamFailed(Exception):
    """The model gave no answer, or only half of one, and it is not the request's fault; `ending` tells how."""

    def __init__(self, message: str, ending: Ending, *, busy: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.ending = ending
        self.busy = busy
        self.retry_after_s = retry_after_s


class RequestRefused(Exception):
    """The model's server says that the request is wrong: `status` and `body` are its own."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it goes up: the client's own body with what the gateway sets in it."""

    path: str
    body: Mapping[str, Any]
    deadlines: Deadlines
    streams: bool

    @property
    def chat(self) -> bool:
        """Whether it is a chat completion."""
        return self.path == "chat/completions"


class Pools:
    """Connections to upstreams, by address. A worker that started anew has another address: the old one's are closed."""

    def __init__(self, connect_s: float = 5.0) -> None:
        self._connect_s = connect_s
        self._sessions: dict[str, tuple[Path | str, aiohttp.ClientSession]] = {}
        self._without_usage: set[str] = set()

    async def close(self) -> None:
        """Close every connection."""
        for _, session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def session(self, upstream: Upstream) -> aiohttp.ClientSession:
        """Return the pool for an upstream."""
        known = self._sessions.get(upstream.model)
        if known is not None and known[0] == upstream.address:
            return known[1]
        session = self._open(upstream)
        self._sessions[upstream.model] = (upstream.address, session)
        if known is not None:  # its worker is gone, and its connections with it
            await known[1].close()
        return session

    def takes_usage_option(self, model: str) -> bool:
        """Whether a model's server is not known to refuse `stream_options`."""
        return model not in self._without_usage

    def note_no_usage_option(self, model: str) -> None:
        """A model's server refuses `stream_options`."""
        self._without_usage.add(model)

    def _open(self, upstream: Upstream) -> aiohttp.ClientSession:
        connector: aiohttp.BaseConnector
        if isinstance(upstream.address, Path):
            connector = aiohttp.UnixConnector(str(upstream.address), limit=0, keepalive_timeout=KEEP_ALIVE_S)
            local = True
        else:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
            local = urlsplit(upstream.address).hostname in {"localhost", "127.0.0.1", "::1"}
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if upstream.api_key:
            headers["Authorization"] = f"Bearer {upstream.api_key}"
        return aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_s),
            trust_env=not local,  # a proxy is for what is far away
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept"),
        )


class Exchange:
    """One answer on its way: `relay` notes what the stream says, `whole` is the body of an answer that came in one piece."""

    def __init__(self, upstream: Upstream, response: aiohttp.ClientResponse, watch: Watch, *, keep: bool) -> None:
        self._upstream = upstream
        self._response = response
        self._watch = watch
        self.relay = Relay(keep=keep)
        self.whole: bytes | None = None

    async def begin(self) -> bytes:
        """Read until the first piece of the answer is there; return what may pass on till then.

        Raises:
            UpstreamFailed: it does not come.
        """
        kind = self._response.content_type
        if kind == "text/html":
            raise self.failed("answered with a web page")
        held = b""
        async with _failing(self._upstream, started=True):
            if kind == "application/json":
                self.whole = await self._watch.to_the_end(self._read_whole)
                return b""
            while not self.relay.pieces and not self.relay.complete:
                passed, ended = await self._next()
                self._check()
                held += passed
                if ended:
                    break
                if len(held) > MAX_ERROR_BYTES:
                    raise self.failed("sent much, and none of it an answer")
        return held

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what passes on after `begin`, to the end of the answer.

        Raises:
            UpstreamFailed: it breaks off.
        """
        async with _failing(self._upstream, started=True):  # one for all reads: it costs more than a read
            while not self.relay.done:
                passed, ended = await self._next()
                if passed:
                    yield passed
                self._check()
                if ended:
                    return

    async def _next(self) -> tuple[bytes, bool]:
        """Return what passes on of the next bytes, and whether the stream has ended."""
        before = self.relay.pieces
        chunk = await self._watch.for_token(self._response.content.readany)
        if not chunk:
            passed = self.relay.close()
            if self.relay.fault is None and not self.relay.complete:
                raise UpstreamFailed(self._said("ended before the answer was complete"), "connection_lost")
            return passed, True
        passed = self.relay.feed(chunk)
        if self.relay.pieces > before:
            self._watch.note_token()
        return passed, False

    def _check(self) -> None:
        if self.relay.fault is not None:
            raise self.failed(self.relay.fault)

    def failed(self, what: str) -> UpstreamFailed:
        """Return the error that says what the model's server did wrong."""
        return UpstreamFailed(self._said(what), "server_error")

    def _said(self, what: str) -> str:
        return f"{self._upstream.model} {without(what, self._upstream.api_key)}"

    async def _read_whole(self) -> bytes:
        body = bytearray()
        async for chunk in self._response.content.iter_any():
            body += chunk
            if len(body) > MAX_WHOLE_BYTES:
                raise self.failed(f"sent more than {MAX_WHOLE_BYTES} bytes")
        return bytes(body)


@asynccontextmanager
async def exchange(pools: Pools, upstream: Upstream, asked: Asked, *, keep: bool = False) -> AsyncIterator[Exchange]:
    """Send a request; the connection is closed unless the answer was read to its end. With `keep` a stream's text is kept, too.

    Raises:
        UpstreamFailed: no answer begins.
        RequestRefused: the request is wrong.
    """
    watch = Watch(upstream.model, asked.deadlines)
    response = await _post(pools, upstream, asked, watch)
    try:
        yield Exchange(upstream, response, watch, keep=keep or not asked.streams)
        await _read_to_the_end(response)
    finally:
        response.close()


async def _post(pools: Pools, upstream: Upstream, asked: Asked, watch: Watch) -> aiohttp.ClientResponse:
    """Return the answer's beginning, its status being 200."""
    session = await pools.session(upstream)
    base = "http://worker/v1" if isinstance(upstream.address, Path) else upstream.address.rstrip("/")
    while True:
        body = _body_for(pools, upstream, asked)
        posting = session.post(f"{base}/{asked.path}", data=_encoded(body), allow_redirects=False)
        async with _failing(upstream, started=False):
            response: aiohttp.ClientResponse = await watch.for_token(partial(_awaited, posting))
        if response.status == 200:
            return response
        try:
            refused = await _read_refusal(upstream, response, watch)
        finally:
            response.close()
        if asked.streams or "stream_options" not in body or not _names_stream_options(refused):
            raise refused
        pools.note_no_usage_option(upstream.model)


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body).encode()
    except RecursionError:  # arrays within arrays, so deep that they could just be read
        error = {"message": "the body is nested too deeply", "type": "invalid_request_error", "param": None}
        raise RequestRefused(400, json.dumps({"error": error | {"code": "invalid_json"}}).encode()) from None


async def _awaited(posting: Awaitable[aiohttp.ClientResponse]) -> aiohttp.ClientResponse:
    return await posting


async def _read_to_the_end(response: aiohttp.ClientResponse) -> None:
    """Take what ends the body after `[DONE]`, so that the connection can be used again; it comes at once, or not at all."""
    if not response.content.at_eof():
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(LAST_BYTES_S):
                await response.content.readany()


def _body_for(pools: Pools, upstream: Upstream, asked: Asked) -> dict[str, Any]:
    """Return the body for one upstream: its own name for the model, a stream where that is no loss, no metadata of ours."""
    body = {**asked.body, "model": upstream.served_name}
    ours = isinstance(upstream.address, Path)
    if not asked.streams and not (
        ours and body.get("logprobs")
    ):  # our workers give log-probabilities with whole answers
        body["stream"] = True
        if pools.takes_usage_option(upstream.model):
            body["stream_options"] = {"include_usage": True}
    metadata = body.get("metadata")
    if not ours and isinstance(metadata, dict) and "content_type" in metadata:
        body["metadata"] = {name: value for name, value in metadata.items() if name != "content_type"}
        if not body["metadata"]:
            del body["metadata"]
    return body


def _names_stream_options(refused: Exception) -> bool:
    return isinstance(refused, RequestRefused) and (
        b"stream_options" in refused.body or b"include_usage" in refused.body
    )


async def _read_refusal(upstream: Upstream, response: aiohttp.ClientResponse, watch: Watch) -> Exception:
    """Return the error that a status other than 200 stands for."""
    async with _failing(upstream, started=True):
        body = await watch.within(10.0, lambda: response.content.read(MAX_ERROR_BYTES))
    if response.status in _CLIENT_MISTAKES:
        return RequestRefused(response.status, in_our_shape(body, upstream.api_key))
    error = refusal(upstream.model, response.status, response.headers, body)
    message = without(error.message, upstream.api_key)
    busy = response.status == 429
    # A server that is busy is not broken, and a breaker must not hold it to be.
    ending: Ending = "client_error" if busy else "server_error"
    return UpstreamFailed(message, ending, busy=busy, retry_after_s=error.retry_after_s)


@asynccontextmanager
async def _failing(upstream: Upstream, *, started: bool) -> AsyncIterator[None]:
    """Turn what goes wrong on the way into `UpstreamFailed`; no address is told."""
    try:
        async with translated(upstream.model, started=started):
            yield
    except EndpointTimeout as error:
        raise UpstreamFailed(error.message, "stalled") from error
    except EndpointBusy as error:
        raise UpstreamFailed(error.message, "server_error", retry_after_s=error.retry_after_s) from error
    except EndpointError as error:
        raise UpstreamFailed(without(error.message, upstream.api_key), "connection_lost") from error


def scaled(deadlines: Deadlines, characters: int, per_1000_s: float) -> Deadlines:
    """Return deadlines for a prompt of so many characters: reading it takes time before the first token."""
    more = characters / 1000 * per_1000_s
    return replace(deadlines, first_token_s=deadlines.first_token_s + more, total_s=deadlines.total_s + more)
