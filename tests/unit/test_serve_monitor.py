"""What is worked out of what a gateway sees: busy time, cost, the dashboard, the terminal's view. All of it pure."""

import json
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
import yaml
from click.testing import CliRunner
from rich.console import Console

from bakeoff.cli.export import export
from bakeoff.cli.top_view import render, render_lost
from bakeoff.core.clock import HandClock
from bakeoff.core.errors import UsageError
from bakeoff.cost.prices import CloudPrice
from bakeoff.serve.busy import BusyTime
from bakeoff.serve.cost_terms import CostTerms, Figure
from bakeoff.serve.grafana import PANELS, dashboard
from bakeoff.serve.spending import Spending

WITHOUT_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian's package prometheus)"
)
PRICE = CloudPrice(
    model="big", provider=None, input_per_million=1.0, output_per_million=4.0, catalogue="stated", date="2026-11-27"
)


def test_busy_time_of_models_on_one_device_adds_up_to_the_devices():
    busy = BusyTime({"a": "cpu", "b": "cpu", "c": "mps"})
    busy.enter("a", 0.0)
    busy.enter("a", 1.0)
    busy.enter("c", 1.0)
    busy.enter("b", 2.0)
    busy.leave("a", 3.0)
    busy.leave("a", 6.0)
    busy.leave("b", 10.0)
    busy.enter("elsewhere", 10.0)
    assert busy.seconds(11.0) == {"a": 4.0, "b": 6.0, "c": 10.0}
    assert busy.seconds(13.0)["a"] == 4.0


def spending(**terms):
    clock = HandClock(datetime(2026, 11, 27, tzinfo=UTC))
    return Spending(CostTerms(**terms), clock), clock


def test_cost_is_busy_time_by_watts_by_tariff_and_assumed_if_anything_is():
    measured = Figure(value=50.0, provenance="measured")
    stated = Figure(value=0.36, provenance="reported")
    money, clock = spending(watts={"a": measured}, devices={"a": "cpu"}, tariff=stated, cloud=PRICE)
    money.busy.enter("a", clock.monotonic_s())
    clock.advance(7200.0)
    money.busy.leave("a", clock.monotonic_s())
    money.note_tokens("a", 1_000_000, 500_000)
    money.note_tokens("a", None, 5)
    money.note_tokens("elsewhere", 10**9, 10**9)
    told = money.snapshot()
    assert told["energy_j"] == 360_000.0
    assert told["electricity"] == pytest.approx(0.036)
    assert told["provenance"] == "derived"
    assert told["cloud"] == pytest.approx(3.0)
    assert told["answers_without_tokens"] == 1
    assumed, _ = spending(
        watts={"a": measured, "b": Figure(value=65.0, provenance="assumed")},
        devices={"a": "cpu", "b": "cpu"},
        tariff=stated,
    )
    assert assumed.snapshot()["provenance"] == "assumed"


def test_what_nobody_knows_has_no_series():
    money, _ = spending(tariff=Figure(value=0.3, provenance="reported"), cloud=PRICE)
    assert money.electricity() is None
    assert money.in_cloud() is None
    assert {family.name for family in money.collect() if family.samples} == set()
    without_price, _ = spending(
        watts={"a": Figure(value=1.0, provenance="assumed")},
        devices={"a": "cpu"},
        tariff=Figure(value=0.3, provenance="reported"),
    )
    assert without_price.in_cloud() is None
    assert "bakeoff_cloud_cost" not in {family.name for family in without_price.collect()}


@WITHOUT_PROMTOOL
def test_every_expression_of_the_dashboard_is_promql_and_this_can_fail(tmp_path):
    # Grafana fills in the interval; Prometheus has never heard of it.
    queries = [promql.replace("$__rate_interval", "1m") for panel in PANELS for promql, _ in panel.queries]

    def check(expressions):
        rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions)]
        (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
        line = ["promtool", "check", "rules", "--lint=none", "rules.yml"]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, check=False).returncode

    assert check(queries) == 0
    assert check([*queries, "sum(("]) != 0


def test_the_dashboard_has_each_panel_in_a_place_of_its_own():
    panels = dashboard()["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len(PANELS)
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_rules_and_dashboard_are_exported_without_a_run(tmp_path):
    said = CliRunner().invoke(export, ["--to", "prometheus-rules"])
    assert said.exit_code == 0
    assert yaml.safe_load(said.stdout)["groups"][0]["rules"][0]["alert"] == "BakeoffGatewayDown"
    named = CliRunner().invoke(export, ["latest", "--to", "prometheus-rules"])
    assert (named.exit_code, named.stdout) == (0, said.stdout)
    assert "the same for every run" in named.stderr
    file = tmp_path / "grafana.json"
    assert CliRunner().invoke(export, ["--to", "grafana", "-o", str(file)]).exit_code == 0
    assert json.loads(file.read_text()) == dashboard()
    again = CliRunner().invoke(export, ["--to", "grafana", "-o", str(file)])
    assert "is there already" in str(again.exception)
    assert CliRunner().invoke(export, ["--to", "grafana", "-o", str(file), "--replace"]).exit_code == 0
    folder = CliRunner().invoke(export, ["--to", "grafana", "-o", str(tmp_path), "--replace"])
    assert isinstance(folder.exception, UsageError)
    assert "cannot be written" in folder.exception.message


@WITHOUT_PROMTOOL
def test_prometheus_takes_the_exported_rules(tmp_path):
    file = tmp_path / "bakeoff.yml"
    assert CliRunner().invoke(export, ["--to", "prometheus-rules", "-o", str(file)]).exit_code == 0
    assert subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, check=False).returncode == 0


