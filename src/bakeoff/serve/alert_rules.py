"""What is worth being told about, as one table: the rules that Prometheus gets and those that the gateway evaluates itself.

A rule holds for each series apart, must hold for `for_s` seconds before it is told, and says in plain words what is wrong
and what to do. `{value}` and `{label}` in its texts are filled in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from bakeoff.serve.alert_expressions import Both, Condition, Expression, Increase, Now, Ratio

Severity = Literal["warning", "critical"]
_MODEL = ("gen_ai_request_model",)
_MEMORY = ("model", "memory")
_MINUTES_5, _MINUTES_10, _MINUTES_30 = 300, 600, 1800


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One thing worth being told about."""

    name: str
    expression: Expression
    for_s: int
    severity: Severity
    summary: str
    advice: str

    def as_prometheus(self) -> dict[str, Any]:
        """Return the rule as an entry of a Prometheus rule file."""
        return {
            "alert": self.name,
            "expr": self.expression.promql(),
            "for": f"{self.for_s}s",
            "labels": {"severity": self.severity, "source": "bakeoff"},
            "annotations": {"summary": _go_template(self.summary), "description": _go_template(self.advice)},
        }


_TOO_MUCH = "queue_full|load_too_long"
_ANSWERED = {"outcome": "answered"}
_UNTIL_FIRST = "gen_ai_server_time_to_first_token_seconds"

