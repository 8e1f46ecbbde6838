"""All that `bakeoff top` shows, as one JSON document: what is so now, and counts that only grow, whose differences are rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry

from bakeoff.serve.plan import ServingPlan
from bakeoff.serve.router import GENERAL

SCHEMA = "bakeoff.status/1"
_MODEL = "gen_ai_request_model"
_FIRST = "gen_ai_server_time_to_first_token_seconds"
_FAULTS = frozenset({"broken", "failed", "refused"})


def status_document(
    plan: ServingPlan,
    snapshot: Mapping[str, Any],
    registry: CollectorRegistry,
    *,
    uptime_s: float,
    watched: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the document; what is not known is null. `watched` is what is told as it is: quality, alerts, cost and so on."""
    counted = _Counted(registry)
    states = snapshot.get("models") or {}
    return {
        "schema": SCHEMA,
        "run_id": plan.run_id,
        "suite": plan.suite,
        "uptime_s": uptime_s,
        "memory": snapshot.get("memory") or {},
        "budget_bytes": snapshot.get("budget_bytes"),
        "committed_bytes": snapshot.get("committed_bytes"),
        "open_requests": counted.open_requests,
        "requests": dict(counted.outcomes),
        "rejected": counted.rejected,
        "models": {model.id: {**states.get(model.id, {}), **counted.of_model(model.id)} for model in plan.models},
        "routes": {
            name: {
                "candidate": route.candidate,
                "fallbacks": list(route.fallbacks),
                "outcome": route.outcome,
                "score": None if route.evidence is None else route.evidence.estimate,
                "answered": counted.answered[name],
                "by_fallback": counted.by_fallback[name],
            }
            for name, route in (*plan.routes.items(), (GENERAL, plan.general))
        },
        **watched,
    }


class _Counted:
    """The counts of a registry, summed over the labels that nobody looks at here."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open_requests = 0
        self.rejected = 0
        self.outcomes: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.by_fallback: Counter[str] = Counter()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._sums: dict[tuple[str, str], float] = {}
        for family in registry.collect():
            for sample in family.samples:
                self._take(sample.name, sample.labels, float(sample.value))

    def of_model(self, model: str) -> dict[str, Any]:
        requests = {outcome: count for (name, outcome), count in self._requests.items() if name == model}
        return {
            "requests": requests,
            "faults": sum(count for outcome, count in requests.items() if outcome in _FAULTS),
            "tokens_written": self._sums.get((model, "output"), 0.0),
            "first_token_sum_s": self._sums.get((model, f"{_FIRST}_sum"), 0.0),
            "first_token_count": self._sums.get((model, f"{_FIRST}_count"), 0.0),
        }

    def _take(self, name: str, labels: Mapping[str, str], value: float) -> None:
        if name == "bakeoff_requests_total":
            self.outcomes[labels["outcome"]] += int(value)
            self._requests[labels["model"], labels["outcome"]] += int(value)
            if labels["outcome"] == "answered":
                self.answered[labels["route"]] += int(value)
                self.by_fallback[labels["route"]] += int(value) * int(labels["fallback"])
        elif name in {f"{_FIRST}_sum", f"{_FIRST}_count"}:
            self._add(labels[_MODEL], name, value)
        elif name == "gen_ai_client_token_usage_sum":
            self._add(labels[_MODEL], labels["gen_ai_token_type"], value)
        elif name == "bakeoff_open_requests":
            self.open_requests = int(value)
        elif name == "bakeoff_rejected_requests_total":
            self.rejected += int(value)

    def _add(self, model: str, what: str, value: float) -> None:
        self._sums[model, what] = self._sums.get((model, what), 0.0) + value
