"""`/v1/embeddings`: passed through to an endpoint that somebody configured, as it is. bakeoff measures no embeddings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bakeoff.engines.http_errors import retry_after_s
from bakeoff.serve.api_errors import RETRY_AFTER_S, GatewayError, in_our_shape
from bakeoff.serve.hang_up import HangUp
from bakeoff.serve.intake import Intake, read_body, read_json
from bakeoff.serve.settings import EmbeddingsSettings

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER_BYTES = 64 * 2**20
_CLIENTS_MISTAKES = frozenset({400, 404, 413, 422})


class EmbeddingsEndpoint:
    """The endpoint, as an ASGI application."""

    def __init__(self, settings: EmbeddingsSettings | None, key: str | None, intake: Intake, within_s: float) -> None:
        self._settings = settings
        self._key = key
        self._intake = intake
        self._within_s = within_s
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        if self._settings is None:
            raise GatewayError(
                404,
                "no endpoint for embeddings is configured: say where they are made in [embeddings] of the settings",
                code="embeddings_not_configured",
            )
        body = read_json(await read_body(self._intake, scope, receive))
        if self._settings.model is not None:
            body["model"] = self._settings.model
        with HangUp(scope):
            response = await self._ask(self._settings, body)
            await response(scope, receive, send)

    async def _ask(self, settings: EmbeddingsSettings, body: dict[str, object]) -> Response:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._within_s, sock_connect=5.0),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            data = json.dumps(body).encode()
        except RecursionError:  # arrays within arrays, so deep that they could just be read
            raise GatewayError(400, "the body is nested too deeply", code="invalid_json") from None
        url = f"{settings.endpoint.rstrip('/')}/embeddings"
        try:
            async with self._session.post(url, data=data, headers=headers, allow_redirects=False) as answer:
                return self._passed_on(answer, await _read_all(answer.content))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise GatewayError(
                502, "the endpoint for embeddings does not answer", code="upstream_failed", retry_after_s=5
            ) from error

    def _passed_on(self, answer: aiohttp.ClientResponse, content: bytes) -> Response:
        """Return what a client gets of the endpoint's answer.

        Raises:
            GatewayError: it is none.
        """
        if answer.status in _CLIENTS_MISTAKES:
            return Response(in_our_shape(content, self._key), answer.status, media_type="application/json")
        if answer.status == 429:
            after = retry_after_s(answer.headers)
            raise GatewayError(
                429, "the endpoint for embeddings is busy", code="upstream_busy", retry_after_s=after or RETRY_AFTER_S
            )
        try:
            whole = isinstance(json.loads(content), dict)
        except (ValueError, RecursionError):
            whole = False
        if answer.status == 200 and whole:
            return Response(content, media_type="application/json")
        said = "gives no JSON object" if answer.status == 200 else f"fails or refuses the gateway ({answer.status})"
        raise GatewayError(
            502, f"the endpoint for embeddings {said}", code="upstream_failed", retry_after_s=RETRY_AFTER_S
        )


async def _read_all(content: aiohttp.StreamReader) -> bytes:
    """Return a body: what comes at once is seldom all of it.

    Raises:
        GatewayError: it is too large.
    """
    body = bytearray()
    async for came in content.iter_any():
        body += came
        if len(body) > MAX_ANSWER_BYTES:
            raise GatewayError(
                502, f"the endpoint for embeddings sends more than {MAX_ANSWER_BYTES} bytes", code="upstream_failed"
            )
    return bytes(body)
