"""Upstreams that misbehave, behind a real gateway: what the client is told, who stands in, and that nothing is left held."""

import asyncio
import json

import pytest
from aiohttp import web

from bakeoff.serve.api_keys import ApiKey, KeyLimits, KeyRing, hash_of
from bakeoff.serve.app import Keys
from bakeoff.serve.keeping import Keeping
from gateways import QUICK, chunk, endpoint, fakes, make_model, make_plan, request, running, stream_of
from misbehaving import Misbehaving
from worker_processes import until

BROKEN_BEFORE = {
    "500": (502, "upstream_failed"),
    "503": (502, "upstream_failed"),
    "401": (502, "upstream_failed"),
    "404": (502, "upstream_failed"),
    "HTML": (502, "upstream_failed"),
    "HTML as JSON": (502, "upstream_failed"),
    "half a JSON": (502, "upstream_failed"),
    "half an event": (502, "upstream_failed"),
    "choices missing": (502, "upstream_failed"),
    "choices null": (502, "upstream_failed"),
    "choices empty": (502, "upstream_failed"),
    "cut before the first token": (502, "upstream_failed"),
    "closed": (502, "upstream_failed"),
    "hang": (502, "upstream_failed"),
    "hang before the first token": (502, "upstream_failed"),
    "comments for ever": (502, "upstream_failed"),
    "huge line": (502, "upstream_failed"),
    "429": (429, "upstream_busy"),
}
BROKEN_AFTER = [
    "cut after the first token",
    "ended after the first token",
    "hang after the first token",
]
RIGHT = [
    "good", "plain", "300 kB in one event", "no [DONE]", "no usage", "usage of strings", "cached tokens", "truncated", "gzip",
]  # fmt: skip


def served(server, folder, work, *others, commands=None):
    """Run `work(gateway)` on a gateway over an endpoint, and others that stand in for it."""

    async def run():
        endpoint = make_model("remote", "endpoint", server.url)
        plan = make_plan(endpoint, *others, routes={"tweet": ["remote", *others]})
        async with running(plan, folder, commands=commands, waiting=QUICK) as gateway:
            answer = await work(gateway)
            async with asyncio.timeout(5):
                while gateway.leases():  # noqa: ASYNC110 - an exchange ends a moment after its answer
                    await asyncio.sleep(0.01)
            return answer

    return asyncio.run(run())


def ask(model, **fields):
    content = "opening number 7"
    return lambda gateway: gateway.ask(model, messages=[{"role": "user", "content": content}], **fields)


def is_error(value):
    return set(value) == {"error"} and set(value["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", RIGHT)
def test_harmless_differences_are_no_fault(fault, stream, tmp_path):
    with Misbehaving(fault) as server:
        answer = served(server, tmp_path, ask("bakeoff/tweet", stream=stream))
    text = answer.streamed if stream else answer.text
    assert answer.status == 200
    assert text.startswith("We open shop number 7")
    assert answer.headers["x-bakeoff-candidate"] == "remote"
    assert not stream or answer.events[-1] == "[DONE]"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", BROKEN_BEFORE)
def test_what_gives_nothing_is_an_error_that_says_when_to_try_again(fault, stream, tmp_path):
    status, code = BROKEN_BEFORE[fault]
    with Misbehaving(fault) as server:
        answer = served(server, tmp_path, ask("remote", stream=stream))
        assert server.requests == 1
        address = server.url.removeprefix("http://").removesuffix("/v1")
    if answer.status == 200:  # a stream that waited was opened with comments
        assert answer.body.startswith(b": loading")
        (error,) = answer.events
    else:
        assert answer.status == status
        assert int(answer.headers["retry-after"]) >= 1
        error = answer.json
    assert is_error(error)
    assert error["error"]["code"] == code
    assert address not in answer.body.decode()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault", ["500", "closed", "HTML", "half an event", "cut before the first token", "429", "hang"]
)
def test_before_the_first_byte_the_next_model_of_the_route_stands_in(fault, stream, tmp_path):
    with Misbehaving(fault) as server:
        answer = served(
            server, tmp_path, ask("bakeoff/tweet", stream=stream), "spare", commands=fakes(spare=["--tokens", "3"])
        )
    assert answer.status == 200
    assert (answer.streamed if stream else answer.text) == "w0 w1 w2 "
    if "x-bakeoff-pending" in answer.headers:
        assert b": x-bakeoff-candidate: spare\n" in answer.body
        assert b": x-bakeoff-fallback: 1\n" in answer.body
    else:
        assert answer.headers["x-bakeoff-candidate"] == "spare"
        assert answer.headers["x-bakeoff-fallback"] == "1"


