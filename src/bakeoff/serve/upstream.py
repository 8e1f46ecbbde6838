"""What is said to those who generate, and what is understood of their answers: one exchange for each request.

Whoever asks, a stream is asked for wherever the server has them: a server that streams notices at the next token that
nobody listens, and a stall can be told from a long answer. Leaving an exchange early closes its connection.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from bakeoff.engines.deadlines import Deadlines, Line, Watch
from bakeoff.engines.http_errors import without
from bakeoff.serve.lease import Upstream
from bakeoff.serve.near import near_way
from bakeoff.serve.refusals import Failing, RequestRefused, UpstreamFailed, read_refusal
from bakeoff.serve.relay import MAX_EVENT_BYTES, Relay
from bakeoff.serve.ways import Incoming, Way

MAX_WHOLE_BYTES = 32 * 2**20


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


@dataclass(frozen=True, slots=True)
class _Reached:
    """One start of an upstream: where it is, the way there, and the calls that it has under way."""

    address: Path | str
    way: Way
    line: Line


class Pools:
    """The ways to upstreams, by model. With `as_asked` endpoints of others are asked for a stream only where the client wants one.

    A worker that started anew has another address: the connections to the old one are closed.
    """

    def __init__(self, connect_s: float = 5.0) -> None:
        self._connect_s = connect_s
        self.as_asked = False
        self._ways: dict[str, _Reached] = {}
        self._without_usage: set[str] = set()

    async def close(self) -> None:
        """Close every connection."""
        for reached in self._ways.values():
            await reached.way.close()
        self._ways.clear()

    async def reach(self, upstream: Upstream) -> _Reached:
        """Return the way to an upstream, and who else is on it."""
        known = self._ways.get(upstream.model)
        if known is not None and known.address == upstream.address:
            return known
        way: Way | None = near_way(upstream, self._connect_s)
        if way is None:
            from bakeoff.serve.far import Far  # with aiohttp, which a gateway's start does not wait for

            way = Far(upstream, str(upstream.address), self._connect_s)
        reached = self._ways[upstream.model] = _Reached(upstream.address, way, Line())
        if known is not None:  # its worker is gone, and its connections with it
            await known.way.close()
        return reached

    def takes_usage_option(self, model: str) -> bool:
        """Whether a model's server is not known to refuse `stream_options`."""
        return model not in self._without_usage

    def note_no_usage_option(self, model: str) -> None:
        """A model's server refuses `stream_options`."""
        self._without_usage.add(model)


class Exchange:
    """One answer on its way: `relay` notes what the stream says, `whole` is the body of an answer that came in one piece."""

    def __init__(self, upstream: Upstream, incoming: Incoming, watch: Watch, relay: Relay) -> None:
        self._upstream = upstream
        self._incoming = incoming
        self._watch = watch
        self.relay = relay
        self.whole: bytes | None = None

    async def begin(self) -> bytes:
        """Read until the first piece of the answer is there; return what may pass on till then.

        Raises:
            UpstreamFailed: it does not come.
        """
        if await self._came_whole():
            return b""
        held = b""
        with Failing(self._upstream, self._watch):
            while not self.relay.pieces and not self.relay.complete:
                passed, ended = await self._next()
                self._check()
                held += passed
                if ended:
                    break
                if len(held) > MAX_EVENT_BYTES:
                    raise self.failed("sent much, and none of it an answer")
        return held

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what passes on after `begin`, to the end of the answer.

        Raises:
            UpstreamFailed: it breaks off.
        """
        with Failing(self._upstream, self._watch):
            while not self.relay.done:
                passed, ended = await self._next()
                if passed:
                    yield passed
                self._check()
                if ended:
                    return

    async def to_the_end(self, begun: Callable[[], None]) -> None:
        """Read all of it, without `begin`, and pass nothing on; `begun` is called at the first piece of the answer.

        Raises:
            UpstreamFailed: it does not come, or breaks off.
        """
        if await self._came_whole():
            begun()
            return
        relay, watch, held = self.relay, self._watch, 0

        def take(came: bytes) -> bool:
            nonlocal held
            before = relay.pieces
            relay.feed(came)
            if relay.pieces > before:
                watch.note_token()
                if not before:
                    begun()
            held += 0 if relay.pieces else len(came)
            return not relay.done and relay.fault is None and held <= MAX_EVENT_BYTES

        with Failing(self._upstream, self._watch):
            if await self._incoming.pour(take):
                self._end()
        self._check()
        if held > MAX_EVENT_BYTES and not relay.pieces and not relay.complete:
            raise self.failed("sent much, and none of it an answer")
        if not relay.pieces:
            begun()
        await self._incoming.finish()

    async def _came_whole(self) -> bool:
        """Read an answer that comes in one piece."""
        kind = self._incoming.header("content-type").partition(";")[0].strip().lower()
        if kind == "text/html":
            raise self.failed("answered with a web page")
        if kind != "application/json":
            return False
        self._watch.expect_whole()
        body = bytearray()

        def take(came: bytes) -> bool:
            nonlocal body
            body += came
            return len(body) <= MAX_WHOLE_BYTES

        with Failing(self._upstream, self._watch):
            if not await self._incoming.pour(take):
                raise self.failed(f"sent more than {MAX_WHOLE_BYTES} bytes")
        self.whole = bytes(body)
        return True

    async def _next(self) -> tuple[bytes, bool]:
        """Return what passes on of the next bytes, and whether the stream has ended."""
        before, watch = self.relay.pieces, self._watch
        watch.resume()
        chunk = await self._incoming.read()
        if not chunk:
            return self._end(), True
        passed = self.relay.feed(chunk)
        if self.relay.pieces > before:
            watch.note_token()
        watch.pause()  # what comes next may have to wait for the client, and that is not the server's fault
        return passed, False

    def _end(self) -> bytes:
        """The stream has ended; return what may pass on still."""
        passed = self.relay.close()
        if self.relay.fault is None and not self.relay.complete:
            raise UpstreamFailed(self._said("ended before the answer was complete"), "connection_lost")
        return passed

    def _check(self) -> None:
        if self.relay.fault is not None:
            raise self.failed(self.relay.fault)

    def completion(self) -> Mapping[str, Any]:
        """Return an answer that came in one piece.

        Raises:
            UpstreamFailed: it is no completion.
        """
        try:
            value = json.loads(self.whole or b"")
        except (ValueError, RecursionError):
            value = None
        choices = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(value, dict) or value.get("error") or not isinstance(choices, list) or not choices:
            raise self.failed("sent something that is no completion")
        if not all(isinstance(choice, dict) for choice in choices):
            raise self.failed("sent a choice that is no object")
        return value

    def failed(self, what: str) -> UpstreamFailed:
        """Return the error that says what the model's server did wrong."""
        return UpstreamFailed(self._said(what), "server_error")

    def _said(self, what: str) -> str:
        return f"{self._upstream.model} {without(what, self._upstream.api_key)}"


