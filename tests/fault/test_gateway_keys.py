"""Keys and their limits at a real gateway: who is let in, how often, how many at a time, and what is told of them."""

import asyncio
import json
import logging

import pytest

from bakeoff.serve.api_keys import ApiKey, KeyLimits, KeyRing, hash_of
from bakeoff.serve.app import Keys
from bakeoff.serve.settings import EmbeddingsSettings
from gateways import fakes, make_plan, request, running

PLAN = make_plan("a", routes={"tweet": ["a"]})


def key(name, **limits):
    return ApiKey(name, bytes.fromhex(hash_of(f"key-of-{name}")), KeyLimits(**limits))


def shown(name):
    return {"Authorization": f"Bearer key-of-{name}"}


async def post(gateway, name, **fields):
    async with gateway.post(request("a", **fields), headers=shown(name)) as response:
        return response.status, {name.lower(): value for name, value in response.headers.items()}, await response.json()


def test_a_minutes_requests_are_counted_for_each_key_and_nothing_else_is(tmp_path, caplog):
    async def work():
        keys = Keys(clients=KeyRing([key("few", requests_per_minute=2), key("many")]))
        async with running(PLAN, tmp_path, commands=fakes(a=["--tokens", "2"]), keys=keys) as gateway:
            answers = [await post(gateway, "few") for _ in range(5)]
            for _ in range(3):
                async with gateway.client.get(f"{gateway.url}/v1/models", headers=shown("few")) as response:
                    assert response.status == 200
            others = [await post(gateway, "many") for _ in range(4)]
            metric = lambda name, outcome: gateway.metric("bakeoff_key_requests_total", key=name, outcome=outcome)  # noqa: E731
            counted = {name: metric(name, "admitted") for name in ("few", "many")}
            counted["refused"] = metric("few", "requests_per_minute")
            counted["most"] = gateway.metric("bakeoff_key_limit", key="few", limit="requests_per_minute")
            async with gateway.client.get(f"{gateway.url}/status", headers=shown("few")) as response:
                return answers, others, counted, await response.json(), gateway.gateway.metrics.text()

    with caplog.at_level(logging.INFO):
        answers, others, counted, status, metrics = asyncio.run(work())
    assert [status for status, _, _ in answers] == [200, 200, 429, 429, 429]
    assert [status for status, _, _ in others] == [200] * 4
    _, headers, error = answers[-1]
    assert 0 < int(headers["retry-after"]) <= 60
    assert error["error"]["type"] == "rate_limit_error"
    assert error["error"]["code"] == "key_requests_per_minute"
    assert set(error["error"]) == {"message", "type", "param", "code"}
    assert counted == {"few": 2, "many": 4, "refused": 3, "most": 2}
    assert {each["key"]: each["admitted"] for each in status["keys"]} == {"few": 2, "many": 4}
    told = [record.getMessage() for record in caplog.records if "few" in record.getMessage()]
    assert told == ["the key few is over its limit: requests_per_minute 2"]
    said = caplog.text + metrics.decode() + json.dumps(status) + json.dumps(error)
    assert "key-of-" not in said
    assert hash_of("key-of-few") not in said


def test_tokens_that_were_served_count_and_the_next_request_waits_for_them(tmp_path):
    """The fake worker says 1 token read and 5 written: the second answer uses the limit up, and goes to its end."""

    async def work():
        keys = Keys(clients=KeyRing([key("few", tokens_per_minute=12), key("many")]))
        async with running(PLAN, tmp_path, commands=fakes(a=["--tokens", "5"]), keys=keys) as gateway:
            answers = [await post(gateway, "few") for _ in range(3)]
            assert (await post(gateway, "many"))[0] == 200
            counted = gateway.metric("bakeoff_key_tokens_total", key="few")
            async with gateway.client.get(f"{gateway.url}/status", headers=shown("few")) as response:
                return answers, counted, (await response.json())["keys"]

    answers, counted, status = asyncio.run(work())
    assert [found for found, _, _ in answers] == [200, 200, 429]
    _, headers, error = answers[-1]
    assert (error["error"]["code"], error["error"]["type"]) == ("key_tokens_per_minute", "rate_limit_error")
    assert error["error"]["message"] == "answers to this key may take 12 tokens a minute, and have"
    assert 0 < int(headers["retry-after"]) <= 60
    assert counted == 12
    assert [(each["key"], each["tokens"], each["tokens_per_minute"]) for each in status] == [
        ("few", 12, 12),
        ("many", 6, None),
    ]


