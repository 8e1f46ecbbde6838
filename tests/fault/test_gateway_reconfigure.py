"""A gateway that is told to serve something else while requests are under way: none is cut, and none falls between two plans."""

import asyncio

from bakeoff.serve.app import Keys
from bakeoff.serve.cost_terms import CostTerms, Figure
from bakeoff.serve.keeping import Keeping
from bakeoff.serve.settings import ServerSettings, ServeSettings
from gateways import QUICK, fakes, make_plan, request, running

BOTH = make_plan("a", "b", routes={"tweet": ["b", "a"]})
ALONE = make_plan("a", routes={"business_email": ["a"]}, run="r2")
COMMANDS = fakes(a=["--tokens", "3"], b=["--tokens", "60", "--delay-s", "0.02"])


def change(gateway, plan, *, keeping=None, terms=None, **server):
    settings = ServeSettings(server=ServerSettings(port=0, **server), waiting=QUICK, keeping=keeping or Keeping())
    gateway.supervisor.reconfigure(plan, settings.keeping)
    gateway.gateway.reconfigure(plan, settings, Keys(), terms or CostTerms())


def test_a_stream_of_a_model_that_leaves_ends_whole_and_later_requests_see_the_new_plan(tmp_path):
    async def work():
        patient = QUICK.model_copy(update={"comment_every_s": 30.0})  # a stream that waits says nothing yet
        async with running(BOTH, tmp_path, commands=COMMANDS, waiting=patient) as gateway:
            async with gateway.post(request("bakeoff/tweet", stream=True)) as response:
                await response.content.readany()
                change(gateway, ALONE)
                gone = await gateway.ask("b")
                route = await gateway.ask("bakeoff/email")
                rest = await response.read()
            return response.headers["x-bakeoff-run"], rest, gone, route, gateway.supervisor.snapshot()["models"]

    run, rest, gone, route, models = asyncio.run(work())
    assert run == "r1"
    assert rest.endswith(b"data: [DONE]\n\n")
    assert b'"error"' not in rest
    assert (gone.status, gone.json["error"]["code"]) == (404, "model_not_found")
    assert (route.status, route.headers["x-bakeoff-run"]) == (200, "r2")
    assert models["a"]["state"] == "ready"


def test_who_waits_for_a_model_that_leaves_is_answered_by_the_next_of_its_route_or_told_so(tmp_path):
    slow = fakes(a=["--tokens", "3"], b=["--load-s", "30"])

    async def work():
        async with running(BOTH, tmp_path, commands=slow) as gateway:
            routed = asyncio.create_task(gateway.ask("bakeoff/tweet"))
            named = asyncio.create_task(gateway.ask("b"))
            for _ in range(1000):
                if gateway.leases() == 2:
                    break
                await asyncio.sleep(0.01)
            change(gateway, ALONE)
            return await routed, await named

    routed, named = asyncio.run(work())
    assert (routed.status, routed.headers["x-bakeoff-candidate"], routed.headers["x-bakeoff-fallback"]) == (
        200,
        "a",
        "1",
    )
    assert (named.status, named.json["error"]["code"]) == (503, "model_not_served")
    assert named.json["error"]["message"] == "b is no longer served: ask again for what serves now"


def test_a_fallback_that_left_meanwhile_is_no_fault_of_the_gateway(tmp_path):
    plan = make_plan("b", "a", routes={"tweet": ["b", "a"]})
    commands = fakes(a=["--tokens", "3"], b=["--hang-after", "0"])

    async def work():
        async with running(plan, tmp_path, commands=commands) as gateway:
            asked = asyncio.create_task(gateway.ask("bakeoff/tweet"))
            for _ in range(1000):
                if gateway.supervisor.snapshot()["models"]["b"]["leases"]:
                    break
                await asyncio.sleep(0.01)
            change(gateway, make_plan("b"))
            return await asked

    answer = asyncio.run(work())
    assert answer.status in {502, 503}
    assert answer.json["error"]["code"] in {"upstream_failed", "model_not_served"}


def test_totals_never_fall_and_limits_change(tmp_path):
    terms = {name: Figure(value=50.0, provenance="assumed") for name in "ab"}
    both = CostTerms(watts=terms, devices=dict.fromkeys("ab", "cpu"))
    alone = CostTerms(watts={"a": terms["a"]}, devices={"a": "cpu"})

    async def work():
        async with running(BOTH, tmp_path, commands=COMMANDS, terms=both) as gateway:
            await gateway.ask("b")
            energy = lambda name: gateway.metric("bakeoff_energy_joules_total", model=name, provenance="assumed")  # noqa: E731
            before = energy("b")
            change(gateway, ALONE, terms=alone, max_body_bytes=1024)
            await gateway.ask("a")
            large = await gateway.ask("a", padding="x" * 2000)
            labels = {"route": "named", "fallback": "0", "outcome": "answered"}
            for _ in range(1000):  # a request is counted after its answer was sent
                answered = [gateway.metric("bakeoff_requests_total", model=model, **labels) for model in "ab"]
                if answered == [1, 1]:
                    break
                await asyncio.sleep(0.01)
            return before, energy("b"), energy("a"), large.status, answered

    before, after, other, large, answered = asyncio.run(work())
    assert 0 < before <= after
    assert other > 0
    assert large == 413
    assert answered == [1, 1]


def test_a_breaker_goes_by_the_new_rules_from_the_next_failure_on(tmp_path):
    async def work():
        async with running(make_plan("a"), tmp_path, commands=fakes(a=["--status", "500"])) as gateway:
            await gateway.ask("a")
            change(gateway, make_plan("a"), keeping=Keeping(breaker_failures=2, first_open_s=200, longest_open_s=200))
            answers = [await gateway.ask("a") for _ in range(2)]
            return [answer.json["error"]["code"] for answer in answers], int(answers[1].headers["retry-after"])

    codes, after_s = asyncio.run(work())
    assert codes == [
        "upstream_failed",
        "model_resting",
    ]  # by the rules from before, the third failure would have opened it
    assert 100 <= after_s <= 200
