"""Does a gateway stay as it is? Its memory over many requests, and what is left after minutes of loads, evictions and kills.

    PYTHONPATH=src python benchmarks/soak.py [--requests 100000] [--minutes 10] [--clients 8] [--kill-every 10]

Two parts, each with a gateway of its own (`bakeoff serve`, a process):

- flat: so many requests, plain ones and streams in turn over 16 connections, before an upstream that takes no time
  (`gateway_stub.py`); the resident memory at every tenth of them.
- churn: the four bundled models under a budget that holds two of them at a time, clients that ask for one at random (plain,
  stream, or a stream that they leave), and `kill -9` of a random worker every few seconds. Counted are what clients got, who
  hung (no end within the client's time), leases and memory at rest, and processes that outlive the gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
import psutil
from gateway import HERE, Target, free_port, load, started

MODELS = ("bundled:social", "bundled:generalist", "bundled:technical", "bundled:baseline")
BUDGET = 700_000_000
PATIENCE_S = 120.0
"""A client whose answer has no end by then hangs."""
SAMPLE_S = 5.0


def resident_mb(pid: int) -> float:
    """Return a process's resident memory, without its children's, in MB."""
    return psutil.Process(pid).memory_info().rss / 1e6


def gateway(stack: ExitStack, folder: Path, models: str, settings: str, *more: str) -> Target:
    """Start a gateway, and wait until it is ready."""
    port, config = free_port(), folder / "serve.toml"
    config.write_text(settings, encoding="utf-8")
    command = [sys.executable, "-m", "bakeoff", "serve", "--models", models, "--port", str(port), "--config"]
    base = f"http://127.0.0.1:{port}"
    environment = {"BAKEOFF_HOME": str(folder / "home")}
    model = models.partition(",")[0]
    return stack.enter_context(
        started("bakeoff serve", [*command, str(config), *more], f"{base}/v1", model, environment, f"{base}/ready")
    )


def flat(requests: int) -> dict[str, Any]:
    """Ask so many times; return the memory after each tenth, in MB."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        url = f"http://127.0.0.1:{port}/v1"
        stub = [sys.executable, str(HERE / "gateway_stub.py"), str(port)]
        stack.enter_context(started("upstream", stub, url, "stub", {}, url))
        target = gateway(stack, folder, f"openai:stub@{url}", "[keeping]\nslots = 64\n")
        memory, done, begun = [(0, resident_mb(target.pid))], 0, perf_counter()
        stream = False
        while done < requests:
            part, before = 0, perf_counter()
            while part < requests / 10:
                cell = asyncio.run(load(target, 16, 2.0, stream=stream))
                part += round(cell.rate * 2.0)
                stream = not stream
            done += part
            memory.append((done, resident_mb(target.pid)))
            print(f"flat {done} {memory[-1][1]:.1f} MB {part / (perf_counter() - before):.0f}/s", file=sys.stderr)
        return {"requests": done, "seconds": perf_counter() - begun, "memory_mb": memory}


