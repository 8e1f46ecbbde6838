"""What can go wrong on the way to an endpoint, as the typed errors of `core.errors`, without the API key in any of them."""

from __future__ import annotations

import json
import math
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bakeoff.core.errors import (
    EndpointBusy,
    EndpointDenied,
    EndpointError,
    EndpointFailed,
    EndpointGarbage,
    EndpointRefused,
    EndpointTimeout,
    EndpointUnreachable,
)
from bakeoff.engines.answer import error_message, excerpt


@asynccontextmanager
async def translated(where: str, *, started: bool) -> AsyncIterator[None]:
    """Turn what aiohttp raises into typed errors; `started` tells that the answer's first byte is here already."""
    import aiohttp  # takes as long as all else that a gateway imports, which needs none as long as all is well

    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise EndpointTimeout(f"{where} accepted no connection in time", NOT_RUNNING) from error
    except aiohttp.ClientSSLError as error:  # before what it is one of: its errno is OpenSSL's, and no system's
        raise _untrusted(where, error.os_error) from error
    except aiohttp.InvalidURL as error:  # ours was read before; not quoted, since it may hold a password
        hint = "set HTTPS_PROXY (or HTTP_PROXY) to http://HOST:PORT"
        raise EndpointUnreachable(f"{where} cannot be reached: the environment's proxy is no URL", hint) from error
    except UnicodeError as error:
        hint = "check the URL: a host's name has parts of 1 to 63 characters, with one dot between them"
        raise EndpointUnreachable(f"{where} cannot be reached: it is no name of a host", hint) from error
    except aiohttp.ClientConnectorError as error:
        reason = os_reason(error.os_error) or str(error.os_error)
        raise EndpointUnreachable(f"{where} cannot be reached: {reason}", NOT_RUNNING) from error
    except aiohttp.ClientResponseError as error:
        raise EndpointGarbage(f"{where} does not speak HTTP: {excerpt(error.message)}") from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
        if started:
            raise EndpointFailed(f"{where} broke the connection in the middle of its answer") from error
        raise EndpointUnreachable(f"{where} closed the connection without an answer", NOT_RUNNING) from error


def _untrusted(where: str, error: OSError) -> EndpointUnreachable:
    """Return what went wrong with the encryption of a connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = f"{where} cannot be trusted: {error.verify_message}"
        return EndpointUnreachable(said, "for a certificate of your own: SSL_CERT_FILE=path/to/its-authority.pem")
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    return EndpointUnreachable(f"{where} does not speak TLS: {reason}", "is the address http:// instead of https://?")


def os_reason(error: OSError) -> str:
    """Return the system's word for an error; empty where there is none."""
    number = error.errno  # asyncio's own words for a system's error hold a tuple; a name server's do not
    return os.strerror(number) if number is not None and number > 0 else error.strerror or ""


NOT_RUNNING = "start the server, or check the URL"


def refusal(where: str, status: int, headers: Mapping[str, str], body: bytes) -> EndpointError:
    """Return the error that an HTTP status other than 200 stands for."""
    text = body.decode(errors="replace")
    try:
        said = error_message(json.loads(text))
    except (ValueError, RecursionError):
        said = excerpt(text) or "no message"
    message = f"{where} answered {status}: {said}"
    if status in {429, 503}:
        return EndpointBusy(message, "wait, or lower --concurrency", retry_after_s(headers))
    if status >= 500 or status == 408:  # the server's own patience ended, and a new request has all of it
        return EndpointFailed(message, retry_after_s=retry_after_s(headers))
    if 300 <= status < 400:
        return EndpointRefused(
            f"{where} redirects to {excerpt(headers.get('Location', '?'))}", "use that address", status
        )
    if status == 401:
        return EndpointDenied(message, "check the API key", status)
    hints = {403: "check the API key and what it may do", 404: "check the URL and the model"}
    return EndpointRefused(message, hints.get(status, ""), status)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long a server asks to wait, in seconds: a number, or an HTTP date (RFC 9110, section 10.2.3).

    A date is held against the server's own clock where it tells it (`Date`), else against ours.
    """
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until = _read_date(value)
        if until is None:
            return None
        seconds = (until - (_read_date(headers.get("Date", "")) or datetime.now(UTC))).total_seconds()
    return None if math.isnan(seconds) else max(0.0, seconds)


def _read_date(value: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)  # "-0000" is UTC without a statement about the place


def blot_out(error: EndpointError, secret: str | None) -> None:
    """Take `secret` out of an error, should a server have quoted it, in full or cut off at the end of an excerpt."""
    error.message, error.hint = without(error.message, secret), without(error.hint, secret)
    error.args = (error.message,)


def without(text: str, secret: str | None) -> str:
    """Return what a server said with `secret` taken out, in full or cut off at the end of an excerpt."""
    if not secret or len(secret) < _SHORTEST_PIECE:  # local servers take any word for a key: it is no secret
        return text
    for length in range(len(secret), _SHORTEST_PIECE - 1, -1):
        text = text.replace(secret[:length], "***")
    return text


_SHORTEST_PIECE = 6
"""Characters of a key that are told apart from other text; `sk-` and the like begin every key."""
