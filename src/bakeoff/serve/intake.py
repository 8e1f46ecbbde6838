"""Requests as they come in: read to the end within a deadline and a size, and checked where the gateway itself looks.

Only what the gateway uses is checked (`model`, `messages` or `prompt`, `stream`); all else is the engine's to judge.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive

from bakeoff.serve.api_errors import GatewayError
from bakeoff.serve.outlet import ClientGone

DROPPED_TIMES = 32
"""What is too much is read and dropped, up to so many times the limit: a client that still sends would see a reset."""


@dataclass(frozen=True, slots=True)
class Intake:
    """How much a body may hold, in bytes, and how long it may take to come, in seconds."""

    max_bytes: int
    within_s: float


async def read_body(intake: Intake, receive: Receive) -> bytes:
    """Return the whole body.

    Raises:
        GatewayError: 413 or 408.
        ClientGone: the client hung up in the middle of it.
    """
    message = await receive()  # of most requests the one and only
    if message["type"] == "http.request" and not message.get("more_body") and len(message["body"]) <= intake.max_bytes:
        return bytes(message["body"])
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(intake.within_s):
            while True:
                if message["type"] == "http.disconnect":
                    raise ClientGone("it hung up before the body was complete")
                size += len(message.get("body", b""))
                if size <= intake.max_bytes:
                    body += message.get("body", b"")
                if not message.get("more_body") or size > DROPPED_TIMES * intake.max_bytes:
                    break
                message = await receive()
    except TimeoutError:
        raise GatewayError(
            408, f"the body was not complete within {intake.within_s:g} s", code="request_timeout"
        ) from None
    if size > intake.max_bytes:
        raise GatewayError(413, f"the body is larger than {intake.max_bytes} bytes", code="body_too_large")
    return bytes(body)


async def read_completion(intake: Intake, receive: Receive, *, chat: bool) -> tuple[dict[str, Any], int]:
    """Return the body of a request for a completion, and its size in bytes.

    Raises:
        GatewayError: 4xx, naming the field.
        ClientGone: the client hung up.
    """
    raw = await read_body(intake, receive)
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
        raise GatewayError(400, "stream must be true or false", param="stream", code="invalid_type")
    if chat:
        messages = value.get("messages")
        if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
            raise GatewayError(
                400, "messages must be a list of messages that is not empty", param="messages", code="invalid_type"
            )
    elif value.get("prompt") is None:
        raise GatewayError(400, "prompt is missing", param="prompt", code="missing_required_parameter")
    return value, len(raw)


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