def test_an_answer_that_its_client_cuts_off_counts_with_what_came_of_it(tmp_path):
    """Else whoever hangs up before the end, where tokens are told, would have no limit."""

    async def work():
        keys = Keys(clients=KeyRing([key("one", tokens_per_minute=3)]))
        commands = fakes(a=["--tokens", "100000", "--delay-s", "0.01"])
        async with running(PLAN, tmp_path, commands=commands, keys=keys) as gateway:
            async with gateway.post(request("a", stream=True), headers=shown("one")) as response:
                read = b""
                while read.count(b'"content"') < 5:
                    read += await response.content.readany()
            async with asyncio.timeout(20):
                while not gateway.metric("bakeoff_key_tokens_total", key="one"):  # noqa: ASYNC110 - the gateway's own time
                    await asyncio.sleep(0.01)
            return gateway.metric("bakeoff_key_tokens_total", key="one"), (await post(gateway, "one"))[2]

    counted, error = asyncio.run(work())
    assert counted >= 5
    assert error["error"]["code"] == "key_tokens_per_minute"


@pytest.mark.parametrize("how", ["answered", "hung up", "refused"])
def test_a_place_is_free_again_however_a_request_ends(how, tmp_path):
    async def work():
        keys = Keys(clients=KeyRing([key("one", concurrent_requests=1)]))
        commands = fakes(a=["--tokens", "100000" if how == "hung up" else "30", "--delay-s", "0.02"])
        async with running(PLAN, tmp_path, commands=commands, keys=keys) as gateway:
            open_now = lambda: gateway.metric("bakeoff_key_open_requests", key="one")  # noqa: E731
            asked = request("a" if how != "refused" else "nobody", stream=True)
            async with gateway.post(asked, headers=shown("one")) as response:
                if how != "refused":
                    await response.content.readany()
                    status, headers, error = await post(gateway, "one")
                    assert (status, error["error"]["code"]) == (429, "key_concurrent_requests")
                    assert int(headers["retry-after"]) >= 1
                if how != "hung up":
                    await response.read()
            for _ in range(1000):
                if not open_now():
                    break
                await asyncio.sleep(0.01)
            return open_now()

    assert asyncio.run(work()) == 0


def test_embeddings_count_too_and_what_is_refused_at_the_door_does_not(tmp_path):
    async def work():
        keys = Keys(clients=KeyRing([key("one", requests_per_minute=1)]))
        nowhere = EmbeddingsSettings(endpoint="http://127.0.0.1:9/v1")
        async with running(PLAN, tmp_path, commands=fakes(a=[]), keys=keys, embeddings=nowhere) as gateway:
            found = []
            for headers in ({}, shown("other"), shown("one") | {"Host": "evil.example"}, shown("one"), shown("one")):
                async with gateway.post({"input": "x"}, "/v1/embeddings", headers=headers) as response:
                    found.append(response.status)
            return found

    assert asyncio.run(work()) == [401, 401, 403, 502, 429]


def test_keys_change_while_a_stream_goes_on(tmp_path):
    async def work():
        keys = Keys(clients=KeyRing([key("old")]))
        commands = fakes(a=["--tokens", "40", "--delay-s", "0.02"])
        async with running(PLAN, tmp_path, commands=commands, keys=keys) as gateway:
            async with gateway.post(request("a", stream=True), headers=shown("old")) as response:
                await response.content.readany()
                gateway.gateway.change_keys(KeyRing([key("new")]))
                refused, let_in = (await post(gateway, "old"))[0], (await post(gateway, "new"))[0]
                rest = await response.read()
            return refused, let_in, rest, gateway.gateway.metrics.text()

    refused, let_in, rest, metrics = asyncio.run(work())
    assert (refused, let_in) == (401, 200)
    assert rest.endswith(b"data: [DONE]\n\n")
    assert b'key="old"' not in metrics


def test_the_last_key_taken_away_leaves_the_gateway_locked(tmp_path):
    async def work():
        keys = Keys(clients=KeyRing(locked=True))
        async with (
            running(PLAN, tmp_path, commands=fakes(a=[]), keys=keys) as gateway,
            gateway.client.get(f"{gateway.url}/v1/models") as response,
        ):
            return response.status

    assert asyncio.run(work()) == 401


@pytest.mark.parametrize("head", [b"X: " + b"x" * 200_000, b"\r\n".join(b"X%d: y" % n for n in range(20_000))])
def test_a_head_that_is_too_large_is_refused_in_openais_shape(head, tmp_path):
    async def work():
        async with running(PLAN, tmp_path, commands=fakes(a=[])) as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(65536), 10)
            writer.close()
            return answer

    status, _, body = asyncio.run(work()).partition(b"\r\n\r\n")
    assert status.split()[1] in {b"400", b"431"}
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


def test_no_cors_headers_are_sent_to_anybody(tmp_path):
    async def work():
        async with running(PLAN, tmp_path, commands=fakes(a=[])) as gateway:
            asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
            found = []
            for method, path in (
                ("OPTIONS", "/v1/chat/completions"),
                ("GET", "/v1/models"),
                ("POST", "/v1/completions"),
            ):
                async with gateway.client.request(method, gateway.url + path, headers=asks) as response:
                    found.append(
                        (response.status, [name for name in response.headers if "access-control" in name.lower()])
                    )
            return found

    assert asyncio.run(work()) == [(405, []), (200, []), (403, [])]