def test_a_candidate_that_the_client_names_itself_has_no_stand_in(tmp_path):
    with Misbehaving("500") as server:
        answer = served(server, tmp_path, ask("remote"), "spare", commands=fakes(spare=[]))
    assert answer.status == 502


@pytest.mark.parametrize("fault", BROKEN_AFTER)
def test_after_the_first_byte_a_stream_ends_with_an_error_and_without_done(fault, tmp_path):
    with Misbehaving(fault) as server:
        answer = served(server, tmp_path, ask("bakeoff/tweet", stream=True), "spare", commands=fakes(spare=[]))
        assert server.requests == 1
    assert answer.status == 200
    assert answer.events[-1]["error"]["code"] == "upstream_failed"
    assert "[DONE]" not in answer.events
    assert answer.streamed.startswith("We ")


@pytest.mark.parametrize("fault", BROKEN_AFTER)
def test_a_whole_answer_that_breaks_half_way_is_had_from_the_next_model(fault, tmp_path):
    with Misbehaving(fault) as server:
        answer = served(server, tmp_path, ask("bakeoff/tweet"), "spare", commands=fakes(spare=["--tokens", "2"]))
    assert (answer.status, answer.text) == (200, "w0 w1 ")
    assert answer.headers["x-bakeoff-fallback"] == "1"


@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_request_is_the_clients_and_no_other_model_is_asked(stream, tmp_path):
    with Misbehaving("400") as server:
        answer = served(server, tmp_path, ask("bakeoff/tweet", stream=stream), "spare", commands=fakes(spare=[]))
    assert (answer.status, answer.json["error"]["message"]) == (400, "context too long")
    assert is_error(answer.json)


def test_retry_after_of_the_upstream_is_passed_on(tmp_path):
    with Misbehaving("429", retry_after="17") as server:
        answer = served(server, tmp_path, ask("remote"))
    assert (answer.status, answer.headers["retry-after"]) == (429, "17")


