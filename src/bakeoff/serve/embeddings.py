"""`/v1/embeddings`: passed through to an endpoint that somebody configured, as it is. bakeoff measures no embeddings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bakeoff.engines.http_errors import without
from bakeoff.serve.api_errors import GatewayError
from bakeoff.serve.intake import Intake, read_body, read_json
from bakeoff.serve.settings import EmbeddingsSettings

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER_BYTES = 64 * 2**20


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
        url = f"{settings.endpoint.rstrip('/')}/embeddings"
        try:
            async with self._session.post(
                url, data=json.dumps(body).encode(), headers=headers, allow_redirects=False
            ) as answer:
                if answer.status in {401, 403} or 300 <= answer.status < 400:
                    raise GatewayError(
                        502, "the endpoint for embeddings refuses the gateway", code="upstream_failed", retry_after_s=5
                    )
                content = await answer.content.read(MAX_ANSWER_BYTES)
                if answer.status != 200:
                    content = without(content.decode(errors="replace"), self._key).encode()
                return Response(content, answer.status, media_type=answer.content_type)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise GatewayError(
                502, "the endpoint for embeddings does not answer", code="upstream_failed", retry_after_s=5
            ) from error
