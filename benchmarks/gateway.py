"""What the gateway adds to a request, and how many it passes on, beside a bare pass-through and LiteLLM's proxy, in one run.

    PYTHONPATH=src python benchmarks/gateway.py [--litellm PATH/TO/VENV/bin/litellm] [--seconds 4] [--rounds 3]

All of them stand before the same upstream, which takes no time (`gateway_stub.py`); every round measures each of them once,
interleaved, so that a busy neighbour hits them all. The load comes from this process: raw sockets, keep-alive, so many
connections, each asking again when its answer is complete. JSON: a client that wants no stream, for which the gateway asks
for a stream all the same and puts it together; as the second row of it, told to ask as it is asked (`endpoints.plain`). SSE:
64 tokens in 64 events. What is added at one connection is measured in pairs: one request to the upstream, one to the other,
and so on; the median of their differences, with its interval.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter, sleep
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

HERE = Path(__file__).parent
CONCURRENCY = (1, 32)
DIRECT = "the upstream itself"
OURS = ("bakeoff serve", "bakeoff serve, as asked")
KEY = "sk-bench-1234567890"
LOAD = Path(tempfile.gettempdir())


class Target(NamedTuple):
    """A server under load: where, by which model's name, and its process."""

    name: str
    url: str
    model: str
    pid: int
    start_s: float


class Cell(NamedTuple):
    """One measurement: answers a second, and their times in ms."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def started(
    name: str, command: list[str], url: str, model: str, environment: Mapping[str, str], health: str
) -> Iterator[Target]:
    """Start a server, and wait until it answers."""
    begun = perf_counter()
    log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the server
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        while True:
            if process.poll() is not None or perf_counter() - begun > 600:
                log.seek(0)
                raise SystemExit(f"{name} did not start:\n{log.read().decode()[-2000:]}")
            try:
                with urllib.request.urlopen(health, timeout=1):
                    break
            except urllib.error.HTTPError:
                break
            except OSError:
                sleep(0.01)
        yield Target(name, url, model, process.pid, perf_counter() - begun)
    finally:
        process.terminate()
        process.wait(20)


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process and its children, in s."""
    process = psutil.Process(pid)
    found = [process, *process.children(recursive=True)]
    return sum(times.user + times.system for times in (each.cpu_times() for each in found))


def memory_mb(pid: int) -> float:
    """Return the proportional memory of a process and its children, in MB."""
    process = psutil.Process(pid)
    return sum(each.memory_full_info().pss for each in [process, *process.children(recursive=True)]) / 1e6


async def load(target: Target, concurrency: int, seconds: float, *, stream: bool, **fields: object) -> Cell:
    """Ask for `seconds` over so many connections."""
    request = prepared(target, stream=stream, **fields)
    parts, times = urlsplit(target.url), []
    before = cpu_s(target.pid)
    begun = perf_counter()

    async def one() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        once = False  # a slow server gets one answer a connection at least
        while not once or perf_counter() - begun < seconds:
            once = True
            asked_at = perf_counter()
            writer.write(request)
            await read_answer(reader, target.name)
            times.append(perf_counter() - asked_at)
        writer.close()

    await asyncio.gather(*(one() for _ in range(concurrency)))
    took = perf_counter() - begun
    times.sort()
    used = (cpu_s(target.pid) - before) / len(times)
    return Cell(
        len(times) / took, 1e3 * statistics.median(times), 1e3 * times[int(0.99 * (len(times) - 1))], 1e6 * used
    )


