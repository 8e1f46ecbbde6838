"""The supervisor with real processes: workers that crash, hang, outgrow, or never start; clients that leave; ends of all kinds."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import aiohttp
import psutil
import pytest

from bakeoff.core.errors import EndpointError, UsageError
from bakeoff.core.spec import Sampling
from bakeoff.engines.client import EndpointClient
from bakeoff.engines.deadlines import Deadlines
from bakeoff.machine.budget import HOST
from bakeoff.machine.free_memory import free_memory
from bakeoff.serve import keeping
from bakeoff.serve.keeping import Keeping, ModelKeeping
from bakeoff.serve.lease import BreakerOpen, LoadFailed, LoadTooLong, NotServed, QueueFull, Stopping
from bakeoff.serve.leftovers import end_leftovers, keep_list, process_start
from bakeoff.serve.supervisor import Supervisor, World
from misbehaving import Misbehaving
from serving_plans import MIB, bundled, fakes, plan_of, served
from waiting import wait_until
from worker_processes import until, workers_of

MESSAGES = [{"role": "user", "content": "Write."}]
WAIT_S = 90.0
QUICK = Deadlines(connect_s=2, first_token_s=1.0, stall_s=1.0, total_s=60)


def ending(error):
    return "stalled" if "within" in error.message else "connection_lost"


async def ask(supervisor, model, deadlines=QUICK, tokens=16):
    """One request, as the gateway makes it: the answer, or the error after its lease was told how it ended."""
    async with supervisor.lease(model, WAIT_S) as lease:
        try:
            async with EndpointClient(lease.upstream.address, model, deadlines=deadlines) as client:
                answer = await client.generate(MESSAGES, Sampling(max_tokens=tokens), 0)
        except EndpointError as error:
            lease.ended(ending(error))
            raise
        lease.ended("answered")
        return answer.text


def state(supervisor, model):
    return supervisor.snapshot()["models"][model]


def holding(supervisor):
    return {name: model["leases"] for name, model in supervisor.snapshot()["models"].items() if model["leases"]}


def run(work):
    return asyncio.run(work)


@pytest.fixture
def a_and_b():
    return plan_of(served("a", 200), served("b", 180))


def test_two_models_that_do_not_fit_together_take_turns(tmp_path, a_and_b):
    learned = []

    async def live():
        settings = Keeping(budget_bytes=300 * MIB, slots=4)
        commands = fakes(a=["--hold-mb", "60"], b=["--hold-mb", "50"])
        async with Supervisor(
            a_and_b, settings, tmp_path, commands=commands, world=World(learned=learned.append)
        ) as supervisor:
            assert await ask(supervisor, "a")
            assert list(supervisor.pids()) == ["a"]
            assert await ask(supervisor, "b")
            assert list(supervisor.pids()) == ["b"]
            assert state(supervisor, "a")["counts"]["evicted"] == 1
            json.dumps(supervisor.snapshot(), allow_nan=False)
            pids = [*supervisor.pids().values()]
        assert not any(psutil.pid_exists(pid) for pid in pids)

    run(live())
    assert [(seen.candidate.id, seen.most_at_once) for seen in learned] == [("a", 1), ("b", 1)]
    assert all(seen.admitted_bytes > seen.peak_bytes > 50 * MIB for seen in learned)


def test_a_kill_in_the_middle_of_a_stream_costs_that_stream_alone(tmp_path, a_and_b):
    async def live():
        commands = fakes(a=["--tokens", "400", "--delay-s", "0.02"], b=["--tokens", "60", "--delay-s", "0.02"])
        async with Supervisor(a_and_b, Keeping(slots=4), tmp_path, commands=commands) as supervisor:
            first = asyncio.create_task(ask(supervisor, "a", tokens=400))
            other = asyncio.create_task(ask(supervisor, "b", tokens=60))
            await until(lambda: holding(supervisor) == {"a": 1, "b": 1}, within_s=WAIT_S)
            killed = supervisor.pids()["a"]
            os.kill(killed, signal.SIGKILL)
            with pytest.raises(EndpointError):
                await asyncio.wait_for(first, 10)
            assert state(supervisor, "a")["breaker"]["failures"] == 1
            assert len((await other).split()) == 60
            assert await ask(supervisor, "a", tokens=4)
            assert supervisor.pids()["a"] != killed
            assert state(supervisor, "a")["generation"] == 2
            assert state(supervisor, "a")["breaker"]["failures"] == 0
            assert holding(supervisor) == {}

    run(live())


def test_a_worker_that_is_killed_while_idle_is_noticed_before_anybody_asks(tmp_path, a_and_b):
    async def live():
        async with Supervisor(a_and_b, Keeping(), tmp_path, commands=fakes(a=[], b=[])) as supervisor:
            await ask(supervisor, "a")
            os.kill(supervisor.pids()["a"], signal.SIGKILL)
            await until(lambda: state(supervisor, "a")["state"] == "absent")
            assert state(supervisor, "a")["counts"]["deaths"] == 1
            assert "SIGKILL" in state(supervisor, "a")["last_error"]
            assert await ask(supervisor, "a")

    run(live())


def test_a_stopped_worker_stalls_is_killed_and_replaced(tmp_path, a_and_b):
    async def live():
        commands = fakes(a=["--tokens", "400", "--delay-s", "0.02"], b=[])
        async with Supervisor(a_and_b, Keeping(), tmp_path, commands=commands) as supervisor:
            request = asyncio.create_task(ask(supervisor, "a", tokens=400))
            await until(lambda: holding(supervisor) == {"a": 1}, within_s=WAIT_S)
            pid = supervisor.pids()["a"]
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(EndpointError, match=r"within 1 s"):
                await asyncio.wait_for(request, 20)
            await until(lambda: not psutil.pid_exists(pid), within_s=5)
            assert state(supervisor, "a")["counts"]["stalled"] == 1
            assert await ask(supervisor, "a", tokens=4)

    run(live())


@pytest.mark.parametrize("knobs", [["--exit-at-start", "3"], ["--hold-mb", "150", "--abort-at-start"]])
def test_a_crash_loop_at_the_start_opens_the_breaker_and_starts_no_more(tmp_path, knobs):
    async def live():
        plan = plan_of(served("a", 100), served("b", 100))
        settings = Keeping(breaker_failures=2, first_open_s=60, budget_bytes=1000 * MIB)
        async with Supervisor(plan, settings, tmp_path, commands=fakes(a=knobs, b=[])) as supervisor:
            for _ in range(2):
                with pytest.raises(LoadFailed, match=r"^a could not be loaded$"):
                    await ask(supervisor, "a")
            for _ in range(20):
                with pytest.raises(BreakerOpen, match="left alone for") as caught:
                    await ask(supervisor, "a")
                assert 25 < caught.value.retry_after_s <= 60
            await until(lambda: state(supervisor, "a")["state"] == "failed")
            shown = state(supervisor, "a")
            assert shown["counts"]["starts"] == 2
            assert await ask(supervisor, "b")  # the fallback
            if "--abort-at-start" in knobs:
                assert "SIGABRT" in shown["last_error"]
        return shown

    run(live())


def test_memory_that_a_failing_load_took_raises_what_it_is_admitted_on(tmp_path):
    async def live():
        plan = plan_of(served("a", 60))
        commands = fakes(a=["--hold-mb", "150", "--load-s", "3", "--abort-at-start"])
        async with Supervisor(plan, Keeping(budget_bytes=1000 * MIB), tmp_path, commands=commands) as supervisor:
            with pytest.raises(LoadFailed):
                await ask(supervisor, "a")
            assert state(supervisor, "a")["need_bytes"] > 150 * MIB

    run(live())


def test_a_worker_that_outgrows_its_estimate_is_counted_with_what_it_has(tmp_path):
    async def live():
        plan = plan_of(served("a", 60), served("b", 60))
        commands = fakes(a=["--hold-mb", "150"], b=[])
        async with Supervisor(plan, Keeping(budget_bytes=260 * MIB), tmp_path, commands=commands) as supervisor:
            await ask(supervisor, "a")
            shown = supervisor.snapshot()
            assert shown["committed_bytes"] > 150 * MIB
            assert shown["models"]["a"]["need_bytes"] > 1.1 * shown["models"]["a"]["peak_bytes"]
            await ask(supervisor, "b")
            assert supervisor.snapshot()["committed_bytes"] <= 260 * MIB

    run(live())


CARD = "cuda:0"


class FakeCard:
    """Tells of a card that is not there: what is free of it, while a worker runs (`full_mb`) and once `emptied` is set."""

    def __init__(self, full_mb, empty_mb):
        self.full, self.empty = full_mb * MIB, empty_mb * MIB
        self.emptied = threading.Event()
        self.looks = 0

    def free(self, pools):
        self.looks += CARD in pools
        return {CARD: self.empty if self.emptied.is_set() else self.full, **free_memory({HOST})}


def on_card(name, card_mb, host_mb=80):
    return served(name, card_mb, memory=CARD, host_high_bytes=host_mb * MIB)


def memory(supervisor, model, pool):
    return state(supervisor, model)["memory"][pool]


def test_models_on_a_card_take_turns_there_and_one_on_the_cpu_stays(tmp_path):
    plan, learned = plan_of(on_card("a", 200), on_card("b", 180), served("c", 150)), []
    settings = Keeping(budget_bytes={HOST: 1000 * MIB, CARD: 300 * MIB}, slots=1)
    commands = fakes(a=["--device-mb", "190"], b=["--device-mb", "90"], c=["--hold-mb", "50"])

    async def live():
        card = FakeCard(300, 300)
        card.emptied.set()
        world = World(available=card.free, learned=learned.append)
        async with Supervisor(plan, settings, tmp_path, commands=commands, world=world) as supervisor:
            for model in "cab":
                assert await ask(supervisor, model)
            assert sorted(supervisor.pids()) == ["b", "c"]
            assert state(supervisor, "a")["counts"]["evicted"] == 1
            assert memory(supervisor, "a", CARD)["need_bytes"] == pytest.approx(
                190 * 1.15 * MIB, abs=2
            )  # its only slot was used
            assert memory(supervisor, "b", CARD)["peak_bytes"] == 90 * MIB
            assert 0 < memory(supervisor, "b", HOST)["peak_bytes"] < 1000 * MIB
            assert list(state(supervisor, "c")["memory"]) == [HOST]
            shown = supervisor.snapshot()
            assert shown["memory"][CARD] == {"budget_bytes": 300 * MIB, "committed_bytes": 180 * MIB}
            assert shown["memory"][HOST]["committed_bytes"] >= (150 + 80) * MIB
            assert (shown["budget_bytes"], shown["committed_bytes"], state(supervisor, "c")["held_bytes"]) == (
                None,
            ) * 3
            json.dumps(shown, allow_nan=False)

    run(live())
    (of_a,) = [seen for seen in learned if seen.candidate.id == "a"]
    assert (of_a.peak_bytes, of_a.admitted_bytes, of_a.device) == (190 * MIB, 200 * MIB, "cuda")


def test_the_next_load_waits_until_the_card_has_its_memory_back(tmp_path):
    plan = plan_of(on_card("a", 200), on_card("b", 180))
    settings = Keeping(budget_bytes={HOST: 10_000 * MIB, CARD: 300 * MIB})
    commands = fakes(a=["--device-mb", "190"], b=["--device-mb", "170"])

    async def live():
        card = FakeCard(50, 300)
        async with Supervisor(
            plan, settings, tmp_path, commands=commands, world=World(available=card.free)
        ) as supervisor:
            assert await ask(supervisor, "a")
            (pid,) = supervisor.pids().values()
            waiting = asyncio.create_task(ask(supervisor, "b"))
            await until(lambda: not psutil.pid_exists(pid), within_s=WAIT_S)
            looked = card.looks
            await until(lambda: card.looks > looked + 2)
            assert state(supervisor, "a")["state"] == "stopping"
            assert state(supervisor, "b")["counts"].get("starts", 0) == 0
            card.emptied.set()
            assert await waiting

    run(live())


def test_what_a_model_outgrows_on_a_card_counts_there_and_one_without_a_card_takes_none_of_it(tmp_path):
    plan = plan_of(on_card("a", 60), on_card("b", 60))
    settings = Keeping(budget_bytes={HOST: 1000 * MIB, CARD: 200 * MIB})
    commands = fakes(a=["--device-mb", "150"], b=["--hold-mb", "50"])  # b finds itself on the CPU

    async def live():
        card = FakeCard(200, 200)
        async with Supervisor(
            plan, settings, tmp_path, commands=commands, world=World(available=card.free)
        ) as supervisor:
            await ask(supervisor, "a")
            assert memory(supervisor, "a", CARD) == {
                "need_bytes": pytest.approx(150 * 1.15 * MIB, abs=2),
                "held_bytes": 150 * MIB,
                "peak_bytes": 150 * MIB,
            }
            await ask(supervisor, "b")
            assert memory(supervisor, "b", CARD)["peak_bytes"] == 0
            assert memory(supervisor, "b", HOST)["peak_bytes"] > 50 * MIB
            assert supervisor.snapshot()["memory"][CARD]["committed_bytes"] <= 200 * MIB

    run(live())


def test_a_model_that_no_card_holds_is_refused_with_the_card_s_numbers(tmp_path):
    plan = plan_of(on_card("a", 400), served("b", 100))
    settings = Keeping(budget_bytes={HOST: 1000 * MIB, CARD: 300 * MIB})

    async def live():
        async with Supervisor(plan, settings, tmp_path, commands=fakes(a=[], b=[])) as supervisor:
            with pytest.raises(LoadFailed, match=r"a may need 400.0 MiB of cuda:0, and the budget is 300.0 MiB"):
                await ask(supervisor, "a")
            assert await ask(supervisor, "b")
            told = ModelKeeping(need_bytes={CARD: 250 * MIB, HOST: 90 * MIB})
            supervisor.reconfigure(plan, settings.model_copy(update={"models": {"a": told}}))
            assert await ask(supervisor, "a")
            with pytest.raises(UsageError, match="a needs some of 'cuda:0'"):
                supervisor.reconfigure(plan, Keeping(budget_bytes=1000 * MIB))

    run(live())


def test_a_hundred_clients_over_two_models_beyond_the_budget_are_all_served(tmp_path, a_and_b):
    peak, answers = 0, Counter()

    async def live():
        nonlocal peak
        settings = Keeping(budget_bytes=300 * MIB, slots=8, queue=100, patience_s=5)
        commands = fakes(a=["--hold-mb", "60", "--delay-s", "0.002"], b=["--hold-mb", "50", "--delay-s", "0.002"])
        async with Supervisor(a_and_b, settings, tmp_path, commands=commands) as supervisor:

            async def client(number):
                model = "ab"[number % 2]
                assert len((await ask(supervisor, model, Deadlines())).split()) == 16
                answers[model] += 1

            clients = [asyncio.create_task(client(number)) for number in range(100)]
            while not all(task.done() for task in clients):
                peak = max(peak, supervisor.snapshot()["committed_bytes"])
                assert len(supervisor.pids()) <= 1
                await asyncio.sleep(0.005)
            await asyncio.gather(*clients)
            starts = sum(state(supervisor, name)["counts"]["starts"] for name in "ab")
            assert holding(supervisor) == {}
        return starts

    assert run(live()) == 2
    assert answers == {"a": 50, "b": 50}
    assert peak <= 300 * MIB


def test_one_request_is_served_though_another_model_is_saturated(tmp_path, a_and_b):
    async def live():
        settings = Keeping(budget_bytes=300 * MIB, slots=4, patience_s=1.0)
        commands = fakes(a=["--delay-s", "0.01"], b=[])
        async with Supervisor(a_and_b, settings, tmp_path, commands=commands) as supervisor:
            await ask(supervisor, "a")
            over = asyncio.Event()

            async def saturate():
                while not over.is_set():
                    await ask(supervisor, "a", Deadlines())

            loops = [asyncio.create_task(saturate()) for _ in range(20)]
            await until(lambda: state(supervisor, "a")["waiting"] > 10)
            began = time.perf_counter()
            assert await ask(supervisor, "b", Deadlines())
            took_s = time.perf_counter() - began
            over.set()
            await asyncio.gather(*loops)
            load_s = state(supervisor, "b")["last_load_s"]
        # Patience, the leases of one moment, the end of a, the load of b; the rest is a busy machine.
        assert took_s < 1.0 + load_s + 10.0

    run(live())


def test_requests_that_leave_leave_nothing_behind_wherever_they_are(tmp_path, a_and_b):
    async def live():
        settings = Keeping(budget_bytes=300 * MIB, slots=1, queue=4, abandoned_load="stop")
        commands = fakes(a=["--load-s", "1.5", "--tokens", "500", "--delay-s", "0.02"], b=[])
        async with Supervisor(a_and_b, settings, tmp_path, commands=commands) as supervisor:
            loading = [asyncio.create_task(ask(supervisor, "a")) for _ in range(3)]
            await until(lambda: state(supervisor, "a")["waiting"] == 3)
            await cancelled(loading)  # nobody waits any more: the load is stopped
            await until(lambda: state(supervisor, "a")["state"] == "absent", within_s=WAIT_S)
            assert state(supervisor, "a")["counts"]["abandoned"] == 1

            streaming = asyncio.create_task(ask(supervisor, "a", Deadlines(), tokens=500))
            await until(lambda: holding(supervisor) == {"a": 1}, within_s=WAIT_S)
            queued = asyncio.create_task(ask(supervisor, "a"))
            await until(lambda: state(supervisor, "a")["waiting"] == 1)
            await cancelled([queued])
            assert state(supervisor, "a")["waiting"] == 0
            await cancelled([streaming])
            assert holding(supervisor) == {}
            upstream = await lease_for(supervisor, "a", 5.0)  # the only slot is free again
            async with EndpointClient(upstream.address, "a") as client:
                words = [-1, -2]
                while words[-1] != words[-2]:
                    words.append((await client.health())["generated_tokens"])
                    await asyncio.sleep(0.1)  # five words long
            assert words[-1] < 400
            assert state(supervisor, "a")["breaker"]["failures"] == 0

    run(live())


async def cancelled(tasks):
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, asyncio.CancelledError)


def test_a_load_that_never_ends_is_killed_at_its_deadline(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "START_S", 1.0)

    async def live():
        commands = fakes(a=["--no-ready"])
        async with Supervisor(plan_of(served("a", 1)), Keeping(), tmp_path, commands=commands) as supervisor:
            with pytest.raises(LoadFailed, match="a could not be loaded"):
                await ask(supervisor, "a")
            assert state(supervisor, "a")["counts"]["load_overdue"] == 1
            await until(lambda: workers_of("--no-ready") == [])

    run(live())


def test_a_full_queue_and_a_long_load_say_when_to_come_again(tmp_path, a_and_b):
    async def live():
        settings = Keeping(slots=1, queue=1)
        async with Supervisor(a_and_b, settings, tmp_path, commands=fakes(a=["--load-s", "30"], b=[])) as supervisor:
            waiting = [asyncio.create_task(lease_for(supervisor, "a", 1.0)) for _ in range(2)]
            await until(lambda: state(supervisor, "a")["waiting"] == 2)
            with pytest.raises(QueueFull) as caught:
                await lease_for(supervisor, "a", 1.0)
            assert caught.value.retry_after_s >= 1
            for result in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(result, LoadTooLong)
            with pytest.raises(NotServed):
                await lease_for(supervisor, "nobody", 1.0)

    run(live())


async def lease_for(supervisor, model, wait_s):
    async with supervisor.lease(model, wait_s) as lease:
        return lease.upstream


def test_an_idle_model_is_unloaded_and_comes_back(tmp_path, a_and_b):
    async def live():
        settings = Keeping(models={"a": ModelKeeping(idle_unload_s=0.3)})
        async with Supervisor(a_and_b, settings, tmp_path, commands=fakes(a=[], b=[])) as supervisor:
            for generation in (1, 2):
                assert (await lease_for(supervisor, "a", WAIT_S)).generation == generation
                await until(lambda: state(supervisor, "a")["state"] == "absent", within_s=20)
            assert state(supervisor, "a")["counts"]["idle"] == 2

    run(live())


def test_the_end_lets_streams_finish_and_refuses_what_comes(tmp_path, a_and_b):
    marker = tmp_path / "never"

    async def live():
        commands = fakes(a=["--tokens", "40", "--delay-s", "0.02", "--model", str(marker)], b=["--model", str(marker)])
        supervisor = Supervisor(a_and_b, Keeping(), tmp_path, commands=commands)
        async with supervisor:
            streaming = asyncio.create_task(ask(supervisor, "a", Deadlines(), tokens=40))
            await until(lambda: holding(supervisor) == {"a": 1}, within_s=WAIT_S)
            ended = asyncio.create_task(supervisor.stop(20))
            await asyncio.sleep(0)
            with pytest.raises(Stopping):
                await lease_for(supervisor, "b", 1.0)
            assert len((await streaming).split()) == 40
            await ended
            assert supervisor.pids() == {}

    run(live())
    assert workers_of(marker) == []


def test_the_end_does_not_wait_longer_than_it_is_told(tmp_path, a_and_b):
    async def live():
        commands = fakes(a=["--tokens", "4000", "--delay-s", "0.02"], b=[])
        async with Supervisor(a_and_b, Keeping(), tmp_path, commands=commands) as supervisor:
            streaming = asyncio.create_task(ask(supervisor, "a", Deadlines(), tokens=4000))
            await until(lambda: holding(supervisor) == {"a": 1}, within_s=WAIT_S)
            began = time.perf_counter()
            await supervisor.stop(0.5)
            assert time.perf_counter() - began < 10
            with pytest.raises(EndpointError):
                await streaming

    run(live())


def test_settings_change_while_it_serves(tmp_path, a_and_b):
    async def live():
        async with Supervisor(a_and_b, Keeping(), tmp_path, commands=fakes(a=[], b=[])) as supervisor:
            await ask(supervisor, "a")
            supervisor.reconfigure(a_and_b, Keeping(slots=2, budget_bytes=190 * MIB))
            await until(lambda: state(supervisor, "a")["state"] == "absent")  # it is more than the budget now
            with pytest.raises(LoadFailed, match=r"a may need 200.0 MiB, and the budget is 190.0 MiB"):
                await ask(supervisor, "a")
            assert await ask(supervisor, "b")
            supervisor.reconfigure(plan_of(served("b", 180)), Keeping())
            with pytest.raises(NotServed):
                await ask(supervisor, "a")
            with pytest.raises(UsageError, match="'nobody', which is not served"):
                supervisor.reconfigure(a_and_b, Keeping(models={"nobody": ModelKeeping()}))
            assert await ask(supervisor, "b")

    run(live())


def test_an_endpoint_of_others_has_a_breaker_and_no_process(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    async def live(server):
        plan = plan_of(served("far", source="endpoint", location=server.url, engine="openai", remote="m"))
        settings = Keeping(breaker_failures=2, first_open_s=0.5)
        async with Supervisor(plan, settings, tmp_path) as supervisor:
            upstream = await lease_for(supervisor, "far", 1.0)
            assert (upstream.address, upstream.served_name, upstream.generation) == (server.url, "m", 0)
            assert upstream.api_key == "secret"
            for _ in range(2):
                async with supervisor.lease("far", 1.0) as lease:
                    lease.ended("server_error")
            with pytest.raises(BreakerOpen):
                await lease_for(supervisor, "far", 1.0)
            await until(lambda: state(supervisor, "far")["breaker"]["state"] == "half_open")
            async with supervisor.lease("far", 1.0) as probe:
                with pytest.raises(BreakerOpen):
                    await lease_for(supervisor, "far", 1.0)
                probe.ended("answered")
            assert state(supervisor, "far")["breaker"]["state"] == "closed"
            assert supervisor.pids() == {}

    with Misbehaving("good") as server:
        run(live(server))


def test_bundled_models_swap_and_a_cancelled_stream_stops_generating(tmp_path):
    async def live():
        names = ["baseline", "social"]
        plan = plan_of(*(served(name, 300, engine="onnx", location=bundled(name)) for name in names))
        async with Supervisor(plan, Keeping(budget_bytes=400 * MIB), tmp_path) as supervisor:
            for name in [*names, names[0]]:
                assert await ask(supervisor, name, Deadlines())
            assert state(supervisor, "baseline")["generation"] == 2
            assert 0 < state(supervisor, "baseline")["peak_bytes"] < 300 * MIB
            async with supervisor.lease("baseline", WAIT_S) as lease:
                connector = aiohttp.UnixConnector(str(lease.upstream.address))
                async with aiohttp.ClientSession(connector=connector) as session:
                    body = {"model": "baseline", "messages": MESSAGES, "max_tokens": 400, "stream": True}
                    async with session.post("http://worker/v1/chat/completions", json=body) as response:
                        await response.content.readline()
                    async with EndpointClient(lease.upstream.address, "baseline") as client:
                        async with asyncio.timeout(20):
                            while (await client.health())["in_flight"]:  # noqa: ASYNC110 - another process's state
                                await asyncio.sleep(0.01)

    run(live())


PROGRAM = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from bakeoff.serve.keeping import Keeping
from bakeoff.serve.leftovers import end_leftovers, keep_list, process_start
from bakeoff.serve.supervisor import Supervisor
from serving_plans import fakes, plan_of, served

async def main():
    marker = sys.argv[2]
    commands = fakes(a=["--model", marker], b=["--model", marker, "--load-s", "60"])
    async with Supervisor(plan_of(served("a"), served("b")), Keeping(), Path(marker), commands=commands) as supervisor:
        async with supervisor.lease("a", 60):
            waiting = asyncio.create_task(supervisor.lease("b", 60).__aenter__())
            await asyncio.sleep(0.5)
            print("up", flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_whatever_ends_the_process_no_worker_outlives_it(tmp_path, number):
    marker = tmp_path / "marker"
    started = [sys.executable, "-c", PROGRAM, str(Path(__file__).parents[1]), str(marker)]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout.readline() == "up\n", program.stderr.read()
        wait_until(lambda: len(workers_of(marker)) == 3, "two workers run, beside the program itself")
        program.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.communicate(timeout=20)
        wait_until(lambda: not workers_of(marker), "all workers are gone", deadline_s=2.0)


def test_a_stopped_worker_that_cannot_see_its_gateway_die_is_ended_by_the_next_one(tmp_path, a_and_b):
    marker = tmp_path / "marker"
    started = [sys.executable, "-c", PROGRAM, str(Path(__file__).parents[1]), str(marker)]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout.readline() == "up\n", program.stderr.read()
        workers = [found.pid for found in workers_of(marker) if found.pid != program.pid]
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        program.kill()
    assert len(workers) == 2
    assert all(psutil.pid_exists(pid) for pid in workers)

    async def next_one():
        async with Supervisor(a_and_b, Keeping(), marker, commands=fakes(a=[], b=[])) as supervisor:
            wait_until(lambda: not workers_of(marker), "the workers left behind are gone", deadline_s=5.0)
            assert await ask(supervisor, "a")
            assert len(list(marker.glob("workers-*.json"))) == 1
        assert not list(marker.glob("workers-*.json"))

    run(next_one())


def test_workers_of_a_gateway_that_lives_and_pids_that_are_others_by_now_are_left_alone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        keep_list(tmp_path, [other.pid])
        assert end_leftovers(tmp_path) == []  # this process lives
        told = json.loads((tmp_path / f"workers-{os.getpid()}.json").read_text())
        told["workers"][str(other.pid)] = "1"
        (tmp_path / "workers-999999999.json").write_text(json.dumps(told))
        (tmp_path / "workers-none.json").write_text("[")
        assert end_leftovers(tmp_path) == []
        assert other.poll() is None
        told["workers"][str(other.pid)] = process_start(other.pid)
        (tmp_path / "workers-999999999.json").write_text(json.dumps(told))
        assert end_leftovers(tmp_path) == [other.pid]
        assert other.wait(5) == -signal.SIGKILL
