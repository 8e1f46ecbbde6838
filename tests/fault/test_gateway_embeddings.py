"""Embeddings of an endpoint of others: replies that come in pieces, and clients that do not wait for them."""

import asyncio
import json

from aiohttp import web

from bakeoff.serve import embeddings
from bakeoff.serve.api_keys import ApiKey, KeyLimits, KeyRing, hash_of
from bakeoff.serve.app import Keys
from bakeoff.serve.settings import EmbeddingsSettings
from gateways import endpoint, make_plan, running
from worker_processes import until

MANY = {"object": "list", "data": [{"index": i, "embedding": [0.125] * 1024} for i in range(64)]}


def ask(gateway, **options):
    return gateway.post({"model": "m", "input": ["x"] * 64}, "/v1/embeddings", **options)


def embedded(handler, folder, work, **more):
    async def run():
        async with endpoint(handler, "embeddings") as url:
            settings = EmbeddingsSettings(endpoint=url)
            async with running(make_plan("a"), folder, commands={}, embeddings=settings, **more) as gateway:
                return await work(gateway)

    return asyncio.run(run())


async def in_pieces(request):
    body = json.dumps(MANY).encode()
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for place in range(0, len(body), 100_000):
        await response.write(body[place : place + 100_000])
        await asyncio.sleep(0.02)  # a piece of its own
    return response


def test_a_reply_that_comes_in_pieces_is_passed_on_whole(tmp_path):
    async def work(gateway):
        async with ask(gateway) as response:
            return response.status, await response.json()

    assert embedded(in_pieces, tmp_path, work) == (200, MANY)


def test_a_reply_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "MAX_ANSWER_BYTES", 150_000)

    async def work(gateway):
        async with ask(gateway) as response:
            return response.status, (await response.json())["error"]

    status, error = embedded(in_pieces, tmp_path, work)
    assert (status, error["code"]) == (502, "upstream_failed")
    assert "more than" in error["message"]


def test_a_client_that_hangs_up_leaves_neither_the_request_nor_its_key_s_place(tmp_path):
    began, left = asyncio.Event(), asyncio.Event()

    async def hang(_request):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    secret = "a-key-of-a-client"
    key = ApiKey("k", bytes.fromhex(hash_of(secret)), KeyLimits(concurrent_requests=1))

    async def work(gateway):
        task = asyncio.create_task(_whole(ask(gateway, headers={"Authorization": f"Bearer {secret}"})))
        await asyncio.wait_for(began.wait(), 5)
        (use,) = gateway.gateway.monitor.key_uses
        assert use.under_way == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(left.wait(), 5)
        await until(lambda: use.under_way == 0, 5)

    embedded(hang, tmp_path, work, keys=Keys(KeyRing([key])))


async def _whole(asking):
    async with asking as response:
        return await response.read()
