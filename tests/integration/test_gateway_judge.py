"""A judge beside a gateway that really runs: grades that drop alarm, a judge that is down does not, and delays nobody."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bakeoff.cli.serving_judge import EndpointJudge
from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.decide.live_reference import LiveReference
from bakeoff.serve.quality_judging import MOST_CHARACTERS
from bakeoff.serve.settings import QualitySettings
from gateways import fakes, make_plan, running
from worker_processes import until


class StubJudge:
    """An endpoint that grades everything the same; `says` None: it fails; `goes_on` cleared: it does not answer."""

    def __init__(self):
        self.says = "5"
        self.asked = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def answer(self, request):
        body = await request.json()
        self.asked.append(body["messages"][-1]["content"])
        await self.goes_on.wait()
        if self.says is None:
            return web.json_response({"error": {"message": "out of order"}}, status=503)
        first = {"token": self.says, "logprob": -0.01, "top_logprobs": [{"token": self.says, "logprob": -0.01}]}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": self.says},
            "finish_reason": "stop",
            "logprobs": {"content": [first]},
        }
        return web.json_response({"object": "chat.completion", "model": "judge", "choices": [choice]})


@asynccontextmanager
async def judged_gateway(folder, backlog=100, expected=100.0):
    """A gateway whose tweets a stub judge grades, held against 0.8 at least; yields it, its sampling and the stub."""
    stub = StubJudge()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", stub.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    spec = ModelSpec(reference="openai:j", name="j", source="endpoint", location=url, digest="j", remote_model="j")
    judge = Candidate(id="openai:j", model=spec, engine="endpoint", sampling=Sampling(temperature=0.0, max_tokens=8))
    found = LiveReference(
        candidate="a", content_type="tweet", measure="judge", mean=0.9, low=0.8, texts=40, families=20
    )
    settings = QualitySettings(share=1.0, backlog=backlog, expected_grades=expected, judge="openai:j")
    try:
        plan = make_plan("a", routes={"tweet": ["a"], "blurb": ["a"]})
        commands = fakes(a=["--tokens", "3"])
        async with running(plan, folder, commands=commands, quality=settings) as gateway:
            quality = gateway.gateway.monitor.quality
            quality.refer_to([], ["refusal"])
            quality.judge_by(EndpointJudge(judge), [found])
            yield gateway, quality, stub
            stub.goes_on.set()
    finally:
        await runner.cleanup()


async def ask(gateway, times, route="tweet"):
    for _ in range(times):
        assert (await gateway.ask(f"bakeoff/{route}")).status == 200


def of_judge(gateway, name):
    return gateway.metric(f"bakeoff_quality_{name}", model="a", content_type="tweet", measure="judge")


def test_grades_that_drop_alarm_and_those_that_do_not_never(tmp_path):
    async def go():
        async with judged_gateway(tmp_path) as (gateway, quality, stub):
            await ask(gateway, 60)
            await until(lambda: quality.judging.snapshot()["graded"] == 60)
            calm = of_judge(gateway, "dropped"), of_judge(gateway, "recent_mean")
            await ask(gateway, 1, "blurb")  # nothing to hold it against: the judge is not asked
            stub.says = "1"
            await ask(gateway, 40)
            await until(lambda: of_judge(gateway, "dropped") == 1)
            await until(lambda: quality.judging.snapshot()["graded"] == 100)
            counted = gateway.metric("bakeoff_quality_judged_total", model="a", content_type="tweet")
            return calm, counted, quality.snapshot(), stub.asked

    calm, counted, snapshot, asked = asyncio.run(go())
    assert calm == (0.0, pytest.approx(1.0))
    assert counted == 100
    (stream,) = snapshot["streams"]
    assert (stream["measure"], stream["dropped"]) == ("judge", True)
    assert snapshot["judge"]["failing"] is False
    assert len(asked) == 100
    assert all("Say w0 w1." in text and "Kind of text: tweet" in text for text in asked)


def test_a_judge_that_is_down_is_told_alarms_nobody_and_is_asked_again(tmp_path):
    async def go():
        async with judged_gateway(tmp_path) as (gateway, quality, stub):
            stub.says = None
            await ask(gateway, 3)
            await until(lambda: quality.judging.snapshot()["failing"])
            down = quality.snapshot(), gateway.metric("bakeoff_quality_judge_failing"), of_judge(gateway, "dropped")
            async with gateway.client.get(f"{gateway.url}/status") as answer:
                shown = (await answer.json())["quality"]["judge"]
            stub.says = "5"
            await until(lambda: quality.judging.snapshot()["graded"] == 2, 20)
            return down, shown, quality.snapshot()

    (snapshot, failing, dropped), shown, after = asyncio.run(go())
    assert (failing, dropped) == (1.0, 0.0)
    assert snapshot["streams"][0]["grades"] == 0
    assert "the judge does not answer" in shown["note"]
    assert "127.0.0.1" not in str(shown)
    assert after["judge"]["failing"] is False
    assert after["judge"]["left_out"]["failed"] == 1


def test_what_is_no_grade_is_counted_and_alarms_nobody(tmp_path):
    async def go():
        async with judged_gateway(tmp_path) as (gateway, quality, stub):
            stub.says = "well"
            await ask(gateway, 40)
            await until(lambda: quality.judging.snapshot()["left_out"]["no_grade"] == 40)
            return quality.snapshot()["streams"][0]

    stream = asyncio.run(go())
    assert (stream["grades"], stream["dropped"]) == (0, False)


def test_a_judge_that_hangs_delays_no_answer_and_what_is_beyond_the_backlog_is_counted(tmp_path):
    async def go():
        async with judged_gateway(tmp_path, backlog=4) as (gateway, quality, stub):
            stub.goes_on.clear()
            await ask(gateway, 12)  # each is answered
            # One is asked about, four wait.
            await until(lambda: quality.judging.snapshot()["left_out"]["backlog"] == 7)
            assert len(stub.asked) == 1
            stub.goes_on.set()
            await until(lambda: quality.judging.snapshot()["graded"] == 5)
            long = [{"role": "user", "content": "w" * MOST_CHARACTERS}]
            assert (await gateway.ask("bakeoff/tweet", messages=long)).status == 200
            await until(lambda: quality.judging.snapshot()["left_out"]["too_long"] == 1)
            # Another run, or a setting without a judge: nobody is asked any more.
            quality.refer_to([], ["refusal"])
            await ask(gateway, 2)
            return quality.judging.snapshot(), len(stub.asked)

    snapshot, asked = asyncio.run(go())
    assert snapshot["note"] == "no judge is asked"
    assert asked == 5
