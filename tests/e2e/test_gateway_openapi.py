"""The published OpenAPI document against a gateway process with a real model: schemathesis makes the requests, right and wrong.

Checked are: no answer of a 5xx status, statuses and media types that are documented, bodies and headers of the shape that is documented,
wrong requests refused, right ones not, methods that do not exist, and keys that are asked for.
"""

import asyncio
import json
import re
import urllib.request

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install -e '.[dev]'")

from hypothesis import HealthCheck, settings  # noqa: E402 - after it is known to be there

from bakeoff.engines.openai_protocol import ROLES  # noqa: E402
from bakeoff.serve.openapi import ERRORS, document  # noqa: E402
from bakeoff.serve.settings import EmbeddingsSettings  # noqa: E402
from bakeoff_command import Workspace  # noqa: E402
from gateways import fakes, make_plan, request, running  # noqa: E402

MODELS = ("bakeoff/auto", "bakeoff/general", "bundled:social", "nobody")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A gateway that asks for a key, over a bundled model: its URL and its key."""
    workspace = Workspace(tmp_path_factory.mktemp("served"))
    key = workspace.call("serve", "keys", "new", "tests").stdout.strip()
    log = (workspace.folder / "log").open("w+")
    process = workspace.start("serve", "--models", "bundled:social", "--port", "0", "--json", err=log)
    try:
        yield json.loads(process.stdout.readline())["url"].removesuffix("/v1"), key
    finally:
        process.terminate()
        process.communicate(timeout=40)
        log.seek(0)
        assert "fault of the gateway" not in log.read()
        log.close()


schema = schemathesis.openapi.from_dict(document(locked=True))


def quick(body):
    """Have most requests name a model that there is, and none ask for a long text: what is asked about is the gateway.

    What was wrong stays wrong, and what was right stays right.
    """
    if not isinstance(body, dict):
        return body
    changed = dict(body)
    if isinstance(body.get("model"), str) and body["model"]:
        changed["model"] = MODELS[len(body["model"]) % len(MODELS)]
    most = body.get("max_tokens")
    if most is None or (isinstance(most, int) and most > 4):
        changed["max_tokens"] = 2
    if isinstance(body.get("messages"), list):
        changed["messages"] = [_with_role(each) for each in body["messages"]]
    return changed


def _with_role(message):
    known = isinstance(message, dict) and len(json.dumps(message)) % 2
    return {**message, "role": ROLES[2], "content": "x"} if known else message


@schema.parametrize()
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_gateway_does_what_its_document_says(case, served):
    url, key = served
    # What the gateway lets through, the model's server may still refuse: that one says what a role may be.
    passed_on = case.operation.path.endswith("completions")
    if passed_on:
        case.body = quick(case.body)
    left_out = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")] if passed_on else []
    case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {key}"}, excluded_checks=left_out)


def test_every_path_that_answers_is_in_the_document_and_no_other(tmp_path):
    async def work():
        async with running(make_plan("a"), tmp_path, commands=fakes(a=[])) as gateway:
            routes = gateway.gateway._application(make_plan("a"), gateway.settings).routes
            return {re.sub(r":path", "", route.path): sorted(route.methods - {"HEAD"}) for route in routes}

    found = asyncio.run(work())
    told = {path: sorted(method.upper() for method in of) for path, of in document(locked=False)["paths"].items()}
    assert found == told


def test_the_document_is_published_and_a_key_is_part_of_it_where_one_is_asked_for(served):
    url, key = served
    ask = urllib.request.Request(f"{url}/openapi.json", headers={"authorization": f"Bearer {key}"})
    with urllib.request.urlopen(ask, timeout=10) as answer:
        published = json.loads(answer.read())
    assert published == document(locked=True)
    assert published["security"] == [{"key": []}]
    assert document(locked=False)["security"] == []


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"data": []}', 200),
        (200, b"not json", 502),
        (200, b"[]", 502),
        (400, b"no such model", 400),
        (404, b'{"error": "no such model"}', 404),
        (422, b'{"error": {"message": "wrong"}}', 422),
        (401, b'{"error": {"message": "sk-embed is wrong"}}', 502),
        (418, b"teapot", 502),
        (429, b"", 429),
        (500, b"<html>", 502),
    ],
)
def test_whatever_the_endpoint_for_embeddings_answers_is_as_documented(status, body, expected, tmp_path):
    async def work():
        from aiohttp import web

        app = web.Application()

        async def answer(_asked):
            return web.Response(status=status, body=body, headers={"Retry-After": "7"})

        app.router.add_post("/v1/embeddings", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        embeddings = EmbeddingsSettings(endpoint=f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        try:
            async with (
                running(make_plan("a"), tmp_path, commands=fakes(a=[]), embeddings=embeddings) as gateway,
                gateway.post({"input": "x"}, "/v1/embeddings") as response,
            ):
                return response.status, response.headers, await response.json()
        finally:
            await runner.cleanup()

    got, headers, value = asyncio.run(work())
    assert got == expected
    assert got == 200 or str(got) in ERRORS
    assert headers["content-type"] == "application/json"
    if got != 200:
        assert set(value["error"]) == {"message", "type", "param", "code"}
        assert "sk-embed" not in json.dumps(value)
    if got in {429, 502}:
        assert int(headers["retry-after"]) == (7 if got == 429 else 5)


@pytest.mark.parametrize("depth", [*range(900, 1000, 9), 5000])
def test_deep_bodies_for_embeddings_are_no_fault_of_the_gateway(depth, tmp_path):
    async def work():
        nowhere = EmbeddingsSettings(endpoint="http://127.0.0.1:9/v1")
        async with running(make_plan("a"), tmp_path, commands=fakes(a=[]), embeddings=nowhere) as gateway:
            data = b'{"input": ' + b"[" * depth + b"]" * depth + b"}"
            async with gateway.client.post(f"{gateway.url}/v1/embeddings", data=data) as response:
                return response.status

    assert asyncio.run(work()) in {400, 502}


def test_a_405_says_which_methods_there_are(tmp_path):
    async def work():
        async with (
            running(make_plan("a"), tmp_path, commands=fakes(a=[])) as gateway,
            gateway.client.delete(f"{gateway.url}/v1/completions", json=request("a")) as response,
        ):
            return response.status, response.headers["allow"], await response.json()

    status, allowed, value = asyncio.run(work())
    assert (status, allowed) == (405, "POST")
    assert value["error"]["code"] == "unknown_url"