def test_the_key_of_an_endpoint_is_never_quoted(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_SUCH", "x")
    with Misbehaving("401") as server:

        async def work(gateway):
            gateway.supervisor._external["remote"] = __import__("dataclasses").replace(
                gateway.supervisor._external["remote"], api_key="sk-very-secret-key"
            )
            return await gateway.ask("remote")

        answer = served(server, tmp_path, work)
    assert answer.status == 502
    assert "very-secret" not in answer.body.decode()


@pytest.mark.parametrize("stream", [False, True])
def test_a_worker_that_is_killed_in_its_answer(stream, tmp_path):
    commands = fakes(a=["--crash-after", "4"], b=["--tokens", "2"])

    async def run():
        async with running(make_plan("a", "b", routes={"tweet": ["a", "b"]}), tmp_path, commands=commands) as gateway:
            answer = await gateway.ask("bakeoff/tweet", stream=stream)
            assert gateway.leases() == 0
            after = await gateway.ask("a", stream=stream)
            return answer, after, gateway.supervisor.snapshot()["models"]["a"]

    answer, after, state = asyncio.run(run())
    if stream:
        assert answer.streamed == "w0 w1 w2 w3 "
        assert answer.events[-1]["error"]["code"] == "upstream_failed"
        assert after.streamed == "w0 w1 w2 w3 "  # by a worker that was started anew
    else:
        assert (answer.text, answer.headers["x-bakeoff-fallback"]) == ("w0 w1 ", "1")
        assert after.status == 502
    assert state["breaker"]["failures"] == 2
    assert state["counts"]["starts"] == 2


@pytest.mark.parametrize("knob", ["--error-event", "--half-line"])
def test_a_worker_that_fails_at_the_end_of_its_answer(knob, tmp_path):
    commands = fakes(a=[knob, "--delay-s", "0.02", "--tokens", "5"], b=["--tokens", "2"])

    async def run():
        async with running(make_plan("a", "b", routes={"tweet": ["a", "b"]}), tmp_path, commands=commands) as gateway:
            return [await gateway.ask("bakeoff/tweet", stream=stream) for stream in (True, False)]

    streamed, whole = asyncio.run(run())
    assert streamed.streamed == "w0 w1 w2 w3 w4 "
    assert is_error(streamed.events[-1])
    assert whole.text == "w0 w1 "


def test_a_breaker_that_is_open_sends_the_route_on_and_tells_who_asked_by_name(tmp_path):
    commands = fakes(a=["--status", "500"], b=["--tokens", "2"])

    async def run():
        async with running(make_plan("a", "b", routes={"tweet": ["a", "b"]}), tmp_path, commands=commands) as gateway:
            fallbacks = [(await gateway.ask("bakeoff/tweet")).headers["x-bakeoff-fallback"] for _ in range(5)]
            named = await gateway.ask("a")
            listed = await (await gateway.client.get(f"{gateway.url}/v1/models/a")).json()
            counted = gateway.metric(
                "bakeoff_requests_total", route="tweet", model="b", fallback="1", outcome="answered"
            )
            return fallbacks, named, listed, counted

    fallbacks, named, listed, counted = asyncio.run(run())
    assert fallbacks == ["1"] * 5
    assert (named.status, named.json["error"]["code"]) == (503, "model_resting")
    assert int(named.headers["retry-after"]) >= 1
    assert listed["bakeoff"]["breaker"] == "open"
    assert counted == 5


def test_a_full_queue_is_429_at_once_and_nobody_stands_in(tmp_path):
    commands = fakes(a=["--load-s", "2"], b=[])

    async def run():
        plan = make_plan("a", "b", routes={"tweet": ["a", "b"]})
        async with running(plan, tmp_path, commands=commands, keeping=Keeping(queue=2, slots=1)) as gateway:
            return await asyncio.gather(*(gateway.ask("bakeoff/tweet") for _ in range(6)))

    answers = asyncio.run(run())
    full = [answer for answer in answers if answer.status == 429]
    assert len(full) == 3
    assert all(answer.json["error"]["code"] == "queue_full" for answer in full)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in full)
    assert all(answer.headers["x-bakeoff-candidate"] == "a" for answer in answers if answer.status == 200)


def test_a_model_that_is_not_ready_in_time_is_503(tmp_path):
    async def run():
        waiting = QUICK.model_copy(update={"model_s": 0.3})
        async with running(make_plan("a"), tmp_path, commands=fakes(a=["--load-s", "5"]), waiting=waiting) as gateway:
            return await gateway.ask("a")

    answer = asyncio.run(run())
    assert (answer.status, answer.json["error"]["code"]) == (503, "model_loading")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_model_that_cannot_start_is_503_and_no_path_is_told(tmp_path):
    async def run():
        async with running(make_plan("a"), tmp_path, commands=fakes(a=["--exit-at-start", "3"])) as gateway:
            return await gateway.ask("a")

    answer = asyncio.run(run())
    assert (answer.status, answer.json["error"]["code"]) == (503, "model_not_loaded")
    assert str(tmp_path) not in answer.body.decode()


def test_a_stream_that_waits_for_its_model_is_kept_alive(tmp_path):
    async def run():
        async with running(make_plan("a"), tmp_path, commands=fakes(a=["--load-s", "1.5", "--tokens", "3"])) as gateway:
            return await gateway.ask("a", stream=True)

    answer = asyncio.run(run())
    assert answer.body.count(b": loading\n\n") >= 3
    assert answer.streamed == "w0 w1 w2 "
    assert answer.headers["x-bakeoff-pending"] == "1"
    assert b": x-bakeoff-candidate: a\n" in answer.body
    assert answer.events[-1] == "[DONE]"


