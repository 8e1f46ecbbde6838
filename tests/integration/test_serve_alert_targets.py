"""Telling somebody: a real web server and a real program get the message; who does not answer harms nobody."""

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime, timedelta

from aiohttp import web

from bakeoff.serve import alert_targets
from bakeoff.serve.alert_targets import Command, Webhook, tell_all, write_message
from bakeoff.serve.alerting import Notice

START = datetime(2026, 11, 27, tzinfo=UTC)


def notice(status="firing", summary="small fails"):
    return Notice("BakeoffRequestsFail", "critical", status, (("model", "small"),), summary, "look", 60.0, 90.0)


def message(*notices):
    return write_message(notices, lambda at_s: START + timedelta(seconds=at_s), "http://127.0.0.1:8484")


def test_the_message_is_what_alertmanagers_receivers_expect():
    written = message(notice(), notice("resolved"))
    assert written["version"] == "4"
    assert written["status"] == "firing"
    fires, over = written["alerts"]
    assert fires["startsAt"] == "2026-11-27T00:01:00+00:00"
    assert fires["endsAt"] == "0001-01-01T00:00:00Z"
    assert over["endsAt"] == "2026-11-27T00:01:30+00:00"
    assert fires["labels"]["alertname"] == "BakeoffRequestsFail"
    assert fires["fingerprint"] == over["fingerprint"], "one alert, whatever its state, and whichever process tells"
    assert message(notice("resolved"))["status"] == "resolved"


async def serving(answers):
    """A web server that answers with these status codes in turn; returns its URL, what it got, and how to end it."""
    got = []

    async def take(request):
        got.append(await request.json())
        return web.Response(status=answers[min(len(got), len(answers)) - 1])

    app = web.Application()
    app.router.add_post("/hook/{secret}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    return f"http://127.0.0.1:{port}/hook/s3cret", got, runner.cleanup


def test_a_webhook_gets_it_and_is_asked_again_when_it_fails(monkeypatch):
    monkeypatch.setattr(alert_targets, "FIRST_PAUSE_S", 0.01)

    async def go():
        url, got, end = await serving([500, 200])
        try:
            await tell_all([Webhook(url)], message(notice()))
        finally:
            await end()
        return got

    got = asyncio.run(go())
    assert got == [message(notice())] * 2


def test_a_command_reads_it_without_a_shell(tmp_path):
    out = tmp_path / "it's $HOME; here"
    program = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    told = message(notice(summary="$(touch /tmp/never) `x`"))
    asyncio.run(tell_all([Command((sys.executable, "-c", program, str(out)))], told))
    assert json.loads(out.read_text()) == told


def test_who_cannot_be_told_is_logged_without_secrets_and_harms_nobody(monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(alert_targets, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(alert_targets, "WITHIN_S", 0.3)
    out = tmp_path / "told"
    targets = [
        Webhook("http://127.0.0.1:9/hook/s3cret"),
        Command(("/no/such/program", "--token=s3cret")),
        Command((sys.executable, "-c", "import sys; sys.exit(3)")),
        Command((sys.executable, "-c", "import time; time.sleep(60)")),
        Command((sys.executable, "-c", f"open({str(out)!r}, 'w').close()")),
    ]
    monkeypatch.setattr(alert_targets, "ATTEMPTS", 2)
    with caplog.at_level(logging.WARNING):
        asyncio.run(asyncio.wait_for(tell_all(targets[:4], message(notice())), 20))
    monkeypatch.setattr(alert_targets, "WITHIN_S", 20.0)
    asyncio.run(tell_all(targets[4:], message(notice())))
    assert out.exists()
    assert "s3cret" not in caplog.text
    for each in ("127.0.0.1", "/no/such/program"):
        assert each in caplog.text
    assert caplog.text.count("attempt 2 of 2") == 4


def test_every_target_says_who_it_is():
    assert str(Webhook("https://hooks.example/T0/B0/xyz")) == "the webhook at hooks.example"
    assert str(Command(("notify", "x"))) == "the command notify"
