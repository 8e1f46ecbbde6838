"""What keeping models in memory costs: a lease, a start, a swap, and the deciding itself.

    python benchmarks/residency.py [--rounds 5] [--leases 20000] [--out benchmarks/results/residency.md]

Leases are timed in CPU time of this process, which is robust to neighbours; starts and swaps in wall time, from the wish for
a lease to the first streamed token, with real worker processes: bundled models on the `onnx` engine, and a fake one that
holds 60 MiB. Medians over the rounds, in brackets least and most. The load average is told with every table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time

import aiohttp

from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.engines.process import WorkerCommand
from bakeoff.machine.budget import HOST
from bakeoff.serve.effects import Grant
from bakeoff.serve.held import ModelRules, Rules
from bakeoff.serve.keeping import Keeping
from bakeoff.serve.plan import ServedModel, ServedRoute, ServingPlan
from bakeoff.serve.residency import Residency
from bakeoff.serve.supervisor import Supervisor

MIB = 1 << 20
BUNDLED = Path(__file__).parents[1] / "src" / "bakeoff" / "bundled" / "models"
BODY = {"messages": [{"role": "user", "content": "Write."}], "max_tokens": 16, "stream": True}


def plan_of(names: Sequence[str], engine: str) -> ServingPlan:
    """Return a plan of bundled models, or of fake ones, of 300 MiB each."""
    models = []
    for name in names:
        spec = ModelSpec(reference=name, name=name, source="folder", location=str(BUNDLED / name), digest=name)
        candidate = Candidate(id=name, model=spec, engine=engine, sampling=Sampling())
        models.append(ServedModel(candidate=candidate, need_bytes=300 * MIB, need_high_bytes=300 * MIB))
    return ServingPlan(run_id=None, models=tuple(models), general=ServedRoute(candidate=names[0]))


async def first_token_s(supervisor: Supervisor, model: str) -> float:
    """Return seconds from the wish for a lease to the first streamed token."""
    began = perf_counter()
    async with supervisor.lease(model, 300) as lease:
        connector = aiohttp.UnixConnector(str(lease.upstream.address))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post("http://worker/v1/chat/completions", json={"model": model, **BODY}) as response,
        ):
            while b'"content": "' not in (line := await response.content.readline()) and b'"content":"' not in line:
                continue
            took_s = perf_counter() - began
            await response.read()
        lease.ended("answered")
    return took_s


async def starts_and_swaps(names: Sequence[str], engine: str, rounds: int) -> dict[str, list[float]]:
    """Return seconds to the first token by what had to be done for it."""
    commands = {}
    if engine == "fake":
        program = (sys.executable, "-m", "bakeoff.engines.fake_worker", "--hold-mb", "60")
        commands = {name: WorkerCommand(name, engine, Path(), program=program) for name in names}
    took: dict[str, list[float]] = {"start": [], "swap": [], "ready": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as logs:
            keeping = Keeping(budget_bytes=400 * MIB)
            async with Supervisor(plan_of(names, engine), keeping, Path(logs), commands=commands) as supervisor:
                took["start"].append(await first_token_s(supervisor, names[0]))
                took["ready"].append(await first_token_s(supervisor, names[0]))
                took["swap"].append(await first_token_s(supervisor, names[1]))
    return took


async def lease_us(leases: int) -> float:
    """Return CPU microseconds for a lease on a ready worker, taken and given back, one after another."""
    program = (sys.executable, "-m", "bakeoff.engines.fake_worker")
    commands = {"a": WorkerCommand("a", "fake", Path(), program=program)}
    with tempfile.TemporaryDirectory() as logs:
        keeping = Keeping(idle_unload_s=600)
        async with Supervisor(plan_of(["a"], "fake"), keeping, Path(logs), commands=commands) as supervisor:
            async with supervisor.lease("a", 300):
                pass
            began = process_time()
            for _ in range(leases):
                async with supervisor.lease("a", 30) as lease:
                    lease.ended("answered")
            return (process_time() - began) / leases * 1e6


def machine_us(models: int, waiting: int, leases: int, memories: int = 1) -> float:
    """Return CPU microseconds of the machine alone for a lease, with so many models ready, each in so many memories that have a
    budget, and so many requests waiting.
    """
    need = dict.fromkeys((HOST, "cuda:0")[:memories], MIB)
    rules = [ModelRules(str(name), need, slots=4, queue=waiting + 4, idle_unload_s=600.0) for name in range(models)]
    machine = Residency(rules, Rules(dict.fromkeys(need, models * MIB)), lambda: 0.5)
    held = []
    for number, model in enumerate(rules):
        machine.arrive(0.0, -1 - number, model.name, 1e9)
        machine.loaded(1.0, model.name, 1)
        machine.release(1.0, -1 - number, "answered")
    number = 0
    for _ in range(4 + waiting if waiting else 0):
        number += 1
        held += [effect.waiter for effect in machine.arrive(1.0, number, "0", 1e9) if isinstance(effect, Grant)]
    began = process_time()
    for _ in range(leases):
        number += 1
        held += [effect.waiter for effect in machine.arrive(2.0, number, "0", 1e9) if isinstance(effect, Grant)]
        held += [effect.waiter for effect in machine.release(2.0, held.pop(0), "answered") if isinstance(effect, Grant)]
    return (process_time() - began) / leases * 1e6


def cell(values: Sequence[float], digits: int) -> str:
    """Return the median, and least and most in brackets."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def repeat(rounds: int, measure: Callable[[], Awaitable[float]]) -> list[float]:
    """Measure so many times."""
    return [asyncio.run(measure()) for _ in range(rounds)]


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--leases", type=int, default=20_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    loads = [os.getloadavg()[0]]
    rows = []
    for engine, names in (("fake", ("a", "b")), ("onnx", ("baseline", "social"))):
        took = asyncio.run(starts_and_swaps(names, engine, options.rounds))
        rows.append(f"| {engine}: {', '.join(names)} | " + " | ".join(cell(took[what], 2) for what in took) + " |")
        loads.append(os.getloadavg()[0])
    leases = [
        f"| supervisor, one model ready | {cell(repeat(options.rounds, lambda: lease_us(options.leases)), 1)} |",
    ]
    for models, waiting, memories in ((1, 0, 1), (4, 0, 1), (16, 0, 1), (1, 64, 1), (16, 64, 1), (16, 64, 2)):
        took_us = [machine_us(models, waiting, options.leases // 4, memories) for _ in range(options.rounds)]
        beside = ", two memories" if memories > 1 else ""
        leases.append(f"| machine alone, {models} ready, {waiting} waiting{beside} | {cell(took_us, 1)} |")
    loads.append(os.getloadavg()[0])
    where = (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load average {min(loads):.1f} to {max(loads):.1f} (shared machine: above the number of cores every wall time is of a "
        f"queue for the CPU). {options.rounds} rounds; medians, in brackets least and most. `python benchmarks/residency.py`"
    )
    report = [
        "# Residency: what keeping models in memory costs",
        "",
        where,
        "",
        "Seconds of wall time from the wish for a lease to the first streamed token:",
        "",
        "| models | start (nothing runs) | swap (the other one goes first) | ready |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Microseconds of CPU time per lease, taken and given back ({options.leases} in a row):",
        "",
        "| what | us |",
        "|---|---|",
        *leases,
    ]
    text = "\n".join(report) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