def status(**changes):
    model = {
        "state": "ready",
        "breaker": {"state": "closed"},
        "held_bytes": 700 << 20,
        "need_bytes": 1 << 30,
        "leases": 1,
        "waiting": 2,
        "tokens_written": 100.0,
        "first_token_sum_s": 2.0,
        "first_token_count": 4.0,
    }
    failed = model | {"state": "failed", "breaker": {"state": "open"}, "held_bytes": 0, "first_token_count": 0.0}
    route = {"candidate": "small", "score": 7.25, "answered": 9, "by_fallback": 1}
    stream = {
        "candidate": "small",
        "content_type": "tweet",
        "measure": "publishable",
        "grades": 40,
        "recent": 0.5,
        "reference": 0.9,
        "dropped": True,
    }
    return {
        "schema": "bakeoff.status/1",
        "run_id": "r1",
        "uptime_s": 83.0,
        "budget_bytes": 8 << 30,
        "committed_bytes": 1 << 30,
        "open_requests": 1,
        "requests": {"answered": 10, "failed": 2},
        "rejected": 1,
        "models": {
            "small": model,
            "[red]x[/red]\x1b[31m": failed,
            "a-very-long-name-of-a-model-that-somebody-has": model,
        },
        "routes": {"tweet": route, "general": route},
        "quality": {"streams": [stream], "note": "5% of the answers are graded"},
        "alerts": [{"severity": "critical", "summary": "[bold]small[/bold] is left alone"}],
        "cost": {
            "electricity": 0.0012,
            "provenance": "assumed",
            "cloud": None,
            "against": None,
            "answers_without_tokens": 0,
        },
    } | changes


def shown(now, before=None, passed_s=2.0, width=80):
    return drawn(render(now, before, passed_s, "http://127.0.0.1:8080"), width)


def drawn(view, width=80):
    console = Console(width=width, record=True, color_system=None, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(view)
    console.file.close()
    return console.export_text()


def test_the_view_has_rates_states_and_what_is_wrong_within_80_columns():
    before = status()
    now = status(requests={"answered": 20, "failed": 2})
    now["models"] = {
        name: of | {"tokens_written": 300.0, "first_token_sum_s": 3.0, "first_token_count": 6.0}
        for name, of in now["models"].items()
    }
    text = shown(now, before)
    assert max(len(line) for line in text.splitlines()) <= 80
    for part in ("5.0 requests/s", "100", "500 ms", "0.7 / 1.0 GiB", "open", "dropped", "0.50", "assumed"):
        assert part in text
    assert "[red]x[/red]" in text
    assert "\x1b" not in text
    assert "[bold]small[/bold] is left alone" in text


def test_each_memory_is_told_where_there_are_several():
    sizes = {"held_bytes": 700 << 20, "need_bytes": 1 << 30, "peak_bytes": None}
    model = status()["models"]["small"] | dict.fromkeys(("need_bytes", "held_bytes", "peak_bytes"))
    on_card = model | {"memory": {"host": sizes | {"held_bytes": 100 << 20}, "cuda:0": sizes}}
    memory = {
        "host": {"budget_bytes": 16 << 30, "committed_bytes": 800 << 20},
        "cuda:0": {"budget_bytes": None, "committed_bytes": 700 << 20},
    }
    text = shown(
        status(
            memory=memory,
            models={"card": on_card, "cpu": model | {"memory": {"host": sizes}}, "far": model | {"memory": {}}},
        )
    )
    assert max(len(line) for line in text.splitlines()) <= 80
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert any("models take host 800.0 MiB of 16.0 GiB, cuda:0 700.0 MiB of no set budget" in line for line in lines)
    place = next(number for number, line in enumerate(lines) if line.startswith("card ready"))
    assert "host 0.1 / 1.0 GiB" in lines[place]
    assert lines[place + 1] == "cuda:0 0.7 / 1.0 GiB"
    assert any(line.startswith("cpu ready host 0.7 / 1.0 GiB") for line in lines)
    assert any(line.startswith("far ready elsewhere") for line in lines)


def test_it_says_why_quality_is_not_watched():
    assert "no run to hold" in shown(
        status(quality={"streams": [], "note": "not watched: no run to hold answers against"})
    )


def test_the_first_look_has_no_rates():
    text = shown(status())
    assert "- requests/s" in text
    assert "0.0 requests/s" not in text


def test_money_is_written_as_people_write_it():
    cost = {
        "electricity": 2.563e-07,
        "provenance": "assumed",
        "cloud": 12.5,
        "against": "big",
        "answers_without_tokens": 0,
    }
    text = shown(status(cost=cost))
    assert "cost so far: $0.000000256 of electricity here (assumed); $12.50 at big" in text


def test_of_a_gateway_that_is_lost_nothing_old_is_shown_as_if_it_were_so_now():
    why = "the gateway at http://127.0.0.1:8080 wants a key"
    text = drawn(render_lost(status(alerts=[]), 63.0, "http://127.0.0.1:8080", why))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert why in text
    assert "last seen 1 min 3 s ago" in text
    for old in ("no alert fires", "up 1 min", "ready", "open", "answered", "0.7 / 1.0 GiB", "7.25", "0.0012", "0.50"):
        assert old not in text
    (row,) = [line for line in text.splitlines() if line.startswith("small")]
    assert set(row.split()[1:]) == {"-"}
    assert "\x1b" not in text
