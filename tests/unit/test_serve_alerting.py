"""Alerts: the gateway's own evaluator and Prometheus say the same of the same series, for every rule that is shipped."""

import shutil
import subprocess

import pytest
import yaml
from pydantic import ValidationError

from bakeoff.serve.alert_expressions import Condition, Increase, Now, Scrape, metrics_in
from bakeoff.serve.alert_rules import RULES, AlertRule, prometheus_rules
from bakeoff.serve.alerting import AlertBook
from bakeoff.serve.settings import AlertSettings

EVERY_S = 15
MINUTE = 60 // EVERY_S

M = {"gen_ai_request_model": "small"}
S = {"model": "small"}
WATCHED = {"model": "small", "content_type": "tweet", "measure": "publishable"}
REQUESTS = "bakeoff_requests_total"
FIRST = "gen_ai_server_time_to_first_token_seconds"


def steady(step, n=4 * MINUTE * 10):
    return [step * i for i in range(n)]


def flat(value, n=4 * MINUTE * 10):
    return [value] * n


def late(values, after):
    """A series that stays as it begins for so many samples."""
    return [values[0]] * after + values[: len(values) - after]


# rule -> (series that make it fire, series that do not)
SCENARIOS = {
    "BakeoffBreakerOpen": (
        [
            ("bakeoff_breaker_state", {"model": "small", "state": "closed"}, late([1, *flat(0)], 20)),
            ("bakeoff_breaker_state", {"model": "small", "state": "half_open"}, late([0, *[0, 1] * 80], 20)),
        ],
        [
            ("bakeoff_breaker_state", {"model": "large", "state": "closed"}, flat(1)),
            ("bakeoff_breaker_state", {"model": "small", "state": "closed"}, ([1] * 9 + [0] * 3) * 12),
        ],
    ),
    "BakeoffLoadsFail": (
        [("bakeoff_model_loads_total", {"model": "small", "outcome": "failed"}, late([0, 1, 2, *flat(3)], 30))],
        [("bakeoff_model_loads_total", {"model": "small", "outcome": "ready"}, steady(1))],
    ),
    "BakeoffRequestsFail": (
        [
            (REQUESTS, S | {"outcome": "answered"}, steady(2)),
            (REQUESTS, S | {"outcome": "broken"}, late(steady(1), 40)),
        ],
        [
            (REQUESTS, S | {"outcome": "answered"}, steady(50)),
            (REQUESTS, S | {"outcome": "failed"}, steady(1)),
            (REQUESTS, S | {"outcome": "client_error"}, steady(50)),
            (REQUESTS, S | {"outcome": "cancelled"}, steady(50)),
        ],
    ),
    "BakeoffFirstTokenSlow": (
        [(f"{FIRST}_sum", M, steady(24)), (f"{FIRST}_count", M, steady(2))],
        [(f"{FIRST}_sum", M, steady(2)), (f"{FIRST}_count", M, steady(2))],
    ),
    "BakeoffRefused": (
        [("bakeoff_model_refused_total", {"model": "small", "reason": "queue_full"}, late(steady(1), 30))],
        [
            ("bakeoff_model_refused_total", {"model": "small", "reason": "queue_full"}, flat(7)),
            ("bakeoff_model_refused_total", {"model": "small", "reason": "breaker_open"}, steady(1)),
        ],
    ),
    "BakeoffModelsThrash": (
        [
            ("bakeoff_model_stops_total", {"model": name, "reason": "evicted"}, steady(0.5))
            for name in ("small", "large")
        ],
        [
            ("bakeoff_model_stops_total", {"model": "small", "reason": "evicted"}, steady(0.1)),
            ("bakeoff_model_stops_total", {"model": "small", "reason": "idle"}, steady(5)),
        ],
    ),
    "BakeoffMemoryUnderestimated": (
        [
            ("bakeoff_model_measured_bytes", {"model": "small", "memory": "cuda:0"}, late([90, *flat(130)], 25)),
            ("bakeoff_model_predicted_bytes", {"model": "small", "memory": "cuda:0"}, flat(100)),
        ],
        [
            ("bakeoff_model_measured_bytes", {"model": "small", "memory": "cuda:0"}, flat(90)),
            ("bakeoff_model_predicted_bytes", {"model": "small", "memory": "cuda:0"}, flat(100)),
            ("bakeoff_model_predicted_bytes", {"model": "never loaded", "memory": "host"}, flat(0)),
        ],
    ),
    "BakeoffQualityDropped": (
        [("bakeoff_quality_dropped", WATCHED, late([0, *flat(1)], 50))],
        [("bakeoff_quality_dropped", WATCHED, flat(0))],
    ),
    "BakeoffFallbacksServe": (
        [
            (REQUESTS, {"outcome": "answered", "route": "tweet", "fallback": "1"}, steady(1)),
            (REQUESTS, {"outcome": "answered", "route": "tweet", "fallback": "0"}, steady(2)),
        ],
        [
            (REQUESTS, {"outcome": "answered", "route": "tweet", "fallback": "1"}, steady(1)),
            (REQUESTS, {"outcome": "answered", "route": "tweet", "fallback": "0"}, steady(20)),
        ],
    ),
    "BakeoffSettingsRefused": (
        [("bakeoff_config_refused", {}, late([0, *flat(1)], 50))],
        [("bakeoff_config_refused", {}, flat(0))],
    ),
    "BakeoffDearerThanCloud": (
        [
            ("bakeoff_cost_total", {"currency": "USD"}, [0.002 * i for i in range(400)]),
            ("bakeoff_cloud_cost_total", {"currency": "USD"}, [0.001 * i for i in range(400)]),
        ],
        [
            ("bakeoff_cost_total", {"currency": "USD"}, [0.001 * i for i in range(400)]),
            ("bakeoff_cloud_cost_total", {"currency": "USD"}, [0.002 * i for i in range(400)]),
        ],
    ),
}


