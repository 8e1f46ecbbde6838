"""Answers that are none: what a model's server said or did instead, whose fault that is, and how a client learns of it."""

from __future__ import annotations

import json
from types import TracebackType

from bakeoff.core.errors import EndpointBusy, EndpointError, EndpointTimeout
from bakeoff.engines.deadlines import Watch
from bakeoff.engines.http_errors import refusal, without
from bakeoff.serve.api_errors import RETRY_AFTER_S, GatewayError, in_our_shape
from bakeoff.serve.lease import Ending, Upstream
from bakeoff.serve.ways import Incoming

MAX_ERROR_BYTES = 64 * 2**10
_CLIENT_MISTAKES = frozenset({400, 406, 409, 413, 415, 422, 451})
"""Statuses that are about the request."""
_LIMITS_OF_A_MODEL = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "unsupported_parameter", "unsupported_value"}
)
"""What OpenAI, llama-server (as `type`) and our workers call a request that is too long for a model, or asks what it cannot do."""
_TOO_LONG = ("maximum context length", "maximum model length")
"""vLLM says so in words alone (`code` is 400)."""
_TOLD = ("Retry-After", "Date", "Location")


class UpstreamFailed(Exception):
    """The model gave no answer, or only half of one, and it is not the request's fault; `ending` tells how."""

    def __init__(self, message: str, ending: Ending, *, busy: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.ending = ending
        self.busy = busy
        self.retry_after_s = retry_after_s


class RequestRefused(Exception):
    """The model's server says that the request is wrong: `status` and `body` (an error in OpenAI's shape) are its own."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.body = body

    @property
    def by_this_model(self) -> bool:
        """Whether it is a limit of this model, so that another one may answer."""
        error = json.loads(self.body)["error"]
        named = not _LIMITS_OF_A_MODEL.isdisjoint((str(error["code"]), str(error["type"])))
        return self.status == 413 or named or any(said in error["message"] for said in _TOO_LONG)


def as_error(failed: UpstreamFailed) -> GatewayError:
    """Return how a client learns of it."""
    after = RETRY_AFTER_S if failed.retry_after_s is None else failed.retry_after_s
    if failed.busy:
        return GatewayError(429, failed.message, code="upstream_busy", retry_after_s=after)
    return GatewayError(502, failed.message, code="upstream_failed", retry_after_s=after)


async def read_refusal(upstream: Upstream, incoming: Incoming, watch: Watch) -> Exception:
    """Return the error that a status other than 200 stands for."""
    with Failing(upstream, watch):
        body = await watch.within(10.0, lambda: _read_some(incoming))
    if incoming.status in _CLIENT_MISTAKES:
        return RequestRefused(incoming.status, in_our_shape(body, upstream.api_key))
    headers = {name: value for name in _TOLD if (value := incoming.header(name.lower()))}
    error = refusal(upstream.model, incoming.status, headers, body)
    message = without(error.message, upstream.api_key)
    busy = incoming.status == 429
    # A server that is busy is not broken, and a breaker must not hold it to be.
    ending: Ending = "client_error" if busy else "server_error"
    return UpstreamFailed(message, ending, busy=busy, retry_after_s=error.retry_after_s)


async def _read_some(incoming: Incoming) -> bytes:
    body = b""
    while len(body) < MAX_ERROR_BYTES and (came := await incoming.read()):
        body += came
    return body[:MAX_ERROR_BYTES]


class Failing:
    """Turns what goes wrong on the way of a call into `UpstreamFailed`; no address is told."""

    __slots__ = ("_upstream", "_watch")

    def __init__(self, upstream: Upstream, watch: Watch) -> None:
        self._upstream = upstream
        self._watch = watch

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, EndpointError):
            return
        message = without(error.message, self._upstream.api_key)
        if isinstance(error, EndpointTimeout):
            raise UpstreamFailed(message, self._ending_of(error)) from error
        if isinstance(error, EndpointBusy):
            raise UpstreamFailed(message, "server_error", retry_after_s=error.retry_after_s) from error
        raise UpstreamFailed(message, "connection_lost") from error

    def _ending_of(self, error: EndpointTimeout) -> Ending:
        if not error.final:
            return "stalled"
        # An answer that is only too long is no fault; of one that nothing was seen of nobody knows.
        return "cancelled" if self._watch.heard else "server_error"
