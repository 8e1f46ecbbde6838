"""The gateway's HTTP surface: OpenAI's endpoints over a plan, and what tells of the gateway itself.

| path                                | answers                                                                     |
|-------------------------------------|-----------------------------------------------------------------------------|
| POST /v1/chat/completions           | `answering`                                                                 |
| POST /v1/completions                | `answering`                                                                 |
| POST /v1/embeddings                 | what the configured endpoint answers, or 404                                |
| GET  /v1/models, /v1/models/NAME    | routes and candidates, each with its evidence and state                     |
| GET  /health                        | 200 while this process answers                                              |
| GET  /ready                         | 200 while requests are taken, 503 once the gateway ends                     |
| GET  /metrics, /status, /alerts     | numbers for Prometheus, for `bakeoff top`, and what is wrong (`monitor`)    |
| POST /quality/acknowledge           | which drops of quality are watched for anew                                 |
| GET  /openapi.json                  | what all of these take and answer (`openapi`)                               |
| GET  /                              | the status page                                                             |

All else is an error in OpenAI's shape.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bakeoff.core.clock import Clock
from bakeoff.core.plain import printable
from bakeoff.engines.openai_protocol import ApiError
from bakeoff.serve.answering import CompletionEndpoint, Service
from bakeoff.serve.api_errors import GatewayError, error_response
from bakeoff.serve.api_keys import KeyRing
from bakeoff.serve.classifier import Classifier
from bakeoff.serve.cost_terms import CostTerms
from bakeoff.serve.door import Door
from bakeoff.serve.embeddings import EmbeddingsEndpoint
from bakeoff.serve.evidence import EvidenceHeaders
from bakeoff.serve.footprints import Footprints
from bakeoff.serve.intake import BodyTooLarge, Intake
from bakeoff.serve.lease import Leasing
from bakeoff.serve.listing import find_model, list_models
from bakeoff.serve.monitor import Monitor
from bakeoff.serve.outlet import ClientGone
from bakeoff.serve.page import PAGE_HEADERS, status_page
from bakeoff.serve.plan import ServingPlan
from bakeoff.serve.response_cache import ResponseCache
from bakeoff.serve.router import Router
from bakeoff.serve.settings import CacheSettings, ServeSettings
from bakeoff.serve.upstream import Pools

log = logging.getLogger(__name__)

_CLIENT_GONE = 499
"""nginx's number for it; nobody is left to read it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets: what clients must show (hashed), what the endpoint for embeddings wants, where alerts go."""

    clients: KeyRing = KeyRing()  # noqa: RUF009 - nothing changes it
    embeddings: str | None = None
    alerts: str | None = None


