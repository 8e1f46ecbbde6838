"""Does the simulation of `bakeoff plan --traffic` meet what really happens? A worker under random arrivals, beside its plan.

    python benchmarks/capacity.py [--model bundled:generalist] [--seconds 12] [--rounds 3] [--out FILE]

A round measures what a run measures (latency alone, throughput with 8 in flight), and throughput with 2 and 4 in flight, which no
run measures and the model reads off the other two. Then texts are asked for at random (Poisson) at several shares of the capacity
that was found. Throughput is measured again after each: where the machine's own speed moved meanwhile, the table shows it, since
no plan can know that. Each share is held against the simulation with the mean of the speeds before and after it.
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
from dataclasses import dataclass, field, replace
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
BETWEEN = (2, 4)
SHARES = (0.3, 0.6, 0.8)
PARTS, ALONE, PART = 3, 8, 16
"""A calibration has so many parts; each has so many texts alone, and so many for each number in flight."""
STEADY = 1.2
"""A machine whose speed moves by more than that during a load is not steady enough to tell how good a plan is."""
SAMPLING = Sampling(temperature=0.8, top_p=0.95, max_tokens=160)


@dataclass
class Row:
    """One share of the capacity: what was predicted and what was met, a value a round, in seconds; how the speed moved."""

    predicted_p50: list[float] = field(default_factory=list)
    met_p50: list[float] = field(default_factory=list)
    predicted_p95: list[float] = field(default_factory=list)
    met_p95: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    texts: int = 0


@dataclass
class Found:
    """All that was measured: by share, and by how many were in flight (tokens/s, met and as the model has it)."""

    rows: dict[float, Row]
    between: dict[int, tuple[list[float], list[float]]]


async def ask(client: EndpointClient, prompt: str, seed: int) -> tuple[float, float, int]:
    """Return latency, time to the first token, and tokens of one text."""
    answer = await client.generate([{"role": "user", "content": prompt}], SAMPLING, seed)
    return answer.timings.latency_s or 0.0, answer.timings.ttft_s or 0.0, answer.timings.completion_tokens or 1


async def throughput(client: EndpointClient, prompts: list[str], in_flight: int, part: int) -> tuple[float, list[int]]:
    """Return the seconds and the lengths of a part of the texts, with so many in flight, always as many."""
    waiting = list(range(part * PART, (part + 1) * PART))
    tokens: list[int] = []

    async def work() -> None:
        while waiting:
            number = waiting.pop()
            tokens.append((await ask(client, prompts[number % len(prompts)], 1000 + number))[2])

    started = perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return perf_counter() - started, tokens


async def calibrate(client: EndpointClient, prompts: list[str]) -> tuple[Service, dict[int, float]]:
    """Measure what a run measures, and tokens/s with fewer in flight: in turn, so that a machine that moves moves all alike."""
    alone: list[tuple[float, float, int]] = []
    seconds: dict[int, float] = dict.fromkeys((*BETWEEN, SLOTS), 0.0)
    tokens: dict[int, list[int]] = {count: [] for count in seconds}
    for part in range(PARTS):
        alone += [await ask(client, prompts[i % len(prompts)], i) for i in range(part * ALONE, (part + 1) * ALONE)]
        for count in seconds:
            took, lengths = await throughput(client, prompts, count, part)
            seconds[count] += took
            tokens[count] += lengths
    speeds = {count: sum(tokens[count]) / seconds[count] for count in seconds}
    first = statistics.median(ttft for _, ttft, _ in alone)
    per_token = statistics.median((latency - ttft) / max(1, count - 1) for latency, ttft, count in alone)
    written = (*(count for _, _, count in alone), *tokens[SLOTS])
    over = tuple(latency / (first + per_token * count) for latency, _, count in alone)
    return Service(first, per_token, written, speeds[SLOTS], SLOTS, over), speeds


async def speed_now(client: EndpointClient, prompts: list[str]) -> float:
    """Return tokens/s with all slots in flight."""
    took, lengths = zip(*[await throughput(client, prompts, SLOTS, part) for part in range(PARTS)], strict=True)
    return float(sum(map(sum, lengths)) / sum(took))


def modelled(service: Service, in_flight: int) -> float:
    """Return tokens/s that the model has for so many texts in flight."""
    alone = sum(service.tokens) / float(service.alone_s.sum())
    return alone * in_flight / (1.0 + service.contention * (in_flight - 1))


def slowed(service: Service, factor: float) -> Service:
    """Return the same worker at another speed."""
    return replace(
        service,
        first_token_s=service.first_token_s / factor,
        per_token_s=service.per_token_s / factor,
        tokens_per_s=service.tokens_per_s * factor,
    )


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

    tasks: list[asyncio.Task[None]] = []
    started, at_s = perf_counter(), 0.0
    while (at_s := at_s + rng.expovariate(rate_per_s)) < seconds:
        await asyncio.sleep(max(0.0, started + at_s - perf_counter()))
        tasks.append(asyncio.create_task(one(len(tasks))))
    await asyncio.gather(*tasks)
    return latencies


async def measure(arguments: argparse.Namespace) -> Found:
    """Measure every round."""
    prompts = [brief.prompt for brief in load_suite(find_suite(None)).briefs]
    spec = resolve(arguments.model)
    command = WorkerCommand(arguments.model, choose_engine(spec, None, ()), Path(spec.location))
    found = Found({share: Row() for share in SHARES}, {count: ([], []) for count in BETWEEN})
    with tempfile.TemporaryDirectory() as logs:
        worker = await start_worker(command, Path(logs))
        try:
            async with worker.client() as client:
                for number in range(arguments.rounds):
                    await measure_round(client, prompts, arguments.seconds, number, found)
        finally:
            await worker.stop()
    return found


async def measure_round(client: EndpointClient, prompts: list[str], seconds: float, number: int, found: Found) -> None:
    """Calibrate, then each share of the capacity in a shuffled order."""
    service, speeds = await calibrate(client, prompts)
    print(
        f"round {number}: {service.most_per_s:.1f} texts/s at most, load average {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
    )
    for count, (met, said) in found.between.items():
        met.append(speeds[count])
        said.append(modelled(service, count))
    before = await speed_now(client, prompts)
    for share in random.Random(number).sample(SHARES, len(SHARES)):
        now = slowed(service, before / service.tokens_per_s)
        rate = share * now.most_per_s
        met_s = await load(client, prompts, rate, seconds, number + 1)
        after = await speed_now(client, prompts)
        plan = simulate(slowed(service, (before + after) / 2 / service.tokens_per_s), rate, 1, seed=number)
        row = found.rows[share]
        row.texts += len(met_s)
        row.met_p50.append(float(np.percentile(met_s, 50)))
        row.met_p95.append(float(np.percentile(met_s, 95)))
        row.predicted_p50.append(plan.latency_p50_s or float("nan"))
        row.predicted_p95.append(plan.latency_p95_s or float("nan"))
        row.moved.append(after / before)
        told = f"{share:.0%}: p95 {row.predicted_p95[-1]:.3f} s predicted, {row.met_p95[-1]:.3f} s met"
        print(
            f"  {told}; speed {row.moved[-1]:.2f}, load average {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True
        )
        before = after


def write(found: Found, arguments: argparse.Namespace) -> str:
    """Return the tables as Markdown."""
    command = f"python benchmarks/capacity.py --model {arguments.model} --seconds {arguments.seconds:g} --rounds {arguments.rounds}"
    machine = f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
    lines = [
        "# Capacity on paper, and met",
        "",
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, {machine}.",
        "Medians over the rounds; a ratio is met over predicted, with its lowest and highest round. The speed is the throughput",
        f"with {SLOTS} in flight after a load over that before it: how far the machine itself moved, which no plan knows.",
        "",
        "| share of capacity | texts | speed | p50 predicted | p50 met | ratio | p95 predicted | p95 met | ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for share, row in found.rows.items():
        lines.append(
            f"| {share:.0%} | {row.texts} | {_spread(row.moved)} | {_compared(row.predicted_p50, row.met_p50)} | "
            f"{_compared(row.predicted_p95, row.met_p95)} |"
        )
    slowest, fastest = (pick(value for row in found.rows.values() for value in row.moved) for pick in (min, max))
    if slowest < 1 / STEADY or fastest > STEADY:
        lines += [
            "",
            f"The machine was not steady: from before a load to after it, its speed became {slowest:.2f} to {fastest:.2f} times what it",
            "was. Ratios of latencies say more of that than of the plan: it knows the speed that was measured, and no neighbour's.",
        ]
    lines += ["", "| in flight | tokens/s as modelled | met | ratio |", "|---|---|---|---|"]
    for count, (met, said) in found.between.items():
        ratio = _spread([have / expected for have, expected in zip(met, said, strict=True)])
        lines.append(f"| {count} | {statistics.median(said):.0f} | {statistics.median(met):.0f} | {ratio} |")
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _compared(predicted: list[float], met: list[float]) -> str:
    ratio = _spread([have / said for have, said in zip(met, predicted, strict=True)])
    return f"{statistics.median(predicted):.2f} s | {statistics.median(met):.2f} s | {ratio}"


def main() -> None:
    """Measure, print, and write the tables where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bundled:generalist")
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    tables = write(asyncio.run(measure(arguments)), arguments)
    print(tables)
    if arguments.out:
        arguments.out.write_text(tables)


if __name__ == "__main__":
    main()
