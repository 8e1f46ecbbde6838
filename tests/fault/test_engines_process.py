"""Workers that crash, hang, or lose their parent: the error says so, and nothing is left behind."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bakeoff.core.errors import (
    EndpointBusy,
    EndpointFailed,
    EndpointGarbage,
    EndpointTimeout,
    EndpointUnreachable,
    WorkerNotStarted,
)
from bakeoff.core.spec import Sampling
from bakeoff.engines.deadlines import Deadlines
from bakeoff.engines.process import WorkerCommand, start_worker
from tiny_model import make_tiny_model
from worker_processes import FAKE, READY_S, fake_command, tiny_command, until, until_answer, workers_of

MESSAGES = [{"role": "user", "content": "Write."}]
LONG = Sampling(max_tokens=4000)
QUICK = Deadlines(connect_s=2, first_token_s=0.4, stall_s=0.4, total_s=5)


def ask_fake(tmp_path, *knobs, deadlines=QUICK):
    async def once():
        worker = await start_worker(fake_command(*knobs), tmp_path, READY_S)
        try:
            async with worker.client(deadlines) as client:
                return await client.generate(MESSAGES, Sampling(), 0)
        finally:
            await worker.stop(grace_s=3)

    return asyncio.run(once())


def test_the_fake_worker_answers_when_nothing_is_wrong(tmp_path):
    answer = ask_fake(tmp_path, "--tokens", "4")
    assert (answer.text, answer.finish_reason, answer.timings.completion_tokens) == ("w0 w1 w2 w3 ", "stop", 4)
    assert answer.timings.tokens_from == "reported"


@pytest.mark.skipif(sys.platform != "linux", reason="large pages are asked for on Linux")
@pytest.mark.parametrize("tunables", [None, "glibc.malloc.arena_max=2"])
def test_a_worker_asks_for_large_pages_unless_it_is_told_what_to_ask_for(tmp_path, monkeypatch, tunables):
    if tunables is None:
        monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    else:
        monkeypatch.setenv("GLIBC_TUNABLES", tunables)

    async def read_environment() -> list[str]:
        worker = await start_worker(fake_command(), tmp_path, READY_S)
        try:
            return (await asyncio.to_thread(Path(f"/proc/{worker.pid}/environ").read_text)).split("\0")
        finally:
            await worker.stop(grace_s=3)

    assert f"GLIBC_TUNABLES={tunables or 'glibc.malloc.hugetlb=1'}" in asyncio.run(read_environment())


@pytest.mark.parametrize(
    ("knobs", "error", "says"),
    [
        (["--status", "500"], EndpointFailed, "answered 500: as asked"),
        (["--status", "503", "--retry-after", "7"], EndpointBusy, "503"),
        (["--garbage"], EndpointGarbage, "not JSON"),
        (["--half-line"], EndpointGarbage, "not JSON"),
        (["--error-event"], EndpointFailed, "as asked"),
        (["--crash-after", "3"], EndpointFailed, "in the middle"),
        (["--hang-after", "0"], EndpointTimeout, "no first token within 0.4 s"),
        (["--hang-after", "3"], EndpointTimeout, "no further token within 0.4 s"),
    ],
)
def test_each_fault_has_its_error(tmp_path, knobs, error, says):
    with pytest.raises(error, match=says) as caught:
        ask_fake(tmp_path, *knobs)
    if error is EndpointBusy:
        assert caught.value.retry_after_s == 7


def test_a_slow_answer_is_ended_by_the_deadline_of_the_whole(tmp_path):
    deadlines = Deadlines(first_token_s=2, stall_s=2, total_s=0.6)
    with pytest.raises(EndpointTimeout, match=r"no complete answer within 0.6 s"):
        ask_fake(tmp_path, "--delay-s", "0.1", "--tokens", "100", deadlines=deadlines)


def test_a_worker_that_is_never_ready_is_killed_at_the_deadline(tmp_path):
    marker = tmp_path.name
    with pytest.raises(WorkerNotStarted, match="not ready within 1 s"):
        asyncio.run(start_worker(fake_command("--no-ready", name=marker), tmp_path, ready_timeout_s=1))
    assert workers_of(marker) == []


def test_a_program_that_dies_at_once_shows_its_last_words(tmp_path):
    program = (sys.executable, "-c", "import sys; sys.exit('the wheels came off')")
    with pytest.raises(WorkerNotStarted, match=r"exit code 1 before it was ready\n  \| the wheels came off"):
        asyncio.run(start_worker(WorkerCommand("broken", "none", tmp_path, program=program), tmp_path, READY_S))


def test_a_start_that_is_cancelled_leaves_nothing(tmp_path):
    marker = tmp_path.name

    async def cancel():
        task = asyncio.create_task(start_worker(fake_command("--no-ready", name=marker), tmp_path, READY_S))
        await until(lambda: workers_of(marker))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert workers_of(marker) == []

    asyncio.run(cancel())


def test_a_killed_worker_is_told_from_a_failed_request_and_can_be_started_again(tmp_path):
    command = tiny_command(tmp_path / "model", context=4096, eos=False)

    async def live():
        worker = await start_worker(command, tmp_path, READY_S)
        async with worker.client() as client:
            task = asyncio.create_task(client.generate(MESSAGES, LONG, 0))
            await until_answer(client.health, lambda health: health["generated_tokens"] > 3)
            os.kill(worker.pid, signal.SIGKILL)
            with pytest.raises((EndpointFailed, EndpointUnreachable)):
                await task
            assert await worker.ended_within(5)
            assert "signal 9 (SIGKILL)" in worker.died().message
            with pytest.raises(EndpointUnreachable):
                await client.generate(MESSAGES, LONG, 0)
        await worker.stop()
        assert not worker.socket.parent.exists()
        again = await start_worker(command, tmp_path, READY_S)
        async with again.client() as client:
            assert (await client.generate(MESSAGES, Sampling(max_tokens=4), 0)).text
        await again.stop()

    asyncio.run(live())
    assert workers_of(tmp_path / "model") == []


def test_term_ends_a_busy_worker_within_two_seconds_with_exit_code_0(tmp_path):
    command = tiny_command(tmp_path / "model", context=4096, eos=False)

    async def live():
        worker = await start_worker(command, tmp_path, READY_S)
        async with worker.client() as client:
            tasks = [asyncio.create_task(client.generate(MESSAGES, LONG, seed)) for seed in range(4)]
            await until_answer(client.health, lambda health: health["generated_tokens"] > 20)
            began = time.perf_counter()
            os.kill(worker.pid, signal.SIGTERM)
            assert await worker.ended_within(2)
            took_s = time.perf_counter() - began
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, EndpointFailed) for result in results)
        assert "exit code 0" in worker.died().message
        assert took_s < 2
        await worker.stop()

    asyncio.run(live())


def test_a_worker_deaf_to_term_is_killed_with_its_group(tmp_path):
    deaf = (
        "import json, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()', {str(tmp_path)!r}])\n"
        "facts = dict.fromkeys('engine version device dtype threads context_length parameters weight_bytes load_s "
        "first_token_s memory_bytes peak_rss_bytes'.split())\n"
        "print(json.dumps({'ready': True, **facts}), flush=True)\n"
        "signal.pause()\n"
    )

    async def live():
        command = WorkerCommand("deaf", "none", tmp_path, program=(sys.executable, "-c", deaf))
        worker = await start_worker(command, tmp_path / "logs", READY_S)
        await until(lambda: len(workers_of(tmp_path)) == 2)
        await worker.stop(grace_s=0.3)
        await until(lambda: workers_of(tmp_path) == [])
        assert "SIGKILL" in worker.died().message

    asyncio.run(live())


PARENT = """
import asyncio, sys
from pathlib import Path
from bakeoff.engines.process import WorkerCommand, start_worker

async def main():
    folder, logs = Path(sys.argv[1]), Path(sys.argv[2])
    workers = [await start_worker(WorkerCommand(f"tiny{i}", "onnx", folder, threads=1), logs, 60) for i in range(2)]
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_killed_parent_takes_its_workers_along(tmp_path):
    folder = make_tiny_model(tmp_path / "model")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), str(tmp_path / "logs")], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout.readline() == b"ready\n"
        assert len(workers_of(folder)) == 3  # the parent names the folder too
        parent.kill()
    asyncio.run(until(lambda: workers_of(folder) == [], within_s=5))


def test_the_fake_worker_is_no_engine():
    from bakeoff.engines.local import list_engines

    assert not any("fake" in engine.load for engine in list_engines().values())
    assert "fake" in FAKE[-1]
