"""What is no fault of a worker must not end it: a queue within it, a client that does not read, an answer that is only long."""

import asyncio
import json
import socket

import pytest
from aiohttp import web

from bakeoff.core.errors import EndpointTimeout
from bakeoff.engines import deadlines
from bakeoff.engines.deadlines import Deadlines, Line, Watch
from bakeoff.engines.process import WorkerCommand
from bakeoff.serve.settings import EndpointSettings, ServerSettings
from gateways import QUICK, chunk, endpoint, fakes, make_model, make_plan, request, running, stream_of
from tiny_model import make_tiny_model
from worker_processes import until


def counts(gateway, model="a"):
    shown = gateway.supervisor.snapshot()["models"][model]
    return {name: shown["counts"].get(name, 0) for name in ("starts", "ended_stalled")} | {
        "failures": shown["breaker"]["failures"]
    }


@pytest.mark.parametrize("stream", [False, True])
def test_who_waits_within_a_worker_waits_on_while_it_serves_others(stream, tmp_path):
    """Without `max_tokens` each request reserves the whole context: the worker writes one text at a time."""
    folder = tmp_path / "model"
    make_tiny_model(folder, eos=False, layers=4, hidden=256, context=400)
    command = WorkerCommand(name="a", engine="onnx", folder=folder, threads=1, max_kv_tokens=400)
    waiting = QUICK.model_copy(update={"model_s": 60.0, "first_token_s": 0.5, "stall_s": 10.0, "total_s": 120.0})

    async def run():
        async with running(make_plan("a"), tmp_path, commands={"a": command}, waiting=waiting) as gateway:
            await gateway.ask("a", max_tokens=1)
            loop = asyncio.get_running_loop()

            async def timed():
                answer = await gateway.ask("a", stream=stream)
                return answer, loop.time()

            begun = loop.time()
            answers = await asyncio.gather(*(timed() for _ in range(3)))
            return [answer.status for answer, _ in answers], max(at for _, at in answers) - begun, counts(gateway)

    statuses, took_s, counted = asyncio.run(run())
    assert statuses == [200, 200, 200]
    assert took_s > 3 * waiting.first_token_s  # else nobody waited longer than a first token may take
    assert counted == {"starts": 1, "ended_stalled": 0, "failures": 0}


def test_a_first_token_is_due_after_those_of_calls_before_it_and_after_the_last_sign_of_life():
    async def run():
        line = Line()
        long, short = Deadlines(first_token_s=500.0, total_s=10_000.0), Deadlines(first_token_s=60.0, total_s=10_000.0)
        first, second, third = Watch("s", long, line), Watch("s", short, line), Watch("s", short, line)
        begun = second.soonest_at - 60.0
        assert second.due_at == pytest.approx(begun + 500, abs=1)  # it may be at the first one's long prompt
        line.leave(third, begun + 300, overdue=False)  # who is behind others says nothing of the server
        assert second.due_at == pytest.approx(begun + 500, abs=1)
        third = Watch("s", short, line)
        line.leave(first, begun + 390, overdue=False)  # its client hung up, and its prompt may have been worked on
        assert second.due_at == third.due_at == pytest.approx(begun + 450, abs=1)
        line.move(second, begun + 400)
        assert third.due_at == pytest.approx(begun + 460, abs=1)

    asyncio.run(run())


def test_a_server_that_gives_nobody_anything_is_not_waited_for_longer():
    async def run():
        line, quick = Line(), Deadlines(first_token_s=0.2, total_s=30.0)
        first, second = Watch("s", quick, line), Watch("s", quick, line)
        begun = asyncio.get_running_loop().time()
        for watch in (first, second):
            with pytest.raises(EndpointTimeout, match="no first token") as told:
                await watch.for_token(asyncio.Event().wait)
            assert not told.value.final
            watch.end()
        assert asyncio.get_running_loop().time() - begun < 5

    asyncio.run(run())


def test_a_read_that_waits_goes_on_when_the_line_moves_meanwhile():
    async def run():
        line, quick = Line(), Deadlines(first_token_s=0.3, total_s=30.0)
        first, second = Watch("s", quick, line), Watch("s", quick, line)
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        for after_s in (0.2, 0.4, 0.6):
            loop.call_later(after_s, first.note_token)
        loop.call_later(0.8, came.set)
        assert await second.for_token(came.wait)

    asyncio.run(run())


