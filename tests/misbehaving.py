"""A real server on loopback that answers OpenAI's chat completions wrongly, by a schedule: the same faults in every run.

    with Misbehaving(lambda ask: "429" if ask.number % 10 == 0 else "good") as server:
        ...  # server.url, server.requests, server.sent, server.most_in_flight

`FAULTS` lists what it can do. It runs in a thread with a loop of its own, so that a command under test may run here or in
a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple, Self

from aiohttp import web


class Ask(NamedTuple):
    """One request: `number` counts all of them from 1, `brief` is the number in the prompt, `attempt` counts its own."""

    number: int
    brief: int
    attempt: int
    key: str


Schedule = Callable[[Ask], str]
MODEL, OTHER = "m", "n"


class Misbehaving:
    """The server. `sent` counts what it did by name of fault; `requests` counts all completions that it was asked for."""

    def __init__(
        self,
        schedule: Schedule | str,
        retry_after: str | Callable[[], str] = "0.02",
        down_s: float | None = None,
        think_s: float = 0.0,
        load_s: float = 0.0,
    ) -> None:
        self._schedule = (lambda _ask: schedule) if isinstance(schedule, str) else schedule
        self._retry_after = retry_after
        self._down_s = down_s
        self._think_s = think_s
        self._load_s = load_s
        self._loaded = ""
        self.loads = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._attempts: Counter[int] = Counter()
        self._down = False
        self._in_flight = 0
        self.most_in_flight = 0
        self.sent: Counter[str] = Counter()
        self.keys: set[str] = set()
        """All that it was shown, by requests of any kind."""
        self.bodies: list[dict[str, Any]] = []
        self.listed = [MODEL, OTHER]
        """What it says that it serves."""
        self.port = 0

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def model(self) -> str:
        """How `bakeoff run --models` names it."""
        return f"openai:{MODEL}@{self.url}"

    @property
    def requests(self) -> int:
        """How many completions it was asked for."""
        return sum(self.sent.values())

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        self._wait(self._start())
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop, whatever hangs."""
        self._wait(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Any) -> None:
        future: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.result(30)

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]
        self._down = False

    async def _stop(self) -> None:
        await self._runner.cleanup()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:  # a restart that is still to come
            task.cancel()

    async def go_down(self) -> None:
        """Break every connection and refuse new ones; come back after `down_s`, if that was given."""
        if self._down:
            return
        self._down = True
        await self._site.stop()
        if self._down_s is not None:
            self._restart = asyncio.create_task(self._come_back(self._down_s))

    async def _come_back(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._listen()

    async def _models(self, request: web.Request) -> web.Response:
        self.keys.add(_key_of(request))
        return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in self.listed]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if self._down:
            return await _close(Answering(request, 0, streams=True, server=self))
        body = await request.json()
        self.bodies.append(body)
        brief = int(re.search(r"number (\d+)", body["messages"][-1]["content"])[1])
        self._attempts[brief] += 1
        key = _key_of(request)
        self.keys.add(key)
        fault = self._schedule(Ask(self.requests + 1, brief, self._attempts[brief], key))
        self.sent[fault] += 1
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        if body["model"] != self._loaded:
            self._loaded = body["model"]
            self.loads += 1
            await asyncio.sleep(self._load_s)
        await asyncio.sleep(self._think_s)
        self._in_flight -= 1  # before the answer: the client's next request may come before this function ends
        wait = self._retry_after if isinstance(self._retry_after, str) else self._retry_after()
        asked = Answering(request, brief, bool(body.get("stream")), self, wait, key)
        return await FAULTS[fault](asked)