def test_many_clients_of_one_loading_model_share_the_load(tmp_path):
    async def run():
        async with running(make_plan("a"), tmp_path, commands=fakes(a=["--load-s", "0.5"])) as gateway:
            answers = await asyncio.gather(*(gateway.ask("a") for _ in range(20)))
            return answers, gateway.supervisor.snapshot()["models"]["a"]["counts"]

    answers, counts = asyncio.run(run())
    assert [answer.status for answer in answers] == [200] * 20
    assert counts["starts"] == 1


def test_unknown_fields_reach_the_engine_and_the_answer_is_its_own(tmp_path):
    """What goes up is the client's body but for the model's name and the wish for usage; what comes down is the upstream's stream, byte by byte."""
    got = {}

    async def run():
        async def answer(request):
            got["body"] = await request.json()
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            for piece in stream:
                await response.write(piece)
            return response

        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            async with running(make_plan(make_model("remote", "endpoint", url), run=None), tmp_path) as gateway:
                fields = {"tools": [{"type": "function"}], "my_own": {"x": [1, None]}, "seed": 3}
                return await gateway.ask("remote", stream=True, metadata={"content_type": "tweet", "k": "v"}, **fields)
        finally:
            await runner.cleanup()

    first = {"id": "1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a\u00e9"}}], "zz": [1]}
    stream = [
        b"data: " + json.dumps(first).encode() + b"\r\n\r\n",
        b": comment\n\n",
        b'id: 7\nevent: message\ndata: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
        b"data: [DONE]\n\n",
    ]
    answer = asyncio.run(run())
    assert answer.body == b"".join(stream)
    expected = request(
        "m", stream=True, tools=[{"type": "function"}], my_own={"x": [1, None]}, seed=3, metadata={"k": "v"}
    )
    assert got["body"] == expected | {"stream_options": {"include_usage": True}}


TELLS_USAGE = {"choices": [], "usage": {"prompt_tokens": 900, "completion_tokens": 2}}


@pytest.mark.parametrize("wanted", [None, {"include_usage": False}, {"include_usage": True}])
def test_a_key_pays_for_the_prompt_of_a_stream_whether_or_not_its_client_wants_to_know(wanted, tmp_path):
    asked = []

    async def answer(request):
        asked.append(await request.json())
        usage = [TELLS_USAGE] if (asked[-1].get("stream_options") or {}).get("include_usage") else []
        return await stream_of(request, chunk("a "), chunk("b", "stop"), *usage, b"[DONE]")

    secret = "a-key-of-a-client"
    key = ApiKey("k", bytes.fromhex(hash_of(secret)), KeyLimits(tokens_per_minute=500))
    fields = {} if wanted is None else {"stream_options": wanted}

    async def run():
        async with endpoint(answer) as url:
            plan = make_plan(make_model("remote", "endpoint", url), run=None)
            async with running(plan, tmp_path, keys=Keys(KeyRing([key]))) as gateway:
                headers = {"Authorization": f"Bearer {secret}"}
                async with gateway.post(request("remote", stream=True, **fields), headers=headers) as response:
                    body = await response.read()
                (use,) = gateway.gateway.monitor.key_uses
                await until(lambda: not use.under_way)
                return body, use.tokens

    body, tokens = asyncio.run(run())
    assert tokens == 902
    assert (b"prompt_tokens" in body) is (wanted == {"include_usage": True})
    assert body.endswith(b"data: [DONE]\n\n")
    assert asked[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("wanted", [None, {"include_usage": True}])
def test_a_server_that_refuses_the_wish_for_usage_is_asked_as_the_client_asks(wanted, tmp_path):
    asked = []

    async def answer(request):
        asked.append(await request.json())
        if asked[-1].get("stream_options"):
            return web.json_response({"error": {"message": "unknown field: stream_options"}}, status=400)
        return await stream_of(request, chunk("a "), chunk("b", "stop"), TELLS_USAGE, b"[DONE]")

    async def run():
        async with endpoint(answer) as url:
            plan = make_plan(make_model("remote", "endpoint", url), run=None)
            async with running(plan, tmp_path) as gateway:
                fields = {} if wanted is None else {"stream_options": wanted}
                return [await gateway.ask("remote", stream=True, **fields) for _ in range(2)]

    answers = asyncio.run(run())
    if wanted is None:
        assert [answer.streamed for answer in answers] == ["a b", "a b"]
        assert all(TELLS_USAGE in answer.events for answer in answers)  # it came unasked, and passes
        assert ["stream_options" in body for body in asked] == [True, False, False]
    else:
        assert [(answer.status, len(asked)) for answer in answers] == [(400, 2)] * 2


def metric_sum(gateway, name):
    text = gateway.gateway.metrics.text().decode()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name}_count"))


