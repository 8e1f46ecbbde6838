"""What comes in: malformed, huge, slow, from strangers. Always an error in OpenAI's shape, never a 500, and others go on."""

import asyncio
import contextlib
import json
import logging
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bakeoff.serve.api_keys import KeyRing, key_of_environment
from bakeoff.serve.app import Keys
from bakeoff.serve.settings import EmbeddingsSettings, ServerSettings, WaitingSettings
from gateways import fakes, make_plan, request, running

PLAN = make_plan("a", routes={"tweet": ["a"]})


def is_error(value):
    return set(value) == {"error"} and set(value["error"]) == {"message", "type", "param", "code"}


@pytest.fixture(scope="module")
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def gateway(loop, tmp_path_factory):
    """One gateway for all that leaves it as it is; its model is a fake that writes two words."""
    stack = contextlib.AsyncExitStack()
    server = ServerSettings(port=0, drain_s=1, head_s=0.5, body_s=2, max_body_bytes=1 << 20)
    made = running(PLAN, tmp_path_factory.mktemp("gateway"), commands=fakes(a=["--tokens", "2"]), server=server)
    yield loop.run_until_complete(stack.enter_async_context(made))
    loop.run_until_complete(stack.aclose())


def post(loop, gateway, data, path="/v1/chat/completions", **headers):
    async def ask():
        sent = {"content-type": "application/json", **headers}
        async with gateway.client.post(gateway.url + path, data=data, headers=sent) as response:
            return response.status, dict(response.headers), await response.read()

    return loop.run_until_complete(ask())


def get(loop, gateway, path, **headers):
    async def ask():
        async with gateway.client.get(gateway.url + path, headers=headers) as response:
            return response.status, response.headers, await response.read()

    return loop.run_until_complete(ask())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["a", "auto", "bakeoff/auto", "bakeoff/tweet", "x"]) | JSON,
        "messages": st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": JSON}), max_size=2) | JSON,
        "prompt": JSON,
        "stream": st.sampled_from([True, False]) | JSON,
        "metadata": st.fixed_dictionaries({"content_type": JSON}) | JSON,
        "stream_options": JSON,
        "n": JSON,
        "stop": JSON,
        "logprobs": JSON,
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=FIELDS, path=st.sampled_from(["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]))
def test_any_json_is_answered_or_refused_in_openais_shape(loop, gateway, body, path):
    status, _, answer = post(loop, gateway, json.dumps(body).encode(), path)
    assert status < 500
    if status == 200:
        assert answer
    else:
        assert is_error(json.loads(answer)), answer


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_in_openais_shape(loop, gateway, data):
    status, _, answer = post(loop, gateway, data)
    assert status == 400
    assert is_error(json.loads(answer))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(min_size=1, max_size=120))
def test_any_bytes_on_the_socket_get_an_answer_or_an_end_and_the_gateway_lives(loop, gateway, data):
    async def ask():
        reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        writer.write(data + b"\r\n\r\n")
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer

    answer = loop.run_until_complete(ask())
    assert not answer or b" 500 " not in answer.split(b"\r\n")[0]
    assert get(loop, gateway, "/health")[0] == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (b'"\xff\xfe"', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"{}", "missing_required_parameter"),
        (b'{"model": 7, "messages": []}', "missing_required_parameter"),
        (b'{"model": "a"}', "invalid_type"),
        (b'{"model": "a", "messages": [7]}', "invalid_type"),
        (b'{"model": "a", "messages": [{}], "stream": "yes"}', "invalid_type"),
        (b'{"model": "a", "messages": [{}], "stream": []}', "invalid_type"),
    ],
)
def test_wrong_requests_name_what_is_wrong(loop, gateway, body, code):
    status, _, answer = post(loop, gateway, body)
    assert (status, json.loads(answer)["error"]["code"]) == (400, code)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize(
    ("fields", "param", "expected"),
    [
        ({"metadata": 5}, "metadata", "must be an object"),
        ({"metadata": []}, "metadata", "must be an object"),
        ({"metadata": {"content_type": 5}}, "metadata.content_type", "must be a string"),
        ({"stream_options": 5}, "stream_options", "must be an object"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "must be true or false"),
    ],
)
def test_options_of_a_wrong_type_are_not_taken_for_unsaid(loop, gateway, path, fields, param, expected):
    body = request("auto", prompt="x", **fields)
    status, _, answer = post(loop, gateway, json.dumps(body).encode(), path)
    value = json.loads(answer)
    assert is_error(value)
    assert (status, value["error"]["param"], value["error"]["code"]) == (400, param, "invalid_type")
    assert expected in value["error"]["message"]


