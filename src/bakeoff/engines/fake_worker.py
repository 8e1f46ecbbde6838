"""A worker without a model, that misbehaves on demand: for fault tests, and for nothing else.

    python -m bakeoff.engines.fake_worker --name NAME --socket PATH [--crash-after 3]

It takes a worker's command line, answers on the same paths, and writes "w0 w1 w2 ..." whatever it is asked, no more words
than `max_tokens`. No engine table names it. The knobs:

| knob              | what happens                                                                       |
|-------------------|------------------------------------------------------------------------------------|
| --tokens N        | an answer has N words (default 16)                                                 |
| --delay-s S       | S seconds pass before each word                                                    |
| --status CODE     | every completion is answered with this HTTP status, `--retry-after` with it        |
| --hang-after N    | after N words nothing more is sent; 0: not even headers                            |
| --crash-after N   | after N words the process kills itself                                             |
| --garbage         | an answer is HTML behind a JSON content type                                       |
| --half-line       | the stream ends in the middle of an event                                          |
| --error-event     | the stream ends with an error event                                                |
| --no-ready        | the ready line never comes                                                         |
| --load-s S        | S seconds pass before the ready line                                               |
| --hold-mb N       | so many MiB are held from the start                                                |
| --device-mb N     | it says that it computes on cuda, and that its allocator has had N MiB there       |
| --exit-at-start C | it ends with exit code C instead of the ready line                                 |
| --abort-at-start  | it holds its memory, and then aborts, as Metal and ggml do when memory runs out    |
| --moves-after N   | after N completions it says that another device did the work than its ready line named |
| --good N          | the first N completions are as they should be, whatever the knobs say              |
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

_DEVICE = "none"


class FakeWorker:
    """The endpoints, with the knobs of the command line."""

    def __init__(self, knobs: argparse.Namespace) -> None:
        self._knobs = knobs
        self._sent = 0
        self._completions = 0

    def asgi(self) -> Starlette:
        """Return the application."""
        routes = [
            Route("/v1/chat/completions", self._complete, methods=["POST"]),
            Route("/v1/completions", self._complete, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/health", self._health),
        ]
        return Starlette(routes=routes)

    async def _health(self, _request: Request) -> Response:
        said = {"status": "ok", "generated_tokens": self._sent, "completions": self._completions, "pid": os.getpid()}
        if self._knobs.device_mb is not None:
            said["device_peak_bytes"] = self._knobs.device_mb << 20
        return JSONResponse(said)

    async def _models(self, _request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": self._knobs.name, "object": "model"}]})

    async def _complete(self, request: Request) -> Response:
        asked = await request.json()
        self._completions += 1
        knobs = self._knobs if self._completions > self._knobs.good else _well_behaved(self._knobs)
        limit = asked.get("max_tokens")
        if isinstance(limit, int):
            knobs = argparse.Namespace(**{**vars(knobs), "tokens": min(knobs.tokens, limit)})
        if knobs.status != 200:
            headers = {} if knobs.retry_after is None else {"Retry-After": knobs.retry_after}
            body = {"error": {"message": "as asked", "type": "fake", "param": None, "code": None}}
            return JSONResponse(body, knobs.status, headers)
        if knobs.garbage:
            return Response("<html>it works</html>", media_type="application/json")
        if knobs.hang_after == 0:
            await asyncio.Event().wait()
        if asked.get("stream"):
            return StreamingResponse(self._events(knobs), media_type="text/event-stream")
        words = [word async for word in self._words(knobs)]
        message = {"role": "assistant", "content": "".join(words)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        said: dict[str, Any] = {"model": knobs.name, "choices": [choice], "usage": _usage(len(words))}
        return JSONResponse(said | {"timings": self._seen()})

    def _seen(self) -> dict[str, Any]:
        """Return what is seen to do the work."""
        after = self._knobs.moves_after
        device = _device(self._knobs) if after is None or self._completions <= after else "elsewhere"
        return {"device": device, "dtype": _DEVICE, "fallbacks": []}

    async def _words(self, knobs: argparse.Namespace) -> AsyncIterator[str]:
        for count in range(knobs.tokens):
            if count == knobs.crash_after:
                os.kill(os.getpid(), signal.SIGKILL)
            if count == knobs.hang_after:
                await asyncio.Event().wait()
            await asyncio.sleep(knobs.delay_s)
            self._sent += 1
            yield f"w{count} "

    async def _events(self, knobs: argparse.Namespace) -> AsyncIterator[str]:
        yield self._event(delta={"role": "assistant"})
        async for word in self._words(knobs):
            yield self._event(delta={"content": word})
        if knobs.half_line:
            yield 'data: {"choices": [{"delta": {"con'
            return
        if knobs.error_event:
            yield f"data: {json.dumps({'error': {'message': 'as asked', 'type': 'fake'}})}\n\n"
            return
        yield self._event(delta={}, finish="stop", timings=self._seen())
        yield f"data: {json.dumps({'choices': [], 'usage': _usage(knobs.tokens)})}\n\ndata: [DONE]\n\n"

    def _event(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return f"data: {json.dumps({'model': self._knobs.name, 'choices': [choice], **more})}\n\n"


def _well_behaved(knobs: argparse.Namespace) -> argparse.Namespace:
    """Return the knobs without the faults."""
    good = {"status": 200, "garbage": False, "half_line": False, "error_event": False}
    return argparse.Namespace(**{**vars(knobs), **good, "hang_after": None, "crash_after": None})


def _device(knobs: argparse.Namespace) -> str:
    return _DEVICE if knobs.device_mb is None else "cuda"


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fake_worker")
    parser.add_argument("--name", default="fake")
    parser.add_argument("--socket", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--watch-fd", type=int)
    for ignored in ("--model", "--engine", "--device", "--threads", "--max-rows", "--max-kv-tokens"):
        parser.add_argument(ignored)
    parser.add_argument("--allow-fallback", action="store_true")
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--retry-after")
    parser.add_argument("--hang-after", type=int)
    parser.add_argument("--crash-after", type=int)
    parser.add_argument("--load-s", type=float, default=0.0)
    parser.add_argument("--hold-mb", type=int, default=0)
    parser.add_argument("--device-mb", type=int)
    parser.add_argument("--exit-at-start", type=int)
    parser.add_argument("--moves-after", type=int)
    parser.add_argument("--good", type=int, default=0)
    for switch in ("--garbage", "--half-line", "--error-event", "--no-ready", "--abort-at-start"):
        parser.add_argument(switch, action="store_true")
    return parser.parse_args()


def _end_with_parent(watch_fd: int) -> None:
    while os.read(watch_fd, 1):
        continue
    os._exit(0)


def main() -> None:
    """Run the program."""
    knobs = _parse()
    if knobs.watch_fd is not None:
        threading.Thread(target=_end_with_parent, args=(knobs.watch_fd,), daemon=True).start()
    held = bytearray(b"\x01") * (knobs.hold_mb << 20)  # written to, or it would not be resident
    if knobs.no_ready:
        signal.pause()
    threading.Event().wait(knobs.load_s)
    if knobs.abort_at_start:
        sys.stderr.write("error: out of memory\n")
        sys.stderr.flush()
        os.abort()
    if knobs.exit_at_start is not None:
        sys.exit(knobs.exit_at_start)
    listener = socket.socket(socket.AF_UNIX if knobs.socket else socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(str(knobs.socket) if knobs.socket else ("127.0.0.1", knobs.port))
    listener.listen(128)
    facts = {
        "engine": "fake",
        "version": "0",
        "device": _device(knobs),
        "dtype": _DEVICE,
        "threads": 0,
        "context_length": 0,
    }
    facts |= {"parameters": 0, "weight_bytes": 0, "load_s": 0.0, "first_token_s": 0.0, "memory_bytes": None}
    facts |= {"peak_rss_bytes": 0, "address": listener.getsockname()}
    sys.stdout.write(json.dumps({"ready": True, **facts}) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(FakeWorker(knobs).asgi(), log_config=None, access_log=False, timeout_graceful_shutdown=1)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
    del held


if __name__ == "__main__":
    main()
