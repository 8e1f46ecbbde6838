"""Requests as they come in: read to the end within a deadline and a size, and checked where the gateway itself looks.

Only what the gateway uses is checked (`model`, `messages` or `prompt`, `stream`, `stream_options`,
`metadata.content_type`); all else is the engine's to judge.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bakeoff.serve.api_errors import GatewayError, error_response
from bakeoff.serve.outlet import ClientGone

DROPPED_TIMES = 32
"""What is too much is read and dropped, up to so many times the limit: a client that still sends would see a reset."""


@dataclass(frozen=True, slots=True)
class Intake:
    """How much a body may hold, in bytes, and how long it may take to come, in seconds."""

    max_bytes: int
    within_s: float


class BodyTooLarge(GatewayError):
    """413. It is said at once, by the header alone where that tells; `answer` lets a client that still sends read it."""

    def __init__(self, intake: Intake) -> None:
        super().__init__(413, f"the body is larger than {intake.max_bytes} bytes", code="body_too_large")
        self._intake = intake

    def answer(self) -> Response:
        """Return the response that says it."""
        return _AnswerBeforeTheEnd(error_response(self), self._intake)


class _AnswerBeforeTheEnd(Response):
    """A whole answer first, then the rest of the body read and dropped: a close before that is a reset for the client."""

    def __init__(self, said: Response, intake: Intake) -> None:
        super().__init__(said.body, said.status_code, said.headers)
        self._intake = intake

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the response (ASGI)."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._intake.within_s):
                await _drop(receive, DROPPED_TIMES * self._intake.max_bytes)
        await send({"type": "http.response.body", "body": b""})


async def _drop(receive: Receive, most: int) -> None:
    """Read a body to its end, or until `most` bytes of it came."""
    size = 0
    while size <= most:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return


async def read_body(intake: Intake, scope: Scope, receive: Receive) -> bytes:
    """Return the whole body.

    Raises:
        GatewayError: 413 or 408.
        ClientGone: the client hung up in the middle of it.
    """
    if _declared_size(scope) > intake.max_bytes:
        raise BodyTooLarge(intake)
    body = bytearray()
    try:
        async with asyncio.timeout(intake.within_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone("it hung up before the body was complete")
                body += message.get("body", b"")
                if len(body) > intake.max_bytes:
                    raise BodyTooLarge(intake)
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise GatewayError(
            408, f"the body was not complete within {intake.within_s:g} s", code="request_timeout"
        ) from None


def _declared_size(scope: Scope) -> int:
    """Return the Content-Length, which the protocol has checked to be a number; 0 where the body comes in chunks."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)


async def read_completion(intake: Intake, scope: Scope, receive: Receive, *, chat: bool) -> tuple[dict[str, Any], int]:
    """Return the body of a request for a completion, and its size in bytes.

    Raises:
        GatewayError: 4xx, naming the field.
        ClientGone: the client hung up.
    """
    raw = await read_body(intake, scope, receive)
    value = read_json(raw)
    model = value.get("model")
    if not isinstance(model, str) or not model:
        raise GatewayError(
            400,
            "model is missing: it must be a string, such as bakeoff/auto",
            param="model",
            code="missing_required_parameter",
        )
    if not isinstance(value.get("stream"), bool | None):
        raise _wrong_type("stream", "true or false")
    _check_options(value)
    if chat:
        messages = value.get("messages")
        if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
            raise _wrong_type("messages", "a list of messages that is not empty")
    elif value.get("prompt") is None:
        raise GatewayError(400, "prompt is missing", param="prompt", code="missing_required_parameter")
    return value, len(raw)


def _check_options(value: Mapping[str, Any]) -> None:
    """Refuse what would otherwise be taken for not said.

    Raises:
        GatewayError: 400, naming the field.
    """
    for field, inner, kind, expected, example in (
        ("metadata", "content_type", str, "a string", '"tweet"'),
        ("stream_options", "include_usage", bool, "true or false", "true"),
    ):
        given = value.get(field)
        if not isinstance(given, dict | None):
            raise _wrong_type(field, f'an object, such as {{"{inner}": {example}}}')
        if given is not None and not isinstance(given.get(inner), kind | None):
            raise _wrong_type(f"{field}.{inner}", expected)


def _wrong_type(param: str, expected: str) -> GatewayError:
    return GatewayError(400, f"{param} must be {expected}", param=param, code="invalid_type")


def read_json(raw: bytes) -> dict[str, Any]:
    """Return the object that a body is.

    Raises:
        GatewayError: 400.
    """
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:  # ValueError: JSONDecodeError and UnicodeDecodeError
        raise GatewayError(400, f"the body is not JSON: {str(error)[:200]}", code="invalid_json") from None
    if not isinstance(value, dict):
        raise GatewayError(400, "the body must be a JSON object", code="invalid_json")
    return value