def scrapes(series):
    length = min(len(values) for _, _, values in series)
    for i in range(length):
        values = {}
        for metric, labels, numbers in series:
            values.setdefault(metric, {})[tuple(sorted(labels.items()))] = float(numbers[i])
        yield Scrape(float(i * EVERY_S), values)


def first_firing(name, series):
    """When the evaluator tells of it first, in seconds, and what it says."""
    book = AlertBook()
    for scrape in scrapes(series):
        for notice in book.take(scrape):
            if notice.rule == name:
                return scrape.at_s, notice
    return None


def test_every_rule_has_a_scenario():
    assert {rule.name for rule in RULES} == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_fires_and_holds_its_peace(name):
    bad, good = SCENARIOS[name]
    told = first_firing(name, bad)
    assert told is not None
    at_s, notice = told
    rule = next(rule for rule in RULES if rule.name == name)
    assert at_s >= rule.for_s
    assert "{" not in notice.summary
    assert "—" not in notice.summary, "a label that the rule's text names is not there"
    assert first_firing(name, good) is None


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian's package prometheus)")
@pytest.mark.parametrize("name", SCENARIOS)
def test_prometheus_says_the_same(name, tmp_path):
    bad, good = SCENARIOS[name]
    at_s, _ = first_firing(name, bad)
    rule = next(rule for rule in RULES if rule.name == name)
    # Before, by the evaluation interval and a sample's worth of what extrapolation may make of the window's edges.
    slack_s = 3 * EVERY_S
    expected = [
        {
            "interval": "15s",
            "input_series": prometheus_series(bad),
            "alert_rule_test": [
                *([quiet(name, at_s - rule.for_s - slack_s)] if at_s - rule.for_s > slack_s else []),
                {
                    "eval_time": f"{int(at_s + slack_s)}s",
                    "alertname": name,
                    "exp_alerts": alerts_of(rule, bad, at_s + slack_s),
                },
            ],
        },
        {"interval": "15s", "input_series": prometheus_series(good), "alert_rule_test": [quiet(name, at_s + slack_s)]},
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(prometheus_rules()))
    test = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": expected}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def quiet(name, at_s):
    return {"eval_time": f"{int(at_s)}s", "alertname": name, "exp_alerts": []}


def prometheus_series(series):
    def written(metric, labels, values):
        pairs = ",".join(f'{key}="{value}"' for key, value in labels.items())
        return {"series": f"{metric}{{{pairs}}}", "values": " ".join(f"{value:g}" for value in values)}

    return [written(*one) for one in series]


