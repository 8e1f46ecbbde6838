"""Watching one gateway: its numbers, what it spends, how good its answers are, and what is worth being told about.

`/metrics` is Prometheus' text, `/status` one JSON document of all that `bakeoff top` shows, `/alerts` what fires. A POST to
`/quality/acknowledge` says that drops of quality were dealt with.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bakeoff.core.clock import Clock
from bakeoff.serve.alert_targets import Command, Target, Webhook
from bakeoff.serve.alert_watch import AlertWatch
from bakeoff.serve.config_state import ConfigState
from bakeoff.serve.cost_terms import CostTerms
from bakeoff.serve.key_limits import KeyUses
from bakeoff.serve.key_metrics import KeyMetrics, snapshot_of
from bakeoff.serve.lease import Leasing
from bakeoff.serve.metrics import GatewayMetrics
from bakeoff.serve.model_metrics import ModelMetrics
from bakeoff.serve.plan import ServingPlan
from bakeoff.serve.pools import PerPool
from bakeoff.serve.quality_sampling import QualitySampling
from bakeoff.serve.settings import AlertSettings, ServeSettings
from bakeoff.serve.spending import Spending
from bakeoff.serve.status import status_document


class Monitor:
    """All that watches. `webhook` is one from the environment, which goes before that of the settings."""

    def __init__(
        self,
        plan: ServingPlan,
        leasing: Leasing,
        settings: ServeSettings,
        clock: Clock,
        terms: CostTerms,
        webhook: str | None = None,
    ) -> None:
        self._plan = plan
        self._leasing = leasing
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self.metrics = GatewayMetrics(plan)
        self.spending = Spending(terms, clock)
        self.quality = QualitySampling(settings.quality)
        self.key_uses = KeyUses()
        self.config = ConfigState(clock.now())
        self._models = ModelMetrics(leasing, _predicted(plan, settings))
        for collector in (self._models, self.spending, self.quality, KeyMetrics(self.key_uses), self.config):
            self.metrics.registry.register(collector)
        self.alerts = AlertWatch(
            self.metrics.registry, targets_of(settings.alerts, webhook), settings.alerts.every_s, clock
        )

    def reconfigure(self, plan: ServingPlan, settings: ServeSettings, terms: CostTerms, webhook: str | None) -> None:
        """Watch this plan by these settings from now on. What was counted stays, models that are gone among it."""
        self._plan = plan
        self.metrics.expect(plan)
        self._models.predicted = _predicted(plan, settings)
        self.spending.change(terms)
        self.quality.change(settings.quality)
        self.alerts.change(targets_of(settings.alerts, webhook), settings.alerts.every_s)

    def begin(self, where: str) -> None:
        """Watch from now on, in the running event loop; `where` is the gateway's URL."""
        self.quality.begin()
        self.alerts.begin(where)

    async def close(self) -> None:
        """Watch no more."""
        await self.alerts.close()
        await self.quality.close()

    def routes(self) -> list[Route]:
        """Return the endpoints."""
        return [
            Route("/metrics", self._metrics),
            Route("/status", self._status),
            Route("/alerts", self._alerts),
            Route("/quality/acknowledge", self._acknowledge, methods=["POST"]),
        ]

    async def _metrics(self, _request: Request) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _status(self, _request: Request) -> Response:
        document = status_document(
            self._plan,
            self._leasing.snapshot(),
            self.metrics.registry,
            uptime_s=self._clock.monotonic_s() - self._began_s,
            watched={
                "quality": self.quality.snapshot(),
                "alerts": self.alerts.snapshot()["firing"],
                "cost": self.spending.snapshot(),
                "keys": snapshot_of(self.key_uses),
                "config": self.config.snapshot(),
            },
        )
        return JSONResponse(document)

    async def _acknowledge(self, _request: Request) -> Response:
        return JSONResponse({"acknowledged": self.quality.acknowledge()})

    async def _alerts(self, _request: Request) -> Response:
        return JSONResponse(self.alerts.snapshot())


def targets_of(settings: AlertSettings, webhook: str | None) -> list[Target]:
    """Return who is to be told."""
    url = webhook or settings.webhook
    found: list[Target] = [] if url is None else [Webhook(url)]
    return [*found, *([Command(settings.command)] if settings.command else [])]


def _predicted(plan: ServingPlan, settings: ServeSettings) -> dict[str, PerPool]:
    return {model.id: settings.keeping.model_rules(model).need or {} for model in plan.models}