class exchange:  # noqa: N801 - used as `async with exchange(...)`
    """Send a request; the connection is closed unless the answer was read to its end. With `keep` a stream's text is kept, too.

    Raises:
        UpstreamFailed: no answer begins.
        RequestRefused: the request is wrong.
    """

    __slots__ = ("_asked", "_incoming", "_keep", "_pools", "_upstream", "_watch")

    def __init__(self, pools: Pools, upstream: Upstream, asked: Asked, *, keep: bool = False) -> None:
        self._pools = pools
        self._upstream = upstream
        self._asked = asked
        self._keep = keep

    async def __aenter__(self) -> Exchange:
        reached = await self._pools.reach(self._upstream)
        self._watch = Watch(self._upstream.model, self._asked.deadlines, reached.line)
        try:
            self._incoming, adds_usage = await _post(self._pools, reached.way, self._upstream, self._asked, self._watch)
        except BaseException:
            self._watch.end()
            raise
        relay = Relay(keep=self._keep or not self._asked.streams, drop_usage=adds_usage)
        return Exchange(self._upstream, self._incoming, self._watch, relay)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._incoming.finish()
        finally:
            self._watch.end()
            self._incoming.close()


async def _post(pools: Pools, way: Way, upstream: Upstream, asked: Asked, watch: Watch) -> tuple[Incoming, bool]:
    """Return the answer's beginning, its status being 200, and whether the gateway asked for usage that the client did not."""
    while True:
        body = _body_for(pools, upstream, asked)
        if not body.get("stream"):  # its head comes with its end
            watch.expect_whole()
        with Failing(upstream, watch):
            incoming = await way.post(asked.path, _encoded(body), watch)
        adds_usage = body.get("stream_options") != asked.body.get("stream_options")
        if incoming.status == 200:
            return incoming, adds_usage
        try:
            refused = await read_refusal(upstream, incoming, watch)
        finally:
            incoming.close()
        if not adds_usage or not _names_stream_options(refused):
            raise refused
        pools.note_no_usage_option(upstream.model)


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body).encode()
    except RecursionError:  # arrays within arrays, so deep that they could just be read
        error = {"message": "the body is nested too deeply", "type": "invalid_request_error", "param": None}
        raise RequestRefused(400, json.dumps({"error": error | {"code": "invalid_json"}}).encode()) from None


def _body_for(pools: Pools, upstream: Upstream, asked: Asked) -> dict[str, Any]:
    """Return the body for one upstream: its own name for the model, a stream where that is no loss, no metadata of ours."""
    body = {**asked.body, "model": upstream.served_name}
    ours = isinstance(upstream.address, Path)
    # Our workers give log-probabilities with whole answers.
    one_piece = bool(body.get("logprobs")) if ours else pools.as_asked
    if not asked.streams and not one_piece:
        body["stream"] = True
    # Keys' limits count tokens, whether or not the client wants to know them; our workers tell them in any case.
    if body.get("stream") and not (ours and asked.streams) and pools.takes_usage_option(upstream.model):
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
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


def scaled(deadlines: Deadlines, characters: int, per_1000_s: float) -> Deadlines:
    """Return deadlines for a prompt of so many characters: reading it takes time before the first token."""
    more = characters / 1000 * per_1000_s
    return replace(deadlines, first_token_s=deadlines.first_token_s + more, total_s=deadlines.total_s + more)