def alerts_of(rule, series, at_s):
    """What the evaluator has firing at that time, as promtool writes it."""
    book = AlertBook()
    for scrape in scrapes(series):
        if scrape.at_s <= at_s:
            book.take(scrape)
    firing = [notice for notice in book.firing if notice.rule == rule.name]
    assert firing
    return [
        {
            "exp_labels": {"severity": rule.severity, "source": "bakeoff", **dict(notice.labels)},
            "exp_annotations": {"summary": notice.summary, "description": notice.advice},
        }
        for notice in firing
    ]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian's package prometheus)")
def test_prometheus_accepts_the_rules_and_this_can_fail(tmp_path):
    rules = prometheus_rules()
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    check = ["promtool", "check", "rules", "rules.yml"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    rules["groups"][0]["rules"][1]["expr"] += " )"
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_a_scrape_needs_only_what_the_rules_look_at():
    wanted = metrics_in(next(rule for rule in RULES if rule.name == "BakeoffFirstTokenSlow").expression)
    assert wanted == {f"{FIRST}_sum", f"{FIRST}_count"}
    assert all(metrics_in(rule.expression) for rule in RULES)


def book_of(for_s, repeat_s=1000.0):
    rule = AlertRule("Hot", Condition(Now("heat"), ">", 5), for_s, "warning", "{room} is at {value}", "open a window")
    return AlertBook((rule,), repeat_s)


def heat(at_s, **rooms):
    return Scrape(at_s, {"heat": {(("room", room),): value for room, value in rooms.items()}})


def test_an_alert_is_pending_then_told_once_then_again_then_over():
    book = book_of(for_s=30, repeat_s=100)
    assert book.take(heat(0, attic=9)) == []
    assert book.take(heat(29, attic=9)) == []
    (told,) = book.take(heat(30, attic=8))
    assert (told.status, told.summary, told.since_s) == ("firing", "attic is at 8", 0)
    assert book.take(heat(129, attic=9)) == []
    assert [notice.status for notice in book.take(heat(130, attic=9))] == ["firing"]
    assert len(book.firing) == 1
    (over,) = book.take(heat(140, attic=1))
    assert (over.status, over.at_s) == ("resolved", 140)
    assert book.firing == ()


def test_what_holds_too_briefly_is_never_told():
    book = book_of(for_s=30)
    told = [notice for at_s in range(0, 300, 10) for notice in book.take(heat(at_s, attic=9 if at_s % 30 else 1))]
    assert told == []


def test_series_are_told_apart():
    book = book_of(for_s=0)
    assert [notice.labels for notice in book.take(heat(0, attic=9, cellar=1))] == [(("room", "attic"),)]
    assert [notice.summary for notice in book.take(heat(1, attic=9, cellar=7))] == ["cellar is at 7"]


def test_a_counter_that_begins_anew_counts_from_zero():
    rise = Increase("made", 60)
    history = [Scrape(at_s, {"made": {(): value}}) for at_s, value in ((0, 10.0), (20, 14.0), (40, 3.0), (60, 5.0))]
    assert rise.evaluate(history) == {(): 9.0}
    assert rise.evaluate([*history, Scrape(81, {"made": {(): 5.0}})]) == {(): 2.0}


def test_a_scrape_from_the_past_is_refused():
    book = book_of(for_s=0)
    book.take(heat(10, attic=1))
    with pytest.raises(ValueError, match="older"):
        book.take(heat(9, attic=1))


def windows_of(expression):
    parts = [getattr(expression, name, None) for name in ("above", "below", "expression", "first", "second")]
    own = [expression.window_s] if hasattr(expression, "window_s") else []
    return own + [window for part in parts if part is not None for window in windows_of(part)]


def test_the_rules_are_looked_at_often_enough_for_every_window():
    shortest = min(window for rule in RULES for window in windows_of(rule.expression))
    (most,) = (each.le for each in AlertSettings.model_fields["every_s"].metadata if hasattr(each, "le"))
    assert 4 * most <= shortest  # as Prometheus' documentation asks of a window and its scrapes
    with pytest.raises(ValidationError, match="less than or equal to 60"):
        AlertSettings(every_s=300.0)
