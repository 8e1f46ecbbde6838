"""What the batcher, and then HTTP, cost per token: the engine alone, the batcher over it, a worker over its socket.

    python benchmarks/worker_overhead.py [MODEL_FOLDER] [--rounds 5] [--tokens 128] [--threads 2]

Every round measures every way once, interleaved, so that a busy neighbour hits them all; medians over the rounds are
printed. "share" is the throughput as a share of the engine alone at the same number of rows, within one round.
Tokens are forced: the model's end-of-text tokens are taken away.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import queue
import shutil
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import numpy as np

from bakeoff.core.spec import Sampling
from bakeoff.engines import onnx_model
from bakeoff.engines.base import TokenModel
from bakeoff.engines.batching import Batcher, Limits
from bakeoff.engines.process import Worker, WorkerCommand, start_worker
from bakeoff.engines.requests import Delivery
from bakeoff.engines.text import TextCodec

CONCURRENCY = (1, 8, 16)
MESSAGES = [{"role": "user", "content": "Write a short post about the launch of our new coffee grinder, Orbit."}]


def run_engine(model: TokenModel, prompt: list[int], rows: int, tokens: int) -> float:
    """Return seconds for `rows` sequences of `tokens` tokens, greedy, with nothing around the model."""
    started = perf_counter()
    logits = model.prefill([prompt] * rows)
    for _ in range(tokens - 1):
        logits = model.decode(np.argmax(logits, axis=1).tolist())
    model.keep([])
    return perf_counter() - started


def run_batcher(batcher: Batcher, prompt: list[int], rows: int, sampling: Sampling) -> float:
    """Return seconds for the same through the batcher, in this process: sampling, text and deliveries added."""
    done: queue.Queue[Delivery] = queue.Queue()
    started = perf_counter()
    for seed in range(rows):
        batcher.submit(prompt, sampling, seed, lambda delivery: done.put(delivery) if delivery.last else None)
    for _ in range(rows):
        timings = done.get(timeout=120).timings
        if timings is None:
            raise SystemExit("the batcher ended a text without its timings")
        check(timings.completion_tokens, sampling)
    return perf_counter() - started


async def run_http(worker: Worker, rows: int, sampling: Sampling) -> float:
    """Return seconds for the same through a worker: HTTP, JSON and the streaming client added."""
    async with worker.client() as client:
        await client.models()  # a connection is there already, as in a run
        started = perf_counter()
        answers = await asyncio.gather(*(client.generate(MESSAGES, sampling, seed) for seed in range(rows)))
        elapsed = perf_counter() - started
    for answer in answers:
        check(answer.timings.completion_tokens, sampling)
    return elapsed


def check(tokens: int | None, sampling: Sampling) -> None:
    """End the program when an answer is not as long as it was meant to be."""
    if tokens != sampling.max_tokens:
        raise SystemExit(f"{tokens} tokens came, not {sampling.max_tokens}: nothing was measured")


def endless_copy(folder: Path, into: Path) -> Path:
    """Copy a model folder without what would end a text early."""
    copy = into / "model"
    shutil.copytree(folder, copy)
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        if (copy / name).is_file():
            settings = json.loads((copy / name).read_text())
            (copy / name).write_text(json.dumps({k: v for k, v in settings.items() if not k.startswith("eos_")}))
    return copy


async def measure(folder: Path, rounds: int, tokens: int, threads: int) -> dict[tuple[str, int], list[float]]:
    """Return tokens per second of every way and concurrency, a value a round."""
    codec = TextCodec.load(folder)
    prompt = codec.encode_chat(MESSAGES)
    alone = onnx_model.load(folder, None, threads)
    batched = Batcher(onnx_model.load(folder, None, threads), codec, Limits(max_rows=max(CONCURRENCY)))
    batched.start()
    command = WorkerCommand("m", "onnx", folder, threads=threads, max_rows=max(CONCURRENCY))
    worker = await start_worker(command, folder.parent / "logs")
    greedy = Sampling(temperature=0, max_tokens=tokens)
    sampled = Sampling(temperature=0.7, top_p=0.95, max_tokens=tokens)
    ways: dict[str, Callable[[int], Awaitable[float]]] = {
        "engine alone": lambda rows: asyncio.to_thread(run_engine, alone, prompt, rows, tokens),
        "batcher, greedy": lambda rows: asyncio.to_thread(run_batcher, batched, prompt, rows, greedy),
        "batcher, sampled": lambda rows: asyncio.to_thread(run_batcher, batched, prompt, rows, sampled),
        "HTTP, greedy": lambda rows: run_http(worker, rows, greedy),
        "HTTP, sampled": lambda rows: run_http(worker, rows, sampled),
    }
    found: dict[tuple[str, int], list[float]] = {}
    for round_ in range(rounds + 1):
        for rows in CONCURRENCY:
            for way, run in ways.items():
                seconds = await run(rows)
                if round_:  # the first round warms up
                    found.setdefault((way, rows), []).append(rows * tokens / seconds)
    await worker.stop()
    batched.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    default = Path(__file__).parents[1] / "src" / "bakeoff" / "bundled" / "models" / "generalist"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = endless_copy(options.folder, Path(scratch))
        found = asyncio.run(measure(folder, options.rounds, options.tokens, options.threads))
    print(f"{options.folder}: {options.tokens} tokens a text, {options.threads} threads, load {os.getloadavg()[0]:.1f}")
    print(f"{'way':18}{'rows':>5}{'tokens/s':>10}{'share':>8}{'us/token':>10}")
    for (way, rows), rates in found.items():
        alone = found["engine alone", rows]
        share = statistics.median(rate / base for rate, base in zip(rates, alone, strict=True))
        cost = statistics.median(1e6 / rate - 1e6 / base for rate, base in zip(rates, alone, strict=True))
        print(f"{way:18}{rows:>5}{statistics.median(rates):>10.0f}{share:>8.2f}{cost:>10.1f}")


if __name__ == "__main__":
    main()
