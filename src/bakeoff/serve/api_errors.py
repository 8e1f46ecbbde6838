"""How a client learns that it gets no answer: OpenAI's error object, with no path, address or key in it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import Response

from bakeoff.engines.answer import error_message, excerpt
from bakeoff.engines.http_errors import without
from bakeoff.engines.openai_protocol import ApiError
from bakeoff.serve.lease import BreakerOpen, LoadFailed, LoadTooLong, NotServed, QueueFull, Refused, Stopping

QUEUE_FULL = "queue_full"
RETRY_AFTER_S = 5
"""Said where nobody knows better."""

CHALLENGES = ("Bearer", 'Basic realm="bakeoff", charset="UTF-8"')
"""How a key may be shown: as API clients do, and as the password that a browser asks for."""

_REFUSALS: Mapping[type[Refused], tuple[int, str, str]] = {
    QueueFull: (429, QUEUE_FULL, "as many requests wait for {model} as may"),
    LoadTooLong: (503, "model_loading", "{model} was not ready in time"),
    BreakerOpen: (503, "model_resting", "{model} failed too often, and is left alone for a while"),
    LoadFailed: (503, "model_not_loaded", "{model} could not be loaded"),
    Stopping: (503, "gateway_stopping", "the gateway ends"),
    NotServed: (503, "model_not_served", "{model} is no longer served: ask again for what serves now"),
}


class GatewayError(ApiError):
    """An error of the gateway itself; `retry_after_s` is said in the header, in whole seconds."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
        super().__init__(status, message, param=param, code=code, kind=kinds.get(status))
        self.code = code or ""
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to it."""
        # What is left of a body that was not read to its end must not pass for the next request.
        closing = {"connection": "close"} if self.status in {408, 413} else {}
        if self.retry_after_s is None:
            return closing
        return {**closing, "retry-after": str(max(1, round(self.retry_after_s)))}


def as_refusal(error: Refused, model: str) -> GatewayError:
    """Return how a client learns that no lease can be had."""
    status, code, said = _REFUSALS.get(type(error), (503, "model_not_available", "{model} cannot be had now"))
    after = RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s
    return GatewayError(status, said.format(model=model), code=code, retry_after_s=after)


def in_our_shape(body: bytes, key: str | None) -> bytes:
    """Return the body of another server's error in OpenAI's shape, without our key there."""
    text = without(body.decode(errors="replace"), key)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        known = {"type": "invalid_request_error", "param": None, "code": None}
        return json.dumps({"error": known | error}).encode()
    said = error_message(value) if value is not None else excerpt(text) or "the request was refused"
    shaped = {"message": said, "type": "invalid_request_error", "param": None, "code": None}
    return json.dumps({"error": shaped}).encode()


def error_response(error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response that says it."""
    own = error.headers if isinstance(error, GatewayError) else {}
    body = json.dumps(error.body).encode()
    response = Response(body, error.status, {**(headers or {}), **own}, media_type="application/json")
    if error.status == 401:
        for challenge in CHALLENGES:  # a header each: Chromium takes a list in one for a single challenge
            response.headers.append("www-authenticate", challenge)
    return response
