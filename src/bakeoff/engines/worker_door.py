"""Who a worker answers: everybody on its socket, or, where it listens beyond this machine, only those who show its key."""

from __future__ import annotations

import secrets

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bakeoff.engines.openai_protocol import ApiError


def for_holders_of(key: str | None, app: ASGIApp) -> ASGIApp:
    """Return `app` behind a door that opens to `Authorization: Bearer KEY`; without a key it has no door."""
    if not key:
        return app
    shown = f"Bearer {key}".encode()

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        if secrets.compare_digest(headers.get(b"authorization", b""), shown):
            await app(scope, receive, send)
            return
        error = ApiError(401, "this worker answers those who show its key", code="invalid_api_key")
        await JSONResponse(error.body, error.status)(scope, receive, send)

    return door
