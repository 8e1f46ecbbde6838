"""What the gateway counts, for Prometheus: OpenTelemetry's GenAI names where it has some, `bakeoff_` for what is ours.

Names after https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/ (dots as underscores), with more buckets than
proposed there, since local models are slower. Times are seconds. Labels hold names from the plan only, so that nobody can
make their number grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from bakeoff.serve.plan import ServingPlan
from bakeoff.serve.relay import Relay
from bakeoff.serve.router import GENERAL, NAMED

Outcome = Literal["answered", "broken", "failed", "refused", "client_error", "cancelled"]
_OPERATIONS = {"chat/completions": "chat", "completions": "text_completion"}
_LABELS = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "bakeoff_route", "bakeoff_outcome")
_DURATION_BUCKETS = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
    163.84,
    327.68,
    655.36,
)
_FIRST_TOKEN_BUCKETS = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    30.0,
    60.0,
)
_TOKEN_TIME_BUCKETS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.75,
    1.0,
    2.5,
)
_TOKEN_BUCKETS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)


@dataclass(slots=True)
class Happened:
    """One request, as it is counted. Times are those of a monotonic clock, in seconds; tokens as the server told them.

    `pieces` is in how many pieces of text the answer came; 0 for one that came as a whole.
    """

    path: str
    route: str
    model: str
    begun_s: float
    leased_s: float | None = None
    first_token_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    pieces: int = 0
    stands_in: bool = False
    outcome: Outcome = "cancelled"
    error: str = ""

    def fail(self, error: str, outcome: Outcome) -> None:
        """Note by what it failed."""
        self.error, self.outcome = error, outcome

    def count(self, relay: Relay) -> None:
        """Note the tokens that a stream told, and its pieces."""
        self.pieces = relay.pieces
        self.prompt_tokens = _count(relay.usage, "prompt_tokens")
        self.completion_tokens = _count(relay.usage, "completion_tokens")


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


disable_created_metrics()  # type: ignore[no-untyped-call]  # a series beside every other one, which nobody reads


class GatewayMetrics:
    """The numbers of one gateway, in a registry of their own, into which others put theirs."""

    def __init__(self, plan: ServingPlan) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[Histogram, tuple[str, ...]], Histogram] = {}
        self._duration = self._histogram(
            "gen_ai_server_request_duration_seconds",
            "From request to last byte.",
            _DURATION_BUCKETS,
            (*_LABELS, "error_type"),
        )
        self._first_token = self._histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "From request to the first piece of the answer.",
            _FIRST_TOKEN_BUCKETS,
        )
        self._per_token = self._histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Between tokens after the first one, mean of an answer.",
            _TOKEN_TIME_BUCKETS,
        )
        self._tokens = self._histogram(
            "gen_ai_client_token_usage",
            "Tokens as the model's server counted them.",
            _TOKEN_BUCKETS,
            (*_LABELS, "gen_ai_token_type"),
        )
        self._waited = self._histogram(
            "bakeoff_lease_wait_seconds", "From request to a model that is ready.", _DURATION_BUCKETS
        )
        self._requests = Counter(
            "bakeoff_requests",
            "Requests that are over, by how; with `fallback` 1 the model stood in for the route's own.",
            ("model", "route", "fallback", "outcome"),
            registry=self.registry,
        )
        self._over: dict[tuple[str, str, str, str], Counter] = {}
        self.expect(plan)
        self._rejected = Counter(
            "bakeoff_rejected_requests",
            "Requests that were refused before any model was asked.",
            ("code",),
            registry=self.registry,
        )
        self._open = Gauge("bakeoff_open_requests", "Completions under way.", registry=self.registry)

    def _histogram(
        self, name: str, help_text: str, buckets: tuple[float, ...], labels: tuple[str, ...] = _LABELS
    ) -> Histogram:
        return Histogram(name, help_text, labels, buckets=buckets, registry=self.registry)

    def expect(self, plan: ServingPlan) -> None:
        """Have every series that may come there from the beginning: the first event of one that appears with it is not seen."""
        routes = {name: route.order for name, route in (*plan.routes.items(), (GENERAL, plan.general))}
        orders = [*routes.items(), *((NAMED, (model.id,)) for model in plan.models)]
        for route, order in orders:
            for model in order:
                for outcome in get_args(Outcome):
                    key = (model, route, "0" if model == order[0] else "1", outcome)
                    self._over[key] = self._requests.labels(*key)

    def begin(self) -> None:
        """Count a request that begins; `note` ends it."""
        self._open.inc()

    def reject(self, code: str) -> None:
        """Count a request that reached no model."""
        self._rejected.labels(code).inc()

    def note(self, happened: Happened, now_s: float) -> None:
        """Count a request that is over."""
        self._open.dec()
        labels = (_OPERATIONS[happened.path], "bakeoff", happened.model, happened.route, happened.outcome)
        key = (happened.model, happened.route, "1" if happened.stands_in else "0", happened.outcome)
        counted = self._over.get(key) or self._requests.labels(*key)
        counted.inc()
        self._observe(self._duration, (*labels, happened.error), now_s - happened.begun_s)
        if happened.leased_s is not None:
            self._observe(self._waited, labels, happened.leased_s - happened.begun_s)
        for kind, count in (("input", happened.prompt_tokens), ("output", happened.completion_tokens)):
            if count is not None:
                self._observe(self._tokens, (*labels, kind), count)
        if happened.first_token_s is None:
            return
        self._observe(self._first_token, labels, happened.first_token_s - happened.begun_s)
        # Of what came at once nobody knows when its tokens were made.
        if happened.pieces > 1 and happened.completion_tokens is not None and happened.completion_tokens > 1:
            each_s = (now_s - happened.first_token_s) / (happened.completion_tokens - 1)
            self._observe(self._per_token, labels, each_s)

    def _observe(self, histogram: Histogram, labels: tuple[str, ...], value: float) -> None:
        key = (histogram, labels)
        child = self._children.get(key)
        if child is None:  # finding it by its labels costs more than counting does
            child = self._children[key] = histogram.labels(*labels)
        child.observe(value)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)
