"""docs/serving-monitoring.md says what the code does: every alert, every metric, every setting with its default."""

import re
import tomllib
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bakeoff.core.clock import SystemClock
from bakeoff.serve.alert_rules import GATEWAY_DOWN, RULES
from bakeoff.serve.cost_terms import CostSettings, CostTerms
from bakeoff.serve.monitor import Monitor
from bakeoff.serve.response_cache import ResponseCache
from bakeoff.serve.settings import ServeSettings
from gateways import make_plan

PAGE = (Path(__file__).parents[2] / "docs" / "serving-monitoring.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]


class Nobody:
    def snapshot(self):
        return {"memory": {"host": {"budget_bytes": 1, "committed_bytes": 0}}, "models": {}}


def families() -> set[str]:
    registry: CollectorRegistry = Monitor(
        make_plan("a"), Nobody(), ServeSettings(), SystemClock(), CostTerms()
    ).metrics.registry
    registry.register(ResponseCache(1, 1))  # there where it is switched on
    return {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}


def test_every_metric_is_in_the_table_and_nothing_else():
    listed = set(
        re.findall(
            r"`((?:bakeoff|gen_ai_server|gen_ai_client)_\w+)`", PAGE.split("## Metrics")[1].split("## Alerts")[0]
        )
    )
    labels = {"bakeoff_route", "bakeoff_outcome"}
    without_terms = {"bakeoff_cost_total", "bakeoff_cloud_cost_total"}
    assert listed - labels == families() | without_terms


def test_every_alert_is_in_the_table():
    listed = set(re.findall(r"^\| `(Bakeoff\w+)`", PAGE, re.MULTILINE))
    assert listed == {rule.name for rule in RULES} | {GATEWAY_DOWN["alert"]}


@pytest.mark.parametrize("table", ["quality", "alerts"])
def test_the_example_has_the_defaults(table):
    settings = ServeSettings()
    for name, value in tomllib.loads(EXAMPLE)[table].items():
        assert getattr(getattr(settings, table), name) == value


def test_every_setting_is_told_and_what_is_commented_out_is_valid():
    whole = re.sub(r"^# ", "", EXAMPLE, flags=re.MULTILINE)
    settings = ServeSettings.model_validate(tomllib.loads(whole))
    assert settings.cost.against == "gpt-4o-mini"
    for field in CostSettings.model_fields:
        assert getattr(settings.cost, field) is not None