RULES: tuple[AlertRule, ...] = (
    AlertRule(
        "BakeoffBreakerOpen",
        Condition(Now("bakeoff_breaker_state", {"state": "closed"}), "==", 0),
        for_s=60,
        severity="critical",
        summary="{model} is left alone: it failed too often",
        advice="Its worker's log says why. Until it answers again the route's next model serves, if there is one.",
    ),
    AlertRule(
        "BakeoffLoadsFail",
        Condition(Increase("bakeoff_model_loads_total", _MINUTES_10, {"outcome": "failed"}), ">=", 2),
        for_s=0,
        severity="critical",
        summary="{model} cannot be loaded",
        advice="See its worker's log; `bakeoff fit` says whether it fits, `bakeoff doctor` whether its engine works.",
    ),
    AlertRule(
        "BakeoffRequestsFail",
        Both(
            Condition(
                Ratio(
                    Increase("bakeoff_requests_total", _MINUTES_5, {"outcome": "broken|failed|refused"}, by=("model",)),
                    Increase("bakeoff_requests_total", _MINUTES_5, by=("model",)),
                ),
                ">",
                0.05,
            ),
            Condition(Increase("bakeoff_requests_total", _MINUTES_5, by=("model",)), ">=", 5),
        ),
        for_s=60,
        severity="critical",
        summary="{value} of the requests to {model} fail",
        advice="`bakeoff top` and the label outcome say how; the worker's log says why.",
    ),
    AlertRule(
        "BakeoffFirstTokenSlow",
        Both(
            Condition(
                Ratio(
                    Increase(f"{_UNTIL_FIRST}_sum", _MINUTES_10, by=_MODEL),
                    Increase(f"{_UNTIL_FIRST}_count", _MINUTES_10, by=_MODEL),
                ),
                ">",
                10,
            ),
            Condition(Increase(f"{_UNTIL_FIRST}_count", _MINUTES_10, by=_MODEL), ">=", 5),
        ),
        for_s=60,
        severity="warning",
        summary="{gen_ai_request_model} takes {value} s on average until its first token",
        advice="Loading and waiting count: look at the queue, at evictions, and at what else the machine does.",
    ),
    AlertRule(
        "BakeoffRefused",
        Condition(
            Increase("bakeoff_model_refused_total", _MINUTES_5, {"reason": _TOO_MUCH}, by=("model", "reason")), ">=", 3
        ),
        for_s=0,
        severity="warning",
        summary="{value} requests to {model} were turned away ({reason})",
        advice="More is asked for than this machine answers; `bakeoff plan --traffic` says what would.",
    ),
    AlertRule(
        "BakeoffModelsThrash",
        Condition(Increase("bakeoff_model_stops_total", _MINUTES_10, {"reason": "evicted"}, by=()), ">=", 10),
        for_s=0,
        severity="warning",
        summary="models were put out of memory {value} times in ten minutes",
        advice="They take turns in too little memory: pin one, route to fewer, or raise the budget.",
    ),
    AlertRule(
        "BakeoffMemoryUnderestimated",
        Condition(
            Ratio(Now("bakeoff_model_measured_bytes", by=_MEMORY), Now("bakeoff_model_predicted_bytes", by=_MEMORY)),
            ">",
            1,
        ),
        for_s=60,
        severity="warning",
        summary="{model} takes {value} times the memory ({memory}) that was predicted at most",
        advice="Later loads are admitted on what was measured. The budget may have been exceeded meanwhile.",
    ),
    AlertRule(
        "BakeoffQualityDropped",
        Condition(Now("bakeoff_quality_dropped"), "==", 1),
        for_s=0,
        severity="critical",
        summary="{model} writes worse {content_type} texts than in the run that chose it ({measure})",
        advice="Other requests than the run's briefs have the same effect: read the gated texts, then run a bake-off on briefs like today's. `bakeoff serve acknowledge` closes this.",
    ),
    AlertRule(
        "BakeoffFallbacksServe",
        Both(
            Condition(
                Ratio(
                    Increase("bakeoff_requests_total", _MINUTES_30, _ANSWERED | {"fallback": "1"}, by=("route",)),
                    Increase("bakeoff_requests_total", _MINUTES_30, _ANSWERED, by=("route",)),
                ),
                ">",
                0.2,
            ),
            Condition(Increase("bakeoff_requests_total", _MINUTES_30, _ANSWERED, by=("route",)), ">=", 5),
        ),
        for_s=60,
        severity="warning",
        summary="a stand-in wrote {value} of the answers of {route}",
        advice="The model that earned this route does not serve it; the alerts beside this one say why.",
    ),
    AlertRule(
        "BakeoffSettingsRefused",
        Condition(Now("bakeoff_config_refused", by=()), "==", 1),
        for_s=60,
        severity="warning",
        summary="settings or keys that were written while the gateway runs are not in force",
        advice="They are wrong: /status and the log say where. What was in force before still is.",
    ),
    AlertRule(
        "BakeoffDearerThanCloud",
        Condition(Ratio(Now("bakeoff_cost_total", by=()), Now("bakeoff_cloud_cost_total", by=())), ">", 1),
        for_s=3600,
        severity="warning",
        summary="the electricity of what was served cost {value} times the cloud's price",
        advice="`bakeoff cost` says from how many texts a day on it pays, and what that rests on.",
    ),
)

GATEWAY_DOWN: dict[str, Any] = {
    "alert": "BakeoffGatewayDown",
    "expr": 'up{job="bakeoff"} == 0',
    "for": "60s",
    "labels": {"severity": "critical", "source": "bakeoff"},
    "annotations": {
        "summary": "the gateway does not answer",
        "description": "Start it again: bakeoff serve. Its own evaluator cannot tell you this; Prometheus can.",
    },
}


def prometheus_rules() -> dict[str, Any]:
    """Return the whole table as a Prometheus rule file: what the gateway evaluates, and that it is there at all."""
    rules = [GATEWAY_DOWN, *(rule.as_prometheus() for rule in RULES)]
    return {"groups": [{"name": "bakeoff", "interval": "15s", "rules": rules}]}


def fill(text: str, labels: dict[str, str], value: float) -> str:
    """Return a rule's text about one series; what has no value is a dash."""
    known = {"value": f"{value:.3g}", **labels}
    return re.sub(r"\{(\w+)\}", lambda found: known.get(found[1]) or "—", text)


def _go_template(text: str) -> str:
    with_value = text.replace("{value}", '{{ printf "%.3g" $value }}')
    return re.sub(r"(?<!\{)\{(\w+)\}(?!\})", r"{{ $labels.\1 }}", with_value)
