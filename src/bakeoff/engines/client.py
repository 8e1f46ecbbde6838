"""One client for anything that answers OpenAI's chat completions: a worker, a local server, a cloud API.

It streams wherever the server can, so that the first token can be timed, and turns every failure into one of the typed
errors of `core.errors`. What a server refuses of the protocol (streaming, `stream_options`, the name `max_tokens`, a seed)
is found out by its 400 or 422, once, and remembered. Token counts are the server's own or unknown: chunks are not tokens.

Cancelling a call closes its connection, which is how a server learns that nobody listens.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from bakeoff.core.errors import EndpointError, EndpointGarbage, EndpointRefused, EndpointUnreachable, UsageError
from bakeoff.core.spec import Sampling
from bakeoff.engines.answer import excerpt
from bakeoff.engines.deadlines import Deadlines, Watch
from bakeoff.engines.dialect import Dialect
from bakeoff.engines.endpoint_keys import is_loopback
from bakeoff.engines.http_errors import blot_out, refusal, translated, without
from bakeoff.engines.reading import Completion, Reading, read_all
from bakeoff.engines.sse import MAX_EVENT_BYTES

# Below the 5 s after which common servers drop an idle connection, so that none is picked up as it closes.
KEEP_ALIVE_S = 4.0
MAX_CONNECTIONS = 256


_CONNECTED_AT: ContextVar[float] = ContextVar("connected_at")
"""When the request under way had its connection, new or kept: from then on it is sent."""


class _Connecting(aiohttp.BaseConnector):
    """Notes when a request has its connection. Making one takes a name look-up and two or three round trips, and is not the model's."""

    async def connect(self, *of_request: Any, **further: Any) -> aiohttp.connector.Connection:
        """Return a connection, as ever."""
        connection = await super().connect(*of_request, **further)
        _CONNECTED_AT.set(perf_counter())
        return connection


class _TcpConnector(_Connecting, aiohttp.TCPConnector):
    """To a host and port."""


class _UnixConnector(_Connecting, aiohttp.UnixConnector):
    """To a socket on this machine."""


