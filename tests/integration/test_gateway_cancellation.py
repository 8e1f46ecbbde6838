"""A client that hangs up, in each window (queued, loading, before the first token, decoding) and each way of asking."""

import asyncio
import contextlib
import json

import pytest

from bakeoff.engines.process import WorkerCommand
from bakeoff.serve.keeping import Keeping
from gateways import QUICK, chunk, endpoint, fakes, make_model, make_plan, request, running, stream_of
from tiny_model import make_tiny_model

PATIENT = QUICK.model_copy(update={"first_token_s": 30.0, "stall_s": 30.0, "total_s": 60.0})
PROBE = 1
"""The completion by which a worker shows that it is ready."""
STREAM = pytest.mark.parametrize("stream", [False, True])


async def health(gateway, model):
    life = next(life for (name, _), life in gateway.supervisor._lives.items() if name == model)
    async with life.worker.client() as client:
        return await client.health()


async def until(question, right, within_s=15.0):
    async with asyncio.timeout(within_s):
        while not right(found := await question()):  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.01)
        return found


async def held(gateway, model="a"):
    shown = gateway.supervisor.snapshot()["models"][model]
    return shown["leases"], shown["waiting"], shown["state"]


@contextlib.asynccontextmanager
async def asking(gateway, **fields):
    """A request under way; the client hangs up at the end of the block."""

    async def ask():
        async with gateway.post(request("a", **fields)) as response:
            await response.read()

    task = asyncio.create_task(ask())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def cancelled(gateway):
    """Return how many requests were counted as cancelled."""
    metric = gateway.gateway.metrics.registry.get_sample_value
    labels = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "bakeoff", "gen_ai_request_model": "a"}
    return metric(
        "gen_ai_server_request_duration_seconds_count",
        {**labels, "bakeoff_route": "named", "bakeoff_outcome": "cancelled", "error_type": ""},
    )


@STREAM
def test_queued(stream, tmp_path):
    async def run():
        commands = fakes(a=["--delay-s", "0.05", "--tokens", "4000"])
        keeping = Keeping(slots=1)
        async with running(make_plan("a"), tmp_path, commands=commands, waiting=PATIENT, keeping=keeping) as gateway:
            async with asking(gateway, stream=True):
                await until(lambda: held(gateway), lambda found: found[0] == 1)
                async with asking(gateway, stream=stream):
                    await until(lambda: held(gateway), lambda found: found[1] == 1)
                await until(lambda: held(gateway), lambda found: found[:2] == (1, 0))
                assert (await health(gateway, "a"))["completions"] == PROBE + 1
            await until(lambda: held(gateway), lambda found: found[:2] == (0, 0))
            await until(lambda: cancelled(gateway), lambda count: count == 2)

    asyncio.run(run())


@STREAM
@pytest.mark.parametrize("policy", ["finish", "stop"])
def test_loading(stream, policy, tmp_path):
    async def run():
        keeping = Keeping(abandoned_load=policy)
        commands = fakes(a=["--load-s", "1.5"])
        async with running(make_plan("a"), tmp_path, commands=commands, waiting=PATIENT, keeping=keeping) as gateway:
            async with asking(gateway, stream=stream):
                await until(lambda: held(gateway), lambda found: found[1:] == (1, "loading"))
            await until(lambda: held(gateway), lambda found: found[:2] == (0, 0))
            wanted = "ready" if policy == "finish" else "absent"
            await until(lambda: held(gateway), lambda found: found[2] == wanted)
            if policy == "finish":
                assert (await health(gateway, "a"))["completions"] == PROBE

    asyncio.run(run())


@STREAM
def test_before_the_first_token(stream, tmp_path):
    async def run():
        commands = fakes(a=["--hang-after", "0"])
        async with running(make_plan("a"), tmp_path, commands=commands, waiting=PATIENT) as gateway:
            async with asking(gateway, stream=stream):
                await until(lambda: held(gateway), lambda found: found[0] == 1)
                await until(lambda: health(gateway, "a"), lambda found: found["completions"] == PROBE + 1)
            await until(lambda: held(gateway), lambda found: found == (0, 0, "ready"))
            await until(lambda: cancelled(gateway), lambda count: count == 1)
            assert gateway.supervisor.snapshot()["models"]["a"]["breaker"]["failures"] == 0

    asyncio.run(run())


@STREAM
def test_decoding(stream, tmp_path):
    async def run():
        commands = fakes(a=["--delay-s", "0.1", "--tokens", "4000"])
        async with running(make_plan("a"), tmp_path, commands=commands, waiting=PATIENT) as gateway:
            async with asking(gateway, stream=stream):
                await until(lambda: held(gateway), lambda found: found[0] == 1)
                await until(lambda: health(gateway, "a"), lambda found: found["generated_tokens"] >= 4)
            stopped = (await health(gateway, "a"))["generated_tokens"]
            await until(lambda: held(gateway), lambda found: found[:2] == (0, 0))
            await asyncio.sleep(0.5)  # five tokens' time
            assert (await health(gateway, "a"))["generated_tokens"] <= stopped + 1

    asyncio.run(run())


@STREAM
def test_a_real_engine_stops_too(stream, tmp_path):
    """The whole way to the batcher: what is under way ends, and the count of tokens stands still."""
    folder = tmp_path / "model"
    make_tiny_model(folder, eos=False, layers=4, hidden=256)
    command = WorkerCommand(name="a", engine="onnx", folder=folder, threads=1)
    waiting = PATIENT.model_copy(update={"model_s": 60.0})

    async def run():
        async with running(make_plan("a"), tmp_path, commands={"a": command}, waiting=waiting) as gateway:
            await gateway.ask("a", max_tokens=1)
            async with asking(gateway, stream=stream, max_tokens=1900):
                await until(lambda: health(gateway, "a"), lambda found: found["generated_tokens"] >= 5)
                assert (await health(gateway, "a"))["in_flight"] == 1
            ended = await until(lambda: health(gateway, "a"), lambda found: found["in_flight"] == 0)
            assert ended["generated_tokens"] < 1800
            await asyncio.sleep(0.2)
            assert (await health(gateway, "a"))["generated_tokens"] == ended["generated_tokens"]

    asyncio.run(run())


def test_the_second_request_of_a_connection_is_withdrawn_though_the_first_ended_at_its_server_after_it_began(tmp_path):
    began = asyncio.Event()

    async def answer(asked):
        if (await asked.json()).get("seed") == 2:
            began.set()
            await asyncio.Event().wait()
        response = await stream_of(asked, chunk("word", "stop"), b"[DONE]")
        await asyncio.sleep(0.06)  # the client has all of it, and its server has not ended its body
        return response

    async def run():
        async with endpoint(answer) as url:
            plan = make_plan(make_model("a", "endpoint", url), run=None)
            async with running(plan, tmp_path, waiting=PATIENT) as gateway:
                reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
                for seed in (1, 2):
                    data = json.dumps(request("a", stream=True, seed=seed)).encode()
                    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                    writer.write(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
                    if seed == 1:
                        await reader.readuntil(b"0\r\n\r\n")
                await asyncio.wait_for(began.wait(), 5)
                await until(lambda: held(gateway), lambda found: found[0] == 1)  # the first one is over
                writer.transport.abort()
                await until(lambda: held(gateway), lambda found: found[:2] == (0, 0))
                assert await cancelled(gateway) == 1

    asyncio.run(run())