def test_options_that_are_null_are_unsaid(loop, gateway):
    body = request("a", metadata={"content_type": None, "mine": "x"}, stream_options=None)
    assert post(loop, gateway, json.dumps(body).encode())[0] == 200


@pytest.mark.parametrize("depth", [*range(880, 1000, 5), 2000])
def test_deep_bodies_are_refused_or_passed_on(loop, gateway, depth):
    body = b'{"model": "a", "messages": [{"role": "user", "content": "x"}], "y": ' + b"[" * depth + b"]" * depth + b"}"
    status, _, answer = post(loop, gateway, body)
    assert status in {200, 400}
    assert status == 200 or is_error(json.loads(answer))


def test_an_unknown_model_is_404_with_what_exists(loop, gateway):
    status, _, answer = post(loop, gateway, json.dumps(request("gpt-9")).encode())
    error = json.loads(answer)["error"]
    assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "bakeoff/tweet" in error["message"]


@pytest.mark.parametrize("megabytes", [2, 20, 50, 200])
def test_a_huge_body_is_413_whether_or_not_it_is_read_to_the_end(loop, gateway, megabytes):
    async def ask():
        reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        length = megabytes * 2**20
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % length)
        with contextlib.suppress(ConnectionError):
            for _ in range(megabytes):
                writer.write(b"x" * 2**20)
                await writer.drain()
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(65536), 10)
        writer.close()
        return answer

    answer = loop.run_until_complete(ask())
    if megabytes <= 20 or answer:
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"body_too_large" in answer
    assert get(loop, gateway, "/health")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/v1/chat/completions", 405),
        ("OPTIONS", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models/a", 405),
        ("POST", "/v1/responses", 404),
        ("GET", "/v1/models/no-such", 404),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/%1b%5b31m", 404),
    ],
)
def test_all_else_is_an_error_in_openais_shape(loop, gateway, method, path, status):
    async def ask():
        async with gateway.client.request(method, gateway.url + path, json={}) as response:
            return response.status, response.headers, await response.read()

    got, headers, answer = loop.run_until_complete(ask())
    assert got == status
    assert is_error(json.loads(answer))
    assert b"\x1b" not in answer
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "a b", "[", "localhost.evil.example:80"]
)
def test_a_host_that_is_not_ours_is_refused(loop, gateway, host):
    status, _, answer = get(loop, gateway, "/v1/models", host=host)
    assert status in {400, 403}
    assert is_error(json.loads(answer))


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]:80", "192.168.1.7", socket.gethostname()]
)
def test_a_host_that_is_ours_is_let_in(loop, gateway, host):
    assert get(loop, gateway, "/v1/models", host=host)[0] == 200


def test_a_page_of_others_may_not_post(loop, gateway):
    body = json.dumps(request("a")).encode()
    for origin in ("https://evil.example", "null"):
        status, _, answer = post(loop, gateway, body, origin=origin)
        assert (status, json.loads(answer)["error"]["code"]) == (403, "origin_not_allowed")
    assert post(loop, gateway, body, origin=gateway.url)[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /health HT",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: y\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{",
    ],
)
def test_slow_requests_are_ended_in_time(loop, gateway, sent):
    async def ask():
        reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        writer.write(sent)
        begun = loop.time()

        async def dribble():
            with contextlib.suppress(ConnectionError):
                while True:
                    await asyncio.sleep(0.1)
                    writer.write(b"x")

        dribbling = asyncio.create_task(dribble()) if sent else None
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 10)
        if dribbling is not None:
            dribbling.cancel()
        writer.close()
        return loop.time() - begun

    assert loop.run_until_complete(ask()) < 5


