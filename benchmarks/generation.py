"""Tokens per second, side by side in one run: our engines, alone and through the worker, beside lm-evaluation-harness.

    python benchmarks/generation.py --peer PATH/TO/LMEVAL/bin/python [--rounds 10] [--engines transformers,onnx]

The peer is an environment of its own: `pip install 'lm-eval[hf]==0.4.13' 'torch<2.14'`. Every way writes the same greedy
texts, all of them `--tokens` long, from the same float32 weights and the same prompts, in a process that has loaded
before; ways are interleaved, a round is one turn of each, in an order shuffled anew. All processes get the same number
of threads, and the same `OMP_WAIT_POLICY` unless `--peer-wait` says otherwise. Our engines alone have the environment of a
worker; what is set for this program, all have. At batch 1 only `FEW` prompts are written: the rate is the same, and 64 would
take most of the run. Also measured in each round: how fast memory can be read and matrices multiplied, for the roofs.

Without `--model` a random model of 28M parameters is made (float32, 8 layers of 512): what it writes means nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

FEW = 4
BATCHES = (1, 8, 32, 64)
ROWS = (1, 32, 64)
SUBJECTS = (
    "coffee grinder",
    "night train",
    "bicycle lamp",
    "tax course",
    "water filter",
    "song book",
    "rain coat",
    "saw",
)
FORMS = (
    "a short post",
    "an e-mail to a customer",
    "an advert",
    "three sentences",
    "a note for colleagues",
    "a headline",
    "a how-to",
    "an invitation",
)


@dataclass
class Way:
    """One way to write the texts; `run` returns seconds and texts. `rates` holds a value a round, in tokens/s."""

    name: str
    batch: int
    prompts: int
    run: Callable[[], Awaitable[tuple[float, list[str]]]]
    rates: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


@dataclass
class Child:
    """A process that answers a line of JSON with a line of JSON, and has loaded its model."""

    process: asyncio.subprocess.Process
    facts: dict[str, Any]

    @classmethod
    async def start(cls, command: list[str], environment: dict[str, str]) -> Child:
        """Start it, and wait until it is ready."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env=environment, limit=2**26
        )
        child = cls(process, {})
        child.facts = await child.read()
        return child

    async def ask(self, **task: Any) -> dict[str, Any]:
        """Give it a task; return its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(task).encode() + b"\n")
        await self.process.stdin.drain()
        return await self.read()

    async def read(self) -> dict[str, Any]:
        """Return its next line."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a process ended with code {await self.process.wait()}; run it by hand to see why")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def stop(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()


def make_prompts(count: int) -> list[str]:
    """Return requests of different lengths."""
    return [
        f"Write {FORMS[i % len(FORMS)]} about our new {SUBJECTS[i // len(FORMS) % len(SUBJECTS)]}, number {i}."
        + " Say what it costs and when it comes." * (i % 3)
        for i in range(count)
    ]


async def run_worker(worker: Any, prompts: list[str], rows: int, tokens: int) -> tuple[float, list[str]]:
    """Let a worker write all prompts, `rows` in flight."""
    from bakeoff.core.spec import Sampling

    gate = asyncio.Semaphore(rows)
    sampling = Sampling(temperature=0, max_tokens=tokens)
    async with worker.client() as client:
        await client.models()  # a connection is there already, as in a run

        async def write(text: str) -> Any:
            async with gate:
                return await client.generate([{"role": "user", "content": text}], sampling, 0)

        started = perf_counter()
        answers = await asyncio.gather(*(write(text) for text in prompts))
        seconds = perf_counter() - started
    for answer in answers:
        if answer.timings.completion_tokens != tokens:
            raise SystemExit(f"{answer.timings.completion_tokens} tokens came, not {tokens}: nothing was measured")
    return seconds, [answer.text for answer in answers]


def child_way(child: Child, name: str, batch: int, prompts: list[str], tokens: int, kind: str) -> Way:
    """Return a way that asks a child."""

    async def run() -> tuple[float, list[str]]:
        answer = await child.ask(way=kind, batch=batch, prompts=prompts, tokens=tokens)
        return answer["seconds"], answer["texts"]

    return Way(name, batch, len(prompts), run)


def worker_way(worker: Any, name: str, rows: int, prompts: list[str], tokens: int) -> Way:
    """Return a way that asks a worker."""
    return Way(name, rows, len(prompts), lambda: run_worker(worker, prompts, rows, tokens))


def make_gguf(folder: Path, file: Path, kind: str) -> Path:
    """Make the model a GGUF file."""
    program = [sys.executable, "-m", "bakeoff.engines.gguf_convert", "--model", str(folder), "--out", str(file)]
    subprocess.run([*program, "--kind", kind], check=True, stdout=subprocess.DEVNULL)
    return file


async def measure(options: argparse.Namespace, folder: Path, scratch: Path) -> str:
    """Run all rounds; return the report."""
    from bakeoff.engines.process import WORKER_ENVIRONMENT, WorkerCommand, start_worker

    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if options.wait != "OWN":
        os.environ["OMP_WAIT_POLICY"] = options.wait
    environment = dict(os.environ)  # the workers' too
    prompts = make_prompts(options.prompts)
    ways: list[Way] = []
    children: dict[str, Child] = {}
    workers = []
    for engine in options.engines.split(","):
        program = str(Path(__file__).with_name("generation_engine.py"))
        name, _, kind = engine.partition(":")
        model = make_gguf(folder, scratch / f"{kind or 'f32'}.gguf", kind or "f32") if name == "llamacpp" else folder
        command = [sys.executable, program, name, str(model), str(options.threads)]
        child = children[engine] = await Child.start(command, {**WORKER_ENVIRONMENT, **environment})
        started = WorkerCommand(engine, name, model, threads=options.threads, max_rows=max(options.rows))
        worker = await start_worker(started, scratch / "logs")
        workers.append(worker)
        for rows in options.rows:
            some = prompts if rows > 1 else prompts[:FEW]
            if name == "llamacpp":
                ways.append(child_way(child, f"{engine}, llama.cpp's own loop", rows, some, options.tokens, "own loop"))
            ways.append(child_way(child, f"{engine}, engine alone", rows, some, options.tokens, "engine"))
            ways.append(worker_way(worker, f"{engine}, worker", rows, some, options.tokens))
    if options.peer is not None:
        children["peer"] = await start_peer(options, folder, environment)
        ways += peer_ways(children["peer"], folder, prompts, options.tokens, options.peer_batches)
    report = ""
    facts = {name: child.facts for name, child in children.items()}
    async for roofs, loads in run_rounds(ways, children, options):
        report = write_report(ways, facts, roofs, loads, options)
        keep(report, options.out)
    for child in children.values():
        await child.stop()
    for worker in workers:
        await worker.stop()
    return report


async def start_peer(options: argparse.Namespace, folder: Path, environment: dict[str, str]) -> Child:
    """Start lm-evaluation-harness."""
    theirs = {**environment, "OMP_WAIT_POLICY": options.peer_wait or options.wait}
    if theirs["OMP_WAIT_POLICY"] in {"OWN", "DEFAULT"}:
        del theirs["OMP_WAIT_POLICY"]
    program = str(Path(__file__).with_name("generation_peer.py"))
    return await Child.start([str(options.peer), program, str(folder), str(options.threads)], theirs)


def peer_ways(child: Child, folder: Path, prompts: list[str], tokens: int, batches: Sequence[int]) -> list[Way]:
    """Return lm-evaluation-harness at each batch, and the loop that one would write first."""
    from bakeoff.engines.chat_template import ChatTemplate

    chat = ChatTemplate.load(folder, {}, {})
    rendered = [chat.render([{"role": "user", "content": text}]) for text in prompts]
    few = rendered[:FEW]
    ways = [child_way(child, "lm-eval hf", n, rendered if n > 1 else few, tokens, "lm-eval") for n in batches]
    return [*ways, child_way(child, "generate loop", 1, few, tokens, "generate")]


async def run_rounds(
    ways: list[Way], children: dict[str, Child], options: argparse.Namespace
) -> AsyncIterator[tuple[dict[str, float], list[float]]]:
    """Fill the ways' rates; yield after each round the best roofs seen, and the load average at each round's end."""
    shuffler = random.Random(0)
    roofs: dict[str, float] = {}
    loads = []
    for round_ in range(options.rounds + 1):
        for way in shuffler.sample(ways, len(ways)):
            seconds, texts = await way.run()
            if round_:  # the first round warms up
                way.rates.append(way.prompts * options.tokens / seconds)
            way.texts = texts
        if "transformers" in children:
            for name, value in (await children["transformers"].ask(way="roofs")).items():
                roofs[name] = max(roofs.get(name, 0.0), value)
        loads.append(os.getloadavg()[0])
        print(f"round {round_} of {options.rounds}, load {loads[-1]:.1f}", file=sys.stderr)
        if round_:
            yield roofs, loads


def keep(report: str, file: Path | None) -> None:
    """Write the table, after each round: an interruption loses the round that it falls into."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(report, encoding="utf-8")


def write_report(
    ways: list[Way],
    facts: dict[str, dict[str, Any]],
    roofs: dict[str, float],
    loads: list[float],
    options: argparse.Namespace,
) -> str:
    """Return the table in Markdown, with what has to be known to read it."""
    rivals = [way for way in ways if way.name == "lm-eval hf"]
    best = max(rivals, key=lambda way: statistics.median(way.rates), default=None)
    loop = next((way for way in ways if way.name == "generate loop"), None)
    by_name = {(way.name, way.batch): way for way in ways}
    whole = max(ways, key=lambda way: way.prompts)
    size = facts[options.engines.split(",")[0]]
    lines = [
        "# Generation, side by side",
        "",
        _conditions(options, loads),
        _workload(options, size),
        "",
        *(f"- {name}: {json.dumps(value)}" for name, value in facts.items()),
        f"- roofs: {', '.join(f'{name} {value:.3g}' for name, value in roofs.items())}",
        "",
        "| way | batch | tokens/s | x lm-eval's best | x generate loop | share of what it wraps | share of roof | same texts |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for way in ways:
        engine, _, part = way.name.partition(", ")
        wrapped = {"worker": "engine alone", "engine alone": "llama.cpp's own loop"}.get(part, "")
        base = by_name.get((f"{engine}, {wrapped}", way.batch))
        cells = [
            f"{statistics.median(way.rates):.0f} ({min(way.rates):.0f}-{max(way.rates):.0f})",
            *(ratio(way, other) for other in (best, loop, base)),
            share_of_roof(way, facts.get(engine, {"parameters": size["parameters"]}), roofs),
            f"{sum(a == b for a, b in zip(way.texts, whole.texts, strict=False))}/{len(way.texts)}",
        ]
        lines.append(f"| {way.name} | {way.batch} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _conditions(options: argparse.Namespace, loads: list[float]) -> str:
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, {options.threads} threads, "
        f"OMP_WAIT_POLICY={options.wait} (peer: {options.peer_wait or options.wait}). {len(loads) - 1} interleaved rounds; load average {min(loads):.1f} to "
        f"{max(loads):.1f} (this benchmark itself makes up to {options.threads})."
    )


def _workload(options: argparse.Namespace, size: dict[str, Any]) -> str:
    return (
        f"{size['parameters'] / 1e6:.1f}M parameters, {options.prompts} prompts x {options.tokens} new tokens, greedy, "
        f"batch 1 with {FEW} prompts. Medians, in brackets least and most; ratios are medians over rounds."
    )


def ratio(way: Way, other: Way | None) -> str:
    """Return how many times as fast, as the median over rounds with its range."""
    if other is None or other is way:
        return "-" if other is None else "1"
    ratios = [mine / theirs for mine, theirs in zip(way.rates, other.rates, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def share_of_roof(way: Way, size: dict[str, Any], roofs: dict[str, float]) -> str:
    """Return which share of the memory's rate (batch 1: all weights a token) or of the arithmetic's was reached."""
    if not roofs:
        return "-"
    rate = statistics.median(way.rates)
    if way.batch == 1:
        return f"{rate * size.get('weight_bytes', 4 * size['parameters']) / roofs['bytes_s']:.0%} of memory"
    return f"{rate * 2 * size['parameters'] / roofs['flop_s']:.0%} of arithmetic"


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", type=Path, help="the Python of an environment with lm-eval[hf]")
    parser.add_argument(
        "--engines", default="transformers,onnx", help="llamacpp:TYPE converts the model to that type first"
    )
    parser.add_argument("--rows", type=_numbers, default=ROWS, help="rows of our engines")
    parser.add_argument("--peer-batches", type=_numbers, default=BATCHES, help="batch sizes of lm-eval")
    parser.add_argument(
        "--model", type=Path, help="a float32 Llama folder that never ends a text (default: a random one)"
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--wait",
        choices=("PASSIVE", "ACTIVE", "OWN"),
        default="PASSIVE",
        help="OMP_WAIT_POLICY of all processes; OWN leaves it to each engine",
    )
    parser.add_argument(
        "--peer-wait", choices=("PASSIVE", "ACTIVE", "DEFAULT"), help="the peer's own, where it differs"
    )
    parser.add_argument("--out", type=Path, help="write the table here, say benchmarks/results/generation.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.model or Path(scratch) / "model"
        if options.model is None:
            program = str(Path(__file__).with_name("generation_engine.py"))
            subprocess.run([sys.executable, program, "make", str(folder)], check=True, stderr=subprocess.DEVNULL)
        report = asyncio.run(measure(options, folder, Path(scratch)))
    print(report)


if __name__ == "__main__":
    main()
