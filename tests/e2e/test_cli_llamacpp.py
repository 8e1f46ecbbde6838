"""A GGUF file among the candidates: from `bakeoff convert` to the decision, and what crashes llama.cpp."""

import asyncio
import json

import pytest

from bakeoff.core.errors import InvalidFile, WorkerNotStarted
from bakeoff.core.spec import Sampling
from bakeoff.engines.gguf_file import write_gguf
from bakeoff.engines.gguf_vocabulary import vocabulary_keys
from bakeoff.engines.gguf_weights import read_llama, read_tensors, size_keys
from bakeoff.engines.process import WorkerCommand, start_worker
from bakeoff_command import Workspace, write_suite
from tiny_model import make_tiny_model
from worker_processes import READY_S

pytest.importorskip("llama_cpp", reason="the extra [llamacpp] is not installed")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def write_changed(folder, **changed):
    """A GGUF file that is right but for some keys."""
    spec = read_llama(folder)
    keys = size_keys(spec, "f32") | vocabulary_keys(folder, spec.vocab_size)
    file = folder / "changed.gguf"
    write_gguf(
        file,
        keys | {key.replace("__", "."): value for key, value in changed.items()},
        read_tensors(folder, spec, "f32"),
    )
    return file


def test_the_same_model_on_two_engines(workspace, tmp_path):
    done = workspace.call("convert", "bundled:generalist", "--to", "gguf", "--quantise", "q8_0", "--out", "small.gguf")
    assert done.returncode == 0, done.stderr
    suite = write_suite(tmp_path / "suite.yaml", 8, max_tokens=60)
    done = workspace.call("run", str(suite), "--models", "bundled:generalist,llamacpp+small.gguf", "--json")
    assert done.returncode in {0, 3}, done.stderr
    found = {each["id"]: each for each in json.loads(done.stdout)["candidates"]}
    small, plain = found["llamacpp+small.gguf"], found["bundled:generalist"]
    assert (small["engine"], small["device"], small["dtype"]) == ("llamacpp", "cpu", "q8_0")
    assert plain["engine"] == "onnx"
    generations = workspace.generations(workspace.run_id()).values()
    written = [each for each in generations if each["candidate"] == "llamacpp+small.gguf"]
    assert len(written) >= 8
    assert all(each["text"] and each["error"] is None and each["dtype"] == "q8_0" for each in written)
    assert workspace.workers() == []


def test_a_gguf_file_needs_no_engine_named_and_no_other_reads_it(workspace, tmp_path):
    make_tiny_model(tmp_path / "tiny")
    workspace.call("convert", "tiny", "--to", "gguf", "--out", "tiny.gguf")
    suite = write_suite(tmp_path / "suite.yaml", 2, max_tokens=5)
    refused = workspace.call("run", str(suite), "--models", "onnx+tiny.gguf")
    assert refused.returncode == 2
    assert "write llamacpp+tiny.gguf" in refused.stderr
    done = workspace.call("run", str(suite), "--models", "tiny.gguf", "--json")
    assert json.loads(done.stdout)["candidates"][0]["engine"] == "llamacpp"


def test_a_worker_serves_a_gguf_file_over_http(tmp_path):
    folder = make_tiny_model(tmp_path / "tiny", eos=False)
    file = write_changed(folder)

    async def talk():
        worker = await start_worker(WorkerCommand("tiny", "llamacpp", file, threads=1), tmp_path, READY_S)
        try:
            facts = worker.facts
            assert (facts.engine, facts.device, facts.dtype, facts.threads) == ("llamacpp", "cpu", "float32", 1)
            assert facts.kernels == "flash attention, f16 cache"
            assert facts.memory_bytes > facts.weight_bytes
            async with worker.client() as client:
                sampling = Sampling(temperature=0.9, max_tokens=30)
                ask = [{"role": "user", "content": "Write about Zürich 🎉"}]
                answers = [await client.generate(ask, sampling, seed) for seed in (1, 2, 1)]
                answers += await asyncio.gather(*(client.generate(ask, sampling, seed) for seed in range(20)))
            assert all(answer.timings.completion_tokens == 30 for answer in answers)
            assert answers[0].text == answers[2].text != answers[1].text
        finally:
            await worker.stop()
        assert "llama" not in worker.log.read_text()

    asyncio.run(talk())


def test_what_crashes_llama_cpp_ends_the_worker_and_nothing_else(tmp_path):
    """A file that passes every check of ours, and that llama.cpp answers with an abort."""
    file = write_changed(make_tiny_model(tmp_path / "tiny"), llama__block_count=0)
    with pytest.raises(WorkerNotStarted) as refused:
        asyncio.run(start_worker(WorkerCommand("tiny", "llamacpp", file, threads=1), tmp_path, READY_S))
    assert "the worker of tiny" in refused.value.message
    assert "SIGABRT" in refused.value.message
    assert "GGML_ASSERT" in refused.value.message


def test_a_file_cut_short_is_named_to_whoever_starts_the_worker(tmp_path):
    file = write_changed(make_tiny_model(tmp_path / "tiny"))
    file.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(InvalidFile) as refused:
        asyncio.run(start_worker(WorkerCommand("tiny", "llamacpp", file, threads=1), tmp_path, READY_S))
    assert str(file) in refused.value.message
