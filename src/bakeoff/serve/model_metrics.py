"""What `Leasing.snapshot` tells, as metrics: memory, queues and breakers as they are now, and what befell workers so far.

What is of memory has the label `memory`: `host`, or a card's own, such as `cuda:0`.

Every state, reason and kind has a series from the beginning, 0 where it has not happened: a counter that only appears with
its first event has risen by nothing that Prometheus could see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bakeoff.serve import breaker, effects, held, lease
from bakeoff.serve.lease import Leasing
from bakeoff.serve.pools import PerPool

STATES = (*get_args(held.State), "failed")
BREAKER_STATES: tuple[str, ...] = get_args(breaker.State)
_OF_MEMORY = {
    "budget_bytes": ("bakeoff_budget_bytes", "Memory that models share."),
    "committed_bytes": ("bakeoff_committed_bytes", "Memory that is spoken for now."),
}
_OF_MODEL_MEMORY = {
    "held_bytes": ("bakeoff_model_held_bytes", "Memory that the model is counted with now."),
    "peak_bytes": ("bakeoff_model_measured_bytes", "Highest memory seen of its present or last worker."),
}
_OF_MODEL = {
    "leases": ("bakeoff_model_leases", "Requests that use it now."),
    "slots": ("bakeoff_model_slots", "Requests that may use it at a time."),
    "waiting": ("bakeoff_model_waiting", "Requests that wait for it now."),
    "queue": ("bakeoff_model_queue", "Requests that may wait for it."),
    "oldest_wait_s": ("bakeoff_model_oldest_wait_seconds", "How long the first of those has waited."),
    "last_load_s": ("bakeoff_model_load_seconds", "How long its last load took."),
}
# metric -> its label, and what is counted under which value of it
_COUNTS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "bakeoff_model_loads": ("Loads, by how they ended.", "outcome", {"ready": "loads", "failed": "load_failures"}),
    "bakeoff_model_stops": (
        "Ends of workers, by what for; `evicted` made room for another model.",
        "reason",
        {reason: reason for reason in get_args(effects.Why)},
    ),
    "bakeoff_model_refused": (
        "Requests that got no lease, by why.",
        "reason",
        {kind: f"refused_{kind}" for kind in get_args(effects.Refusal)},
    ),
    "bakeoff_model_leases_ended": (
        "Leases that ended, by how; those with the last three count for the breaker.",
        "ending",
        {ending: f"ended_{ending}" for ending in get_args(lease.Ending)},
    ),
}


class ModelMetrics(Collector):
    """Collects them when somebody asks; `predicted` is what each model was admitted on at first, in bytes of each memory."""

    def __init__(self, leasing: Leasing, predicted: Mapping[str, PerPool]) -> None:
        self._leasing = leasing
        self.predicted = predicted

    def describe(self) -> list[Metric]:
        """Name nothing before it is asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what is so at this moment."""
        snapshot = self._leasing.snapshot()
        memory: Mapping[str, Mapping[str, Any]] = snapshot.get("memory") or {}
        for field, (metric, text) in _OF_MEMORY.items():
            yield _gauge(metric, text, {(pool,): of[field] for pool, of in memory.items()}, ("memory",))
        models: Mapping[str, Mapping[str, Any]] = snapshot.get("models") or {}
        yield _one_hot("bakeoff_model_state", "state", STATES, {name: of.get("state") for name, of in models.items()})
        breakers = {name: (of.get("breaker") or {}).get("state") for name, of in models.items()}
        yield _one_hot("bakeoff_breaker_state", "breaker", BREAKER_STATES, breakers)
        for field, (metric, text) in _OF_MODEL.items():
            yield _gauge(metric, text, {(name,): of.get(field) for name, of in models.items()}, ("model",))
        of_model = {
            (name, pool): of for name, state in models.items() for pool, of in (state.get("memory") or {}).items()
        }
        for field, (metric, text) in _OF_MODEL_MEMORY.items():
            yield _gauge(metric, text, {names: of.get(field) for names, of in of_model.items()}, ("model", "memory"))
        known: dict[tuple[str, ...], float | None] = {
            (name, pool): size for name, need in self.predicted.items() if name in models for pool, size in need.items()
        }
        yield _gauge("bakeoff_model_predicted_bytes", "Memory that was predicted at most.", known, ("model", "memory"))
        for metric, (text, label, fields) in _COUNTS.items():
            counter = CounterMetricFamily(metric, text, labels=("model", label))
            for name, of in models.items():
                counts = of.get("counts") or {}
                for value, field in fields.items():
                    counter.add_metric((name, value), float(counts.get(field, 0)))
            yield counter


def _one_hot(metric: str, what: str, states: tuple[str, ...], now: Mapping[str, object]) -> GaugeMetricFamily:
    """Return a gauge that is 1 for the state that each model is in, and 0 for every other one."""
    gauge = GaugeMetricFamily(metric, f"1 for the {what} that it is in.", labels=("model", "state"))
    for name, state in now.items():
        for each in states if state is not None else ():
            gauge.add_metric((name, each), float(each == state))
    return gauge


def _gauge(
    metric: str, text: str, values: Mapping[tuple[str, ...], float | None], labels: tuple[str, ...]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(metric, text, labels=labels)
    for names, value in values.items():
        if value is not None:
            gauge.add_metric(names, float(value))
    return gauge