class Gateway:
    """One gateway over a plan and whoever gives the leases. `asgi` is the application; `close` it in the end."""

    def __init__(
        self,
        plan: ServingPlan,
        leasing: Leasing,
        settings: ServeSettings,
        clock: Clock,
        keys: Keys | None = None,
        terms: CostTerms | None = None,
        footprints: Footprints | None = None,
    ) -> None:
        self._leasing = leasing
        self._clock = clock
        self._footprints = footprints
        self._started = int(clock.now().timestamp())
        self._pools = Pools()
        self._cache: ResponseCache | None = None
        self._classifier = Classifier.load()
        keys = keys or Keys()
        self.monitor = Monitor(plan, leasing, settings, clock, terms or CostTerms(), keys.alerts)
        self.metrics = self.monitor.metrics
        self._left: list[EmbeddingsEndpoint] = []
        self._embeddings = _embeddings(settings, keys)
        self._embedding_by = (settings.embeddings, settings.server, settings.waiting.total_s)
        app = self._application(plan, settings)
        self._door = Door(
            app, _names(settings), keys.clients, self.monitor.key_uses, clock.monotonic_s, self.metrics.reject
        )

    def reconfigure(self, plan: ServingPlan, settings: ServeSettings, keys: Keys, terms: CostTerms) -> None:
        """Answer by these from now on. Requests under way end as they began, with the plan that they began under."""
        self.monitor.reconfigure(plan, settings, terms, keys.alerts)
        embedding_by = (settings.embeddings, settings.server, settings.waiting.total_s)
        if embedding_by != self._embedding_by:
            self._left.append(self._embeddings)  # requests may be under way there
            self._embeddings, self._embedding_by = _embeddings(settings, keys), embedding_by
        self._door.change(self._application(plan, settings), _names(settings), keys.clients)

    def change_keys(self, keys: KeyRing) -> None:
        """Have these keys open from now on."""
        self._door.change_keys(keys)

    @property
    def asgi(self) -> ASGIApp:
        """The ASGI application."""
        return self._door

    def begin(self, address: str) -> None:
        """Begin to watch, in the running event loop; `address` is where the gateway listens."""
        self.monitor.begin(address)

    def stop_taking(self) -> None:
        """Take no further requests on connections that are open; those under way go on."""
        self._door.closed = True

    async def close(self) -> None:
        """Watch no more, and close every connection to upstreams."""
        await self.monitor.close()
        await self._pools.close()
        for embeddings in (self._embeddings, *self._left):
            await embeddings.close()

    def _application(self, plan: ServingPlan, settings: ServeSettings) -> Starlette:
        """Return what answers under one plan and its settings."""
        self._plan = plan
        self._pools.as_asked = settings.endpoints.plain == "as_asked"
        intake = Intake(settings.server.max_body_bytes, settings.server.body_s)
        service = Service(
            plan=plan,
            router=Router(plan, self._classifier),
            leasing=self._leasing,
            pools=self._pools,
            metrics=self.metrics,
            spending=self.monitor.spending,
            quality=self.monitor.quality,
            evidence=EvidenceHeaders(plan),
            waiting=settings.waiting,
            clock=self._clock,
            write_s=settings.server.write_s,
            cache=self._new_cache(settings.cache),
            footprints=self._footprints,
        )
        return Starlette(
            routes=[
                Route(
                    "/v1/chat/completions", CompletionEndpoint(service, intake, "chat/completions"), methods=["POST"]
                ),
                Route("/v1/completions", CompletionEndpoint(service, intake, "completions"), methods=["POST"]),
                Route("/v1/embeddings", self._embeddings, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/v1/models/{name:path}", self._model),
                Route("/health", self._health),
                Route("/ready", self._ready),
                *self.monitor.routes(),
                Route("/openapi.json", self._openapi),
                Route("/", self._page),
            ],
            exception_handlers={
                ApiError: self._api_error,
                ClientGone: _client_gone,
                404: _http_error,
                405: _http_error,
                500: _internal_error,
            },
        )

    def _new_cache(self, settings: CacheSettings) -> ResponseCache | None:
        """Return an empty cache in the place of one that there was: under another plan the same may be answered otherwise."""
        if self._cache is not None:
            self.metrics.registry.unregister(self._cache)
        self._cache = ResponseCache(settings.max_bytes, settings.max_entries) if settings.enabled else None
        if self._cache is not None:
            self.metrics.registry.register(self._cache)
        return self._cache

    async def _models(self, _request: Request) -> Response:
        return JSONResponse(list_models(self._plan, self._leasing.snapshot(), self._started))

    async def _model(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = find_model(list_models(self._plan, self._leasing.snapshot(), self._started), name)
        if found is None:
            shown = printable(name[:80])
            raise GatewayError(404, f"the model {shown!r} does not exist here", param="model", code="model_not_found")
        return JSONResponse(found)

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _ready(self, _request: Request) -> Response:
        if self._door.closed:
            return JSONResponse({"status": "ending"}, 503)
        return JSONResponse({"status": "ready", "run": self._plan.run_id})

    async def _openapi(self, _request: Request) -> Response:
        from bakeoff.serve.openapi import document  # who never asks for it need not hold it

        return JSONResponse(document(locked=self._door.locked))

    async def _page(self, request: Request) -> Response:
        address = f"{request.url.scheme}://{request.url.netloc}"
        monitor = self.monitor
        streams = monitor.quality.snapshot()["streams"]
        page = status_page(
            self._plan, self._leasing.snapshot(), address, monitor.alerts.firing, streams, monitor.config.snapshot()
        )
        return HTMLResponse(page, headers=PAGE_HEADERS)

    async def _api_error(self, _request: Request, error: Exception) -> Response:
        if not isinstance(error, ApiError):
            raise error
        self.metrics.reject(str(error.body["error"]["code"]))
        return error.answer() if isinstance(error, BodyTooLarge) else error_response(error)


async def _client_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_CLIENT_GONE)


async def _http_error(request: Request, error: Exception) -> Response:
    status = int(getattr(error, "status_code", 404))
    message = f"there is no {request.method} {printable(request.url.path[:200])} here"
    allowed: Mapping[str, str] = getattr(error, "headers", None) or {}  # a 405 says which methods there are
    return error_response(ApiError(status, message, code="unknown_url"), allowed)


async def _internal_error(_request: Request, error: Exception) -> Response:
    log.error("a request failed by a fault of the gateway", exc_info=error)
    return error_response(ApiError(500, "the gateway failed; its log says how", code="internal_error"))


def _embeddings(settings: ServeSettings, keys: Keys) -> EmbeddingsEndpoint:
    intake = Intake(settings.server.max_body_bytes, settings.server.body_s)
    return EmbeddingsEndpoint(settings.embeddings, keys.embeddings, intake, settings.waiting.total_s)


def _names(settings: ServeSettings) -> tuple[str, ...]:
    return settings.server.host, *settings.server.allowed_hosts
