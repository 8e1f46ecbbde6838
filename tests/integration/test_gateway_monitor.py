"""Watching a gateway that really runs: its numbers have the names that the rules use, alerts reach a webhook and resolve,
answers that have become worse are noticed."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web

from bakeoff.core.clock import SystemClock
from bakeoff.cost.prices import CloudPrice
from bakeoff.decide.live_reference import LiveReference
from bakeoff.engines.process import WorkerCommand
from bakeoff.serve.alert_expressions import metrics_in
from bakeoff.serve.alert_rules import RULES, prometheus_rules
from bakeoff.serve.alert_targets import Webhook
from bakeoff.serve.alert_watch import AlertWatch
from bakeoff.serve.cost_terms import CostTerms, Figure
from bakeoff.serve.grafana import PANELS, dashboard
from bakeoff.serve.keeping import Keeping
from bakeoff.serve.settings import AlertSettings, QualitySettings
from gateways import endpoint, fakes, make_model, make_plan, running
from worker_processes import until

ASSUMED = Figure(value=65.0, provenance="assumed", note="a processor package at work")
TERMS = CostTerms(
    watts={"a": ASSUMED},
    devices={"a": "cpu"},
    tariff=Figure(value=0.30, provenance="reported"),
    cloud=CloudPrice(
        model="big", provider=None, input_per_million=1.0, output_per_million=4.0, catalogue="stated", date="2026-11-27"
    ),
)
QUICK_BREAKER = Keeping(breaker_failures=2, first_open_s=0.3, longest_open_s=0.6)
# Ends at its start unless a file is there.
SICK_UNLESS = """
import os, runpy, sys
healthy = os.path.exists(sys.argv.pop(1))
sys.argv[1:1] = [] if healthy else ["--exit-at-start", "3"]
runpy.run_module("bakeoff.engines.fake_worker", run_name="__main__", alter_sys=True)
"""


def sick_unless(file, name="a"):
    return WorkerCommand(
        name=name, engine="fake", folder=Path(), program=(sys.executable, "-c", SICK_UNLESS, str(file))
    )


def reference(candidate="a", measure="publishable", low=0.9):
    return LiveReference(
        candidate=candidate, content_type="tweet", measure=measure, mean=0.97, low=low, texts=200, families=60
    )


@asynccontextmanager
async def receiver():
    """A web server that takes webhooks; yields its URL and the alerts that came, one after the other."""
    came = []

    async def take(request):
        came.extend((await request.json())["alerts"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", came
    finally:
        await runner.cleanup()


@asynccontextmanager
async def refusing():
    """An endpoint whose every answer is a refusal, told as such by no status."""

    async def answer(_request):
        message = {"role": "assistant", "content": "I'm sorry, but I cannot help with that."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 10, "total_tokens": 19}
        return web.json_response({"object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})

    async with endpoint(answer) as url:
        yield url


@asynccontextmanager
async def asked_again_and_again(gateway, model="bakeoff/tweet", every_s=0.1):
    """Somebody asks all the time, whatever the answer is."""

    async def ask():
        while True:
            await gateway.ask(model)
            await asyncio.sleep(every_s)

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def states_of(came, alert):
    return [each["status"] for each in came if each["labels"]["alertname"] == alert]


async def metric_names(gateway):
    async with gateway.client.get(f"{gateway.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return {line.split("{")[0].split(" ")[0] for line in lines if line and not line.startswith("#")}


def test_every_metric_of_rules_and_dashboard_is_there_and_counters_begin_at_zero(tmp_path):
    async def go():
        plan = make_plan("a", "b", routes={"tweet": ["a", "b"]})
        more = {"keeping": Keeping(budget_bytes=10**9), "quality": QualitySettings(share=1.0)}
        async with running(plan, tmp_path, commands=fakes(a=["--tokens", "1"], b=[]), terms=TERMS, **more) as gateway:
            gateway.gateway.monitor.quality.refer_to([reference()], ["refusal"])
            before = gateway.metric("bakeoff_requests_total", model="b", route="tweet", fallback="1", outcome="broken")
            never = gateway.metric("bakeoff_model_loads_total", model="b", outcome="failed")
            await gateway.ask("bakeoff/tweet")
            await gateway.ask("bakeoff/tweet", stream=True)
            await gateway.ask("nobody")
            await gateway.ask("b")
            quality = gateway.gateway.monitor.quality
            await until(lambda: quality.snapshot()["graded"] == 2)
            await until(
                lambda: gateway.metric("bakeoff_open_requests") == 0
            )  # a request is counted after its answer was sent
            names = await metric_names(gateway)
            async with gateway.client.get(f"{gateway.url}/status") as answer:
                status = await answer.json()
        assert (before, never) == (0.0, 0.0)
        return names, status

    names, status = asyncio.run(go())
    wanted = frozenset().union(*(metrics_in(rule.expression) for rule in RULES))
    assert wanted - names == set()
    assert {metric for panel in PANELS for metric in panel.metrics} - names == set()
    assert status["requests"]["answered"] == 3
    assert status["models"]["a"]["state"] == "ready"
    assert status["models"]["a"]["tokens_written"] == 2
    assert status["routes"]["tweet"]["answered"] == 2
    cost = status["cost"]
    assert cost["provenance"] == "assumed"
    assert cost["energy_j"] > 0
    assert cost["electricity"] == pytest.approx(cost["energy_j"] / 3.6e6 * 0.30)
    assert cost["cloud"] > 0
    assert json.loads(json.dumps(dashboard())) == dashboard()


def test_without_a_price_or_models_of_ours_no_cost_is_told(tmp_path):
    async def go():
        async with refusing() as url:
            plan = make_plan(make_model("far", source="endpoint", location=url))
            async with running(plan, tmp_path, terms=TERMS.model_copy(update={"watts": {}, "devices": {}})) as gateway:
                assert (await gateway.ask("far")).status == 200
                return await metric_names(gateway)

    names = asyncio.run(go())
    assert not {name for name in names if "cost" in name or "energy" in name}


def test_alerts_reach_a_webhook_fire_on_the_page_and_resolve(tmp_path):
    healthy = tmp_path / "healthy"
    quick = [replace(rule, for_s=0) for rule in RULES]

    async def go():
        plan = make_plan("a", routes={"tweet": ["a"]})
        commands = {"a": sick_unless(healthy)}
        async with receiver() as (hook, came), receiver() as (second_hook, second):
            alerts = AlertSettings(every_s=1.0, webhook=hook)
            async with running(plan, tmp_path, commands=commands, keeping=QUICK_BREAKER, alerts=alerts) as gateway:
                registry = gateway.gateway.metrics.registry
                watch = AlertWatch(registry, [Webhook(second_hook)], 0.1, SystemClock(), quick)
                watch.begin(gateway.url)
                async with asked_again_and_again(gateway):
                    await until(lambda: "firing" in states_of(came, "BakeoffLoadsFail"), 30)
                    await until(lambda: "firing" in states_of(second, "BakeoffBreakerOpen"), 30)
                    async with gateway.client.get(f"{gateway.url}/alerts") as answer:
                        shown = await answer.json()
                    async with gateway.client.get(gateway.url) as answer:
                        page = await answer.text()
                    healthy.touch()
                    await until(lambda: "resolved" in states_of(second, "BakeoffBreakerOpen"), 30)
                    assert (await gateway.ask("bakeoff/tweet")).status == 200
                await watch.close()
        return shown, page, came

    shown, page, came = asyncio.run(go())
    assert "BakeoffLoadsFail" in {each["alert"] for each in shown["firing"]}
    assert shown["told_to"] == ["the webhook at 127.0.0.1"]
    assert "a cannot be loaded" in page
    assert next(each for each in came if each["labels"]["alertname"] == "BakeoffLoadsFail")["labels"]["model"] == "a"


def test_a_target_that_does_not_answer_harms_nobody(tmp_path):
    async def go():
        plan = make_plan("a")
        alerts = AlertSettings(every_s=1.0, webhook="http://127.0.0.1:9/nobody", command=("/no/such/program",))
        commands = {"a": sick_unless(tmp_path / "never")}
        async with running(plan, tmp_path, commands=commands, keeping=QUICK_BREAKER, alerts=alerts) as gateway:
            async with asked_again_and_again(gateway, "bakeoff/general"):
                await until(lambda: gateway.gateway.monitor.alerts.firing, 30)
            async with gateway.client.get(f"{gateway.url}/health") as answer:
                assert answer.status == 200

    asyncio.run(asyncio.wait_for(go(), 60))


def test_a_drop_of_quality_is_noticed_in_whole_answers_and_in_streams(tmp_path):
    """The endpoint refuses politely (a gate); the fake worker's words make a poor tweet (the score)."""

    async def go():
        async with refusing() as url, receiver() as (hook, came):
            plan = make_plan(
                make_model("far", source="endpoint", location=url), "a", routes={"tweet": ["a"], "blurb": ["far"]}
            )
            settings = {
                "quality": QualitySettings(share=1.0),
                "alerts": AlertSettings(every_s=1.0, webhook=hook),
            }
            async with running(plan, tmp_path, commands=fakes(a=["--tokens", "3"]), **settings) as gateway:
                far = reference("far").model_copy(update={"content_type": "blurb"})
                gateway.gateway.monitor.quality.refer_to([far, reference("a", "score", low=0.95)])
                said = 0
                while len([each for each in came if each["labels"]["alertname"] == "BakeoffQualityDropped"]) < 2:
                    assert said < 400, gateway.gateway.monitor.quality.snapshot()
                    assert (await gateway.ask("bakeoff/blurb")).status == 200
                    assert (await gateway.ask("bakeoff/tweet", stream=True)).status == 200
                    said += 1
                gated = gateway.metric("bakeoff_quality_gated_total", model="far", content_type="blurb", gate="refusal")
                # What the client cut off itself, and what has a past, is not like the run's texts.
                left_out = gateway.gateway.monitor.quality.snapshot()["left_out"]["unlike"]
                past = [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Say w0 w1."}]
                await gateway.ask("bakeoff/tweet", messages=past)
                quality = gateway.gateway.monitor.quality
                await until(lambda: quality.snapshot()["left_out"]["unlike"] == left_out + 1)
                before = quality.snapshot()
                closed = len(came)
                async with gateway.post(None, "/quality/acknowledge") as response:
                    acknowledged = (await response.json())["acknowledged"]
                # Both alerts are told to be over, and nothing was started anew.
                await until(lambda: sum(each["status"] == "resolved" for each in came[closed:]) == 2)
                return came[:closed], gated, before, acknowledged

    came, gated, snapshot, acknowledged = asyncio.run(go())
    assert {each["candidate"] for each in acknowledged} == {"far", "a"}
    dropped = {(each["labels"]["model"], each["labels"]["measure"]) for each in came}
    assert dropped == {("far", "publishable"), ("a", "score")}
    assert gated >= 10
    assert all(each["dropped"] for each in snapshot["streams"])
    recent = {each["candidate"]: each["recent"] for each in snapshot["streams"]}
    assert recent["far"] == 0.0
    assert recent["a"] < 0.95


def test_nothing_is_graded_without_a_reference_or_a_share(tmp_path):
    async def go(share, references):
        plan = make_plan("a", routes={"tweet": ["a"]})
        quality = QualitySettings(share=share)
        async with running(plan, tmp_path, commands=fakes(a=[]), quality=quality) as gateway:
            gateway.gateway.monitor.quality.refer_to(references)
            for _ in range(5):
                await gateway.ask("bakeoff/tweet")
            return gateway.gateway.monitor.quality.snapshot()["graded"]

    assert asyncio.run(go(0.0, [reference()])) == 0
    assert asyncio.run(go(1.0, [])) == 0


PROGRAMS = ("prometheus", "prometheus-alertmanager")


@pytest.mark.skipif(
    any(shutil.which(program) is None for program in PROGRAMS),
    reason="prometheus and prometheus-alertmanager are not installed (Debian's packages of these names)",
)
def test_a_crash_loop_reaches_a_webhook_through_prometheus_and_alertmanager(tmp_path):
    healthy = tmp_path / "healthy"

    async def go():
        plan = make_plan("a", routes={"tweet": ["a"]})
        commands = {"a": sick_unless(healthy)}
        async with (
            receiver() as (hook, came),
            running(plan, tmp_path, commands=commands, keeping=QUICK_BREAKER) as gateway,
        ):
            with prometheus(tmp_path, gateway.url, hook) as ask_prometheus:
                async with asked_again_and_again(gateway):
                    await until(lambda: "firing" in states_of(came, "BakeoffBreakerOpen"), 60)
                    ups = await ask_prometheus(gateway.client, "up")
                    healthy.touch()
                    await until(lambda: "resolved" in states_of(came, "BakeoffBreakerOpen"), 60)
                return ups, Counter(states_of(came, "BakeoffBreakerOpen")), came

    ups, states, came = asyncio.run(go())
    assert ups == ["1"]
    assert states["firing"] >= 1
    told = next(each for each in came if each["labels"]["alertname"] == "BakeoffBreakerOpen")
    assert told["annotations"]["summary"] == "a is left alone: it failed too often"


class prometheus:  # noqa: N801 - used as a context manager
    """Prometheus and Alertmanager with the shipped rules, their waiting times shortened to a second."""

    def __init__(self, folder, url, hook):
        self.port, self.alerts_port = free_port(), free_port()
        rules = prometheus_rules()
        for group in rules["groups"]:
            group["interval"] = "1s"
            group["rules"] = [rule | {"for": "0s"} for rule in group["rules"]]
        (folder / "rules.yml").write_text(yaml.safe_dump(rules))
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{self.alerts_port}"]}]}]},
            "scrape_configs": [{"job_name": "bakeoff", "static_configs": [{"targets": [url.removeprefix("http://")]}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        route = {"receiver": "us", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
        told = {"route": route, "receivers": [{"name": "us", "webhook_configs": [{"url": hook}]}]}
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(told))
        self.folder = folder

    def __enter__(self):
        store = f"--storage.tsdb.path={self.folder}/tsdb"
        lines = (
            ("prometheus", "--config.file=prometheus.yml", store, f"--web.listen-address=127.0.0.1:{self.port}"),
            (
                "prometheus-alertmanager",
                "--config.file=alertmanager.yml",
                f"--storage.path={self.folder}/alerts",
                f"--web.listen-address=127.0.0.1:{self.alerts_port}",
                "--cluster.listen-address=",
            ),
        )
        self.started = [
            subprocess.Popen(line, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for line in lines
        ]
        return self.ask

    def __exit__(self, *_error):
        for process in self.started:
            process.terminate()
        for process in self.started:
            process.wait(30)

    async def ask(self, client: aiohttp.ClientSession, query):
        url = f"http://127.0.0.1:{self.port}/api/v1/query"
        async with client.get(url, params={"query": query}) as answer:
            return [found["value"][1] for found in (await answer.json())["data"]["result"]]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