class EndpointClient:
    """Asks one model at one URL (`http://host/v1`) or Unix socket. Use it as an asynchronous context manager.

    `where` names the endpoint in errors and logs; neither it nor `repr` shows the API key.

    Raises:
        UsageError: `address` is no http(s) URL.
    """

    def __init__(
        self, address: str | Path, model: str, api_key: str | None = None, deadlines: Deadlines | None = None
    ) -> None:
        self.model = model
        self._api_key = api_key
        self._deadlines = deadlines or Deadlines()
        self._socket = address if isinstance(address, Path) else None
        self._base = URL("http://worker/v1") if isinstance(address, Path) else _read_url(address)
        self._completions = self._base / "chat" / "completions"
        self.where = f"{model} at {self._socket or self._base.with_user(None)}"
        self._dialect = Dialect()
        self._session: aiohttp.ClientSession | None = None
        self._under_way: set[asyncio.Timeout] = set()

    def __repr__(self) -> str:
        return f"EndpointClient({self.where!r})"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return self._socket is not None or is_loopback(self._base.host)

    @property
    def left_out(self) -> frozenset[str]:
        """What its server was seen to refuse of "temperature", "top_p" and "seed", and is not sent any more."""
        return self._dialect.left_out

    async def __aenter__(self) -> Self:
        """Open the connection pool; connects to nothing yet."""
        connector: aiohttp.BaseConnector
        if self._socket is not None:
            connector = _UnixConnector(str(self._socket), limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S)
        else:
            connector = _TcpConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S)
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, connect=self._deadlines.connect_s),
            trust_env=not self.is_local,  # a proxy is for what is far away
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection; a call under way ends as one that was not answered."""
        for call in tuple(self._under_way):
            call.reschedule(asyncio.get_running_loop().time())
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def generate(
        self,
        messages: Sequence[Mapping[str, str]],
        sampling: Sampling,
        seed: int | None = None,
        *,
        first_token_s: float | None = None,
        top_logprobs: int | None = None,
    ) -> Completion:
        """Ask for one answer; `first_token_s` is a deadline for this one's first token, in seconds, if not the usual.

        With `top_logprobs` it comes whole, and with so many of its first token's likeliest alternatives, from servers that
        give them.

        Raises:
            EndpointError: one of its kinds, for every way in which no answer came.
        """
        spoken = self._dialect
        while True:
            body = spoken.body(self.model, messages, sampling, seed, top_logprobs)
            try:
                completion = await self._ask(body, first_token_s)
            except EndpointRefused as error:
                further = spoken.joined(self._dialect)  # what requests beside this one have learned meanwhile
                if further == spoken:
                    said = error.message.removeprefix(self.where)  # the model's own name may be "seed"
                    refused = spoken.after_refusal(said, body) if error.status in {400, 422} else None
                    if refused is None:
                        raise
                    further = refused
                spoken = further
            else:
                # Not before an answer came: a refusal may quote the brief, and the brief may speak of streaming.
                self._dialect = self._dialect.joined(spoken)
                return completion

    async def models(self, timeout_s: float = 2.0) -> list[str]:
        """Return the names of the models that the server lists.

        Raises:
            EndpointError: one of its kinds; `EndpointTimeout` after `timeout_s` seconds.
        """
        value = await self._get(self._base / "models", timeout_s)
        data = value.get("data")
        if not isinstance(data, list):
            raise EndpointGarbage(f"{self.where} lists its models in a shape that is not OpenAI's")
        names = (str(item["id"]) for item in data if isinstance(item, dict) and "id" in item)
        return [without(name, self._api_key) for name in names]

    async def health(self, timeout_s: float = 2.0) -> dict[str, Any]:
        """Return what a worker says of itself at `/health`; see `worker`.

        Raises:
            EndpointError: one of its kinds; `EndpointTimeout` after `timeout_s` seconds.
        """
        return await self._get(self._base.with_path("/health"), timeout_s)

    async def _ask(self, body: Mapping[str, Any], first_token_s: float | None) -> Completion:
        deadlines = self._deadlines
        watch = Watch(self.where, deadlines if first_token_s is None else deadlines.with_first_token(first_token_s))
        wait = watch.for_token if "stream" in body else watch.to_the_end
        with self._keeping_the_secret():
            async with self._till_closed(), AsyncExitStack() as stack:
                asked_at = perf_counter()
                async with translated(self.where, started=False):
                    posting = self._pool().post(self._completions, json=body, allow_redirects=False)
                    response = await wait(lambda: stack.enter_async_context(posting))
                reading = Reading(self.where, watch, response, asked_at, _CONNECTED_AT.get(asked_at))
                if response.status != 200:
                    raise await reading.refusal()
                kind = response.content_type
                if kind == "text/html":
                    raise EndpointGarbage(
                        f"{self.where} answered with a web page", "the URL ends in /v1 for most servers"
                    )
                if kind == "application/json":
                    return await reading.plain()
                return await reading.stream()

    async def _get(self, url: URL, timeout_s: float) -> dict[str, Any]:
        watch = Watch(self.where, self._deadlines)
        with self._keeping_the_secret():
            async with self._till_closed(), AsyncExitStack() as stack, translated(self.where, started=False):
                getting = self._pool().get(url, allow_redirects=False)
                response = await watch.within(timeout_s, lambda: stack.enter_async_context(getting))
                body = await watch.within(timeout_s, lambda: read_all(response, MAX_EVENT_BYTES))
                if response.status != 200:
                    raise refusal(self.where, response.status, response.headers, body)
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise EndpointGarbage(f"{self.where} sent something that is not JSON: {excerpt(str(body))}") from error
        if not isinstance(value, dict):
            raise EndpointGarbage(f"{self.where} sent JSON that is no object")
        return value

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("EndpointClient is used outside `async with`")
        return self._session

    @asynccontextmanager
    async def _till_closed(self) -> AsyncIterator[None]:
        """Surround one call: aiohttp wakes nobody who reads from a connection that its own session closes."""
        try:
            async with asyncio.timeout(None) as call:
                self._under_way.add(call)
                try:
                    yield
                finally:
                    self._under_way.discard(call)
        except TimeoutError:
            if not call.expired():
                raise
            raise EndpointUnreachable(f"{self.where}: its connections were closed on this side") from None

    @contextmanager
    def _keeping_the_secret(self) -> Iterator[None]:
        try:
            yield
        except EndpointError as error:
            blot_out(error, self._api_key)
            raise


def _read_url(address: str) -> URL:
    try:
        url = URL(address.rstrip("/"))
    except ValueError as error:
        raise UsageError(f"{excerpt(address)!r} is no URL", "for instance http://127.0.0.1:11434/v1") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise UsageError(f"{excerpt(str(url))!r} is no http(s) URL", "for instance http://127.0.0.1:11434/v1")
    return url
