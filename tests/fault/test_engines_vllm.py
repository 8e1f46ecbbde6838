"""The launcher of vLLM, with a stand-in for vLLM (`stand_in_vllm`): what it is told, what it says, and what is left."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from bakeoff.core.errors import EndpointError, InvalidFile, MissingDependency, UnsupportedModel, WorkerNotStarted
from bakeoff.core.spec import Sampling
from bakeoff.engines.chat_template import FALLBACK
from bakeoff.engines.process import WorkerCommand, start_worker
from stand_in_vllm import LINE, write_vllm
from tiny_model import make_tiny_model
from worker_processes import READY_S, until, until_answer, workers_of

MESSAGES = [{"role": "user", "content": "Write."}]
LONG = Sampling(max_tokens=4000)


@pytest.fixture
def folder(tmp_path):
    return make_tiny_model(tmp_path / "model", context=4096, eos=False)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a stand-in on PATH."""

    def put(**how):
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        return write_vllm(tmp_path / "bin", **how)

    return put


def command(folder, **options):
    return WorkerCommand(name="m", engine="vllm", folder=folder, **options)


def start(folder, tmp_path, within_s=READY_S, **options):
    return start_worker(command(folder, **options), tmp_path / "logs", within_s)


def test_a_text_comes_from_the_server_and_nothing_is_left(folder, tmp_path, install):
    arguments = install()

    async def live():
        worker = await start(folder, tmp_path, max_rows=4)
        async with worker.client() as client:
            answer = await client.generate(MESSAGES, Sampling(max_tokens=5), 0)
        await worker.stop()
        return worker.facts, answer

    facts, answer = asyncio.run(live())
    assert answer.timings.completion_tokens == 5
    assert (facts.engine, facts.engine_version, facts.device, facts.dtype) == ("vllm", "0.32.0", "cpu", "float32")
    assert (facts.parameters, facts.peak_rss_bytes) == (facts.weight_bytes // 4, None)
    assert facts.unknown == ("memory: vLLM is several processes, which share some of it",)
    assert facts.load_s > facts.first_token_s > 0
    given = json.loads(arguments.read_text())
    assert given[:2] == ["serve", str(folder)]
    options = dict(zip(given[2::2], given[3::2], strict=True))
    assert options.pop("--port") in facts.address
    assert options == {
        "--host": "127.0.0.1",
        "--served-model-name": "m",
        "--generation-config": "vllm",
        "--max-num-seqs": "4",
    }
    assert workers_of(folder) == []


def test_a_model_without_a_chat_template_gets_ours_and_arguments_can_be_added(folder, tmp_path, install, monkeypatch):
    arguments = install()
    (folder / "tokenizer_config.json").unlink()
    monkeypatch.setenv("BAKEOFF_VLLM_ARGS", "--max-model-len 128 --name-of 'two words'")

    async def live():
        await (await start(folder, tmp_path)).stop()

    asyncio.run(live())
    given = json.loads(arguments.read_text())
    assert given[given.index("--chat-template") + 1] == FALLBACK
    assert given[-4:] == ["--max-model-len", "128", "--name-of", "two words"]


def test_without_vllm_the_command_that_adds_it_is_told(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match="not installed: the command vllm") as caught:
        asyncio.run(start(folder, tmp_path))
    assert caught.value.hint == "pip install vllm"


def test_one_that_exits_at_once_is_told_with_its_first_error(folder, tmp_path, install):
    install(fault="exits")
    with pytest.raises(WorkerNotStarted) as caught:
        asyncio.run(start(folder, tmp_path))
    first, *tail = caught.value.message.splitlines()
    assert first == (
        "the worker of m could not start: vllm: it ended with exit code 3: ValueError: No available memory for the cache"
    )
    assert tail[-1] == "  | RuntimeError: Engine core initialization failed. See root cause above."
    assert "No available memory" in (tmp_path / "logs" / "m.log").read_text()


def test_one_that_is_never_healthy_is_killed_at_the_deadline(folder, tmp_path, install):
    install(fault="never healthy")
    with pytest.raises(WorkerNotStarted, match=r"not ready within 2 s\n(.*\n)*.*Initializing a V1 LLM engine"):
        asyncio.run(start(folder, tmp_path, within_s=2))
    assert workers_of(folder) == []


def test_one_that_dies_midway_is_a_worker_that_died(folder, tmp_path, install):
    install()

    async def live():
        worker = await start(folder, tmp_path)
        (server,) = psutil.Process(worker.pid).children()
        async with worker.client() as client:
            task = asyncio.create_task(client.generate(MESSAGES, LONG, 0))
            await until_answer(client.health, lambda health: health["generated_tokens"] > 3)
            server.send_signal(signal.SIGKILL)
            with pytest.raises(EndpointError):
                await task
        assert await worker.ended_within(5)
        message = worker.died().message
        assert "ended with exit code 1" in message
        assert "vllm was ended by signal 9 (SIGKILL)" in message
        await worker.stop()

    asyncio.run(live())
    assert workers_of(folder) == []


def test_a_busy_one_is_stopped_and_so_is_its_server(folder, tmp_path, install):
    install()

    async def live():
        worker = await start(folder, tmp_path)
        async with worker.client() as client:
            task = asyncio.create_task(client.generate(MESSAGES, LONG, 0))
            await until_answer(client.health, lambda health: health["generated_tokens"] > 3)
            await worker.stop()
            with pytest.raises(EndpointError):
                await task

    asyncio.run(live())
    assert workers_of(folder) == []


def test_when_the_launcher_itself_is_killed_the_server_goes_with_its_group(folder, tmp_path, install):
    install()

    async def live():
        worker = await start(folder, tmp_path)
        os.kill(worker.pid, signal.SIGKILL)
        assert await worker.ended_within(5)
        await worker.stop()

    asyncio.run(live())
    assert workers_of(folder) == []


def test_when_the_parent_is_killed_everything_ends(folder, tmp_path, install):
    install()
    script = (
        "import asyncio, os, signal; from pathlib import Path; from bakeoff.engines.process import *\n"
        f"command = WorkerCommand(name='m', engine='vllm', folder=Path({str(folder)!r}))\n"
        f"asyncio.run(start_worker(command, Path({str(tmp_path / 'logs')!r})))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=READY_S)
    assert done.returncode == -signal.SIGKILL
    asyncio.run(until(lambda: not workers_of(folder)))


def test_a_device_that_vllm_does_not_run_on_is_refused(folder, tmp_path, install):
    install()
    with pytest.raises(UnsupportedModel, match="vLLM runs on cpu, not on cuda"):
        asyncio.run(start(folder, tmp_path, device="cuda"))
    install(line="a log that names nothing")
    with pytest.raises(UnsupportedModel, match="a device that it does not name, not on cuda"):
        asyncio.run(start(folder, tmp_path, device="cuda"))
    assert workers_of(folder) == []


def test_a_log_that_names_nothing_leaves_it_unknown(folder, tmp_path, install):
    install(line=LINE.replace("Initializing a V1 LLM engine", "Beginning"))

    async def live():
        worker = await start(folder, tmp_path)
        await worker.stop()
        return worker.facts

    facts = asyncio.run(live())
    assert (facts.device, facts.dtype) == (None, None)
    assert "device: vLLM's log did not name it" in facts.unknown


def test_a_folder_that_cannot_be_read_is_told_with_its_file(folder, tmp_path, install):
    install()
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(InvalidFile, match=r"tokenizer_config\.json"):
        asyncio.run(start(folder, tmp_path))