def slow_reader(url, body):
    """Return a connection that asked and reads nothing, with a receive buffer that is soon full."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((host, int(port)))
    data = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    connection.sendall(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
    connection.settimeout(0)
    return connection


@pytest.mark.parametrize("near", [True, False])
def test_a_client_that_does_not_read_is_no_stall_of_the_server(near, tmp_path, monkeypatch):
    """It is told from a server that sends nothing: here all of the answer is written, and only the client takes its time."""
    if not near:
        monkeypatch.setattr("bakeoff.serve.upstream.near_way", lambda _upstream, _connect_s: None)
    waiting = QUICK.model_copy(update={"stall_s": 1.0, "total_s": 60.0})

    async def answer(request):
        return await stream_of(request, *[chunk("w" * 20_000)] * 400, b"[DONE]")

    async def run():
        loop = asyncio.get_running_loop()
        settings = ServerSettings(port=0, drain_s=2, write_s=20.0)
        async with endpoint(answer) as url:
            plan = make_plan(make_model("a", "endpoint", url))
            async with running(plan, tmp_path, waiting=waiting, server=settings) as gateway:
                connection = slow_reader(gateway.url, request("a", stream=True))
                await until(gateway.leases)
                await asyncio.sleep(3 * waiting.stall_s)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # it has time now
                got = b""
                async with asyncio.timeout(30):
                    while b"[DONE]" not in got and b'"error"' not in got[-2000:]:
                        got += await loop.sock_recv(connection, 1 << 20)
                connection.close()
                return got, counts(gateway)

    got, counted = asyncio.run(run())
    assert b"[DONE]" in got
    assert len(got) > 400 * 20_000
    assert counted == {"starts": 0, "ended_stalled": 0, "failures": 0}


def test_a_server_that_stalls_once_its_client_reads_again_is_noticed(monkeypatch):
    monkeypatch.setattr(deadlines, "_LOOK_AGAIN_S", 0.05)

    async def run():
        loop = asyncio.get_running_loop()
        watch = Watch("s", Deadlines(stall_s=0.4, total_s=30.0))
        watch.note_token()
        watch.pause()
        await asyncio.sleep(1.0)
        assert watch.due_at > loop.time()
        watch.resume()
        assert loop.time() < watch.due_at <= loop.time() + 0.4
        with pytest.raises(EndpointTimeout, match="no further token"):
            await watch.for_token(asyncio.Event().wait)

    asyncio.run(run())


def test_what_passes_while_nobody_reads_is_the_end_of_the_whole_answer_and_no_stall():
    async def run():
        watch = Watch("s", Deadlines(stall_s=0.1, total_s=0.3))
        watch.note_token()
        watch.pause()
        await asyncio.sleep(0.4)
        assert watch.due_at <= asyncio.get_running_loop().time()
        assert watch.overdue().final

    asyncio.run(run())


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_too_long_leaves_the_worker_and_the_others_alone(stream, tmp_path):
    commands = fakes(a=["--tokens", "100", "--delay-s", "0.1"])
    waiting = QUICK.model_copy(update={"total_s": 2.0})

    async def run():
        async with running(make_plan("a"), tmp_path, commands=commands, waiting=waiting) as gateway:
            await gateway.ask("a", max_tokens=1)
            answer, beside = await asyncio.gather(
                gateway.ask("a", stream=stream), gateway.ask("a", stream=stream, max_tokens=15)
            )
            return answer, beside, counts(gateway)

    answer, beside, counted = asyncio.run(run())
    error = answer.events[-1] if stream else answer.json
    assert "complete answer" in error["error"]["message"]
    assert beside.status == 200
    assert (beside.streamed if stream else beside.text).endswith("w14 ")
    assert counted == {"starts": 1, "ended_stalled": 0, "failures": 0}


@pytest.mark.parametrize(("takes_s", "status", "failures"), [(1.0, 200, 0), (30.0, 502, 1)])
def test_of_an_answer_in_one_piece_only_the_whole_is_waited_for(takes_s, status, failures, tmp_path):
    """Its head comes with its end. A server of which nothing was seen till then has failed, but is not known to have stalled."""
    waiting = QUICK.model_copy(update={"first_token_s": 0.3, "stall_s": 0.3, "total_s": 4.0})

    async def answer(_request):
        await asyncio.sleep(takes_s)
        choice = {"index": 0, "message": {"role": "assistant", "content": "word"}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice]})

    async def run():
        async with endpoint(answer) as url:
            plan = make_plan(make_model("a", "endpoint", url))
            as_asked = EndpointSettings(plain="as_asked")
            async with running(plan, tmp_path, waiting=waiting, endpoints=as_asked) as gateway:
                return await gateway.ask("a"), counts(gateway)

    answer_, counted = asyncio.run(run())
    assert answer_.status == status
    assert counted == {"starts": 0, "ended_stalled": 0, "failures": failures}