async def first_answer(gateway, sent):
    """Send, then wait; return the first bytes of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(65536), 10)
    writer.close()
    return answer


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/completions"])
def test_a_body_that_never_begins_is_not_waited_for(loop, gateway, path):
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n" % path
    answer = loop.run_until_complete(first_answer(gateway, head))
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in answer


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/completions", b"/nowhere"])
def test_a_body_that_is_cut_off_is_400_where_the_client_still_reads(loop, gateway, path):
    async def ask(body, *, before=b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        writer.write(before + b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n%b" % (path, body))
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer

    for body in (b"", b'{"model": "a"'):
        answer = loop.run_until_complete(ask(body))
        head, _, said = answer.partition(b"\r\n\r\n")
        if path == b"/nowhere":  # answered without a look at the body, or cut off before that
            assert head.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))
            continue
        assert head.startswith(b"HTTP/1.1 400")
        assert json.loads(said)["error"]["code"] == "incomplete_body"
    pipelined = loop.run_until_complete(ask(b"{", before=b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    assert pipelined.count(b"HTTP/1.1 ") <= 2
    assert gateway.leases() == 0
    assert loop.run_until_complete(gateway.ask("a")).status == 200


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_declared_size_above_the_limit_is_413_before_the_body_comes(loop, gateway, expect):
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n%bContent-Length: 2000000\r\n\r\n" % expect
    answer = loop.run_until_complete(first_answer(gateway, head))
    assert answer.startswith(b"HTTP/1.1 413")
    assert is_error(json.loads(answer.partition(b"\r\n\r\n")[2]))


def test_a_body_in_chunks_above_the_limit_is_413_while_it_comes(loop, gateway):
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (2_000_000, b"x" * 2_000_000)
    answer = loop.run_until_complete(first_answer(gateway, head + chunk))
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_websocket_is_refused_without_advice_to_install_one(loop, gateway, caplog):
    head = b"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    answer = loop.run_until_complete(first_answer(gateway, head))
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"unknown_url" in answer
    assert caplog.text == ""


def test_the_end_cuts_streams_and_unsent_bodies_without_a_traceback(tmp_path, caplog):
    async def work():
        server = ServerSettings(port=0, drain_s=1, body_s=30)
        commands = fakes(a=["--tokens", "100000", "--delay-s", "0.02"])
        async with running(PLAN, tmp_path, commands=commands, server=server) as gateway:
            head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n"
            unsent = asyncio.create_task(first_answer(gateway, head))
            async with gateway.post(request("a", stream=True)) as response:
                await response.content.readany()
                gateway.server.stop()
                return await response.read(), await unsent

    with caplog.at_level(logging.INFO):
        streamed, unsent = asyncio.run(work())
    assert b"gateway_stopping" in streamed
    assert unsent.startswith(b"HTTP/1.1 503")
    assert b"gateway_stopping" in unsent
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert "ASGI" not in caplog.text


def test_two_hundred_slow_clients_leave_others_alone(loop, gateway):
    async def work():
        slow = [await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2])) for _ in range(200)]
        for _, writer in slow:
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        answers = [await gateway.ask("a") for _ in range(5)]
        for reader, writer in slow:
            with contextlib.suppress(ConnectionError):
                assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 408")
            writer.close()
        return answers

    assert [answer.status for answer in loop.run_until_complete(work())] == [200] * 5


def test_a_key_is_asked_for_where_one_is_set(tmp_path):
    async def work():
        keys = Keys(clients=KeyRing([key_of_environment("right-key")]))
        async with running(PLAN, tmp_path, commands=fakes(a=["--tokens", "2"]), keys=keys) as gateway:
            answers, challenges = {}, {}
            for name, header in {
                "none": {},
                "wrong": {"Authorization": "Bearer wrong"},
                "empty": {"Authorization": "Bearer "},
                "basic": {"Authorization": "Basic !!!"},
                "odd": {"Authorization": "Bearer right-key\u00e9"},
                "right": {"Authorization": "Bearer right-key"},
                "browser": {"Authorization": "Basic eDpyaWdodC1rZXk="},
            }.items():
                async with gateway.client.get(f"{gateway.url}/v1/models", headers=header) as response:
                    answers[name] = response.status, await response.json()
                    challenges[name] = response.headers.getall("www-authenticate", [])
            for path in ("/health", "/ready", "/metrics", "/"):
                async with gateway.client.get(gateway.url + path) as response:
                    answers[path] = response.status, None
            return answers, challenges

    answers, challenges = asyncio.run(work())
    assert challenges["none"] == challenges["wrong"] == ["Bearer", 'Basic realm="bakeoff", charset="UTF-8"']
    assert challenges["right"] == []
    statuses = {name: status for name, (status, _) in answers.items()}
    refused = ("none", "wrong", "empty", "basic", "odd", "/metrics", "/")
    assert {statuses[name] for name in refused} == {401}
    assert {statuses[name] for name in ("right", "browser", "/health", "/ready")} == {200}
    assert is_error(answers["wrong"][1])
    assert "right-key" not in json.dumps(answers["wrong"][1])


def test_embeddings_go_to_the_endpoint_that_is_configured(tmp_path):
    got = {}

    async def work():
        from aiohttp import web

        async def embed(asked):
            got["body"], got["key"] = await asked.json(), asked.headers.get("Authorization")
            return web.json_response({"object": "list", "data": [{"embedding": [0.5], "index": 0}]})

        app = web.Application()
        app.router.add_post("/v1/embeddings", embed)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        embeddings = EmbeddingsSettings(endpoint=f"http://127.0.0.1:{runner.addresses[0][1]}/v1", model="small")
        keys = Keys(embeddings="sk-embed")
        try:
            async with running(PLAN, tmp_path, commands=fakes(a=[]), keys=keys, embeddings=embeddings) as gateway:
                async with gateway.post({"model": "any", "input": "x", "mine": 1}, "/v1/embeddings") as response:
                    first = response.status, await response.json()
                await runner.cleanup()
                async with gateway.post({"input": "x"}, "/v1/embeddings") as response:
                    return first, (response.status, await response.json())
        finally:
            await runner.cleanup()

    (status, value), (gone, error) = asyncio.run(work())
    assert (status, value["data"][0]["embedding"]) == (200, [0.5])
    assert got == {"body": {"model": "small", "input": "x", "mine": 1}, "key": "Bearer sk-embed"}
    assert gone == 502
    assert is_error(error)


def test_the_page_runs_nothing_and_escapes_names(tmp_path):
    name = '<script>alert(1)</script>"&\u202e'

    async def work():
        plan = make_plan(name, routes={"<b>tweet": [name]}, run="<i>run")
        async with running(plan, tmp_path, commands=fakes(**{name: []})) as gateway:
            async with gateway.client.get(f"{gateway.url}/") as response:
                page = await response.text()
                policy = response.headers["content-security-policy"]
            answer = await gateway.ask("bakeoff/<b>tweet")
            return page, policy, answer

    page, policy, answer = asyncio.run(work())
    assert "<script" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "\u202e" not in page
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert answer.status == 200
    assert "%E2%80%AE" in answer.headers["x-bakeoff-candidate"]


def test_a_client_that_does_not_read_holds_its_model_no_longer_than_a_write_may_take(tmp_path):
    """Nothing else ends it: its worker has more to say, and may say it for as long as the test waits."""

    async def work():
        server = ServerSettings(port=0, drain_s=1, write_s=0.5)
        waiting = WaitingSettings(stall_s=300, total_s=300)
        commands = fakes(a=["--tokens", "200000"])
        async with running(PLAN, tmp_path, commands=commands, server=server, waiting=waiting) as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]), limit=1024)
            body = json.dumps(request("a", stream=True, max_tokens=200000)).encode()
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            writer.write(body)
            with contextlib.closing(writer):
                async with asyncio.timeout(30):
                    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")  # and from here on it reads no more
                    assert gateway.leases() == 1
                    while gateway.leases():  # noqa: ASYNC110 - another task sets no event of ours
                        await asyncio.sleep(0.02)
            of_a = gateway.supervisor.snapshot()["models"]["a"]
            assert {how: count for how, count in of_a["counts"].items() if how.startswith("ended_") and count} == {
                "ended_cancelled": 1
            }
            assert of_a["state"] == "ready"
            assert (await gateway.ask("a", max_tokens=2)).status == 200

    asyncio.run(work())
