"""A real worker with a tiny model: over its socket by our client, over TCP by OpenAI's own."""

import argparse
import asyncio
import json
import math
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import openai
import pytest

from bakeoff.core.errors import (
    AnswerEmpty,
    EndpointRefused,
    InvalidFile,
    MissingDependency,
    UnsupportedModel,
    UsageError,
)
from bakeoff.core.installing import install_command
from bakeoff.core.spec import Sampling
from bakeoff.engines import worker as worker_program
from bakeoff.engines.client import EndpointClient
from bakeoff.engines.process import WorkerCommand, start_worker
from tiny_model import make_tiny_model
from worker_processes import READY_S, until_answer

MESSAGES = [{"role": "user", "content": "Write a short post about the launch."}]
SAMPLED = Sampling(temperature=0.8, top_p=0.95, max_tokens=40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that never ends by itself, so that lengths are known."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", context=4096, eos=False)


@pytest.fixture(scope="module")
def served(folder):
    """A worker on TCP: its URL, and the line that it said when it was ready."""
    command = [sys.executable, "-m", "bakeoff.engines.worker", "--model", str(folder), "--name", "tiny"]
    command += ["--port", "0", "--threads", "1", "--max-rows", "8"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        line = json.loads(process.stdout.readline())
        yield line["address"], line
        process.terminate()
        assert process.wait(timeout=2.5) == 0
        assert process.stdout.read() == b""


@pytest.fixture
def sdk(served):
    with openai.OpenAI(base_url=served[0], api_key="none", max_retries=0) as client:
        yield client


def ask(url, *, model="tiny", sampling=SAMPLED, seed=1, messages=MESSAGES):
    async def once():
        async with EndpointClient(url, model) as client:
            return await client.generate(messages, sampling, seed)

    return asyncio.run(once())


def test_the_ready_line_tells_what_was_loaded(served):
    line = served[1]
    assert line["ready"] is True
    assert (line["engine"], line["device"], line["dtype"], line["threads"]) == ("onnx", "cpu", "float32", 1)
    assert line["parameters"] * 4 == line["weight_bytes"]
    assert 0 < line["first_token_s"] < 30
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d+/v1", line["address"])
    assert line["peak_rss_bytes"] > line["weight_bytes"]


def test_plain_and_streamed_answers_are_the_same(sdk):
    given = {"model": "tiny", "messages": MESSAGES, "seed": 5, "max_tokens": 30, "temperature": 0.9}
    plain = sdk.chat.completions.create(**given)
    chunks = list(sdk.chat.completions.create(**given, stream=True, stream_options={"include_usage": True}))
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert plain.choices[0].message.content == streamed
    assert plain.choices[0].finish_reason == "length"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert chunks[-1].usage == plain.usage
    assert plain.usage.completion_tokens == 30
    assert plain.usage.total_tokens == plain.usage.prompt_tokens + 30
    assert plain.model_extra["timings"]["completion_tokens"] == 30
    assert chunks[-2].model_extra["timings"]["prompt_tokens"] == plain.usage.prompt_tokens


def test_without_include_usage_no_usage_is_streamed(sdk):
    chunks = list(sdk.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=3, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_completions_take_text_and_token_ids(sdk):
    text = sdk.completions.create(model="tiny", prompt="Dear Anna", max_tokens=8, temperature=0)
    assert text.choices[0].finish_reason == "length"
    assert text.usage.completion_tokens == 8
    streamed = sdk.completions.create(model="tiny", prompt="Dear Anna", max_tokens=8, temperature=0, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == text.choices[0].text
    assert sdk.completions.create(model="tiny", prompt=[10, 11], max_tokens=2).usage.prompt_tokens == 2
    with pytest.raises(openai.BadRequestError, match="below the vocabulary"):
        sdk.completions.create(model="tiny", prompt=[10_000], max_tokens=2)


def test_a_thought_that_the_prompt_opened_is_told_as_one(tmp_path):
    """Its tag is in the prompt, and what it writes would look like text."""
    model = make_tiny_model(tmp_path / "thinker", eos=False)
    settings = json.loads((model / "tokenizer_config.json").read_text())
    settings["chat_template"] += "<think>\n"
    (model / "tokenizer_config.json").write_text(json.dumps(settings))

    async def live():
        worker = await start_worker(WorkerCommand("tiny", "onnx", model, threads=1), tmp_path / "logs", READY_S)
        try:
            async with worker.client() as client:
                with pytest.raises(AnswerEmpty, match="a model that thinks first needs more"):
                    await client.generate(MESSAGES, SAMPLED, 1)
        finally:
            await worker.stop()

    asyncio.run(live())


def test_a_stop_string_ends_the_text(sdk):
    given = {"model": "tiny", "messages": MESSAGES, "seed": 5, "max_tokens": 60, "temperature": 0}
    whole = sdk.chat.completions.create(**given).choices[0].message.content
    stop = whole[5:8]
    answer = sdk.chat.completions.create(**given, stop=[stop, "never there"])
    assert answer.choices[0].message.content == whole[: whole.index(stop)]
    assert answer.choices[0].finish_reason == "stop"


def test_models_are_listed_and_others_unknown(sdk):
    assert [model.id for model in sdk.models.list()] == ["tiny"]
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.chat.completions.create(model="large", messages=MESSAGES)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "user", "content": "\ud83c"}]}, "messages[0].content"),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"logprobs": True, "stream": True}, "logprobs"),
        ({"logprobs": 1}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": 1.5}, "top_k"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 2**31}, "max_tokens"),
        ({"stop": [""]}, "stop"),
        ({"stop": "\ud800"}, "stop"),
        ({"stop": ["a", "\ud800"]}, "stop"),
        ({"seed": "7"}, "seed"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_what_would_change_the_result_is_refused_by_name(sdk, wrong, param):
    body = json.dumps({"model": "tiny", "messages": MESSAGES} | wrong).encode()
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.post("/chat/completions", cast_to=object, content=body)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


def test_neutral_and_unknown_fields_are_ignored(sdk):
    answer = sdk.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": [{"type": "text", "text": "Dear"}, {"type": "text", "text": " Anna"}]}],
        max_completion_tokens=4,
        max_tokens=100,
        n=1,
        logprobs=False,
        response_format={"type": "text"},
        user="me",
        extra_body={"top_k": -1, "min_p": 0, "my_own_field": {}},
    )
    assert answer.usage.completion_tokens == 4


def test_bodies_that_are_no_json_and_paths_that_are_none(sdk):
    with pytest.raises(openai.BadRequestError, match="not JSON"):
        sdk.post("/chat/completions", cast_to=object, content=b'{"model": ')
    with pytest.raises(openai.BadRequestError, match="must be a JSON object"):
        sdk.post("/chat/completions", cast_to=object, content=b"[]")
    with pytest.raises(openai.BadRequestError, match="not JSON"):
        sdk.post("/chat/completions", cast_to=object, content=b"[" * 100_000)
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.post("/chat/completions", cast_to=object, content=b" " * 50_000_000)
    assert caught.value.status_code == 413
    with pytest.raises(openai.NotFoundError, match="no POST /v1/embeddings"):
        sdk.post("/embeddings", cast_to=object, body={})


def test_a_prompt_longer_than_the_context_is_refused_and_an_answer_is_cut_to_it(sdk):
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.completions.create(model="tiny", prompt=[7] * 4096, max_tokens=1)
    assert caught.value.code == "context_length_exceeded"
    answer = sdk.completions.create(model="tiny", prompt=[7] * 4090, max_tokens=100)
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (6, "length")


@pytest.mark.parametrize("path", ["chat/completions", "completions"])
def test_megabytes_are_refused_before_they_are_tokenised(sdk, path):
    text = "word " * 1_500_000
    asked = {"prompt": text} if path == "completions" else {"messages": [{"role": "user", "content": text}]}
    with pytest.raises(openai.BadRequestError, match="characters, and the context holds 4096 tokens") as caught:
        sdk.post(f"/{path}", cast_to=object, body={"model": "tiny", **asked})
    assert caught.value.code == "context_length_exceeded"


def test_others_are_answered_while_a_long_text_is_tokenised(served):
    async def work():
        async with EndpointClient(served[0], "tiny") as client:
            begun = asyncio.get_running_loop().time()
            text = "word " * 200_000  # fewer characters than 256 x 4096, and far more tokens than 4096
            long = asyncio.create_task(client.generate([{"role": "user", "content": text}], SAMPLED, 0))
            waits = []
            while not long.done():
                asked = asyncio.get_running_loop().time()
                await client.health()
                waits.append(asyncio.get_running_loop().time() - asked)
            with pytest.raises(EndpointRefused, match="tokens, and the context holds 4096"):
                await long
            return waits, asyncio.get_running_loop().time() - begun

    waits, whole_s = asyncio.run(work())
    assert max(waits) < whole_s / 2


def test_our_client_times_and_counts(served):
    answer = ask(served[0])
    timings = answer.timings
    assert (timings.completion_tokens, timings.tokens_from, answer.finish_reason) == (40, "measured", "length")
    assert 0 < timings.ttft_s <= timings.latency_s
    assert timings.queue_s + timings.prefill_s + timings.decode_s <= timings.latency_s
    assert (len(timings.itl_s), timings.itl_at) == (39, "worker")
    assert sum(timings.itl_s) == pytest.approx(timings.decode_s, abs=1e-4)
    assert answer.served_model == "tiny"


def test_a_seed_is_a_text_alone_and_among_eight(served):
    async def together():
        async with EndpointClient(served[0], "tiny") as client:
            return await asyncio.gather(*(client.generate(MESSAGES, SAMPLED, seed) for seed in range(8)))

    crowd = asyncio.run(together())
    assert max(answer.rows for answer in crowd) > 1
    assert [answer.text for answer in crowd] == [ask(served[0], seed=seed).text for seed in range(8)]
    assert len({answer.text for answer in crowd}) == 8


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_hangs_up_stops_the_generation(served, stream):
    async def hang_up():
        async with EndpointClient(served[0], "tiny") as client:
            body = {"model": "tiny", "messages": MESSAGES, "max_tokens": 4000, "stream": stream}
            text = json.dumps(body).encode()
            host, port = served[0].split("/")[2].split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            before = (await client.health())["generated_tokens"]
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n"
            writer.write(head.encode() + text)
            await writer.drain()
            await until_answer(client.health, lambda health: health["generated_tokens"] > before + 5)
            writer.close()
            await until_answer(client.health, lambda health: health["in_flight"] == 0)
            stopped = (await client.health())["generated_tokens"]
            assert stopped < before + 3900
            await client.generate(MESSAGES, Sampling(max_tokens=5), 0)
            assert (await client.health())["generated_tokens"] == stopped + 5

    asyncio.run(hang_up())


def test_cancelling_a_call_of_our_client_stops_the_generation(served):
    async def cancel():
        async with EndpointClient(served[0], "tiny") as client:
            before = (await client.health())["generated_tokens"]
            task = asyncio.create_task(client.generate(MESSAGES, Sampling(max_tokens=4000), 0))
            await until_answer(client.health, lambda health: health["in_flight"] == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until_answer(client.health, lambda health: health["in_flight"] == 0)
            assert (await client.health())["generated_tokens"] < before + 3900

    asyncio.run(cancel())


def test_a_worker_on_a_socket_is_its_owners_alone_and_leaves_nothing(folder, tmp_path):
    async def live():
        worker = await start_worker(WorkerCommand("tiny", "onnx", folder, threads=1), tmp_path, READY_S)
        assert stat.S_IMODE(worker.socket.stat().st_mode) == 0o600
        assert worker.facts.engine == "onnx"
        async with worker.client() as client:
            assert await client.models() == ["tiny"]
            with pytest.raises(EndpointRefused, match="the context holds 4096"):
                await client.generate([{"role": "user", "content": "word " * 9000}], SAMPLED, 0)
        await worker.stop()
        await worker.stop()
        assert not worker.alive
        assert not worker.socket.parent.exists()

    asyncio.run(live())


def start_and_fail(folder, tmp_path, engine="onnx", **settings):
    with pytest.raises(UsageError) as caught:
        asyncio.run(start_worker(WorkerCommand("tiny", engine, folder, **settings), tmp_path / "logs", READY_S))
    return caught.value


def test_a_token_over_tcp_waits_for_no_acknowledgement():
    """asyncio leaves Nagle's algorithm on for a listener whose protocol is not named: 40 ms for a first token."""
    options = argparse.Namespace(socket=None, host="127.0.0.1", port=0)
    with worker_program._listen(options) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP


def test_what_the_user_can_fix_comes_back_as_what_it_is(tmp_path):
    folder = make_tiny_model(tmp_path / "model")
    assert isinstance(start_and_fail(folder, tmp_path, device="cuda"), UnsupportedModel)
    assert "no model folder or file" in start_and_fail(tmp_path / "nowhere", tmp_path).message
    assert "did you mean onnx" in start_and_fail(folder, tmp_path, engine="onx").hint
    (folder / "tokenizer_config.json").write_text('{\n"chat_template": \n}')
    problem = start_and_fail(folder, tmp_path)
    assert isinstance(problem, InvalidFile)
    assert problem.problems[0].line == 3


def test_a_missing_engine_names_the_command_that_adds_it(tmp_path):
    if any((Path(path) / "torch").is_dir() for path in sys.path):
        pytest.skip("torch is installed here")
    error = start_and_fail(make_tiny_model(tmp_path / "model"), tmp_path, engine="transformers")
    assert isinstance(error, MissingDependency)
    assert error.hint == install_command("transformers")


def test_an_engine_of_another_package_is_found_by_its_entry_point(tmp_path, monkeypatch):
    package = tmp_path / "site"
    (package / "echo-1.0.dist-info").mkdir(parents=True)
    (package / "echo-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: echo\nVersion: 1.0\n")
    (package / "echo-1.0.dist-info" / "entry_points.txt").write_text("[bakeoff.engines]\necho = echo_engine:load\n")
    (package / "echo_engine.py").write_text(
        "print('a library that prints')\nfrom bakeoff.engines.onnx_model import load\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(package))  # for the worker
    monkeypatch.syspath_prepend(package)  # and for us, who start it

    async def live():
        folder = make_tiny_model(tmp_path / "model")
        worker = await start_worker(WorkerCommand("tiny", "echo", folder), tmp_path, READY_S)
        async with worker.client() as client:
            assert (await client.generate(MESSAGES, Sampling(max_tokens=3), 0)).timings.completion_tokens == 3
        await worker.stop()
        return worker.log.read_text()

    assert "a library that prints" in asyncio.run(live())


def test_log_probabilities_are_those_of_the_chosen_and_the_likeliest(sdk):
    asked = {"model": "tiny", "messages": MESSAGES, "max_tokens": 5, "temperature": 0, "logprobs": True}
    answer = sdk.chat.completions.create(**asked, top_logprobs=4).choices[0]
    plain = sdk.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=5, temperature=0).choices[0]
    assert answer.message.content == plain.message.content
    assert plain.logprobs is None
    content = answer.logprobs.content
    assert len(content) == 5
    for found in content:
        values = [other.logprob for other in found.top_logprobs]
        assert len(values) == 4
        assert values == sorted(values, reverse=True)
        assert found.logprob == values[0] <= 0  # greedy: the likeliest was chosen
        assert sum(math.exp(value) for value in values) <= 1.0 + 1e-9


def test_a_judge_gets_the_likeliest_first_tokens(served):
    async def once(top):
        async with EndpointClient(served[0], "tiny") as client:
            return await client.generate(MESSAGES, Sampling(temperature=0, max_tokens=3), 1, top_logprobs=top)

    assert len(asyncio.run(once(20)).first_logprobs) <= 20
    assert asyncio.run(once(None)).first_logprobs is None


def test_a_workers_peak_memory_is_its_own_not_its_parents(folder, tmp_path):
    """Linux tells a process that was just started its parent's size as its peak, unless it is asked in the right place."""
    ballast = np.ones(100_000_000)  # 800 MB, of which every page is written
    command = WorkerCommand(name="tiny", engine="onnx", folder=folder, threads=1)

    async def start():
        worker = await start_worker(command, tmp_path, READY_S)
        await worker.stop()
        return worker.facts.peak_rss_bytes

    assert 30 << 20 < asyncio.run(start()) < ballast.nbytes // 2