async def added(direct: Target, target: Target, seconds: float, *, stream: bool) -> list[float]:
    """Ask both in turn, one request at a time, for so long; return how much longer the second took in each pair, in ms."""
    both, differences = [], []
    for each in (direct, target):
        parts = urlsplit(each.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        both.append((each.name, prepared(each, stream=stream), reader, writer))
    begun = perf_counter()
    while perf_counter() - begun < seconds:
        times = []
        for name, request, reader, writer in both:
            asked_at = perf_counter()
            writer.write(request)
            await read_answer(reader, name)
            times.append(perf_counter() - asked_at)
        differences.append(1e3 * (times[1] - times[0]))
    for _, _, _, writer in both:
        writer.close()
    return differences[len(differences) // 10 :]  # the first ones warm up


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """Return the median and its 95 % interval by order statistics, whatever the distribution."""
    ordered, n = sorted(values), len(values)
    reach = 0.98 * n**0.5  # 1.96 standard deviations of a binomial with p = 1/2
    low, high = (ordered[min(n - 1, max(0, round(n / 2 + side * reach)))] for side in (-1, 1))
    return statistics.median(ordered), low, high


def prepared(target: Target, *, stream: bool, **fields: object) -> bytes:
    """Return the request that is sent again and again."""
    parts = urlsplit(target.url)
    asked = {"model": target.model, "messages": [{"role": "user", "content": "Say a word sixty-four times."}], **fields}
    body = json.dumps(asked | ({"stream": True} if stream else {})).encode()
    head = (
        f"POST {parts.path}/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


async def read_answer(reader: asyncio.StreamReader, name: str) -> None:
    """Read one answer to its end, and make sure that it is one."""
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise SystemExit(f"{name} answered: {head.decode()} {(await reader.read(500)).decode()}")
    found = LENGTH.search(head)
    if found:
        body = await reader.readexactly(int(found[1]))
    else:
        body = await reader.readuntil(b"\r\n0\r\n\r\n") if b"chunked" in head.lower() else b""
    if b"word" not in body:
        raise SystemExit(f"{name} answered without words: {body[:300].decode()}")


def measure(targets: list[Target], rounds: int, seconds: float) -> dict[tuple[str, bool, int], list[Cell]]:
    """Measure every cell of every round, targets interleaved."""
    found: dict[tuple[str, bool, int], list[Cell]] = {}
    for number in range(rounds):
        for stream in (False, True):
            for concurrency in CONCURRENCY:
                order = targets[number % len(targets) :] + targets[: number % len(targets)]
                for target in order:
                    asyncio.run(load(target, concurrency, min(0.5, seconds), stream=stream))  # warms up
                    cell = asyncio.run(load(target, concurrency, seconds, stream=stream))
                    found.setdefault((target.name, stream, concurrency), []).append(cell)
                    print(
                        f"round {number + 1} {target.name} {'SSE' if stream else 'JSON'} c={concurrency} {cell}",
                        file=sys.stderr,
                    )
    return found


def report(
    targets: list[Target],
    found: dict[tuple[str, bool, int], list[Cell]],
    memory: dict[str, tuple[float, float]],
    longer: dict[tuple[str, bool], list[float]],
) -> None:
    """Print Markdown: medians over rounds, and ratios within rounds."""

    def middle(name: str, stream: bool, concurrency: int, field: str) -> float:
        values: list[float] = [getattr(cell, field) for cell in found[name, stream, concurrency]]
        return statistics.median(values)

    def ratio(a: str, b: str, stream: bool, concurrency: int) -> str:
        pairs = zip(found[a, stream, concurrency], found[b, stream, concurrency], strict=True)
        ratios = sorted(one.rate / other.rate for one, other in pairs)
        return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"

    print(
        "| | start s | MB before, after | JSON/s c=1 | c=32 | p50 ms c=1 | p99 ms c=32 | SSE/s c=1 | c=32 | p50 ms c=1 | p99 ms c=32 | CPU us JSON, SSE (c=1) |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for target in targets:
        cells = [
            f"{middle(target.name, stream, concurrency, field):,.{digits}f}"
            for stream in (False, True)
            for concurrency, field, digits in ((1, "rate", 0), (32, "rate", 0), (1, "p50_ms", 2), (32, "p99_ms", 0))
        ]
        cpu = ", ".join(f"{middle(target.name, stream, 1, 'cpu_us'):,.0f}" for stream in (False, True))
        before, after = memory[target.name]
        print(f"| {target.name} | {target.start_s:.2f} | {before:.0f}, {after:.0f} | {' | '.join(cells)} | {cpu} |")
    names = [target.name for target in targets]
    print()
    for stream in (False, True):
        kind = "SSE" if stream else "JSON"
        for name in names[1:]:
            if (name, stream) in longer:
                middle_ms, low, high = median_interval(longer[name, stream])
                pairs = len(longer[name, stream])
                print(
                    f"- {kind}: {name} adds {middle_ms:.2f} ms ({low:.2f} to {high:.2f}, {pairs:,} pairs) at one connection."
                )
        for ours in OURS:
            for other in ("bare pass-through", "LiteLLM proxy"):
                if other in names:
                    told = ", ".join(f"{ratio(ours, other, stream, c)} at {c}" for c in CONCURRENCY)
                    print(f"- {kind}: rate of {ours} / {other}: {told} (median, range over rounds).")


def main() -> None:
    """Start all of them, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--litellm", type=Path, help="LiteLLM's command, installed with its proxy")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    with ExitStack() as stack:
        targets = start_all(stack, folder, options.litellm)
        before = {target.name: memory_mb(target.pid) for target in targets}
        found = measure(targets, options.rounds, options.seconds)
        memory = {target.name: (before[target.name], memory_mb(target.pid)) for target in targets}
        longer = {
            (target.name, stream): asyncio.run(added(targets[0], target, 2 * options.seconds, stream=stream))
            for stream in (False, True)
            for target in targets[1:]
            if target.name != "LiteLLM proxy"
        }
        report(targets, found, memory, longer)
        cached = next(target for target in targets if target.name == OURS[1])
        for stream in (False, True):  # the first one of each fills it
            hit = asyncio.run(load(cached, 1, options.seconds, stream=stream, temperature=0))
            print(
                f"- {'SSE' if stream else 'JSON'}: a hit of the cache takes {hit.p50_ms:.2f} ms (p99 {hit.p99_ms:.2f})."
            )
    shutil.rmtree(folder)


def start_all(stack: ExitStack, folder: Path, litellm: Path | None) -> list[Target]:
    """Start the upstream and all that stands before it."""
    stub, bare, theirs = (free_port() for _ in range(3))
    url = f"http://127.0.0.1:{stub}/v1"
    python = [sys.executable]
    direct = started(DIRECT, [*python, str(HERE / "gateway_stub.py"), str(stub)], url, "stub", {}, url)
    targets = [stack.enter_context(direct)]
    command = [*python, str(HERE / "gateway_bare.py"), str(bare), url]
    base = f"http://127.0.0.1:{bare}"
    targets.append(
        stack.enter_context(started("bare pass-through", command, f"{base}/v1", "stub", {}, f"{base}/health"))
    )
    for name, plain in zip(OURS, ("streamed", "as_asked"), strict=True):
        settings, ours = folder / f"{plain}.toml", free_port()
        settings.write_text(
            f'[keeping]\nslots = 256\n[endpoints]\nplain = "{plain}"\n[cache]\nenabled = true\n', encoding="utf-8"
        )
        model, base = f"openai:stub@{url}", f"http://127.0.0.1:{ours}"
        command = [*python, "-m", "bakeoff", "serve", "--models", model, "--port", str(ours), "--config", str(settings)]
        environment = {"BAKEOFF_HOME": str(folder / plain)}
        made = started(name, command, f"{base}/v1", model, environment, f"{base}/ready")
        targets.append(stack.enter_context(made))
    if litellm is not None:
        config = folder / "litellm.yaml"
        config.write_text(
            f"model_list:\n  - model_name: stub\n    litellm_params: {{model: openai/stub, api_base: '{url}', api_key: none}}\n"
            f"general_settings: {{master_key: {KEY}}}\n",
            encoding="utf-8",
        )
        command = [str(litellm), "--config", str(config), "--port", str(theirs), "--host", "127.0.0.1"]
        base = f"http://127.0.0.1:{theirs}"
        environment = {"PYTHONPATH": "", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        made = started("LiteLLM proxy", command, f"{base}/v1", "stub", environment, f"{base}/health/liveliness")
        targets.append(stack.enter_context(made))
    return targets


if __name__ == "__main__":
    main()
