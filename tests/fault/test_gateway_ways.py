"""Both ways to a server give the same answers and the same errors; and an endpoint may be asked as the client asks."""

import asyncio

import pytest
from aiohttp import web

from bakeoff.engines.deadlines import Deadlines, Watch
from bakeoff.serve import upstream
from bakeoff.serve.settings import EndpointSettings
from gateways import QUICK, fakes, make_model, make_plan, request, running
from misbehaving import Misbehaving

FAULTS = [
    "good", "plain", "no [DONE]", "gzip", "500", "429", "closed", "HTML", "half an event", "cut before the first token",
    "cut after the first token", "hang", "hang after the first token", "comments for ever",
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_elsewhere_is_understood_as_one_on_this_machine(fault, stream, tmp_path, monkeypatch):
    def shown(answer):
        if answer.status == 200 and stream:
            codes = [event["error"]["code"] for event in answer.events if "error" in event]
            return answer.streamed, codes, "[DONE]" in answer.events
        return answer.status, answer.json["error"]["code"] if answer.status != 200 else answer.text

    async def ask(server):
        endpoint = make_model("remote", "endpoint", server.url)
        async with running(make_plan(endpoint), tmp_path, waiting=QUICK) as gateway:
            content = [{"role": "user", "content": "opening number 7"}]
            return shown(await gateway.ask("remote", messages=content, stream=stream))

    with Misbehaving(fault) as server:
        near = asyncio.run(ask(server))
    monkeypatch.setattr(upstream, "near_way", lambda _upstream, _connect_s: None)
    with Misbehaving(fault) as server:
        far = asyncio.run(ask(server))
    assert near == far


@pytest.mark.parametrize("near", [True, False])
def test_an_answer_under_way_outlives_the_way_that_it_came_by(near, monkeypatch):
    """A model's address changes with the settings while one of its answers is read; its connection ends with the answer."""
    if not near:
        monkeypatch.setattr(upstream, "near_way", lambda _upstream, _connect_s: None)
    go_on, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await go_on.wait()
        writer.write(b"data: 2\n\n")
        await reader.read()
        writer.close()
        gone.set()

    async def work():
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            pools = upstream.Pools()
            way = (await pools.reach(upstream.Upstream("m", f"http://127.0.0.1:{port}/v1", "m", 0))).way
            answer = await way.post("chat/completions", b"{}", Watch("m", Deadlines()))
            assert await answer.read() == b"data: 1\n\n"
            assert (await pools.reach(upstream.Upstream("m", "http://127.0.0.1:1/v1", "m", 0))).way is not way
            go_on.set()
            async with asyncio.timeout(5):
                assert await answer.read() == b"data: 2\n\n"
                answer.close()
                await gone.wait()
            await pools.close()

    asyncio.run(work())


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/v1", "http://127.0.0.2:1/v1", "http://127.0.0.1.evil.example/v1"])
def test_only_plain_http_on_a_loopback_is_near(url):
    assert upstream.near_way(upstream.Upstream("m", url, "m", 0), 1.0) is None


def asked_plainly(plain, folder, **fields):
    """Ask an endpoint for an answer in one piece; return the answer, what the endpoint was asked, and the metrics' count."""
    got = []

    async def answer(asked):
        body = await asked.json()
        got.append(body)
        choice = {"index": 0, "message": {"role": "assistant", "content": "word"}, "finish_reason": "stop"}
        if not body.get("stream"):
            usage = {"prompt_tokens": 3, "completion_tokens": 1}
            return web.json_response({"object": "chat.completion", "choices": [choice], "usage": usage, "mine": 1})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(asked)
        chunk = b'data: {"choices":[{"index":0,"delta":{"content":"word"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        await response.write(chunk)
        return response

    async def run():
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        plan = make_plan(make_model("remote", "endpoint", url), "own", run=None)
        settings = EndpointSettings(plain=plain)
        try:
            async with running(plan, folder, commands=fakes(own=["--tokens", "2"]), endpoints=settings) as gateway:
                return await gateway.ask("remote", **fields), await gateway.ask("own")
        finally:
            await runner.cleanup()

    remote, own = asyncio.run(run())
    return remote, own, got


@pytest.mark.parametrize(("plain", "streams"), [("streamed", True), ("as_asked", False)])
def test_an_endpoint_is_asked_for_a_stream_unless_it_is_to_be_asked_as_it_is(plain, streams, tmp_path):
    remote, own, (got,) = asked_plainly(plain, tmp_path)
    assert remote.text == "word"
    assert own.text == "w0 w1 "
    assert got == request("m") | ({"stream": True, "stream_options": {"include_usage": True}} if streams else {})
    assert ("mine" in remote.json) is not streams


def test_a_stream_stays_one_where_endpoints_are_asked_as_they_are(tmp_path):
    remote, _, (got,) = asked_plainly("as_asked", tmp_path, stream=True)
    assert got["stream"] is True
    assert remote.streamed == "word"
