"""Does the simulation of `bakeoff plan --traffic` meet what really happens? A worker under random arrivals, beside its plan.

    python benchmarks/capacity.py [--model bundled:generalist] [--seconds 60] [--rounds 3] [--out FILE]

A round: latency alone and throughput with 8 in flight are measured as a run measures them, then texts are asked for at
random (Poisson) at several shares of the capacity that was found, and each share's latencies are held against what the
simulation says of the same lengths. Rounds are interleaved with their own calibration, since a shared machine's speed drifts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np

from bakeoff.catalog.references import resolve
from bakeoff.core.spec import Sampling
from bakeoff.decide.capacity import Service, simulate
from bakeoff.engines.client import EndpointClient
from bakeoff.engines.local import choose_engine
from bakeoff.engines.process import WorkerCommand, start_worker
from bakeoff.study.suite import find_suite, load_suite

SLOTS = 8
SHARES = (0.3, 0.6, 0.8)
ALONE, TOGETHER = 24, 96
SAMPLING = Sampling(temperature=0.8, top_p=0.95, max_tokens=160)


@dataclass
class Row:
    """One share of the capacity: what was predicted and what was met, a value a round, in seconds."""

    predicted_p50: list[float] = field(default_factory=list)
    met_p50: list[float] = field(default_factory=list)
    predicted_p95: list[float] = field(default_factory=list)
    met_p95: list[float] = field(default_factory=list)
    texts: int = 0


async def ask(client: EndpointClient, prompt: str, seed: int) -> tuple[float, float, int]:
    """Return latency, time to the first token, and tokens of one text."""
    answer = await client.generate([{"role": "user", "content": prompt}], SAMPLING, seed)
    return answer.timings.latency_s or 0.0, answer.timings.ttft_s or 0.0, answer.timings.completion_tokens or 1


async def calibrate(client: EndpointClient, prompts: list[str]) -> Service:
    """Measure what a run measures: texts alone, then as many in flight as there are slots."""
    alone = [await ask(client, prompts[i % len(prompts)], i) for i in range(ALONE)]
    waiting = list(range(TOGETHER))
    tokens: list[int] = []

    async def work() -> None:
        while waiting:
            number = waiting.pop()
            tokens.append((await ask(client, prompts[number % len(prompts)], 1000 + number))[2])

    started = perf_counter()
    await asyncio.gather(*(work() for _ in range(SLOTS)))
    elapsed = perf_counter() - started
    first = statistics.median(ttft for _, ttft, _ in alone)
    per_token = statistics.median((latency - ttft) / max(1, count - 1) for latency, ttft, count in alone)
    lengths = tuple(count for _, _, count in alone) + tuple(tokens)
    return Service(first, per_token, lengths, sum(tokens) / elapsed, SLOTS)


async def load(client: EndpointClient, prompts: list[str], rate_per_s: float, seconds: float, seed: int) -> list[float]:
    """Ask at random at a steady rate, no more at a time than there are slots; return latencies with the wait for a slot."""
    rng = random.Random(seed)
    slots = asyncio.Semaphore(SLOTS)
    latencies: list[float] = []

    async def one(number: int) -> None:
        came = perf_counter()
        async with slots:
            await ask(client, rng.choice(prompts), seed * 100_000 + number)
        latencies.append(perf_counter() - came)

    started, at_s, tasks = perf_counter(), 0.0, []
    while (at_s := at_s + rng.expovariate(rate_per_s)) < seconds:
        await asyncio.sleep(max(0.0, started + at_s - perf_counter()))
        tasks.append(asyncio.create_task(one(len(tasks))))
    await asyncio.gather(*tasks)
    return latencies


async def measure(arguments: argparse.Namespace) -> dict[float, Row]:
    """Measure every round."""
    prompts = [brief.prompt for brief in load_suite(find_suite(None)).briefs]
    spec = resolve(arguments.model)
    command = WorkerCommand(arguments.model, choose_engine(spec, None, ()), Path(spec.location))
    rows = {share: Row() for share in SHARES}
    with tempfile.TemporaryDirectory() as logs:
        worker = await start_worker(command, Path(logs))
        try:
            async with worker.client() as client:
                for number in range(arguments.rounds):
                    service = await calibrate(client, prompts)
                    print(f"round {number}: {service.most_per_s:.2f} texts/s at most", file=sys.stderr, flush=True)
                    for share in random.Random(number).sample(SHARES, len(SHARES)):
                        rate = share * service.most_per_s
                        met = await load(client, prompts, rate, arguments.seconds, number + 1)
                        plan = simulate(service, rate, 1, seed=number)
                        row = rows[share]
                        row.texts += len(met)
                        row.met_p50.append(float(np.percentile(met, 50)))
                        row.met_p95.append(float(np.percentile(met, 95)))
                        row.predicted_p50.append(plan.latency_p50_s or float("nan"))
                        row.predicted_p95.append(plan.latency_p95_s or float("nan"))
        finally:
            await worker.stop()
    return rows


def write(rows: dict[float, Row], arguments: argparse.Namespace) -> str:
    """Return the table as Markdown."""
    command = f"python benchmarks/capacity.py --model {arguments.model} --seconds {arguments.seconds:g} --rounds {arguments.rounds}"
    machine = f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
    lines = [
        "# Capacity on paper, and met",
        "",
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, {machine}.",
        "Medians over the rounds; the ratio is met over predicted, with its lowest and highest round.",
        "",
        "| share of capacity | texts | p50 predicted | p50 met | ratio | p95 predicted | p95 met | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for share, row in rows.items():
        lines.append(
            f"| {share:.0%} | {row.texts} | {_compared(row.predicted_p50, row.met_p50)} | "
            f"{_compared(row.predicted_p95, row.met_p95)} |"
        )
    return "\n".join(lines) + "\n"


def _compared(predicted: list[float], met: list[float]) -> str:
    ratios = [have / said for have, said in zip(met, predicted, strict=True)]
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return f"{statistics.median(predicted):.2f} s | {statistics.median(met):.2f} s | {spread}"


def main() -> None:
    """Measure, print, and write the table where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bundled:generalist")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    table = write(asyncio.run(measure(arguments)), arguments)
    print(table)
    if arguments.out:
        arguments.out.write_text(table)


if __name__ == "__main__":
    main()