class Churn:
    """The second part, under way."""

    def __init__(self, target: Target, seed: int) -> None:
        self._target = target
        self._random = random.Random(seed)
        self._root = target.url.removesuffix("/v1")
        self.outcomes: Counter[str] = Counter()
        self.hung = 0
        self.kills = 0
        self.workers: set[int] = set()
        self.memory: list[tuple[float, float]] = []
        self.most_committed = 0
        self.times: list[float] = []

    async def run(self, minutes: float, clients: int, kill_every: float) -> dict[str, Any]:
        """Do all of it; return the figures."""
        timeout = aiohttp.ClientTimeout(total=None)
        begun = perf_counter()
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
            until = begun + 60 * minutes
            beside = [asyncio.create_task(self._watch(session, begun)), asyncio.create_task(self._kill(kill_every))]
            await asyncio.gather(*(self._client(session, until) for _ in range(clients)))
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            at_rest = await self._at_rest(session)
        return {"seconds": perf_counter() - begun, **at_rest}

    async def _client(self, session: aiohttp.ClientSession, until: float) -> None:
        while perf_counter() < until:
            begun = perf_counter()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    outcome = await self._ask(session)
            except TimeoutError:
                self.hung += 1
                outcome = "hung"
            except aiohttp.ClientError as error:
                outcome = f"connection: {type(error).__name__}"
            self.outcomes[outcome] += 1
            if outcome == "answered":
                self.times.append(perf_counter() - begun)

    async def _ask(self, session: aiohttp.ClientSession) -> str:
        kind = self._random.choice(("plain", "stream", "leave"))
        asked = {
            "model": self._random.choice(MODELS),
            "messages": [{"role": "user", "content": f"Tweet: our shop number {self._random.randrange(999)} opens."}],
            "max_tokens": self._random.choice((1, 8, 32)),
            "stream": kind != "plain",
        }
        async with session.post(f"{self._target.url}/chat/completions", json=asked) as answer:
            if kind == "plain":
                value = await answer.json()
                return "answered" if answer.status == 200 else f"{answer.status} {value['error']['code']}"
            if answer.status != 200:
                return f"{answer.status} {(await answer.json())['error']['code']}"
            body = b""
            async for chunk in answer.content.iter_any():
                body += chunk
                if kind == "leave" and self._random.random() < 0.3:
                    return "left by the client"
            return _stream_outcome(body)

    async def _watch(self, session: aiohttp.ClientSession, begun: float) -> None:
        while True:
            self._note_workers()
            self.memory.append((perf_counter() - begun, resident_mb(self._target.pid)))
            with contextlib.suppress(aiohttp.ClientError):
                status = await self._status(session)
                self.most_committed = max(self.most_committed, status["committed_bytes"])
            if len(self.memory) % 12 == 0:
                print(f"churn {self.memory[-1]} {dict(self.outcomes)} kills {self.kills}", file=sys.stderr, flush=True)
            await asyncio.sleep(SAMPLE_S)

    async def _kill(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s * (0.5 + self._random.random()))
            found = self._note_workers()
            if found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._random.choice(found), signal.SIGKILL)
                    self.kills += 1

    def _note_workers(self) -> list[int]:
        """Return the workers that run now."""
        found = []
        for child in psutil.Process(self._target.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if (
                    any("bakeoff" in part and "worker" in part for part in child.cmdline())
                    and child.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(child.pid)
        self.workers.update(found)
        return found

    async def _status(self, session: aiohttp.ClientSession) -> dict[str, Any]:
        async with session.get(f"{self._root}/status") as answer:
            return dict(await answer.json())

    async def _at_rest(self, session: aiohttp.ClientSession) -> dict[str, Any]:
        """Return what is held when nobody has asked for a moment."""
        async with asyncio.timeout(60):
            while True:
                status = await self._status(session)
                leases = sum(model["leases"] + model["waiting"] for model in status["models"].values())
                if not leases and not status["open_requests"]:
                    break
                await asyncio.sleep(0.2)
        self._note_workers()
        counts: Counter[str] = Counter()
        for model in status["models"].values():
            counts.update(model["counts"])
        return {"leases": leases, "open_requests": status["open_requests"], "counts": dict(counts)}


def _stream_outcome(body: bytes) -> str:
    """Return how a stream that was read to its end ended."""
    events = [line[6:] for line in body.splitlines() if line.startswith(b"data: ")]
    if events and events[-1] == b"[DONE]":
        return "answered"
    last = json.loads(events[-1]) if events else {}
    return f"stream: {last['error']['code']}" if "error" in last else "stream: cut"


def churn(minutes: float, clients: int, kill_every: float, seed: int) -> dict[str, Any]:
    """Run the second part; return its figures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = "[keeping]\npatience_s = 2.0\nfirst_open_s = 0.5\nlongest_open_s = 4.0\n"
        target = gateway(stack, folder, ",".join(MODELS), settings, "--budget", str(BUDGET))
        work = Churn(target, seed)
        found = asyncio.run(work.run(minutes, clients, kill_every))
        process = psutil.Process(target.pid)
        begun = perf_counter()
        process.terminate()
        with contextlib.suppress(psutil.NoSuchProcess):
            process.wait(60)
        ended_s = perf_counter() - begun
        orphans = [pid for pid in work.workers if _runs(pid)]
    memory = [mb for _, mb in work.memory]
    return found | {
        "outcomes": dict(work.outcomes.most_common()),
        "hung": work.hung,
        "kills": work.kills,
        "workers_seen": len(work.workers),
        "orphans": len(orphans),
        "most_committed_bytes": work.most_committed,
        "budget_bytes": BUDGET,
        "end_s": ended_s,
        "answer_s": _quantiles(work.times),
        "memory_mb": list(_thinned(work.memory)),
        "memory_range_mb": (min(memory), max(memory)),
    }


def _runs(pid: int) -> bool:
    try:
        return str(psutil.Process(pid).status()) != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _quantiles(times: list[float]) -> dict[str, float]:
    if len(times) < 2:
        return {}
    cuts = statistics.quantiles(times, n=100)
    return {"p50": cuts[49], "p99": cuts[98], "max": max(times)}


def _thinned(samples: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield a sample a minute."""
    due = 0.0
    for at, value in samples:
        if at >= due:
            yield at, value
            due += 60.0


def main() -> None:
    """Run both parts; print their figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--kill-every", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    if options.minutes:
        found["churn"] = churn(options.minutes, options.clients, options.kill_every, options.seed)
    if options.requests:
        found["flat"] = flat(options.requests)
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
