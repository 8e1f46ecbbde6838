"""The worker's HTTP surface: one model behind OpenAI's completion endpoints, and `/health`.

A request is read, encoded, submitted to the batcher and followed by two tasks: one writes what is delivered, one waits
for the client to hang up and then cancels the generation. Deliveries cross from the batcher's thread in one wake-up per
turn (`Inbox.deliver`), whatever the number of streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bakeoff.core.clock import Clock, SystemClock
from bakeoff.core.errors import BakeoffError, UsageError
from bakeoff.core.thoughts import OPENS
from bakeoff.engines.batching import Batcher, deliver_directly
from bakeoff.engines.openai_protocol import DONE, AnswerShape, ApiError, CompletionRequest, as_event, read_request
from bakeoff.engines.requests import BatcherClosed, Delivery, PromptTooLong, RequestTimings
from bakeoff.engines.requests import Request as GenerationRequest
from bakeoff.engines.text import TextCodec

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 8 * 2**20
MAX_DROPPED_BYTES = 256 * 2**20
LONG_BODY_BYTES = 32 * 2**10
"""From here on a body is read and encoded in a thread of its own, so that other answers go on: it takes 20 ms and more."""


class Inbox:
    """Carries deliveries from the batcher's thread to the event loop, in one wake-up a turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Hand deliveries to their sinks in the loop. Called in the batcher's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the worker is ending, nobody listens
            self._loop.call_soon_threadsafe(deliver_directly, deliveries)


class WorkerApp:
    """Endpoints over one batcher. `facts` returns the rest of `/health`."""

    def __init__(
        self,
        name: str,
        batcher: Batcher,
        codec: TextCodec,
        facts: Callable[[], Mapping[str, Any]],
        clock: Clock | None = None,
    ) -> None:
        self._name = name
        self._batcher = batcher
        self._codec = codec
        self._facts = facts
        self._clock = clock or SystemClock()
        self._started = int(self._clock.now().timestamp())

    def asgi(self) -> ASGIApp:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/completions", self._completion, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/health", self._health),
            ],
            exception_handlers={
                ApiError: _write_error,
                404: _write_http_error,
                405: _write_http_error,
                500: _write_500,
            },
        )

    async def _health(self, _request: Request) -> Response:
        broken = self._batcher.broken
        body = {"status": "ok" if broken is None else "broken", **self._facts()}
        return JSONResponse(body, 200 if broken is None else 503)

    async def _models(self, _request: Request) -> Response:
        model = {"id": self._name, "object": "model", "created": self._started, "owned_by": "bakeoff"}
        return JSONResponse({"object": "list", "data": [model]})

    async def _chat(self, request: Request) -> Response:
        return await self._complete(request, chat=True)

    async def _completion(self, request: Request) -> Response:
        return await self._complete(request, chat=False)

    async def _complete(self, request: Request, *, chat: bool) -> Response:
        body = await _read_body(request)
        is_long = len(body) > LONG_BODY_BYTES
        wanted, prompt = (
            await asyncio.to_thread(self._read, body, chat=chat) if is_long else self._read(body, chat=chat)
        )
        shape = AnswerShape(
            id=("chatcmpl-" if chat else "cmpl-") + secrets.token_hex(12),
            model=self._name,
            created=int(self._clock.now().timestamp()),
            chat=chat,
        )
        # The tag that the prompt ends with belongs to the answer: who reads it would take the thought for text.
        answer = Answer(f"{OPENS}\n" if chat and self._codec.opens_thought(prompt) else "")
        answer.generation = self._submit(wanted, prompt, answer.take)
        if wanted.stream:
            return AnswerResponse(answer, lambda send: _write_stream(answer, shape, send, usage=wanted.include_usage))
        return AnswerResponse(answer, lambda send: _write_whole(answer, shape, send))

    def _read(self, body: bytes, *, chat: bool) -> tuple[CompletionRequest, Sequence[int]]:
        """Return what a body asks for, and the ids of its prompt. Called in a thread where the body is long."""
        wanted = read_request(body, chat=chat)
        if wanted.model != self._name:
            raise ApiError(
                404,
                f"the model {wanted.model!r} does not exist here: this worker serves {self._name!r}",
                param="model",
                code="model_not_found",
            )
        context = self._batcher.context_length
        try:
            if wanted.messages is not None:
                return wanted, self._codec.encode_chat(wanted.messages, context)
            if isinstance(wanted.prompt, str):
                return wanted, self._codec.encode(wanted.prompt, context)
            return wanted, self._known_ids(wanted.prompt or ())
        except BakeoffError as error:
            raise _as_api_error(error) from error

    def _submit(
        self, wanted: CompletionRequest, prompt: Sequence[int], sink: Callable[[Delivery], None]
    ) -> GenerationRequest:
        try:
            return self._batcher.submit(prompt, wanted.sampling, wanted.seed, sink, wanted.top_logprobs)
        except BakeoffError as error:
            raise _as_api_error(error) from error

    def _known_ids(self, ids: Sequence[int]) -> Sequence[int]:
        if any(id_ >= self._batcher.vocab_size for id_ in ids):
            raise UsageError(f"a token id is not below the vocabulary's size, {self._batcher.vocab_size}")
        return ids


