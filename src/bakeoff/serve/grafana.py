"""The Grafana dashboard, as one table of panels: what is asked, in PromQL, and how it is drawn.

The dashboard is Grafana's JSON model (schema 39, Grafana 10 and later), for a Prometheus data source that is chosen on import.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

Unit = Literal["short", "reqps", "s", "bytes", "percentunit", "joule", "currencyUSD", "none"]
Kind = Literal["timeseries", "stat", "table", "state-timeline"]

_METRIC = re.compile(r"\b(?:bakeoff|gen_ai_server|gen_ai_client)_\w+")
_WIDTH, _HEIGHT = 8, 8
_COLUMNS = 24 // _WIDTH
_EVERY = "$__rate_interval"


class Panel(NamedTuple):
    """One panel; `queries` are pairs of PromQL and legend."""

    title: str
    kind: Kind
    unit: Unit
    queries: tuple[tuple[str, str], ...]
    text: str = ""

    @property
    def metrics(self) -> frozenset[str]:
        """The names of all metrics that it asks for."""
        return frozenset(name for promql, _ in self.queries for name in _METRIC.findall(promql))


def _quantile(share: float, metric: str) -> str:
    return f"histogram_quantile({share}, sum by (le, gen_ai_request_model) (rate({metric}_bucket[{_EVERY}])))"


_FIRST = "gen_ai_server_time_to_first_token_seconds"
_EACH = "gen_ai_server_time_per_output_token_seconds"
_WHOLE = "gen_ai_server_request_duration_seconds"
_MODEL, _REQUESTED, _MEMORY = "{{model}}", "{{gen_ai_request_model}}", "{{memory}}"
_TOKENS = f'rate(gen_ai_client_token_usage_sum{{gen_ai_token_type="output"}}[{_EVERY}])'
_STOOD_IN = f'bakeoff_requests_total{{outcome="answered",fallback="1"}}[{_EVERY}]'
_ANSWERED = f'bakeoff_requests_total{{outcome="answered"}}[{_EVERY}]'

PANELS: tuple[Panel, ...] = (
    Panel(
        "Requests",
        "timeseries",
        "reqps",
        ((f"sum by (outcome) (rate(bakeoff_requests_total[{_EVERY}]))", "{{outcome}}"),),
    ),
    Panel(
        "Requests by model",
        "timeseries",
        "reqps",
        ((f"sum by (model) (rate(bakeoff_requests_total[{_EVERY}]))", _MODEL),),
    ),
    Panel(
        "Answers by a stand-in",
        "timeseries",
        "percentunit",
        (
            (
                f"sum by (route) (rate({_STOOD_IN})) / (sum by (route) (rate({_ANSWERED})) > 0)",
                "{{route}}",
            ),
        ),
        "Share of a route's answers that its own model did not write.",
    ),
    Panel(
        "Time to first token",
        "timeseries",
        "s",
        ((_quantile(0.5, _FIRST), f"p50 {_REQUESTED}"), (_quantile(0.95, _FIRST), f"p95 {_REQUESTED}")),
        "Loading and waiting count.",
    ),
    Panel(
        "Time per output token",
        "timeseries",
        "s",
        ((_quantile(0.5, _EACH), f"p50 {_REQUESTED}"), (_quantile(0.95, _EACH), f"p95 {_REQUESTED}")),
    ),
    Panel(
        "Whole request",
        "timeseries",
        "s",
        ((_quantile(0.5, _WHOLE), f"p50 {_REQUESTED}"), (_quantile(0.95, _WHOLE), f"p95 {_REQUESTED}")),
    ),
    Panel("Tokens written a second", "timeseries", "short", ((f"sum by (gen_ai_request_model) ({_TOKENS})", _REQUESTED),)),
    Panel(
        "Requests that use a model, and wait",
        "timeseries",
        "short",
        (("bakeoff_model_leases", f"use {_MODEL}"), ("bakeoff_model_waiting", f"wait for {_MODEL}")),
    ),
    Panel(
        "Wait for a model",
        "timeseries",
        "s",
        (
            (_quantile(0.95, "bakeoff_lease_wait_seconds"), f"p95 {_REQUESTED}"),
            ("bakeoff_model_oldest_wait_seconds", f"now {_MODEL}"),
        ),
    ),
    Panel(
        "Models in memory",
        "timeseries",
        "bytes",
        (
            ("bakeoff_model_held_bytes", f"{_MODEL} {_MEMORY}"),
            ("bakeoff_committed_bytes", f"committed {_MEMORY}"),
            ("bakeoff_budget_bytes", f"budget {_MEMORY}"),
        ),
    ),
    Panel(
        "Measured memory over what was predicted at most",
        "timeseries",
        "percentunit",
        (("bakeoff_model_measured_bytes / (bakeoff_model_predicted_bytes > 0)", f"{_MODEL} {_MEMORY}"),),
    ),
    Panel(
        "Loads and evictions",
        "timeseries",
        "short",
        (
            (f"sum by (outcome) (increase(bakeoff_model_loads_total[{_EVERY}]))", "loads: {{outcome}}"),
            (f'sum(increase(bakeoff_model_stops_total{{reason="evicted"}}[{_EVERY}]))', "evictions"),
        ),
    ),
    Panel("State of each model", "state-timeline", "none", (("bakeoff_model_state == 1", "{{model}} {{state}}"),)),
    Panel(
        "Breakers that are not closed",
        "state-timeline",
        "none",
        (('bakeoff_breaker_state{state=~"open|half_open"}', "{{model}} {{state}}"),),
    ),
    Panel(
        "Turned away",
        "timeseries",
        "short",
        (
            (f"sum by (model, reason) (increase(bakeoff_model_refused_total[{_EVERY}])) > 0", "{{model}}: {{reason}}"),
            (f"sum by (code) (increase(bakeoff_rejected_requests_total[{_EVERY}])) > 0", "{{code}}"),
        ),
    ),
    Panel(
        "Quality of answers",
        "timeseries",
        "percentunit",
        (
            ("bakeoff_quality_recent_mean", "{{model}} {{content_type}} {{measure}}"),
            ("bakeoff_quality_reference_low", "at least {{model}} {{content_type}} {{measure}}"),
        ),
        "Mean of the last 100 graded answers, and the lower bound of what the run had.",
    ),
    Panel(
        "Quality that has dropped",
        "stat",
        "short",
        (("sum(bakeoff_quality_dropped)", "streams"), ("sum(bakeoff_quality_graded_total)", "answers graded")),
    ),
    Panel(
        "Gates that held graded answers back",
        "timeseries",
        "short",
        ((f"sum by (gate) (increase(bakeoff_quality_gated_total[{_EVERY}]))", "{{gate}}"),),
    ),
    Panel(
        "Cost so far",
        "stat",
        "currencyUSD",
        (("bakeoff_cost_total", "here ({{provenance}})"), ("bakeoff_cloud_cost_total", "in the cloud ({{against}})")),
        "Electricity of busy time here, beside the cloud's price of the same tokens. Idling and the machine are not in it.",
    ),
    Panel(
        "Energy an hour",
        "timeseries",
        "joule",
        (("sum by (model, provenance) (increase(bakeoff_energy_joules_total[1h]))", "{{model}} ({{provenance}})"),),
    ),
    Panel("Busy", "timeseries", "percentunit", ((f"rate(bakeoff_model_busy_seconds_total[{_EVERY}])", _MODEL),)),
    Panel(
        "Alerts",
        "table",
        "none",
        (('ALERTS{source="bakeoff",alertstate="firing"}', "{{alertname}}"),),
    ),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "uid": "bakeoff-gateway",
        "title": "bakeoff: the gateway",
        "tags": ["bakeoff", "llm"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    instant = panel.kind in {"stat", "table"}
    return {
        "id": number + 1,
        "title": panel.title,
        "description": panel.text,
        "type": panel.kind,
        "datasource": source,
        "gridPos": {
            "x": number % _COLUMNS * _WIDTH,
            "y": number // _COLUMNS * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": source,
                "expr": promql,
                "legendFormat": legend,
                "instant": instant,
                "range": not instant,
                "format": "table" if panel.kind == "table" else "time_series",
            }
            for place, (promql, legend) in enumerate(panel.queries)
        ],
    }
