"""What can go wrong on the way to an endpoint, as the typed errors of `core.errors`, without the API key in any of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import aiohttp

from bakeoff.core.errors import (
    EndpointBusy,
    EndpointError,
    EndpointFailed,
    EndpointGarbage,
    EndpointRefused,
    EndpointTimeout,
    EndpointUnreachable,
)
from bakeoff.engines.answer import error_message, excerpt

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long to wait, in seconds: for a connection, from request to first byte of the body, between two bytes, in all.

    A plain (not streamed) answer has its first byte when it is finished, so only `total_s` bounds it. `empty_s` bounds
    how long a stream may go on without text: some servers send comments while they read a long prompt, for ever some.
    """

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    empty_s: float = 180.0
    total_s: float = 600.0


class Watch:
    """The deadlines of one call, started when it is made."""

    def __init__(self, where: str, deadlines: Deadlines) -> None:
        self._where = where
        self._total_s = deadlines.total_s
        self._end = asyncio.get_running_loop().time() + deadlines.total_s

    async def within(self, awaited: Awaitable[Result], seconds: float, what: str) -> Result:
        """Wait for something for at most `seconds`, and never past the whole call's deadline.

        Raises:
            EndpointTimeout: it did not come; `what` says what.
        """
        left = self._end - asyncio.get_running_loop().time()
        limit, of = (seconds, what) if seconds <= left else (left, "complete answer")
        try:
            async with asyncio.timeout(limit) as timer:
                return await awaited
        except TimeoutError as error:
            if not timer.expired():
                raise
            shown = seconds if seconds <= left else self._total_s
            raise EndpointTimeout(f"{self._where} sent no {of} within {shown:g} s") from error


@asynccontextmanager
async def translated(where: str, *, started: bool) -> AsyncIterator[None]:
    """Turn what aiohttp raises into typed errors; `started` tells that the answer's first byte is here already."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise EndpointTimeout(f"{where} accepted no connection in time", _RUNNING) from error
    except aiohttp.ClientConnectorError as error:
        reason = error.os_error.strerror or str(error.os_error)
        raise EndpointUnreachable(f"{where} cannot be reached: {reason}", _RUNNING) from error
    except aiohttp.ClientResponseError as error:
        raise EndpointGarbage(f"{where} does not speak HTTP: {excerpt(error.message)}") from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
        if started:
            raise EndpointFailed(f"{where} broke the connection in the middle of its answer") from error
        raise EndpointUnreachable(f"{where} closed the connection without an answer", _RUNNING) from error


_RUNNING = "is the server running, and is the address right?"


def refusal(where: str, status: int, headers: Mapping[str, str], body: bytes) -> EndpointError:
    """Return the error that an HTTP status other than 200 stands for."""
    text = body.decode(errors="replace")
    try:
        said = error_message(json.loads(text))
    except ValueError:
        said = excerpt(text) or "no message"
    message = f"{where} answered {status}: {said}"
    if status in {429, 503}:
        return EndpointBusy(message, "wait, or lower --concurrency", retry_after_s(headers))
    if status >= 500:
        return EndpointFailed(message)
    if 300 <= status < 400:
        return EndpointRefused(f"{where} redirects to {headers.get('Location', '?')}", "use that address", status)
    hints = {401: "check the API key", 403: "check the API key and what it may do", 404: "check the URL and the model"}
    return EndpointRefused(message, hints.get(status, ""), status)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long a server asks to wait, in seconds: a number, or an HTTP date (RFC 9110, section 10.2.3)."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)  # "-0000" is UTC without a statement about the place
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def blot_out(error: EndpointError, secret: str | None) -> None:
    """Take `secret` out of an error's message, should a server have quoted it."""
    if secret:
        error.message = error.message.replace(secret, "***")
        error.args = (error.message,)
