"""A machine out of files, room or threads: a model that cannot be started or noted then is there again afterwards."""

import asyncio
import os
import subprocess
import sys

import psutil
import pytest

from bakeoff.machine.free_memory import free_memory
from bakeoff.serve.keeping import Keeping
from bakeoff.serve.lease import LoadFailed
from bakeoff.serve.supervisor import Supervisor, World
from serving_plans import MIB, fakes, plan_of, served
from worker_processes import until

WAIT_S = 20.0


def state(supervisor):
    return supervisor.snapshot()["models"]["a"]


def serving(folder, **world):
    settings = Keeping(budget_bytes=300 * MIB)
    return Supervisor(plan_of(served("a", 200)), settings, folder, commands=fakes(a=[]), world=World(**world))


async def use(supervisor):
    async with asyncio.timeout(WAIT_S), supervisor.lease("a", WAIT_S) as lease:
        lease.ended("answered")
        return supervisor.pids()["a"]


def test_a_worker_that_cannot_be_started_is_refused_at_once_and_started_later(tmp_path):
    in_the_way = tmp_path / "a.log"  # where its log is to be opened: an OSError, as EMFILE and ENOSPC are
    in_the_way.mkdir()

    async def run():
        async with serving(tmp_path) as supervisor:
            with pytest.raises(LoadFailed):
                await use(supervisor)
            await until(lambda: state(supervisor)["state"] == "absent")
            assert not any(supervisor._machine.committed.values())  # nothing is reserved for it any more
            assert state(supervisor)["breaker"]["failures"] == 1
            in_the_way.rmdir()
            await use(supervisor)

    asyncio.run(run())


def test_a_list_of_workers_that_cannot_be_written_costs_nobody_a_worker(tmp_path):
    (tmp_path / f"workers-{os.getpid()}.new").mkdir()  # where it is written first

    async def run():
        async with serving(tmp_path) as supervisor:
            first = await use(supervisor)
            os.kill(first, 9)
            await until(lambda: state(supervisor)["state"] == "absent")
            assert await use(supervisor) != first

    asyncio.run(run())


def test_whoever_hears_of_a_footprint_may_fail(tmp_path):
    def learned(_footprint):
        raise OSError("no space left on device")

    async def run():
        async with serving(tmp_path, learned=learned) as supervisor:
            first = await use(supervisor)
            os.kill(first, 9)
            await until(lambda: state(supervisor)["state"] == "absent")
            return first, await use(supervisor)

    first, second = asyncio.run(run())
    assert first != second


def test_a_worker_ends_though_nobody_can_tell_what_comes_back_of_its_memory(tmp_path):
    short = []

    def available(pools):
        if short:
            raise OSError("too many open files")
        return free_memory(pools)

    async def run():
        async with serving(tmp_path, available=available) as supervisor:
            pid = await use(supervisor)
            short.append(True)
        return pid

    assert not psutil.pid_exists(asyncio.run(run()))


@pytest.mark.parametrize(
    ("soft", "hard", "most", "limit"), [(64, 4096, 1000, 2512), (64, 300, 1000, 300), (900, 4096, 10, 900)]
)
def test_as_many_files_may_be_open_as_connections_may_take(soft, hard, most, limit):
    code = (
        "import resource, sys; from bakeoff.serve.open_files import allow_connections\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        f"print(allow_connections({most}), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == [str(limit), str(limit), str(hard)]
    assert ("may be open" in told.stderr) == (limit < most)