class Answer:
    """One generation, as an asynchronous series of deliveries, with `begins` before the text of the first."""

    def __init__(self, begins: str = "") -> None:
        self._begins = begins
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self.generation: GenerationRequest | None = None

    def take(self, delivery: Delivery) -> None:
        """Take a delivery, in the event loop."""
        self._queue.put_nowait(delivery)

    def cancel(self) -> None:
        """Stop the generation; of no effect once it is finished."""
        if self.generation is not None:
            self.generation.cancel()

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """Yield what comes, joined where it has piled up, to the last delivery.

        Raises:
            ApiError: the generation failed.
        """
        while True:
            delivery = await self._queue.get()
            text, self._begins = self._begins + delivery.text, ""
            while not delivery.last and not self._queue.empty():
                delivery = self._queue.get_nowait()
                text += delivery.text
            if delivery.error is not None:
                raise _as_api_error(delivery.error) from delivery.error
            yield Delivery(delivery.request, text, delivery.finish, delivery.timings)
            if delivery.last:
                return


class AnswerResponse(Response):
    """Writes an answer while it watches the client; a client that hangs up cancels the generation."""

    def __init__(self, answer: Answer, write: Callable[[Send], Coroutine[None, None, None]]) -> None:
        super().__init__()
        self._answer = answer
        self._write = write

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the response (ASGI)."""
        writer = asyncio.create_task(self._write(send))
        watcher = asyncio.create_task(_wait_for_hang_up(receive))
        try:
            await asyncio.wait((writer, watcher), return_when=asyncio.FIRST_COMPLETED)
            if writer.done():
                writer.result()
        except OSError:  # the client went away between two writes
            log.debug("the client hung up")
        finally:
            self._answer.cancel()
            for task in (writer, watcher):
                task.cancel()
            await asyncio.gather(writer, watcher, return_exceptions=True)


async def _write_whole(answer: Answer, shape: AnswerShape, send: Send) -> None:
    """Write the whole answer as one JSON body."""
    texts = []
    status = 200
    body = b""
    try:
        async for delivery in answer.deliveries():
            texts.append(delivery.text)
            if delivery.finish is not None and delivery.timings is not None:
                timings = delivery.timings
                asked = delivery.request.top_logprobs is not None
                logprobs = delivery.request.logprobs if asked else None
                body = shape.whole("".join(texts), delivery.finish, _usage(timings), asdict(timings), logprobs)
    except ApiError as error:
        status, body = error.status, json.dumps(error.body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _write_stream(answer: Answer, shape: AnswerShape, send: Send, *, usage: bool) -> None:
    """Write the answer as server-sent events; a failure in the middle is an `error` event, and the stream's end."""
    headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async for chunk in _events(answer, shape, usage=usage):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _events(answer: Answer, shape: AnswerShape, *, usage: bool) -> AsyncIterator[bytes]:
    first = True
    try:
        async for delivery in answer.deliveries():
            chunk = shape.chunk(delivery.text, first=first) if delivery.text or first else b""
            first = False
            if delivery.finish is not None and delivery.timings is not None:
                chunk += shape.chunk("", first=False, finish=delivery.finish, timings=asdict(delivery.timings))
                chunk += shape.usage_chunk(_usage(delivery.timings)) if usage else b""
                chunk += DONE
            yield chunk
    except ApiError as error:
        yield as_event(error.body)


async def _wait_for_hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            # What is too much is read and dropped: a client that is still sending would see a reset, and no answer.
            if size <= MAX_BODY_BYTES:
                body += chunk
            elif size > MAX_DROPPED_BYTES:
                break
        if size > MAX_BODY_BYTES:
            raise ApiError(413, f"the body is larger than {MAX_BODY_BYTES} bytes", code="body_too_large")
    except ClientDisconnect as error:
        raise ApiError(400, "the client hung up before the body was complete") from error
    return bytes(body)


def _usage(timings: RequestTimings) -> dict[str, int]:
    """Return OpenAI's token counts of a finished generation."""
    prompt, completion = timings.prompt_tokens, timings.completion_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _as_api_error(error: BakeoffError) -> ApiError:
    """Return how a client learns of an error of ours."""
    if isinstance(error, PromptTooLong):
        return ApiError(400, error.message, param="messages", code="context_length_exceeded")
    if isinstance(error, UsageError):
        return ApiError(400, error.message, param="messages", code="invalid_prompt")
    if isinstance(error, BatcherClosed):
        return ApiError(503, error.message, code="worker_ending")
    return ApiError(500, error.message, code="model_failed")


async def _write_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return JSONResponse(error.body, error.status)


async def _write_http_error(request: Request, error: Exception) -> Response:
    status = int(getattr(error, "status_code", 404))
    message = f"there is no {request.method} {request.url.path} here"
    return JSONResponse(ApiError(status, message, code="unknown_url").body, status)


async def _write_500(_request: Request, error: Exception) -> Response:
    return JSONResponse(ApiError(500, f"{type(error).__name__}: {error}", code="internal_error").body, 500)