def _key_of(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


class Bucket:
    """A limit of rate as cloud APIs have it: a token each `every_s` seconds, at most `most` in store. A schedule of its own."""

    def __init__(self, every_s: float, most: float = 1.0) -> None:
        self._every_s, self._most = every_s, most
        self._tokens, self._seen_s = most, time.monotonic()

    def __call__(self, _ask: Ask) -> str:
        """Take a token, or be refused."""
        now_s = time.monotonic()
        self._tokens = min(self._most, self._tokens + (now_s - self._seen_s) / self._every_s)
        self._seen_s = now_s
        if self._tokens < 1.0:
            return "429"
        self._tokens -= 1.0
        return "good"

    def retry_after(self) -> str:
        """The seconds till the next token, exactly."""
        return f"{max(0.0, (1.0 - self._tokens) * self._every_s):.4f}"


class Answering(NamedTuple):
    """What a fault needs to know of a request."""

    request: web.Request
    brief: int
    streams: bool
    server: Misbehaving
    retry_after: str = "0"
    key: str = ""

    @property
    def text(self) -> str:
        """A text that every gate lets pass."""
        return f"We open shop number {self.brief} on 14 March. Come and say hello to all of us!"


def _event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _chunk(finish: str | None = None, **delta: object) -> bytes:
    return _event({"model": MODEL, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _usage(**more: object) -> bytes:
    return _event({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 16, "total_tokens": 36} | more})


DONE = b"data: [DONE]\n\n"


async def _open(asked: Answering) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(asked.request)
    return response


async def _stream(asked: Answering, *events: bytes) -> web.StreamResponse:
    response = await _open(asked)
    with contextlib.suppress(ConnectionError):
        for event in events:
            await response.write(event)
        await response.write_eof()
    return response


async def _shouted(asked: Answering) -> web.StreamResponse:
    return await _stream(asked, *await _words(asked, finish="STOP"), _usage(), DONE)


async def _words(asked: Answering, *, finish: str | None = "stop", role: bool = True) -> list[bytes]:
    events = [_chunk(role="assistant", content="")] if role else []
    events += [_chunk(content=f"{word} ") for word in asked.text.split()]
    return [*events, *([_chunk(finish)] if finish else [])]


async def _good(asked: Answering) -> web.StreamResponse:
    return await _stream(asked, *await _words(asked), _usage(), DONE)


def _status(status: int, message: str = "as scheduled") -> Callable[[Answering], Awaitable[web.StreamResponse]]:
    async def answer(asked: Answering) -> web.StreamResponse:
        headers = {"Retry-After": asked.retry_after} if status == 429 else {}
        error = {"error": {"message": message.format(key=asked.key), "type": "x"}}
        return web.json_response(error, status=status, headers=headers)

    return answer


def _choosy(
    status: int, *fields: str, together: bool = False, says: Callable[[str], object]
) -> Callable[[Answering], Awaitable[web.StreamResponse]]:
    """Refuse requests with one of these fields, or with all of them; of a temperature of 1 nothing is said."""

    async def answer(asked: Answering) -> web.StreamResponse:
        body = await asked.request.json()
        there = [name for name in fields if name in body and (name, body[name]) != ("temperature", 1)]
        if there and (not together or len(there) == len(fields)):
            return web.json_response(says(there[0]), status=status)
        return await _good(asked)

    return answer


def _claude(_field: str) -> object:
    said = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    return {"type": "error", "error": {"type": "invalid_request_error", "message": said}}


def _gpt_5(field: str) -> object:
    said = {
        "temperature": "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
        "top_p": "Unsupported parameter: 'top_p' is not supported with this model.",
    }[field]
    return {"error": {"message": said, "type": "invalid_request_error", "param": field, "code": "unsupported_value"}}


def _azure(field: str) -> object:
    refused = {"type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted", "input": 7}
    return {"object": "error", "message": {"detail": [refused]}, "type": "invalid_request_error", "code": "1000"}


def _gemini(field: str) -> object:
    said = f'Invalid JSON payload received. Unknown name "{field}": Cannot find field.'
    return [{"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}]


async def _busy_until(asked: Answering) -> web.StreamResponse:
    """429 with a date: a second from now, by a clock that is an hour slow."""
    now = datetime.now(UTC) - timedelta(hours=1)
    dates = {"Retry-After": format_datetime(now + timedelta(seconds=1), usegmt=True)}
    dates["Date"] = format_datetime(now, usegmt=True)
    return web.json_response({"error": {"message": "as scheduled"}}, status=429, headers=dates)


def _body(
    content: bytes | object, kind: str = "application/json"
) -> Callable[[Answering], Awaitable[web.StreamResponse]]:
    async def answer(_asked: Answering) -> web.StreamResponse:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return web.Response(body=data, headers={"Content-Type": kind})

    return answer


def _message(finish: str = "stop", **message: object) -> Callable[[Answering], Awaitable[web.StreamResponse]]:
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}
    return _body({"model": MODEL, "choices": [choice]})


def _delta(*events: bytes) -> Callable[[Answering], Awaitable[web.StreamResponse]]:
    async def answer(asked: Answering) -> web.StreamResponse:
        return await _stream(asked, *events)

    return answer


async def _truncated(asked: Answering) -> web.StreamResponse:
    events = await _words(asked, finish=None)
    return await _stream(asked, *events[: len(events) // 2], _chunk("length"), _usage(), DONE)


async def _no_done(asked: Answering) -> web.StreamResponse:
    return await _stream(asked, *await _words(asked))


async def _no_finish(asked: Answering) -> web.StreamResponse:
    return await _stream(asked, *await _words(asked, finish=None), DONE)


async def _no_usage(asked: Answering) -> web.StreamResponse:
    return await _stream(asked, *await _words(asked), DONE)


async def _string_usage(asked: Answering) -> web.StreamResponse:
    return await _stream(
        asked, *await _words(asked), _event({"choices": [], "usage": {"completion_tokens": "16"}}), DONE
    )


async def _cached_usage(asked: Answering) -> web.StreamResponse:
    return await _stream(asked, *await _words(asked), _usage(prompt_tokens_details={"cached_tokens": 12}), DONE)


async def _at_once(asked: Answering) -> web.StreamResponse:
    """Stream the whole answer, a long one, as one event."""
    return await _stream(asked, _chunk(content=asked.text + " and so on" * 30_000), _chunk("stop"), _usage(), DONE)


async def _thoughts(asked: Answering) -> web.StreamResponse:
    """Think first, and deliver that as text, with tags that are cut over events."""
    thoughts = [
        _chunk(content=piece) for piece in ("<thi", "nk>\n", "The user wants ", "a tweet.", "\n</th", "ink>\n\n")
    ]
    return await _stream(asked, *thoughts, *await _words(asked, role=False), _usage(), DONE)


async def _plain(asked: Answering) -> web.StreamResponse:
    choice = {"message": {"role": "assistant", "content": asked.text}, "finish_reason": "stop"}
    return web.json_response({"model": MODEL, "choices": [choice]})


async def _parts(asked: Answering) -> web.StreamResponse:
    """Magistral's: thoughts and text are parts of a list."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    events = [_chunk(content=[thinking]), _chunk(content=[{"type": "text", "text": asked.text}])]
    return await _stream(asked, *events, _chunk("stop"), _usage(), DONE)


async def _gzip(asked: Answering) -> web.StreamResponse:
    choice = {"message": {"role": "assistant", "content": asked.text}, "finish_reason": "stop"}
    data = gzip.compress(json.dumps({"choices": [choice]}).encode())
    return web.Response(body=data, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})


async def _cut_before(asked: Answering) -> web.StreamResponse:
    response = await _open(asked)
    await response.write(_chunk(role="assistant"))
    return await _close(asked, response)


async def _cut_after(asked: Answering) -> web.StreamResponse:
    response = await _open(asked)
    for event in (await _words(asked))[:4]:
        await response.write(event)
    return await _close(asked, response)


async def _end_after(asked: Answering) -> web.StreamResponse:
    return await _stream(asked, *(await _words(asked))[:4])


async def _close(asked: Answering, response: web.StreamResponse | None = None) -> web.StreamResponse:
    if asked.request.transport is not None:
        asked.request.transport.abort()
    return response or web.Response()


async def _hang(asked: Answering) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def _hang_before(asked: Answering) -> web.StreamResponse:
    response = await _open(asked)
    await response.write(_chunk(role="assistant"))
    await asyncio.Event().wait()
    return response


async def _hang_after(asked: Answering) -> web.StreamResponse:
    response = await _open(asked)
    for event in (await _words(asked))[:4]:
        await response.write(event)
    await asyncio.Event().wait()
    return response


async def _comments(asked: Answering) -> web.StreamResponse:
    response = await _open(asked)
    with contextlib.suppress(ConnectionError):
        while asked.request.transport is not None:
            await response.write(b": keepalive\n\n")
            await asyncio.sleep(0.02)  # a server's pace
    return response


async def _die(asked: Answering) -> web.StreamResponse:
    await asked.server.go_down()
    return await _close(asked)


FAULTS: dict[str, Callable[[Answering], Awaitable[web.StreamResponse]]] = {
    # Right, each in its own way.
    "good": _good,
    "plain": _plain,
    "300 kB in one event": _at_once,
    "gzip": _gzip,
    "content of parts": _parts,
    "STOP": _shouted,
    "no [DONE]": _no_done,
    "no finish_reason": _no_finish,
    "no usage": _no_usage,
    "usage of strings": _string_usage,
    "cached tokens": _cached_usage,
    # Right, to those who ask for no more than they take.
    "Claude": _choosy(400, "temperature", "top_p", together=True, says=_claude),
    "gpt-5": _choosy(400, "temperature", "top_p", says=_gpt_5),
    "Mistral on Azure": _choosy(422, "seed", says=_azure),
    "Gemini": _choosy(400, "seed", says=_gemini),
    "thoughts within the text": _thoughts,
    # By status.
    "408": _status(408, "too slow"),
    "429": _status(429, "slow down"),
    "429 with a date": _busy_until,
    "500": _status(500),
    "503": _status(503),
    "429 within a 200": _body({"error": {"message": "slow down", "code": 429}}),
    "400": _status(400, "context too long"),
    "401": _status(401, "Incorrect API key provided: {key}"),
    "403": _status(403),
    "404": _status(404, "no such model"),
    # Malformed.
    "HTML": _body(b"<html><body>Bad gateway</body></html>", "text/html"),
    "HTML as JSON": _body(b"<html><body>Bad gateway</body></html>"),
    "half a JSON": _body(b'{"choices": [{"message": {"role": "assist'),
    "half an event": _delta(_chunk(role="assistant"), b'data: {"choices": [{"delta": {"con'),
    "content 7": _message(content=7),
    "content a list": _message(content=["a"]),
    "choices missing": _body({"object": "chat.completion"}),
    "choices null": _body({"choices": None}),
    "choices empty": _body({"choices": []}),
    "plain text": _body(b"We open on 14 March.", "text/plain"),
    "huge line": _delta(b"data: " + b"x" * (5 * 2**20)),
    # Answers without a text, and a text that is cut off.
    "empty": _delta(_chunk(role="assistant", content=""), _chunk("stop"), DONE),
    "null": _message(content=None),
    "refusal": _message(content=None, refusal="I cannot help with that."),
    "content_filter": _delta(_chunk(content="We op"), _chunk("content_filter"), DONE),
    "truncated": _truncated,
    # Broken off, or silent.
    "error in the stream": _delta(_chunk(content="We "), _event({"error": {"message": "overloaded"}})),
    "cut before the first token": _cut_before,
    "cut after the first token": _cut_after,
    "ended after the first token": _end_after,
    "closed": _close,
    "hang": _hang,
    "hang before the first token": _hang_before,
    "hang after the first token": _hang_after,
    "comments for ever": _comments,
    "die": _die,
}