@pytest.mark.parametrize(("pieces", "observed"), [(1, 0), (2, 1)])
@pytest.mark.parametrize("stream", [False, True])
def test_the_time_of_a_token_is_not_told_of_what_came_in_one_piece(pieces, observed, stream, tmp_path):
    async def answer(request):
        parts = [chunk("some words, ")] * pieces
        return await stream_of(request, *parts, chunk("", "stop"), TELLS_USAGE, b"[DONE]")

    async def run():
        async with endpoint(answer) as url:
            plan = make_plan(make_model("remote", "endpoint", url), run=None)
            async with running(plan, tmp_path) as gateway:
                assert (await gateway.ask("remote", stream=stream)).status == 200
                name = "gen_ai_server_time_per_output_token_seconds"
                await until(lambda: metric_sum(gateway, "gen_ai_server_time_to_first_token_seconds") == 1)
                return metric_sum(gateway, name)

    assert asyncio.run(run()) == observed


LIMITS_OF_A_MODEL = [
    (400, {"code": "context_length_exceeded"}),
    (400, {"code": "unsupported_parameter", "param": "n"}),
    (400, {"code": "unsupported_value"}),
    (400, {"code": 400, "type": "exceed_context_size_error"}),
    (400, {"code": 400, "message": "This model's maximum context length is 2048 tokens. However, you requested 9000."}),
    (413, {"code": "body_too_large"}),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "error"), LIMITS_OF_A_MODEL)
def test_what_one_model_cannot_take_the_next_of_the_route_is_asked(status, error, stream, tmp_path):
    said = {"message": "not here", "type": "invalid_request_error", "param": None} | error

    async def refuse(_request):
        return web.json_response({"error": said}, status=status)

    async def run():
        async with endpoint(refuse) as url:
            remote = make_model("remote", "endpoint", url)
            plan = make_plan(
                remote, "spare", "down", routes={"tweet": ["remote", "spare"], "linkedin_post": ["remote", "down"]}
            )
            commands = fakes(spare=["--tokens", "2"], down=["--status", "500"])
            waiting = QUICK.model_copy(update={"comment_every_s": 10.0})  # so that a stream's status tells, too
            async with running(plan, tmp_path, commands=commands, waiting=waiting) as gateway:
                answers = [
                    await gateway.ask(name, stream=stream)
                    for name in ("bakeoff/tweet", "bakeoff/linkedin_post", "remote")
                ]
                return answers, gateway.supervisor.snapshot()["models"]["remote"]["breaker"]["failures"]

    (stood_in, nobody, named), failures = asyncio.run(run())
    assert (stood_in.streamed if stream else stood_in.text) == "w0 w1 "
    assert stood_in.headers["x-bakeoff-fallback"] == "1"
    for answer in (nobody, named):  # the first error is told, and of the model that it is of
        assert (answer.status, answer.json["error"]) == (status, said)
        assert answer.headers["x-bakeoff-candidate"] == "remote"
    assert failures == 0


def test_what_is_wrong_for_every_model_is_told_at_once(tmp_path):
    with Misbehaving("400") as server:
        answer = served(server, tmp_path, ask("bakeoff/tweet"), "spare", commands=fakes(spare=[]))
    assert (answer.status, answer.headers["x-bakeoff-candidate"]) == (400, "remote")
